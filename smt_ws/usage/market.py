"""Taking in a TDSP's market CSV files as loads: premises, meters, REP of record, occupancy (U6, U8, P10).

The layouts are in `adapters.market_csv`, what the rows do in `smt_ws.parties.premises`; here a file becomes one load
with the same guarantees as usage. The CSV files of usage itself are told apart here and taken in by
`smt_ws.usage.reads` and `smt_ws.usage.bills`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, Final

from sqlalchemy import Connection

from adapters.csv_layout import Layout, MarketCsvError, RowReject, read, separator_of
from adapters.market_csv import METERS, OCCUPANCIES, PREMISES, REPS_OF_RECORD
from adapters.usage_csv import MONTHLY_BILLS, REGISTER_READS
from smt_ws.parties import premises
from smt_ws.parties.move_ins import keep_to_stays
from smt_ws.parties.rules import is_esiid
from smt_ws.usage.activity import Finding
from smt_ws.usage.errors import FileLayoutError, TooManyRowsError
from smt_ws.usage.intervals import Progress
from smt_ws.usage.known import known_premises
from smt_ws.usage.loads import OpenLoad
from smt_ws.usage.provisioning import judge_provisioning
from smt_ws.usage.rules import Severity, malformed
from smt_ws.usage.unregistered import unregistered

__all__ = ["MOST_ROWS", "kind_of", "rows_of", "sender_in", "take_in"]

#: Rows a file may have: its rows are weighed against each other, so all are in memory at once (about 0.3 kB each).
MOST_ROWS: Final = 500_000
#: Rows looked at to find out whose file it is.
_FIRST_ROWS: Final = 100
_STEP: Final = 10_000


@dataclass(frozen=True)
class _Kind:
    """One kind of file: the column that no other kind has, its layout, and what its rows do where that is here."""

    column: str
    layout: Layout[Any]
    apply: Callable[..., premises.Applied] | None = None


_KINDS: Final = {
    "premises": _Kind("TDSP_DUNS", PREMISES, premises.apply_premises),
    "meters": _Kind("METER_NUMBER", METERS, premises.apply_meters),
    "rep_of_record": _Kind("REP_DUNS", REPS_OF_RECORD, premises.apply_reps_of_record),
    "occupancy": _Kind("MOVE_IN_DATE", OCCUPANCIES, premises.apply_occupancies),
    "register_reads": _Kind("READ_DATE", REGISTER_READS),
    "monthly_bills": _Kind("ACTUAL_KWH", MONTHLY_BILLS),
}


def kind_of(header: bytes) -> str | None:
    """What a CSV file with this first line holds, by the one column that only it has; None: nothing the hub knows."""
    text = header.decode("utf-8", "replace")
    names = {name.strip().strip('"') for name in text.rstrip("\x1a").split(separator_of(text))}
    return next((kind for kind, known in _KINDS.items() if known.column in names), None)


def sender_in(connection: Connection, kind: str, stream: BinaryIO) -> str | None:
    """The TDSP that a file speaks for: of its first row's premise, as the row or the store says. Reads *stream*."""
    first = list(islice(rows_of(stream, kind), _FIRST_ROWS))
    if kind == "premises":
        named = next((row.tdsp_duns for row in first if not isinstance(row, RowReject)), None)
        if named:
            return str(named)
    # a row with a wrong date still says which premise it is about
    esiids = [row.esiid for row in first if row.esiid]
    known = known_premises(connection, esiids)
    sender = next((known[esiid].tdsp_duns for esiid in esiids if esiid in known), None)
    wrong = next((row for row in first if isinstance(row, RowReject)), None)
    if sender is None and wrong is not None and len(first) == sum(isinstance(row, RowReject) for row in first):
        raise FileLayoutError(f"no row can be read; line {wrong.line}: {wrong.reason}")
    return sender


def take_in(
    opened: OpenLoad,
    kind: str,
    stream: BinaryIO,
    *,
    sender: str,
    now: datetime,
    severity: Mapping[str, Severity],
    allow_test_esiids: bool = False,
    progress: Progress | None = None,
) -> list[Finding]:
    """Apply the rows of a file of *kind*, sent by the TDSP *sender*, as this load; count them in its tally.

    What a move-in closes to companies is closed with it; *now* is business time (R5). Days whose meters turn out to
    have been provisioned, or not, are judged again (U8). *severity* and *allow_test_esiids* are those of
    `smt_ws.usage.intervals.take_in`. Returns the findings in order of their lines. Raises `FileLayoutError`,
    `TooManyRowsError`.
    """
    good: list[Any] = []
    findings: list[Finding] = []
    for count, row in enumerate(rows_of(stream, kind), start=1):
        if count > MOST_ROWS:
            raise TooManyRowsError(f"more than {MOST_ROWS:,} rows")
        if isinstance(row, RowReject):
            findings.append(Finding(row.line, row.esiid, None, None, row.code, Severity.REJECT, row.reason))
        elif not is_esiid(row.esiid, allow_test=allow_test_esiids):
            about = (row.line, row.esiid, None, None, "ESIID_MALFORMED")
            findings.append(Finding(*about, Severity.REJECT, malformed(row.esiid)))
        else:
            good.append(row)
        if progress and count % _STEP == 0:
            progress(count)
    apply = _KINDS[kind].apply
    assert apply is not None, f"the rows of {kind} files are not taken in here"
    applied = apply(opened.connection, good, load_number=opened.number, tdsp_duns=sender)
    if kind == "occupancy":
        keep_to_stays(opened.connection, applied.premises, load_number=opened.number, now=now)
    elif kind == "meters":
        judge_provisioning(opened.connection, sorted(applied.premises), severity=severity, load_number=opened.number)
    findings += [
        Finding(reject.line, reject.esiid, None, None, reject.code, Severity.REJECT, reject.reason)
        for reject in applied.rejects
    ]
    tally = opened.tally
    tally.rejected = len(findings)
    rejected = {reject.line for reject in applied.rejects}
    taken = [row for row in good if row.line not in rejected]
    strangers = unregistered(opened.connection, kind, taken)
    tally.flagged = sum(strangers.values())
    findings += strangers
    tally.loaded, tally.replaced, tally.unchanged = applied.loaded, applied.replaced, applied.unchanged
    return sorted(findings, key=lambda finding: finding.line)


def rows_of(stream: BinaryIO, kind: str) -> Iterator[Any]:
    """The rows of a CSV file of *kind* as its layout reads them, and `RowReject`s. Raises `FileLayoutError`."""
    try:
        yield from read(stream, _KINDS[kind].layout)
    except MarketCsvError as error:
        raise FileLayoutError(str(error)) from error
