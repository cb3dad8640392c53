"""Interval CSV: packed days in PostgreSQL to plain bytes in memory, against DuckDB's two-thread COPY of finished text.

Figure of issue 2: 5,000 ESI IDs over 31 days (14.88 million rows), at least twice DuckDB's rows a second, outputs equal
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

from adapters.interval_csv import IntervalDay, Profile, header, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

FIRST_DAY = date(2026, 7, 1)  # 31 days of 96 intervals
DAYS = 31
FIRST_ESIID = 10443720000000000
WORKERS = 2
BYTES_A_ROW = 110  # at most, either profile


def seed(url: str, schema: str, premises: int) -> None:
    """Store the days: 0.3 % of intervals estimated, one day in 200 with a missing interval or one of 10 kWh or more."""
    rng = np.random.default_rng(20260701)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        cursor.execute(
            sql.SQL(
                "CREATE TABLE {}.interval_day (esiid text, channel smallint, day date, revised timestamptz, vals bytea,"
                " statuses bytea, PRIMARY KEY (esiid, channel, day))"
            ).format(sql.Identifier(schema))
        )
        copy = sql.SQL("COPY {}.interval_day FROM STDIN (FORMAT BINARY)").format(sql.Identifier(schema))
        with cursor.copy(copy) as rows:
            rows.set_types(["text", "int2", "date", "timestamptz", "bytea", "bytea"])
            for number in range(premises):
                wh = np.minimum(rng.gamma(1.2, 350, (DAYS, 96)), 9_900).astype("<i4")
                for offset in range(DAYS):
                    statuses = None
                    if rng.random() < 0.03:  # a tenth of such a day is estimated
                        statuses = np.where(rng.random(96) < 0.1, b"E", b"A").tobytes()
                    odd = rng.random()
                    if odd < 0.0025:
                        wh[offset, 70] = 12_345
                    elif odd < 0.005:
                        wh[offset, 30] = 0
                        statuses = b"A" * 30 + b"M" + b"A" * 65
                    day = FIRST_DAY + timedelta(days=offset)
                    revised = datetime(day.year, day.month, day.day, 12, 30, number % 60, tzinfo=UTC) + timedelta(
                        days=1
                    )
                    rows.write_row((f"{FIRST_ESIID + number}", 4, day, revised, wh[offset].tobytes(), statuses))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("VACUUM ANALYZE {}.interval_day").format(sql.Identifier(schema)))


def stored_days(connection: psycopg.Connection, schema: str, first: str, last: str) -> Iterator[IntervalDay]:
    """Stream the days of these ESI IDs, in order. (A third of the work of a server-side cursor, measured here.)"""
    query = sql.SQL(
        "SELECT esiid, channel, day, revised, vals, statuses FROM {}.interval_day"
        " WHERE esiid BETWEEN %s AND %s ORDER BY esiid, channel, day"
    ).format(sql.Identifier(schema))
    with connection.cursor(binary=True) as cursor:
        for row in cursor.stream(query, (first, last), size=1000):
            yield IntervalDay(*row)


def work(url: str, schema: str, profile: Profile, first: str, last: str, part: Path, orders: Connection) -> None:
    """Be a worker: write the part at each order, say when it is done."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        orders.send("ready")
        while orders.recv():
            with part.open("wb", buffering=0) as file:
                if first == str(FIRST_ESIID):
                    file.write(header(profile))
                for chunk in render(stored_days(connection, schema, first, last), profile):
                    file.write(chunk)
            connection.rollback()
            orders.send("done")


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
        seed(options.url, schema, premises)
        return measure(options.url, schema, options.profile, premises, options.runs, folder)
    finally:
        shutil.rmtree(folder)
        with psycopg.connect(options.url) as connection:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def measure(url: str, schema: str, profile: Profile, premises: int, runs: int, folder: Path) -> int:
    context = multiprocessing.get_context("spawn")
    parts = [folder / f"part{number}.csv" for number in range(WORKERS)]
    bounds = [FIRST_ESIID + premises * number // WORKERS for number in range(WORKERS + 1)]
    workers = []
    for number, part in enumerate(parts):
        ours, theirs = context.Pipe()
        first, last = str(bounds[number]), str(bounds[number + 1] - 1)
        process = context.Process(target=work, args=(url, schema, profile, first, last, part, theirs), daemon=True)
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
