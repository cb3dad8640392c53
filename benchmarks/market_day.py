"""The market day that `load.py` takes in: its premises and meters, its files, and the days that are there before."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import select

from adapters import openpgp, packing
from adapters.lse import LOAD, LseRecord, file_name
from adapters.lse_write import write
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.parties import companies
from smt_ws.parties.tables import meter, premise
from smt_ws.sandbox.build import NOW, Sandbox
from smt_ws.store.columns import copy_columns
from smt_ws.store.dialect import copy_rows
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.tables import interval_day, load, load_counter

#: The first of the days that are there before, for ``--month``; those measured follow in the same month.
DAY = date(2026, 11, 1)
#: Days already in the month's partition, for ``--month``.
BEFORE = 8
PER_FILE = 50_000
TDSPS = tuple(f"44444444400{n:02}" for n in range(5))
#: Days of different homes that the records are made from.
SHAPES = 500


def esiid(number: int) -> str:
    """The ESI ID of a premise of the benchmark."""
    return f"1044372{number:010}"


def tdsp_of(file: int) -> str:
    """Whose file it is."""
    return TDSPS[file % len(TDSPS)]


def seed(sandbox: Sandbox, files: int) -> None:
    """The premises and their provisioned meters, and the TDSPs' inboxes."""
    hub = sandbox.hub()
    numbers = range(PER_FILE * files)
    with hub.store.write() as connection:
        columns = ["id", "esiid", "tdsp_duns", "load_number"]
        copy_rows(connection, premise, columns, ((n + 1, esiid(n), tdsp_of(n // PER_FILE), 1) for n in numbers))
        columns = ["premise_id", "meter_number", "installed_on", "provisioned_on", "load_number"]
        long_ago = DAY - timedelta(days=900)
        copy_rows(connection, meter, columns, ((n + 1, f"{n}", long_ago, long_ago, 1) for n in numbers))
    analyze(hub)
    for duns in TDSPS[1:]:  # the sandbox has the first
        companies.add_company(
            hub.store, legal_name=f"Wires {duns}", kind="TDSP", email="wires@example.com", duns=[duns],
            actor="operator:benchmark", clock=hub.clock,
        )  # fmt: skip
    for duns in TDSPS:
        for folder in ("inbox", "reports"):
            (hub.settings.ftps.root / duns / folder).mkdir(parents=True, exist_ok=True)
    hub.store.close()


def analyze(hub: Hub) -> None:
    """What a running PostgreSQL does by itself; here it must be done before the clock runs."""
    with hub.store.engine.connect() as plain:
        plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
            "ANALYZE" if hub.store.is_sqlite else "VACUUM ANALYZE premise, meter, rep_of_record, interval_day"
        )


def seed_days(sandbox: Sandbox, files: int) -> None:
    """The days before, for every home, by COPY into the month's partition: a load each, like those of a night."""
    hub = sandbox.hub()
    wh = np.stack(shapes())
    premises = np.arange(PER_FILE * files) + 1
    with hub.store.write() as connection:
        ensure_months(hub.store, [DAY])
        first = connection.execute(select(load_counter.c.last_number)).scalar_one() + 1
        for back in range(BEFORE):
            number, day = first + back, DAY + timedelta(days=back)
            connection.execute(
                load.insert().values(
                    number=number,
                    kind="lse",
                    tdsp_duns=TDSPS[0],
                    file_name=f"seeded {day}",
                    sha256="0" * 64,
                    state="loaded",
                    started_at=NOW,
                    finished_at=NOW,
                    first_day=day,
                    last_day=day,
                )
            )
            for start in range(0, len(premises), PER_FILE):
                some = premises[start : start + PER_FILE]
                columns = {
                    "premise_id": some,
                    "channel": np.full(len(some), LOAD),
                    "operating_day": np.full(len(some), day, "datetime64[D]"),
                    "load_number": np.full(len(some), number),
                    "wh": wh[(some - 1) % SHAPES],
                }
                copy_columns(connection, interval_day, columns)
        connection.execute(load_counter.update().values(last_number=first + BEFORE - 1))
    analyze(hub)
    hub.store.close()


def shapes() -> list[np.ndarray]:
    """Days of 96 intervals as homes have them, in Wh."""
    rng = np.random.default_rng(20261118)
    return [np.minimum(rng.gamma(1.2, 250, 96), 9_900).astype("<i4") for _ in range(SHAPES)]


def write_files(sandbox: Sandbox, files: int, generation: int, day: date, replaced: float) -> int:
    """Put one generation of files into the inboxes; *replaced* of the records differ from the first generation's."""
    hub = sandbox.hub()
    certificate = (sandbox.certificates / "hub-openpgp-public.asc").read_text()
    days = shapes()
    created = datetime(2026, 11, 19, 3, generation, 0)  # noqa: DTZ001 — Central wall time, as the file has it
    plain_bytes = 0
    for number in range(files):
        duns = tdsp_of(number)

        def records(number: int = number, duns: str = duns) -> Iterator[LseRecord]:
            for position in range(PER_FILE):
                home = number * PER_FILE + position
                values = days[home % SHAPES]
                if position < PER_FILE * replaced:
                    values = values + generation
                yield LseRecord(
                    line=0, esiid=esiid(home), channel=LOAD, day=day, values=values, statuses=None,
                    start_reading=None, stop_reading=None, transaction_id=f"{generation}{home:012}",
                    created=created, mre=duns, sender=duns, receiver="183529049", rep=f"{home % 100:09}",
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
