"""Loading a market day: zipped, encrypted LSE files in the TDSPs' inboxes to committed, validated, queryable days.

The bar: 2.5 million records of 2.5 million distinct ESI IDs in 50 files of 5 TDSPs in at most 120 s on PostgreSQL with
two cores; at most 8 times a bare binary COPY of the same packed rows in the same run; hub processes at most 1.5 GB of
PSS. The files lie in the inboxes; then ``smt-ws intake`` processes are started and the time runs until the last load is
committed, decryption and unzipping included. A second load has the same days again (in other files), a third replaces a
tenth of them.

``--month`` goes on from there: eight days of all those homes are put into the same month's partition by COPY, and the
median of three new days, and of three times a tenth of the eighth day replaced, is held against the empty table's
figures (the bar: at most 1.3 times).

Processor seconds are printed beside the time, of the hub's processes with their children and of PostgreSQL's backends
for them: on a machine that does other work too, they are what can be compared.

    python benchmarks/load.py              # 10 %: 5 files of 50,000 records
    python benchmarks/load.py --full       # the figure: about 6 GB of disk, 15 minutes
    python benchmarks/load.py --month      # 10 %, then with 2 million rows in the month's partition
    python benchmarks/load.py --month --full   # with 20 million rows: about 26 GB of disk
    python benchmarks/load.py --sqlite     # 10 % on SQLite
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psycopg
from market_day import BEFORE, DAY, PER_FILE, SHAPES, TDSPS, seed, seed_days, shapes, write_files
from sqlalchemy import select

from adapters.large_pages import with_large_pages
from smt_ws.sandbox.build import Sandbox, make_sandbox
from smt_ws.usage.tables import load

#: By which PostgreSQL knows the intakes' connections.
NAME = "smt-ws intake"


@dataclass(frozen=True)
class Took:
    """What taking in a set of files took."""

    seconds: float
    #: Processor seconds of the hub's processes and of PostgreSQL's for them.
    hub_cpu: float
    store_cpu: float
    #: Highest sum of PSS, bytes.
    memory: int
    #: Records loaded, replaced, unchanged.
    counts: tuple[int, int, int]


def bare_copy(url: str, files: int) -> float:
    """Seconds that a binary COPY of the same packed rows into a table without an index takes."""
    days = [day.tobytes() for day in shapes()]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bare (premise_id int8, channel int2, operating_day date, load_number int8, wh bytea)"
        )
        began = time.perf_counter()
        with cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as rows:
            rows.set_types(["int8", "int2", "date", "int8", "bytea"])
            for home in range(PER_FILE * files):
                rows.write_row((home + 1, 4, DAY, 1, days[home % SHAPES]))
        connection.commit()
        took = time.perf_counter() - began
        cursor.execute("DROP TABLE bare")
    return took


class Watch(threading.Thread):
    """The highest sum of PSS of the hub's processes, and the processor time of PostgreSQL's backends for them."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], url: str) -> None:
        super().__init__(daemon=True)
        self.processes = processes
        self.url = url
        self.highest = 0
        self.done = threading.Event()
        #: By process, clock ticks when last seen.
        self.ticks: dict[int, int] = {}

    @property
    def store_cpu(self) -> float:
        """Processor seconds of the backends."""
        return sum(self.ticks.values()) / os.sysconf("SC_CLK_TCK")

    def run(self) -> None:
        """Look four times a second."""
        with ExitStack() as stack:
            store = None
            if not self.url.startswith("sqlite"):
                store = stack.enter_context(psycopg.connect(self.url, autocommit=True))
            while not self.done.wait(0.25):
                self.highest = max(self.highest, sum(_pss(process.pid) for process in self.processes))
                if store is not None:
                    named = store.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", (NAME,))
                    self.ticks |= {pid: ticks(pid) or self.ticks.get(pid, 0) for (pid,) in named}


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def ticks(pid: int) -> int:
    """Clock ticks of processor time that a process has used; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def take_in(sandbox: Sandbox, url: str, files: int, processes: int, timeout: float) -> Took:
    """Run intakes until so many more loads are committed."""
    hub = sandbox.hub()
    with hub.store.read() as connection:
        before = {row.number for row in connection.execute(select(load.c.number))}
    cpu = children_cpu()
    began = time.perf_counter()
    with (sandbox.folder / "intake.log").open("ab") as log:
        command = [sys.executable, "-m", "smt_ws.cli", "--settings", str(sandbox.settings_file), "intake"]
        environment = with_large_pages(os.environ) | {"PGAPPNAME": NAME}  # as `smt-ws serve` starts them
        running = [subprocess.Popen(command, stdout=log, stderr=log, env=environment) for _ in range(processes)]
    watch = Watch(running, url)
    watch.start()
    try:
        while True:
            with hub.store.read() as connection:
                rows = [
                    row
                    for row in connection.execute(select(load).where(load.c.state == "loaded"))
                    if row.number not in before
                ]
            if len(rows) >= files:
                took = time.perf_counter() - began
                break
            if time.perf_counter() - began > timeout or all(process.poll() is not None for process in running):
                raise RuntimeError(
                    f"{len(rows)} of {files} loads after {timeout:.0f} s; see {sandbox.folder}/intake.log"
                )
            time.sleep(0.1)
    finally:
        watch.done.set()
        watch.join()
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)
    hub.store.close()
    counts = [sum(getattr(row, name) for row in rows) for name in ("loaded", "replaced", "unchanged")]
    return Took(took, children_cpu() - cpu, watch.store_cpu, watch.highest, (counts[0], counts[1], counts[2]))


def children_cpu() -> float:
    """Processor seconds of the processes that were started here and have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@dataclass
