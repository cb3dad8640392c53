"""The daily posting of a market day: 100 REPs, 5 TDSPs, a record for each home, to encrypted files in the folders.

The bar: 2.5 million records, as LSE, split by REP and TDSP, zipped and encrypted, in at most 60 s on PostgreSQL with
two cores; the same as CSV is told. The days lie in the store; the time runs from the start of `post_daily` (the
planning, told by itself) until ``smt-ws work`` processes have published the last file. They run from the beginning, as
in a hub, and build the first REP's files while the next one's are planned.

    python benchmarks/posting.py           # 10 %: 250,000 records
    python benchmarks/posting.py --full    # the figure: about 4 GB of disk
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import load as market_day
import numpy as np
from sqlalchemy import func, select, update

from adapters import openpgp
from adapters.lse import LOAD
from smt_ws.hub import Hub
from smt_ws.orders.posting import Posted, ensure_defaults, post_daily
from smt_ws.orders.rules import PartState
from smt_ws.orders.tables import order_part, subscription
from smt_ws.parties import companies
from smt_ws.parties.tables import rep_of_record
from smt_ws.sandbox.build import NOW, Sandbox, make_sandbox
from smt_ws.store.columns import copy_columns
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.tables import interval_day, load, load_counter

DAY = market_day.DAY
REPS = tuple(f"2222222220{n:03}" for n in range(100))


def seed_reps(sandbox: Sandbox, homes: int) -> None:
    """REPs with an OpenPGP certificate; every hundredth home is one's, so that each has some with every TDSP."""
    hub = sandbox.hub()
    _, certificate = openpgp.make_key("reports@rep.example")
    for duns in REPS:
        companies.add_company(
            hub.store, legal_name=f"REP {duns}", kind="REP", email="rep@example.com", duns=[duns],
            actor="operator:benchmark", clock=hub.clock,
        )  # fmt: skip
        companies.set_openpgp_certificate(
            hub.store, duns=duns, armored=certificate, actor="operator:benchmark", clock=hub.clock
        )
    premises = np.arange(homes) + 1
    with hub.store.write() as connection:
        copy_columns(
            connection,
            rep_of_record,
            {
                "premise_id": premises,
                "from_day": np.full(homes, DAY - timedelta(days=400), "datetime64[D]"),
                "duns": np.array([duns.encode() for duns in REPS])[premises % len(REPS)],
                "load_number": np.full(homes, 1),
            },
        )
        ensure_defaults(connection, now=hub.clock.now())
    hub.store.close()


def seed_day(sandbox: Sandbox, homes: int, format_: str) -> None:
    """One more day of every home, a load of its own; and every REP is to get it in this format."""
    hub = sandbox.hub()
    ensure_months(hub.store, [DAY])
    wh = np.stack(market_day.shapes())
    with hub.store.write() as connection:
        number = connection.execute(select(load_counter.c.last_number)).scalar_one() + 1
        day = DAY + timedelta(days=number % 28)
        connection.execute(load_counter.update().values(last_number=number))
        connection.execute(
            load.insert().values(
                number=number, kind="lse", tdsp_duns=market_day.TDSPS[0], file_name="seeded", sha256="0" * 64,
                state="loaded", started_at=NOW, finished_at=NOW, first_day=day, last_day=day,
            )
        )  # fmt: skip
        for start in range(0, homes, market_day.PER_FILE):
            some = np.arange(start, min(start + market_day.PER_FILE, homes)) + 1
            columns = {
                "premise_id": some,
                "channel": np.full(len(some), LOAD),
                "operating_day": np.full(len(some), day, "datetime64[D]"),
                "load_number": np.full(len(some), number),
                "wh": wh[some % len(wh)],
            }
            copy_columns(connection, interval_day, columns)
        connection.execute(update(subscription).values(format=format_, posted_load=number - 1, posted_day=None))
    market_day.analyze(hub)
    hub.store.close()


def post(sandbox: Sandbox, for_date: date, processes: int, timeout: float) -> tuple[float, float, Posted]:
    """Post and build; seconds of planning, seconds of all, and what was posted."""
    hub = sandbox.hub()
    command = [sys.executable, "-m", "smt_ws.cli", "--settings", str(sandbox.settings_file), "work"]
    with (sandbox.folder / "work.log").open("ab") as log:
        workers = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(processes)]
    time.sleep(3)  # they have started; a hub's workers have long before
    try:
        began = time.perf_counter()
        posted = post_daily(hub.store, for_date=for_date, clock=hub.clock, limits=hub.settings.limits)
        planned = time.perf_counter() - began
        while left := _unfinished(hub):
            if time.perf_counter() - began > timeout or all(worker.poll() is not None for worker in workers):
                raise RuntimeError(f"{left} files unfinished; see {sandbox.folder}/work.log")
            time.sleep(0.1)
        return planned, time.perf_counter() - began, posted
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)
        hub.store.close()


def _unfinished(hub: Hub) -> int:
    open_parts = select(func.count()).where(order_part.c.state.in_([PartState.PLANNED, PartState.BUILDING]))
    with hub.store.read() as connection:
        return int(connection.execute(open_parts).scalar_one())


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="2.5 million records instead of 250,000")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    arguments.add_argument("--processes", type=int, default=2, help="worker processes")
    options = arguments.parse_args()
    files = 50 if options.full else 5
    homes = files * market_day.PER_FILE
    if shutil.disk_usage(tempfile.gettempdir()).free < homes * 3_000:
        print(f"{homes * 3e3 / 1e9:.0f} GB of free disk are needed", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = market_day.own_schema(stack, options.url, f"bench_posting_{os.getpid()}")
        sandbox = make_sandbox(folder / "sandbox", database=url, ports=(0, 0))
        market_day.seed(sandbox, files)
        seed_reps(sandbox, homes)
        print(f"{homes:,} records, {len(REPS)} REPs, {len(market_day.TDSPS)} TDSPs, {options.processes} workers")
        for n, format_ in enumerate(("LSE", "CSV")):
            seed_day(sandbox, homes, format_)
            planned, took, posted = post(sandbox, NOW.date() + timedelta(days=n), options.processes, timeout=1800)
            print(
                f"  {format_}  {took:8.1f} s  {posted.esiid_days / took:9,.0f} records/s  planning {planned:6.1f} s"
                f"  orders {posted.orders} files {posted.files} records {posted.esiid_days:,}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
