"""The monthly billing report as CSV (interfaces.md section 2; requirements R1, R2, U6, U10).

`ESIID,START_DATE,END_DATE,REVISION_DATE,ACTUAL_KWH,METERED_KW,BILLED_KW,METERED_KVA,BILLED_KVA`

One row per billing period and version, `LF` line ends, no padding. Both dates (`MM/DD/YYYY`) are as the TDSP sent them:
the end date is the last day of the period, or the day on which the next begins. Energy is kWh, demand kW and kVA, with
three decimals; a value that was not billed is empty. A row with no value at all says that the bill was cancelled: such
rows come in reports of all versions only. `REVISION_DATE` is Central wall time `MM/DD/YYYY HH:MM:SS`. The real market's
header line is not known; the columns are its data model's (facts 4.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from adapters.central_day import CENTRAL
from adapters.daily_csv import thousandths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime

_HEADER: Final = b"ESIID,START_DATE,END_DATE,REVISION_DATE,ACTUAL_KWH,METERED_KW,BILLED_KW,METERED_KVA,BILLED_KVA\n"
_ROWS_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class BilledPeriod:
    """What was billed to one ESI ID: from `first` to `last` as it was sent, for the days to `last_covered`, included.

    `revised` is the aware time at which this version became known; energy is Wh, demand W and VA, None where not
    billed. A cancelled bill has no values.
    """

    esiid: str
    first: date
    last: date
    last_covered: date
    revised: datetime
    cancelled: bool
    actual_wh: int | None
    metered_w: int | None
    billed_w: int | None
    metered_va: int | None
    billed_va: int | None


def render(bills: Iterable[BilledPeriod]) -> Iterator[bytes]:
    """Yield the whole file, the header first, in chunks that end with a row."""
    yield _HEADER
    rest = iter(bills)
    while batch := list(islice(rest, _ROWS_AT_ONCE)):
        yield "".join([_row(bill) for bill in batch]).encode("ascii")


def _row(bill: BilledPeriod) -> str:
    billed = (bill.actual_wh, bill.metered_w, bill.billed_w, bill.metered_va, bill.billed_va)
    values = ",".join("" if bill.cancelled else thousandths(value) for value in billed)
    revised = f"{bill.revised.astimezone(CENTRAL):%m/%d/%Y %H:%M:%S}"
    return f"{bill.esiid},{bill.first:%m/%d/%Y},{bill.last:%m/%d/%Y},{revised},{values}\n"
