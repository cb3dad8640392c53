"""kill -9 of every process of a running hub at bad moments: nothing lost, doubled or half published, on both stores.

Reliability; R6, R7, R10. The hub is an operator's ``smt-ws serve``; what is judged is what companies see: answers,
statuses, the FTPS site and letters.
"""

from __future__ import annotations

import ftplib
import hashlib
import http.client
import os
import random
import signal
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fresh_schema import fresh_schema
from wire_client import BLUEBONNET, PECAN, Answer, WireClient, header, usage

from smt_ws.sandbox.build import Sandbox, load_market, make_sandbox
from smt_ws.sandbox.demo import running_hub
from smt_ws.sandbox.requester import FINAL, Requester

pytestmark = pytest.mark.faults

#: Many small parts, leases that a dead worker's parts leave soon, more than one worker.
SETTINGS = """
[limits]
days_per_part = 40
[work]
processes = 2
lease_seconds = 3
poll_seconds = 0.1
attempts = 40
"""


@dataclass
class House:
    """A sandbox whose hub is started, killed and started again."""

    sandbox: Sandbox
    esiids: tuple[str, ...]

    @property
    def settings(self) -> Any:
        own = self.sandbox.hub()
        own.store.close()
        return own.settings

    def wire(self) -> WireClient:
        return WireClient(self.sandbox, self.settings)

    def requester(self, duns: str = PECAN) -> Requester:
        return Requester(self.sandbox, self.sandbox.player(duns), self.settings)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("kill9") / "sandbox"
    with _database(request) as url:
        sandbox = make_sandbox(folder, database=url, ports=(0, 0))
        with sandbox.settings_file.open("a") as settings:
            settings.write(SETTINGS)
        yield House(sandbox, load_market(sandbox, premises=10).esiids)


@contextmanager
def _database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "sqlite":
        yield None
        return
    with fresh_schema(request.getfixturevalue("postgresql_server")) as url:
        yield url


# -- processes


def children(pid: int) -> list[int]:
    """The processes that *pid* has started, and theirs."""
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(word) for word in listed.read_text().split()]
    return found + [deeper for child in found for deeper in children(child)]


