"""What the store has of days around those that arrive: premises side by side or far apart, of one day or of several."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from small_market import marked

from smt_ws.store.columns import Nullable, copy_columns
from smt_ws.store.engine import Store
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.recent import NOT_MEASURED, registered, whole_days_before
from smt_ws.usage.tables import interval_day, register_read

DAY = date(2026, 11, 8)
#: The store has whole days of these, Wh an interval by premise and days back; premise 5 lacks an interval.
HELD = {(1, 1): 10, (1, 7): 20, (2, 1): 30, (4, 7): 40, (900, 1): 50, (5, 1): 60}


def fill(store: Store) -> None:
    ensure_months(store, [DAY, DAY - timedelta(days=8)])
    keys = list(HELD)
    days = [DAY - timedelta(days=back) for _, back in keys]
    columns = {
        "premise_id": np.array([premise for premise, _ in keys]),
        "channel": np.full(len(keys), 4),
        "operating_day": np.array(days, "datetime64[D]"),
        "load_number": np.full(len(keys), 1),
    }
    # the first of November has 100 intervals
    assert (DAY - timedelta(days=7)) == date(2026, 11, 1)
    with store.write() as connection:
        for intervals in (96, 100):
            some = np.array([intervals == (100 if back == 7 else 96) for _, back in keys])
            wh = np.repeat(np.array(list(HELD.values()), "<i4")[some][:, np.newaxis], intervals, axis=1)
            letters = np.tile(np.frombuffer(b"A" * intervals, np.uint8), (len(wh), 1))
            missing = columns["premise_id"][some] == 5
            if missing.any():
                letters[missing] = np.frombuffer(marked(DAY, b"M", 3), np.uint8)
            rows = {name: column[some] for name, column in columns.items()}
            statuses = Nullable(letters, ~missing)
            copy_columns(connection, interval_day, {**rows, "wh": wh, "statuses": statuses})


def expected(premise: int, back: int) -> int:
    return (
        NOT_MEASURED
        if premise == 5 or (premise, back) not in HELD
        else HELD[premise, back] * (100 if back == 7 else 96)
    )


def test_neighbours_of_one_day_are_summed(store: Store) -> None:
    fill(store)
    asked = [2, 1, 5, 4, 2]
    with store.read() as connection:
        sums = whole_days_before(connection, asked, [DAY] * 5, back=(1, 7))
    assert sums.tolist() == [[expected(premise, back) for back in (1, 7)] for premise in asked]


def test_premises_far_apart_and_of_several_days_are_summed(store: Store) -> None:
    fill(store)
    with store.read() as connection:
        apart = whole_days_before(connection, [900, 1], [DAY] * 2, back=(7, 1))
        several = whole_days_before(connection, [1, 2], [DAY - timedelta(days=6), DAY], back=(1,))
        none = whole_days_before(connection, [], [], back=(1,))
        generation = whole_days_before(connection, [1, 2], [DAY] * 2, back=(1,), channel=1)
    assert apart.tolist() == [[expected(900, 7), expected(900, 1)], [expected(1, 7), expected(1, 1)]]
    assert several.tolist() == [[expected(1, 7)], [expected(2, 1)]]
    assert none.shape == (0, 1)
    assert (generation == NOT_MEASURED).all()


def test_what_registers_say_is_found_by_premise_channel_and_day(store: Store) -> None:
    ensure_months(store, [DAY])
    with store.write() as connection:
        known = np.array([True, False, True])
        columns = {
            "premise_id": np.array([1, 2, 3]),
            "channel": np.array([4, 4, 1]),
            "operating_day": np.full(3, DAY, "datetime64[D]"),
            "load_number": np.full(3, 1),
            "usage_wh": Nullable(np.array([7_000, 0, 9_000]), ~known),
            "status": np.full(3, b"A", "S1"),
        }
        copy_columns(connection, register_read, columns)
    with store.read() as connection:
        usage, _ = registered(connection, [1, 2, 3, 3, 1], [4, 4, 1, 4, 4], [DAY] * 4 + [DAY - timedelta(days=1)])
    assert usage.tolist() == [7_000, NOT_MEASURED, 9_000, NOT_MEASURED, NOT_MEASURED]
