"""Reading the ``wsu:Timestamp`` of a Security header (WSS 1.1 section 10; BSP 1.1 section 6)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from adapters.soap.wss_failures import BadTimestamp
from adapters.soap.wss_names import CREATED, EXPIRES

# Java sends milliseconds and .NET seven digits: both are let through, BSP's three (R3220, R3229) are only a SHOULD.
_INSTANT: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-]00:00)?",
)


def read_instant(text: str) -> datetime:
    """Read an xs:dateTime in UTC as an aware datetime, fractions cut to microseconds.

    Raises:
        BadTimestamp: not an xs:dateTime, not in UTC (R3217, R3223), seconds of 60 or more (R3213, R3215).

    """
    # \t \r \n and space only: xs:dateTime collapses exactly these
    match = _INSTANT.fullmatch(text.strip(" \t\r\n"))
    if match is None:
        raise BadTimestamp(
            f"a Timestamp holds {text[:40]!r}; expected an instant in UTC such as 2026-11-22T06:00:00Z", rule="R3217"
        )
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if not match[8]:
        raise BadTimestamp(f"a Timestamp holds {text[:40]!r} without a zone; expected UTC, ending in Z", rule="R3217")
    if second >= 60:
        raise BadTimestamp(f"a Timestamp holds {text[:40]!r}; expected seconds below 60", rule="R3213")
    micros = int((match[7] or "")[:6].ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    except ValueError as error:
        raise BadTimestamp(f"a Timestamp holds {text[:40]!r}, which is no date and time: {error}") from error


def read_timestamp(timestamp: etree._Element) -> tuple[datetime, datetime]:
    """Read Created and Expires of a ``wsu:Timestamp`` as aware UTC datetimes; both are required here.

    Raises:
        BadTimestamp: a child is missing, doubled, out of order, foreign or has attributes; an instant is unreadable;
            Created is not before Expires.

    """
    tags = [child.tag for child in timestamp]
    if tags.count(CREATED) != 1:
        raise BadTimestamp(f"the Timestamp has {tags.count(CREATED)} Created; expected exactly 1", rule="R3203")
    if tags.count(EXPIRES) != 1:
        raise BadTimestamp(f"the Timestamp has {tags.count(EXPIRES)} Expires; expected exactly 1", rule="R3224")
    if tags != [CREATED, EXPIRES]:
        order = tags == [EXPIRES, CREATED]
        found = "Expires before Created" if order else "elements other than Created and Expires"
        raise BadTimestamp(
            f"the Timestamp has {found}; expected Created, then Expires", rule="R3221" if order else "R3222"
        )
    for child, rule in zip(timestamp, ("R3225", "R3226"), strict=True):
        if len(child) or child.attrib:
            raise BadTimestamp(f"{etree.QName(child).localname} has attributes or children; expected none", rule=rule)
    created, expires = (read_instant(child.text or "") for child in timestamp)
    if created >= expires:
        raise BadTimestamp(
            f"the Timestamp expires {expires.isoformat()}, not after its creation {created.isoformat()}", rule="R3221"
        )
    return created, expires
