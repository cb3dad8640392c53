"""Taking in the records of an LSE file: validated a batch at a time, then put into the store as one set.

A batch is checked as columns; only a record that breaks a rule, or may, is looked at by itself. The good days of a
file, 50,000 at most, are kept as columns (25 MB) until it has been read to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from adapters.central_day import intervals_in
from adapters.lse import LOAD, Reject, TooManyRecordsError
from adapters.lse_columns import LseBatch, LseDays
from smt_ws.parties.generation_told import note_delivered
from smt_ws.parties.rules import malformed_esiids
from smt_ws.settings import Validation
from smt_ws.store.columns import Nullable, rows_of
from smt_ws.store.engine import Store
from smt_ws.usage.activity import Finding
from smt_ws.usage.checks import LARGEST_REGISTER_WH, NOT_READ, Batch, check, readings_stored
from smt_ws.usage.current import Standing, standing_of
from smt_ws.usage.days_after import Brought
from smt_ws.usage.errors import TooManyRecordsInFileError
from smt_ws.usage.judged import RULES_OF_READS, Day, judge_days
from smt_ws.usage.known import Premises, premises_of
from smt_ws.usage.loads import OpenLoad
from smt_ws.usage.merge import KEY, add_days, merge_days, merge_reads, stage_days, stage_read_columns
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.presence import GENERATION
from smt_ws.usage.recent import NOT_MEASURED, registered, whole_days_before
from smt_ws.usage.rules import RULES, Severity, estimate_replaces_actual, examine, flags_of
from smt_ws.usage.screen import keys_of, right_length, suspects

__all__ = ["AT_ONCE", "Progress", "take_in"]

#: Called with the number of records read so far.
Progress = Callable[[int], None]

#: Records validated at once: enough that a statement's cost does not count, few enough to be small.
AT_ONCE = 10_000

Mask = NDArray[np.bool_]
Column = NDArray[np.int64]


def take_in(
    opened: OpenLoad,
    store: Store,
    batches: Iterable[LseBatch],
    *,
    sender: str,
    today: date,
    severity: Mapping[str, Severity],
    figures: Validation,
    allow_test_esiids: bool = False,
    progress: Progress | None = None,
) -> list[Finding]:
    """Validate the records of *batches*, put the good ones into the store as this load, count all in its tally.

    *sender* is the DUNS number of the TDSP that sent them, *today* the operating day of business time, *severity* of
    every rule from `rules.severities`, *figures* those in the rules' formulas; *allow_test_esiids* lets ESI IDs of
    1 to 64 letters and digits pass, as in a sandbox. The register reads of row two are stored with their days; a record
    without them leaves those that the store has. Returns the findings in order of their lines.

    Raises `TooManyRecordsInFileError`.
    """
    file = _File(opened.connection, sender, today, severity, figures, allow_test_esiids)
    try:
        for batch in batches:
            file.turn_away(batch.rejects)
            for days in batch.days:
                file.add(days)
            if progress:
                progress(file.records)
    except TooManyRecordsError as error:
        raise TooManyRecordsInFileError(str(error)) from error
    file.put(opened, store)
    return sorted(file.findings, key=lambda finding: finding.line)


class _File:
    """What has to be remembered of a file while it is read: its findings, and the key of every good day."""

    def __init__(
        self,
        connection: Connection,
        sender: str,
        today: date,
        severity: Mapping[str, Severity],
        figures: Validation,
        allow_test_esiids: bool,
    ) -> None:
        self.connection = connection
        self.allow_test_esiids = allow_test_esiids
        self.sender = sender
        self.today = today
        self.severity = severity
        self.figures = figures
        self.findings: list[Finding] = []
        self.records = 0
        self.rejected = 0
        #: Good days; each has a position, counted from 0.
        self.good = 0
        #: Their columns, by number of intervals.
        self.kept: dict[int, list[dict[str, NDArray[Any]]]] = {}
        #: Positions of those with a flag.
        self.flagged: set[int] = set()
        #: By position, the days with estimates: line, ESI ID, channel, day, and statuses.
        self.estimated: dict[int, tuple[int, str, int, date, bytes]] = {}
        #: Of the good days, sorted: see `screen.keys_of`.
        self.seen: Column = np.empty(0, np.int64)
        self.days: set[date] = set()

    def turn_away(self, rejects: Iterable[Reject]) -> None:
        """Note the records that the reader could not take."""
        for one in rejects:
            self.records += 1
            self.rejected += 1
            self.findings.append(Finding(one.line, one.esiid, None, one.day, one.code, Severity.REJECT, one.reason))

    def add(self, days: LseDays) -> None:
        """Keep the days that are to be stored, and their register reads; note what is wrong."""
        self.records += len(days)
        esiids = days.esiid.astype(str).tolist()
        malformed = frozenset(malformed_esiids(esiids, allow_test=self.allow_test_esiids))
        premises = premises_of(self.connection, esiids)
        registers = _registers(days)
        good, flags = self._judge(days, premises, self._measured(days, premises, registers), malformed)
        self.rejected += len(days) - int(np.count_nonzero(good))
        rows = np.flatnonzero(good)
        if len(rows):
            self._keep(days, premises, rows, flags[rows], registers[rows])

    def _measured(self, days: LseDays, premises: Premises, registers: Column) -> dict[int, list[tuple[str, str]]]:
        """What the values of the records break, by row; the rest is `examine`'s."""
        rows = np.flatnonzero(premises.found & right_length(days))
        found: dict[int, list[tuple[str, str]]] = {}
        if len(rows):
            batch = _columns(self.connection, days, premises, rows, registers[rows], self.figures)
            for n, code, reason in check(batch, self.figures):
                found.setdefault(int(rows[n]), []).append((code, reason))
        return found

    def _judge(
        self,
        days: LseDays,
        premises: Premises,
        measured: Mapping[int, list[tuple[str, str]]],
        malformed: frozenset[int],
    ) -> tuple[Mask, Column]:
        """Which records are good, and the flags of each; what is wrong with any is noted."""
        keys = keys_of(days, premises)
        _, which, times = np.unique(keys, return_inverse=True, return_counts=True)
        earlier = _among(keys, self.seen)
        suspicious = suspects(days, premises, sender=self.sender, today=self.today) | earlier | (times[which] > 1)
        suspicious[[*measured, *malformed]] = True
        good, flags = np.ones(len(days), bool), np.zeros(len(days), np.int64)
        taken: set[int] = set()
        for row in np.flatnonzero(suspicious).tolist():
            key, about = int(keys[row]), _about(days, row)
            _, esiid, channel, day = about
            broken = examine(
                severity=self.severity,
                premise=premises.known(row),
                sender=self.sender,
                esiid=esiid,
                channel=channel,
                day=day,
                today=self.today,
                expected=intervals_in(day),
                values=days.values[row].tobytes(),
                statuses=days.statuses(row),
                rounded=days.rounded.get(row, ()),
                repeated=bool(earlier[row]) or key in taken,
                named=(days.sender[row], days.mre[row]),
                measured=measured.get(row, ()),
                well_formed=row not in malformed,
            )
            self.findings += [Finding(*about, *one) for one in broken]
            if broken and broken[-1].severity is Severity.REJECT:
                good[row] = False
                continue
            flags[row] = flags_of(rule for rule, _, _ in broken)
            taken.add(key)
        self.seen = np.sort(np.concatenate([self.seen, keys[good]]))
        return good, flags

    def _keep(
        self, days: LseDays, premises: Premises, rows: NDArray[np.intp], flags: Column, registers: Column
    ) -> None:
        """Keep these *rows* of *days* with their flags and registers until the file has been read."""
        position = np.arange(self.good, self.good + len(rows))
        self.good += len(rows)
        self.kept.setdefault(days.values.shape[1], []).append(
            {
                "position": position,
                "premise_id": premises.id[rows],
                "channel": days.channel[rows],
                "operating_day": days.day[rows],
                "wh": days.values[rows],
                "letters": days.letters[rows],
                "actual": days.actual[rows],
                "flags": flags,
                "registers": registers,
            }
        )
        on = days.day[rows]
        # nearly always one; finding the different ones takes a hundred times as long
        self.days.update(on[:1].tolist() if (on == on[0]).all() else on.tolist())
        self.flagged.update(position[flags != 0].tolist())
        estimated = ~days.actual[rows] & (days.letters[rows] == ord("E")).any(axis=1)
        for place in np.flatnonzero(estimated).tolist():
            row = int(rows[place])
            self.estimated[int(position[place])] = (*_about(days, row), days.letters[row].tobytes())

    def put(self, opened: OpenLoad, store: Store) -> None:
        """Put what was kept into the store and complete the tally."""
        tally = opened.tally
        tally.rejected = self.rejected
        if self.days:
            ensure_months(store, self.days)
            tally.first_day, tally.last_day = min(self.days), max(self.days)
            days_of_file = (tally.first_day, tally.last_day)
            waiting = has_reads = False
            #: Days that the store has and that came with register reads: position, day, flags as just judged.
            held: dict[int, tuple[Day, int]] = {}
            brought = Brought()
            generation = []
            for kept in self._sorted():
                standing, read = self._put_days(opened, kept), self._stage_reads(kept)
                waiting |= not (standing.new | standing.same).all()
                has_reads |= bool(read.any())
                generation.append(self._generation(kept))
                held |= _days_and_flags(kept, read & ~standing.new)
                brought.note(kept, new=standing.new, compared=~(standing.new | standing.same))
            keys, days = map(np.concatenate, zip(*generation, strict=True))
            note_delivered(self.connection, keys, days, load_number=opened.number)
            if waiting:
                judge = self._estimates_for_actuals
                merged = merge_days(opened.connection, load_number=opened.number, days=days_of_file, judge=judge)
                tally.loaded += merged.loaded
                tally.replaced += len(merged.replaced)
                tally.unchanged += merged.unchanged
                brought.note_replaced(merged.replaced)
                for position in merged.replaced:
                    held.pop(position, None)
            if has_reads:
                merge_reads(opened.connection, load_number=opened.number, days=days_of_file)
                # days that are as they were may have other reads than before
                judge_days(self.connection, dict(held.values()), RULES_OF_READS, load_number=opened.number)
            brought.judge_days_after(
                self.connection,
                tdsp_duns=self.sender,
                severity=self.severity,
                figures=self.figures,
                load_number=opened.number,
            )
        tally.flagged = len(self.flagged)

    def _sorted(self) -> Iterator[dict[str, NDArray[Any]]]:
        """What was kept, by number of intervals, in the order of the store's keys; then it is kept no more."""
        for parts in self.kept.values():
            kept = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            parts.clear()
            order = np.lexsort((kept["operating_day"], kept["channel"], kept["premise_id"]))
            yield kept if (order[1:] > order[:-1]).all() else {name: column[order] for name, column in kept.items()}

    def _put_days(self, opened: OpenLoad, kept: Mapping[str, NDArray[Any]]) -> Standing:
        """Store new days and stage those to be compared with their latest versions; return how they stand."""
        premises, channels, on = (kept[name] for name in KEY)
        standing = standing_of(self.connection, premises, channels, on, kept["wh"], kept["actual"])
        days: dict[str, NDArray[Any] | Nullable] = {name: kept[name] for name in (*KEY, "wh", "flags")}
        days["statuses"] = Nullable(kept["letters"], kept["actual"])
        others = ~(standing.new | standing.same)
        if standing.new.any():
            add_days(self.connection, rows_of(days, standing.new), load_number=opened.number)
        if others.any():
            stage_days(self.connection, rows_of({"position": kept["position"], **days}, others))
        opened.tally.loaded += int(np.count_nonzero(standing.new))
        opened.tally.unchanged += int(np.count_nonzero(standing.same))
        return standing

    @staticmethod
    def _generation(kept: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
        """Premise and day of each record of generation that has a value (`presence.has_value`)."""
        rows = np.flatnonzero(kept["channel"] == GENERATION)
        rows = rows[kept["actual"][rows] | (kept["letters"][rows] != ord("M")).any(axis=1)]
        return kept["premise_id"][rows], kept["operating_day"][rows]

    def _stage_reads(self, kept: Mapping[str, NDArray[Any]]) -> Mask:
        """Stage the register reads that came with the days; return which days have any."""
        read = readings_stored(kept["registers"][:, 0], kept["registers"][:, 1])
        if not read.any():
            return read
        key = rows_of({name: kept[name] for name in ("position", *KEY)}, read)
        estimated = ~kept["actual"][read] & (kept["letters"][read] == ord("E")).any(axis=1)
        stage_read_columns(self.connection, {**key, **_as_reads(kept["registers"][read], estimated)})
        return read

    def _estimates_for_actuals(self, replaced: Mapping[int, bytes | None]) -> dict[int, int]:
        rule = RULES["ESTIMATE_REPLACES_ACTUAL"]
        bits: dict[int, int] = {}
        for position in sorted(self.estimated.keys() & replaced.keys()):
            line, esiid, channel, day, new = self.estimated[position]
            estimates = estimate_replaces_actual(replaced[position], new)
            if estimates:
                reason = f"{estimates} intervals are estimated now that were actual before"
                self.findings.append(Finding(line, esiid, channel, day, rule.code, rule.severity, reason))
                self.flagged.add(position)
                bits[position] = flags_of([rule.code])
        return bits


def _among(keys: Column, known: Column) -> Mask:
    """Which of *keys* are among the *known*, which are sorted."""
    if not len(known):
        return np.zeros(len(keys), bool)
    found: Mask = known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys
    return found


def _days_and_flags(kept: Mapping[str, NDArray[Any]], where: Mask) -> dict[int, tuple[Day, int]]:
    """By position: each day *where* it is true, and its flags."""
    rows = np.flatnonzero(where)
    position, *key, flags = (kept[name][rows].tolist() for name in ("position", *KEY, "flags"))
    return dict(zip(position, zip(zip(*key, strict=True), flags, strict=True), strict=True))


def _about(days: LseDays, row: int) -> tuple[int, str, int, date]:
    """Line, ESI ID, channel and day of a record."""
    return int(days.line[row]), days.esiid[row].decode("ascii"), int(days.channel[row]), days.day[row].item()


def _registers(days: LseDays) -> Column:
    """Start and stop of row two in Wh, a row a record; beyond what is believed, how far beyond does not matter."""
    readings = np.minimum(np.stack([days.start_wh, days.stop_wh], axis=1), LARGEST_REGISTER_WH + 1)
    # 0 and 0 is how files say "not read"
    readings[readings.max(axis=1) <= 0] = NOT_READ
    return readings


def _columns(
    connection: Connection,
    days: LseDays,
    premises: Premises,
    rows: NDArray[np.intp],
    registers: Column,
    figures: Validation,
) -> Batch:
    """These *rows* of *days* as the rules about values take them."""
    keys, on, channels = premises.id[rows], days.day[rows], days.channel[rows]
    missing = None if days.actual[rows].all() else days.letters[rows] == ord("M")
    consumption = channels == LOAD
    earlier = np.full((len(rows), len(figures.usage_days)), NOT_MEASURED, np.int64)
    earlier[consumption] = whole_days_before(connection, keys[consumption], on[consumption], back=figures.usage_days)
    register, went_back = np.full(len(rows), NOT_MEASURED, np.int64), np.zeros(len(rows), bool)
    unread = ~readings_stored(registers[:, 0], registers[:, 1])
    register[unread], went_back[unread] = registered(connection, keys[unread], channels[unread], on[unread])
    return Batch(
        values=days.values[rows],
        missing=missing if missing is not None and missing.any() else None,
        consumption=consumption,
        active=premises.where(lambda premise: premise.is_active)[rows],
        residential=premises.where(lambda premise: premise.premise_type == "RESIDENTIAL")[rows],
        start=registers[:, 0],
        stop=registers[:, 1],
        register=register,
        went_back=went_back,
        earlier=earlier,
    )


def _as_reads(registers: Column, estimated: Mask) -> dict[str, NDArray[Any] | Nullable]:
    """Start, stop and usage as they are stored; no usage where one was not read, or the register went back.

    Row two has no status: a reading is as estimated as the intervals beside it.
    """
    start, stop = registers[:, 0], registers[:, 1]
    return {
        "start_wh": Nullable(start, start == NOT_READ),
        "stop_wh": Nullable(stop, stop == NOT_READ),
        "usage_wh": Nullable(stop - start, (start == NOT_READ) | (stop < start)),
        "status": np.where(estimated, b"E", b"A").astype("S1"),
    }
