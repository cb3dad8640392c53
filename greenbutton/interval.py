"""The 15-minute interval document (requirements R1, R2, R12, U9).

Delivered and received energy are two series of one usage point. Each local day is a block of its own, 82,800, 86,400
or 90,000 seconds long; or, as an option for readers that take only the first block of a series, one block is the whole
series. An estimated interval carries quality 8; a missing one is left out, since ESPI has no null: never a zero.

A block ends at local midnight. It begins there too, unless its first intervals are missing: DMD rule D042 wants a
block to begin with one of its readings. A day that is missing as a whole has no block, a series without readings no
meter reading, and an ESI ID without readings no usage point: the caller says so elsewhere (the exceptions file).

How it is fast: what comes before a value depends on the day alone and is kept; what comes after it, value included, is
looked up by the value. A day is then one `join` of 192 pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import groupby, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from greenbutton import central, document
from greenbutton.codes import INTERVAL_DELIVERED, INTERVAL_RECEIVED, Quality, ReadingType
from greenbutton.document import Block, Series, UsagePoint
from greenbutton.errors import DamagedUsageError, DisorderedUsageError

if TYPE_CHECKING:
    from greenbutton.publisher import Publisher

_READING_TYPE: Final[dict[int, ReadingType]] = {4: INTERVAL_DELIVERED, 1: INTERVAL_RECEIVED}
_LARGEST_WH: Final = 2**31 - 1
_ACTUAL, _MISSING = ord("A"), ord("M")

_BEFORE_START: Final = "<timePeriod><duration>900</duration><start>"
_BEFORE_VALUE: Final = "</start></timePeriod><value>"
_AFTER_VALUE: Final = "</value></IntervalReading>\n"
_ESTIMATED_MARK: Final = f"<ReadingQuality><quality>{Quality.ESTIMATED}</quality></ReadingQuality>"
_VALUES: Final = np.array([f"{wh}{_AFTER_VALUE}".encode() for wh in range(10_000)], object)
"""A reading from its value on, by the value: nearly every interval of a household is below 10 kWh.
An array, since it looks up a whole day at once, at twice the speed of a list."""


class IntervalDay(Protocol):
    """One operating day of one channel of one ESI ID."""

    @property
    def esiid(self) -> str:
        """Used to derive identifiers, and never written."""

    @property
    def channel(self) -> int:
        """4 (load: delivered to the customer) or 1 (generation: received from it)."""

    @property
    def day(self) -> date:
        """The operating day, local."""

    @property
    def revised(self) -> datetime:
        """When this version became known, with a time zone."""

    @property
    def values(self) -> bytes:
        """Little-endian int32 Wh, one for each of the day's 92, 96 or 100 intervals."""

    @property
    def statuses(self) -> bytes | None:
        """None when all are actual, else a letter an interval: `A` actual, `E` estimated, `M` missing (no value)."""


def render(
    days: Iterable[IntervalDay], *, publisher: Publisher, updated: datetime, one_block: bool = False
) -> Iterator[bytes]:
    """Yield the interval document of these days in chunks.

    The days of an ESI ID come together, those of each channel ascending; the days of one ESI ID at a time are held.
    `one_block`: one block a series in place of one a local day. Raises `DamagedUsageError`, `DisorderedUsageError` and
    what `document.render` raises; what was yielded before an error must then be thrown away.
    """
    points = (
        UsagePoint(esiid, series(list(of_one), one_block=one_block))
        for esiid, of_one in groupby(days, key=attrgetter("esiid"))
    )
    return document.render(points, publisher=publisher, updated=updated)


def series(days: Sequence[IntervalDay], *, one_block: bool = False) -> list[Series]:
    """Return the series, delivered before received, of the days of one ESI ID that have readings.

    Raises `DamagedUsageError` and `DisorderedUsageError`, the former also while the blocks are read.
    """
    for day in days:
        _check_shape(day)
    found = []
    for channel, reading_type in _READING_TYPE.items():
        of_channel = [day for day in days if day.channel == channel]
        for earlier, later in pairwise(of_channel):
            if later.day <= earlier.day:
                raise DisorderedUsageError(f"{_named(later)}: comes after {earlier.day}")
        present = [day for day in of_channel if day.statuses is None or day.statuses.strip(b"M")]
        if present:
            found.append(Series(reading_type, [_whole(present)] if one_block else map(_block, present)))
    return found


