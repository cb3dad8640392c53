"""The field types of SEP 1.0: little-endian integers with ranges, UTCTime, and strings that count their octets.

A value that means "not used" on the wire is None here. Sources: facts sheet han-sep.md 1.0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, NamedTuple

from adapters.sep.errors import SepDecodeError, SepValueError

__all__ = [
    "EPOCH",
    "LONGEST_STRING",
    "NO_UINT8",
    "UINT8",
    "UINT32",
    "Checked",
    "Range",
    "from_utc_time",
    "read",
    "read_string",
    "string",
    "to_utc_time",
]

#: UTCTime counts seconds from here, in 32 bits without a sign.
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
#: Octets of a string: its length is one octet, and 255 there means that the string is invalid.
LONGEST_STRING: Final = 254
#: "Not used" of an 8-bit field, and the UTCTime that is no time.
NO_UINT8: Final = 0xFF
_NO_TIME: Final = 0xFFFFFFFF


class Range(NamedTuple):
    """The values a field may have, both ends included; *optional* where "not used" (None) is one of them."""

    least: int
    most: int
    optional: bool = False

    def check(self, field: str, value: object) -> None:
        """Raise SepValueError unless *value* is in the range."""
        if value is None and self.optional:
            return
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise SepValueError(field, value, f"{self.least} to {self.most}{' or none' if self.optional else ''}")


UINT8: Final = Range(0, 0xFF)
UINT32: Final = Range(0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Checked:
    """A message whose integers are held to RANGES when it is made: one that exists can be encoded."""

    RANGES: ClassVar[dict[str, Range]] = {}

    def __post_init__(self) -> None:
        """Raise SepValueError for the first field that is out of range."""
        for field, allowed in self.RANGES.items():
            allowed.check(field, getattr(self, field))


def to_utc_time(field: str, moment: datetime | None) -> int:
    """Return *moment* in seconds since 2000; None is 0, which means now.

    Raises SepValueError for one without a time zone, with a part of a second, or that 32 bits cannot hold.
    """
    if moment is None:
        return 0
    if moment.tzinfo is None or moment.microsecond:
        raise SepValueError(field, moment, "a moment with a time zone, in whole seconds")
    seconds = (moment - EPOCH) // timedelta(seconds=1)
    if not 0 < seconds < _NO_TIME:
        raise SepValueError(field, moment, "a moment after 2000-01-01 and before 2136-02-07")
    return seconds


def from_utc_time(seconds: int) -> datetime | None:
    """Return the moment *seconds* after 2000 in UTC, None for 0 (now). Raises SepDecodeError for the invalid time."""
    if seconds == _NO_TIME:
        raise SepDecodeError("the time is the invalid one, FFFFFFFF")
    return EPOCH + timedelta(seconds=seconds) if seconds else None


def string(field: str, text: str, most: int) -> bytes:
    """Return the length octet and *text* in UTF-8: octets count, not characters, and nothing is ever cut off.

    Raises SepValueError when there are more than *most* octets, or half a surrogate pair.
    """
    try:
        octets = text.encode()
    except UnicodeEncodeError as error:
        raise SepValueError(field, ascii(text), "text that UTF-8 can hold") from error
    if len(octets) > most:
        raise SepValueError(field, f"{len(octets)} octets", f"at most {most} octets of UTF-8")
    return bytes((len(octets),)) + octets


def read(layout: struct.Struct, payload: bytes) -> tuple[int, ...]:
    """Read *payload*, which must be exactly as long as *layout*. Raises SepDecodeError."""
    if len(payload) != layout.size:
        raise SepDecodeError(f"the payload has {len(payload)} octets; expected {layout.size}")
    return layout.unpack(payload)


def read_string(payload: bytes, at: int) -> tuple[str, int]:
    """Read the string at *at*; return it and the place after it.

    Raises SepDecodeError where it is cut short, invalid, or ends inside a character.
    """
    if at >= len(payload) or payload[at] == NO_UINT8:
        raise SepDecodeError("a string is missing or invalid")
    end = at + 1 + payload[at]
    if end > len(payload):
        raise SepDecodeError(f"a string of {payload[at]} octets is cut short")
    try:
        return payload[at + 1 : end].decode(), end
    except UnicodeDecodeError as error:
        raise SepDecodeError("a string is not UTF-8, or ends inside a character") from error
