"""The daily meter-read report as CSV (interfaces.md section 2; requirements R1, R2, U6, U9).

`ESIID,READ_DATE,REVISION_DATE,START_READING,END_READING,USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION_SURPLUSGENERATION`

One row an operating day, channel and version, `LF` line ends, no padding. Readings and usage are kWh with three
decimals. `START_READING` and `END_READING` are what the meter's register said at the midnights that begin and end the
day; both are empty where there was no register read and `USAGE_KWH` is the sum of the day's intervals instead.
`READ_DATE` is `MM/DD/YYYY`, `REVISION_DATE` Central wall time `MM/DD/YYYY HH:MM:SS`. A day without a known usage has no
row. The real market's header line is not known; the columns are those of its portal (facts 4.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from adapters.central_day import CENTRAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime

_HEADER: Final = (
    b"ESIID,READ_DATE,REVISION_DATE,START_READING,END_READING,"
    b"USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION_SURPLUSGENERATION\n"
)
_WORD: Final = {4: "Consumption", 1: "Surplus Generation"}
_ROWS_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class DailyRead:
    """Usage of one operating day of one channel of one ESI ID.

    `channel` is 4 (consumption) or 1 (surplus generation); `revised` is the aware time at which this version became
    known; readings and usage are Wh, the readings None where the register was not read.
    """

    esiid: str
    channel: int
    day: date
    revised: datetime
    start_wh: int | None
    stop_wh: int | None
    usage_wh: int
    estimated: bool


def render(reads: Iterable[DailyRead]) -> Iterator[bytes]:
    """Yield the whole file, the header first, in chunks that end with a row."""
    yield _HEADER
    rest = iter(reads)
    while batch := list(islice(rest, _ROWS_AT_ONCE)):
        yield "".join([_row(read) for read in batch]).encode("ascii")


def _row(read: DailyRead) -> str:
    return (
        f"{read.esiid},{read.day:%m/%d/%Y},{read.revised.astimezone(CENTRAL):%m/%d/%Y %H:%M:%S},"
        f"{thousandths(read.start_wh)},{thousandths(read.stop_wh)},{thousandths(read.usage_wh)},"
        f"{'E' if read.estimated else 'A'},{_WORD[read.channel]}\n"
    )


def thousandths(value: int | None) -> str:
    """Write thousandths (Wh, W, VA) as a number of thousands with three decimals; nothing for None."""
    if value is None:
        return ""
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // 1000}.{abs(value) % 1000:03}"
