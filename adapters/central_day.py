"""The operating day of the Texas market: local midnight to local midnight in US/Central, in 15-minute intervals.

A day has 96 intervals; the day on which daylight saving begins has 92 and the day on which it ends has 100
(requirements U1, R12). Everything here is computed from the time-zone database, never from a table of our own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

CENTRAL: Final = ZoneInfo("America/Chicago")
INTERVAL: Final = timedelta(minutes=15)


@lru_cache(maxsize=8192)
def midnight_utc(day: date) -> datetime:
    """Return the instant, in UTC, at which the operating day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=CENTRAL).astimezone(UTC)


@lru_cache(maxsize=8192)
def intervals_in(day: date) -> int:
    """Return how many 15-minute intervals the operating day has: 92, 96 or 100."""
    if day == date.max:
        return 96  # the day after cannot be represented; no daylight-saving change falls in December
    return (midnight_utc(day + timedelta(days=1)) - midnight_utc(day)) // INTERVAL


@lru_cache(maxsize=512)
def interval_starts_utc(day: date) -> tuple[datetime, ...]:
    """Return the start of each interval of the operating day, in UTC, in elapsed order."""
    first = midnight_utc(day)
    return tuple(first + index * INTERVAL for index in range(intervals_in(day)))
