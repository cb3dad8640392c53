"""Workers as they run: drained by a signal, killed at every step, racing; every order accounted for in the end."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from order_market import Market, esiid
from sqlalchemy import select, update

from smt_ws.orders import plan
from smt_ws.orders.work import work, work_once
from smt_ws.parties.tables import company
from smt_ws.serve.handlers import handlers_of
from smt_ws.store.tables import outbox

# A worker process of its own; it stops dead at the step that its last argument names.
WORKER = """
import json, os, signal, sys, threading
from adapters import openpgp, packing, publishing
from smt_ws.hub import Hub
from smt_ws.orders import build, work
from smt_ws.settings import Settings
from smt_ws.clock import FixedClock
from smt_ws.serve.handlers import handlers_of
from smt_ws.store.engine import Store

settings = Settings.model_validate(json.loads(sys.argv[1]))
step = sys.argv[2]

def dead(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def before(function):
    def killed(*args, **kwargs):
        dead()
    return killed

def after(function):
    def killed(*args, **kwargs):
        function(*args, **kwargs)
        dead()
    return killed

if step == "while rendering":
    def some(chunks, *_):
        yield next(iter(chunks))
        dead()
    build._while_ours = some
elif step == "after zip":
    packing.pack = after(packing.pack)
elif step == "after encryption":
    openpgp.encrypt_file = after(openpgp.encrypt_file)
elif step == "before rename":
    publishing.publish = before(publishing.publish)
elif step == "between rename and commit":
    publishing.publish = after(publishing.publish)
elif step == "after commit":
    build._record = after(build._record)

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
hub = Hub(settings=settings, store=Store(settings.database), clock=FixedClock())
print("ready", flush=True)
work.work(hub, stop=stop, handlers=handlers_of(hub))
"""
STEPS = [
    "while rendering",
    "after zip",
    "after encryption",
    "before rename",
    "between rename and commit",
    "after commit",
]


def start(market: Market, step: str = "", machine: str = "") -> subprocess.Popen[bytes]:
    """A process group of its own; workers on two machines share the store and the FTPS folder, and nothing else."""
    settings = market.hub.settings.model_dump(mode="json")
    settings["work_folder"] += machine
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(settings), step], stdout=subprocess.PIPE, process_group=0
    )


def work_off(market: Market, seconds: float = 60) -> None:
    """Work in this process until nothing is left, waiting for leases of the dead to run out."""
    deadline = time.monotonic() + seconds
    handlers = handlers_of(market.hub)
    while time.monotonic() < deadline:
        if not work_once(market.hub, worker="heir", handlers=handlers):
            with market.store.read() as connection:
                left = connection.exec_driver_sql(
                    "SELECT count(*) FROM order_part WHERE state IN ('planned', 'building')"
                ).scalar_one()
            if not left:
                return
            time.sleep(0.05)
    raise AssertionError("parts are left")


def accounted_for(market: Market, number: int) -> None:
    order, parts = market.row(number), market.parts(number)
    assert order.status in {"Complete", "Complete with exceptions"}
    assert order.days_asked == order.days_delivered + order.days_excepted
    assert market.visible() == sorted(part.file_name for part in parts if part.state == "published")
    entries = {entry["name"]: entry for entry in market.manifest()["files"]}
    for name, entry in entries.items():
        assert len(market.opened(name)) == entry["plainSize"]
    assert set(entries) | {market.named("Manifest")} == set(market.visible())
    with market.store.read() as connection:
        keys = connection.scalars(select(outbox.c.dedupe_key)).all()
    assert keys == [f"order:{number}:ready"]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(market: Market, step: str) -> None:
    market.add_premises(range(6))
    market.load_days(range(6), date(2026, 11, 1), date(2026, 11, 9), number=1)
    number = market.order([esiid(n) for n in range(6)]).order_number
    with start(market, step) as worker:
        assert worker.wait(60) == -signal.SIGKILL
    killed_in = market.parts(number)[0]
    shown = {"between rename and commit": 1, "after commit": 1}.get(step, 0)
    assert len(market.visible()) == shown
    assert killed_in.state == ("published" if step == "after commit" else "building")
    work_off(market)
    accounted_for(market, number)
    assert market.parts(number)[0].fence == (1 if step == "after commit" else 2)


@pytest.mark.slow
def test_a_worker_stopped_past_its_lease_and_continued_does_no_harm(market: Market) -> None:
    market.add_premises(range(30))
    market.load_days(range(30), date(2026, 11, 1), date(2026, 11, 9), number=1)
    number = market.order([esiid(n) for n in range(30)]).order_number
    with start(market) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        while not any(part.state == "building" for part in market.parts(number)):
            time.sleep(0.005)
        while True:
            worker.send_signal(signal.SIGSTOP)
            if others_can_write(market):
                break
            # Stopped in the blink in which it holds SQLite's one write lock: there all others wait for it.
            worker.send_signal(signal.SIGCONT)
            time.sleep(0.01)
        work_off(market)
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    accounted_for(market, number)


def others_can_write(market: Market) -> bool:
    store = market.hub.store
    if not store.is_sqlite:
        return True
    time.sleep(0.05)  # the signal has arrived
    with closing(sqlite3.connect(str(store.url.database), timeout=0.2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
    return True


@pytest.mark.slow
def test_two_workers_share_an_order_and_drain_when_told(market: Market) -> None:
    market.add_premises(range(40))
    market.load_days(range(40), date(2026, 11, 1), date(2026, 11, 10), number=1)
    number = market.order([esiid(n) for n in range(40)]).order_number
    workers = [start(market, machine=machine) for machine in ("-one", "-two")]
    deadline = time.monotonic() + 60
    while market.row(number).status != "Complete" and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.3)  # the mail
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(30) for worker in workers] == [0, 0]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.close()
    accounted_for(market, number)
    assert {part.fence for part in market.parts(number)} == {1}
    assert len(list((market.hub.settings.mail.folder or Path()).glob("*.eml"))) == 1


def test_half_a_file_is_never_visible(market: Market) -> None:
    """R7: whoever looks at the folder sees only files that the store calls published, or whole ones about to be."""
    market.add_premises(range(20))
    market.load_days(range(20), date(2026, 11, 1), date(2026, 11, 10), number=1)
    number = market.order([esiid(n) for n in range(20)]).order_number
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(market.hub,), kwargs={"stop": stop, "handlers": {}})
    sizes: dict[str, set[int]] = {}
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while market.row(number).status != "Complete" and time.monotonic() < deadline:
            for name in market.visible():
                sizes.setdefault(name, set()).add((market.folder / name).stat().st_size)
    finally:
        stop.set()
        thread.join()
    assert {part.file_name: {part.size} for part in market.parts(number) if part.file_name in sizes} == sizes
    assert sizes
    assert not [name for name in os.listdir(market.folder) if name.startswith(".")]
    assert list(market.hub.settings.work_folder.iterdir()) == []


def test_a_mail_server_that_hangs_holds_up_no_file(market: Market) -> None:
    market.add_premises(range(2))
    answered, stop = threading.Event(), threading.Event()

    def hangs(_payload: dict[str, object]) -> None:
        answered.wait(60)

    thread = threading.Thread(target=work, args=(market.hub,), kwargs={"stop": stop, "handlers": {"email": hangs}})
    thread.start()
    try:
        for number in range(2):
            order = market.order([esiid(number)]).order_number
            deadline = time.monotonic() + 30
            while not market.row(order).status.startswith("Complete") and time.monotonic() < deadline:
                time.sleep(0.02)
            assert market.row(order).status.startswith("Complete")
    finally:
        answered.set()
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def test_a_part_that_cannot_be_built_fails_its_order_with_a_reason(market: Market) -> None:
    market.add_premises(range(1))
    number = market.order([esiid(0)]).order_number
    market.hub.settings.ftps.root.parent.mkdir(exist_ok=True)
    market.hub.settings.ftps.root.write_text("not a folder")
    deadline = time.monotonic() + 60
    while market.row(number).status != "Failed" and time.monotonic() < deadline:
        work_once(market.hub, worker="w", handlers=handlers_of(market.hub))
    order = market.row(number)
    assert (order.status, order.failure) == ("Failed", "INTERNAL: NotADirectoryError")
    work_once(market.hub, worker="w", handlers=handlers_of(market.hub))
    (mail,) = (market.hub.settings.mail.folder or Path()).glob("*.eml")
    assert f"Order {number}: Failed" in mail.read_text()


def test_an_openpgp_certificate_that_cannot_be_used_is_told_by_its_code(market: Market) -> None:
    market.add_premises(range(1))
    number = market.order([esiid(0)]).order_number
    with market.store.write() as connection:
        connection.execute(update(company).values(openpgp_certificate="nonsense"))
    deadline = time.monotonic() + 60
    while market.row(number).status != "Failed" and time.monotonic() < deadline:
        work_once(market.hub, worker="w", handlers={})
    assert market.row(number).failure.startswith("OPENPGP_CERTIFICATE_UNREADABLE")


@given(
    asked=st.lists(st.integers(0, 9) | st.sampled_from(["bad", "", esiid(99)]), min_size=1, max_size=14),
    start=st.integers(1, 18),
    length=st.integers(1, 20),
    reading=st.sampled_from("CGA"),
    version=st.sampled_from("LA"),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_asked_is_delivered_plus_excepted(
    market: Market, asked: list[int | str], start: int, length: int, reading: str, version: str
) -> None:
    if not market.premises:
        market.add_premises(range(4))
        market.add_premises(range(4, 7), served_from=date(2026, 11, 5), served_to=date(2026, 11, 12))
        market.add_premises(range(7, 10), served_from=date(2027, 1, 1))
        market.load_days(range(8), date(2026, 11, 1), date(2026, 11, 6), number=1)
        market.load_days(range(5), date(2026, 11, 5), date(2026, 11, 14), number=2)
        market.load_days(range(2), date(2026, 11, 2), date(2026, 11, 9), number=3, channel=1)
    end = min(start + length - 1, 20)
    number = market.order(
        [esiid(one) if isinstance(one, int) else one for one in asked],
        start=f"11/{start:02}/2026",
        end=f"11/{end:02}/2026",
        reading_type=reading,
        version=version,
    ).order_number
    while work_once(market.hub, worker="w", handlers=handlers_of(market.hub)):
        pass
    order = market.row(number)
    assert order.days_asked == len(asked) * (end - start + 1) == order.days_delivered + order.days_excepted
    missing = [plan.unpack_exceptions(part.missing) for part in market.parts(number) if part.missing]
    told = plan.merge([plan.unpack_exceptions(order.exceptions), *missing])
    assert told.days == order.days_excepted
