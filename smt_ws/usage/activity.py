"""The activity report: what became of every record of a file (U4).

A CSV file, UTF-8, one header row, with these columns:

| column          | meaning                                                                                        |
|-----------------|------------------------------------------------------------------------------------------------|
| `ROW`           | `FILE`: one row, about the file; `TOTAL`: one row an outcome; `RECORD`: one row a finding        |
| `OUTCOME`       | `FILE`: LOADED, REPEATED or REFUSED; else LOADED, REPLACED, UNCHANGED, REJECTED or FLAGGED        |
| `COUNT`         | `TOTAL`: how many records                                                                       |
| `LINE`          | `RECORD`: the line in the plain file, from 1                                                     |
| `ESIID`         | `RECORD`: as it stands in the file, where it could be read                                      |
| `CHANNEL`       | `RECORD`: 4 consumption, 1 generation; empty in CSV loads                                        |
| `OPERATING_DAY` | `RECORD`: YYYY-MM-DD                                                                            |
| `RULE`          | `RECORD`: the rule it broke; `FILE`: why it was refused, or END_NOT_CONFIRMED (cut off?)          |
| `REASON`        | `RECORD`: the facts in a sentence; `FILE`: name, SHA-256, load number, and why it was refused     |

Every record is loaded, replaced, unchanged or rejected: the four totals add up to the records in the file. A flagged
record is one of the first three; it may have several `RECORD` rows.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, Literal

from adapters.publishing import publish, temporary_name
from smt_ws.usage.loads import Tally
from smt_ws.usage.rules import Severity

__all__ = ["COLUMNS", "END_NOT_CONFIRMED", "Activity", "Finding", "report_name", "write_report", "write_rows"]

#: Of a plain file whose client did not confirm its end: LSE and CSV have no trailer that would tell.
END_NOT_CONFIRMED: Final = "END_NOT_CONFIRMED"
COLUMNS: Final = ("ROW", "OUTCOME", "COUNT", "LINE", "ESIID", "CHANNEL", "OPERATING_DAY", "RULE", "REASON")


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule broken by one record."""

    line: int
    esiid: str | None
    channel: int | None
    day: date | None
    rule: str
    severity: Severity
    reason: str


@dataclass(frozen=True)
class Activity:
    """What became of one file."""

    file_name: str
    #: Of the file as it came.
    sha256: str
    #: ``lse``, ``premises``, ``meters``, ``rep_of_record`` or ``occupancy``; empty where it could not be told.
    kind: str
    tdsp_duns: str
    #: ``repeated``: the same file had been loaded before and nothing was changed.
    outcome: Literal["loaded", "repeated", "refused"]
    #: The load that brought it (for a repeated file: the earlier one); None when it was refused.
    load_number: int | None
    tally: Tally = field(default_factory=Tally)
    #: In order of their lines.
    findings: tuple[Finding, ...] = ()
    #: Code and sentence, when the file was refused.
    code: str = ""
    reason: str = ""
    #: Why the end of the file may be missing, in a sentence; nothing where its client has confirmed it.
    end_doubt: str = ""
    #: Real time it took.
    seconds: float = 0.0

    @property
    def records(self) -> int:
        """Records in the file."""
        return self.tally.loaded + self.tally.replaced + self.tally.unchanged + self.tally.rejected

    def by_rule(self) -> Counter[str]:
        """How many findings each rule has."""
        return Counter(finding.rule for finding in self.findings)

    def rows(self) -> Iterator[tuple[object, ...]]:
        """The rows of the report, in the order of `COLUMNS`."""
        about = f"{self.file_name}; SHA-256 {self.sha256}"
        if self.load_number is not None:
            about += f"; load {self.load_number}"
        if self.reason:
            about += f"; {self.reason}"
        if self.end_doubt:
            about += f"; {self.end_doubt}"
        code = self.code or (END_NOT_CONFIRMED if self.end_doubt else "")
        yield ("FILE", self.outcome.upper(), "", "", "", "", "", code, about)
        for outcome in ("loaded", "replaced", "unchanged", "rejected", "flagged"):
            yield ("TOTAL", outcome.upper(), getattr(self.tally, outcome), "", "", "", "", "", "")
        for finding in self.findings:
            yield (
                "RECORD",
                "REJECTED" if finding.severity is Severity.REJECT else "FLAGGED",
                "",
                finding.line,
                finding.esiid or "",
                finding.channel or "",
                finding.day.isoformat() if finding.day else "",
                finding.rule,
                finding.reason,
            )


def report_name(activity: Activity) -> str:
    """The report's file name: after the file and the first 12 digits of its SHA-256.

    So the report of the same file taken again replaces the earlier one only if it was refused then; a repeat has a
    name of its own.
    """
    repeated = "-repeated" if activity.outcome == "repeated" else ""
    # a file name has at most 255 bytes; the end of a long one tells more than its beginning
    name = activity.file_name.encode()[-200:].decode(errors="ignore")
    return f"Activity-{name}-{activity.sha256[:12]}{repeated}.csv"


def write_rows(activity: Activity, path: Path) -> None:
    """Write the report to *path*, which need not be whole before this returns: see `write_report`."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(activity.rows())


def write_report(activity: Activity, folder: Path) -> Path:
    """Write the report into *folder* under its `report_name`, whole or not at all, and return its path."""
    final = folder / report_name(activity)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(final)
    write_rows(activity, temporary)
    publish(temporary, final)
    return final
