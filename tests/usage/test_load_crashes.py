"""A load is there whole or not at all, whatever happens to its process; loads race without harm (both stores)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from small_market import ONCOR, OTHER, add_premises, day_of
from sqlalchemy import select

from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store
from smt_ws.usage import partitions
from smt_ws.usage.load import load_file
from smt_ws.usage.loads import Incoming, loading, snapshot, sweep_dead_loads
from smt_ws.usage.tables import interval_day, interval_day_history, load

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]

#: Loads a file, and stops for ever at the named place, having said so.
VICTIM = """
import sys, time
from pathlib import Path
from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store
from smt_ws.usage import intervals, loads
from smt_ws.usage.load import load_file

url, path, place = sys.argv[1:]

def stop(*_args, **_more):
    print("here", flush=True)
    time.sleep(600)

progress = None
if place == "reading":
    progress = stop
elif place == "before new days":
    intervals.add_days = stop
elif place == "before replaced days":
    intervals.merge_days = stop
elif place == "before commit":
    loads._finish = stop
load_file(Store(url), Path(path), clock=FixedClock(), progress=progress)
"""


def kill_while_loading(url: str, file: Path, place: str) -> None:
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, url, str(file), place], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"here\n"
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    victim.stdout.close()


def versions(store: Store) -> list[tuple[object, ...]]:
    """Every version of every day, current and replaced, without the load numbers."""
    with store.read() as connection:
        rows = []
        for table in (interval_day, interval_day_history):
            columns = (table.c.premise_id, table.c.channel, table.c.operating_day, table.c.wh, table.c.statuses)
            rows += [(table.name, *row) for row in connection.execute(select(*columns))]
    return sorted(rows, key=str)


def sweep_when_the_server_has_noticed(store: Store, clock: FixedClock) -> list[int]:
    for _ in range(100):
        if numbers := sweep_dead_loads(store, clock):
            return numbers
        time.sleep(0.05)
    return []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["reading", "before new days", "before replaced days", "before commit"])
def test_kill_9_in_the_middle_of_a_load_changes_nothing_and_the_load_can_be_repeated(
    store: Store, store_url: str, clock: FixedClock, lse_file: LseFile, place: str
) -> None:
    add_premises(store, 6)
    load_file(store, lse_file("a", *(day_of(n, DAY, wh=n) for n in (1, 2, 3))), clock=clock)
    before = versions(store)
    second = lse_file("b", day_of(1, DAY, wh=1), *(day_of(n, DAY, wh=9) for n in range(2, 7)))

    kill_while_loading(store_url, second, place)
    assert versions(store) == before
    with store.read() as connection:
        assert snapshot(connection) == 1, "an order accepted now sees the first load and nothing else"

    activity = load_file(store, second, clock=clock)
    assert activity.outcome == "loaded"
    assert (activity.tally.loaded, activity.tally.replaced, activity.tally.unchanged) == (3, 2, 1)
    after = versions(store)
    assert len(after) == 8
    assert [row for row in after if row[0] == "interval_day_history"] == [
        ("interval_day_history", *row[1:]) for row in before[1:]
    ]
    with store.read() as connection:
        assert snapshot(connection) == activity.load_number
        states = connection.scalars(select(load.c.state).order_by(load.c.number)).all()
    assert states == (["loaded", "loaded"] if store.is_sqlite else ["loaded", "abandoned", "loaded"])


@pytest.mark.slow
def test_a_dead_load_is_swept_and_no_longer_holds_the_snapshot_back(
    store: Store, store_url: str, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 2)
    add_premises(store, 1, first=50, tdsp=OTHER)
    kill_while_loading(store_url, lse_file("a", day_of(1, DAY), day_of(2, DAY)), "before commit")
    other = load_file(store, lse_file("b", day_of(50, DAY, sender=OTHER)), clock=clock)
    assert other.tally.loaded == 1
    with store.read() as connection:
        assert snapshot(connection) == (1 if store.is_sqlite else 0)
    swept = sweep_when_the_server_has_noticed(store, clock) if not store.is_sqlite else sweep_dead_loads(store, clock)
    assert swept == ([] if store.is_sqlite else [1])
    with store.read() as connection:
        assert snapshot(connection) == other.load_number


def test_an_exception_in_a_load_takes_everything_back(
    store: Store, clock: FixedClock, lse_file: LseFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_premises(store, 1)
    file = lse_file("a", day_of(1, DAY))

    def full(*_args: object, **_more: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("smt_ws.usage.loads._finish", full)
        with pytest.raises(OSError, match="no space"):
            load_file(store, file, clock=clock)
    assert versions(store) == []
    with store.read() as connection:
        assert "loading" not in connection.scalars(select(load.c.state)).all()
    assert load_file(store, file, clock=clock).tally.loaded == 1


def test_two_loaders_racing_for_one_file_load_it_once(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 3)
    file = lse_file("a", *(day_of(n, DAY) for n in (1, 2, 3)))
    outcomes: list[str] = []
    racers = [
        threading.Thread(target=lambda: outcomes.append(load_file(store, file, clock=clock).outcome)) for _ in range(4)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(outcomes) == ["loaded", "repeated", "repeated", "repeated"]
    assert len(versions(store)) == 3


def test_loads_of_different_tdsps_run_side_by_side_and_the_snapshot_waits_for_the_first(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    if store.is_sqlite:
        pytest.skip("on SQLite writers queue")
    add_premises(store, 1, first=50, tdsp=OTHER)
    with loading(store, clock, Incoming("lse", ONCOR, "slow.lse", "0" * 64), actor="hub:test") as slow:
        assert sweep_dead_loads(store, clock) == [], "a load that is alive is left alone"
        quick = load_file(store, lse_file("b", day_of(50, DAY, sender=OTHER)), clock=clock)
        assert (slow.number, quick.load_number, quick.tally.loaded) == (1, 2, 1)
        with store.read() as connection:
            assert snapshot(connection) == 0
    with store.read() as connection:
        assert snapshot(connection) == 2


def test_loads_of_one_tdsp_wait_for_each_other(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 1)
    file = lse_file("a", day_of(1, DAY))
    done = threading.Event()

    def second() -> None:
        load_file(store, file, clock=clock)
        done.set()

    waiting = threading.Thread(target=second)
    with loading(store, clock, Incoming("lse", ONCOR, "slow.lse", "0" * 64), actor="hub:test"):
        waiting.start()
        assert not done.wait(0.5)
    assert done.wait(180)
    waiting.join()


def test_partitions_are_made_once_by_many_at_once(store: Store) -> None:
    if store.is_sqlite:
        assert partitions.ensure_months(store, [DAY]) == []
        return
    days = [date(2026, month, 3) for month in range(1, 13)] + [DAY + timedelta(days=400)]
    made: list[str] = []
    racers = [threading.Thread(target=lambda: made.extend(partitions.ensure_months(store, days))) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(made) == len(set(made)) == 13 * 4
    assert "interval_day_y2026m12" in made
    assert "interval_day_history_y2027m12" in made


def test_a_new_month_does_not_wait_for_a_load_or_a_reader_under_way(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    if store.is_sqlite:
        pytest.skip("SQLite has no partitions")
    add_premises(store, 1)
    load_file(store, lse_file("a", day_of(1, DAY)), clock=clock)
    with store.read() as reader, store.write() as writer:
        reader.execute(select(interval_day)).all()
        writer.execute(interval_day.delete())
        assert len(partitions.ensure_months(store, [date(2027, 1, 1)])) == 4
