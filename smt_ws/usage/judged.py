"""Flags of days judged anew by a later load, while an earlier snapshot keeps those it had (U5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from sqlalchemy import BigInteger, Connection, and_, cast, exists, literal, select, update

from smt_ws.store.columns import fetch_columns
from smt_ws.store.dialect import among, insert, is_postgresql, unnested
from smt_ws.usage.as_of import EPOCH, Slices
from smt_ws.usage.recent import array_text
from smt_ws.usage.rules import flags_of
from smt_ws.usage.tables import interval_day, interval_day_flags_history

__all__ = ["RULES_OF_READS", "Day", "DayVersion", "as_flagged", "flags_before", "judge_days", "judged_after"]

#: Premise, channel, operating day.
Day = tuple[int, int, date]
#: Premise, days since 1970, channel, load number.
DayVersion = tuple[int, int, int, int]
#: The rules that the register reads of a day decide.
RULES_OF_READS: Final = ("REGISTER_READS", "SUM_CHECK")
_DAY: Final = interval_day.c
_BEFORE: Final = interval_day_flags_history.c


def judge_days(connection: Connection, days: Mapping[Day, int], rules: Sequence[str], *, load_number: int) -> None:
    """Say anew of stored days which of *rules* they break; *days* by the flags that load *load_number* gives them.

    A day that the store has not is passed over. The latest versions change; what their flags were is kept for those who
    read as of an earlier load.
    """
    if not days or not rules:
        return
    had = _flagged(connection, list(days), flags_of(rules))
    for rule in rules:
        bit = flags_of([rule])
        marked = {day for day, flags in had.items() if flags & bit}
        broken = {day for day, flags in days.items() if flags and flags & bit}
        _judge_anew(connection, rule, broken=broken - marked, kept=marked - broken, load_number=load_number)


def _judge_anew(
    connection: Connection, rule: str, *, broken: Collection[Day], kept: Collection[Day], load_number: int
) -> None:
    # A version that the load itself brought has no earlier reader.
    bit = flags_of([rule])
    for days, is_broken in ((broken, True), (kept, False)):
        for these in _together(connection, days):
            here = and_(these, _DAY.flags.op("&")(literal(bit, BigInteger)) == (0 if is_broken else bit))
            before = select(
                _DAY.premise_id, _DAY.channel, _DAY.operating_day, _DAY.load_number, literal(load_number), _DAY.flags
            ).where(here, _DAY.load_number != load_number)
            # judged by several rules, a day keeps what it had before the first
            connection.execute(
                insert(connection, interval_day_flags_history)
                .from_select(["premise_id", "channel", "operating_day", "load_number", "replaced_by", "flags"], before)
                .on_conflict_do_nothing()
            )
            flags = _DAY.flags.op("+" if is_broken else "-")(literal(bit, BigInteger))
            connection.execute(update(interval_day).where(here).values(flags=flags))


def _flagged(connection: Connection, days: Sequence[Day], bits: int) -> dict[Day, int]:
    """The flags of those of *days* that have one of *bits*."""
    premise_ids, channels, on = zip(*days, strict=True)
    parameters: dict[str, Any] = {"bits": bits}
    if is_postgresql(connection):
        numbers = np.fromiter(map(date.toordinal, on), np.int64, len(on)) - EPOCH
        parameters |= {
            "premises": array_text(premise_ids),
            "channels": array_text(channels),
            "days": array_text(numbers),
            "first": min(on),
            "last": max(on),
        }
    else:
        asked = [f'[{n},{key},{channel},"{day}"]' for n, (key, channel, day) in enumerate(days)]
        parameters["asked"] = f"[{','.join(asked)}]"
    query = _FLAGGED_POSTGRESQL if is_postgresql(connection) else _FLAGGED_SQLITE
    found, _ = fetch_columns(connection, query, parameters, integers=("position", "flags"))
    return {days[n]: flags for n, flags in zip(found["position"].tolist(), found["flags"].tolist(), strict=True)}


# OFFSET 0 and the outer bounds: see `recent`
_FLAGGED_POSTGRESQL: Final = """
SELECT s.position, d.flags
FROM (
    SELECT ordinal - 1 AS position, premise_id, channel, DATE '1970-01-01' + day AS day
    FROM unnest(%(premises)s::int8[], %(channels)s::int2[], %(days)s::int4[])
        WITH ORDINALITY AS asked (premise_id, channel, day, ordinal)
) s
CROSS JOIN LATERAL (
    SELECT flags FROM interval_day
    WHERE premise_id = s.premise_id AND channel = s.channel AND operating_day = s.day
        AND operating_day BETWEEN %(first)s AND %(last)s AND flags & %(bits)s <> 0
    OFFSET 0
) d
"""
_FLAGGED_SQLITE: Final = """
SELECT s.value ->> 0 AS position, d.flags AS flags
FROM json_each(:asked) s CROSS JOIN interval_day d
    ON d.premise_id = s.value ->> 1 AND d.channel = s.value ->> 2 AND d.operating_day = s.value ->> 3