def of_role(pid: int, role: str) -> list[int]:
    """The processes of one role below the supervisor *pid*: the endpoint's master first, then its workers."""
    # as they call themselves, and as they were started
    names = (f"smt-ws {role}", f"smt_ws.cli {role}", *(["gunicorn: "] if role == "soap" else []))
    named = []
    for child in children(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if any(name in command for name in names):
            named.append(child)
    return named


def kill(pids: list[int]) -> int:
    """``kill -9``; returns how many were there."""
    killed = 0
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass
    return killed


def until(true: Callable[[], bool], what: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


# -- what companies see


def insist(wire: WireClient, message: Callable[[], bytes], give_up: float) -> Answer:
    """Send a request until it is answered, as a careful client does: signed again, the same content."""
    while True:
        try:
            answer = wire.post(message())
            if answer.status == 200:
                return answer
        except (OSError, http.client.HTTPException, ssl.SSLError):
            pass
        assert time.monotonic() < give_up, "never answered"
        time.sleep(random.uniform(0.05, 0.3))


def all_orders(house: House, duns: str = PECAN) -> list[Any]:
    requester = house.requester(duns)
    service, found = requester.client("ReportRequestStatus").service, []
    for page in range(1, 20):
        answer = service.ListRequests(**requester.header("all"), fromDate="11/01/2026", toDate="11/30/2026", page=page)
        found += answer.order
        if not answer.morePages:
            return found
    raise AssertionError("too many orders")


def on_the_site(house: House, duns: str = PECAN, into: Path | None = None) -> dict[str, str]:
    """SHA-256 of every file that the company sees in ``/adhoc``."""
    certificates, player = house.sandbox.certificates, house.sandbox.player(duns)
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    context.load_cert_chain(certificates / f"{player.stem}-tls.crt", certificates / f"{player.stem}-tls.key")
    found = {}
    with ftplib.FTP_TLS(context=context, timeout=180) as ftps:
        ftps.connect("127.0.0.1", house.settings.ftps.port)
        ftps.login(duns, player.ftps_password)
        ftps.prot_p()
        for name in ftps.nlst("/adhoc"):
            sha256 = hashlib.sha256()
            ftps.retrbinary(f"RETR /adhoc/{name}", sha256.update)
            found[name] = sha256.hexdigest()
    return found


def letters_about(house: House, numbers: set[str]) -> Counter[str]:
    """How many letters name each order."""
    counted: Counter[str] = Counter()
    for path in house.settings.mail.folder.glob("*.eml"):
        words = set(path.read_text().replace(".", " ").replace(",", " ").replace("=", " ").split())
        counted.update(words & numbers)
    return counted


def assert_all_is_well(house: House, duns: str, numbers: set[str], seconds: float = 60) -> None:
    """Every order is done and adds up; the site has their files, whole, and no others; one letter an order."""
    requester = house.requester(duns)
    service = requester.client("ReportRequestStatus").service

    def status(number: str) -> Any:
        return service.GetStatus(**requester.header("s"), correlationId=number)

    until(lambda: all(one.status in FINAL for one in all_orders(house, duns)), "all orders are final", seconds)
    published: dict[str, str] = {}
    for number in sorted(numbers):
        found = status(number)
        assert found.order.status in {"COMPLETE", "COMPLETE_WITH_EXCEPTIONS"}, found.order
        assert found.order.esiidDaysAsked == found.order.esiidDaysDelivered + found.order.esiidDaysExcepted
        assert sum(one.count for one in found.exception) == found.order.esiidDaysExcepted
        assert {file.state for file in found.file} == {"PUBLISHED"}
        published |= {file.name: file.sha256 for file in found.file}
    assert on_the_site(house, duns) == published
    until(lambda: set(letters_about(house, numbers)) == numbers, "a letter for every order")
    time.sleep(1)
    assert letters_about(house, numbers) == Counter(numbers)


# -- the tests


def test_orders_while_the_soap_server_is_killed_are_neither_lost_nor_doubled(house: House) -> None:
    """Between accept and response: a client that repeats its request until it is answered has one order for it."""
    wire, before = house.wire(), set()
    with running_hub(house.sandbox) as hub:
        before = {order.correlationId for order in all_orders(house)}
        stop, kills = threading.Event(), 0

        def killer() -> None:
            nonlocal kills
            for _ in range(4):  # the supervisor waits longer each time
                if stop.wait(random.uniform(0.3, 1.0)):
                    return
                role = of_role(hub.pid, "soap")
                # the gunicorn master at times, only its workers at others
                kills += kill(role if kills % 2 else role[1:] or role)

        def client(number: int) -> list[tuple[str, str | None]]:
            placed = []
            for turn in range(3):
                trans_id = f"kill-{number}-{turn}"
                body = usage([house.esiids[number], "10443729999999999"], trans_id=trans_id)
                answer = insist(wire, lambda body=body: wire.sign(body), time.monotonic() + 180)
                placed.append((trans_id, answer.text("correlationId")))
            return placed

        thread = threading.Thread(target=killer)
        thread.start()
        try:
            with ThreadPoolExecutor(5) as pool:
                placed = dict(pair for pairs in pool.map(client, range(5)) for pair in pairs)
        finally:
            stop.set()
            thread.join()
        assert kills
        numbers = {number for number in placed.values() if number}
        assert len(numbers) == len(placed) == 15
        until(lambda: bool(_answers(wire)), "the endpoint is back")
        # none lost, none doubled
        assert {order.correlationId for order in all_orders(house)} - before == numbers
        assert_all_is_well(house, PECAN, numbers | before)


def _answers(wire: WireClient) -> bool:
    ping = f'<m:Ping xmlns:m="urn:smt-ws:Connectivity:1">{header()}</m:Ping>'
    try:
        return wire.call(ping, service="Connectivity").status == 200
    except (OSError, http.client.HTTPException):
        return False


def test_workers_and_the_scheduler_killed_in_the_middle(house: House) -> None:
    """Of a worker in mid-file: no part of a file is ever seen, every part comes once, the sums are right."""
    with running_hub(house.sandbox) as hub:
        requester = house.requester(BLUEBONNET)
        answers = [
            requester.order(house.esiids, "10/10/2026", "11/18/2026", f"work-{n}-{time.time_ns()}") for n in range(2)
        ]
        numbers = {answer.correlationId for answer in answers}
        seen: set[str] = set()
        killed = Counter[str]()
        end = time.monotonic() + 8
        while time.monotonic() < end and killed["work"] < 6:
            time.sleep(random.uniform(0.2, 0.9))
            for role in ("work", "schedule"):
                killed[role] += kill(of_role(hub.pid, role))
            seen |= set(on_the_site(house, BLUEBONNET))
        assert killed["work"] >= 2
        assert killed["schedule"] >= 2
        assert all(name.endswith(".asc") and not name.startswith(".") for name in seen)
        assert_all_is_well(house, BLUEBONNET, {one.correlationId for one in all_orders(house, BLUEBONNET)})
        assert numbers <= {one.correlationId for one in all_orders(house, BLUEBONNET)}
        # what was seen once is still there: no file was shown and then taken back
        assert seen <= set(on_the_site(house, BLUEBONNET))


def test_a_killed_supervisor_leaves_no_orphans_and_the_next_one_finishes_its_orders(house: House) -> None:
    """All roles follow their supervisor; what was in hand is done after the next start."""
    with running_hub(house.sandbox) as hub:
        requester = house.requester(PECAN)
        number = requester.order(house.esiids, "10/20/2026", "11/18/2026", f"all-{time.time_ns()}").correlationId
        time.sleep(0.7)
        family = children(hub.pid)
        assert len(family) >= 5
        hub.kill()
        hub.wait()
        until(lambda: not [pid for pid in family if Path(f"/proc/{pid}/exe").exists()], "all roles have ended")
    with running_hub(house.sandbox):
        assert number in {order.correlationId for order in all_orders(house)}
        assert_all_is_well(house, PECAN, {order.correlationId for order in all_orders(house)})
