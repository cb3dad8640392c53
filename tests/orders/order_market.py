"""A small market for the tests of orders: companies, premises, days written straight into the store."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select

from adapters import openpgp
from adapters.central_day import intervals_in
from smt_ws.clock import Clock
from smt_ws.hub import Hub
from smt_ws.orders.place import Placed, UsageRequest, place_order
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.generation_told import note_delivered
from smt_ws.parties.tables import company, company_duns, meter, premise, rep_of_record
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.tables import interval_day, interval_day_history, load

TDSP = "1039940674000"
REP = "1234567890000"
OTHER_REP = "9876543210000"
_KEYS: list[tuple[str, str]] = []


def keys() -> tuple[str, str]:
    """One OpenPGP key (secret, public) for the whole run: making one is slow."""
    if not _KEYS:
        _KEYS.append(openpgp.make_key("REP One <reports@rep.example>"))
    return _KEYS[0]


@dataclass(frozen=True)
class Who:
    """What orders need of a caller."""

    company_id: int
    kind: str
    duns: str
    duns_numbers: tuple[str, ...]
    tls_sha256: str = "ab" * 32


def esiid(number: int) -> str:
    return f"10443720{number:09d}"


@dataclass
class Market:
    hub: Hub
    rep: Who
    other: Who
    premises: dict[str, int] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.hub.store

    @property
    def folder(self) -> Path:
        return self.hub.settings.ftps.root / REP / "adhoc"

    def add_premises(
        self, numbers: range, *, served_from: date = date(2020, 1, 1), served_to: date | None = None
    ) -> None:
        with self.store.write() as connection:
            for number in numbers:
                row = connection.execute(insert(premise).values(esiid=esiid(number), tdsp_duns=TDSP, load_number=0))
                assert row.inserted_primary_key is not None
                self.premises[esiid(number)] = key = row.inserted_primary_key[0]
                connection.execute(
                    insert(meter).values(
                        premise_id=key,
                        meter_number=f"M{number}",
                        installed_on=date(2020, 1, 1),
                        provisioned_on=date(2020, 1, 1),
                        load_number=0,
                    )
                )
                connection.execute(
                    insert(rep_of_record).values(
                        premise_id=key, from_day=served_from, to_day=served_to, duns=REP, load_number=0
                    )
                )

    def load_days(
        self,
        numbers: range,
        first: date,
        last: date,
        *,
        number: int,
        wh: int = 250,
        channel: int = 4,
        statuses: bytes | None = None,
    ) -> None:
        """What one load brings: a version of each of the days, replacing what was there."""
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        ensure_months(self.store, days)
        with self.store.write() as connection:
            connection.execute(
                insert(load).values(
                    number=number,
                    kind="lse",
                    tdsp_duns=TDSP,
                    file_name=f"{number}.lse",
                    sha256=f"{number:064x}",
                    state="loaded",
                    started_at=self.hub.clock.now(),
                    finished_at=self.hub.clock.now(),
                )
            )
            keys_ = [self.premises[esiid(n)] for n in numbers]
            here = (
                interval_day.c.premise_id.in_(keys_),
                interval_day.c.operating_day.in_(days),
                interval_day.c.channel == channel,
            )
            for row in connection.execute(select(interval_day).where(*here)).all():
                connection.execute(insert(interval_day_history).values(replaced_by=number, **row._asdict()))
            connection.execute(interval_day.delete().where(*here))
            connection.execute(
                insert(interval_day),
                [
                    {
                        "premise_id": key,
                        "channel": channel,
                        "operating_day": day,
                        "load_number": number,
                        "wh": np.full(intervals_in(day), wh, "<i4").tobytes(),
                        "statuses": statuses,
                    }
                    for key in keys_
                    for day in days
                ],
            )
            if channel == 1:
                each = np.repeat(keys_, len(days)), np.tile(np.array(days, "datetime64[D]"), len(keys_))
                note_delivered(connection, *each, load_number=number)

    def order(
        self, esiids: list[str], start: str = "11/01/2026", end: str = "11/10/2026", who: Who | None = None, **more: str
    ) -> Placed:
        request = UsageRequest(
            trans_id="t-1",
            requestor_id="svc",
            start_date=start,
            end_date=end,
            esiids=esiids,
            **({"report_format": "CSV"} | more),  # type: ignore[arg-type]
        )
        with self.store.write() as connection:
            return place_order(
                connection,
                who or self.rep,  # type: ignore[arg-type]
                request,
                limits=self.hub.settings.limits,
                clock=self.hub.clock,
            )

    def row(self, number: int):
        with self.store.read() as connection:
            return connection.execute(select(report_order).where(report_order.c.number == number)).one()

    def parts(self, number: int):
        with self.store.read() as connection:
            return connection.execute(
                select(order_part).where(order_part.c.order_number == number).order_by(order_part.c.part)
            ).all()

    def visible(self) -> list[str]:
        """What the FTPS site would list."""
        return (
            sorted(p.name for p in self.folder.iterdir() if not p.name.startswith(".")) if self.folder.exists() else []
        )

    def opened(self, name: str) -> bytes:
        """The plain content of a delivered file, by our own OpenPGP and Python's zip."""
        secret, _ = keys()
        plain = self.hub.settings.work_folder / f"{name}.opened"
        plain.parent.mkdir(parents=True, exist_ok=True)
        plain.unlink(missing_ok=True)
        openpgp.decrypt_file(self.folder / name, plain, secret)
        with zipfile.ZipFile(BytesIO(plain.read_bytes())) as archive:
            (member,) = archive.namelist()
            assert name == f"{member}.{REP}.asc"
            return archive.read(member)

    def named(self, begins: str) -> str:
        (name,) = [name for name in self.visible() if name.startswith(begins)]
        return name

    def manifest(self) -> dict:
        return json.loads(self.opened(self.named("Manifest")))


def settings_for(url: str, folder: Path, **limits: int) -> Settings:
    return Settings.model_validate(
        {
            "database": url,
            "work_folder": folder / "work",
            "ftps": {"root": folder / "ftps"},
            "mail": {"folder": folder / "mail"},
            "green_button": {"namespace_secret": folder / "green-button-secret"},
            "limits": limits,
            "work": {"lease_seconds": 2, "poll_seconds": 0.05, "attempts": 3},
        }
    )


def open_market(store: Store, url: str, folder: Path, clock: Clock, **limits: int) -> Market:
    (folder / "green-button-secret").write_text("5e" * 32)
    hub = Hub(settings=settings_for(url, folder, **limits), store=store, clock=clock)
    people = []
    with store.write() as connection:
        for name, duns in (("REP One", REP), ("REP Two", OTHER_REP)):
            row = connection.execute(
                insert(company).values(
                    legal_name=name,
                    kind="REP",
                    email=f"reports@{duns}.example",
                    openpgp_certificate=keys()[1],
                    created_at=clock.now(),
                )
            )
            assert row.inserted_primary_key is not None
            key = row.inserted_primary_key[0]
            connection.execute(insert(company_duns).values(duns=duns, company_id=key, created_at=clock.now()))
            people.append(Who(key, "REP", duns, (duns,)))
    return Market(hub, *people)
