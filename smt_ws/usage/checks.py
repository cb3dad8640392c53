"""The rules about the values of interval days, a batch at a time on whole columns (U5; the table is `rules.RULES`).

Pure functions on arrays: what they need of the store comes in with the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smt_ws.settings import Validation
from smt_ws.usage.recent import NOT_MEASURED

__all__ = ["LARGEST_REGISTER_WH", "NOT_READ", "Batch", "Fact", "check", "is_high", "is_low", "readings_stored"]

#: Stands for a register reading that the file does not give.
NOT_READ: Final = -1
#: Registers below a thousand million kWh are believed and stored.
LARGEST_REGISTER_WH: Final = 10**12 - 1

Column = NDArray[np.int64]
#: (index in the batch, code of the rule, what was found)
Fact = tuple[int, str, str]


@dataclass(frozen=True, eq=False)
class Batch:
    """Days with the same number of intervals, a row each."""

    #: Wh; 0 where missing.
    values: NDArray[np.int32]
    #: Which intervals are missing; None: none of the batch.
    missing: NDArray[np.bool_] | None
    consumption: NDArray[np.bool_]
    active: NDArray[np.bool_]
    residential: NDArray[np.bool_]
    #: Register readings in Wh, `NOT_READ` where not given.
    start: Column
    stop: Column
    #: What the store's register read says of the day where the record has none that is stored, in Wh; `NOT_MEASURED`
    #: where there is none.
    register: Column
    #: Whether that read ends below where it begins.
    went_back: NDArray[np.bool_]
    #: Sums of earlier days in Wh, `NOT_MEASURED` where there is none; a column for each of ``usage_days``.
    earlier: Column
    sums: Column = field(init=False)
    whole: NDArray[np.bool_] = field(init=False)
    #: Whether the record has a register reading that is stored with the day.
    stored: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Sum each day once."""
        object.__setattr__(self, "sums", self.values.sum(axis=1, dtype=np.int64))
        whole = np.ones(len(self.values), bool) if self.missing is None else ~self.missing.any(axis=1)
        object.__setattr__(self, "whole", whole)
        object.__setattr__(self, "stored", readings_stored(self.start, self.stop))


def readings_stored(start: Column, stop: Column) -> NDArray[np.bool_]:
    """Which readings are stored: at least one of the two was read, and none is beyond belief."""
    highest = np.maximum(start, stop)
    believed: NDArray[np.bool_] = (highest > NOT_READ) & (highest <= LARGEST_REGISTER_WH)
    return believed


def check(batch: Batch, figures: Validation) -> list[Fact]:
    """Every rule that a day of *batch* breaks; for each day in the order of the table."""
    facts: list[Fact] = []
    for rule in _CHECKS:
        facts += rule(batch, figures)
    return facts


def _kwh(wh: Any) -> str:
    return f"{int(wh) / 1000:,.3f} kWh"


def _inactive_usage(batch: Batch, figures: Validation) -> list[Fact]:
    broken = ~batch.active & (batch.sums > figures.inactive_wh)
    return [
        (n, "INACTIVE_USAGE", f"{_kwh(batch.sums[n])} at a premise without service")
        for n in np.flatnonzero(broken).tolist()
    ]


def _pulse_overflow(batch: Batch, figures: Validation) -> list[Fact]:
    highest = batch.values.max(axis=1)
    return [
        (
            n,
            "PULSE_OVERFLOW",
            f"an interval of {_kwh(highest[n])}; the register takes {_kwh(figures.pulse_overflow_wh)}",
        )
        for n in np.flatnonzero(highest > figures.pulse_overflow_wh).tolist()
    ]


def _maximum_demand(batch: Batch, figures: Validation) -> list[Fact]:
    highest = batch.values.max(axis=1).astype(np.int64) * 4
    most = np.where(batch.residential, figures.residential_kw, figures.other_kw) * 1000
    return [
        (n, "MAXIMUM_DEMAND", f"{highest[n] / 1000:,.3f} kW; at most {most[n] // 1000:,} kW expected")
        for n in np.flatnonzero(highest > most).tolist()
    ]


def _register_reads(batch: Batch, figures: Validation) -> list[Fact]:
    del figures
    both = (batch.start != NOT_READ) & (batch.stop != NOT_READ)
    broken = (both & (batch.stop < batch.start)) | (np.maximum(batch.start, batch.stop) > LARGEST_REGISTER_WH)
    before = batch.went_back & ~batch.stored
    return [
        (n, "REGISTER_READS", f"start {_kwh(batch.start[n])}, stop {_kwh(batch.stop[n])}" if broken[n] else _WENT_BACK)
        for n in np.flatnonzero(broken | before).tolist()
    ]


