"""Timed jobs: each once for every date, whatever happens to the process that runs them."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time as real_time
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters import publishing
from jobs import daily
from jobs.clock import Election, due_dates, run_clock, run_due
from jobs.table import TABLE, TimedJob
from smt_ws.clock import FixedClock, SystemClock, central_today, real_now
from smt_ws.hub import Hub
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.store.tables import job_run


@pytest.fixture
def hub(store: Store, store_url: str, tmp_path: Path, clock: FixedClock) -> Hub:
    settings = Settings.model_validate(
        {"database": store_url, "work_folder": tmp_path / "work", "ftps": {"root": tmp_path / "ftps"}}
    )
    return Hub(settings=settings, store=store, clock=clock)


def counting(days_back: int = 1) -> tuple[TimedJob, list[date]]:
    seen: list[date] = []

    def run(_hub: Hub, for_date: date) -> str:
        seen.append(for_date)
        return f"run {len(seen)}"

    return TimedJob("count", time(6, 0), run, days_back), seen


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 11, 20, 11, 59, tzinfo=UTC), date(2026, 11, 19)),  # 05:59 in Texas
        (datetime(2026, 11, 20, 12, 0, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 21, 5, 59, tzinfo=UTC), date(2026, 11, 20)),  # 23:59
        (datetime(2026, 7, 1, 11, 0, tzinfo=UTC), date(2026, 7, 1)),  # 06:00 in summer
        (datetime(2026, 7, 1, 10, 59, tzinfo=UTC), date(2026, 6, 30)),
    ],
)
def test_a_job_is_due_by_the_clock_of_texas(now: datetime, expected: date) -> None:
    job, _ = counting()
    assert list(due_dates(job, now)) == [expected]


def test_no_job_is_set_in_the_hours_that_daylight_saving_moves() -> None:
    assert all(not time(1, 0) <= job.at < time(3, 0) for job in TABLE)
    assert len({job.name for job in TABLE}) == len(TABLE)


def test_a_date_is_done_once(hub: Hub) -> None:
    job, seen = counting()
    assert run_due(hub, table=[job]) == [("count", date(2026, 11, 20))]
    assert run_due(hub, table=[job]) == []
    hub.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    run_due(hub, table=[job])
    assert seen == [date(2026, 11, 20), date(2026, 11, 21)]


def test_missed_dates_are_made_up_for_oldest_first(hub: Hub) -> None:
    job, seen = counting(days_back=3)
    run_due(hub, table=[job])
    hub.clock.advance(timedelta(days=5))  # type: ignore[attr-defined]
    run_due(hub, table=[job])
    assert [day.day for day in seen] == [18, 19, 20, 23, 24, 25]


def test_a_job_that_was_killed_in_the_middle_runs_again(hub: Hub) -> None:
    job, seen = counting()
    with hub.store.write() as connection:
        connection.execute(
            job_run.insert().values(job="count", for_date=date(2026, 11, 20), started_at=hub.clock.now())
        )
    run_due(hub, table=[job])
    assert seen == [date(2026, 11, 20)]


def test_a_job_that_fails_is_noted_and_tried_again_and_holds_up_no_other(hub: Hub) -> None:
    tries: list[date] = []

    def fails_once(_hub: Hub, for_date: date) -> str:
        tries.append(for_date)
        if len(tries) == 1:
            raise OSError("disk")
        return "done"

    job, seen = counting()
    table = [TimedJob("fails", time(6, 0), fails_once), job]
    assert run_due(hub, table=table) == [("count", date(2026, 11, 20))]
    with hub.store.read() as connection:
        assert connection.scalar(select(job_run.c.outcome).where(job_run.c.job == "fails")) == "failed: OSError"
    assert run_due(hub, table=table) == []
    hub.clock.advance(timedelta(minutes=10))  # type: ignore[attr-defined]
    assert run_due(hub, table=table) == [("fails", date(2026, 11, 20))]
    assert len(seen) == 1


def test_two_clocks_one_date(hub: Hub) -> None:
    """Even without the election: the row of the date is the claim."""
    job, seen = counting()
    threads = [threading.Thread(target=run_due, args=(hub,), kwargs={"table": [job]}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run_due(hub, table=[job])
    assert len(set(seen)) == 1
    with hub.store.read() as connection:
        assert connection.scalar(select(job_run.c.finished_at)) is not None


def test_one_process_is_elected_and_another_when_it_is_gone(hub: Hub) -> None:
    if hub.store.is_sqlite:
        assert Election(hub.store).won()
        return
    first, second = Election(hub.store), Election(hub.store)
    assert first.won()
    assert not second.won()
    assert first.won()
    first.resign()
    assert second.won()
    assert not first.won()
    second.resign()


KILLED = """
import os, signal, sys, threading
from datetime import time
from jobs.clock import run_clock
from jobs.table import TimedJob
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.settings import Settings
from smt_ws.store.engine import Store

