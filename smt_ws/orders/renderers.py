"""Which formats a report has, and what makes each: one row of the table a report and format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from adapters import interval_csv
from adapters.interval_csv import IntervalDay

__all__ = ["INTERVAL", "RENDERERS", "Renderer", "formats_of"]

INTERVAL = "interval"


@dataclass(frozen=True, slots=True)
class Renderer:
    """How a report is made in one format."""

    #: Begins the names of its files (interfaces, section 2).
    report_name: str
    #: Days, in the order of the file, and the company's CSV profile, to the chunks of one whole plain file.
    render: Callable[[Iterable[IntervalDay], str], Iterator[bytes]]
    #: True where each channel of a day is a record of its own in the count that R7 bounds (LSE).
    record_a_channel: bool = False
    #: What ends a record in the plain file, and how many such ends belong to its head: for counting records.
    record_end: bytes = b"\n"
    heads: int = 1


def _interval_csv(days: Iterable[IntervalDay], profile: str) -> Iterator[bytes]:
    known = cast(Literal["standard", "smt"], profile)
    yield interval_csv.header(known)
    yield from interval_csv.render(days, known)


#: By (report, format). Green Button (XML) and LSE become available by a row here.
RENDERERS: Mapping[tuple[str, str], Renderer] = MappingProxyType(
    {(INTERVAL, "CSV"): Renderer("IntervalMeterUsage", _interval_csv)}
)


def formats_of(report: str) -> tuple[str, ...]:
    """Return the formats that *report* has."""
    return tuple(name for of, name in RENDERERS if of == report)
