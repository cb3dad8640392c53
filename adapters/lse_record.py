"""The rules for one LSE record, row by row: what is taken, what is rejected, and why (U1, U5; facts section 5).

This is the reading that counts. `lse_read` has a faster way through records that are exactly as published; whatever
is not, comes here, and both must agree on every record that both can read.

Tolerated: spaces around elements, blank lines, a Ctrl-Z at the end, elements left out at the end of a row, no row
thirty, header rows that are not known, a row's last comma missing, empty readings, transaction id and time of creation.
An empty value is a missing interval, whether or not it has a status. Nothing is tolerated that would change the meaning
of a number or put it on another day.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from adapters.central_day import intervals_in
from adapters.lse import LseRecord, Reject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CENTRAL_NAMES: Final = frozenset({"", "CST", "CDT", "CPT", "CT"})
LARGEST_WH: Final = 2**31 - 1
_NUMBER: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_CODE: Final = re.compile(r"[0-9]{8}", re.ASCII)
_LONGEST_NUMBER: Final = 32
#: DOS ends a text with Ctrl-Z; editors with blank lines.
_END_OF_DOS: Final = b"\x1a \t\r\n"


class _RejectedError(Exception):
    """What is wrong, and on which row of the record (counted from 0)."""

    def __init__(self, row: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.row, self.code, self.reason = row, code, reason


def parse_record(text: bytes, line: int) -> LseRecord | Reject:
    """Read one record: `text` holds its lines, the first of them line `line` of the file and of sort code 00000001."""
    esiid: str | None = None
    day: date | None = None
    try:
        rows = list(_rows(text.rstrip(_END_OF_DOS)))
        esiid = _esiid(rows[0])
        day = _day(rows[0])
        return _record(rows, line, esiid, day)
    except _RejectedError as error:
        return Reject(line + error.row, esiid, day, error.code, error.reason)


def operating_day(start: str, stop: str) -> date | None:
    """Return the day from its first to its last minute as row one names them, None if that is not what they name."""
    try:
        day = date(int(start[:4]), int(start[4:6]), int(start[6:8]))
    except ValueError:
        return None
    named = f"{day:%Y%m%d}"
    named = named.rjust(8, "0")  # a year before 1000 is shorter on some platforms
    return day if start == f"{named}000000" and stop in (f"{named}235900", f"{named}235959") else None


def creation_time(stamp: str) -> datetime | None:
    """Return row four's time stamp, `YYYYMMDDHHMMSS`; None when empty. Raises ValueError."""
    if not stamp:
        return None
    if len(stamp) != 14 or not stamp.isdigit() or not stamp.isascii():
        raise ValueError(f"{stamp[:32]!r} is not YYYYMMDDHHMMSS")
    return datetime(  # noqa: DTZ001 (the format has local time)
        int(stamp[:4]), int(stamp[4:6]), int(stamp[6:8]), int(stamp[8:10]), int(stamp[10:12]), int(stamp[12:])
    )


def register_reading(element: str) -> Decimal | None:
    """Return a register reading in kWh, None when empty. Raises ValueError."""
    if not element:
        return None
    if len(element) > _LONGEST_NUMBER or not _NUMBER.fullmatch(element):
        raise ValueError(f"{element[:32]!r} is not a non-negative number")
    return Decimal(element)


def attributes(elements: Sequence[str]) -> dict[str, str]:
    """Return row thirty's pairs, names in lower case, empty values left out."""
    pairs = (element.partition("=") for element in elements)
    return {name.strip().lower(): value.strip() for name, _, value in pairs if value.strip()}


class _Row:
    """A row that is not blank: its place in the record and its elements."""

    __slots__ = ("code", "elements", "index")

    def __init__(self, index: int, elements: list[str]) -> None:
        self.index = index
        self.elements = elements
        self.code = elements[0]

    def __getitem__(self, number: int) -> str:
        """Return the element of that number (the sort code is number 1), empty when it was left out."""
        return self.elements[number - 1] if number <= len(self.elements) else ""


def _rows(text: bytes) -> Iterator[_Row]:
    for index, raw in enumerate(text.split(b"\n")):
        try:
            line = raw.decode("ascii")
        except UnicodeDecodeError:
            raise _RejectedError(index, "ENCODING", "a byte that is not ASCII") from None
        if "\0" in line:
            raise _RejectedError(index, "ENCODING", "a NUL byte")
        if line.strip():
            yield _Row(index, [element.strip() for element in line.split(",")])


def _esiid(row: _Row) -> str:
    esiid = row[2]
    if not (esiid.isalnum() and len(esiid) <= 64):
        raise _RejectedError(row.index, "ESIID_FORMAT", f"ESI ID {esiid[:80]!r}; 1 to 64 letters and digits expected")
    return esiid


def _day(row: _Row) -> date:
    day = operating_day(row[4], row[5])
    if day is None:
        raise _RejectedError(
            row.index,
            "OPERATING_DAY",
            f"start {row[4][:32]!r}, stop {row[5][:32]!r}; YYYYMMDD000000 and YYYYMMDD235900 of one day expected",
        )
    return day


