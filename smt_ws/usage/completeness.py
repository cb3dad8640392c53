"""What has come and what has not: completeness by TDSP and day, and the missing-usage report (U7).

A premise counts on a day when a provisioned meter hung there; it has data when one of its channels has a value on that
day (`smt_ws.usage.presence`), and a channel that is due and has none is told beside it. Premises are gone through in
ranges of their keys, each a run of the interval table's own index, so that memory stays small and no statement holds a
snapshot for long, whatever the market's size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, cast, func, select, text

from smt_ws.parties.generation_told import generation_spells
from smt_ws.parties.tables import meter, premise
from smt_ws.store.dialect import is_postgresql, unnested
from smt_ws.store.engine import Store
from smt_ws.usage.presence import CONSUMPTION, GENERATION, is_due
from smt_ws.usage.stored_presence import HAS_VALUE_POSTGRESQL, HAS_VALUE_SQLITE, stored_value
from smt_ws.usage.tables import interval_day

__all__ = ["CompleteDay", "MissingSpell", "Survey", "survey"]

#: Premises looked at in one statement; 38 days of them are under a million index entries.
_AT_ONCE: Final = 20_000
_EPOCH: Final = date(1970, 1, 1)
_FOREVER: Final = (date.max - _EPOCH).days

# Statuses are letters: what goes missing with a letter is how often it was there.
_POSTGRESQL_SUMS: Final = """
SELECT p.tdsp_duns, (d.operating_day - DATE '1970-01-01')::int4, count(*), sum(octet_length(d.wh) / 4),
    sum(length(replace(encode(d.statuses, 'escape'), 'E', '')) - octet_length(d.statuses)),
    sum(length(replace(encode(d.statuses, 'escape'), 'M', '')) - octet_length(d.statuses))
FROM interval_day d JOIN premise p ON p.id = d.premise_id
WHERE d.premise_id BETWEEN :a AND :b AND d.channel = 4 AND d.operating_day BETWEEN :first AND :last
    AND {has_value}
GROUP BY 1, 2
"""
_SQLITE_SUMS: Final = """
SELECT p.tdsp_duns, CAST(julianday(d.operating_day) - 2440587.5 AS INTEGER), count(*), sum(length(d.wh) / 4),
    sum(length(replace(CAST(d.statuses AS TEXT), 'E', '')) - length(d.statuses)),
    sum(length(replace(CAST(d.statuses AS TEXT), 'M', '')) - length(d.statuses))
FROM interval_day d JOIN premise p ON p.id = d.premise_id
WHERE d.premise_id BETWEEN :a AND :b AND d.channel = 4 AND d.operating_day BETWEEN :first AND :last
    AND {has_value}
GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class MissingSpell:
    """Days in a row, both ends included, on which a provisioned ESI ID has no data, or a channel that is due has none.

    The unit is the ESI-ID-day: one with data on one of two channels has data.
    """

    esiid: str
    tdsp_duns: str
    first_day: date
    last_day: date
    #: The channel that has none; None: there is no data at all.
    channel: int | None = None

    @property
    def days(self) -> int:
        """How many days."""
        return (self.last_day - self.first_day).days + 1


@dataclass(slots=True)
class CompleteDay:
    """One TDSP's operating day: premises, and intervals of those that have data."""

    tdsp_duns: str
    day: date
    provisioned: int = 0
    #: Of the provisioned, how many have no data.
    without_data: int = 0
    #: Of those with data, how many lack a channel that is due.
    without_channel: int = 0
    #: Days of consumption in the store, of whatever premise; of these are the intervals.
    with_data: int = 0
    intervals: int = 0
    estimated: int = 0
    missing: int = 0

    @property
    def actual(self) -> int:
        """Intervals that are actual."""
        return self.intervals - self.estimated - self.missing

    @property
    def complete(self) -> float:
        """Share of the provisioned premises that have data; 1 where there are none."""
        return 1 - self.without_data / self.provisioned if self.provisioned else 1.0

    def share(self, intervals: int) -> float:
        """Share of *intervals* in all that the stored days have."""
        return intervals / self.intervals if self.intervals else 0.0


