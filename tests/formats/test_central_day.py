"""The operating day: 92, 96 or 100 intervals from local midnight (U1, R12)."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.central_day import CENTRAL, interval_starts_utc, intervals_in, midnight_utc


@pytest.mark.parametrize(
    ("day", "intervals"),
    [
        (date(2025, 11, 2), 100),
        (date(2026, 3, 8), 92),
        (date(2026, 11, 1), 100),
        (date(2026, 5, 6), 96),
        (date(2006, 4, 2), 92),  # before the change of the law in 2007: the first Sunday of April
        (date.max, 96),
    ],
)
def test_r12_a_day_has_the_intervals_of_its_daylight_saving_length(day: date, intervals: int) -> None:
    assert intervals_in(day) == intervals


def test_an_operating_day_begins_at_local_midnight() -> None:
    assert midnight_utc(date(2026, 1, 15)) == datetime(2026, 1, 15, 6, tzinfo=UTC)
    assert midnight_utc(date(2026, 7, 15)) == datetime(2026, 7, 15, 5, tzinfo=UTC)


@given(st.dates(date(1970, 1, 1), date(2060, 12, 31)))
def test_intervals_follow_each_other_and_fill_the_day(day: date) -> None:
    starts = interval_starts_utc(day)
    assert len(starts) == intervals_in(day)
    assert starts[0].astimezone(CENTRAL).replace(tzinfo=None) == datetime(day.year, day.month, day.day)
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(minutes=15)}
    assert starts[-1] + timedelta(minutes=15) == midnight_utc(day + timedelta(days=1))
