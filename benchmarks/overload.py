"""Three times as many orders as a hub can take: who is taken is answered in good time, the rest is told when to come.

Over a whole running hub (``smt-ws serve``: gate, workers, outbox, all of it) on PostgreSQL, in three steps:

* capacity: a caller for each thread of the hub orders, each again as soon as it is answered;
* three times that rate, whatever the answers: every request has its moment, and its latency counts from that moment,
  so that a slow answer cannot hide that the next request should long have been sent;
* then nothing, until every order that was taken has ended.

It fails (exit code 1) where an order that was answered with a number does not complete or one that was refused exists;
where a refusal is anything but HUB_BUSY with Retry-After; where less than half of the capacity is taken meanwhile; or
where one in a hundred of those taken waited longer than ``soap.queue_seconds`` and a second. Without a bound the last
would wait two thirds of the time that it went on.

    python benchmarks/overload.py                 # 10 s of it
    python benchmarks/overload.py --seconds 60
"""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from accept import Requests, esiid, seed
from sqlalchemy import func, select

from smt_ws.orders.tables import report_order
from smt_ws.sandbox.build import Sandbox, make_sandbox
from smt_ws.sandbox.demo import running_hub

#: Connections of the overload: more than requests can be under way.
CONNECTIONS = 128
TIMES = 3.0
OPEN = ("Pending", "In Progress")


@dataclass(frozen=True)
class Told:
    """One answer, and when: seconds since the request was due, and since the beginning."""

    status: int
    busy: bool
    retry_after: int | None
    latency: float
    at: float


@dataclass
class Load:
    """Sends messages over connections that are kept, and notes every answer."""

    sandbox: Sandbox
    port: int
    told: list[Told] = field(default_factory=list)

    def connection(self) -> http.client.HTTPSConnection:
        """One with the REP's certificate, open already: the load is requests, not handshakes."""
        certificates = self.sandbox.certificates
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        context.load_cert_chain(certificates / "pecan-energy-tls.crt", certificates / "pecan-energy-tls.key")
        opened = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=120)
        opened.connect()
        return opened

    def send(self, opened: http.client.HTTPSConnection, message: bytes, due: float, began: float) -> None:
        """Send one request that is due at *due*, a moment of the monotonic clock."""
        opened.request("POST", "/soap/MeterUsage", message, {"Content-Type": "text/xml; charset=utf-8"})
        response = opened.getresponse()
        content, now = response.read(), time.monotonic()
        pause = response.headers["Retry-After"]
        self.told.append(
            Told(response.status, b"HUB_BUSY" in content, int(pause) if pause else None, now - due, now - began)
        )

    def closed(self, messages: Sequence[bytes], callers: int, seconds: float) -> float:
        """Callers that wait for each answer; returns answers a second."""
        turn, lock = iter(messages), threading.Lock()
        began = time.monotonic()

        def calls() -> None:
            opened = self.connection()
            while (now := time.monotonic()) < began + seconds:
                with lock:
                    message = next(turn, None)
                if message is None:
                    return
                self.send(opened, message, now, began)
            opened.close()

        _together(calls, callers)
        return len(self.told) / (time.monotonic() - began)

    def at_rate(self, messages: Sequence[bytes], rate: float) -> None:
        """Message after message at *rate* a second, whatever becomes of them."""
        numbered, lock = iter(enumerate(messages)), threading.Lock()
        ready = threading.Barrier(CONNECTIONS)
        began = 0.0

        def calls() -> None:
            nonlocal began
            opened = self.connection()
            if ready.wait(120) == 0:
                began = time.monotonic() + 0.5
            ready.wait(120)
            while True:
                with lock:
                    number, message = next(numbered, (-1, b""))
                if number < 0:
                    break
                due = began + number / rate
                time.sleep(max(0.0, due - time.monotonic()))
                try:
                    self.send(opened, message, due, began)
                except (OSError, http.client.HTTPException):
                    opened.close()
                    opened = self.connection()
                    self.send(opened, message, due, began)  # a connection that was let go: it is the same request
            opened.close()

        _together(calls, CONNECTIONS)


