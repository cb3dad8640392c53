"""What the hub would say of an LSE file, as far as that can be told without a hub: its sender's own check (K3).

The reader and the rules are those of a load. What only a store knows is taken for granted: that the ESI IDs are the
sender's, that their meters are provisioned, what was loaded before.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from adapters.central_day import intervals_in
from adapters.lse import Reject, TooManyRecordsError
from adapters.lse_read import read
from smt_ws.parties.rules import is_esiid
from smt_ws.usage.activity import Finding
from smt_ws.usage.errors import FileKindUnknownError, FileNotDecryptableError, TooManyRecordsInFileError
from smt_ws.usage.files import opened, sender_in_name, sha256_of
from smt_ws.usage.rules import KnownPremise, MeterSpell, Severity, examine, severities
from smt_ws.usage.sealed import is_sealed

__all__ = ["Rehearsal", "rehearse"]

_ALWAYS: Final = (MeterSpell(date.min, date.min, None),)


@dataclass
class Rehearsal:
    """What was found in one file."""

    file_name: str
    sha256: str
    records: int = 0
    rejected: int = 0
    #: Records that would be loaded and flagged.
    flagged: int = 0
    #: How many of the good records have 92, 96 and 100 intervals.
    lengths: Counter[int] = field(default_factory=Counter)
    #: How many of the good records are of channel 4 (load) and 1 (generation).
    channels: Counter[int] = field(default_factory=Counter)
    #: How many of their intervals are A, E and M (empty).
    statuses: Counter[str] = field(default_factory=Counter)
    esiids: set[str] = field(default_factory=set)
    first_day: date | None = None
    last_day: date | None = None
    #: In order of their lines.
    findings: list[Finding] = field(default_factory=list)


def rehearse(path: Path, *, today: date, allow_test_esiids: bool = False) -> Rehearsal:
    """Read the LSE file at *path*, plain or zipped, and check it as a load on *today* would.

    *allow_test_esiids* is that of the hub it is meant for: a sandbox may take ESI IDs of 1 to 64 letters and digits.

    Raises the `FileRefusedError` with which the hub would refuse the whole file.
    """
    found = Rehearsal(path.name, sha256_of(path))
    severity = severities()
    seen: set[tuple[str, int, date]] = set()
    if is_sealed(path):
        raise FileNotDecryptableError(f"{path.name}: encrypted to the hub; check it before you encrypt it")
    with opened(path, lambda _header: None) as file:
        if file.kind != "lse":
            raise FileKindUnknownError(f"{file.name}: not an LSE file")
        sender = sender_in_name(file.name)
        try:
            for record in read(file.stream):
                found.records += 1
                if isinstance(record, Reject):
                    found.rejected += 1
                    found.findings.append(
                        Finding(
                            record.line, record.esiid, None, record.day, record.code, Severity.REJECT, record.reason
                        )
                    )
                    continue
                sender = sender or record.sender or record.mre or ""
                key = (record.esiid, record.channel, record.day)
                broken = examine(
                    severity=severity,
                    premise=KnownPremise(0, sender, _ALWAYS),
                    sender=sender,
                    esiid=record.esiid,
                    channel=record.channel,
                    day=record.day,
                    today=today,
                    expected=intervals_in(record.day),
                    values=record.values.tobytes(),
                    statuses=record.statuses,
                    rounded=record.rounded,
                    repeated=key in seen,
                    named=(record.sender, record.mre),
                    well_formed=is_esiid(record.esiid, allow_test=allow_test_esiids),
                )
                found.findings += [
                    Finding(record.line, record.esiid, record.channel, record.day, rule, graveness, reason)
                    for rule, graveness, reason in broken
                ]
                if broken and broken[-1].severity is Severity.REJECT:
                    found.rejected += 1
                    continue
                seen.add(key)
                found.flagged += bool(broken)
                _count(found, record.esiid, record.channel, record.day, len(record.values), record.statuses)
        except TooManyRecordsError as error:
            raise TooManyRecordsInFileError(f"{path.name}: {error}") from error
    found.findings.sort(key=lambda finding: finding.line)
    return found


def _count(found: Rehearsal, esiid: str, channel: int, day: date, length: int, statuses: bytes | None) -> None:
    found.esiids.add(esiid)
    found.channels[channel] += 1
    found.lengths[length] += 1
    for letter in "AEM":
        found.statuses[letter] += (statuses or b"A" * length).count(letter.encode())
    found.first_day = min(found.first_day or day, day)
    found.last_day = max(found.last_day or day, day)
