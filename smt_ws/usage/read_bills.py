"""Billed usage out of the store, as of a load number, in the order of the slices asked for (U6, U10).

A bill is told to those only who asked for all its days and may see them all: one that reaches beyond would tell of
somebody else's days. Of bills that overlap one stands: `smt_ws.usage.bill_periods`. A cancelled bill is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, Row, cast, null, select, union_all

from adapters.monthly_csv import BilledPeriod
from smt_ws.parties.access import SLICE
from smt_ws.parties.rules import Reason
from smt_ws.usage.as_of import Slices, StoredRows, Version
from smt_ws.usage.bill_end_days import with_shared_days
from smt_ws.usage.bill_periods import EndDay, are_disjoint, last_covered, standing
from smt_ws.usage.period_sums import period_sums
from smt_ws.usage.remarks import BILL_TOLERANCE_WH, of_bills
from smt_ws.usage.tables import load, monthly_bill, monthly_bill_history

__all__ = ["StoredBills", "read_bills"]

_SLICES_AT_ONCE: Final = 2000
_LOADS_AT_ONCE: Final = 1000
_ONE_DAY: Final = timedelta(days=1)
#: Around the days asked for: a bill that reaches beyond them is in sight whole, and so is what overlaps it.
_MARGIN: Final = timedelta(days=35)
_VALUES: Final = ("actual_wh", "metered_w", "billed_w", "metered_va", "billed_va")
_COLUMNS: Final = ("premise_id", "first_day", "load_number", "last_day", "cancelled", *_VALUES)
#: Why days are not delivered, the stronger the higher; 0: no bill.
_SUPERSEDED, _BEYOND, _DELIVERED = 1, 2, 3
_REASONS: Final = (Reason.NOT_BILLED, Reason.BILL_SUPERSEDED, Reason.BILL_REACHES_BEYOND)


class _BillVersion(NamedTuple):
    """A version of a bill, dates as they were sent. Versions compare as they are told."""

    premise_id: int
    first_day: date
    load_number: int
    last_day: date
    cancelled: bool
    actual_wh: int | None
    metered_w: int | None
    billed_w: int | None
    metered_va: int | None
    billed_va: int | None
    #: Of the versions that the store had as of the load, it is the last.
    latest: bool
    last_covered: date


class _Bills(NamedTuple):
    """The bills of one premise: all versions by first day and load number."""

    versions: Sequence[_BillVersion]
    #: The first days of those whose latest version stands, and of those whose latest version is a cancellation.
    standing: frozenset[date]
    void: frozenset[date]

    def stands(self, version: _BillVersion) -> bool:
        return version.latest and version.first_day in self.standing


_NONE: Final = _Bills((), frozenset(), frozenset())


class StoredBills(StoredRows[BilledPeriod]):
    """Bills: see `read_bills`. Days are delivered where a bill that is told covers them."""

    def __init__(self, connection: Connection, *, accepted_at: datetime | None, **asked: Any) -> None:
        """See `read_bills`."""
        super().__init__(connection, **asked)
        #: (ESI ID of the slice, premise, first day, last day, energy in Wh) of each bill that was told and is in force.
        self._billed: list[tuple[int, int, date, date, int]] = []
        #: The runs of days that are missing, as rows of `SLICE`.
        self._runs: list[tuple[int, int, date, date]] = []
        self._shared = with_shared_days(connection, at=accepted_at)
        #: What the sender of each load means by an end date; filled only where somebody means `EndDay.SHARED`.
        self._end_days: dict[int, EndDay] = {}

    def __iter__(self) -> Iterator[BilledPeriod]:
        """Yield in the order of the slices, then first day and load number."""
        after, _ = self._between
        for start in range(0, len(self._slices), _SLICES_AT_ONCE):
            chunk = self._slices[start : start + _SLICES_AT_ONCE]
            found = self._bills(chunk)
            names = self._names(sorted(found)) if found else {}
            revised = self._revisions({one.load_number for bills in found.values() for one in bills.versions})
            for esiid, premise_id, first, last in chunk.tolist():
                bills = found.get(premise_id, _NONE)
                touching = [one for one in bills.versions if first <= one.last_covered and one.first_day <= last]
                told = [
                    one
                    for one in touching
                    if (self._version == "A" or bills.stands(one))
                    and one.load_number > after
                    and not (self._measured_only and one.actual_wh is None)
                ]
                self._account(esiid, premise_id, first, last, told, bills, touching)
                for one in told:
                    if one.first_day < first or last < one.last_covered:
                        continue
                    self.records += 1
                    if one.actual_wh is not None and bills.stands(one):
                        self._billed.append((esiid, premise_id, one.first_day, one.last_covered, one.actual_wh))
                    yield BilledPeriod(
                        names[premise_id],
                        one.first_day,
                        one.last_day,
                        one.last_covered,
                        revised[one.load_number],
                        one.cancelled,
                        one.actual_wh,
                        one.metered_w,
                        one.billed_w,
                        one.metered_va,
                        one.billed_va,
                    )
        self._missing.append(np.array(self._runs, SLICE))
        self._finished = True

    def remarks(self) -> NDArray[Any]:
        """A remark for each bill that differs from its intervals, where every one of them is known (U10)."""
        periods = np.array([bill[:4] for bill in self._billed], SLICE)
        billed = np.array([bill[4] for bill in self._billed], np.int64)
        measured = period_sums(self._connection, periods, as_of=self._between[1])
        differ = (measured >= 0) & (abs(measured - billed) > BILL_TOLERANCE_WH)
        return of_bills(periods[differ], billed[differ], measured[differ])

    def _bills(self, chunk: Slices) -> Mapping[int, _Bills]:
        """The bills of the premises of *chunk*, by premise: at least those that touch its days."""
        asked = chunk["first_day"].min().item(), chunk["last_day"].max().item()
        first, last = asked[0] - _MARGIN, asked[1] + _MARGIN
        found: dict[int, _Bills] = {}
        unclear: list[int] = []
        for premise_id, versions in self._versions(sorted(set(chunk["premise_id"].tolist())), first, last):
            in_force = [one for one in versions if one.latest and not one.cancelled]
            # Which of overlapping bills stands may be decided by one that is out of sight.
            if are_disjoint(in_force) and all(
                first <= one.first_day and one.last_covered <= last
                for one in in_force
                if asked[0] <= one.last_covered and one.first_day <= asked[1]
            ):
                found[premise_id] = _of_premise(versions, in_force)
            else:
                unclear.append(premise_id)
        for premise_id, versions in self._versions(unclear, date.min, date.max) if unclear else ():
            in_force = [one for one in versions if one.latest and not one.cancelled]
            found[premise_id] = _of_premise(versions, standing(in_force))
        return found

    def _versions(
        self, premise_ids: Sequence[int], first: date, last: date
    ) -> Iterator[tuple[int, Sequence[_BillVersion]]]:
        """All versions, as of the load, of the bills that touch the days, by premise, first day and load number."""
        _, as_of = self._between
        statements = []
        for table, replaced_by in (
            (monthly_bill, cast(null(), BigInteger)),
            (monthly_bill_history, monthly_bill_history.c.replaced_by),
        ):
            column = table.c
            statements.append(
                select(*(column[name] for name in _COLUMNS), replaced_by.label("replaced_by")).where(
                    column.premise_id.in_(premise_ids),
                    column.load_number <= as_of,
                    column.first_day <= last,
                    column.last_day >= first,
                )
            )
        rows = self._connection.execute(union_all(*statements)).all()
        if self._shared:
            self._note_end_days({row.load_number for row in rows})

        def covered(row: Row[Any]) -> date:
            return last_covered(row.first_day, row.last_day, self._end_days.get(row.load_number, EndDay.INCLUSIVE))

        versions = sorted(
            _BillVersion._make(
                (*row[:-1], row[-1] is None or row[-1] > as_of, covered(row) if self._shared else row.last_day)
            )
            for row in rows
        )
        for premise_id, of_one in groupby(versions, key=attrgetter("premise_id")):
            yield premise_id, list(of_one)

    def _note_end_days(self, numbers: set[int]) -> None:
        new = sorted(numbers - self._end_days.keys())
        for start in range(0, len(new), _LOADS_AT_ONCE):
            found = self._connection.execute(
                select(load.c.number, load.c.tdsp_duns).where(load.c.number.in_(new[start : start + _LOADS_AT_ONCE]))
            )
            for number, duns in found:
                self._end_days[number] = EndDay.SHARED if duns in self._shared else EndDay.INCLUSIVE

    def _account(
        self,
        esiid: int,
        premise_id: int,
        first: date,
        last: date,
        told: Sequence[_BillVersion],
        bills: _Bills,
        touching: Sequence[_BillVersion],
    ) -> None:
        """Count the days from *first* to *last* that a bill covers, and note why the others are missing."""
        days = (last - first).days + 1
        whole = [one for one in told if first <= one.first_day and one.last_covered <= last]
        beyond = [one for one in told if one.first_day < first or last < one.last_covered]
        superseded = [
            one
            for one in touching
            if self._version == "L" and one.first_day not in bills.void and not bills.stands(one)
        ]
        state = bytearray(days)
        for mark, marked in ((_SUPERSEDED, superseded), (_BEYOND, beyond), (_DELIVERED, whole)):
            for one in marked:
                if not one.cancelled:
                    begin = max(0, (one.first_day - first).days)
                    end = min(days, (one.last_covered - first).days + 1)
                    state[begin:end] = bytes([mark]) * (end - begin)
        delivered = state.count(_DELIVERED)
        self.delivered += delivered
        if delivered:
            found = state.index(_DELIVERED), state.rindex(_DELIVERED)
            self._note_found(*(first + number * _ONE_DAY for number in found))
        if delivered == days:
            return
        begun: date | None = None
        for number, mark in enumerate(state):
            if mark == _DELIVERED:
                begun = None
                continue
            day = first + number * _ONE_DAY
            self.told[esiid, day] = _REASONS[mark]
            if begun is None:
                begun = day
            if number + 1 == days or state[number + 1] == _DELIVERED:
                self._runs.append((esiid, premise_id, begun, day))


def _of_premise(versions: Sequence[_BillVersion], stand: Sequence[_BillVersion]) -> _Bills:
    return _Bills(
        versions,
        frozenset(one.first_day for one in stand),
        frozenset(one.first_day for one in versions if one.latest and one.cancelled),
    )


def read_bills(
    connection: Connection,
    *,
    slices: Slices,
    channels: Sequence[int],
    as_of: int,
    version: Version = "L",
    after: int | None = None,
    measured_only: bool = False,
    accepted_at: datetime | None = None,
) -> StoredBills:
    """Read the bills that the store had as of load *as_of* for the days of *slices*.

    All as in `smt_ws.usage.read.read_days`, but that bills have no *channels*. With *version* A every version is
    told, cancellations as bills without values. With *measured_only* a bill without energy is none. End dates are read
    as their TDSPs meant them at *accepted_at* (None: mean them now).
    """
    return StoredBills(
        connection,
        accepted_at=accepted_at,
        slices=slices,
        channels=channels,
        as_of=as_of,
        version=version,
        after=after,
        measured_only=measured_only,
    )