class Bench:
    """One run: where, how much, and how it is told."""

    sandbox: Sandbox
    url: str
    files: int
    processes: int
    generation: int = 0

    def measure(self, title: str, day: date, replaced: float) -> float:
        """Write a generation of files, take it in, print what it took; return the seconds."""
        self.generation += 1
        size = write_files(self.sandbox, self.files, self.generation, day, replaced)
        bare = 0.0 if self.url.startswith("sqlite") else bare_copy(self.url, self.files)
        took = take_in(self.sandbox, self.url, self.files, self.processes, timeout=1800)
        total = self.files * PER_FILE
        a_record = 1e6 / total
        ratio = f"  bare COPY {bare:6.1f} s  ratio {took.seconds / bare:5.2f}" if bare else ""
        print(
            f"  {title:<22}{took.seconds:8.1f} s  {total / took.seconds:9,.0f} records/s  {size / 1e9:.2f} GB plain"
            f"{ratio}"
            f"  CPU a record: hub {took.hub_cpu * a_record:.1f} us, store {took.store_cpu * a_record:.1f} us"
            f"  PSS {took.memory / 1e9:.2f} GB"
            f"  loaded {took.counts[0]:,} replaced {took.counts[1]:,} unchanged {took.counts[2]:,}",
            flush=True,
        )
        return took.seconds


def run(bench: Bench, *, month: bool) -> None:
    """The three loads into an empty table; then, on demand, those into a month that has eight days already."""
    seed(bench.sandbox, bench.files)
    print(
        f"{bench.files * PER_FILE:,} records in {bench.files} files of {len(TDSPS)} TDSPs, {bench.processes} intakes",
        flush=True,
    )
    # a month of its own, so that its partition is empty
    earlier = date(2026, 10, 20)
    first = bench.measure("first load", earlier, 0.0)
    bench.measure("all unchanged", earlier, 0.0)
    tenth = bench.measure("a tenth replaced", earlier, 0.1)
    if not month:
        return
    seed_days(bench.sandbox, bench.files)
    print(f"{BEFORE * bench.files * PER_FILE:,} rows in the month's partition", flush=True)
    new = [bench.measure(f"new day {n + 1}", DAY + timedelta(days=BEFORE + n), 0.0) for n in range(3)]
    again = [bench.measure(f"day {BEFORE} replaced {n + 1}", DAY + timedelta(days=BEFORE - 1), 0.1) for n in range(3)]
    print(
        f"  against the empty table: new day {statistics.median(new) / first:.2f},"
        f" a tenth replaced {statistics.median(again) / tenth:.2f} (medians of 3)"
    )


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="50 files of 50,000 records instead of 5")
    arguments.add_argument("--month", action="store_true", help="then with eight days in the month's partition")
    arguments.add_argument("--sqlite", action="store_true", help="on SQLite; one intake")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    arguments.add_argument("--processes", type=int, default=2, help="intake processes")
    options = arguments.parse_args()
    files = 50 if options.full else 5
    needed = files * PER_FILE * (12_000 if options.month else 4_000)
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        print(f"{needed / 1e9:.0f} GB of free disk are needed", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        schema = f"bench_load_{os.getpid()}"
        url = f"sqlite:///{folder}/hub.db" if options.sqlite else own_schema(stack, options.url, schema)
        sandbox = make_sandbox(folder / "sandbox", database=url, ports=(0, 0))
        run(Bench(sandbox, url, files, 1 if options.sqlite else options.processes), month=options.month)
    return 0


def own_schema(stack: ExitStack, url: str, schema: str) -> str:
    """Make a schema that is dropped at the end; return the URL that works in it."""

    def execute(statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)

    execute(f"CREATE SCHEMA {schema}")
    stack.callback(execute, f"DROP SCHEMA {schema} CASCADE")
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"


if __name__ == "__main__":
    sys.exit(main())
