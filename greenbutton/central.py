"""Local days of the Texas market as ESPI wants them: seconds since 1970 (UTC), lengths in seconds, and DST rules.

ESPI writes instants as UTC seconds and lets the reader put them on the wall by `LocalTimeParameters`. The four values
here say US/Central under the US law of 2007 (second Sunday of March to first Sunday of November, 02:00); a test holds
them against the time-zone database for every year to 2037. Requirements U1 and R12.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from greenbutton.errors import DamagedUsageError

INTERVAL: Final = 900
"""Seconds of one interval."""

TZ_OFFSET: Final = -21_600
"""Seconds from UTC to standard time."""
DST_OFFSET: Final = 3_600

_CENTRAL: Final = ZoneInfo("America/Chicago")


def dst_rule(*, month: int, week: int, weekday: int, hour: int) -> str:
    """Return ESPI's 8 hex digits for "the `week`-th `weekday` of `month` at `hour`".

    `weekday` is 1 for Monday to 7 for Sunday. Bits, from the top (espi.xsd, DstRuleType): month 4, operator 3,
    day of month 5, weekday 3, hour 5, seconds 12. Operators 2 to 6 mean the first to the fifth such weekday.
    """
    return f"{month << 28 | (week + 1) << 25 | weekday << 17 | hour << 12:08X}"


DST_START_RULE: Final = dst_rule(month=3, week=2, weekday=7, hour=2)
DST_END_RULE: Final = dst_rule(month=11, week=1, weekday=7, hour=2)


@lru_cache(maxsize=8192)
def midnight(day: date) -> int:
    """Return the instant at which the operating day begins, in seconds since 1970 (UTC)."""
    return int(datetime(day.year, day.month, day.day, tzinfo=_CENTRAL).timestamp())


@lru_cache(maxsize=8192)
def next_midnight(day: date) -> int:
    """Return the instant at which the operating day ends: 82,800, 86,400 or 90,000 seconds after it began."""
    if day == date.max:
        return midnight(day) + 86_400  # the day after cannot be represented; December has no change
    return midnight(day + timedelta(days=1))


@lru_cache(maxsize=8192)
def stamp(moment: datetime) -> str:
    """Return an Atom date (RFC 3339) in UTC, ending in `Z` (DMD rule D144), to the second.

    Raises `DamagedUsageError` for a moment without a time zone.
    """
    if moment.tzinfo is None:
        raise DamagedUsageError("a moment without a time zone")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
