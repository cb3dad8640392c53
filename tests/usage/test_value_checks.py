"""The rules about values (U5): an injected fault of each kind is flagged, a clean generated year raises none."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smt_ws.sandbox.households import Calendar, solar_surplus, temperatures, watt_hours
from smt_ws.settings import Validation
from smt_ws.usage.checks import NOT_READ, Batch, Fact, check

FIGURES = Validation()
START = 24_002_000


def a_day(**changed: object) -> Batch:
    """One good day of a home: a register that agrees, days before like it."""
    values = np.asarray(changed.pop("values", home_day()), np.int32).reshape(1, -1)
    total = int(values.sum())
    columns: dict[str, object] = {
        "missing": None,
        "consumption": True,
        "active": True,
        "residential": True,
        "start": START,
        "stop": START + total,
        "register": -1,
        "went_back": False,
        "earlier": [30_000, 24_000],
    }
    columns |= changed
    return Batch(
        values=values,
        missing=columns["missing"],
        consumption=np.array([columns["consumption"]]),
        active=np.array([columns["active"]]),
        residential=np.array([columns["residential"]]),
        start=np.array([columns["start"]], np.int64),
        stop=np.array([columns["stop"]], np.int64),
        register=np.array([columns["register"]], np.int64),
        went_back=np.array([columns["went_back"]]),
        earlier=np.array([columns["earlier"]], np.int64),
    )


def home_day(intervals: int = 96) -> np.ndarray:
    return np.resize(np.array([120, 260, 410, 230, 180], np.int32), intervals)


def with_value(place: int, wh: int) -> np.ndarray:
    values = home_day()
    values[place] = wh
    return values


def codes(batch: Batch, figures: Validation = FIGURES) -> list[str]:
    return [code for _, code, _ in check(batch, figures)]


FAULTS = {
    "INACTIVE_USAGE": lambda n: a_day(active=False),
    "PULSE_OVERFLOW": lambda n: a_day(values=with_value(n, 655_351), residential=False, earlier=[700_000, 700_000]),
    "MAXIMUM_DEMAND": lambda n: a_day(values=with_value(n, 24_001), earlier=[90_000, 90_000]),
    "REGISTER_READS": lambda n: a_day(stop=START - 1 - n),
    "SUM_CHECK": lambda n: a_day(stop=START + int(home_day().sum()) + 1_001 + n),
    "ZERO_RUN": lambda n: a_day(values=np.roll(np.r_[np.zeros(48, np.int32), home_day(48)], n % 48)),
    "SPIKE": lambda n: a_day(values=with_value(n, 2_501), earlier=[30_000, 24_000]),
    "HIGH_USAGE": lambda n: a_day(earlier=[NOT_READ, 100 + n]),
    "LOW_USAGE": lambda n: a_day(values=home_day() // 40, earlier=[9_000 + n, NOT_READ]),
}
#: What a fault brings along: too high an interval is also a spike.
ALONG = {"PULSE_OVERFLOW": {"SPIKE", "MAXIMUM_DEMAND"}, "MAXIMUM_DEMAND": {"SPIKE"}}


def every_fact() -> list[Fact]:
    return [fact for fault in FAULTS.values() for fact in check(fault(0), FIGURES)]


@pytest.mark.parametrize("intervals", [92, 96, 100])
def test_a_good_day_breaks_nothing(intervals: int) -> None:
    assert codes(a_day(values=home_day(intervals))) == []


@pytest.mark.parametrize("code", FAULTS)
@given(n=st.integers(0, 95))
def test_each_injected_fault_is_flagged_wherever_it_is(code: str, n: int) -> None:
    found = codes(FAULTS[code](n))
    assert code in found
    assert set(found) - {code} <= ALONG.get(code, set())


@given(st.integers(-1_500, 1_500))
def test_the_sum_check_allows_what_whole_kwh_lose_and_no_more(off: int) -> None:
    total = int(home_day().sum())
    assert ("SUM_CHECK" in codes(a_day(stop=START + total + off))) == (abs(off) > FIGURES.sum_tolerance_wh)


def test_registers_are_not_compared_where_not_read_or_an_interval_is_missing() -> None:
    assert codes(a_day(start=NOT_READ, stop=NOT_READ)) == []
    assert codes(a_day(start=NOT_READ, stop=START)) == []
    missing = np.zeros((1, 96), bool)
    missing[0, 5] = True
    assert codes(a_day(missing=missing, stop=START + 90_000)) == []


def test_a_read_that_came_before_counts_where_the_record_has_none() -> None:
    total = int(home_day().sum())
    assert codes(a_day(start=NOT_READ, stop=NOT_READ, register=total + 1_000)) == []
    assert codes(a_day(start=NOT_READ, stop=NOT_READ, register=total + 1_001)) == ["SUM_CHECK"]
    assert codes(a_day(register=total + 9_000)) == []
    assert codes(a_day(start=NOT_READ, stop=START, register=total + 9_000)) == []


def test_zeros_are_counted_in_a_row_and_missing_intervals_are_none() -> None:
    values = home_day()
    values[::2] = 0
    assert codes(a_day(values=values)) == []
    values = np.r_[np.zeros(60, np.int32), home_day(36)]
    missing = np.zeros((1, 96), bool)
    missing[0, 30] = True
    assert codes(a_day(values=values)) == ["ZERO_RUN"]
    assert codes(a_day(values=values, missing=missing)) == []
    assert codes(a_day(values=values, consumption=False)) == [], "panels rest at night"
    assert codes(a_day(values=np.zeros(96, np.int32), earlier=[NOT_READ, NOT_READ])) == [], "ZERO_DAY is another rule"


def test_usage_is_compared_only_with_days_that_the_store_has() -> None:
    tiny = home_day() // 100
    assert codes(a_day(values=tiny, earlier=[NOT_READ, NOT_READ])) == []
    assert codes(a_day(values=tiny, earlier=[4_000, 900])) == [], "one of the days was as low"


def test_figures_are_settings() -> None:
    batch = a_day(values=with_value(3, 24_001), earlier=[90_000, 90_000])
    assert codes(batch, Validation(residential_kw=97, spike_percent=100_000)) == []


@settings(max_examples=3, deadline=None)
@example(seed=19943)  # both had a quarter of an hour like no other of its day
@example(seed=1136)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_clean_generated_year_raises_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, length, homes = date(2025, 11, 1), 365, 12
    calendar = Calendar.of(first, length)
    used = watt_hours(calendar, temperatures(calendar, rng), homes, rng)
    used[0], surplus = solar_surplus(calendar, used[0], 6.5, rng)
    series = [*((row, True) for row in used), (surplus, False)]
    daily = np.array([np.add.reduceat(row, calendar.starts[:-1], dtype=np.int64) for row, _ in series])
    register = np.cumsum(daily, axis=1) + START
    for n, day in enumerate(calendar.days):
        earlier = [daily[:, n - back] if n >= back else np.full(len(series), -1) for back in FIGURES.usage_days]
        batch = Batch(
            values=np.stack([row[calendar.slice_of(n)] for row, _ in series]),
            missing=None,
            consumption=np.array([is_load for _, is_load in series]),
            active=np.ones(len(series), bool),
            residential=np.ones(len(series), bool),
            start=register[:, n] - daily[:, n],
            stop=register[:, n],
            register=np.full(len(series), -1),
            went_back=np.zeros(len(series), bool),
            earlier=np.stack(earlier, axis=1),
        )
        assert check(batch, FIGURES) == [], day
    assert calendar.days[-1] == first + timedelta(days=length - 1)
