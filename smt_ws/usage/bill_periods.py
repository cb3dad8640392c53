"""The days that a bill covers, and which of overlapping bills stand: pure rules (U6, U10)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Final, Protocol, TypeVar

__all__ = ["EndDay", "Period", "are_disjoint", "last_covered", "overlaps", "standing"]

_ONE_DAY: Final = timedelta(days=1)


class EndDay(StrEnum):
    """What a TDSP means by the end date of a billing period."""

    #: It is the last day of the period.
    INCLUSIVE = "INCLUSIVE"
    #: It is the day of the meter reading, on which the next period begins: the period runs up to it.
    SHARED = "SHARED"


class Period(Protocol):
    """The days of a bill, both included."""

    @property
    def first_day(self) -> date:
        """The first day that it covers."""
        ...

    @property
    def last_covered(self) -> date:
        """The last day that it covers: see the function of this name."""
        ...


class Loaded(Period, Protocol):
    """A bill in the store."""

    @property
    def load_number(self) -> int:
        """The load that brought it."""
        ...


P = TypeVar("P", bound=Period)
L = TypeVar("L", bound=Loaded)


def last_covered(first_day: date, end_date: date, end_day: EndDay) -> date:
    """The last day of the period that was sent as *first_day* to *end_date*; one of a single date is that day."""
    return end_date - _ONE_DAY if end_day is EndDay.SHARED and first_day < end_date else end_date


def are_disjoint(bills: Iterable[Period]) -> bool:
    """Whether no day is in two of *bills*, which come by first day."""
    before = date.min
    for bill in bills:
        if bill.first_day <= before:
            return False
        before = bill.last_covered
    return True


def standing(bills: Iterable[L]) -> list[L]:
    """Those of one premise's *bills* that stand, by first day: no day is in two of them.

    The one loaded last stands; then, going back, each that overlaps none of those before it. Of one load the one that
    begins earlier goes first. So a bill that was superseded stands again once what superseded it does not.
    """
    stand: list[L] = []
    firsts: list[date] = []
    for bill in sorted(bills, key=lambda bill: (-bill.load_number, bill.first_day)):
        place = bisect_right(firsts, bill.first_day)
        if place and stand[place - 1].last_covered >= bill.first_day:
            continue
        if place < len(stand) and firsts[place] <= bill.last_covered:
            continue
        stand.insert(place, bill)
        firsts.insert(place, bill.first_day)
    return stand


def overlaps(periods: Iterable[P]) -> Iterator[tuple[P, P]]:
    """Each of *periods* that begins before one that began earlier has ended, after the one of those that ends last."""
    furthest: P | None = None
    for period in sorted(periods, key=attrgetter("first_day", "last_covered")):
        if furthest is not None and period.first_day <= furthest.last_covered:
            yield furthest, period
        if furthest is None or period.last_covered > furthest.last_covered:
            furthest = period
