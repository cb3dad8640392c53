"""What is said of a file of bills whose periods overlap, among themselves or with bills loaded before (U4, U10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, Connection, cast, select

from smt_ws.parties.tables import premise
from smt_ws.store.dialect import unnested
from smt_ws.usage.activity import Finding
from smt_ws.usage.bill_periods import EndDay, last_covered, overlaps
from smt_ws.usage.rules import Severity

__all__ = ["BillOverlaps", "BilledPeriods"]

#: By premise and the first day of the period: the end date as it was sent.
BilledPeriods = dict[int, dict[date, date]]


@dataclass(frozen=True, slots=True)
class _Period:
    """The period of a bill in force; *line* is None where it is not of this file."""

    first_day: date
    last_covered: date
    end_date: date
    line: int | None


class BillOverlaps:
    """Hears of every bill that a file brings; once all have been read, says which overlap others."""

    def __init__(self, end_day: EndDay) -> None:
        """*end_day* is what the file's sender means by an end date."""
        self._end_day = end_day
        #: By premise and first day: end date and line of each bill that the file brings, or None for a cancellation.
        self._brought: dict[tuple[int, date], tuple[date, int] | None] = {}
        #: Those in the store that one of the file overlapped when it was noted.
        self._stored: BilledPeriods = {}

    def note(self, premise_id: int, first_day: date, end_date: date, *, line: int, stored: Mapping[date, date]) -> None:
        """Note a bill; *stored* are the periods in force in the store, end dates by first days, of its premise."""
        self._brought[premise_id, first_day] = end_date, line
        last = last_covered(first_day, end_date, self._end_day)
        for first, end in stored.items():
            if first <= last and first_day <= last_covered(first, end, self._end_day):
                self._stored.setdefault(premise_id, {})[first] = end

    def void(self, premise_id: int, first_day: date) -> None:
        """Note that the file cancels a bill."""
        self._brought[premise_id, first_day] = None

    def findings(self, connection: Connection) -> list[Finding]:
        """One finding for each bill that begins before an earlier one has ended; the later is of the file, or both."""
        count = Counter(premise_id for premise_id, _ in self._brought)
        several = {premise_id for premise_id, bills in count.items() if bills > 1} | self._stored.keys()
        if not several:
            return []
        periods: dict[int, list[_Period]] = {premise_id: [] for premise_id in several}
        for (premise_id, first), bill in self._brought.items():
            if bill is not None and premise_id in several:
                periods[premise_id].append(self._period(first, *bill))
        for premise_id, stored in self._stored.items():
            for first, end in stored.items():
                if (premise_id, first) not in self._brought:
                    periods[premise_id].append(self._period(first, end, None))
        found = {premise_id: list(self._of_premise(each)) for premise_id, each in periods.items()}
        names = _names(connection, [premise_id for premise_id, each in found.items() if each])
        return [
            Finding(line, names[premise_id], None, first, code, Severity.FLAG, reason)
            for premise_id, each in found.items()
            for line, first, code, reason in each
        ]

    def _period(self, first: date, end: date, line: int | None) -> _Period:
        return _Period(first, last_covered(first, end, self._end_day), end, line)

    def _of_premise(self, periods: list[_Period]) -> Iterator[tuple[int, date, str, str]]:
        """Line, first day, code and reason."""
        for earlier, later in overlaps(periods):
            about = earlier if later.line is None else later
            if about.line is None:
                continue
            if self._end_day is EndDay.INCLUSIVE and earlier.end_date == later.first_day:
                code = "BILLS_SHARE_A_DAY"
                reason = (
                    f"{later.first_day} is the last day of the bill from {earlier.first_day} and the first day of the"
                    f" bill to {later.end_date}; one supersedes the other; set SHARED? (smt-ws company bill-end-day)"
                )
            else:
                code = "BILLS_OVERLAP"
                reason = (
                    f"the bills from {earlier.first_day} to {earlier.end_date} and from {later.first_day} to"
                    f" {later.end_date} overlap; one supersedes the other"
                )
            yield about.line, about.first_day, code, reason


def _names(connection: Connection, premise_ids: list[int]) -> dict[int, str]:
    if not premise_ids:
        return {}
    asked = unnested(connection, list(map(str, premise_ids)))
    found = connection.execute(
        select(premise.c.id, premise.c.esiid).join(asked, cast(asked.c.value, BigInteger) == premise.c.id)
    )
    return {row.id: row.esiid for row in found}
