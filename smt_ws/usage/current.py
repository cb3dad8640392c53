"""Which of the days that arrive the store has not yet, and which it has just so: thousands in one statement.

What is left over is to be compared one by one, by the statements that keep the versions (`versions`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from smt_ws.store.columns import fetch_columns
from smt_ws.store.dialect import is_postgresql
from smt_ws.usage.recent import array_text, is_dense

__all__ = ["Standing", "standing_of"]

Mask = NDArray[np.bool_]

#: Days compared at once: their values are a few MB.
_AT_ONCE: Final = 10_000
# Of each version one number, twice its place and whether it can be compared as it is: it is then all actual and of so
# many bytes. OFFSET 0 and the outer bounds: see `recent`.
_POSTGRESQL: Final = """
SELECT s.position << 1 | d.plain::int AS place, CASE WHEN d.plain THEN d.wh END AS wh
FROM (
    SELECT ordinal - 1 AS position, premise_id, channel, DATE '1970-01-01' + day AS day
    FROM unnest(%(premises)s::int8[], %(channels)s::int2[], %(days)s::int4[])
        WITH ORDINALITY AS asked (premise_id, channel, day, ordinal)
) s
CROSS JOIN LATERAL (
    SELECT wh, statuses IS NULL AND octet_length(wh) = %(size)s AS plain FROM interval_day
    WHERE premise_id = s.premise_id AND channel = s.channel AND operating_day = s.day
        AND operating_day BETWEEN %(first)s AND %(last)s
    OFFSET 0
) d
"""
_NEIGHBOURS: Final = """
SELECT (premise_id << 4 | channel) << 1 | (statuses IS NULL AND octet_length(wh) = %(size)s)::int AS place,
    CASE WHEN statuses IS NULL AND octet_length(wh) = %(size)s THEN wh END AS wh
FROM interval_day
WHERE premise_id BETWEEN %(lowest)s AND %(highest)s AND operating_day = %(day)s
"""
_SQLITE: Final = """
SELECT (s.value ->> 0) << 1 | (d.statuses IS NULL AND length(d.wh) = :size) AS place,
    CASE WHEN d.statuses IS NULL AND length(d.wh) = :size THEN d.wh END AS wh
FROM json_each(:asked) s CROSS JOIN interval_day d
    ON d.premise_id = s.value ->> 1 AND d.channel = s.value ->> 2 AND d.operating_day = s.value ->> 3
"""


class Standing(NamedTuple):
    """How each of many days stands to the store."""

    #: It has no version of the day.
    new: Mask
    #: Its latest version has the same values, and all of both are actual.
    same: Mask


def standing_of(
    connection: Connection,
    premise_ids: NDArray[np.int64],
    channels: NDArray[np.int16],
    days: NDArray[np.datetime64],
    values: NDArray[np.int32],
    actual: Mask,
) -> Standing:
    """How days stand to the store: sorted by premise and channel, no two the same; *values* in Wh, a row each.

    *actual*: whether all intervals of the day are.
    """
    standing = Standing(np.ones(len(days), bool), np.zeros(len(days), bool))
    size = values.itemsize * values.shape[1]
    for start in range(0, len(days), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        on = days[part].astype("datetime64[D]")
        position, plain, wh = _latest(connection, premise_ids[part], channels[part], on, size)
        standing.new[start + position[position >= 0]] = False
        compared = start + position[plain]
        stored = np.frombuffer(wh, "<i4").reshape(len(compared), values.shape[1])
        if (asked := compared >= start).any():
            stored, compared = (stored, compared) if asked.all() else (stored[asked], compared[asked])
            standing.same[compared] = (stored == values[compared]).all(axis=1) & actual[compared]
    return standing


def _latest(
    connection: Connection,
    premise_ids: NDArray[np.int64],
    channels: NDArray[np.int16],
    days: NDArray[np.datetime64],
    size: int,
) -> tuple[NDArray[np.int64], Mask, bytes]:
    """The positions of those days that the store has, which can be compared as they are, and the values of those.

    A version that was not asked for has the position -1.
    """
    parameters: dict[str, Any] = {"size": size}
    if not is_postgresql(connection):
        each = zip(premise_ids.tolist(), channels.tolist(), days.tolist(), strict=True)
        asked = [f'[{n},{premise_id},{channel},"{day}"]' for n, (premise_id, channel, day) in enumerate(each)]
        query, parameters["asked"] = _SQLITE, f"[{','.join(asked)}]"
    elif (days == days[0]).all() and is_dense(premise_ids):
        # side by side in the primary key: see `recent`
        query = _NEIGHBOURS
        parameters |= {"lowest": int(premise_ids[0]), "highest": int(premise_ids[-1]), "day": days[0].item()}
    else:
        query = _POSTGRESQL
        parameters |= {"premises": array_text(premise_ids), "channels": array_text(channels), "days": array_text(days)}
        parameters |= {"first": days.min().item(), "last": days.max().item()}
    found = fetch_columns(connection, query, parameters, integers=("place",), binary="wh")
    place = found.integers["place"]
    position = place >> 1
    if query is _NEIGHBOURS:
        keys = premise_ids << 4 | channels
        near = np.minimum(np.searchsorted(keys, position), len(keys) - 1)
        position = np.where(keys[near] == position, near, -1)
    return position, place & 1 != 0, found.binary
