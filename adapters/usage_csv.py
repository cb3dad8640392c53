"""The CSV files in which a TDSP sends register reads and monthly billed usage (requirement U6; interfaces.md 2).

What is common to all of a TDSP's CSV files is said in `adapters.market_csv`. Quantities are decimal numbers without a
sign, with a point, at most three decimals (Wh, W, VA) and below 1,000,000,000.

Register reads (`REGISTER_READS`): what the meter's register said at the first and the last midnight of an operating
day.

| column          | needed | meaning and format                                         | example             |
|-----------------|--------|------------------------------------------------------------|---------------------|
| `ESIID`         | yes    | the premise                                                | `10443720007574303` |
| `READ_DATE`     | yes    | the operating day                                          | `2026-11-17`        |
| `CHANNEL`       | no     | `4` consumption (also where empty), `1` surplus generation | `4`                 |
| `START_READING` | no     | kWh when the day began; empty: not read                    | `24002.915`         |
| `END_READING`   | no     | kWh when the day ended; empty: not read                    | `24038.915`         |
| `USAGE_KWH`     | no     | kWh of the day, as the TDSP says; empty: the difference    | `36.000`            |
| `STATUS`        | yes    | `A` actual or `E` estimated                                | `A`                 |

Monthly billing (`MONTHLY_BILLS`): what was billed for a billing period. `END_DATE` is its last day; or, for a TDSP
whose periods share their boundary days (the operator sets it to `SHARED`), the day on which the next period begins.

| column        | needed | meaning and format                                                | example             |
|---------------|--------|-------------------------------------------------------------------|---------------------|
| `ESIID`       | yes    | the premise                                                       | `10443720007574303` |
| `START_DATE`  | yes    | the period's first day; with the ESI ID it names the bill         | `2026-10-12`        |
| `END_DATE`    | yes    | the last day of the period, or the first of the next: see above   | `2026-11-10`        |
| `ACTUAL_KWH`  | no     | kWh billed; needed but for `CANCEL`                               | `1074`              |
| `METERED_KW`  | no     | highest demand measured, kW                                       | `6.2`               |
| `BILLED_KW`   | no     | demand billed, kW                                                 | `6.2`               |
| `METERED_KVA` | no     | highest apparent demand measured, kVA                             |                     |
| `BILLED_KVA`  | no     | apparent demand billed, kVA                                       |                     |
| `ACTION`      | yes    | `ORIGINAL` first bill, `CANCEL` it is void, `REBILL` billed again | `ORIGINAL`          |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from adapters.csv_layout import Column, Layout, calendar_day, esiid_text, one_of

if TYPE_CHECKING:
    from datetime import date

_QUANTITY: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,3}0*)?", re.ASCII)


def thousandths(text: str) -> int:
    """Read a quantity in thousandths: kWh as Wh, kW as W. Raises ValueError."""
    if len(text) > 32 or not _QUANTITY.fullmatch(text):
        raise ValueError("a number below 1,000,000,000 with at most three decimals expected")
    return int(Decimal(text).scaleb(3))


@dataclass(frozen=True, slots=True)
class RegisterReadRow:
    """A day's midnight reads: Wh, None where not read."""

    line: int
    esiid: str
    read_date: date
    channel: str | None
    start_wh: int | None
    stop_wh: int | None
    usage_wh: int | None
    status: str


@dataclass(frozen=True, slots=True)
class MonthlyBillRow:
    """A billing period: Wh, W and VA, None where the file says nothing."""

    line: int
    esiid: str
    first_day: date
    last_day: date
    actual_wh: int | None
    metered_w: int | None
    billed_w: int | None
    metered_va: int | None
    billed_va: int | None
    action: str


REGISTER_READS: Final = Layout(
    "register reads",
    RegisterReadRow,
    (
        Column("ESIID", esiid_text),
        Column("READ_DATE", calendar_day),
        Column("CHANNEL", one_of("1", "4"), needed=False),
        Column("START_READING", thousandths, needed=False),
        Column("END_READING", thousandths, needed=False),
        Column("USAGE_KWH", thousandths, needed=False),
        Column("STATUS", one_of("A", "E")),
    ),
)
MONTHLY_BILLS: Final = Layout(
    "monthly billing",
    MonthlyBillRow,
    (
        Column("ESIID", esiid_text),
        Column("START_DATE", calendar_day),
        Column("END_DATE", calendar_day),
        Column("ACTUAL_KWH", thousandths, needed=False),
        Column("METERED_KW", thousandths, needed=False),
        Column("BILLED_KW", thousandths, needed=False),
        Column("METERED_KVA", thousandths, needed=False),
        Column("BILLED_KVA", thousandths, needed=False),
        Column("ACTION", one_of("ORIGINAL", "CANCEL", "REBILL")),
    ),
    in_order=(("START_DATE", "END_DATE"),),
)
LAYOUTS: Final[tuple[Layout[Any], ...]] = (REGISTER_READS, MONTHLY_BILLS)
