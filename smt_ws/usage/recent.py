"""What the store already has of days that arrive and those around them, for thousands in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from smt_ws.store.columns import fetch_columns
from smt_ws.store.dialect import is_postgresql

__all__ = [
    "DENSE",
    "NOT_MEASURED",
    "Registered",
    "array_text",
    "is_dense",
    "registered",
    "sums_on",
    "whole_days_before",
]

#: Stands for a day that the store does not have, or not whole.
NOT_MEASURED: Final = -1
#: NumPy no longer takes a bare number for so many days.
_DAY: Final = np.timedelta64(1, "D")

# OFFSET 0 keeps the inner query a look-up a row, whatever the planner believes about sizes; the outer bounds let it
# leave out whole partitions.
_POSTGRESQL: Final = """
SELECT s.position, s.back, octet_length(d.wh) AS size, d.wh
FROM (
    SELECT ordinal - 1 AS position, back, premise_id, DATE '1970-01-01' + day - back AS day
    FROM unnest(%(premises)s::int8[], %(days)s::int4[]) WITH ORDINALITY AS asked (premise_id, day, ordinal)
    CROSS JOIN unnest(%(back)s::int4[]) AS b (back)
) s
CROSS JOIN LATERAL (
    SELECT wh FROM interval_day
    WHERE premise_id = s.premise_id AND channel = %(channel)s::int2 AND operating_day = s.day
        AND operating_day BETWEEN %(first)s AND %(last)s
        AND ({unless_whole} OR statuses IS NULL OR position('M'::bytea IN statuses) = 0)
    OFFSET 0
) d
"""
# Neighbouring premises lie side by side in the primary key: going through it once takes a third of looking up each.
_NEIGHBOURS: Final = """
SELECT premise_id, operating_day - DATE '1970-01-01' AS day, octet_length(wh) AS size, wh
FROM interval_day
WHERE premise_id BETWEEN %(lowest)s AND %(highest)s AND channel = %(channel)s::int2
    AND operating_day = ANY(%(days)s::date[])
    AND ({unless_whole} OR statuses IS NULL OR position('M'::bytea IN statuses) = 0)
"""
_SQLITE: Final = """
SELECT s.value ->> 0 AS position, s.value ->> 1 AS back, length(d.wh) AS size, d.wh AS wh
FROM json_each(:asked) s CROSS JOIN interval_day d
    ON d.premise_id = s.value ->> 2 AND d.channel = :channel AND d.operating_day = s.value ->> 3
WHERE {unless_whole} OR d.statuses IS NULL OR instr(d.statuses, X'4D') = 0
"""
# both stores read these as conditions
_TRUE: Final = "1 = 1"
_FALSE: Final = "1 = 0"
_READ_POSTGRESQL: Final = """
SELECT s.position, coalesce(r.usage_wh, -1) AS usage_wh, coalesce(r.stop_wh < r.start_wh, FALSE)::int AS went_back
FROM (
    SELECT ordinal - 1 AS position, premise_id, channel, DATE '1970-01-01' + day AS day
    FROM unnest(%(premises)s::int8[], %(channels)s::int2[], %(days)s::int4[])
        WITH ORDINALITY AS asked (premise_id, channel, day, ordinal)
) s
CROSS JOIN LATERAL (
    SELECT start_wh, stop_wh, usage_wh FROM register_read
    WHERE premise_id = s.premise_id AND channel = s.channel AND operating_day = s.day
        AND operating_day BETWEEN %(first)s AND %(last)s
    OFFSET 0
) r
"""
_READ_SQLITE: Final = """
SELECT s.value ->> 0 AS position, coalesce(r.usage_wh, -1) AS usage_wh,
    coalesce(r.stop_wh < r.start_wh, 0) AS went_back
FROM json_each(:asked) s CROSS JOIN register_read r
    ON r.premise_id = s.value ->> 1 AND r.channel = s.value ->> 2 AND r.operating_day = s.value ->> 3