def _block(day: IntervalDay) -> Block:
    """Return the block of one local day."""
    start = _first_start(day)
    return Block(day.day.isoformat(), start, central.next_midnight(day.day) - start, [_readings(day)], day.revised)


def _whole(days: Sequence[IntervalDay]) -> Block:
    """Return the one block of the whole series: as new as the newest of its days."""
    first, last = days[0], days[-1]
    start = _first_start(first)
    return Block(
        f"{first.day.isoformat()}--{last.day.isoformat()}",
        start,
        central.next_midnight(last.day) - start,
        map(_readings, days),
        max(day.revised for day in days),
    )


def _first_start(day: IntervalDay) -> int:
    """Return the start of the first interval that is not missing."""
    missing = 0 if day.statuses is None else len(day.statuses) - len(day.statuses.lstrip(b"M"))
    return central.midnight(day.day) + missing * central.INTERVAL


def _readings(day: IntervalDay) -> bytes:
    """Return the readings of the day, joined of two pieces an interval, both empty where it is missing."""
    before = _before_values(day.day)
    pieces = [b""] * (2 * len(before))
    pieces[::2] = before
    # Unsigned, so that a negative value is seen as too large.
    values = np.frombuffer(day.values, "<u4")
    try:
        pieces[1::2] = _VALUES.take(values).tolist()
    except IndexError:
        _check_values(day, values.tolist())
        pieces[1::2] = [f"{wh}{_AFTER_VALUE}".encode() for wh in values.tolist()]
    if day.statuses is not None:
        _mark(day, day.statuses, pieces)
    return b"".join(pieces)


def _check_shape(day: IntervalDay) -> None:
    intervals = (central.next_midnight(day.day) - central.midnight(day.day)) // central.INTERVAL
    if day.channel not in _READING_TYPE:
        raise DamagedUsageError(f"{_named(day)}: channel {day.channel}; 4 or 1 expected")
    if len(day.values) != 4 * intervals:
        raise DamagedUsageError(
            f"{_named(day)}: {len(day.values)} bytes of values; {intervals} intervals of 4 bytes expected"
        )
    if day.statuses is not None and (len(day.statuses) != intervals or day.statuses.translate(None, b"AEM")):
        raise DamagedUsageError(f"{_named(day)}: statuses are not {intervals} letters of A, E and M")


def _check_values(day: IntervalDay, values: Sequence[int]) -> None:
    statuses = day.statuses or bytes([_ACTUAL]) * len(values)
    for wh, status in zip(values, statuses, strict=True):
        if wh > _LARGEST_WH and status != _MISSING:
            raise DamagedUsageError(f"{_named(day)}: a negative value")


def _mark(day: IntervalDay, statuses: bytes, pieces: list[bytes]) -> None:
    """Put the quality before each estimated reading, and take the missing ones out."""
    start = central.midnight(day.day)
    for index in np.flatnonzero(np.frombuffer(statuses, np.uint8) != _ACTUAL).tolist():
        if statuses[index] == _MISSING:
            pieces[2 * index] = pieces[2 * index + 1] = b""
        else:
            pieces[2 * index] = _before_value(start + index * central.INTERVAL, _ESTIMATED_MARK)


# 48 months (R4), so that usage point after usage point finds every day again: about 20 MB when full.
@lru_cache(maxsize=1536)
def _before_values(day: date) -> tuple[bytes, ...]:
    """Return what stands before the value of each interval of the day."""
    return tuple(
        _before_value(start) for start in range(central.midnight(day), central.next_midnight(day), central.INTERVAL)
    )


def _before_value(start: int, quality: str = "") -> bytes:
    return f"<IntervalReading>{quality}{_BEFORE_START}{start}{_BEFORE_VALUE}".encode()


def _named(day: IntervalDay) -> str:
    """Return how a message names a day: by the last seven digits of its ESI ID, as A14 masks them."""
    return f"ESI ID …{day.esiid[-7:]} {day.day}"
