"""Small signed calls: ``Ping`` over mutual TLS on connections that are kept, two processes a server.

In turn, in one run, so that a machine's drift hits all alike:

* the hub: ``smt-ws soap`` with two processes on PostgreSQL. It verifies, looks up who is calling, validates against
  the XSD, and signs its answer;
* npm ``soap`` with ``xml-crypto``, two processes, which verifies the same bytes and answers unsigned, asking no store;
* the same, signing its answers.

Each caller sends its next call when it has the answer to the last. The callers share the machine with the server: all
three have the same. On a busy machine quote the processor time that a call costs the server; PostgreSQL's is not in it.

    python benchmarks/ping.py            # 10 %: 3 rounds of 3 s each
    python benchmarks/ping.py --full     # 3 rounds of 30 s each
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from accept import PACKAGES, Wire
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from adapters.soap.wssecurity import sign
from smt_ws.sandbox.build import Sandbox, make_sandbox
from smt_ws.soap.app import CONTRACTS

NAMESPACE = "urn:smt-ws:Connectivity:1"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
CALLERS = 8


def signed_ping(sandbox: Sandbox, number: int) -> bytes:
    """One caller's call, ready to be sent; good for nine minutes, and again and again, for it changes nothing."""
    certificates = sandbox.certificates
    key = load_pem_private_key((certificates / "pecan-energy-signing.key").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    message = sign(
        etree.fromstring(
            f'<s:Envelope xmlns:s="{SOAP}"><s:Body><m:Ping xmlns:m="{NAMESPACE}"><m:trans_id>{number}</m:trans_id>'
            "<m:requestorID>bench</m:requestorID><m:requesterType>REP</m:requesterType>"
            "<m:requesterAuthenticationID>111111111</m:requesterAuthenticationID>"
            "<m:SMTTermsandConditions>Y</m:SMTTermsandConditions></m:Ping></s:Body></s:Envelope>"
        ),
        key=key,
        certificate=x509.load_pem_x509_certificate((certificates / "pecan-energy-signing.crt").read_bytes()),
        now=datetime.now(UTC),
        lifetime=timedelta(minutes=9),
    )
    head = (
        "POST /soap/Connectivity HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=utf-8\r\n"
        f'SOAPAction: "{NAMESPACE}:Ping"\r\nContent-Length: {len(message)}\r\n\r\n'
    )
    return head.encode() + message


class Caller(Wire):
    """A connection that is kept, on which one call follows the other."""

    def call(self, request: bytes) -> None:
        """Send *request* and read the answer, which must be a success."""
        self.socket.sendall(request)
        answer = self._answer()
        if b"PingResponse" not in answer or b"Fault>" in answer:
            raise RuntimeError(f"refused: {answer[:2000]!r}")


def processor_seconds(process: int) -> float:
    """Processor time that *process* and those it has started have spent so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return own + sum(processor_seconds(int(child)) for child in children)


def rounds(sandbox: Sandbox, port: int, seconds: float) -> list[float]:
    """All callers at once for *seconds*; how long each call took."""
    took: list[float] = []
    failed: list[BaseException] = []
    begin = threading.Barrier(CALLERS)

    def calls(number: int) -> None:
        try:
            request = signed_ping(sandbox, number)
            caller = Caller(sandbox, port)
            caller.call(request)  # the connection, and what a server does once
            begin.wait(60)
            end = time.perf_counter() + seconds
            while (sent := time.perf_counter()) < end:
                caller.call(request)
                took.append(time.perf_counter() - sent)
            caller.socket.close()
        except BaseException as error:
            failed.append(error)
            begin.abort()

    callers = [threading.Thread(target=calls, args=(n,)) for n in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    if failed:
        raise failed[0]
    return took


@contextlib.contextmanager
def hub_process(sandbox: Sandbox) -> Iterator[tuple[int, int]]:
    """``smt-ws soap`` over the sandbox; gives its port and its process."""
    ready = sandbox.folder / "soap.json"
    with (sandbox.folder / "soap.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "smt_ws.cli", "--settings", sandbox.settings_file, "soap", "--ready-file", ready],
            stdout=log, stderr=log, env={**os.environ, "SMT_WS_SOAP__WORKERS": "2"},
        )  # fmt: skip
        try:
            end = time.monotonic() + 60
            while not ready.exists() or not ready.read_text():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((sandbox.folder / "soap.log").read_text())
                time.sleep(0.05)
            yield int(json.loads(ready.read_text())[0][1]), process.pid
        finally:
            process.terminate()
            process.wait(30)


def npm_modules(folder: Path) -> str | None:
    """Where the npm baseline is; None where node or npm is not to be had."""
    if modules := os.environ.get("SMT_WS_NODE_PATH"):
        return modules
    if not (shutil.which("node") and shutil.which("npm")):
        print("npm baseline left out: node and npm are not here")
        return None
    folder.mkdir()
    (folder / "package.json").write_text('{"private": true}')
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    subprocess.run(command, cwd=folder, check=True, timeout=200)
    return str(folder / "node_modules")


@contextlib.contextmanager
def node_process(sandbox: Sandbox, modules: str, *, signs: bool) -> Iterator[tuple[int, int]]:
    """The npm baseline; gives its port and its process."""
    certificates = sandbox.certificates
    signing = ["--sign-key", certificates / "hub-signing.key", "--sign-certificate", certificates / "hub-signing.crt"]
    process = subprocess.Popen(
        ["node", Path(__file__).parent / "node" / "ping_server.cjs", "--processes", "2",
         "--wsdl", CONTRACTS / "wsdl" / "Connectivity.wsdl", "--tls-key", certificates / "hub-tls.key",
         "--tls-certificate", certificates / "hub-tls.crt", "--ca", certificates / "ca.crt",
         *(signing if signs else [])],
        stdout=subprocess.PIPE, env={**os.environ, "NODE_PATH": modules},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def measure(sandbox: Sandbox, folder: Path, seconds: float) -> None:
    """Three rounds of each in turn, then the figures of the medians."""
    with contextlib.ExitStack() as running:
        servers = {"hub": running.enter_context(hub_process(sandbox))}
        if modules := npm_modules(folder / "node"):
            servers["npm"] = running.enter_context(node_process(sandbox, modules, signs=False))
            servers["npm, signing"] = running.enter_context(node_process(sandbox, modules, signs=True))
        for port, _process in servers.values():
            rounds(sandbox, port, 1.0)  # warm-up: node compiles what is hot
        rates: dict[str, list[float]] = {name: [] for name in servers}
        times: dict[str, list[float]] = {name: [] for name in servers}
        spent: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(3):
            for name, (port, process) in servers.items():
                before = processor_seconds(process)
                took = rounds(sandbox, port, seconds)
                rates[name].append(len(took) / seconds)
                times[name] += took
                # each caller's first call is not among those that were timed
                spent[name].append((processor_seconds(process) - before) / (len(took) + CALLERS))
    print(f"{CALLERS} callers, 3 rounds of {seconds:.0f} s each, two processes a server; medians of the rounds")
    rate = {name: statistics.median(values) for name, values in rates.items()}
    cost = {name: statistics.median(values) for name, values in spent.items()}
    for name in servers:
        cuts = statistics.quantiles(times[name], n=100)
        spread = f"({min(rates[name]):.0f}–{max(rates[name]):.0f})"
        print(
            f"  {name:<13}{rate[name]:7.0f} calls/s  {spread:<12} p50 {cuts[49] * 1000:6.1f} ms  p99"
            f" {cuts[98] * 1000:6.1f} ms  {cost[name] * 1000:5.2f} ms of processor time a call"
        )
    for name in list(servers)[1:]:
        bar = "   (bar: at least 2)" if name == "npm" else ""
        by_calls, by_processor = rate["hub"] / rate[name], cost[name] / cost["hub"]
        print(f"  hub / {name:<13}{by_calls:5.2f} by calls{bar}, {by_processor:.2f} by processor time")


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="30 s a round instead of 3")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    options = arguments.parse_args()
    if shutil.disk_usage(tempfile.gettempdir()).free < 1e9:
        print("1 GB of free disk is needed", file=sys.stderr)
        return 2
    schema = f"bench_ping_{os.getpid()}"
    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = f"{options.url}{'&' if '?' in options.url else '?'}options=-csearch_path%3D{schema}"
            sandbox = make_sandbox(Path(folder) / "sandbox", database=url, ports=(0, 0))
            measure(sandbox, Path(folder), 30.0 if options.full else 3.0)
    finally:
        with psycopg.connect(options.url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
