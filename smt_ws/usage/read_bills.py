"""Billed usage out of the store, as of a load number, in the order of the slices asked for (U6, U10).

A bill is told to those only who asked for all its days and may see them all: one that reaches beyond would tell of
somebody else's days. Of two bills that overlap the later loaded one stands. A cancelled bill is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, union_all

from adapters.monthly_csv import BilledPeriod
from smt_ws.parties.access import SLICE
from smt_ws.parties.rules import Reason
from smt_ws.usage.as_of import Slices, StoredRows, Version
from smt_ws.usage.period_sums import period_sums
from smt_ws.usage.remarks import BILL_TOLERANCE_WH, of_bills
from smt_ws.usage.tables import monthly_bill, monthly_bill_history

__all__ = ["StoredBills", "read_bills"]

_SLICES_AT_ONCE: Final = 2000
_ONE_DAY: Final = timedelta(days=1)
_VALUES: Final = ("actual_wh", "metered_w", "billed_w", "metered_va", "billed_va")


class StoredBills(StoredRows[BilledPeriod]):
    """Bills: see `read_bills`. Days are delivered where a bill that is told covers them."""

    def __init__(self, connection: Connection, **asked: Any) -> None:
        """See `read_bills`."""
        super().__init__(connection, **asked)
        #: (ESI ID of the slice, premise, first day, last day, energy in Wh) of each bill that was told and is in force.
        self._billed: list[tuple[int, int, date, date, int]] = []

    def __iter__(self) -> Iterator[BilledPeriod]:
        """Yield in the order of the slices, then first day and load number."""
        for start in range(0, len(self._slices), _SLICES_AT_ONCE):
            chunk = self._slices[start : start + _SLICES_AT_ONCE]
            bills = self._bills(chunk)
            names = self._names(sorted(bills)) if bills else {}
            revised = self._revisions({bill.load_number for found in bills.values() for bill in found})
            for esiid, premise_id, first, last in chunk.tolist():
                told = [b for b in bills.get(premise_id, ()) if first <= b.last_day and b.first_day <= last]
                whole = [bill for bill in told if first <= bill.first_day and bill.last_day <= last]
                self._account(esiid, premise_id, first, last, told)
                self.records += len(whole)
                self._billed += [
                    (esiid, premise_id, bill.first_day, bill.last_day, bill.actual_wh)
                    for bill in _standing(list({bill.first_day: bill for bill in told}.values()))
                    if bill in whole and bill.actual_wh is not None
                ]
                for bill in whole:
                    values = (getattr(bill, name) for name in _VALUES)
                    yield BilledPeriod(
                        names[premise_id],
                        bill.first_day,
                        bill.last_day,
                        revised[bill.load_number],
                        bill.cancelled,
                        *values,
                    )
        self._finished = True

    def remarks(self) -> NDArray[Any]:
        """A remark for each bill that differs from its intervals, where every one of them is known (U10)."""
        periods = np.array([bill[:4] for bill in self._billed], SLICE)
        billed = np.array([bill[4] for bill in self._billed], np.int64)
        measured = period_sums(self._connection, periods, as_of=self._between[1])
        differ = (measured >= 0) & (abs(measured - billed) > BILL_TOLERANCE_WH)
        return of_bills(periods[differ], billed[differ], measured[differ])

    def _bills(self, chunk: Slices) -> dict[int, list[Any]]:
        """The bills that touch the days of *chunk*, by premise; with version L only those that stand."""
        after, as_of = self._between
        keys = sorted(set(chunk["premise_id"].tolist()))
        statements = []
        for table in (monthly_bill, monthly_bill_history):
            column = table.c
            conditions = [
                column.premise_id.in_(keys),
                column.load_number > after,
                column.load_number <= as_of,
                column.first_day <= chunk["last_day"].max().item(),
                column.last_day >= chunk["first_day"].min().item(),
            ]
            if self._version == "L" and table is monthly_bill_history:
                conditions.append(column.replaced_by > as_of)
            names = ("premise_id", "first_day", "last_day", "load_number", "cancelled", *_VALUES)
            statements.append(select(*(column[name] for name in names)).where(*conditions))
        found: dict[int, list[Any]] = {}
        for bill in self._connection.execute(union_all(*statements)):
            if self._measured_only and bill.actual_wh is None:
                continue
            found.setdefault(bill.premise_id, []).append(bill)
        for key, bills in found.items():
            bills.sort(key=lambda bill: (bill.first_day, bill.load_number))
            if self._version == "L":
                found[key] = _standing(bills)
        return found

    def _account(self, esiid: int, premise_id: int, first: date, last: date, bills: Sequence[Any]) -> None:
        """Count the days from *first* to *last* that a bill covers, and note why the others are missing."""
        days = (last - first).days + 1
        covered, beyond = np.zeros(days, bool), np.zeros(days, bool)
        for bill in bills:
            if bill.cancelled:
                continue
            whole = first <= bill.first_day and bill.last_day <= last
            touched = slice(max(0, (bill.first_day - first).days), (bill.last_day - first).days + 1)
            (covered if whole else beyond)[touched] = True
        self.delivered += int(covered.sum())
        if covered.any():
            self._note_found(*(first + int(n) * _ONE_DAY for n in np.flatnonzero(covered)[[0, -1]]))
        run: list[date] = []
        for number in range(days + 1):
            day = first + number * _ONE_DAY
            if number < days and not covered[number]:
                run.append(day)
                self.told[esiid, day] = Reason.BILL_REACHES_BEYOND if beyond[number] else Reason.NOT_BILLED
            elif run:
                self._missing.append(np.array([(esiid, premise_id, run[0], run[-1])], SLICE))
                run = []


def _standing(bills: Sequence[Any]) -> list[Any]:
    """Those of one premise's *bills* that are not cancelled and that no later loaded one overlaps, by first day."""
    standing: list[Any] = []
    for bill in sorted(bills, key=lambda bill: bill.load_number, reverse=True):
        if not bill.cancelled and all(
            bill.last_day < other.first_day or other.last_day < bill.first_day for other in standing
        ):
            standing.append(bill)
    return sorted(standing, key=lambda bill: bill.first_day)


def read_bills(
    connection: Connection,
    *,
    slices: Slices,
    channels: Sequence[int],
    as_of: int,
    version: Version = "L",
    after: int | None = None,
    measured_only: bool = False,
) -> StoredBills:
    """Read the bills that the store had as of load *as_of* for the days of *slices*.

    All as in `smt_ws.usage.read.read_days`, but that bills have no *channels*. With *version* A every version is
    told, cancellations as bills without values. With *measured_only* a bill without energy is none.
    """
    return StoredBills(
        connection,
        slices=slices,
        channels=channels,
        as_of=as_of,
        version=version,
        after=after,
        measured_only=measured_only,
    )
