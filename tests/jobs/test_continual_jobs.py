"""What the elected scheduler does all day: signs of life, and sealing the audit log."""

from __future__ import annotations

import threading
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, time
from pathlib import Path

import pytest

from jobs import audit
from jobs.clock import Election, run_clock
from jobs.table import CONTINUAL, ContinualJob, TimedJob
from smt_ws.clock import FixedClock, real_now
from smt_ws.hub import Hub
from smt_ws.settings import Settings
from smt_ws.store import audit_chain
from smt_ws.store.audit import Event, record
from smt_ws.store.engine import Store
from smt_ws.store.heartbeat import CLOCK, beat, last_beat


@pytest.fixture
def hub(store: Store, store_url: str, tmp_path: Path, clock: FixedClock) -> Hub:
    settings = Settings.model_validate({"database": store_url, "work_folder": tmp_path / "work"})
    return Hub(settings=settings, store=store, clock=clock)


@contextmanager
def running(hub: Hub, *, table: list[TimedJob], continual: list[ContinualJob]) -> Iterator[None]:
    stop = threading.Event()
    options = {"stop": stop, "table": table, "continual": continual, "tick": 0.1}
    thread = threading.Thread(target=run_clock, args=(hub,), kwargs=options)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(180)
        assert not thread.is_alive()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = real_time.monotonic() + 180
    while not what():
        assert real_time.monotonic() < deadline
        real_time.sleep(0.02)


def write_lines(hub: Hub, count: int) -> None:
    with hub.store.write() as connection:
        for n in range(count):
            record(connection, Event.ORDER_ACCEPTED, actor="company:1", at=hub.clock.now(), object=f"order:{n}")


def test_new_audit_lines_are_sealed_while_the_hub_runs(hub: Hub) -> None:
    with running(hub, table=[], continual=[ContinualJob("seal-audit", 0.1, audit.seal_new)]):
        for total in (3, 6):
            write_lines(hub, 3)
            wait_for(lambda total=total: audit_chain.verify(hub.store).sealed == total)
    assert audit_chain.verify(hub.store).flaw is None


def test_the_daily_job_seals_what_is_left(hub: Hub) -> None:
    write_lines(hub, 2)
    assert audit.seal_all(hub, date(2026, 11, 20)) == "2 lines sealed"
    assert audit.seal_all(hub, date(2026, 11, 21)) == "0 lines sealed"


def test_the_table_seals_every_minute() -> None:
    assert ("seal-audit", 60, audit.seal_new) in [(job.name, job.seconds, job.run) for job in CONTINUAL]


def test_signs_of_life_go_on_while_a_long_job_runs(hub: Hub) -> None:
    may_end = threading.Event()

    def long(_hub: Hub, _for_date: date) -> str:
        assert may_end.wait(180)
        return "done"

    def beaten_since(moment) -> bool:
        with hub.store.read() as connection:
            told = last_beat(connection, CLOCK)
        return told is not None and told[0] > moment

    with running(hub, table=[TimedJob("long", time(6, 0), long)], continual=[]):
        for _ in range(2):
            now = real_now()
            wait_for(lambda now=now: beaten_since(now))
        may_end.set()


def test_who_is_not_elected_gives_no_sign(hub: Hub) -> None:
    if hub.store.is_sqlite:
        pytest.skip("one process is the only one")
    elected = Election(hub.store)
    assert elected.won()
    asked = threading.Event()
    with running(hub, table=[], continual=[ContinualJob("never", 0.05, lambda _hub: asked.set())]):
        assert not asked.wait(0.5)
    with hub.store.read() as connection:
        assert last_beat(connection, CLOCK) is None
    elected.resign()


def test_the_last_sign_says_when_and_who(hub: Hub) -> None:
    before = real_now()
    for _ in range(2):
        beat(hub.store, "clock")
    with hub.store.read() as connection:
        told = last_beat(connection, "clock")
        assert last_beat(connection, "cook") is None
    assert told is not None
    at, holder = told
    assert before <= at <= real_now()
    assert holder.rpartition(":")[2].isdigit()