def _together(work: Callable[[], None], count: int) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def measure(sandbox: Sandbox, seconds: float) -> bool:
    """Take the three steps and print; whether all is as it must be."""
    requests = Requests(sandbox, [esiid(1)])
    with running_hub(sandbox, wait=300):
        hub = sandbox.hub()
        port, patience = hub.settings.soap.port, hub.settings.soap.queue_seconds
        callers = hub.settings.soap.workers * hub.settings.soap.threads
        first = Load(sandbox, port)
        first.closed([requests.next() for _ in range(200)], callers, 60)  # what a process does once
        alone = Load(sandbox, port)
        capacity = alone.closed([requests.next() for _ in range(2000)], callers, 5)
        rate = TIMES * capacity
        messages = [requests.next() for _ in range(int(rate * seconds))]
        load = Load(sandbox, port)
        load.at_rate(messages, rate)
        took = max(one.at for one in load.told)
        taken = [one for one in load.told if one.status == 200]
        refused = [one for one in load.told if one.status != 200]
        wrong = [one for one in refused if not (one.status == 503 and one.busy and one.retry_after)]
        accepted = sum(one.status == 200 for one in (*first.told, *alone.told)) + len(taken)
        began = time.monotonic()
        while True:
            with hub.store.read() as connection:
                counted = connection.execute(select(report_order.c.status, func.count()).group_by("status")).all()
            found = Counter(dict(counted))  # type: ignore[arg-type]
            if not any(found[status] for status in OPEN):
                break
            if time.monotonic() - began > 1800:
                raise RuntimeError(f"not finished after half an hour: {found}")
            time.sleep(1)
        finished = time.monotonic() - began
        hub.store.close()
    ended = found["Complete"] + found["Complete with exceptions"]
    late = [one for one in taken if one.at > took / 2]
    print(f"capacity   {capacity:6.1f} orders/s, {callers} callers; median {_median(alone.told) * 1e3:.0f} ms")
    times = len(load.told) / max(capacity * took, len(taken))
    print(f"offered    {len(load.told) / took:6.1f} a second for {took:.1f} s, {times:.1f} times what it can take")
    print(f"taken      {len(taken) / took:6.1f} a second ({len(taken)}); {_spread(taken)}")
    print(f"           in the second half: {_spread(late)}; without a bound {took * (1 - 1 / TIMES):.1f} s in the end")
    pauses = sorted({one.retry_after for one in refused if one.retry_after})
    print(
        f"refused    {len(refused) / took:6.1f} a second ({len(refused)}); {_spread(refused)}; Retry-After {pauses} s"
    )
    print(f"finished   {ended} of {accepted} accepted orders, {finished:.0f} s after the last request; {dict(found)}")
    verdicts = {
        "every refusal is HUB_BUSY with Retry-After": not wrong,
        "at least twice as many were offered as it can take": times >= 2,
        "every accepted order has completed, and there is no other": ended == accepted == sum(found.values()),
        "at least half of the capacity was taken meanwhile": len(taken) / took >= capacity / 2,
        f"99 in 100 of those taken within {patience + 1:.0f} s": _part(taken, 0.99) <= patience + 1,
    }
    for what, true in verdicts.items():
        print(f"  {'yes' if true else 'NO ':<4}{what}")
    return all(verdicts.values())


def _median(told: Sequence[Told]) -> float:
    return statistics.median(one.latency for one in told)


def _part(told: Sequence[Told], part: float) -> float:
    ordered = sorted(one.latency for one in told)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def _spread(told: Sequence[Told]) -> str:
    if not told:
        return "none"
    figures = (_median(told), _part(told, 0.95), _part(told, 0.99), max(one.latency for one in told))
    return "median {:.2f} s, p95 {:.2f}, p99 {:.2f}, longest {:.2f}".format(*figures)


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=10.0, help="of overload")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    options = arguments.parse_args()
    schema = f"bench_overload_{os.getpid()}"
    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = f"{options.url}{'&' if '?' in options.url else '?'}options=-csearch_path%3D{schema}"
            sandbox = make_sandbox(Path(folder) / "sandbox", database=url, ports=(0, 0))
            seed(sandbox, 1000)
            well = measure(sandbox, options.seconds)
    finally:
        with psycopg.connect(options.url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