@dataclass
class Survey:
    """Iterate for the missing spells, once, by premise; then `days` is complete too."""

    store: Store
    first_day: date
    last_day: date
    tdsp_duns: str | None = None
    #: By TDSP and day, once everything has been gone through.
    days: dict[tuple[str, date], CompleteDay] = field(default_factory=dict)

    def __iter__(self) -> Iterator[MissingSpell]:
        """Go through all premises; each range of them is a read of its own."""
        with self.store.read() as connection:
            lowest, highest = connection.execute(select(func.min(premise.c.id), func.max(premise.c.id))).one()
        if lowest is None:
            return
        for start in range(lowest, highest + 1, _AT_ONCE):
            with self.store.read() as connection:
                self._add_sums(connection, start, start + _AT_ONCE - 1)
                spells = self._missing(connection, start, start + _AT_ONCE - 1)
            yield from spells

    def ordered(self) -> list[CompleteDay]:
        """The days by TDSP and date."""
        return [self.days[key] for key in sorted(self.days)]

    def _day(self, tdsp_duns: str, day: date) -> CompleteDay:
        return self.days.setdefault((tdsp_duns, day), CompleteDay(tdsp_duns, day))

    def _add_sums(self, connection: Connection, first: int, last: int) -> None:
        if is_postgresql(connection):
            sums = text(_POSTGRESQL_SUMS.format(has_value=HAS_VALUE_POSTGRESQL))
        else:
            sums = text(_SQLITE_SUMS.format(has_value=HAS_VALUE_SQLITE))
        days: tuple[Any, Any] = (self.first_day, self.last_day)
        if not is_postgresql(connection):
            days = (self.first_day.isoformat(), self.last_day.isoformat())
        asked = {"a": first, "b": last, "first": days[0], "last": days[1]}
        for duns, number, count, intervals, fewer_e, fewer_m in connection.execute(sums, asked):
            if self.tdsp_duns in {None, duns}:
                one = self._day(duns, _EPOCH + timedelta(days=number))
                one.with_data += count
                one.intervals += int(intervals)
                one.estimated -= int(fewer_e or 0)
                one.missing -= int(fewer_m or 0)

    def _missing(self, connection: Connection, first: int, last: int) -> list[MissingSpell]:
        ids, esiids, owners, due = self._due(connection, first, last)
        if not len(ids):
            return []
        width = due.shape[1]
        for owner in sorted(set(owners)):
            mine = due[[duns == owner for duns in owners]].sum(axis=0)
            for n in range(width):
                self._day(owner, self.first_day + timedelta(days=n)).provisioned += int(mine[n])
        row_of = {int(key): n for n, key in enumerate(ids.tolist())}
        unused = self._unmeasured(connection, first, last, CONSUMPTION, due, row_of)
        generating = self._generating(connection, ids, due)
        unfed = self._unmeasured(connection, first, last, GENERATION, generating, row_of)
        # where consumption is missing, generation may be there although it was not due
        fed = unused & ~self._unmeasured(connection, first, last, GENERATION, unused, row_of)
        spells: list[MissingSpell] = []
        for lacking, channel in ((unused & ~fed, None), (fed, CONSUMPTION), (unfed & ~unused, GENERATION)):
            for n in np.flatnonzero(lacking.any(axis=1)).tolist():
                edges = np.flatnonzero(np.diff(np.concatenate(([0], lacking[n].view(np.int8), [0])))).tolist()
                for begin, end in zip(edges[::2], edges[1::2], strict=True):
                    days = [self.first_day + timedelta(days=k) for k in range(begin, end)]
                    spells.append(MissingSpell(esiids[n], owners[n], days[0], days[-1], channel))
                    for one in (self._day(owners[n], day) for day in days):
                        one.without_data += channel is None
                        one.without_channel += channel is not None
        place = {esiid: n for n, esiid in enumerate(esiids)}
        return sorted(spells, key=lambda spell: (place[spell.esiid], spell.first_day, spell.channel or 0))

    def _unmeasured(
        self,
        connection: Connection,
        first: int,
        last: int,
        channel: int,
        due: NDArray[np.bool_],
        row_of: Mapping[int, int],
    ) -> NDArray[np.bool_]:
        """Those of the days *due*, a row a premise, of which the store has no value of *channel*."""
        lacking = due.copy()
        asked = np.flatnonzero(due.any(axis=1))
        if not len(asked):
            return lacking
        there = (
            interval_day.c.channel == channel,
            interval_day.c.operating_day.between(self.first_day, self.last_day),
            stored_value(connection, interval_day.c.statuses),
        )
        of_range = interval_day.c.premise_id.between(first, last)
        width, keys = due.shape[1], {n: key for key, n in row_of.items()}
        counted = np.zeros(len(due), np.int64)
        count = select(interval_day.c.premise_id, func.count()).where(of_range, *there)
        for key, number in connection.execute(count.group_by(interval_day.c.premise_id)):
            if key in row_of:
                counted[row_of[key]] = number
        # whoever has every day lacks none; the few others are looked at day by day
        lacking[asked[counted[asked] >= width]] = False
        suspects = asked[counted[asked] < width]
        if len(suspects):
            wanted = unnested(connection, [str(keys[n]) for n in suspects.tolist()])
            found = connection.execute(
                select(interval_day.c.premise_id, interval_day.c.operating_day)
                .join(wanted, cast(wanted.c.value, BigInteger) == interval_day.c.premise_id)
                .where(*there)
            )
            for key, day in found:
                lacking[row_of[key], (day - self.first_day).days] = False
        return lacking

    def _generating(self, connection: Connection, ids: NDArray[np.int64], due: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of the days *due* on which generation is due too."""
        spells = generation_spells(connection, ids.tolist())
        generating = np.zeros_like(due)
        for n in (row for row, key in enumerate(ids.tolist()) if key in spells):
            for k in np.flatnonzero(due[n]).tolist():
                day = self.first_day + timedelta(days=k)
                generating[n, k] = is_due(GENERATION, day, provisioned=True, generation=spells[int(ids[n])])
        return generating

    def _due(
        self, connection: Connection, first: int, last: int
    ) -> tuple[NDArray[np.int64], list[str], list[str], NDArray[np.bool_]]:
        """Premises with keys from *first* to *last*, and for each of the days whether its data is due."""
        question = (
            select(
                premise.c.id,
                premise.c.esiid,
                premise.c.tdsp_duns,
                meter.c.installed_on,
                meter.c.provisioned_on,
                meter.c.removed_on,
            )
            .join(meter, meter.c.premise_id == premise.c.id)
            .where(premise.c.id.between(first, last), meter.c.provisioned_on.is_not(None))
            .order_by(premise.c.id)
        )
        if self.tdsp_duns is not None:
            question = question.where(premise.c.tdsp_duns == self.tdsp_duns)
        names: dict[int, tuple[str, str]] = {}
        spells: dict[int, list[tuple[int, int]]] = defaultdict(list)
        start = (self.first_day - _EPOCH).days
        width = (self.last_day - self.first_day).days + 1
        for key, esiid, duns, installed, provisioned, removed in connection.execute(question):
            begin = max((max(installed, provisioned) - _EPOCH).days - start, 0)
            end = min((_FOREVER if removed is None else (removed - _EPOCH).days) - start, width - 1)
            if begin <= end:
                names[key] = (esiid, duns)
                spells[key].append((begin, end))
        due = np.zeros((len(names), width), bool)
        for n, key in enumerate(names):
            for begin, end in spells[key]:
                due[n, begin : end + 1] = True
        return (
            np.array(list(names), np.int64),
            [esiid for esiid, _ in names.values()],
            [duns for _, duns in names.values()],
            due,
        )


def survey(store: Store, *, first_day: date, last_day: date, tdsp_duns: str | None = None) -> Survey:
    """Look at every premise (of one TDSP) from *first_day* to *last_day*, both included; nothing is read yet."""
    if last_day < first_day:
        raise ValueError(f"{last_day} is before {first_day}")
    return Survey(store, first_day, last_day, tdsp_duns)
