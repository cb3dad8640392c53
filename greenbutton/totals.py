"""Daily and monthly energy, and the usage summary of a billing period (requirements R1, R2, R12, U9, U10).

Each is a function over plain numbers and gives what `document.UsagePoint` takes, so a document may hold any of them
beside the intervals of the same usage point. Daily energy stands in one block a calendar month, monthly energy in one
block a year; a reading's own duration tells its true length (a day of 23 hours, a billing period of 29 days).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby, pairwise

from greenbutton import central
from greenbutton.codes import (
    DAILY_DELIVERED,
    DAILY_RECEIVED,
    MONTHLY_DELIVERED,
    MONTHLY_RECEIVED,
    Quality,
    ReadingType,
)
from greenbutton.document import Block, Series, Summary
from greenbutton.errors import DamagedUsageError, DisorderedUsageError

_LARGEST_WH = 2**47 - 1  # espi.xsd: Int48


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy over whole local days: `first` to `last`, both included; `wh` Wh, never negative.

    `known` is the aware time at which this version became known (a load, a bill). Raises `DamagedUsageError`.
    """

    first: date
    last: date
    wh: int
    known: datetime
    estimated: bool = False

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise DamagedUsageError(f"{self.first} to {self.last}: ends before it begins")
        if not 0 <= self.wh <= _LARGEST_WH:
            raise DamagedUsageError(f"{self.first} to {self.last}: {self.wh} Wh; 0 to {_LARGEST_WH} expected")

    @property
    def start(self) -> int:
        """Seconds since 1970 (UTC)."""
        return central.midnight(self.first)

    @property
    def duration(self) -> int:
        """Seconds."""
        return central.next_midnight(self.last) - self.start

    @property
    def quality(self) -> Quality:
        """ESPI's word for it."""
        return Quality.ESTIMATED if self.estimated else Quality.VALIDATED


def daily_series(delivered: Sequence[Energy], received: Sequence[Energy] = ()) -> list[Series]:
    """Return the series of daily energy that have readings, each ascending; a missing day is left out.

    Raises `DamagedUsageError` for a period that is not one day, `DisorderedUsageError`.
    """
    for day in (*delivered, *received):
        if day.first != day.last:
            raise DamagedUsageError(f"{day.first} to {day.last}: a daily read is of one day")
    return _series("%Y-%m", (DAILY_DELIVERED, delivered), (DAILY_RECEIVED, received))


def monthly_series(delivered: Sequence[Energy], received: Sequence[Energy] = ()) -> list[Series]:
    """Return the series of monthly energy, by calendar month or billing period, that have readings.

    A period belongs to the year in which it begins. Raises `DisorderedUsageError`.
    """
    return _series("%Y", (MONTHLY_DELIVERED, delivered), (MONTHLY_RECEIVED, received))


def summaries(bills: Sequence[Energy]) -> list[Summary]:
    """Return a usage summary for each billing period: energy delivered, no money (DMD function block 15, not 16).

    Raises `DisorderedUsageError`.
    """
    _check_order(bills)
    return [
        Summary(
            name=bill.first.isoformat(),
            title=f"{bill.first} to {bill.last}",
            start=bill.start,
            duration=bill.duration,
            wh=bill.wh,
            quality=bill.quality,
            known=bill.known,
        )
        for bill in bills
    ]


def _series(block: str, *flows: tuple[ReadingType, Sequence[Energy]]) -> list[Series]:
    """Return a series for each flow with readings, a block for each name that the format gives the first days."""
    for _, energies in flows:
        _check_order(energies)

    def name(energy: Energy) -> str:
        return energy.first.strftime(block)

    return [
        Series(reading_type, [_block(of_block, list(energies)) for of_block, energies in groupby(found, key=name)])
        for reading_type, found in flows
        if found
    ]


def _block(name: str, energies: Sequence[Energy]) -> Block:
    """Return the block from the first reading to the end of the last: a part of a month does not claim the whole."""
    first, last = energies[0], energies[-1]
    return Block(
        name,
        first.start,
        last.start + last.duration - first.start,
        [_reading(energy) for energy in energies],
        max(energy.known for energy in energies),
    )


def _reading(energy: Energy) -> bytes:
    quality = f"<ReadingQuality><quality>{energy.quality}</quality></ReadingQuality>" if energy.estimated else ""
    return (
        f"<IntervalReading>{quality}<timePeriod><duration>{energy.duration}</duration><start>{energy.start}</start>"
        f"</timePeriod><value>{energy.wh}</value></IntervalReading>\n"
    ).encode()


def _check_order(energies: Sequence[Energy]) -> None:
    for earlier, later in pairwise(energies):
        if later.first <= earlier.last:
            raise DisorderedUsageError(f"{later.first} to {later.last}: comes after {earlier.first} to {earlier.last}")
