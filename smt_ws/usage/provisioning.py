"""Stored days judged again when a meter file tells otherwise of when their meters were provisioned (U5, U8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from smt_ws.store.columns import fetch_columns
from smt_ws.store.dialect import is_postgresql
from smt_ws.usage.as_of import EPOCH
from smt_ws.usage.judged import Day, judge_days
from smt_ws.usage.known import meters_of
from smt_ws.usage.recent import array_text
from smt_ws.usage.rules import KnownPremise, MeterSpell, Severity, flags_of

__all__ = ["Stretch", "judge_provisioning", "stretches_changed"]

_RULE: Final = "METER_NOT_PROVISIONED"
_ONE_DAY: Final = timedelta(days=1)
#: After it there is no day.
_LAST: Final = date.max - _ONE_DAY
#: Premises whose days are judged at once.
_AT_ONCE: Final = 5000


class Stretch(NamedTuple):
    """Days, both included, on which a meter waits to be provisioned now and did not before, or the other way round."""

    first: date
    last: date
    waits: bool


# the meters of a file are told to be provisioned on few different days
@lru_cache(maxsize=1024)
def stretches_changed(before: tuple[MeterSpell, ...], after: tuple[MeterSpell, ...]) -> tuple[Stretch, ...]:
    """Where the stays of meters at a premise, as they were told *before* and *after*, judge days differently."""
    turns = {
        day
        for one in (*before, *after)
        for day in (one.installed, one.provisioned, one.removed and min(one.removed, _LAST) + _ONE_DAY)
        if day is not None
    }
    turning = sorted(turns)
    changed = []
    for first, end in zip_longest(turning, turning[1:]):
        waits = _waits(after, first)
        if waits != _waits(before, first):
            changed.append(Stretch(first, date.max if end is None else end - _ONE_DAY, waits))
    return tuple(changed)


def _waits(meters: tuple[MeterSpell, ...], day: date) -> bool:
    known = KnownPremise(0, "", meters)
    return known.has_meter(day) and not known.is_provisioned(day)


def judge_provisioning(
    connection: Connection, premise_ids: Sequence[int], *, severity: Mapping[str, Severity], load_number: int
) -> None:
    """Judge the stored days of *premise_ids* by what load *load_number* has told of the meters there.

    Where the rule rejects, a day that was taken is not flagged afterwards; a flag that no longer holds always goes.
    """
    bit = flags_of([_RULE])
    for start in range(0, len(premise_ids), _AT_ONCE):
        keys = premise_ids[start : start + _AT_ONCE]
        before, after = (meters_of(connection, keys, as_of=number) for number in (load_number - 1, load_number))
        changed = [
            (key, stretch)
            for key in keys
            for stretch in stretches_changed(before.get(key, ()), after.get(key, ()))
            if not stretch.waits or severity[_RULE] is Severity.FLAG
        ]
        if changed:
            judged = {day: bit if waits else 0 for day, waits in _otherwise(connection, changed, bit)}
            judge_days(connection, judged, [_RULE], load_number=load_number)


def _otherwise(connection: Connection, changed: Sequence[tuple[int, Stretch]], bit: int) -> Iterator[tuple[Day, bool]]:
    """The stored days of the stretches whose flag is not as it is to be, and how that is."""
    parameters: dict[str, Any] = {"bit": bit}
    if is_postgresql(connection):
        query = _POSTGRESQL
        parameters |= {
            "premises": array_text([key for key, _ in changed]),
            "firsts": array_text([one.first.toordinal() - EPOCH for _, one in changed]),
            "lasts": array_text([one.last.toordinal() - EPOCH for _, one in changed]),
            "first": min(one.first for _, one in changed),
            "last": max(one.last for _, one in changed),
        }
    else:
        query = _SQLITE
        asked = [f'[{n},{key},"{one.first}","{one.last}"]' for n, (key, one) in enumerate(changed)]
        parameters["asked"] = f"[{','.join(asked)}]"
    columns = ("position", "channel", "day", "flagged")
    found, _ = fetch_columns(connection, query, parameters, integers=columns)
    for position, channel, day, flagged in zip(*(found[name].tolist() for name in columns), strict=True):
        key, stretch = changed[position]
        if bool(flagged) != stretch.waits:
            yield (key, channel, date.fromordinal(day + EPOCH)), stretch.waits


# OFFSET 0 and the outer bounds: see `recent`
_POSTGRESQL: Final = """
SELECT s.position, d.channel, d.operating_day - DATE '1970-01-01' AS day, (d.flags & %(bit)s <> 0)::int AS flagged
FROM (
    SELECT ordinal - 1 AS position, premise_id, DATE '1970-01-01' + a AS first_day, DATE '1970-01-01' + b AS last_day
    FROM unnest(%(premises)s::int8[], %(firsts)s::int4[], %(lasts)s::int4[])
        WITH ORDINALITY AS asked (premise_id, a, b, ordinal)
) s
CROSS JOIN LATERAL (
    SELECT channel, operating_day, flags FROM interval_day
    WHERE premise_id = s.premise_id AND channel IN (1, 4) AND operating_day BETWEEN s.first_day AND s.last_day
        AND operating_day BETWEEN %(first)s AND %(last)s
    OFFSET 0
) d
"""
_SQLITE: Final = """
SELECT s.value ->> 0 AS position, d.channel AS channel,
    CAST(julianday(d.operating_day) - 2440587.5 AS INTEGER) AS day, d.flags & :bit <> 0 AS flagged
FROM json_each(:asked) s CROSS JOIN interval_day d
    ON d.premise_id = s.value ->> 1 AND d.channel IN (1, 4)
    AND d.operating_day BETWEEN s.value ->> 2 AND s.value ->> 3
"""
