"""XSD values as Python reads them: every lexical form that a schema lets through is read, or refused by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from adapters.soap.faults import Finding, SchemaViolation

__all__ = ["Unreadable", "UnreadableValue", "read_boolean", "read_decimal", "read_integer", "read_moment"]

#: What XSD collapses: exactly these four, and no other blank of Unicode's.
_BLANKS: Final = " \t\r\n"
#: The years that dates have in the contract. Within them no sum of moment and duration leaves Python's calendar.
_FIRST_YEAR, _LAST_YEAR = 1000, 2999
_MOMENT: Final = re.compile(
    r"(-?[0-9]{4,})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_NUMBER: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")
#: More digits are in no quantity that the hub handles; arithmetic with them would be neither exact nor bounded.
_DIGITS: Final = 24


class UnreadableValue(SchemaViolation):
    """A value fits its type in the XSD, but is none that the hub can work with."""

    def __init__(self, presented: str, expected: str) -> None:
        """Carry what stood there and what may."""
        super().__init__(findings=[Finding(None, presented[:64], expected)])
        self.presented, self.expected = presented[:64], expected


class Unreadable(str):
    """Stands in the place of a value that cannot be read, for services that answer each item for itself."""

    __slots__ = ()


def read_moment(text: str) -> datetime:
    """Read an xs:dateTime: naive where it names no zone, fractions cut to microseconds, 24:00:00 the next midnight.

    Raises UnreadableValue for years outside 1000 to 2999.
    """
    text = text.strip(_BLANKS)
    found = _MOMENT.fullmatch(text)
    expected = f"a date and time of the years {_FIRST_YEAR} to {_LAST_YEAR}, such as 2026-11-22T06:00:00Z"
    if found is None or len(found[1]) != 4 or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
        raise UnreadableValue(text, expected)
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    midnight = hour == 24
    micros = int(found[7][:6].ljust(6, "0")) if found[7] else 0
    try:
        moment = datetime(year, month, day, 0 if midnight else hour, minute, second, micros, tzinfo=_zone(found[8]))
    except ValueError:
        raise UnreadableValue(text, expected) from None
    return moment + timedelta(days=1) if midnight else moment


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def read_boolean(text: str) -> bool:
    """Read an xs:boolean. Raises UnreadableValue."""
    text = text.strip(_BLANKS)
    if text not in {"true", "1", "false", "0"}:
        raise UnreadableValue(text, "true or false")
    return text in {"true", "1"}


def read_integer(text: str) -> int:
    """Read an xs:integer, of as many leading zeros as there are. Raises UnreadableValue for more than 24 digits."""
    number = _plain(text)
    if "." in number:
        raise UnreadableValue(text, "a whole number")
    return int(number)


def read_decimal(text: str) -> Decimal:
    """Read an xs:decimal exactly. Raises UnreadableValue for more than 24 digits that count."""
    return Decimal(_plain(text))


def _plain(text: str) -> str:
    """The number without blanks and without zeros that say nothing."""
    text = text.strip(_BLANKS)
    found = _NUMBER.fullmatch(text)
    if found is None or text in {"", "+", "-", ".", "+.", "-."}:
        raise UnreadableValue(text, "a number")
    sign, whole, fraction = found[1], found[2].lstrip("0"), (found[3] or "").rstrip("0")
    if len(whole) + len(fraction) > _DIGITS:
        raise UnreadableValue(text, f"a number of at most {_DIGITS} digits")
    return f"{sign}{whole or '0'}{'.' + fraction if fraction else ''}"
