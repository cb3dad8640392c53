"""What an LSE (Lodestar Enhanced) file holds: the market's format for a day of interval data (requirement U1).

Source: ERCOT Retail Market Guide section 9 appendix G and "LSE File Definition v.04", as condensed in facts section 5.
A file is a sequence of records of at most 50,000; a record is one ESI ID, one channel, one operating day:

| row                | elements                                                                              |
|--------------------|---------------------------------------------------------------------------------------|
| `00000001`         | ESI ID, channel (1 generation, 4 load), start, stop (`YYYYMMDDHHMMSS`, local), `Y`    |
|                    | (local prevailing time), `N` (validated)                                              |
| `00000002`         | start and stop register reading (kWh), four factors, seconds an interval (900), unit  |
|                    | (`01`: kWh), four more, time zone                                                     |
| `00000003`         | transaction id                                                                        |
| `00000004`         | time of creation (local), origin (`M` metered)                                        |
| `00000030`         | `ATTRIBUTE_VALUE_PAIRS`, then `MRE=`, `Sender=`, `Receiver=`, `REP=`, each a DUNS     |
| `10000000` and on  | four intervals a row, each `value,status,` and nothing; a comma; 23, 24 or 25 rows    |

`lse_read` reads such files, `lse_write` writes them, `lse_record` holds the rules for one record, `lse_columns` many
records as columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal

    import numpy as np
    import numpy.typing as npt

MAX_RECORDS: Final = 50_000
"""Records a file may hold (U1, R7)."""

GENERATION: Final = 1
LOAD: Final = 4

REJECT_CODES: Final = {
    "NOT_A_RECORD": "Lines stand before the first 00000001 row. Send records only.",
    "RECORD_TOO_LONG": "A record is larger than any can be. Look for a row of sort code 00000001 that is missing.",
    "ENCODING": "A record has bytes that are not ASCII. Send the file as plain ASCII.",
    "HEADER_ROW": "A header row is missing, out of order or has too many elements. Send rows 1, 2, 3, 4 in order.",
    "ESIID_FORMAT": "The ESI ID is not 1 to 64 letters and digits.",
    "CHANNEL": "The channel is neither 1 (generation) nor 4 (load).",
    "OPERATING_DAY": "Start and stop are not 00:00 and 23:59 of one operating day.",
    "DST_FLAG": "The data does not take part in daylight saving. Send local prevailing time, flag Y.",
    "NOT_VALIDATED": "The data has not been validated. Validate it (VEE) and send flag N.",
    "REGISTER_READ": "A register reading is not a non-negative number of kWh.",
    "INTERVAL_LENGTH": "An interval does not last 900 seconds.",
    "UNIT": "The unit of measure is not 01 (kWh).",
    "TIME_ZONE": "The time zone is not Central.",
    "CREATED": "The time of creation is not YYYYMMDDHHMMSS.",
    "ORIGIN": "The origin is not one letter.",
    "DETAIL_ROW": "A detail row is out of order or does not hold four intervals of value, status and nothing.",
    "INTERVAL_COUNT": "The record does not have the 92, 96 or 100 intervals of its operating day.",
    "STATUS": "An interval's status is neither A (actual) nor E (estimated).",
    "VALUE_FORMAT": "An interval's value is not a decimal number.",
    "NEGATIVE_VALUE": "An interval's value is negative. Send generation on channel 1, in positive numbers.",
    "VALUE_TOO_LARGE": "An interval's value is over 2,147,483.647 kWh.",
}
"""Every code a `Reject` can have: what happened and what to do. Together they are the format half of U5."""


class TooManyRecordsError(Exception):
    """The file has more than 50,000 records and is refused whole. Split it and send the parts."""

    code: ClassVar[str] = "TOO_MANY_RECORDS"


class LseRecord(NamedTuple):
    """One operating day of one channel of one ESI ID.

    A named tuple and not a dataclass because it is made millions of times (a frozen dataclass of this size takes five
    times as long to make); do not compare two with `==`, which an array of values does not answer with yes or no.

    `line` is the line of row one, counted from 1. `channel` is 1 (generation: surplus) or 4 (load: consumption).
    `values` are int32 Wh, one for each of the day's 92, 96 or 100 intervals in elapsed order, read-only. `statuses` is
    None when all are actual, else a letter an interval: `A` actual, `E` estimated, `M` missing (an empty value; the
    number there is 0 and means nothing). `start_reading` and `stop_reading` are the midnight register reads in kWh,
    None where the file leaves them out; a file may also write 0 and 0 for that, as the published example does.
    `created` is naive Central time. `mre`, `sender`, `receiver` and `rep` are DUNS numbers. `rounded` lists the
    intervals whose value had more than three decimals, not all zero, and was rounded, half to even.
    """

    line: int
    esiid: str
    channel: int
    day: date
    values: npt.NDArray[np.int32]
    statuses: bytes | None = None
    start_reading: Decimal | None = None
    stop_reading: Decimal | None = None
    transaction_id: str = ""
    created: datetime | None = None
    origin: str = "M"
    mre: str | None = None
    sender: str | None = None
    receiver: str | None = None
    rep: str | None = None
    rounded: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be taken: the offending line, what is known of the record, and why.

    `line` is counted from 1; `code` is a key of `REJECT_CODES`; `reason` says what was presented and what was expected.
    """

    line: int
    esiid: str | None
    day: date | None
    code: str
    reason: str


def file_name(tdsp_duns: str, created: datetime, counter: int) -> str:
    """Return the name of a TDSP's file, `<TDSP DUNS>IntervalData<ccyymmddhhmmss><counter>.lse` (facts 4.5).

    `created` is local time; `counter` is 0 to 999. Raises ValueError for a DUNS number that is not 9 or 13 digits, or
    a counter out of range.
    """
    if not (tdsp_duns.isascii() and tdsp_duns.isdigit() and len(tdsp_duns) in (9, 13)):
        raise ValueError(f"a DUNS number has 9 or 13 digits, not {tdsp_duns!r}")
    if not 0 <= counter <= 999:
        raise ValueError(f"the counter has three digits, not {counter}")
    return f"{tdsp_duns}IntervalData{created:%Y%m%d%H%M%S}{counter:03}.lse"
