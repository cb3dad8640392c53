"""What a market's own files say, read without any of the hub's code: what every delivered file must agree with."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from smt_ws.sandbox.market import Market

CENTRAL = ZoneInfo("America/Chicago")
GENERATION, LOAD = 1, 4
CHANNEL_OF = {"Consumption": LOAD, "Surplus Generation": GENERATION}

#: (kWh, A or E) of every interval of a day.
Day = tuple[tuple[Decimal, str], ...]


@dataclass(frozen=True)
class Facts:
    """Every version of every day that was loaded, oldest first, and who served whom."""

    versions: dict[tuple[str, date, int], list[Day]]
    #: ESI ID → (DUNS, first day, last day or None)
    services: dict[str, list[tuple[str, date, date | None]]]

    @classmethod
    def of(cls, market: Market) -> Facts:
        versions: dict[tuple[str, date, int], list[Day]] = defaultdict(list)
        for file in market.lse_files:
            for key, day in _records(file.path):
                versions[key].append(day)
        services = defaultdict(list)
        with market.rep_of_record.open() as stream:
            for row in csv.DictReader(stream):
                until = date.fromisoformat(row["TO_DATE"]) if row["TO_DATE"] else None
                services[row["ESIID"]].append((row["REP_DUNS"], date.fromisoformat(row["FROM_DATE"]), until))
        return cls(dict(versions), dict(services))

    def served(self, duns: str, esiid: str, day: date) -> bool:
        """Whether the REP served the ESI ID on *day*."""
        return any(
            rep == duns and first <= day and (last is None or day <= last)
            for rep, first, last in self.services.get(esiid, ())
        )

    def latest(self, duns: str, esiids: Sequence[str], days: Sequence[date]) -> dict[tuple[str, date, int], Day]:
        """The latest version of every day that the REP may see, both channels."""
        return {
            (esiid, day, channel): found[-1]
            for esiid in esiids
            for day in days
            for channel in (LOAD, GENERATION)
            if self.served(duns, esiid, day) and (found := self.versions.get((esiid, day, channel)))
        }


def _records(path: Path) -> Iterator[tuple[tuple[str, date, int], Day]]:
    key: tuple[str, date, int] | None = None
    intervals: list[tuple[Decimal, str]] = []
    for line in path.read_text().splitlines():
        cells = line.split(",")
        if cells[0] == "00000001":
            if key is not None:
                yield key, tuple(intervals)
            key = cells[1], datetime.strptime(cells[3][:8], "%Y%m%d").date(), int(cells[2])
            intervals = []
        elif cells[0].startswith("1"):
            intervals += [(Decimal(cells[at]), cells[at + 1]) for at in range(1, len(cells) - 2, 3) if cells[at]]
    if key is not None:
        yield key, tuple(intervals)


def days_between(first: date, last: date) -> list[date]:
    """Every day from *first* to *last*, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True)
class Row:
    """One row of a delivered interval CSV, of either profile."""

    esiid: str
    day: date
    revised: str
    start: str
    end: str
    kwh: str
    flag: str
    channel: int
    utc: str


def read_rows(path: Path) -> list[Row]:
    """Read a delivered file; the eight published columns must be there, in this order."""
    with path.open(newline="") as stream:
        reader = csv.reader(stream)
        columns = next(reader)
        assert columns[:8] == [
            "ESIID",
            "USAGE_DATE",
            "REVISION_DATE",
            "USAGE_START_TIME",
            "USAGE_END_TIME",
            "USAGE_KWH",
            "ESTIMATED_ACTUAL",
            "CONSUMPTION_SURPLUSGENERATION",
        ]
        return [
            Row(
                cells[0],
                datetime.strptime(cells[1], "%m/%d/%Y").date(),
                *cells[2:7],
                CHANNEL_OF[cells[7]],
                cells[8] if len(cells) > 8 else "",
            )
            for cells in reader
        ]


def whole_days(rows: Sequence[Row]) -> dict[tuple[str, date, int], Day]:
    """Put rows together to days; each day of one version."""
    days: dict[tuple[str, date, int], list[tuple[Decimal, str]]] = defaultdict(list)
    for row in rows:
        days[row.esiid.removeprefix("'"), row.day, row.channel].append((Decimal(row.kwh), row.flag))
    return {key: tuple(intervals) for key, intervals in days.items()}


def read_exceptions(path: Path) -> dict[tuple[str, date], str]:
    """The code of every ESI-ID-day of an exceptions file; none stands there twice."""
    codes: dict[tuple[str, date], str] = {}
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            first, last = (datetime.strptime(row[name], "%m/%d/%Y").date() for name in ("FROM_DATE", "TO_DATE"))
            assert row["REASON"].endswith((".", "!"))
            for day in days_between(first, last):
                assert (row["ESIID"], day) not in codes
                codes[row["ESIID"], day] = row["CODE"]
    return codes


def by_code(codes: dict[tuple[str, date], str]) -> dict[str, int]:
    """ESI-ID-days by code."""
    return dict(Counter(codes.values()))
