"""Taking in the records of an LSE file: validated and staged a batch at a time, then merged as one set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import islice

from adapters.central_day import intervals_in
from adapters.lse import LseRecord, Reject, TooManyRecordsError
from smt_ws.store.engine import Store
from smt_ws.usage.activity import Finding
from smt_ws.usage.errors import TooManyRecordsInFileError
from smt_ws.usage.known import known_premises
from smt_ws.usage.loads import OpenLoad
from smt_ws.usage.merge import StagedDay, merge, open_staging, stage
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.rules import RULES, KnownPremise, Severity, estimate_replaces_actual, examine

__all__ = ["Progress", "take_in"]

#: Called with the number of records read so far.
Progress = Callable[[int], None]

#: Records validated and staged at once: enough that a statement's cost does not count, few enough to be small.
_BATCH = 5000


def take_in(
    opened: OpenLoad,
    store: Store,
    records: Iterable[LseRecord | Reject],
    *,
    sender: str,
    today: date,
    severity: Mapping[str, Severity],
    progress: Progress | None = None,
) -> list[Finding]:
    """Validate *records*, put the good ones into the store as this load, count all in its tally.

    *sender* is the DUNS number of the TDSP that sent them, *today* the operating day of business time, *severity* of
    every rule from `rules.severities`. Returns the findings in order of their lines.

    Raises `TooManyRecordsInFileError`.
    """
    file = _File(sender, today, severity)
    open_staging(opened.connection)
    rest = iter(records)
    try:
        while batch := list(islice(rest, _BATCH)):
            known = known_premises(opened.connection, (r.esiid for r in batch if isinstance(r, LseRecord)))
            stage(opened.connection, file.good_days(batch, known))
            if progress:
                progress(file.records)
    except TooManyRecordsError as error:
        raise TooManyRecordsInFileError(str(error)) from error
    file.put(opened, store)
    return sorted(file.findings, key=lambda finding: finding.line)


class _File:
    """What has to be remembered of a file while it is read: its findings, and the place of every good day."""

    def __init__(self, sender: str, today: date, severity: Mapping[str, Severity]) -> None:
        self.sender = sender
        self.today = today
        self.severity = severity
        self.findings: list[Finding] = []
        self.records = 0
        self.rejected = 0
        self.flagged: set[int] = set()
        #: (line, ESI ID, channel, day, statuses) of each staged day; its position in this list is its position there.
        self.staged: list[tuple[int, str, int, date, bytes | None]] = []
        self.seen: set[tuple[int, int, date]] = set()

    def good_days(self, batch: list[LseRecord | Reject], known: Mapping[str, KnownPremise]) -> list[StagedDay]:
        """The days of *batch* that are to be stored; what is wrong with the others is noted."""
        good: list[StagedDay] = []
        for record in batch:
            self.records += 1
            if isinstance(record, Reject):
                self.rejected += 1
                self.findings.append(
                    Finding(record.line, record.esiid, None, record.day, record.code, Severity.REJECT, record.reason)
                )
                continue
            premise = known.get(record.esiid)
            values = record.values.tobytes()
            key = None if premise is None else (premise.id, record.channel, record.day)
            broken = examine(
                severity=self.severity,
                premise=premise,
                sender=self.sender,
                esiid=record.esiid,
                channel=record.channel,
                day=record.day,
                today=self.today,
                expected=intervals_in(record.day),
                values=values,
                statuses=record.statuses,
                rounded=record.rounded,
                repeated=key in self.seen,
            )
            for rule, severity, reason in broken:
                self.findings.append(
                    Finding(record.line, record.esiid, record.channel, record.day, rule, severity, reason)
                )
            if broken and broken[-1].severity is Severity.REJECT:
                self.rejected += 1
                continue
            assert premise is not None
            assert key is not None
            self.seen.add(key)
            position = len(self.staged)
            if broken:
                self.flagged.add(position)
            self.staged.append((record.line, record.esiid, record.channel, record.day, record.statuses))
            good.append((position, premise.id, record.channel, record.day, values, record.statuses))
        return good

    def put(self, opened: OpenLoad, store: Store) -> None:
        """Merge the staged days and complete the tally."""
        tally = opened.tally
        tally.rejected = self.rejected
        days = {entry[3] for entry in self.staged}
        if days:
            ensure_months(store, days)
            tally.first_day, tally.last_day = min(days), max(days)
            merged = merge(
                opened.connection, load_number=opened.number, first_day=tally.first_day, last_day=tally.last_day
            )
            tally.loaded, tally.replaced, tally.unchanged = merged.loaded, len(merged.replaced), merged.unchanged
            for position, old in merged.replaced.items():
                self._note_estimates(position, old)
        tally.flagged = len(self.flagged)

    def _note_estimates(self, position: int, old: bytes | None) -> None:
        line, esiid, channel, day, new = self.staged[position]
        estimates = estimate_replaces_actual(old, new)
        if estimates:
            rule = RULES["ESTIMATE_REPLACES_ACTUAL"]
            reason = f"{estimates} intervals are estimated now that were actual before"
            self.findings.append(Finding(line, esiid, channel, day, rule.code, rule.severity, reason))
            self.flagged.add(position)