def dies(_hub, _for_date):
    os.kill(os.getpid(), signal.SIGKILL)

settings = Settings.model_validate({"database": sys.argv[1]})
hub = Hub(settings=settings, store=Store(settings.database), clock=FixedClock())
run_clock(hub, stop=threading.Event(), table=[TimedJob("count", time(6, 0), dies)])
"""


@pytest.mark.slow
def test_the_clock_killed_in_the_middle_of_a_job_is_made_up_for_by_the_next(hub: Hub, store_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, store_url]) as killed:
        assert killed.wait(180) == -signal.SIGKILL
    job, seen = counting()
    election = Election(hub.store)
    deadline = real_time.monotonic() + 180  # the server notices the dead session
    while not election.won() and real_time.monotonic() < deadline:
        real_time.sleep(0.05)
    assert election.won()
    assert run_due(hub, table=[job]) == [("count", date(2026, 11, 20))]
    assert seen == [date(2026, 11, 20)]
    election.resign()


def test_the_whole_table_runs_on_an_empty_hub(hub: Hub) -> None:
    done = run_due(hub)
    assert [name for name, _ in done] == [job.name for job in TABLE]
    with hub.store.read() as connection:
        outcomes = connection.scalars(select(job_run.c.outcome)).all()
    assert all(outcome and not outcome.startswith("failed") for outcome in outcomes)


def test_the_running_clock_ticks_until_it_is_told_to_stop(hub: Hub) -> None:
    job, seen = counting()
    stop = threading.Event()
    thread = threading.Thread(target=run_clock, args=(hub,), kwargs={"stop": stop, "table": [job], "tick": 0.1})
    thread.start()
    try:
        for expected in (1, 2):
            deadline = real_time.monotonic() + 180
            while len(seen) < expected and real_time.monotonic() < deadline:
                real_time.sleep(0.02)
            assert len(seen) == expected
            hub.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    finally:
        stop.set()
        thread.join(180)
    assert not thread.is_alive()


def test_what_a_killed_process_left_half_written_is_swept_from_every_folder(hub: Hub) -> None:
    """R7, R8, U2: never listed, and not kept either; in an inbox it is an upload that nobody goes on with."""
    old = (real_now() - daily.ABANDONED_AFTER - timedelta(minutes=1)).timestamp()
    for name in ("adhoc", "daily", "enrollment", "reports", "inbox"):
        folder = hub.settings.ftps.root / "111111111" / name
        folder.mkdir(parents=True)
        left, fresh = (publishing.temporary_name(folder / f"{stem}.asc") for stem in ("left", "fresh"))
        for path in (left, fresh, folder / "whole.asc"):
            path.write_text("x")
            os.utime(path, (old, old))
        os.utime(fresh)
    assert daily.sweep_files(hub, date(2026, 11, 20)) == "5 left-over files removed"
    assert len(list(hub.settings.ftps.root.rglob("*.asc"))) == 5


def test_a_sandbox_that_is_taken_to_another_day_does_what_is_due_there_at_once(hub: Hub, tmp_path: Path) -> None:
    """Its file moves every process that looks at it; the scheduler does not wait for its next tick."""
    file = tmp_path / "clock-moved"
    clock = SystemClock(FixedClock().now() - real_now(), file)
    moved = replace(hub, clock=clock, settings=hub.settings.model_copy(update={"clock_file": file}))
    seen: queue.Queue[date] = queue.Queue()

    def run(_hub: Hub, for_date: date) -> str:
        seen.put(for_date)
        return "counted"

    job = TimedJob("count", time(6, 0), run)
    stop = threading.Event()
    thread = threading.Thread(target=run_clock, args=(moved,), kwargs={"stop": stop, "table": [job], "tick": 3600})
    thread.start()
    try:
        assert seen.get(timeout=180) == date(2026, 11, 20)
        file.write_text(f"{timedelta(days=40).total_seconds()}")
        assert central_today(clock) == date(2026, 12, 30)
        assert seen.get(timeout=180) == date(2026, 12, 30)
        file.unlink()
        assert central_today(clock) == date(2026, 11, 20)
    finally:
        stop.set()
        thread.join(180)
    assert not thread.is_alive()
