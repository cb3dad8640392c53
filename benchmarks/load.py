"""Loading a market day: zipped, encrypted LSE files in the TDSPs' inboxes to committed, validated, queryable days.

The bar: 2.5 million records of 2.5 million distinct ESI IDs in 50 files of 5 TDSPs in at most 120 s on PostgreSQL with
two cores; at most 8 times a bare binary COPY of the same packed rows in the same run; hub processes at most 1.5 GB of
PSS. The files lie in the inboxes; then ``smt-ws intake`` processes are started and the time runs until the last load is
committed, decryption and unzipping included. A second load has the same days again (in other files), a third replaces a
tenth of them.

    python benchmarks/load.py              # 10 %: 250,000 records
    python benchmarks/load.py --full       # the figure: about 6 GB of disk, 15 minutes
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
from sqlalchemy import select

from adapters import openpgp, packing
from adapters.lse import LOAD, LseRecord, file_name
from adapters.lse_write import write
from smt_ws.clock import real_now
from smt_ws.parties import companies
from smt_ws.parties.tables import meter, premise
from smt_ws.sandbox.build import NOW, Sandbox, make_sandbox
from smt_ws.store.dialect import copy_rows
from smt_ws.usage.tables import load

DAY = date(2026, 11, 18)
FILES = 50
TDSPS = tuple(f"44444444400{n:02}" for n in range(5))
#: Days of different homes that the records are made from.
SHAPES = 500


def esiid(number: int) -> str:
    """The ESI ID of a premise of the benchmark."""
    return f"1044372{number:010}"


def tdsp_of(file: int) -> str:
    """Whose file it is."""
    return TDSPS[file % len(TDSPS)]


def seed(sandbox: Sandbox, per_file: int) -> None:
    """The premises and their provisioned meters, and the TDSPs' inboxes."""
    hub = sandbox.hub()
    numbers = range(per_file * FILES)
    with hub.store.write() as connection:
        columns = ["id", "esiid", "tdsp_duns", "load_number"]
        copy_rows(connection, premise, columns, ((n + 1, esiid(n), tdsp_of(n // per_file), 1) for n in numbers))
        columns = ["premise_id", "meter_number", "installed_on", "provisioned_on", "load_number"]
        long_ago = DAY - timedelta(days=900)
        copy_rows(connection, meter, columns, ((n + 1, f"{n}", long_ago, long_ago, 1) for n in numbers))
    with hub.store.engine.connect() as plain:
        plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
    for duns in TDSPS[1:]:  # the sandbox has the first
        companies.add_company(
            hub.store, legal_name=f"Wires {duns}", kind="TDSP", email="wires@example.com", duns=[duns],
            actor="operator:benchmark", clock=hub.clock,
        )  # fmt: skip
    for duns in TDSPS:
        for folder in ("inbox", "reports"):
            (hub.settings.ftps.root / duns / folder).mkdir(parents=True, exist_ok=True)
    hub.store.close()


def shapes() -> list[np.ndarray]:
    """Days of 96 intervals as homes have them, in Wh."""
    rng = np.random.default_rng(20261118)
    return [np.minimum(rng.gamma(1.2, 250, 96), 9_900).astype("<i4") for _ in range(SHAPES)]


def write_files(sandbox: Sandbox, per_file: int, generation: int, replaced: float) -> int:
    """Put one generation of files into the inboxes; *replaced* of the records differ from the first generation's."""
    hub = sandbox.hub()
    certificate = (sandbox.certificates / "hub-openpgp-public.asc").read_text()
    days = shapes()
    created = datetime(2026, 11, 19, 3, generation, 0)  # noqa: DTZ001 — Central wall time, as the file has it
    plain_bytes = 0
    for number in range(FILES):
        duns = tdsp_of(number)

        def records(number: int = number, duns: str = duns) -> Iterator[LseRecord]:
            for position in range(per_file):
                home = number * per_file + position
                values = days[home % SHAPES]
                if position < per_file * replaced:
                    values = values + generation
                yield LseRecord(
                    line=0, esiid=esiid(home), channel=LOAD, day=DAY, values=values, statuses=None,
                    start_reading=None, stop_reading=None, transaction_id=f"{generation}{home:012}",
                    created=created, mre=duns, sender=duns, receiver="183529049", rep="111111111",
                )  # fmt: skip

        text = io.BytesIO()
        write(records(), text)
        name = file_name(duns, created, number)
        plain_bytes += len(text.getvalue())
        with tempfile.TemporaryDirectory() as folder:
            zipped, sealed = Path(folder) / "a.zip", Path(folder) / "a.asc"
            with zipped.open("wb") as out:
                packing.pack([text.getvalue()], name, datetime.now(UTC), out)
            openpgp.encrypt_file(zipped, sealed, certificate, now=real_now())
            inbox = hub.settings.ftps.root / duns / "inbox"
            shutil.move(sealed, inbox / f".{name}.asc.part")
            (inbox / f".{name}.asc.part").rename(inbox / f"{name}.zip.asc")
    hub.store.close()
    return plain_bytes


def bare_copy(url: str, per_file: int) -> float:
    """Seconds that a binary COPY of the same packed rows into a table without an index takes."""
    days = [day.tobytes() for day in shapes()]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bare (premise_id int8, channel int2, operating_day date, load_number int8, wh bytea)"
        )
        began = time.perf_counter()
        with cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as rows:
            rows.set_types(["int8", "int2", "date", "int8", "bytea"])
            for home in range(per_file * FILES):
                rows.write_row((home + 1, 4, DAY, 1, days[home % SHAPES]))
        connection.commit()
        took = time.perf_counter() - began
        cursor.execute("DROP TABLE bare")
    return took


class Memory(threading.Thread):
    """The highest sum of PSS of the processes that it watches, in bytes."""

    def __init__(self, processes: list[subprocess.Popen[bytes]]) -> None:
        super().__init__(daemon=True)
        self.processes = processes
        self.highest = 0
        self.done = threading.Event()

    def run(self) -> None:
        """Look four times a second."""
        while not self.done.wait(0.25):
            total = 0
            for process in self.processes:
                try:
                    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
                except OSError:
                    continue
                total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
            self.highest = max(self.highest, total)


def take_in(sandbox: Sandbox, processes: int, timeout: float) -> tuple[float, int, tuple[int, int, int]]:
    """Run intakes until 50 more loads are committed; seconds, highest PSS, and (loaded, replaced, unchanged)."""
    hub = sandbox.hub()
    with hub.store.read() as connection:
        before = {row.number for row in connection.execute(select(load.c.number))}
    began = time.perf_counter()
    with (sandbox.folder / "intake.log").open("ab") as log:
        command = [sys.executable, "-m", "smt_ws.cli", "--settings", str(sandbox.settings_file), "intake"]
        running = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(processes)]
    memory = Memory(running)
    memory.start()
    try:
        while True:
            with hub.store.read() as connection:
                rows = [
                    row
                    for row in connection.execute(select(load).where(load.c.state == "loaded"))
                    if row.number not in before
                ]
            if len(rows) >= FILES:
                took = time.perf_counter() - began
                break
            if time.perf_counter() - began > timeout or all(process.poll() is not None for process in running):
                raise RuntimeError(
                    f"{len(rows)} of {FILES} loads after {timeout:.0f} s; see {sandbox.folder}/intake.log"
                )
            time.sleep(0.1)
    finally:
        memory.done.set()
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)
    hub.store.close()
    counts = tuple(sum(getattr(row, name) for row in rows) for name in ("loaded", "replaced", "unchanged"))
    return took, memory.highest, (counts[0], counts[1], counts[2])


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="2.5 million records instead of 250,000")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    arguments.add_argument("--processes", type=int, default=2, help="intake processes")
    options = arguments.parse_args()
    per_file = 50_000 if options.full else 5_000
    total = per_file * FILES
    if shutil.disk_usage(tempfile.gettempdir()).free < total * 4_000:
        print(f"{total * 4e3 / 1e9:.0f} GB of free disk are needed", file=sys.stderr)
        return 2
    schema = f"bench_load_{os.getpid()}"
    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    url = f"{options.url}{'&' if '?' in options.url else '?'}options=-csearch_path%3D{schema}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            sandbox = make_sandbox(Path(folder) / "sandbox", database=url, ports=(0, 0))
            # the folders of five TDSPs; only their DUNS numbers are looked at
            seed(sandbox, per_file)
            print(f"{total:,} records in {FILES} files of {len(TDSPS)} TDSPs, {options.processes} intakes", flush=True)
            for generation, (title, replaced) in enumerate(
                (("first load", 0.0), ("all unchanged", 0.0), ("a tenth replaced", 0.1)), 1
            ):
                size = write_files(sandbox, per_file, generation, replaced)
                bare = bare_copy(url, per_file)
                took, memory, counts = take_in(sandbox, options.processes, timeout=1800)
                print(
                    f"  {title:<17}{took:8.1f} s  {total / took:9,.0f} records/s  {size / 1e9:.2f} GB plain"
                    f"  bare COPY {bare:6.1f} s  ratio {took / bare:5.2f}  PSS {memory / 1e9:.2f} GB"
                    f"  loaded {counts[0]:,} replaced {counts[1]:,} unchanged {counts[2]:,}",
                    flush=True,
                )
    finally:
        with psycopg.connect(options.url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
    assert NOW.date() > DAY
    return 0


if __name__ == "__main__":
    sys.exit(main())
