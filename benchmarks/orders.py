"""An order of 50,000 ESI IDs over 31 days, from accepted to the last file published, with two workers on PostgreSQL.

Against ``benchmarks/floor.py`` in the same run (before and after, so that a machine's drift hits both): it reads the
same packed rows and formats them as bytes on both cores, with no zip, no encryption, no files. The bar: at most twice
as long. Told beside: the highest sum of PSS of the workers, how long an order of one ESI ID takes that is placed in the
middle (bar: 5 seconds), and with ``--formats`` the same order in Green Button and LSE. ``--sizes`` orders 500, 5,000
and 50,000 ESI IDs in turn, three times: the cost of an ESI-ID-day of the largest is at most 1.2 times the smallest's.

    python benchmarks/orders.py                     # 10 %: 5,000 ESI IDs (about 100 MB of disk, a minute)
    python benchmarks/orders.py --full --formats --sizes
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
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
from interval_csv import DAYS, FIRST_DAY, FIRST_ESIID, seed
from load import Watch
from sqlalchemy import select

from smt_ws.hub import Hub
from smt_ws.orders.place import UsageRequest, place_order
from smt_ws.orders.tables import report_order
from smt_ws.parties.identify import Caller
from smt_ws.sandbox.build import Sandbox, make_sandbox

DUNS = "111111111"
WORKERS = 2
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
OPEN = ("Pending", "In Progress")


class Ordering:
    """A REP that orders, and watches its orders."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        with hub.store.read() as connection:
            company_id = connection.exec_driver_sql(
                f"SELECT company_id FROM company_duns WHERE duns = '{DUNS}'"
            ).scalar_one()
        self.caller = Caller(company_id, "Pecan Energy", "REP", DUNS, (DUNS,), "", "")
        self.made = 0

    def place(self, esiids: int, report_format: str = "CSV") -> int:
        """Place an order of so many ESI IDs; returns its number."""
        self.made += 1
        request = UsageRequest(
            trans_id=str(self.made), requestor_id="bench", start_date=f"{FIRST_DAY:%m/%d/%Y}",
            end_date=f"{LAST_DAY:%m/%d/%Y}", report_format=report_format,
            esiids=[str(FIRST_ESIID + n) for n in range(esiids)],
        )  # fmt: skip
        with self.hub.store.write() as connection:
            placed = place_order(
                connection, self.caller, request, limits=self.hub.settings.limits, clock=self.hub.clock
            )
        return placed.order_number

    def wait(self, number: int) -> None:
        """Wait until the order is done; it must be complete and hold every day."""
        while True:
            with self.hub.store.read() as connection:
                order = connection.execute(select(report_order).where(report_order.c.number == number)).one()
            if order.status not in OPEN:
                break
            time.sleep(0.1)
        if order.status != "Complete":
            raise RuntimeError(f"order {number} ended as {order.status}")

    def seconds(self, esiids: int, report_format: str = "CSV") -> float:
        """Place an order and wait for it."""
        began = time.perf_counter()
        self.wait(self.place(esiids, report_format))
        return time.perf_counter() - began

    def clear(self) -> None:
        """Remove the files of orders: they are large."""
        shutil.rmtree(self.hub.settings.ftps.root / DUNS / "adhoc", ignore_errors=True)
        (self.hub.settings.ftps.root / DUNS / "adhoc").mkdir()


@contextlib.contextmanager
def workers(sandbox: Sandbox) -> Iterator[Watch]:
    """``smt-ws work``, twice, and ``work --small``, as ``smt-ws serve`` has it; gives who watches their memory."""
    command = [sys.executable, "-m", "smt_ws.cli", "--settings", str(sandbox.settings_file), "work"]
    with (sandbox.folder / "work.log").open("ab") as log:
        commands = [command] * WORKERS + [[*command, "--small"]]
        running = [subprocess.Popen(one, stdout=log, stderr=log) for one in commands]
    memory = Watch(running, "sqlite")  # of the store nothing is asked
    memory.start()
    try:
        yield memory
    finally:
        memory.done.set()
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def floor(url: str, schema: str) -> tuple[float, int, int]:
    """Seconds, rows and bytes of the floor."""
    command = [sys.executable, str(Path(__file__).with_name("floor.py")), "--url", url, "--schema", schema]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found["seconds"], found["rows"], found["bytes"]


