"""The daily posting of a market day: REPs, 5 TDSPs, a record for each home, to encrypted files in the folders.

The bar: 2.5 million records, as LSE, split by REP and TDSP, zipped and encrypted, in at most 60 s on PostgreSQL with
two cores; the same as CSV is told. The days lie in the store; the time runs from the start of `post_daily` (the
planning, told by itself) until ``smt-ws work`` processes have published the last file. They run from the beginning, as
in a hub, and build the first REP's files while the next one's are planned.

Files have 5,000 records at both sizes: at 10 % there are 10 REPs instead of 100. Processor time is told beside: on a
machine that does other work it can be compared, the time cannot.

    python benchmarks/posting.py           # 10 %: 250,000 records, 10 REPs
    python benchmarks/posting.py --full    # the figure: 2.5 million records, 100 REPs; about 4 GB of disk
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
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import load as intake
import market_day
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


@dataclass(frozen=True)
class Took:
    """What a posting took: seconds, and processor seconds."""

    posted: Posted
    seconds: float
    planning: float
    planning_cpu: float
    workers_cpu: float
    store_cpu: float


def rep(number: int) -> str:
    """The DUNS number of a REP."""
    return f"2222222220{number:03}"


def seed_reps(sandbox: Sandbox, homes: int, reps: int) -> None:
    """REPs with an OpenPGP certificate; their homes lie scattered over all TDSPs."""
    hub = sandbox.hub()
    _, certificate = openpgp.make_key("reports@rep.example")
    for duns in map(rep, range(reps)):
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
                "duns": np.array([rep(n).encode() for n in range(reps)])[premises % reps],
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


def post(sandbox: Sandbox, url: str, for_date: date, processes: int, timeout: float) -> Took:
    """Post and build."""
    hub = sandbox.hub()
    command = [sys.executable, "-m", "smt_ws.cli", "--settings", str(sandbox.settings_file), "work"]
    with (sandbox.folder / "work.log").open("ab") as log:
        workers = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(processes)]
    watch = intake.Watch(workers, url)
    watch.start()
    time.sleep(3)  # they have started; a hub's workers have long before
    try:
        # what it took them to start is not counted
        started = sum(intake.ticks(worker.pid) for worker in workers)
        before = intake.children_cpu()
        began, began_cpu = time.perf_counter(), time.process_time()
        posted = post_daily(hub.store, for_date=for_date, clock=hub.clock, limits=hub.settings.limits)
        planned, planned_cpu = time.perf_counter() - began, time.process_time() - began_cpu
        while left := _unfinished(hub):
            if time.perf_counter() - began > timeout or all(worker.poll() is not None for worker in workers):
                raise RuntimeError(f"{left} files unfinished; see {sandbox.folder}/work.log")
            time.sleep(0.1)
        took = time.perf_counter() - began
    finally:
        watch.done.set()
        watch.join()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)
        hub.store.close()
    workers_cpu = intake.children_cpu() - before - started / os.sysconf("SC_CLK_TCK")
    return Took(posted, took, planned, planned_cpu, workers_cpu, watch.store_cpu)


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
    files, reps = (50, 100) if options.full else (5, 10)
    homes = files * market_day.PER_FILE
    # by this name the store's processes are known: those of the planning and of the workers
    os.environ["PGAPPNAME"] = intake.NAME
    if shutil.disk_usage(tempfile.gettempdir()).free < homes * 3_000:
        print(f"{homes * 3e3 / 1e9:.0f} GB of free disk are needed", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = intake.own_schema(stack, options.url, f"bench_posting_{os.getpid()}")
        sandbox = make_sandbox(folder / "sandbox", database=url, ports=(0, 0))
        market_day.seed(sandbox, files)
        seed_reps(sandbox, homes, reps)
        print(f"{homes:,} records, {reps} REPs, {len(market_day.TDSPS)} TDSPs, {options.processes} workers")
        for n, format_ in enumerate(("LSE", "CSV")):
            seed_day(sandbox, homes, format_)
            took = post(sandbox, url, NOW.date() + timedelta(days=n), options.processes, timeout=1800)
            posted, a_record = took.posted, 1e6 / took.posted.esiid_days
            print(
                f"  {format_}  {took.seconds:8.1f} s  {posted.esiid_days / took.seconds:9,.0f} records/s"
                f"  planning {took.planning:6.1f} s"
                f"  CPU a record: planning {took.planning_cpu * a_record:.1f} us,"
                f" workers {took.workers_cpu * a_record:.1f} us, store {took.store_cpu * a_record:.1f} us"
                f"  orders {posted.orders} files {posted.files} records {posted.esiid_days:,}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
