"""High and low usage of stored days, judged again when a day that they are compared with is loaded later (U5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from adapters.lse import LOAD
from smt_ws.settings import Validation
from smt_ws.usage.checks import is_high, is_low
from smt_ws.usage.judged import Day, judge_days
from smt_ws.usage.recent import NOT_MEASURED, sums_on, whole_days_before
from smt_ws.usage.rules import Severity, flags_of
from smt_ws.usage.tables import load

__all__ = ["Brought"]

Mask = NDArray[np.bool_]
#: Premises and days, in columns.
_Days = tuple[NDArray[np.int64], NDArray[np.datetime64]]
_RULES: Final = ("HIGH_USAGE", "LOW_USAGE")
#: Days judged at once: their values are a few MB for each day that they are compared with.
_AT_ONCE: Final = 10_000


class Brought:
    """The days of consumption that a load brings, new or corrected: what is known of days after them has changed."""

    def __init__(self) -> None:
        """None so far."""
        self._days: list[_Days] = []
        #: Position in the file too: of days that may turn out to be what the store has already.
        self._compared: list[tuple[NDArray[np.int64], _Days]] = []

    def note(self, columns: Mapping[str, NDArray[Any]], *, new: Mask, compared: Mask) -> None:
        """Note days: those that are *new*, and those that are still to be *compared* with what the store has."""
        consumption = columns["channel"] == LOAD
        self._days.append(_where(columns, new & consumption))
        rows = compared & consumption
        self._compared.append((columns["position"][rows], _where(columns, rows)))

    def note_replaced(self, positions: Collection[int]) -> None:
        """Note which of those that were to be compared replace others."""
        replaced = np.array(sorted(positions), np.int64)
        for position, (keys, days) in self._compared:
            rows = np.isin(position, replaced)
            self._days.append((keys[rows], days[rows]))

    def judge_days_after(
        self,
        connection: Connection,
        *,
        tdsp_duns: str,
        severity: Mapping[str, Severity],
        figures: Validation,
        load_number: int,
    ) -> None:
        """Judge again the stored days that come after these, as load *load_number*.

        Daily files bring the latest days there are: then there is nothing to look at.
        """
        rules = [rule for rule in _RULES if severity[rule] is Severity.FLAG]
        premise_ids, days = (np.concatenate(columns) for columns in zip(*self._days, strict=True))
        if not len(days) or not rules:
            return
        latest = max(days.max(), np.datetime64(_latest(connection, tdsp_duns) or date.min, "D"))
        steps = np.array(figures.usage_days, "timedelta64[D]")
        if days.min() + steps.min() > latest:
            return
        after = np.concatenate([days + step for step in steps])
        keys = np.tile(premise_ids, len(figures.usage_days))[after <= latest]
        both = np.unique(np.stack([keys, after[after <= latest].astype(np.int64)]), axis=1)
        for start in range(0, both.shape[1], _AT_ONCE):
            part = both[:, start : start + _AT_ONCE]
            judged = _flags(connection, part[0], part[1].astype("<M8[D]"), figures)
            judge_days(connection, judged, rules, load_number=load_number)


def _where(columns: Mapping[str, NDArray[Any]], rows: Mask) -> _Days:
    return columns["premise_id"][rows], columns["operating_day"][rows].astype("<M8[D]")


def _latest(connection: Connection, tdsp_duns: str) -> date | None:
    """The last day of which an interval file of the TDSP was loaded."""
    of = load.c
    latest: date | None = connection.scalar(
        select(func.max(of.last_day)).where(of.tdsp_duns == tdsp_duns, of.kind == "lse", of.state == "loaded")
    )
    return latest


def _flags(
    connection: Connection, premise_ids: NDArray[np.int64], days: NDArray[np.datetime64], figures: Validation
) -> dict[Day, int]:
    """The flags of those of *days* that are stored, as far as the days before decide them."""
    sums = sums_on(connection, premise_ids, days)
    stored = sums != NOT_MEASURED
    premise_ids, days, sums = premise_ids[stored], days[stored], sums[stored]
    around = whole_days_before(connection, premise_ids, days, back=(0, *figures.usage_days))
    whole, earlier = around[:, 0] != NOT_MEASURED, around[:, 1:]
    high, low = is_high(sums, earlier, figures), whole & is_low(sums, earlier, figures)
    flags = np.where(high, flags_of(["HIGH_USAGE"]), 0) | np.where(low, flags_of(["LOW_USAGE"]), 0)
    keys = zip(premise_ids.tolist(), days.tolist(), strict=True)
    return {(key, int(LOAD), day): bits for (key, day), bits in zip(keys, flags.tolist(), strict=True)}
