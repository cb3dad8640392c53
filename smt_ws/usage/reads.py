"""Taking in a file of register reads: each checked against its premise, its meter and the day's intervals (U6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import islice

from sqlalchemy import Connection

from adapters.csv_layout import RowReject
from adapters.lse import LOAD
from adapters.usage_csv import RegisterReadRow
from smt_ws.parties.rules import is_esiid
from smt_ws.settings import Validation
from smt_ws.store.engine import Store
from smt_ws.usage.activity import Finding
from smt_ws.usage.intervals import Progress
from smt_ws.usage.judged import RULES_OF_READS, Day, judge_days
from smt_ws.usage.known import known_premises
from smt_ws.usage.loads import OpenLoad
from smt_ws.usage.merge import StagedRead, merge_reads, open_staging, stage_reads
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.recent import NOT_MEASURED, whole_days_before
from smt_ws.usage.rules import KnownPremise, Severity, flags_of, when, whose

__all__ = ["take_in", "usage_of"]

_BATCH = 5000


def usage_of(start: int | None, stop: int | None, said: int | None) -> int | None:
    """A day's usage in Wh: as the TDSP says; else the difference of the readings; None where it cannot be known."""
    if said is not None:
        return said
    return stop - start if start is not None and stop is not None and start <= stop else None


def take_in(
    opened: OpenLoad,
    store: Store,
    rows: Iterable[RegisterReadRow | RowReject],
    *,
    sender: str,
    today: date,
    severity: Mapping[str, Severity],
    figures: Validation,
    allow_test_esiids: bool = False,
    progress: Progress | None = None,
) -> list[Finding]:
    """Validate *rows*, put the good ones into the store as this load, count all in its tally.

    The arguments are those of `smt_ws.usage.intervals.take_in`. A read that already exists is replaced and the
    earlier version kept. Returns the findings in order of their lines.
    """
    file = _File(sender, today, severity, figures, allow_test_esiids)
    open_staging(opened.connection)
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        stage_reads(opened.connection, file.good_reads(opened.connection, batch))
        if progress:
            progress(file.rows)
    tally = opened.tally
    tally.rejected, tally.flagged = file.rejected, len(file.flagged)
    if file.days:
        ensure_months(store, file.days)
        tally.first_day, tally.last_day = min(file.days), max(file.days)
        merged = merge_reads(opened.connection, load_number=opened.number, days=(tally.first_day, tally.last_day))
        tally.loaded, tally.replaced, tally.unchanged = merged.loaded, len(merged.replaced), merged.unchanged
        judge_days(opened.connection, file.good, RULES_OF_READS, load_number=opened.number)
    return sorted(file.findings, key=lambda finding: finding.line)


class _File:
    """What has to be remembered of a file while it is read."""

    def __init__(
        self,
        sender: str,
        today: date,
        severity: Mapping[str, Severity],
        figures: Validation,
        allow_test_esiids: bool,
    ) -> None:
        self.sender = sender
        self.allow_test_esiids = allow_test_esiids
        self.today = today
        self.severity = severity
        self.figures = figures
        self.findings: list[Finding] = []
        self.rows = 0
        self.rejected = 0
        self.flagged: set[int] = set()
        self.days: set[date] = set()
        #: The days of good reads, in the order of their positions, and the flags that the reads give them.
        self.good: dict[Day, int] = {}

    def good_reads(self, connection: Connection, batch: Sequence[RegisterReadRow | RowReject]) -> list[StagedRead]:
        """The reads of *batch* that are to be stored; what is wrong with the others is noted."""
        rows = [row for row in batch if isinstance(row, RegisterReadRow)]
        self.rows += len(batch)
        self.rejected += len(batch) - len(rows)
        self.findings += [
            Finding(row.line, row.esiid, None, None, row.code, Severity.REJECT, row.reason)
            for row in batch
            if isinstance(row, RowReject)
        ]
        known = known_premises(connection, (row.esiid for row in rows))
        sums = _interval_sums(connection, rows, known)
        good: list[StagedRead] = []
        for row in rows:
            premise, channel = known.get(row.esiid), int(row.channel or LOAD)
            key = None if premise is None else (premise.id, channel, row.read_date)
            facts = self._facts(row, premise, key, sums)
            if self._rejects(row, channel, facts):
                self.rejected += 1
                continue
            assert key is not None
            position = len(self.good)
            self.good[key] = flags_of(code for code, _ in facts) if facts else 0
            self.days.add(row.read_date)
            usage = usage_of(row.start_wh, row.stop_wh, row.usage_wh)
            good.append((position, *key, row.start_wh, row.stop_wh, usage, row.status))
        return good

    def _facts(
        self,
        row: RegisterReadRow,
        premise: KnownPremise | None,
        key: tuple[int, int, date] | None,
        sums: Mapping[tuple[int, int, date], int],
    ) -> list[tuple[str, str]]:
        well_formed = is_esiid(row.esiid, allow_test=self.allow_test_esiids)
        stranger = whose(premise, sender=self.sender, esiid=row.esiid, well_formed=well_formed)
        if premise is None or key is None or stranger is not None:
            return [stranger] if stranger is not None else []
        facts: list[tuple[str, str]] = []
        if key in self.good:
            facts.append(("DUPLICATE_IN_FILE", f"a read of {row.read_date} came before in this file; the first counts"))
        if row.start_wh is None and row.stop_wh is None and row.usage_wh is None:
            facts.append(("NO_READING", "neither a reading nor usage is given"))
        facts += when(premise, day=row.read_date, today=self.today)
        if row.start_wh is not None and row.stop_wh is not None and row.stop_wh < row.start_wh:
            facts.append(("REGISTER_READS", f"start {row.start_wh} Wh, stop {row.stop_wh} Wh"))
        usage, intervals = usage_of(row.start_wh, row.stop_wh, row.usage_wh), sums.get(key, NOT_MEASURED)
        if usage is not None and intervals != NOT_MEASURED and abs(usage - intervals) > self.figures.sum_tolerance_wh:
            facts.append(("SUM_CHECK", f"intervals {intervals / 1000:,.3f} kWh, register {usage / 1000:,.3f} kWh"))
        return facts

    def _rejects(self, row: RegisterReadRow, channel: int, facts: Iterable[tuple[str, str]]) -> bool:
        for code, reason in facts:
            severity = self.severity.get(code, Severity.REJECT)
            self.findings.append(Finding(row.line, row.esiid, channel, row.read_date, code, severity, reason))
            if severity is Severity.REJECT:
                return True
            self.flagged.add(row.line)
        return False


def _interval_sums(
    connection: Connection, rows: Sequence[RegisterReadRow], known: Mapping[str, KnownPremise]
) -> dict[tuple[int, int, date], int]:
    """The sums of the stored intervals of the days read, by premise, channel and day; days not whole are left out."""
    found: dict[tuple[int, int, date], int] = {}
    for channel in sorted({int(row.channel or LOAD) for row in rows}):
        days = [
            (known[row.esiid].id, row.read_date)
            for row in rows
            if int(row.channel or LOAD) == channel and row.esiid in known
        ]
        sums = whole_days_before(
            connection, [key for key, _ in days], [day for _, day in days], back=(0,), channel=channel
        )
        found |= {
            (key, channel, day): total
            for (key, day), total in zip(days, sums[:, 0].tolist(), strict=True)
            if total != NOT_MEASURED
        }
    return found
