"""Flags are kept with each day and version (U5), and the register reads of row two with theirs (U6), on both stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from small_market import ONCOR, add_premises, day_of, marked
from sqlalchemy import select, update

from smt_ws.clock import FixedClock
from smt_ws.parties.tables import premise
from smt_ws.settings import SettingsError, Validation
from smt_ws.store.engine import Store
from smt_ws.usage.load import load_file
from smt_ws.usage.rules import rules_in
from smt_ws.usage.tables import interval_day, interval_day_history, register_read, register_read_history

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]


def flags(store: Store, table: object = interval_day) -> list[tuple[str, ...]]:
    with store.read() as connection:
        return [rules_in(bits) for bits in connection.scalars(select(table.c.flags).order_by(*table.primary_key))]


def rows(store: Store, table: object, *names: str) -> list[tuple[object, ...]]:
    with store.read() as connection:
        columns = [table.c[name] for name in names]
        return [tuple(row) for row in connection.execute(select(*columns).order_by(*table.primary_key))]


def test_flags_are_kept_with_the_day_and_go_to_history_with_their_version(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 3)
    spike = [100] * 95 + [5_000]
    first = lse_file("a", day_of(1, DAY), day_of(2, DAY, wh=spike), day_of(3, DAY, wh=0))
    activity = load_file(store, first, clock=clock)
    assert (activity.tally.loaded, activity.tally.flagged) == (3, 2)
    assert flags(store) == [(), ("SPIKE",), ("ZERO_DAY",)]
    estimated = lse_file(
        "b", day_of(1, DAY, wh=9, statuses=marked(DAY, b"E", 1)), day_of(2, DAY, wh=251), day_of(3, DAY, wh=0)
    )
    load_file(store, estimated, clock=clock)
    assert flags(store) == [("ESTIMATE_REPLACES_ACTUAL",), (), ("ZERO_DAY",)]
    assert flags(store, interval_day_history) == [(), ("SPIKE",)]


def test_u6_the_register_reads_of_row_two_are_stored_and_versioned(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    one, two, three, _ = add_premises(store, 4)
    days = [
        day_of(1, DAY, reads=("100.5", "124.5")),
        day_of(2, DAY, reads=("0", "0")),
        day_of(3, DAY, reads=("900", "10")),
        day_of(4, DAY),
    ]
    first = load_file(store, lse_file("a", *days), clock=clock)
    names = ("premise_id", "channel", "operating_day", "start_wh", "stop_wh", "usage_wh", "status", "load_number")
    assert rows(store, register_read, *names) == [
        (one, 4, DAY, 100_500, 124_500, 24_000, "A", first.load_number),
        (three, 4, DAY, 900_000, 10_000, None, "A", first.load_number),
    ]
    assert flags(store) == [(), (), ("REGISTER_READS",), ()]
    days[0] = day_of(1, DAY, reads=("100.5", "124.6"))
    days[1] = day_of(2, DAY, reads=("5", "29"))
    second = load_file(store, lse_file("b", *days), clock=clock)
    assert second.tally.unchanged == 4, "the intervals are the same"
    assert rows(store, register_read, "premise_id", "stop_wh", "load_number") == [
        (one, 124_600, second.load_number),
        (two, 29_000, second.load_number),
        (three, 10_000, first.load_number),
    ]
    assert rows(store, register_read_history, "premise_id", "stop_wh", "load_number", "replaced_by") == [
        (one, 124_500, first.load_number, second.load_number)
    ]
    load_file(store, lse_file("c", day_of(1, DAY, wh=260)), clock=clock)
    assert len(rows(store, register_read, "premise_id")) == 3, "a record without reads leaves those that are there"


@pytest.mark.parametrize(("letters", "status"), [(b"A" * 96, "A"), (b"E" * 96, "E"), (b"A" * 95 + b"E", "E")])
def test_u6_a_reading_of_row_two_is_estimated_when_intervals_beside_it_are(
    store: Store, clock: FixedClock, lse_file: LseFile, letters: bytes, status: str
) -> None:
    add_premises(store, 1)
    load_file(store, lse_file("a", day_of(1, DAY, statuses=letters, reads=("100.5", "124.5"))), clock=clock)
    assert rows(store, register_read, "status") == [(status,)]


def test_a_register_beyond_belief_is_flagged_and_not_stored(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 1)
    load_file(store, lse_file("a", day_of(1, DAY, reads=("1", "9" * 30))), clock=clock)
    assert flags(store) == [("REGISTER_READS",)]
    assert rows(store, register_read, "premise_id") == []


def test_usage_is_compared_with_the_homes_own_days_before(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 3)
    for back in (7, 1):
        before = DAY - timedelta(days=back)
        known = [day_of(1, before, wh=20), day_of(2, before, wh=600)]
        load_file(store, lse_file(f"b{back}", *known), clock=clock)
    load_file(store, lse_file("a", day_of(1, DAY, wh=400), day_of(2, DAY, wh=5), day_of(3, DAY, wh=400)), clock=clock)
    with store.read() as connection:
        bits = connection.scalars(
            select(interval_day.c.flags).where(interval_day.c.operating_day == DAY).order_by(interval_day.c.premise_id)
        )
        assert [rules_in(one) for one in bits] == [("HIGH_USAGE",), ("LOW_USAGE",), ()]


def test_usage_at_a_premise_without_service_is_flagged(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    keys = add_premises(store, 2)
    with store.write() as connection:
        connection.execute(update(premise).where(premise.c.id == keys[0]).values(status="DE_ENERGIZED"))
    load_file(store, lse_file("a", day_of(1, DAY), day_of(2, DAY)), clock=clock)
    assert flags(store) == [("INACTIVE_USAGE",), ()]


def test_settings_may_reject_what_is_flagged_and_take_a_tdsps_unprovisioned_days(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 1)
    add_premises(store, 1, first=2, provisioned=None)
    file = lse_file("a", day_of(1, DAY, wh=0), day_of(2, DAY))
    strict = Validation(severities={"ZERO_DAY": "reject"}, take_unprovisioned=(ONCOR,))
    activity = load_file(store, file, clock=clock, validation=strict)
    assert [(f.rule, f.severity.value) for f in activity.findings] == [
        ("ZERO_DAY", "reject"),
        ("METER_NOT_PROVISIONED", "flag"),
    ]
    assert (activity.tally.loaded, activity.tally.rejected) == (1, 1)
    with pytest.raises(SettingsError, match="SPIKE"):
        load_file(store, file, clock=clock, validation=Validation(severities={"SPIKE": "reject"}))
