"""Fifteen-minute load of Texan homes: what a meter would have measured, for as many homes and days as wanted.

Each home has a base load, a morning and an evening peak (later and lower mornings at weekends), air conditioning and,
in some homes, electric heating that follow one temperature series shared by all, appliances that switch on for
a quarter to an hour, and noise. A home with panels has generation too, of which the meter sees the surplus. The shapes
are plausible, not calibrated: they are for demonstrations and tests, never for studies.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.central_day import CENTRAL, interval_starts_utc

__all__ = ["Calendar", "solar_surplus", "temperatures", "watt_hours"]

Floats = NDArray[np.float64]
Wh = NDArray[np.int32]

#: Mean daily energy that a home is fitted into, in kWh.
_LEAST_DAILY_KWH, _MOST_DAILY_KWH = 14.0, 48.0
#: What a home's appliances draw together at most.
_MOST_APPLIANCES_KW = 4.0
#: Standard deviation of the noise, of the load's logarithm.
_NOISE = 0.18


@dataclass(frozen=True)
class Calendar:
    """The intervals of a run of operating days, one after the other, in elapsed time (92, 96 or 100 a day)."""

    days: tuple[date, ...]
    #: Where each day begins in the run; one more than days, the last is the number of intervals.
    starts: NDArray[np.int64]
    #: Which day each interval belongs to, and the local hour (0 to 24) at its middle.
    day: NDArray[np.int64]
    hour: Floats

    @classmethod
    def of(cls, first_day: date, days: int) -> Calendar:
        """The calendar of *days* operating days from *first_day*."""
        all_days = tuple(first_day + timedelta(days=n) for n in range(days))
        hours = [
            [
                local.hour + (local.minute + 7.5) / 60
                for local in (s.astimezone(CENTRAL) for s in interval_starts_utc(d))
            ]
            for d in all_days
        ]
        lengths = [len(of_day) for of_day in hours]
        return cls(
            days=all_days,
            starts=np.concatenate([[0], np.cumsum(lengths)]),
            day=np.repeat(np.arange(days), lengths),
            hour=np.concatenate(hours),
        )

    def slice_of(self, day: int) -> slice:
        """The intervals of the day with that index."""
        return slice(int(self.starts[day]), int(self.starts[day + 1]))

    @property
    def weekend(self) -> NDArray[np.bool_]:
        """For each interval, whether its day is a Saturday or Sunday."""
        return np.array([d.weekday() >= 5 for d in self.days])[self.day]


def temperatures(calendar: Calendar, rng: np.random.Generator) -> Floats:
    """Outdoor temperature in °C for each interval: north Texas by season, hour, and fronts that last some days."""
    season = np.array([19.0 + 10.5 * np.cos(2 * np.pi * (d.timetuple().tm_yday - 205) / 365.25) for d in calendar.days])
    front = np.empty(len(calendar.days))
    level = 0.0
    for n, push in enumerate(rng.normal(0.0, 2.2, len(calendar.days))):
        level = 0.7 * level + push
        front[n] = level
    swing = 6.0 * np.cos(2 * np.pi * (calendar.hour - 16.0) / 24)
    result: Floats = (season + front)[calendar.day] + swing
    return result


def watt_hours(calendar: Calendar, outdoor: Floats, homes: int, rng: np.random.Generator) -> Wh:
    """Consumption in Wh an interval: (homes, intervals)."""

    def each(low: float, high: float) -> Floats:
        return rng.uniform(low, high, (homes, 1))

    def peak(height: Floats, at: Floats, width: float) -> Floats:
        # the clock is a circle: an evening peak may reach past midnight
        away = np.abs(calendar.hour - at)
        bump: Floats = height * np.exp(-0.5 * (np.minimum(away, 24 - away) / width) ** 2)
        return bump

    weekend = calendar.weekend
    kw = np.repeat(each(0.18, 0.45), len(calendar.hour), axis=1)
    workday = peak(each(0.4, 1.0), each(6.3, 7.8), 0.9)
    lazy = peak(each(0.3, 0.8), each(8.8, 10.5), 1.6) + peak(each(0.1, 0.5), each(13.0, 15.0), 2.0)
    kw += np.where(weekend, lazy, workday)
    kw += peak(each(0.8, 1.9), each(18.3, 20.3), 1.7)
    kw += each(0.05, 0.14) * np.maximum(outdoor - each(21.0, 24.0), 0)
    heated_by_electricity = rng.random((homes, 1)) < 0.45
    kw += heated_by_electricity * each(0.06, 0.14) * np.maximum(each(11.0, 14.0) - outdoor, 0)
    # a quarter of an hour averages a home's switching: twice the deviation is as far as it goes
    kw *= np.exp(np.clip(rng.normal(0.0, _NOISE, kw.shape), -2 * _NOISE, 2 * _NOISE))

    # a larger home is cooled and lit more, but its oven is the same: appliances are not scaled with it
    appliances = _appliances(kw.shape, calendar.hour, rng)
    extra = appliances.sum(axis=1, keepdims=True) / 4 / len(calendar.days)
    daily = kw.sum(axis=1, keepdims=True) / 4 / len(calendar.days)
    wanted = np.clip((daily + extra) * rng.lognormal(0.0, 0.25, (homes, 1)), _LEAST_DAILY_KWH, _MOST_DAILY_KWH)
    kw *= np.maximum(wanted - extra, daily / 2) / daily
    result: Wh = np.maximum(np.rint((kw + appliances) * 250), 1).astype(np.int32)
    return result


def _appliances(shape: tuple[int, ...], hour: Floats, rng: np.random.Generator) -> Floats:
    """Oven, dryer, dishwasher: 1 to 3 kW for one to four intervals, when people are up; together at most 4 kW."""
    awake = ((hour > 6.5) & (hour < 22.5)) * np.where(np.abs(hour - 19) < 2, 2.5, 1.0)
    begins = rng.random(shape) < 0.022 * awake
    power = begins * rng.uniform(0.8, 2.6, shape)
    lasts = rng.integers(1, 5, shape)
    total: Floats = power.copy()
    for later in range(1, 4):
        total[:, later:] += (power * (lasts > later))[:, :-later]
    # without a bound one home in a thousand would run four at once, which is what the spike check is there to find
    return np.minimum(total, _MOST_APPLIANCES_KW)


def solar_surplus(calendar: Calendar, used: Wh, panels_kw: float, rng: np.random.Generator) -> tuple[Wh, Wh]:
    """Net metering of one home that uses *used* Wh an interval: (drawn from the grid, delivered to the grid)."""
    sun = np.sin(np.pi * np.clip((calendar.hour - 7.0) / 11.5, 0, 1)) ** 1.4
    sky = rng.beta(5.0, 1.6, len(calendar.days))[calendar.day]
    made: NDArray[Any] = np.rint(panels_kw * 250 * sun * sky * rng.uniform(0.8, 1.0, len(sun))).astype(np.int32)
    return np.maximum(used - made, 0), np.maximum(made - used, 0)