"""
#: How many premises may lie between the first and the last of a list for each of it, that it is worth to go through
#: all of them.
DENSE: Final = 3
#: A row for each premise, channel or day, as an array or a list.
Numbers = NDArray[np.integer] | Sequence[int]
Days = NDArray[np.datetime64] | Sequence[date]


def whole_days_before(
    connection: Connection, premise_ids: Numbers, days: Days, *, back: Sequence[int], channel: int = 4
) -> NDArray[np.int64]:
    """The sums in Wh of the days that lie *back* days before *days*, a row for each premise, a column for each step.

    `NOT_MEASURED` where the store does not have the day or an interval of it is missing. *back* may hold 0.
    """
    return _sums_before(connection, premise_ids, days, back, channel, whole=True)


def sums_on(connection: Connection, premise_ids: Numbers, days: Days, *, channel: int = 4) -> NDArray[np.int64]:
    """The sums in Wh of the intervals that there are of each of *days*; `NOT_MEASURED` where a day is not stored."""
    sums: NDArray[np.int64] = _sums_before(connection, premise_ids, days, (0,), channel, whole=False)[:, 0]
    return sums


def _sums_before(
    connection: Connection, premise_ids: Numbers, days: Days, back: Sequence[int], channel: int, *, whole: bool
) -> NDArray[np.int64]:
    """As `whole_days_before`; of days with missing intervals too where they need not be *whole*."""
    sums = np.full((len(premise_ids), len(back)), NOT_MEASURED, np.int64)
    if not sums.size:
        return sums
    on = np.asarray(days, "datetime64[D]")
    if is_postgresql(connection):
        keys, row = np.unique(np.asarray(premise_ids, np.int64), return_inverse=True)
        if (on == on[0]).all() and is_dense(keys):
            return _of_neighbours(connection, keys, on[0], back, channel, whole)[row]
        query, parameters = _POSTGRESQL, {
            "premises": array_text(premise_ids),
            "days": array_text(on),
            "back": list(back),
            "channel": channel,
            "first": (on.min() - max(back) * _DAY).item(),
            "last": (on.max() - min(back) * _DAY).item(),
        }  # fmt: skip
    else:
        asked = [
            f'[{position},{step},{premise_id},"{day}"]'
            for step in back
            for position, (premise_id, day) in enumerate(
                zip(_list(premise_ids), (on - step * _DAY).tolist(), strict=True)
            )
        ]
        query, parameters = _SQLITE, {"asked": f"[{','.join(asked)}]", "channel": channel}
    query = query.format(unless_whole=_FALSE if whole else _TRUE)
    found, values = fetch_columns(connection, query, parameters, integers=("position", "back", "size"), binary="wh")
    column = {step: n for n, step in enumerate(back)}
    sums[found["position"], [column[step] for step in found["back"].tolist()]] = _sums(values, found["size"])
    return sums


def _of_neighbours(
    connection: Connection, keys: NDArray[np.int64], day: np.datetime64, back: Sequence[int], channel: int, whole: bool
) -> NDArray[np.int64]:
    """`whole_days_before` one day of the premises *keys*, sorted, most of whose neighbours are among them."""
    sums = np.full((len(keys), len(back)), NOT_MEASURED, np.int64)
    days = {(day - step * _DAY).astype(int).item(): n for n, step in enumerate(back)}
    parameters = {
        "lowest": int(keys[0]),
        "highest": int(keys[-1]),
        "channel": channel,
        "days": [(day - step * _DAY).item() for step in back],
    }
    wanted = ("premise_id", "day", "size")
    query = _NEIGHBOURS.format(unless_whole=_FALSE if whole else _TRUE)
    found, values = fetch_columns(connection, query, parameters, integers=wanted, binary="wh")
    place = np.searchsorted(keys, found["premise_id"])
    asked = keys[place] == found["premise_id"]
    column = np.array([days[number] for number in found["day"].tolist()], np.intp)
    sums[place[asked], column[asked]] = _sums(values, found["size"])[asked]
    return sums


def _sums(values: bytes, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of each day, of days that lie one after the other in *values*, so many bytes each."""
    if not values:
        return np.empty(0, np.int64)
    total: NDArray[np.int64] = np.add.reduceat(
        np.frombuffer(values, "<i4"), (np.cumsum(sizes) - sizes) // 4, dtype=np.int64
    )
    return total


class Registered(NamedTuple):
    """What register reads say of days."""

    #: Wh; `NOT_MEASURED` where the store has no read, or one that does not tell.
    usage: NDArray[np.int64]
    #: Whether the register ended below where it began.
    went_back: NDArray[np.bool_]


def registered(connection: Connection, premise_ids: Numbers, channels: Numbers, days: Days) -> Registered:
    """What the store's register reads say of each premise, channel and day."""
    usage = np.full(len(premise_ids), NOT_MEASURED, np.int64)
    went_back = np.zeros(len(premise_ids), bool)
    if not usage.size:
        return Registered(usage, went_back)
    on = np.asarray(days, "datetime64[D]")
    if is_postgresql(connection):
        query, parameters = _READ_POSTGRESQL, {
            "premises": array_text(premise_ids),
            "channels": array_text(channels),
            "days": array_text(on),
            "first": on.min().item(),
            "last": on.max().item(),
        }  # fmt: skip
    else:
        keys = zip(_list(premise_ids), _list(channels), on.tolist(), strict=True)
        asked = [f'[{n},{premise_id},{channel},"{day}"]' for n, (premise_id, channel, day) in enumerate(keys)]
        query, parameters = _READ_SQLITE, {"asked": f"[{','.join(asked)}]"}
    found, _ = fetch_columns(connection, query, parameters, integers=("position", "usage_wh", "went_back"))
    usage[found["position"]] = found["usage_wh"]
    went_back[found["position"]] = found["went_back"] != 0
    return Registered(usage, went_back)


def _list(numbers: Numbers) -> list[int]:
    listed: list[int] = np.asarray(numbers, np.int64).tolist()
    return listed


def array_text(numbers: Numbers | NDArray[np.datetime64]) -> str:
    """Numbers, or days since 1970, as PostgreSQL's text of an array: the driver writes a list out far slower."""
    return f"{{{','.join(map(str, np.asarray(numbers).astype(np.int64).tolist()))}}}"


def is_dense(keys: NDArray[np.int64]) -> bool:
    """Whether most of what lies between the first and the last of sorted *keys* is among them."""
    return bool(keys[-1] - keys[0] < DENSE * len(keys))
