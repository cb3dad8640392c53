"""Why a day that was asked for is not in the store: a reason a day, for the order's exceptions file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, func, select, union_all

from smt_ws.parties.access import REFUSAL
from smt_ws.parties.rules import REASON_CODES, Reason
from smt_ws.usage.known import meters_of
from smt_ws.usage.rules import KnownPremise
from smt_ws.usage.tables import interval_day, interval_day_history

__all__ = ["explain_missing", "why_missing"]

_NUMBERS = {reason: number for number, reason in enumerate(REASON_CODES)}
#: Keys bound in one statement: below every store's limit of parameters.
_AT_ONCE = 5000


def why_missing(
    day: date,
    *,
    today: date,
    provisioned: bool,
    last_measured: date | None,
    generation_only: bool,
    due_days: int,
    late_days: int,
) -> Reason:
    """Why the store has nothing for *day* (interfaces.md section 2).

    *provisioned*: a provisioned meter was there on that day; *last_measured*: the latest operating day that the
    store has on the channels asked for, None: it never had one; *generation_only*: nothing but surplus generation
    was asked for. A day's data is due *due_days* later; from then on it is late; it is a gap once a later day has
    come or the day is more than *late_days* old.
    """
    if not provisioned:
        return Reason.NOT_PROVISIONED
    if generation_only and last_measured is None:
        return Reason.NO_GENERATION_CHANNEL
    if last_measured is not None and last_measured > day:
        return Reason.GAP
    if today < day + timedelta(days=due_days):
        return Reason.NOT_YET_DUE
    return Reason.GAP if today > day + timedelta(days=late_days) else Reason.LATE_AT_TDSP


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
    measured = _last_measured(connection, premise_ids, channels, as_of, tables)
    generation_only = set(channels) == {1}
    rows: list[tuple[int, date, date, int]] = []
    for esiid, premise_id, first, last in missing.tolist():
        known = KnownPremise(premise_id, "", meters.get(premise_id, ()))

        def reason(day: date, esiid: int = esiid, known: KnownPremise = known) -> Reason:
            return told.get((esiid, day)) or why_missing(
                day,
                today=today,
                provisioned=known.is_provisioned(day),
                last_measured=measured.get(known.id),
                generation_only=generation_only,
                due_days=due_days,
                late_days=late_days,
            )

        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        for why, run in groupby(days, key=reason):
            spell = list(run)
            rows.append((esiid, spell[0], spell[-1], _NUMBERS[why]))
    return np.array(rows, REFUSAL)


def _last_measured(
    connection: Connection,
    premise_ids: Sequence[int],
    channels: Sequence[int],
    as_of: int,
    tables: Sequence[Table],
) -> Mapping[int, date]:
    """The latest operating day the store had as of *as_of* on any of the channels, by premise."""
    found: dict[int, date] = {}
    for start in range(0, len(premise_ids), _AT_ONCE):
        keys = premise_ids[start : start + _AT_ONCE]
        both = union_all(
            *(
                select(table.c.premise_id, func.max(table.c.operating_day).label("day"))
                .where(table.c.premise_id.in_(keys), table.c.channel.in_(channels), table.c.load_number <= as_of)
                .group_by(table.c.premise_id)
                for table in tables
            )
        )
        for premise_id, day in connection.execute(both):
            found[premise_id] = max(day, found.get(premise_id, day))
    return found
