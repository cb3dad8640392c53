"""Each format of an interval order: stored days in PostgreSQL into the zip, one process, as a worker makes a part.

The bar: Green Button, opaque ids included, at least 1.5 million intervals a second a core. All formats are
made by the code that makes parts of orders (`smt_ws.orders.content`, `adapters.packing`), in turn in the same run;
encryption is not in it. Seconds are of CPU, all threads of this process; those of the PostgreSQL server are not in it,
the time on the clock is told beside. The floor is a raw deflate (ISA-L, level 1) of the same text and nothing else.

    python benchmarks/order_formats.py            # 10 %: 160 ESI IDs over 31 days, a few seconds
    python benchmarks/order_formats.py --full     # a whole part: 1,612 ESI IDs, 49,972 ESI-ID-days
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
from isal import isal_zlib
from psycopg import sql

from adapters import packing
from smt_ws.orders import plan
from smt_ws.orders.content import Wanted, data_content
from smt_ws.orders.renderers import INTERVAL, RENDERERS, Issue
from smt_ws.parties.record_parties import RecordParties
from smt_ws.parties.tables import company, premise
from smt_ws.settings import GreenButton, Limits
from smt_ws.store import migrate
from smt_ws.store.dialect import copy_rows
from smt_ws.store.engine import Store
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.tables import interval_day, load

FIRST_DAY = date(2026, 7, 1)  # 31 days of 96 intervals
DAYS = 31
MOMENT = datetime(2026, 8, 1, 12, 30, 17, tzinfo=UTC)


def seed(store: Store, premises: int) -> None:
    """Store the days of *premises* as one load; every 33rd day has estimated intervals."""
    rng = np.random.default_rng(20260701)
    days = [FIRST_DAY + timedelta(days=offset) for offset in range(DAYS)]
    ensure_months(store, days)

    def rows():
        for number in range(1, premises + 1):
            wh = np.minimum(rng.gamma(1.2, 350, (DAYS, 96)), 9_900).astype("<i4")
            for offset, day in enumerate(days):
                odd = (number + offset) % 33 == 0
                statuses = np.where(rng.random(96) < 0.1, b"E", b"A").tobytes() if odd else None
                yield number, 4, day, 1, wh[offset].tobytes(), statuses

    with store.write() as connection:
        one = {"number": 1, "kind": "lse", "tdsp_duns": "1", "file_name": "benchmark", "sha256": "", "state": "loaded"}
        connection.execute(load.insert().values(**one, started_at=MOMENT, finished_at=MOMENT))
        connection.execute(company.insert().values(id=1, legal_name="x", kind="REP", email="x@x", created_at=MOMENT))
        named = ((number, str(10443720000000000 + number), "1039940674000", 1) for number in range(1, premises + 1))
        copy_rows(connection, premise, ["id", "esiid", "tdsp_duns", "load_number"], named)
        columns = ["premise_id", "channel", "operating_day", "load_number", "wh", "statuses"]
        copy_rows(connection, interval_day, columns, rows())
    with store.engine.connect() as plain:
        plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE interval_day")


def once(store: Store, premises: int, report_format: str, folder: Path, secret: Path) -> tuple[float, float, int]:
    """Make the zip of one part; return seconds of CPU and of the clock, and how large the text is."""
    rows = np.zeros(premises, plan.SLICE)
    rows["esiid"], rows["premise_id"] = np.arange(premises), np.arange(1, premises + 1)
    rows["first_day"] = plan.day_number(FIRST_DAY)
    rows["last_day"] = rows["first_day"] + DAYS - 1
    esiids = [str(10443720000000000 + number) for number in range(1, premises + 1)]
    slices = plan.Slices(esiids, np.arange(premises, dtype=np.uint32), rows)
    wanted = Wanted(INTERVAL, slices, "A", "L", 1, None, MOMENT)
    button = GreenButton(namespace_secret=secret)
    started, spent = time.perf_counter(), time.process_time()
    with store.read() as connection, (folder / f"part.{report_format}.zip").open("wb") as out:
        content = data_content(
            connection,
            wanted,
            RENDERERS[INTERVAL, report_format],
            lambda ids: Issue(
                "standard",
                MOMENT,
                "111111111",
                RecordParties(connection, premise_ids=ids, company_id=1, as_of_load=1, accepted_at=MOMENT),
                button,
            ),
            Limits(),
        )
        packed = packing.pack(content.chunks, f"part.{report_format}", MOMENT, out)
    assert content.days_delivered == premises * DAYS
    return time.process_time() - spent, time.perf_counter() - started, packed.plain_size


def floor(store_file: Path) -> float:
    """Seconds that the raw deflate of the text inside *store_file* takes, a megabyte at a time."""
    with store_file.open("rb") as stream:
        texts = list(packing.open_member(stream).chunks)
    squeeze = isal_zlib.compressobj(1)
    started = time.process_time()
    for text in texts:
        squeeze.compress(text)
    squeeze.flush()
    return time.process_time() - started


def main() -> int:
    """Seed a schema of its own, measure, drop it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    arguments.add_argument("--runs", type=int, default=5)
    options = arguments.parse_args()
    premises = 1612 if options.full else 160
    schema = f"bench_order_formats_{os.getpid()}"
    with psycopg.connect(options.url) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    store = Store(f"{options.url}{'&' if '?' in options.url else '?'}options=-csearch_path%3D{schema}")
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            secret = folder / "secret"
            secret.write_text("5e" * 32)
            migrate.upgrade(store)
            seed(store, premises)
            intervals = premises * DAYS * 96
            print(f"{intervals:,} intervals, {options.runs} runs in turn, one process", flush=True)
            taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in ("CSV", "LSE", "XML")}
            for _ in range(options.runs):
                for name, runs in taken.items():
                    runs.append(once(store, premises, name, folder, secret))
            for name, runs in taken.items():
                cpu, clock, sizes = (statistics.median(column) for column in zip(*runs, strict=True))
                best = min(run[0] for run in runs)
                print(
                    f"{name}: {intervals / cpu / 1e6:.2f} million intervals a second of CPU (best"
                    f" {intervals / best / 1e6:.2f}; by the clock {intervals / clock / 1e6:.2f}),"
                    f" {sizes / 1e6:.0f} MB of text; raw deflate of it alone"
                    f" {intervals / floor(folder / f'part.{name}.zip') / 1e6:.2f}"
                )
    finally:
        store.close()
        with psycopg.connect(options.url) as connection:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
