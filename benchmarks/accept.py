"""Accepting a signed order of 50,000 ESI IDs: from the last byte received to the signed answer.

Three figures of one run, taken in turn so that a machine's drift hits all alike:

* the hub: ``smt-ws soap`` with one process over mutual TLS, on PostgreSQL; all but the last byte of the request is
  sent, then the last byte, and the time until the whole answer is here is taken;
* the raw floor, in this process: lxml parse, exclusive C14N of the Body, SHA-256, RSA verification, the one access
  query and the hub's own INSERT statements with their commit;
* npm ``soap`` with ``xml-crypto`` and the same bytes, over mutual TLS in the same way. It validates nothing, stores
  nothing and signs no answer.

    python benchmarks/accept.py            # 10 %: 5,000 ESI IDs of 20,000 premises
    python benchmarks/accept.py --full     # 50,000 of 200,000
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from sqlalchemy import event, func, select

from adapters.soap.wssecurity import sign
from smt_ws.orders.place import UsageRequest, place_order
from smt_ws.parties.identify import Caller
from smt_ws.parties.premise_numbers import premise_numbers
from smt_ws.parties.tables import premise, rep_of_record
from smt_ws.sandbox.build import Sandbox, make_sandbox
from smt_ws.soap.app import CONTRACTS
from smt_ws.store.dialect import among, copy_rows

NAMESPACE = "urn:smt-ws:MeterUsage:1"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
DUNS = "111111111"
PACKAGES = ("soap@1.13.0", "xml-crypto@6.3.2")


def esiid(number: int) -> str:
    """The ESI ID of a premise of the benchmark."""
    return f"1044372{number:010}"


def seed(sandbox: Sandbox, premises: int) -> None:
    """Premises, each served by the asking REP."""
    hub = sandbox.hub()
    with hub.store.write() as connection:
        copy_rows(
            connection, premise, ["esiid", "tdsp_duns", "load_number"],
            ((esiid(n), "4444444440000", 1) for n in range(premises)),
        )  # fmt: skip
        connection.exec_driver_sql(
            "INSERT INTO rep_of_record (premise_id, from_day, duns, load_number)"
            f" SELECT id, DATE '2020-01-01', '{DUNS}', 1 FROM premise"
        )
    with hub.store.engine.connect() as plain:
        plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
    hub.store.close()


class Requests:
    """Signed orders, each with a trans_id of its own: a repeat would get its first answer."""

    def __init__(self, sandbox: Sandbox, esiids: Sequence[str]) -> None:
        certificates = sandbox.certificates
        key = load_pem_private_key((certificates / "pecan-energy-signing.key").read_bytes(), None)
        self.certificate = x509.load_pem_x509_certificate((certificates / "pecan-energy-signing.crt").read_bytes())
        self.key: Any = key
        self.esiids = "".join(f"<m:esiid>{one}</m:esiid>" for one in esiids)
        self.made = 0

    def next(self) -> bytes:
        """One more."""
        self.made += 1
        text = (
            f'<s:Envelope xmlns:s="{SOAP}"><s:Body><m:RequestIntervalData xmlns:m="{NAMESPACE}">'
            f"<m:trans_id>{os.getpid()}-{self.made}</m:trans_id><m:requestorID>bench</m:requestorID>"
            f"<m:requesterType>REP</m:requesterType>"
            f"<m:requesterAuthenticationID>{DUNS}</m:requesterAuthenticationID>"
            "<m:SMTTermsandConditions>Y</m:SMTTermsandConditions>"
            "<m:startDate>10/01/2026</m:startDate><m:endDate>10/31/2026</m:endDate>"
            f"<m:reportFormat>CSV</m:reportFormat>{self.esiids}"
            "</m:RequestIntervalData></s:Body></s:Envelope>"
        )
        return sign(etree.fromstring(text), key=self.key, certificate=self.certificate, now=datetime.now(UTC))


class Wire:
    """A connection over mutual TLS on which the last byte of a request is sent apart."""

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        certificates = sandbox.certificates
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        context.load_cert_chain(certificates / "pecan-energy-tls.crt", certificates / "pecan-energy-tls.key")
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")

    def seconds(self, message: bytes) -> float:
        """Send *message*; the time from its last byte to the end of the answer, which must be a success."""
        head = (
            "POST /soap/MeterUsage HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=utf-8\r\n"
            f'SOAPAction: "{NAMESPACE}:RequestIntervalData"\r\nContent-Length: {len(message)}\r\n\r\n'
        )
        self.socket.sendall(head.encode() + message[:-1])
        time.sleep(0.25)  # the server has read all but the last byte by then
        began = time.perf_counter()
        self.socket.sendall(message[-1:])
        answer = self._answer()
        took = time.perf_counter() - began
        if b"RequestIntervalDataResponse" not in answer or b"Fault>" in answer:
            raise RuntimeError(f"refused: {answer[:2000]!r}")
        return took

    def _answer(self) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (h.partition(b":") for h in head.split(b"\r\n")[1:])}
        if b"content-length" in fields:
            while len(body) < int(fields[b"content-length"]):
                body += self._more()
        else:
            while not body.endswith(b"0\r\n\r\n"):
                body += self._more()
        return body

    def _more(self) -> bytes:
        more = self.socket.recv(65536)
        if not more:
            raise RuntimeError("the server closed the connection")
        return more


class Floor:
    """What no implementation on this store and these libraries could leave out."""

    def __init__(self, sandbox: Sandbox, esiids: Sequence[str]) -> None:
        self.hub = sandbox.hub()
        self.esiids = esiids
        with self.hub.store.read() as connection:
            self.company_id = connection.exec_driver_sql(
                f"SELECT company_id FROM company_duns WHERE duns = '{DUNS}'"
            ).scalar_one()
        self.statements = self._inserts()

    def _inserts(self) -> list[tuple[str, Any]]:
        """The INSERT statements that the hub runs for such an order, caught from a real one that is rolled back."""
        caught: list[tuple[str, Any]] = []

        def catch(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
            if statement.startswith("INSERT"):
                caught.append((statement, [dict(p) for p in parameters] if many else dict(parameters)))

        event.listen(self.hub.store.engine, "before_cursor_execute", catch)
        caller = Caller(self.company_id, "Pecan Energy", "REP", DUNS, (DUNS,), "", "")
        request = UsageRequest("floor", "bench", "10/01/2026", "10/31/2026", "CSV", self.esiids)
        with contextlib.suppress(RuntimeError), self.hub.store.write() as connection:
            place_order(connection, caller, request, limits=self.hub.settings.limits, clock=self.hub.clock)
            raise RuntimeError("rolled back")
        event.remove(self.hub.store.engine, "before_cursor_execute", catch)
        return caught

    def seconds(self, message: bytes, key: Any) -> float:
        """The floor for these bytes."""
        signature_of = "{http://www.w3.org/2000/09/xmldsig#}"
        began = time.perf_counter()
        root = etree.fromstring(message)
        body = root[1]
        digest = hashlib.sha256(etree.tostring(body, method="c14n", exclusive=True)).digest()
        info = root.find(f".//{signature_of}SignedInfo")
        value = root.find(f".//{signature_of}SignatureValue")
        assert info is not None
        assert value is not None
        assert value.text
        assert digest
        canonical = etree.tostring(info, method="c14n", exclusive=True)
        key.verify(base64.b64decode(value.text), canonical, padding.PKCS1v15(), SHA256())
        esiids = [e.text or "" for e in body[0][8:]]
        with self.hub.store.write() as connection:
            served = select(rep_of_record.c.premise_id, rep_of_record.c.from_day).where(
                rep_of_record.c.duns == DUNS,
                among(connection, rep_of_record.c.premise_id, premise_numbers(connection, esiids).tolist()),
            )
            found = connection.execute(select(func.count()).select_from(served.subquery())).scalar_one()
            assert found == len(esiids)
            self._insert(connection.connection.driver_connection)
        return time.perf_counter() - began

    def _insert(self, driver: Any) -> None:
        with driver.cursor() as cursor:
            number = None
            for statement, parameters in self.statements:
                rows = parameters if isinstance(parameters, list) else [parameters]
                for row in rows:
                    values = {k: number if k.startswith("order_number") and number else v for k, v in row.items()}
                    cursor.execute(statement, values)
                if number is None and "RETURNING" in statement:
                    number = cursor.fetchone()[0]


@contextlib.contextmanager
def hub_process(sandbox: Sandbox) -> Iterator[int]:
    """``smt-ws soap`` over the sandbox; gives its port."""
    ready = sandbox.folder / "soap.json"
    with (sandbox.folder / "soap.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "smt_ws.cli", "--settings", sandbox.settings_file, "soap", "--ready-file", ready],
            stdout=log, stderr=log,
            env={**os.environ, "SMT_WS_SOAP__WORKERS": "1", "SMT_WS_LIMITS__OPEN_ESIIDS": "1000000000"},
        )  # fmt: skip
        try:
            end = time.monotonic() + 60
            while not ready.exists() or not ready.read_text():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((sandbox.folder / "soap.log").read_text())
                time.sleep(0.05)
            yield int(json.loads(ready.read_text())[0][1])
        finally:
            process.terminate()
            process.wait(30)


@contextlib.contextmanager
def node_process(sandbox: Sandbox, folder: Path) -> Iterator[int | None]:
    """The npm baseline; None where node or npm is not to be had."""
    if not (shutil.which("node") and shutil.which("npm")):
        print("npm baseline left out: node and npm are not here")
        yield None
        return
    folder.mkdir()
    (folder / "package.json").write_text('{"private": true}')
    modules = os.environ.get("SMT_WS_NODE_PATH")
    if not modules:
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
        subprocess.run(command, cwd=folder, check=True, timeout=200)
        modules = str(folder / "node_modules")
    certificates = sandbox.certificates
    process = subprocess.Popen(
        ["node", str(Path(__file__).parent / "node" / "verifying_server.cjs"),
         "--wsdl", str(CONTRACTS / "wsdl" / "MeterUsage.wsdl"), "--tls-key", str(certificates / "hub-tls.key"),
         "--tls-certificate", str(certificates / "hub-tls.crt"), "--ca", str(certificates / "ca.crt")],
        stdout=subprocess.PIPE, env={**os.environ, "NODE_PATH": modules},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="50,000 ESI IDs instead of 5,000")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    arguments.add_argument("--runs", type=int, default=7)
    options = arguments.parse_args()
    count, premises = (50_000, 200_000) if options.full else (5_000, 20_000)
    if shutil.disk_usage(tempfile.gettempdir()).free < 2e9:
        print("2 GB of free disk are needed", file=sys.stderr)
        return 2
    schema = f"bench_accept_{os.getpid()}"
    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = f"{options.url}{'&' if '?' in options.url else '?'}options=-csearch_path%3D{schema}"
            sandbox = make_sandbox(Path(folder) / "sandbox", database=url)
            seed(sandbox, premises)
            measure(sandbox, Path(folder), [esiid(n * (premises // count)) for n in range(count)], options.runs)
    finally:
        with psycopg.connect(options.url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
    return 0


def measure(sandbox: Sandbox, folder: Path, esiids: Sequence[str], runs: int) -> None:
    """Take the three figures in turn."""
    requests = Requests(sandbox, esiids)
    floor = Floor(sandbox, esiids)
    took: dict[str, list[float]] = {"hub": [], "floor": [], "npm": []}
    with hub_process(sandbox) as port, node_process(sandbox, folder / "node") as node_port:
        for run in range(runs + 2):
            message = requests.next()
            figures: list[tuple[str, Callable[[], float]]] = [
                ("floor", lambda m=message: floor.seconds(m, requests.certificate.public_key())),  # type: ignore[misc]
                ("hub", lambda m=message: Wire(sandbox, port).seconds(m)),  # type: ignore[misc]
            ]
            if node_port is not None and run < 5:  # it is slow, and steady
                figures.append(("npm", lambda m=message: Wire(sandbox, node_port).seconds(m)))  # type: ignore[misc, union-attr]
            for name, measured in figures:
                seconds = measured()
                if run >= 2:  # the first two warm up
                    took[name].append(seconds)
    print(f"{len(esiids):,} ESI IDs, message of {len(message):,} bytes, medians")
    median = {name: statistics.median(values) for name, values in took.items() if values}
    for name, seconds in median.items():
        spread = f"{min(took[name]) * 1000:.0f}–{max(took[name]) * 1000:.0f}"
        print(f"  {name:<6}{seconds * 1000:9.1f} ms  ({spread} ms, {len(took[name])} runs)")
    print(f"  hub / floor  {median['hub'] / median['floor']:.2f}   (bar: at most 2)")
    if "npm" in median:
        print(f"  npm / hub    {median['npm'] / median['hub']:.1f}   (bar: at least 20, at 50,000 ESI IDs)")


if __name__ == "__main__":
    sys.exit(main())