WHERE d.flags & :bits <> 0
"""


def _together(connection: Connection, days: Collection[Day]) -> list[Any]:
    """*days* as few conditions: many premises on one day, or many days of one premise."""
    by_day: dict[tuple[int, date], list[int]] = {}
    by_premise: dict[tuple[int, int], list[date]] = {}
    for premise_id, channel, day in days:
        by_day.setdefault((channel, day), []).append(premise_id)
        by_premise.setdefault((channel, premise_id), []).append(day)
    if len(by_day) <= len(by_premise):
        return [
            and_(
                _DAY.premise_id.in_(select(cast(asked.c.value, BigInteger))),
                _DAY.channel == channel,
                _DAY.operating_day == day,
            )
            for (channel, day), keys in sorted(by_day.items())
            for asked in [unnested(connection, list(map(str, keys)))]
        ]
    return [
        and_(_DAY.premise_id == premise_id, _DAY.channel == channel, _DAY.operating_day.in_(these))
        for (channel, premise_id), these in sorted(by_premise.items())
    ]


def judged_after(connection: Connection, as_of: int) -> bool:
    """Whether any day has been judged anew since load *as_of*: nearly always none has."""
    return bool(connection.scalar(select(exists().where(_BEFORE.replaced_by > as_of))))


def flags_before(
    connection: Connection, premise_ids: Sequence[int], first: date, last: date, *, as_of: int
) -> dict[DayVersion, int]:
    """The flags as of load *as_of* of those versions of days from *first* to *last* that were judged anew since."""
    rows: Any = connection.execute(
        select(_BEFORE.premise_id, _BEFORE.operating_day, _BEFORE.channel, _BEFORE.load_number, _BEFORE.flags)
        .where(
            among(connection, _BEFORE.premise_id, premise_ids),
            _BEFORE.operating_day.between(first, last),
            _BEFORE.load_number <= as_of,
            _BEFORE.replaced_by > as_of,
        )
        # of several, the first load after the snapshot has what it found
        .order_by(_BEFORE.replaced_by.desc())
    )
    return {(key, day.toordinal() - EPOCH, channel, number): flags for key, day, channel, number, flags in rows}


def as_flagged(connection: Connection, chunk: Slices, rows: Sequence[Any], *, as_of: int) -> list[Any]:
    """*rows* of days (position in *chunk*, day, channel, load number, two more, flags) with their flags of then."""
    premises = chunk["premise_id"].tolist()
    first, last = chunk["first_day"].min().item(), chunk["last_day"].max().item()
    before = flags_before(connection, sorted(set(premises)), first, last, as_of=as_of)
    return [(*row[:6], before.get((premises[row[0]], *row[1:4]), row[6])) for row in rows]