_WENT_BACK: Final = "the day's register read ends below where it begins"


def _sum_check(batch: Batch, figures: Validation) -> list[Fact]:
    read = (batch.start != NOT_READ) & (batch.stop != NOT_READ)
    sound = read & (batch.stop >= batch.start) & (batch.stop <= LARGEST_REGISTER_WH)
    # the record's own reads count; without them those that the store has
    usage = np.where(sound, batch.stop - batch.start, batch.register)
    fit = (sound | (~batch.stored & (batch.register != NOT_MEASURED))) & batch.whole
    return [
        (n, "SUM_CHECK", f"intervals {_kwh(batch.sums[n])}, register {_kwh(usage[n])}")
        for n in np.flatnonzero(fit & (np.abs(batch.sums - usage) > figures.sum_tolerance_wh)).tolist()
    ]


def _zero_run(batch: Batch, figures: Validation) -> list[Fact]:
    zero = batch.values == 0
    if batch.missing is not None:
        zero &= ~batch.missing
    enough = batch.consumption & (batch.sums > 0) & (np.count_nonzero(zero, axis=1) >= figures.zero_run_intervals)
    facts: list[Fact] = []
    for n in np.flatnonzero(enough).tolist():
        edges = np.flatnonzero(np.diff(np.concatenate(([0], zero[n].view(np.int8), [0]))))
        longest = int((edges[1::2] - edges[::2]).max())
        if longest >= figures.zero_run_intervals:
            facts.append((n, "ZERO_RUN", f"{longest} intervals of 0 in a row"))
    return facts


def _spike(batch: Batch, figures: Validation) -> list[Fact]:
    high = np.flatnonzero(batch.values.max(axis=1) > figures.spike_floor_wh)
    top = np.partition(batch.values[high], -3, axis=1)[:, -3:].astype(np.int64)
    third, first = top.min(axis=1), top.max(axis=1)
    broken = 100 * (first - third) > figures.spike_percent * third
    return [
        (n, "SPIKE", f"highest interval {_kwh(a)}, third highest {_kwh(b)}")
        for n, a, b in zip(high[broken].tolist(), first[broken].tolist(), third[broken].tolist(), strict=True)
    ]


def _high_usage(batch: Batch, figures: Validation) -> list[Fact]:
    broken = batch.consumption & is_high(batch.sums, batch.earlier, figures)
    return [
        (n, "HIGH_USAGE", f"{_kwh(batch.sums[n])}; on days before at most {_kwh(batch.earlier[n].max())}")
        for n in np.flatnonzero(broken).tolist()
    ]


def _low_usage(batch: Batch, figures: Validation) -> list[Fact]:
    broken = batch.consumption & batch.whole & is_low(batch.sums, batch.earlier, figures)
    return [
        (n, "LOW_USAGE", f"{_kwh(batch.sums[n])}; on days before at least {_kwh(_least(batch.earlier[[n]])[0])}")
        for n in np.flatnonzero(broken).tolist()
    ]


def is_high(sums: Column, earlier: Column, figures: Validation) -> NDArray[np.bool_]:
    """Which consumption of a day is far above that of the days before, a row of *earlier* each."""
    known = (earlier != NOT_MEASURED).any(axis=1)
    usual = earlier.max(axis=1)
    broken: NDArray[np.bool_] = known & (sums > figures.usage_factor * usual) & (sums - usual > figures.usage_floor_wh)
    return broken


def is_low(sums: Column, earlier: Column, figures: Validation) -> NDArray[np.bool_]:
    """Which consumption of a whole day is far below that of the days before, a row of *earlier* each."""
    known = (earlier != NOT_MEASURED).any(axis=1)
    usual = _least(earlier)
    broken: NDArray[np.bool_] = known & (sums * figures.usage_factor < usual) & (usual - sums > figures.usage_floor_wh)
    return broken


def _least(earlier: Column) -> Column:
    least: Column = np.where(earlier == NOT_MEASURED, np.iinfo(np.int64).max, earlier).min(axis=1)
    return least


_CHECKS: Final[tuple[Callable[[Batch, Validation], list[Fact]], ...]] = (
    _inactive_usage,
    _pulse_overflow,
    _maximum_demand,
    _register_reads,
    _sum_check,
    _zero_run,
    _spike,
    _high_usage,
    _low_usage,
)
