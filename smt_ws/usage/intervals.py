"""Taking in the records of an LSE file: validated and staged a batch at a time, then merged as one set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from adapters.central_day import intervals_in
from adapters.lse import LOAD, LseRecord, Reject, TooManyRecordsError
from smt_ws.settings import Validation
from smt_ws.store.engine import Store
from smt_ws.usage.activity import Finding
from smt_ws.usage.checks import LARGEST_REGISTER_WH, NOT_READ, Batch, check
from smt_ws.usage.errors import TooManyRecordsInFileError
from smt_ws.usage.known import known_premises
from smt_ws.usage.loads import OpenLoad
from smt_ws.usage.merge import (
    StagedDay,
    StagedRead,
    merge_days,
    merge_reads,
    open_staging,
    stage_days,
    stage_reads,
)
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.recent import NOT_MEASURED, register_usage, whole_days_before
from smt_ws.usage.rules import RULES, KnownPremise, Severity, estimate_replaces_actual, examine, flags_of

__all__ = ["Progress", "take_in"]

#: Called with the number of records read so far.
Progress = Callable[[int], None]

#: Records validated and staged at once: enough that a statement's cost does not count, few enough to be small.
_BATCH = 5000
_Reads = tuple[int, int]
_UNREAD: _Reads = (NOT_READ, NOT_READ)


def take_in(
    opened: OpenLoad,
    store: Store,
    records: Iterable[LseRecord | Reject],
    *,
    sender: str,
    today: date,
    severity: Mapping[str, Severity],
    figures: Validation,
    progress: Progress | None = None,
) -> list[Finding]:
    """Validate *records*, put the good ones into the store as this load, count all in its tally.

    *sender* is the DUNS number of the TDSP that sent them, *today* the operating day of business time, *severity* of
    every rule from `rules.severities`, *figures* those in the rules' formulas. The register reads of row two are
    stored with their days; a record without them leaves those that the store has. Returns the findings in order of
    their lines.

    Raises `TooManyRecordsInFileError`.
    """
    file = _File(sender, today, severity)
    connection = opened.connection
    open_staging(connection)
    rest = iter(records)
    try:
        while batch := list(islice(rest, _BATCH)):
            known = known_premises(connection, (r.esiid for r in batch if isinstance(r, LseRecord)))
            registers = _registers(batch)
            measured = _measured(connection, batch, known, registers, figures)
            days, reads = file.good_days(batch, known, registers, measured)
            stage_days(connection, days)
            if reads:
                stage_reads(connection, reads)
                file.has_reads = True
            if progress:
                progress(file.records)
    except TooManyRecordsError as error:
        raise TooManyRecordsInFileError(str(error)) from error
    file.put(opened, store)
    return sorted(file.findings, key=lambda finding: finding.line)


def _measured(
    connection: Connection,
    batch: Sequence[LseRecord | Reject],
    known: Mapping[str, KnownPremise],
    registers: Sequence[_Reads],
    figures: Validation,
) -> dict[int, list[tuple[str, str]]]:
    """What the values of the batch's records break, by their place in the batch; the rest is `examine`'s."""
    by_length: dict[int, list[int]] = {}
    for place, record in enumerate(batch):
        if isinstance(record, LseRecord) and record.esiid in known:
            length = len(record.values)
            if length == intervals_in(record.day):
                by_length.setdefault(length, []).append(place)
    found: dict[int, list[tuple[str, str]]] = {}
    for places in by_length.values():
        records: list[Any] = [batch[place] for place in places]
        premises = [known[record.esiid] for record in records]
        read = np.array([registers[place] for place in places], np.int64)
        for n, code, reason in check(_columns(connection, records, premises, read, figures), figures):
            found.setdefault(places[n], []).append((code, reason))
    return found


def _columns(
    connection: Connection,
    records: Sequence[LseRecord],
    premises: Sequence[KnownPremise],
    registers: NDArray[np.int64],
    figures: Validation,
) -> Batch:
    missing = None
    if any(record.statuses is not None and b"M" in record.statuses for record in records):
        letters = b"".join(record.statuses or b"A" * len(record.values) for record in records)
        missing = np.frombuffer(letters, "u1").reshape(len(records), -1) == ord("M")
    consumption = np.array([record.channel == LOAD for record in records])
    earlier = np.full((len(records), len(figures.usage_days)), NOT_MEASURED, np.int64)
    used = np.flatnonzero(consumption).tolist()
    earlier[used] = whole_days_before(
        connection, [premises[n].id for n in used], [records[n].day for n in used], back=figures.usage_days
    )
    register = np.full(len(records), NOT_MEASURED, np.int64)
    unread = np.flatnonzero((registers == NOT_READ).all(axis=1)).tolist()
    register[unread] = register_usage(
        connection,
        [premises[n].id for n in unread],
        [records[n].channel for n in unread],
        [records[n].day for n in unread],
    )
    return Batch(
        values=np.frombuffer(b"".join([record.values.tobytes() for record in records]), "<i4").reshape(
            len(records), -1
        ),
        missing=missing,
        consumption=consumption,
        active=np.array([premise.is_active for premise in premises]),
        residential=np.array([premise.premise_type == "RESIDENTIAL" for premise in premises]),
        start=registers[:, 0],
        stop=registers[:, 1],
        register=register,
        earlier=earlier,
    )


def _registers(batch: Sequence[LseRecord | Reject]) -> list[_Reads]:
    """The register readings of row two in Wh, for each record of the batch."""
    return [_register_wh(one.start_reading, one.stop_reading) if type(one) is LseRecord else _UNREAD for one in batch]


def _register_wh(start: Decimal | None, stop: Decimal | None) -> _Reads:
    # 0 and 0 is how files say "not read"
    if not start and not stop:
        return _UNREAD
    # beyond what is believed, how far beyond does not matter
    return (
        NOT_READ if start is None else min(int(start * 1000), LARGEST_REGISTER_WH + 1),
        NOT_READ if stop is None else min(int(stop * 1000), LARGEST_REGISTER_WH + 1),
    )


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
        self.has_reads = False

    def good_days(
        self,
        batch: Sequence[LseRecord | Reject],
        known: Mapping[str, KnownPremise],
        registers: Sequence[_Reads],
        measured: Mapping[int, Sequence[tuple[str, str]]],
    ) -> tuple[list[StagedDay], list[StagedRead]]:
        """The days of *batch* that are to be stored, and their register reads; what is wrong is noted.

        *registers* are the readings of row two, *measured* the rules that the values break, by place in the batch.
        """
        good: list[StagedDay] = []
        reads: list[StagedRead] = []
        for place, record in enumerate(batch):
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
                named=(record.sender, record.mre),
                measured=measured.get(place, ()),
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
            flags = 0
            if broken:
                self.flagged.add(position)
                flags = flags_of(rule for rule, _, _ in broken)
            self.staged.append((record.line, record.esiid, record.channel, record.day, record.statuses))
            good.append((position, premise.id, record.channel, record.day, values, record.statuses, flags))
            start, stop = registers[place]
            if NOT_READ < max(start, stop) <= LARGEST_REGISTER_WH:
                reads.append((position, premise.id, record.channel, record.day, *_as_read(start, stop), "A"))
        return good, reads

    def put(self, opened: OpenLoad, store: Store) -> None:
        """Merge the staged days and complete the tally."""
        tally = opened.tally
        tally.rejected = self.rejected
        days = {entry[3] for entry in self.staged}
        if days:
            ensure_months(store, days)
            tally.first_day, tally.last_day = min(days), max(days)
            days_of_file = (tally.first_day, tally.last_day)
            merged = merge_days(
                opened.connection, load_number=opened.number, days=days_of_file, judge=self._estimates_for_actuals
            )
            tally.loaded, tally.replaced, tally.unchanged = merged.loaded, len(merged.replaced), merged.unchanged
            if self.has_reads:
                merge_reads(opened.connection, load_number=opened.number, days=days_of_file)
        tally.flagged = len(self.flagged)

    def _estimates_for_actuals(self, replaced: Mapping[int, bytes | None]) -> dict[int, int]:
        rule = RULES["ESTIMATE_REPLACES_ACTUAL"]
        bits: dict[int, int] = {}
        for position, old in replaced.items():
            line, esiid, channel, day, new = self.staged[position]
            estimates = estimate_replaces_actual(old, new)
            if estimates:
                reason = f"{estimates} intervals are estimated now that were actual before"
                self.findings.append(Finding(line, esiid, channel, day, rule.code, rule.severity, reason))
                self.flagged.add(position)
                bits[position] = flags_of([rule.code])
        return bits


def _as_read(start: int, stop: int) -> tuple[int | None, int | None, int | None]:
    """Start, stop and usage as they are stored; no usage where one was not read, or the register went back."""
    usage = stop - start if NOT_READ < start <= stop else None
    return None if start == NOT_READ else start, None if stop == NOT_READ else stop, usage
