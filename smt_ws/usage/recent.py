"""What the store already has of days that arrive and those around them, for thousands in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from smt_ws.store.dialect import is_postgresql

__all__ = ["NOT_MEASURED", "register_usage", "whole_days_before"]

#: Stands for a day that the store does not have, or not whole.
NOT_MEASURED: Final = -1

# OFFSET 0 keeps the inner query a look-up a row, whatever the planner believes about sizes; the outer bounds let it
# leave out whole partitions.
_POSTGRESQL: Final = """
SELECT s.position::int4, s.back::int4, d.wh
FROM (
    SELECT ordinal - 1 AS position, back, premise_id, DATE '1970-01-01' + day - back AS day
    FROM unnest(%(premises)s::int8[], %(days)s::int4[]) WITH ORDINALITY AS asked (premise_id, day, ordinal)
    CROSS JOIN unnest(%(back)s::int4[]) AS b (back)
) s
CROSS JOIN LATERAL (
    SELECT wh FROM interval_day
    WHERE premise_id = s.premise_id AND channel = %(channel)s::int2 AND operating_day = s.day
        AND operating_day BETWEEN %(first)s AND %(last)s
        AND (statuses IS NULL OR position('M'::bytea IN statuses) = 0)
    OFFSET 0
) d
"""
_SQLITE: Final = """
SELECT s.value ->> 0, s.value ->> 1, d.wh
FROM json_each(:asked) s CROSS JOIN interval_day d
    ON d.premise_id = s.value ->> 2 AND d.channel = :channel AND d.operating_day = s.value ->> 3
WHERE d.statuses IS NULL OR instr(d.statuses, X'4D') = 0
"""
_READ_POSTGRESQL: Final = """
SELECT s.position::int4, r.usage_wh
FROM (
    SELECT ordinal - 1 AS position, premise_id, channel, DATE '1970-01-01' + day AS day
    FROM unnest(%(premises)s::int8[], %(channels)s::int2[], %(days)s::int4[])
        WITH ORDINALITY AS asked (premise_id, channel, day, ordinal)
) s
CROSS JOIN LATERAL (
    SELECT usage_wh FROM register_read
    WHERE premise_id = s.premise_id AND channel = s.channel AND operating_day = s.day
        AND operating_day BETWEEN %(first)s AND %(last)s AND usage_wh IS NOT NULL
    OFFSET 0
) r
"""
_READ_SQLITE: Final = """
SELECT s.value ->> 0, r.usage_wh
FROM json_each(:asked) s CROSS JOIN register_read r
    ON r.premise_id = s.value ->> 1 AND r.channel = s.value ->> 2 AND r.operating_day = s.value ->> 3
WHERE r.usage_wh IS NOT NULL
"""
_EPOCH: Final = date(1970, 1, 1).toordinal()


def whole_days_before(
    connection: Connection, premise_ids: Sequence[int], days: Sequence[date], *, back: Sequence[int], channel: int = 4
) -> NDArray[np.int64]:
    """The sums in Wh of the days that lie *back* days before *days*, a row for each premise, a column for each step.

    `NOT_MEASURED` where the store does not have the day or an interval of it is missing. *back* may hold 0.
    """
    sums = np.full((len(premise_ids), len(back)), NOT_MEASURED, np.int64)
    if not premise_ids or not back:
        return sums
    ask = _ask_postgresql if is_postgresql(connection) else _ask_sqlite
    rows = ask(connection, premise_ids, days, back, channel)
    column = {step: n for n, step in enumerate(back)}
    by_length: dict[int, list[Any]] = {}
    for row in rows:
        by_length.setdefault(len(row[2]), []).append(row)
    for length, same in by_length.items():
        positions, steps, values = zip(*same, strict=True)
        totals = np.frombuffer(b"".join(values), "<i4").reshape(-1, length // 4).sum(axis=1, dtype=np.int64)
        sums[list(positions), [column[step] for step in steps]] = totals
    return sums


def register_usage(
    connection: Connection, premise_ids: Sequence[int], channels: Sequence[int], days: Sequence[date]
) -> NDArray[np.int64]:
    """What the registers say of each premise, channel and day, in Wh; `NOT_MEASURED` where the store has no read."""
    usage = np.full(len(premise_ids), NOT_MEASURED, np.int64)
    if not premise_ids:
        return usage
    driver: Any = connection.connection.driver_connection
    if is_postgresql(connection):
        with driver.cursor(binary=True) as cursor:
            cursor.execute(
                _READ_POSTGRESQL,
                {
                    "premises": list(premise_ids),
                    "channels": list(channels),
                    "days": [day.toordinal() - _EPOCH for day in days],
                    "first": min(days),
                    "last": max(days),
                },
            )
            rows = cursor.fetchall()
    else:
        keys = zip(premise_ids, channels, days, strict=True)
        asked = ",".join(f'[{n},{premise_id},{channel},"{day}"]' for n, (premise_id, channel, day) in enumerate(keys))
        rows = driver.execute(_READ_SQLITE, {"asked": f"[{asked}]"}).fetchall()
    if rows:
        positions, found = zip(*rows, strict=True)
        usage[list(positions)] = found
    return usage


def _ask_postgresql(
    connection: Connection, premise_ids: Sequence[int], days: Sequence[date], back: Sequence[int], channel: int
) -> list[Any]:
    driver: Any = connection.connection.driver_connection
    with driver.cursor(binary=True) as cursor:
        cursor.execute(
            _POSTGRESQL,
            {
                "premises": list(premise_ids),
                "days": [day.toordinal() - _EPOCH for day in days],
                "back": list(back),
                "channel": channel,
                "first": min(days) - timedelta(days=max(back)),
                "last": max(days) - timedelta(days=min(back)),
            },
        )
        rows: list[Any] = cursor.fetchall()
        return rows


def _ask_sqlite(
    connection: Connection, premise_ids: Sequence[int], days: Sequence[date], back: Sequence[int], channel: int
) -> list[Any]:
    asked = ",".join(
        f'[{position},{step},{premise_id},"{day - timedelta(days=step)}"]'
        for position, (premise_id, day) in enumerate(zip(premise_ids, days, strict=True))
        for step in back
    )
    driver: Any = connection.connection.driver_connection
    rows: list[Any] = driver.execute(_SQLITE, {"asked": f"[{asked}]", "channel": channel}).fetchall()
    return rows
