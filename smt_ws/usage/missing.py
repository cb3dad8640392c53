"""Why a day that was asked for is not in the store: a reason a day, for the order's exceptions file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, func, select, union_all
from sqlalchemy.sql import ColumnElement

from smt_ws.parties.access import REFUSAL
from smt_ws.parties.generation import GenerationSpell
from smt_ws.parties.generation_told import generation_spells
from smt_ws.parties.rules import REASON_CODES, Reason
from smt_ws.usage.known import meters_of
from smt_ws.usage.presence import GENERATION, is_due
from smt_ws.usage.rules import KnownPremise
from smt_ws.usage.stored_presence import stored_value
from smt_ws.usage.tables import interval_day, interval_day_history

__all__ = ["explain_missing", "why_missing"]

_NUMBERS = {reason: number for number, reason in enumerate(REASON_CODES)}
#: Keys bound in one statement: below every store's limit of parameters.
_AT_ONCE = 5000


def why_missing(
    day: date,
    *,
    channels: Collection[int],
    today: date,
    provisioned: bool,
    generation: GenerationSpell | None,
    last_delivered: date | None,
    due_days: int,
    late_days: int,
) -> Reason:
    """Why the store has nothing of *channels* for *day* (interfaces.md section 2).

    *provisioned*: a provisioned meter was there on that day; *generation*: the premise's spell; *last_delivered*: the
    latest operating day that the store has on these channels, None: it never had one. A day's data is due *due_days*
    later; from then on it is late. Once a later day has come it is a gap, and after *late_days* it is overdue.
    """
    if not provisioned:
        return Reason.NOT_PROVISIONED
    if not any(is_due(channel, day, provisioned=provisioned, generation=generation) for channel in channels):
        return Reason.NO_GENERATION_CHANNEL
    if last_delivered is not None and last_delivered > day:
        return Reason.GAP
    if today < day + timedelta(days=due_days):
        return Reason.NOT_YET_DUE
    return Reason.NOT_DELIVERED if today > day + timedelta(days=late_days) else Reason.LATE_AT_TDSP


def explain_missing(
    connection: Connection,
    missing: NDArray[Any],
    *,
    channels: Sequence[int],
    as_of: int,
    today: date,
    due_days: int,
    late_days: int,
    told: Mapping[tuple[int, date], Reason] = MappingProxyType({}),
    tables: Sequence[Table] = (interval_day, interval_day_history),
) -> NDArray[Any]:
    """Say of every day of *missing* (rows of `SLICE`, from `StoredDays.missing`) why it is missing.

    Returns rows of `smt_ws.parties.access.REFUSAL` in the same order, each a run of days of one ESI ID with one
    reason, that together cover exactly the days of *missing*. *today* is the operating day of business time;
    *due_days* and *late_days* are the settings' limits. *told* holds what the data itself said, by place of the ESI ID
    and day; for all others the rule is `why_missing`, and *tables* are where such data is.
    """
    premise_ids = sorted(set(missing["premise_id"].tolist()))
    meters = meters_of(connection, premise_ids, as_of=as_of)
    delivered = _last_delivered(connection, premise_ids, channels, as_of, tables)
    spells = generation_spells(connection, premise_ids, as_of=as_of) if GENERATION in channels else {}
    rows: list[tuple[int, date, date, int]] = []
    for esiid, premise_id, first, last in missing.tolist():
        known = KnownPremise(premise_id, "", meters.get(premise_id, ()))

        def reason(day: date, esiid: int = esiid, known: KnownPremise = known) -> Reason:
            return told.get((esiid, day)) or why_missing(
                day,
                channels=channels,
                today=today,
                provisioned=known.is_provisioned(day),
                generation=spells.get(known.id),
                last_delivered=delivered.get(known.id),
                due_days=due_days,
                late_days=late_days,
            )

        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        for why, run in groupby(days, key=reason):
            spell = list(run)
            rows.append((esiid, spell[0], spell[-1], _NUMBERS[why]))
    return np.array(rows, REFUSAL)


def _last_delivered(
    connection: Connection,
    premise_ids: Sequence[int],
    channels: Sequence[int],
    as_of: int,
    tables: Sequence[Table],
) -> Mapping[int, date]:
    """The latest operating day of which the store had a value as of *as_of* on any of the channels, by premise."""
    found: dict[int, date] = {}
    for start in range(0, len(premise_ids), _AT_ONCE):
        keys = premise_ids[start : start + _AT_ONCE]
        both = union_all(
            *(
                select(table.c.premise_id, func.max(table.c.operating_day).label("day"))
                .where(
                    table.c.premise_id.in_(keys),
                    table.c.channel.in_(channels),
                    table.c.load_number <= as_of,
                    _tells(connection, table),
                )
                .group_by(table.c.premise_id)
                for table in tables
            )
        )
        for premise_id, day in connection.execute(both):
            found[premise_id] = max(day, found.get(premise_id, day))
    return found


def _tells(connection: Connection, table: Table) -> ColumnElement[bool]:
    """Whether a row of intervals, or of register reads, has a value."""
    if "statuses" in table.c:
        return stored_value(connection, table.c.statuses)
    return func.coalesce(table.c.usage_wh, table.c.stop_wh - table.c.start_wh) >= 0