def measure(sandbox: Sandbox, url: str, schema: str, esiids: int, options: argparse.Namespace) -> None:
    """Run everything and print it."""
    ordering = Ordering(sandbox.hub())
    with workers(sandbox) as memory:
        ordering.seconds(50)  # imports and connections are there
        floors = [floor(url, schema)]
        took = ordering.seconds(esiids)
        ordering.clear()
        floors.append(floor(url, schema))
        least = statistics.mean(seconds for seconds, _, _ in floors)
        _, rows, size = floors[0]
        print(f"{esiids:,} ESI IDs, {rows:,} rows, {size / 1e9:.2f} GB plain; {WORKERS} workers")
        print(f"  order   {took:7.1f} s   {rows / took / 1e6:.2f} million rows a second, zip and OpenPGP included")
        print(f"  floor   {least:7.1f} s   {', '.join(f'{seconds:.1f}' for seconds, _, _ in floors)}")
        print(f"  order / floor  {took / least:.2f}   (bar: at most 2)", flush=True)
        large = ordering.place(esiids)
        time.sleep(min(5.0, took / 3))
        small = ordering.seconds(1)
        print(f"  an order of one ESI ID meanwhile: {small:.1f} s   (bar: 5 s)", flush=True)
        ordering.wait(large)
        ordering.clear()
        for name in ("XML", "LSE") if options.formats else ():
            took = ordering.seconds(esiids, name)
            print(f"  {name}     {took:7.1f} s   {rows / took / 1e6:.2f} million intervals a second", flush=True)
            ordering.clear()
        if options.sizes:
            sizes = (esiids // 100, esiids // 10, esiids)
            cost: dict[int, list[float]] = {size: [] for size in sizes}
            for _ in range(3):
                for size, costs in cost.items():
                    costs.append(ordering.seconds(size) / (size * DAYS) * 1e6)
                    ordering.clear()
            medians = {size: statistics.median(costs) for size, costs in cost.items()}
            for size, median in medians.items():
                print(f"  {size:>7,} ESI IDs: {median:.1f} µs an ESI-ID-day")
            print(f"  largest / smallest  {medians[sizes[-1]] / medians[sizes[0]]:.2f}   (bar: at most 1.2)")
        print(f"  workers' PSS together at most {memory.highest / 1e9:.2f} GB   (bar for the hub: 1.5 GB)")


def main() -> int:
    """Seed a schema of its own, measure, drop it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="50,000 ESI IDs instead of 5,000")
    arguments.add_argument("--formats", action="store_true", help="the same order in Green Button and LSE too")
    arguments.add_argument("--sizes", action="store_true", help="what an ESI-ID-day costs in orders of three sizes")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    options = arguments.parse_args()
    esiids = 50_000 if options.full else 5_000
    needed = esiids * 200_000
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        print(f"{needed / 1e9:.0f} GB of free disk are needed", file=sys.stderr)
        return 2
    schema = f"bench_orders_{os.getpid()}"
    url = f"{options.url}{'&' if '?' in options.url else '?'}options=-csearch_path%3D{schema}"
    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            sandbox = make_sandbox(Path(folder) / "sandbox", database=url, ports=(0, 0))
            seed(url, esiids)
            with psycopg.connect(options.url, autocommit=True, options=f"-csearch_path={schema}") as connection:
                connection.execute(
                    "INSERT INTO rep_of_record (premise_id, from_day, duns, load_number)"
                    f" SELECT id, DATE '2020-01-01', '{DUNS}', 1 FROM premise"
                )
                connection.execute("ANALYZE")
            measure(sandbox, options.url, schema, esiids, options)
    finally:
        with psycopg.connect(options.url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
