"""Which of the days that arrive the store has not yet, and which it has just so: thousands in one statement.

What is left over is to be compared one by one, by the statements that keep the versions (`versions`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from adapters.lse import LOAD
from smt_ws.store.columns import Joined, fetch_columns
from smt_ws.store.dialect import is_postgresql
from smt_ws.usage.recent import array_text, is_dense

__all__ = ["Standing", "standing_of"]

Mask = NDArray[np.bool_]

#: Days compared at once: their values are a few MB.
_AT_ONCE: Final = 10_000
# OFFSET 0 and the outer bounds: see `recent`.
_POSTGRESQL: Final = """
SELECT s.position, octet_length(d.wh) AS size, (d.statuses IS NULL)::int AS actual, d.wh
FROM (
    SELECT ordinal - 1 AS position, premise_id, channel, DATE '1970-01-01' + day AS day
    FROM unnest(%(premises)s::int8[], %(channels)s::int2[], %(days)s::int4[])
        WITH ORDINALITY AS asked (premise_id, channel, day, ordinal)
) s
CROSS JOIN LATERAL (
    SELECT wh, statuses FROM interval_day
    WHERE premise_id = s.premise_id AND channel = s.channel AND operating_day = s.day
        AND operating_day BETWEEN %(first)s AND %(last)s
    OFFSET 0
) d
"""
_NEIGHBOURS: Final = """
SELECT premise_id, channel, octet_length(wh) AS size, (statuses IS NULL)::int AS actual, wh
FROM interval_day
WHERE premise_id BETWEEN %(lowest)s AND %(highest)s AND operating_day = %(day)s
"""
_SQLITE: Final = """
SELECT s.value ->> 0 AS position, length(d.wh) AS size, d.statuses IS NULL AS actual, d.wh AS wh
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
    for start in range(0, len(days), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        position, found = _latest(connection, premise_ids[part], channels[part], days[part].astype("datetime64[D]"))
        asked = position >= 0
        rows = start + position[asked]
        standing.new[rows] = False
        if (found.integers["size"] != values.itemsize * values.shape[1]).any():
            continue  # where a row begins in what was found is not known
        stored = np.frombuffer(found.binary, "<i4").reshape(len(position), values.shape[1])
        if len(rows) < len(position):
            stored = stored[asked]
        alike = (stored == values[rows]).all(axis=1)
        standing.same[rows] = alike & actual[rows] & (found.integers["actual"][asked] != 0)
    return standing


def _latest(
    connection: Connection, premise_ids: NDArray[np.int64], channels: NDArray[np.int16], days: NDArray[np.datetime64]
) -> tuple[NDArray[np.int64], Joined]:
    """The latest versions of days that the store has, and their positions; some may not have been asked for: -1."""
    wanted = ("size", "actual")
    if not is_postgresql(connection):
        each = zip(premise_ids.tolist(), channels.tolist(), days.tolist(), strict=True)
        asked = [f'[{n},{premise_id},{channel},"{day}"]' for n, (premise_id, channel, day) in enumerate(each)]
        parameters: dict[str, Any] = {"asked": f"[{','.join(asked)}]"}
        found = fetch_columns(connection, _SQLITE, parameters, integers=("position", *wanted), binary="wh")
        return found.integers["position"], found
    if (days == days[0]).all() and is_dense(premise_ids):
        # side by side in the primary key: see `recent`
        parameters = {"lowest": int(premise_ids[0]), "highest": int(premise_ids[-1]), "day": days[0].item()}
        keyed = ("premise_id", "channel", *wanted)
        found = fetch_columns(connection, _NEIGHBOURS, parameters, integers=keyed, binary="wh")
        keys = _key(premise_ids, channels)
        sought = _key(found.integers["premise_id"], found.integers["channel"])
        place = np.minimum(np.searchsorted(keys, sought), len(keys) - 1)
        return np.where(keys[place] == sought, place, -1), found
    parameters = {
        "premises": array_text(premise_ids),
        "channels": array_text(channels),
        "days": array_text(days),
        "first": days.min().item(),
        "last": days.max().item(),
    }
    found = fetch_columns(connection, _POSTGRESQL, parameters, integers=("position", *wanted), binary="wh")
    return found.integers["position"], found


def _key(premise_ids: NDArray[np.int64], channels: NDArray[np.integer]) -> NDArray[np.int64]:
    key: NDArray[np.int64] = premise_ids << 1 | (channels == LOAD)
    return key
