"""Interval CSV: packed days in PostgreSQL to plain bytes in memory, against DuckDB's two-thread COPY of finished text.

The bar: 5,000 ESI IDs over 31 days (14.88 million rows), at least twice DuckDB's rows a second, outputs equal
under `cmp`. DuckDB has the easier task (its table already holds the final text); both use the machine's two cores: it
two threads, the hub two processes, as two workers would, each with its own part and its own connection.

    python benchmarks/interval_csv.py            # 10 %: 500 ESI IDs, well under a minute
    python benchmarks/interval_csv.py --full     # the figure itself: about 4 GB of tmpfs, 8 GB of memory
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import psycopg
from psycopg import sql

from adapters.interval_csv import Profile, header, render
from smt_ws.parties.access import SLICE
from smt_ws.parties.tables import premise
from smt_ws.store import migrate
from smt_ws.store.dialect import copy_rows
from smt_ws.store.engine import Store
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.read import read_days
from smt_ws.usage.tables import interval_day, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

FIRST_DAY = date(2026, 7, 1)  # 31 days of 96 intervals
DAYS = 31
FIRST_ESIID = 10443720000000000
WORKERS = 2
BYTES_A_ROW = 110  # at most, either profile


def seed(url: str, premises: int) -> None:
    """Migrate the schema and store the days of *premises* as one load.

    0.3 % of intervals are estimated, one day in 200 has a missing interval or one of 10 kWh or more.
    """
    rng = np.random.default_rng(20260701)
    store = Store(url)
    migrate.upgrade(store)
    days = [FIRST_DAY + timedelta(days=offset) for offset in range(DAYS)]
    ensure_months(store, days)
    loaded = datetime(2026, 8, 1, 12, 30, 17, tzinfo=UTC)

    def rows() -> Iterator[tuple[int, int, date, int, bytes, bytes | None]]:
        for number in range(premises):
            wh = np.minimum(rng.gamma(1.2, 350, (DAYS, 96)), 9_900).astype("<i4")
            for offset, day in enumerate(days):
                statuses = None
                if rng.random() < 0.03:  # a tenth of such a day is estimated
                    statuses = np.where(rng.random(96) < 0.1, b"E", b"A").tobytes()
                odd = rng.random()
                if odd < 0.0025:
                    wh[offset, 70] = 12_345
                elif odd < 0.005:
                    wh[offset, 30] = 0
                    statuses = b"A" * 30 + b"M" + b"A" * 65
                yield number + 1, 4, day, 1, wh[offset].tobytes(), statuses

    with store.write() as connection:
        one = {"number": 1, "kind": "lse", "tdsp_duns": "1", "file_name": "benchmark", "sha256": "", "state": "loaded"}
        connection.execute(load.insert().values(**one, started_at=loaded, finished_at=loaded))
        named = ((number + 1, str(FIRST_ESIID + number), "1", 1) for number in range(premises))
        copy_rows(connection, premise, ["id", "esiid", "tdsp_duns", "load_number"], named)
        columns = ["premise_id", "channel", "operating_day", "load_number", "wh", "statuses"]
        copy_rows(connection, interval_day, columns, rows())
    with store.engine.connect() as plain:
        plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE interval_day")
    store.close()


def work(url: str, profile: Profile, first: int, last: int, part: Path, orders: Connection) -> None:
    """Be a worker: at each order write the part of the premises from *first* to *last*, say when it is done."""
    store = Store(url)
    slices = np.zeros(last - first + 1, SLICE)
    slices["esiid"] = np.arange(len(slices))
    slices["premise_id"] = np.arange(first, last + 1)
    slices["first_day"], slices["last_day"] = FIRST_DAY, FIRST_DAY + timedelta(days=DAYS - 1)
    orders.send("ready")
    while orders.recv():
        with part.open("wb", buffering=0) as file, store.read() as connection:
            if first == 1:
                file.write(header(profile))
            for chunk in render(read_days(connection, slices=slices, channels=(1, 4), as_of=1), profile):
                file.write(chunk)
        orders.send("done")
    store.close()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="5,000 ESI IDs instead of 500")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    arguments.add_argument("--profile", choices=["standard", "smt"], default="standard")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a tmpfs folder")
    options = arguments.parse_args()

    premises = 5_000 if options.full else 500
    total = premises * DAYS * 96
    needed = 3 * total * BYTES_A_ROW
    free = shutil.disk_usage(options.memory).free
    if free < needed:
        print(f"{options.memory} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed", file=sys.stderr)
        return 2
    schema = f"bench_interval_csv_{os.getpid()}"
    folder = options.memory / schema
    folder.mkdir()
    try:
        print(f"{total:,} rows, profile {options.profile}, {options.runs} runs, interleaved; seeding …", flush=True)
        with psycopg.connect(options.url) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        url = f"{options.url}{'&' if '?' in options.url else '?'}options=-csearch_path%3D{schema}"
        seed(url, premises)
        return measure(url, options.profile, premises, options.runs, folder)
    finally:
        shutil.rmtree(folder)
        with psycopg.connect(options.url) as connection:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def measure(url: str, profile: Profile, premises: int, runs: int, folder: Path) -> int:
    context = multiprocessing.get_context("spawn")
    parts = [folder / f"part{number}.csv" for number in range(WORKERS)]
    bounds = [1 + premises * number // WORKERS for number in range(WORKERS + 1)]
    workers = []
    for number, part in enumerate(parts):
        ours, theirs = context.Pipe()
        first, last = bounds[number], bounds[number + 1] - 1
        process = context.Process(target=work, args=(url, profile, first, last, part, theirs), daemon=True)
        process.start()
        ours.recv()
        workers.append((process, ours))

    def hub() -> float:
        begun = time.perf_counter()
        for _, orders in workers:
            orders.send(True)
        for _, orders in workers:
            orders.recv()
        return time.perf_counter() - begun

    hub()  # also warms caches, and makes the text that DuckDB's table is filled with
    database = duckdb.connect(":memory:")
    database.execute("SET threads=2")
    listed = ", ".join(f"'{part}'" for part in parts)
    names = header(profile).decode().strip().split(",")
    columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"
    database.execute(
        f"CREATE TABLE rows AS SELECT * FROM read_csv([{listed}], columns={columns}, header=false, quote='', escape='',"
        f" delim=',', auto_detect=false) WHERE ESIID <> 'ESIID'"
    )
    held = database.execute("SELECT count(*) FROM rows").fetchone()
    total = premises * DAYS * 96
    if held != (total,):
        print(f"DuckDB holds {held} rows, not {total}", file=sys.stderr)
        return 1
    baseline_file = folder / "duckdb.csv"

    def baseline() -> float:
        baseline_file.unlink(missing_ok=True)
        begun = time.perf_counter()
        database.execute(f"COPY rows TO '{baseline_file}' (FORMAT csv, HEADER true, QUOTE '', ESCAPE '')")
        return time.perf_counter() - begun

    baseline()
    ours, duck = [], []
    for run in range(1, runs + 1):
        for part in parts:
            part.unlink()
        ours.append(hub())
        duck.append(baseline())
        print(f"run {run}: hub {ours[-1]:.2f} s, DuckDB {duck[-1]:.2f} s", flush=True)
    for process, orders in workers:
        orders.send(False)
        process.join()

    with subprocess.Popen(["cat", *map(str, parts)], stdout=subprocess.PIPE) as joined:
        equal = subprocess.run(["cmp", "-", str(baseline_file)], stdin=joined.stdout, check=False).returncode == 0
    size = baseline_file.stat().st_size
    hub_rate, duck_rate = total / statistics.median(ours), total / statistics.median(duck)
    print(f"output      {size:,} bytes; equal under cmp: {'yes' if equal else 'NO'}")
    print(f"hub         {hub_rate / 1e6:6.2f} M rows/s (median; PostgreSQL to tmpfs, {WORKERS} processes)")
    print(f"DuckDB      {duck_rate / 1e6:6.2f} M rows/s (median; finished text to tmpfs, 2 threads)")
    print(f"ratio       {hub_rate / duck_rate:6.2f} (figure: at least 2)")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
