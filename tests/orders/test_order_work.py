"""Workers as they run: drained by a signal, killed at every step, racing; every order accounted for in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from order_market import Market, esiid
from sqlalchemy import select, update
from waiting import PATIENCE, until

from smt_ws.orders import cancel, claim, plan
from smt_ws.orders.errors import OrderHeldError
from smt_ws.orders.work import work, work_once
from smt_ws.parties.tables import company
from smt_ws.serve.handlers import handlers_of
from smt_ws.store.tables import audit_log, outbox

# A worker process of its own; at the step that it is told, it sends itself the signal that it is told, once.
WORKER = """
import json, os, signal, sys, threading
from contextlib import contextmanager
from adapters import openpgp, packing, publishing
from smt_ws.hub import Hub
from smt_ws.orders import build, work
from smt_ws.settings import Settings
from smt_ws.clock import FixedClock
from smt_ws.serve.handlers import handlers_of
from smt_ws.store.engine import Store

settings = Settings.model_validate(json.loads(sys.argv[1]))
step, signals = sys.argv[2], [int(sys.argv[3])]

# One thread at a time is at the store: none is stopped in the blink in which it holds SQLite's one lock.
alone = threading.RLock()

def one_at_a_time(transaction):
    @contextmanager
    def entered(store):
        with alone, transaction(store) as connection:
            yield connection
    return entered

for name in ("write", "read", "look"):
    setattr(Store, name, one_at_a_time(getattr(Store, name)))

def here():
    with alone:
        if signals:
            os.kill(os.getpid(), signals.pop())

def before(function):
    def stopped(*args, **kwargs):
        here()
        return function(*args, **kwargs)
    return stopped

def after(function):
    def stopped(*args, **kwargs):
        done = function(*args, **kwargs)
        here()
        return done
    return stopped

if step == "while rendering":
    rendered = build._while_ours
    def some(*args):
        for chunk in rendered(*args):
            yield chunk
            here()
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


def start(
    market: Market, step: str = "", machine: str = "", at_step: signal.Signals = signal.SIGKILL, **lease: float
) -> subprocess.Popen[bytes]:
    """A process group of its own; workers on two machines share the store and the FTPS folder, and nothing else."""
    settings = market.hub.settings.model_dump(mode="json")
    settings["work"] |= lease
    settings["work_folder"] += machine
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(settings), step, str(int(at_step))],
        stdout=subprocess.PIPE,
        process_group=0,
    )


def work_off(market: Market, seconds: float = PATIENCE) -> None:
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
        assert worker.wait(180) == -signal.SIGKILL
    killed_in = market.parts(number)[0]
    shown = {"between rename and commit": 1, "after commit": 1}.get(step, 0)
    assert len(market.visible()) == shown
    assert killed_in.state == ("published" if step == "after commit" else "building")
    plain = list(market.hub.settings.work_folder.glob("*/*.zip"))
    assert len(plain) == (1 if step in {"while rendering", "after zip", "after encryption"} else 0)
    work_off(market)
    assert list(market.hub.settings.work_folder.iterdir()) == [], "what the killed worker had in plain is gone"
    accounted_for(market, number)
    assert market.parts(number)[0].fence == (1 if step == "after commit" else 2)


@pytest.mark.slow
def test_what_a_killed_worker_had_in_plain_goes_when_another_starts_whether_it_has_work_or_not(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 9), number=1)
    number = market.order([esiid(0)]).order_number
    with start(market, "after zip") as worker:
        assert worker.wait(180) == -signal.SIGKILL
    assert list(market.hub.settings.work_folder.glob("*/*.zip"))
    at_once = threading.Event()
    at_once.set()
    work(market.hub, stop=at_once, handlers=handlers_of(market.hub))
    assert list(market.hub.settings.work_folder.iterdir()) == []
    assert market.parts(number)[0].state == "building", "that was no part's doing"


@pytest.mark.slow
def test_a_worker_that_comes_back_before_its_rename_without_its_transaction_publishes_nothing(market: Market) -> None:
    """Stopped there, then the database was restarted and another worker published: the file that is recorded stays."""
    if market.hub.store.is_sqlite:
        pytest.skip("SQLite's lock ends with the process alone")
    market.add_premises(range(6))
    market.load_days(range(6), date(2026, 11, 1), date(2026, 11, 9), number=1)
    number = market.order([esiid(n) for n in range(6)]).order_number
    with stopped_at(market, "before rename") as worker:
        with market.store.write() as connection:
            ended = connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state = 'idle in transaction'"
            ).all()
        assert len(ended) == 1
        work_off(market)
        accounted_for(market, number)
        before = everything(market, number)
        worker.send_signal(signal.SIGCONT)
        assert worker.stdout is not None
        while b"part_lost" not in worker.stdout.readline():
            assert worker.poll() is None
    assert everything(market, number) == before


