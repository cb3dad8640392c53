"""U3: what the store has not is new, what it has just so is left alone, and all the rest is compared one by one."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smt_ws.store.columns import Nullable, copy_columns
from smt_ws.store.engine import Store
from smt_ws.usage import current
from smt_ws.usage.current import standing_of
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.tables import interval_day

#: Neither has a change of the clock.
DAYS = (date(2026, 10, 31), date(2026, 11, 2))
Key = tuple[int, int, date]
#: Wh of every interval, and the letter of the first.
Version = tuple[int, str]

KEYS = st.tuples(st.sampled_from([1, 2, 3, 4, 9, 10_000]), st.sampled_from([1, 4]), st.sampled_from(DAYS))
VERSIONS = st.tuples(st.sampled_from([0, 7, 2**31 - 1]), st.sampled_from("AAAE"))
DAYS_OF_MANY = st.dictionaries(KEYS, VERSIONS, max_size=12)


def columns(days: dict[Key, Version]) -> dict[str, np.ndarray]:
    letters = np.full((len(days), 96), ord("A"), np.uint8)
    wh = np.zeros((len(days), 96), "<i4")
    for row, (value, letter) in enumerate(days.values()):
        wh[row] = value
        letters[row, 0] = ord(letter)
    return {
        "premise_id": np.array([key[0] for key in days], np.int64),
        "channel": np.array([key[1] for key in days], np.int16),
        "operating_day": np.array([key[2] for key in days], "datetime64[D]"),
        "wh": wh,
        "letters": letters,
        "actual": (letters == ord("A")).all(axis=1),
    }


@pytest.mark.parametrize("at_once", [2, 10_000])
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(DAYS_OF_MANY, DAYS_OF_MANY, st.booleans())
def test_each_day_is_new_or_the_same_or_to_be_compared(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    held: dict[Key, Version],
    arriving: dict[Key, Version],
    one_day: bool,
) -> None:
    monkeypatch.setattr(current, "_AT_ONCE", at_once)
    if one_day:
        arriving = {key: value for key, value in arriving.items() if key[2] == DAYS[0]}
    arriving = dict(sorted(arriving.items()))
    asked = columns(arriving)
    ensure_months(store, DAYS)
    with store.write() as connection:
        connection.execute(interval_day.delete())
        if held:
            rows = columns(held)
            statuses = Nullable(rows.pop("letters"), rows.pop("actual"))
            copy_columns(
                connection, interval_day, {**rows, "statuses": statuses, "load_number": np.ones(len(held), np.int64)}
            )
        found = standing_of(
            connection, *(asked[name] for name in ("premise_id", "channel", "operating_day", "wh", "actual"))
        )
    assert found.new.tolist() == [key not in held for key in arriving]
    assert found.same.tolist() == [held.get(key) == day and day[1] == "A" for key, day in arriving.items()]


def test_a_stored_day_of_another_length_is_not_the_same(store: Store) -> None:
    """What no load makes, but a hand may have: 92 intervals on a day of 96."""
    day = DAYS[0] + timedelta(days=2)
    ensure_months(store, [day])
    key = {
        "premise_id": np.array([1, 2]),
        "channel": np.array([4, 4], np.int16),
        "operating_day": np.array([day, day], "datetime64[D]"),
    }
    with store.write() as connection:
        copy_columns(
            connection,
            interval_day,
            {
                **{name: column[:1] for name, column in key.items()},
                "load_number": np.ones(1, np.int64),
                "wh": np.zeros((1, 92), "<i4"),
            },
        )
        found = standing_of(connection, *key.values(), np.zeros((2, 96), "<i4"), np.ones(2, bool))
    assert (found.new.tolist(), found.same.tolist()) == ([False, True], [False, False])
