"""Which formats a report has, and what makes each: one row of the table a report and format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Literal, cast

from adapters import daily_csv, interval_csv, lse_write, monthly_csv
from adapters.daily_csv import DailyRead
from adapters.deflate_code import Deflated
from adapters.interval_csv import IntervalDay
from adapters.monthly_csv import BilledPeriod
from greenbutton import document
from greenbutton import interval as green_button
from greenbutton.document import UsagePoint
from greenbutton.publisher import Publisher
from greenbutton.totals import Energy, daily_series, monthly_series, summaries
from smt_ws.parties.record_parties import RecordParties
from smt_ws.settings import GreenButton

__all__ = [
    "DAILY",
    "INTERVAL",
    "MONTHLY",
    "RENDERERS",
    "Issue",
    "Renderer",
    "formats_of",
    "publisher_of",
    "versioned_formats_of",
]

INTERVAL, DAILY, MONTHLY = "interval", "daily", "monthly"


@dataclass(frozen=True, slots=True)
class Issue:
    """What a file says beside the usage. It was fixed when the file was planned: made again, the file is the same."""

    csv_profile: str
    made_at: datetime
    #: DUNS number of the company that gets it.
    receiver: str
    parties: RecordParties
    green_button: GreenButton


@dataclass(frozen=True, slots=True)
class Renderer:
    """How a report is made in one format."""

    #: Begins the names of its files (interfaces, section 2).
    report_name: str
    #: Usage, in the order of the file, to the chunks of one whole plain file. A chunk ends where a record ends.
    render: Callable[[Iterable[Any], Issue], Iterator[bytes | Deflated]]
    #: True where each channel of a day is a record of its own in the count that R7 bounds (LSE).
    record_a_channel: bool = False
    #: What stands once in each record of the plain file, and how often in its head: for counting records.
    record_mark: bytes = b"\n"
    heads: int = 1
    #: True where the format has room for several versions of a day (U3).
    versioned: bool = True
    #: True where a day without one known value cannot be shown: it is not delivered, and is an exception.
    measured_only: bool = False


def publisher_of(settings: GreenButton, receiver: str) -> Publisher:
    """Under which names Green Button documents for *receiver* (a DUNS number) are published.

    Raises `SettingsError` and `greenbutton.errors.UnusablePublisherError` where the settings do not allow any.
    """
    return Publisher(settings.base_url, settings.secret(), receiver, receiver in settings.time_last_for)


def _interval_csv(days: Iterable[IntervalDay], issue: Issue) -> Iterator[bytes | Deflated]:
    known = cast(Literal["standard", "smt"], issue.csv_profile)
    yield interval_csv.header(known)
    yield from interval_csv.render_deflated(days, known)


def _interval_xml(days: Iterable[IntervalDay], issue: Issue) -> Iterator[bytes]:
    publisher = publisher_of(issue.green_button, issue.receiver)
    return green_button.render(days, publisher=publisher, updated=issue.made_at)


def _interval_lse(days: Iterable[IntervalDay], issue: Issue) -> Iterator[bytes]:
    of, receiver = issue.parties.of, issue.receiver

    @cache
    def companies(tdsp: str, rep: str | None) -> lse_write.Companies:
        return lse_write.Companies(tdsp, tdsp, receiver, rep)

    def named(esiid: str, day: date) -> lse_write.Companies:
        return companies(*of(esiid, day))

    return lse_write.render(days, named)


def _daily_csv(reads: Iterable[DailyRead], _issue: Issue) -> Iterator[bytes]:
    return daily_csv.render(reads)


def _daily_xml(reads: Iterable[DailyRead], issue: Issue) -> Iterator[bytes]:
    def points() -> Iterator[UsagePoint]:
        for esiid, of_one in groupby(reads, key=attrgetter("esiid")):
            energies: dict[int, list[Energy]] = {4: [], 1: []}
            for read in of_one:
                energies[read.channel].append(Energy(read.day, read.day, read.usage_wh, read.revised, read.estimated))
            yield UsagePoint(esiid, daily_series(energies[4], energies[1]))

    publisher = publisher_of(issue.green_button, issue.receiver)
    return document.render(points(), publisher=publisher, updated=issue.made_at)


def _monthly_csv(bills: Iterable[BilledPeriod], _issue: Issue) -> Iterator[bytes]:
    return monthly_csv.render(bills)


def _monthly_xml(bills: Iterable[BilledPeriod], issue: Issue) -> Iterator[bytes]:
    def points() -> Iterator[UsagePoint]:
        for esiid, of_one in groupby(bills, key=attrgetter("esiid")):
            billed = [
                Energy(b.first, b.last_covered, b.actual_wh, b.revised) for b in of_one if b.actual_wh is not None
            ]
            yield UsagePoint(esiid, monthly_series(billed), summaries(billed))

    publisher = publisher_of(issue.green_button, issue.receiver)
    return document.render(points(), publisher=publisher, updated=issue.made_at)


#: In every Green Button document: a reading is a record, and there is room for one version of what was measured.
_GREEN_BUTTON: dict[str, Any] = {
    "record_mark": b"</IntervalReading>",
    "heads": 0,
    "versioned": False,
    "measured_only": True,
}

#: By (report, format).
RENDERERS: Mapping[tuple[str, str], Renderer] = MappingProxyType(
    {
        (INTERVAL, "CSV"): Renderer("IntervalMeterUsage", _interval_csv),
        (INTERVAL, "XML"): Renderer("GreenButtonInterval", _interval_xml, **_GREEN_BUTTON),
        (INTERVAL, "LSE"): Renderer(
            "IntervalMeterUsage",
            _interval_lse,
            record_a_channel=True,
            record_mark=b"ATTRIBUTE_VALUE_PAIRS",
            heads=0,
            versioned=False,
        ),
        (DAILY, "CSV"): Renderer("DailyMeterUsage", _daily_csv),
        (DAILY, "XML"): Renderer("GreenButtonDaily", _daily_xml, **_GREEN_BUTTON),
        (MONTHLY, "CSV"): Renderer("MonthlyBilling", _monthly_csv),
        (MONTHLY, "XML"): Renderer("GreenButtonMonthly", _monthly_xml, **_GREEN_BUTTON),
    }
)


def formats_of(report: str) -> tuple[str, ...]:
    """Return the formats that *report* has."""
    return tuple(name for of, name in RENDERERS if of == report)


def versioned_formats_of(report: str) -> tuple[str, ...]:
    """Return those formats of *report* that can hold several versions of a day."""
    return tuple(name for (of, name), renderer in RENDERERS.items() if of == report and renderer.versioned)