@contextmanager
def stopped_at(market: Market, step: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on another machine that was stopped by SIGSTOP at *step* of the first part that it builds."""
    with start(market, step, "-far", signal.SIGSTOP) as worker:
        os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert worker.poll() is None
        try:
            yield worker
        finally:
            worker.send_signal(signal.SIGCONT)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(180) == 0


def everything(market: Market, number: int) -> object:
    """All that companies and operators can see of an order."""
    files = {name: os.stat(market.folder / name) for name in market.visible()}
    with market.store.read() as connection:
        told = connection.execute(select(audit_log.c.id, audit_log.c.event).order_by(audit_log.c.id)).all()
        queued = connection.scalars(select(outbox.c.dedupe_key)).all()
    seen = {name: (stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in files.items()}
    return market.row(number), market.parts(number), seen, told, queued


@pytest.mark.slow
@pytest.mark.parametrize("step", ["while rendering", "after zip", "after encryption"])
def test_a_worker_stopped_past_its_lease_finds_its_part_done_and_changes_nothing(market: Market, step: str) -> None:
    """Many machines: what another worker published meanwhile stays, byte for byte, and nothing comes twice."""
    market.add_premises(range(6))
    market.load_days(range(6), date(2026, 11, 1), date(2026, 11, 9), number=1)
    number = market.order([esiid(n) for n in range(6)]).order_number
    with stopped_at(market, step) as worker:
        work_off(market)
        accounted_for(market, number)
        assert [part.fence for part in market.parts(number)] == [2, *[1] * (len(market.parts(number)) - 1)]
        before = everything(market, number)
        worker.send_signal(signal.SIGCONT)
        far = Path(f"{market.hub.settings.work_folder}-far")
        deadline = time.monotonic() + 180
        while [*far.iterdir(), *market.folder.glob(".*")]:  # it lets go of what it had begun
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert everything(market, number) == before


@pytest.mark.slow
@pytest.mark.parametrize("step", ["before rename", "between rename and commit"])
def test_a_worker_stopped_while_it_records_holds_up_its_order_and_no_other(
    market: Market, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds rows of its order, so nobody else may publish there; others give that order back and go on."""
    if market.hub.store.is_sqlite:
        pytest.skip("on SQLite there is one writer, on one machine: while it is stopped all wait")
    for module in (claim, cancel):
        monkeypatch.setattr(module, "PATIENCE", timedelta(milliseconds=200))
    monkeypatch.setattr("smt_ws.orders.work._PAUSE", timedelta(seconds=1))
    market.add_premises(range(12))
    market.load_days(range(12), date(2026, 11, 1), date(2026, 11, 9), number=1)
    number = market.order([esiid(n) for n in range(12)]).order_number
    with stopped_at(market, step):
        other = market.order([esiid(0)], who=market.other).order_number
        deadline = time.monotonic() + 180
        while not market.row(other).status.startswith("Complete"):
            assert time.monotonic() < deadline
            work_once(market.hub, worker="heir", handlers={})
        held = market.parts(number)
        assert (held[0].state, held[0].fence) == ("building", 1)
        assert {part.state for part in held[1:]} == {"planned"}
        assert {part.attempts for part in held[1:]} == {0}
        with pytest.raises(OrderHeldError), market.store.write() as connection:
            cancel.cancel_order(connection, market.rep, number, clock=market.hub.clock, keep=timedelta(days=10))  # type: ignore[arg-type]
    work_off(market)
    assert market.row(number).status == "Complete with exceptions"
    assert market.parts(number)[0].fence == 1
    assert market.visible() == sorted(part.file_name for part in market.parts(number) if part.state == "published")


@pytest.mark.slow
def test_two_workers_share_an_order_and_drain_when_told(market: Market) -> None:
    market.add_premises(range(40))
    market.load_days(range(40), date(2026, 11, 1), date(2026, 11, 10), number=1)
    number = market.order([esiid(n) for n in range(40)]).order_number
    # nobody dies here: a lease that even a starved worker renews in time
    workers = [start(market, machine=machine, lease_seconds=PATIENCE) for machine in ("-one", "-two")]
    until(lambda: market.row(number).status == "Complete", "the order is complete")
    folder = market.hub.settings.mail.folder or Path()
    until(lambda: list(folder.glob("*.eml")), "its e-mail is written")
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(180) for worker in workers] == [0, 0]
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
        deadline = time.monotonic() + 180
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
        answered.wait(180)

    thread = threading.Thread(target=work, args=(market.hub,), kwargs={"stop": stop, "handlers": {"email": hangs}})
    thread.start()
    try:
        for number in range(2):
            order = market.order([esiid(number)]).order_number
            deadline = time.monotonic() + 180
            while not market.row(order).status.startswith("Complete") and time.monotonic() < deadline:
                time.sleep(0.02)
            assert market.row(order).status.startswith("Complete")
    finally:
        answered.set()
        stop.set()
        thread.join(180)
    assert not thread.is_alive()


def test_a_part_that_cannot_be_built_fails_its_order_with_a_reason(market: Market) -> None:
    market.add_premises(range(1))
    number = market.order([esiid(0)]).order_number
    market.hub.settings.ftps.root.parent.mkdir(exist_ok=True)
    market.hub.settings.ftps.root.write_text("not a folder")
    deadline = time.monotonic() + 180
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
    deadline = time.monotonic() + 180
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
