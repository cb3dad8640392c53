"""Text messages to homes, one a meter: from a signed ``SendTextMessage`` to the device's confirmation.

Two figures of one run on PostgreSQL:

* the rate of accepted ``SendTextMessage`` calls against that of a signed ``Ping``, in turn through the same gate with
  nothing else running (bar: at least a half);
* the whole way: signed requests submitted by 8 callers, handed to the simulated TDSP over its own signed service,
  confirmed by its devices, and posted back (bar: 50,000 in 15 minutes). When a third is submitted the simulator is
  killed with -9 and started again, when two thirds are, the whole hub; callers send what got no answer again. In the
  end every message must have been accepted, carried and confirmed exactly once.

    python benchmarks/han.py            # 10 %: 5,000 messages, 2 rounds of 3 s each
    python benchmarks/han.py --full     # 50,000 messages, 3 rounds of 10 s each
    python benchmarks/han.py --only accepting --rounds 6     # one of the two figures

Requests are signed before they are submitted, 10,000 at a time (a signature is good for ten minutes); that time is in
neither figure's rate, but in the whole way's time from the second ten thousand on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from accept import Wire
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from ping import hub_process, processor_seconds, signed_ping

from adapters.soap.wssecurity import sign
from adapters.tdsp.config import read_config
from adapters.tdsp.state import Device, State
from smt_ws.parties.tables import premise
from smt_ws.sandbox.build import Sandbox, make_sandbox
from smt_ws.sandbox.demo import running_hub
from smt_ws.sandbox.tdsp import SIMULATOR, running_tdsp
from smt_ws.store.dialect import copy_rows
from smt_ws.store.engine import Store

NAMESPACE = "urn:smt-ws:HANMessaging:1"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
DUNS, TDSP = "111111111", "4444444440000"
CALLERS = 8
SLICE = 10_000
CODE = "83FED3407A93972397FC"
#: Seconds that a process may take to start on a busy machine.
PATIENCE = 300.0


def esiid(number: int) -> str:
    """The ESI ID of a home of the benchmark."""
    return f"1044372{number:010}"


def meter(number: int) -> str:
    """Its meter."""
    return f"{100_000_000 + number}LG"


def device(number: int) -> str:
    """The display in it."""
    return f"000D6F00{number:08X}"


def seed(sandbox: Sandbox, homes: int) -> None:
    """Homes served by the asking REP, each with a display that joined long ago, at the hub and at the TDSP."""
    hub = sandbox.hub()
    with hub.store.write() as connection:
        company = connection.exec_driver_sql(f"SELECT company_id FROM company_duns WHERE duns = '{DUNS}'").scalar_one()
        rows = ((esiid(n), TDSP, 1) for n in range(homes))
        copy_rows(connection, premise, ["esiid", "tdsp_duns", "load_number"], rows)
        for statement in (
            (
                "INSERT INTO meter (premise_id, meter_number, installed_on, provisioned_on, load_number)"
                " SELECT id, (100000000 + substr(esiid, 8)::bigint) || 'LG', DATE '2020-01-01', DATE '2020-01-01', 1"
                " FROM premise"
            ),
            (
                "INSERT INTO rep_of_record (premise_id, from_day, duns, load_number)"
                f" SELECT id, DATE '2020-01-01', '{DUNS}', 1 FROM premise"
            ),
            (
                "INSERT INTO han_device (premise_id, eui64, device_type, state, holds_slot, add_request, company_id,"
                " meter_number, tdsp_duns, state_at, entries) SELECT id, '000D6F00' ||"
                " upper(lpad(to_hex(substr(esiid, 8)::bigint), 8, '0')), 'IHD', 'Device Added', true, 1,"
                f" {company}, (100000000 + substr(esiid, 8)::bigint) || 'LG', '{TDSP}', now(), 0 FROM premise"
            ),
        ):
            connection.exec_driver_sql(statement)
    with hub.store.engine.connect() as plain:
        plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
    hub.store.close()
    state = State(read_config(sandbox.folder / SIMULATOR).state)
    with state.transaction():
        state.set_meters((esiid(n), meter(n)) for n in range(homes))
        state.put_devices(Device(esiid(n), device(n), "IHD", CODE, "JOINED", "0") for n in range(homes))
    state.close()


class Texts:
    """Signed texts, each to one home and with a trans_id of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        certificates = sandbox.certificates
        key = load_pem_private_key((certificates / "pecan-energy-signing.key").read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        self.key = key
        self.certificate = x509.load_pem_x509_certificate((certificates / "pecan-energy-signing.crt").read_bytes())

    def signed(self, name: str, home: int) -> bytes:
        """The whole HTTP request."""
        message = sign(
            etree.fromstring(
                f'<s:Envelope xmlns:s="{SOAP}"><s:Body><m:SendTextMessage xmlns:m="{NAMESPACE}">'
                f"<m:trans_id>{name}</m:trans_id><m:requestorID>bench</m:requestorID>"
                f"<m:requesterType>REP</m:requesterType><m:requesterAuthenticationID>{DUNS}"
                "</m:requesterAuthenticationID><m:SMTTermsandConditions>Y</m:SMTTermsandConditions>"
                f"<m:messageText>Conserve from 3 to 7 pm</m:messageText><m:durationMinutes>240</m:durationMinutes>"
                f"<m:esiid>{esiid(home)}</m:esiid></m:SendTextMessage></s:Body></s:Envelope>"
            ),
            key=self.key,
            certificate=self.certificate,
            now=datetime.now(UTC),
            lifetime=timedelta(minutes=9),
        )
        head = (
            "POST /soap/HANMessaging HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=utf-8\r\n"
            f'SOAPAction: "{NAMESPACE}:SendTextMessage"\r\nContent-Length: {len(message)}\r\n\r\n'
        )
        return head.encode() + message


class Caller:
    """A caller that keeps its connection, and calls again where no answer came."""

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self.sandbox, self.port = sandbox, port
        self.wire: Wire | None = None

    def call(self, request: bytes, *, patient: Callable[[], bool] = lambda: False) -> None:
        """Send *request* until it is answered with a success; where nobody is *patient*, the first time must do."""
        while True:
            try:
                if self.wire is None:
                    self.wire = Wire(self.sandbox, self.port)
                self.wire.socket.sendall(request)
                answer = self.wire._answer()
            except (OSError, RuntimeError):  # the hub was killed
                if not patient():
                    raise
                self.wire = None
                time.sleep(0.2)
                continue
            if b"MessageResponse" in answer or b"PingResponse" in answer:
                return
            if not (patient() and b"BUSY" in answer):
                raise RuntimeError(f"refused: {answer.partition(b'faultcode')[2][:1000]!r}")
            time.sleep(0.5)


def side_by_side(work: Callable[[int], None]) -> None:
    """Run *work* for each caller in a thread of its own, and raise what any of them raised."""
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def database_seconds(sandbox: Sandbox) -> float:
    """Processor time that PostgreSQL's processes for this hub have spent so far; 0 where they are elsewhere."""
    store = sandbox.hub().store
    with store.look() as connection:
        numbers = connection.exec_driver_sql(
            "SELECT pid FROM pg_stat_activity WHERE application_name = current_setting('application_name')"
            " AND pid <> pg_backend_pid()"
        ).scalars()
        found = [processor_seconds(number) for number in numbers if Path(f"/proc/{number}/task").exists()]
    store.close()
    return sum(found)


def rate(
    sandbox: Sandbox, port: int, seconds: float, requests: Sequence[Sequence[bytes]], process: int
) -> tuple[float, float, float]:
    """Calls a second by all callers at once, and processor seconds of the hub (*process*) and of PostgreSQL a call.

    Each caller goes through its own *requests* until the time is up.
    """
    done = [0] * CALLERS

    def calls(number: int) -> None:
        caller = Caller(sandbox, port)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and done[number] < len(requests[number]):
            caller.call(requests[number][done[number]])
            done[number] += 1

    database, spent, began = database_seconds(sandbox), processor_seconds(process), time.perf_counter()
    side_by_side(calls)
    took, spent = time.perf_counter() - began, processor_seconds(process) - spent
    return sum(done) / took, spent / sum(done), (database_seconds(sandbox) - database) / sum(done)


def measure_accepting(sandbox: Sandbox, texts: Texts, homes: int, *, rounds: int, seconds: float) -> None:
    """Figure one: SendTextMessage against Ping."""
    rates: dict[str, list[tuple[float, float, float]]] = {"Ping": [], "SendTextMessage": []}
    most = int(seconds * 60)
    with hub_process(sandbox) as (port, process):
        pings = [[signed_ping(sandbox, number)] * 100_000 for number in range(CALLERS)]
        rate(sandbox, port, 1.0, pings, process)
        for turn in range(rounds):
            signed = [
                [texts.signed(f"r{turn}-{number}-{one}", (number * most + one) % homes) for one in range(most)]
                for number in range(CALLERS)
            ]
            rates["Ping"].append(rate(sandbox, port, seconds, pings, process))
            rates["SendTextMessage"].append(rate(sandbox, port, seconds, signed, process))
    print(f"{CALLERS} callers, two processes, {rounds} rounds of {seconds:.0f} s each in turn; medians")
    median, hub, database = (
        {name: statistics.median(one[of] for one in values) for name, values in rates.items()} for of in (0, 1, 2)
    )
    for name, values in rates.items():
        told = ", ".join(f"{one[0]:.0f}" for one in values)
        each = f"{hub[name] * 1e3:.1f} ms of the hub's processor time each, {database[name] * 1e3:.1f} of PostgreSQL's"
        print(f"  {name:<16}{median[name]:8.1f} calls/s ({told}); {each}")
    text, ping = "SendTextMessage", "Ping"
    print(f"  SendTextMessage / Ping   {median[text] / median[ping]:.2f}   (bar: at least 0.5)")
    both = (hub[ping] + database[ping]) / (hub[text] + database[text])
    print(f"  by processor time        {hub[ping] / hub[text]:.2f}, with PostgreSQL's {both:.2f}")


def kill_tree(process: int) -> None:
    """Kill -9 of a process and of all that it has started, the last ones first."""
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        kill_tree(int(child))
    os.kill(process, signal.SIGKILL)


class Run:
    """Figure two: the whole way, with both sides killed once."""

    def __init__(self, sandbox: Sandbox, texts: Texts, messages: int) -> None:
        self.sandbox, self.texts, self.messages = sandbox, texts, messages
        self.stack = ExitStack()
        self.lock = threading.Lock()
        self.submitted = 0
        self.disturbed: BaseException | None = None

    def go(self) -> None:
        """Submit, wait, hold to account and print."""
        hub = self.sandbox.hub()
        with hub.store.write() as connection:  # what the first figure has left
            connection.exec_driver_sql(
                "TRUNCATE outbox, han_message_status, han_message_device, han_message_target, han_message CASCADE"
            )
        port = hub.settings.soap.port
        with self.stack:
            self.tdsp = self.stack.enter_context(running_tdsp(self.sandbox.folder))
            self.hub = self.stack.enter_context(running_hub(self.sandbox, wait=PATIENCE))
            disturbing = threading.Thread(target=self.disturb, daemon=True)
            signed = self.sign(0)
            began = time.perf_counter()
            disturbing.start()
            for first in range(0, self.messages, SLICE):
                if first:
                    signed = self.sign(first)
                side_by_side(lambda number, requests=signed: self.submit(port, requests[number::CALLERS]))  # type: ignore[misc]
            submitted = time.perf_counter() - began
            disturbing.join()
            if self.disturbed is not None:
                raise self.disturbed
            self.wait(hub.store, began)
            whole = time.perf_counter() - began
        self.account(hub.store)
        print(f"{self.messages:,} texts, one a meter; simulator and hub killed with -9 once each")
        print(f"  submitted and accepted   {submitted:8.1f} s   ({self.messages / submitted:.0f}/s)")
        print(f"  all confirmed            {whole:8.1f} s   ({self.messages / whole:.0f}/s; bar: {50_000 / 900:.0f}/s)")
        print("  none lost, none carried or confirmed twice")

    def sign(self, first: int) -> list[bytes]:
        """The next slice."""
        return [self.texts.signed(f"w-{n}", n) for n in range(first, min(first + SLICE, self.messages))]

    def submit(self, port: int, requests: Sequence[bytes]) -> None:
        """One caller's part."""
        caller = Caller(self.sandbox, port)
        for request in requests:
            caller.call(request, patient=lambda: self.disturbed is None)
            with self.lock:
                self.submitted += 1

    def disturb(self) -> None:
        """Do what `kill_both` does; what goes wrong with it ends the run."""
        try:
            self.kill_both()
        except BaseException as error:
            self.disturbed = error

    def kill_both(self) -> None:
        """Kill the simulator at a third, the hub at two thirds, and start them again."""
        self.until(self.messages // 3)
        kill_tree(self.tdsp.pid)
        self.tdsp.wait()
        self.stack.enter_context(running_tdsp(self.sandbox.folder, wait=PATIENCE))
        self.until(self.messages * 2 // 3)
        kill_tree(self.hub.pid)
        self.hub.wait()
        self.stack.enter_context(running_hub(self.sandbox, wait=PATIENCE))

    def until(self, count: int) -> None:
        """Wait until so many are submitted."""
        while True:
            with self.lock:
                if self.submitted >= count:
                    return
            time.sleep(0.1)

    def wait(self, store: Store, began: float) -> None:
        """Wait until every message is confirmed."""
        while time.perf_counter() - began < 1_800:
            with store.read() as connection:
                confirmed = connection.exec_driver_sql(
                    "SELECT count(*) FROM han_message_device WHERE state = 'DELIVERED'"
                ).scalar_one()
            if confirmed >= self.messages:
                return
            time.sleep(0.5)
        raise RuntimeError(f"{confirmed:,} of {self.messages:,} are confirmed after half an hour")

    def account(self, store: Store) -> None:
        """Every message accepted once, carried once, confirmed once."""
        with store.read() as connection:
            accepted = connection.exec_driver_sql("SELECT count(*) FROM han_message").scalar_one()
            told = dict(
                connection.exec_driver_sql(  # type: ignore[arg-type]
                    "SELECT code, count(*) FROM han_message_status GROUP BY 1"
                ).all()
            )
        state = State(read_config(self.sandbox.folder / SIMULATOR).state)
        summary = state.summary()
        carried = sum(summary["messages"].values())
        state.close()
        expected = {"accepted": self.messages, "CON": self.messages, "carried": self.messages}
        found = {"accepted": accepted, "CON": told.get("CON"), "carried": carried}
        # a hub killed between the TDSP's answer and its note hears of the device before it asks again: no RQA then
        overtaken = self.messages - told.get("RQA", 0)
        if found != expected or overtaken < 0 or summary["carried twice"] or "FLR" in told:
            raise RuntimeError(f"does not add up: {found}, {told}, {summary}")
        print(f"  confirmed before the hub had noted that the TDSP took them: {overtaken:,}")


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="50,000 messages instead of 5,000")
    arguments.add_argument("--messages", type=int, help="so many instead")
    arguments.add_argument("--only", choices=("accepting", "whole-way"), help="one of the two figures")
    arguments.add_argument("--rounds", type=int, help="of the first figure, so many instead")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    options = arguments.parse_args()
    messages = options.messages or (50_000 if options.full else 5_000)
    rounds, seconds = (3, 10.0) if options.full else (2, 3.0)
    rounds = options.rounds or rounds
    if shutil.disk_usage(tempfile.gettempdir()).free < 2e9:
        print("2 GB of free disk are needed", file=sys.stderr)
        return 2
    schema = f"bench_han_{os.getpid()}"
    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            also = f"options=-csearch_path%3D{schema}&application_name={schema}"
            url = f"{options.url}{'&' if '?' in options.url else '?'}{also}"
            sandbox = make_sandbox(Path(folder) / "sandbox", database=url, ports=(0, 0))
            seed(sandbox, messages)
            texts = Texts(sandbox)
            if options.only != "whole-way":
                measure_accepting(sandbox, texts, messages, rounds=rounds, seconds=seconds)
            if options.only != "accepting":
                Run(sandbox, texts, messages).go()
    finally:
        with psycopg.connect(options.url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
