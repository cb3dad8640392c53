"""U2: kill -9 at any moment of the intake, then a restart: the same as an undisturbed intake (both stores)."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from inbox_market import archived, drop, hub_key, hub_over, nothing_is_left, reports, sealed, settings_of, zipped
from small_market import add_premises, day_of, marked
from sqlalchemy import select

from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.store import migrate
from smt_ws.store.engine import Store
from smt_ws.usage import inbox, intervals, loads, taken
from smt_ws.usage import sealed as sealed_module
from smt_ws.usage.tables import interval_day, interval_day_history, load

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]

#: Step → what is stopped at it.
PLACES = {
    "taken": (inbox, "load_file"),
    "decrypting": (sealed_module, "decrypt_bounded"),
    "loading": (intervals, "take_in"),
    "report prepared": (loads, "_finish"),
    "committed": (inbox.Inboxes, "_note"),
    "report published": (taken, "_publish_copy"),
    "report archived": (taken, "_move"),
    "file archived": (taken.Taken, "forget"),
}


class Victim:
    """A process that takes files in; at *place* it stops for ever, having said so."""

    def __init__(self, url: str, folder: Path, place: str | None = None) -> None:
        self._reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._run(url, folder, place, writing)
            finally:
                os._exit(1)
        os.close(writing)

    @staticmethod
    def _run(url: str, folder: Path, place: str | None, writing: int) -> None:
        if place is not None:
            where, name = PLACES[place]
            unharmed = getattr(where, name)
            calls = 0

            def stop(*args: object, **more: object) -> object:
                nonlocal calls
                calls += 1
                if place == "report published" and calls == 1:
                    return unharmed(*args, **more)
                os.write(writing, b"here")
                time.sleep(600)
                return None

            setattr(where, name, stop)
        settings = settings_of(folder, attempts=50)
        inboxes = inbox.Inboxes(Hub(settings=settings, store=Store(url), clock=FixedClock()))
        while True:
            if not inboxes.take_in_once():
                time.sleep(0.01)

    def wait_there(self) -> None:
        assert os.read(self._reading, 4) == b"here"

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._reading)


def take_all(hub: Hub) -> None:
    inboxes = inbox.Inboxes(hub)
    while inboxes.take_in_once():
        pass


def versions(store: Store) -> list[tuple[object, ...]]:
    """Every version of every day, current and replaced, without the load numbers."""
    with store.read() as connection:
        rows = []
        for table in (interval_day, interval_day_history):
            columns = (table.c.premise_id, table.c.channel, table.c.operating_day, table.c.wh, table.c.statuses)
            rows += [(table.name, *row) for row in connection.execute(select(*columns))]
    return sorted(rows, key=str)


def what_the_tdsp_sees(hub: Hub) -> dict[str, list[tuple[str, ...]]]:
    """Every report, without the load numbers."""
    return {
        name: [tuple(re.sub(r"; load \d+", "", value) for value in row.values()) for row in rows]
        for name, rows in reports(hub).items()
    }


@pytest.fixture
def undisturbed(tmp_path: Path, clock: FixedClock) -> Hub:
    """A second hub, on SQLite, that nobody kills."""
    store = Store(f"sqlite:///{tmp_path / 'undisturbed.db'}")
    migrate.upgrade(store)
    add_premises(store, 6)
    (tmp_path / "undisturbed").mkdir()
    return hub_over(store, tmp_path / "undisturbed", clock)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_kill_9_at_each_step_and_a_restart_equal_an_undisturbed_intake(
    store: Store,
    store_url: str,
    clock: FixedClock,
    lse_file: LseFile,
    tmp_path: Path,
    undisturbed: Hub,
    place: str,
) -> None:
    add_premises(store, 6)
    hub = hub_over(store, tmp_path, clock)
    days = (day_of(1, DAY), day_of(9, DAY), day_of(2, DAY, statuses=marked(DAY, b"M", 3)))
    file = sealed(zipped(lse_file("a", *days)))
    for one in (hub, undisturbed):
        drop(one, file)
    take_all(undisturbed)

    process = Victim(store_url, tmp_path, place)
    process.wait_there()
    process.kill()
    take_all(hub)

    assert versions(store) == versions(undisturbed.store)
    assert what_the_tdsp_sees(hub) == what_the_tdsp_sees(undisturbed)
    assert [p.name for p in archived(hub, "loaded")] == [p.name for p in archived(undisturbed, "loaded")]
    assert archived(hub, "refused") == []
    assert nothing_is_left(hub)
    with store.read() as connection:
        assert connection.scalars(select(load.c.state).where(load.c.state.in_(["loading", "loaded"]))).all() == [
            "loaded"
        ]


@pytest.mark.slow
def test_kill_9_at_random_moments_while_many_files_come(
    store: Store, store_url: str, clock: FixedClock, lse_file: LseFile, tmp_path: Path, undisturbed: Hub
) -> None:
    add_premises(store, 6)
    hub = hub_over(store, tmp_path, clock, attempts=50)
    begin = time.time() - 1000
    for number in range(12):
        days = [day_of(1 + (number + n) % 6, DAY, wh=number) for n in range(4)]
        file = lse_file(f"f{number:02}", *days)
        file = zipped(file) if number % 2 else file
        for one in (hub, undisturbed):
            os.utime(drop(one, file), (begin + number, begin + number))
    take_all(undisturbed)

    moments = random.Random(11)
    kills = 0
    while list((hub.settings.ftps.root).glob("*/inbox/*")) and kills < 8:
        before = len(archived(hub, "loaded"))
        process = Victim(store_url, tmp_path)
        until = time.monotonic() + 180
        while len(archived(hub, "loaded")) == before and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        kills += 1
    assert kills >= 2
    take_all(hub)
    assert versions(store) == versions(undisturbed.store)
    assert what_the_tdsp_sees(hub) == what_the_tdsp_sees(undisturbed)
    assert len(archived(hub, "loaded")) == 12
    assert nothing_is_left(hub)


@pytest.mark.slow
def test_what_a_killed_load_by_hand_had_decrypted_is_gone_after_the_next(lse_file: LseFile, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    settings.openpgp.secret_key.write_text(hub_key()[0])
    file, work = sealed(lse_file("a", day_of(1, DAY))), settings.work_folder

    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with sealed_module.plain_file(file, sealed_module.Opening.of(settings)):
            os.write(writing, b"here")
            time.sleep(600)
    assert os.read(reading, 4) == b"here"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    (left,) = work.glob("*/plain")
    with sealed_module.plain_file(file, sealed_module.Opening.of(settings)) as (plain, _):
        assert list(work.glob("*/plain")) == [plain] != [left]
    assert list(work.iterdir()) == []