def _record(rows: list[_Row], line: int, esiid: str, day: date) -> LseRecord:
    first = rows[0]
    _expect_length(first, 7)
    if first[3] not in ("1", "4"):
        raise _RejectedError(first.index, "CHANNEL", f"channel {first[3][:32]!r}; 1 or 4 expected")
    if first[6] != "Y":
        raise _RejectedError(first.index, "DST_FLAG", f"DST participation {first[6][:32]!r}; Y expected")
    if first[7] != "N":
        raise _RejectedError(first.index, "NOT_VALIDATED", f"invalid-record flag {first[7][:32]!r}; N expected")

    for number, code in enumerate(("00000002", "00000003", "00000004"), start=1):
        if number >= len(rows) or rows[number].code != code:
            row = rows[number] if number < len(rows) else rows[-1]
            raise _RejectedError(row.index, "HEADER_ROW", f"row {code} expected after row {rows[number - 1].code[:8]}")
    second, third, fourth = rows[1:4]
    start_reading, stop_reading = _meter_row(second)
    _expect_length(third, 2)
    _expect_length(fourth, 3)
    try:
        created = creation_time(fourth[2])
    except ValueError as error:
        raise _RejectedError(fourth.index, "CREATED", f"time of creation {error}") from None
    origin = fourth[3]
    if len(origin) > 1 or (origin and not origin.isalpha()):
        raise _RejectedError(fourth.index, "ORIGIN", f"origin {origin[:32]!r}; one letter expected")

    details = 4
    pairs: dict[str, str] = {}
    while details < len(rows) and rows[details].code < "10000000" and _CODE.fullmatch(rows[details].code):
        if rows[details].code <= "00000004":
            raise _RejectedError(rows[details].index, "HEADER_ROW", f"a second row {rows[details].code}")
        if rows[details].code == "00000030":
            pairs |= attributes(rows[details].elements[2:])
        details += 1
    values, statuses, rounded = _intervals(rows[details:], rows[-1].index, day)
    return LseRecord(
        line=line,
        esiid=esiid,
        channel=int(first[3]),
        day=day,
        values=values,
        statuses=statuses,
        start_reading=start_reading,
        stop_reading=stop_reading,
        transaction_id=third[2],
        created=created,
        origin=origin,
        mre=pairs.get("mre"),
        sender=pairs.get("sender"),
        receiver=pairs.get("receiver"),
        rep=pairs.get("rep"),
        rounded=rounded,
    )


def _expect_length(row: _Row, most: int) -> None:
    """Refuse elements beyond the last that a row can have; empty ones are only commas too many."""
    if any(row.elements[most:]):
        raise _RejectedError(row.index, "HEADER_ROW", f"row {row.code} has {len(row.elements)} elements, not {most}")


def _meter_row(row: _Row) -> tuple[Decimal | None, Decimal | None]:
    _expect_length(row, 14)
    try:
        readings = register_reading(row[2]), register_reading(row[3])
    except ValueError as error:
        raise _RejectedError(row.index, "REGISTER_READ", f"register reading {error}") from None
    if row[8] not in ("", "900"):
        raise _RejectedError(row.index, "INTERVAL_LENGTH", f"{row[8][:32]!r} seconds an interval; 900 expected")
    if row[9] not in ("", "01", "1"):
        raise _RejectedError(row.index, "UNIT", f"unit of measure {row[9][:32]!r}; 01 (kWh) expected")
    if row[14].upper() not in CENTRAL_NAMES:
        raise _RejectedError(row.index, "TIME_ZONE", f"time zone {row[14][:32]!r}; CST expected")
    return readings


def _intervals(
    rows: list[_Row], last: int, day: date
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int32]], bytes | None, tuple[int, ...]]:
    """Read the detail rows: values in Wh, statuses (None when all are A), which values were rounded."""
    values: list[int] = []
    statuses = bytearray()
    rounded: list[int] = []
    expected = intervals_in(day)
    for number, row in enumerate(rows):
        if row.code != f"{10_000_000 + number}":
            raise _RejectedError(row.index, "DETAIL_ROW", f"row {row.code[:32]!r}; {10_000_000 + number} expected")
        if not 12 <= len(row.elements) <= 14 or row[4] or row[7] or row[10] or row[13] or row[14]:
            raise _RejectedError(
                row.index, "DETAIL_ROW", "four intervals of value, status and an empty element, then a comma, expected"
            )
        if len(values) == expected:
            break  # one row too many; counted below
        for element in (2, 5, 8, 11):
            wh, exact = _watt_hours(row, element)
            status = row[element + 1]
            if status not in ("A", "E") and (status or wh is not None):
                raise _RejectedError(row.index, "STATUS", f"status {status[:32]!r}; A or E expected")
            if not exact:
                rounded.append(len(values))
            values.append(wh or 0)
            statuses += b"M" if wh is None else status.encode("ascii")
    if 4 * len(rows) != expected:
        raise _RejectedError(last, "INTERVAL_COUNT", f"{4 * len(rows)} intervals; {day} has {expected}")
    array = np.array(values, np.int32)
    array.flags.writeable = False
    return array, bytes(statuses) if statuses.strip(b"A") else None, tuple(rounded)


def _watt_hours(row: _Row, element: int) -> tuple[int | None, bool]:
    """Return the value in Wh (None when empty), and whether it is exact."""
    text = row[element]
    if not text:
        return None, True
    if text[0] == "-" and _NUMBER.fullmatch(text[1:]):
        raise _RejectedError(row.index, "NEGATIVE_VALUE", f"value {text[:32]!r}; no value is below zero")
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise _RejectedError(row.index, "VALUE_FORMAT", f"value {text[:32]!r}; a decimal number expected")
    exact = Decimal(text).scaleb(3)
    if exact > LARGEST_WH:
        raise _RejectedError(row.index, "VALUE_TOO_LARGE", f"value {text!r}; at most 2147483.647 kWh expected")
    whole = exact.to_integral_value(ROUND_HALF_EVEN)
    return int(whole), whole == exact
