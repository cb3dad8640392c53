"""A TDSP's home on the FTPS site, a hub over a store, and a key, for the tests of the intake."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from small_market import ONCOR, OTHER
from sqlalchemy import func, select

from adapters.openpgp import encrypt_file, make_key
from adapters.packing import pack
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.parties import companies
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.usage.inbox import Inboxes
from smt_ws.usage.tables import interval_day

MOMENT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@cache
def hub_key() -> tuple[str, str]:
    """Secret key and certificate of the hub."""
    return make_key("hub <files@hub.example>")


def settings_of(folder: Path, database: str = "sqlite:///unused.db", **intake: object) -> Settings:
    return Settings.model_validate(
        {
            "database": database,
            "work_folder": folder / "work",
            "ftps": {"root": folder / "ftps"},
            "openpgp": {"secret_key": folder / "hub-secret.asc", "largest_plain": 20_000_000},
            "intake": {"archive": folder / "archive", "settle_seconds": 0, "retry_seconds": 0.01, **intake},
        }
    )


def hub_over(store: Store, folder: Path, clock: FixedClock, *, ftps: Path | None = None, **intake: object) -> Hub:
    """A hub whose TDSPs ONCOR and OTHER have their folders, below *ftps* if given, and its key."""
    settings = settings_of(folder, **intake)
    if ftps is not None:
        settings = settings.model_copy(update={"ftps": settings.ftps.model_copy(update={"root": ftps})})
    settings.openpgp.secret_key.write_text(hub_key()[0])
    for duns in (ONCOR, OTHER):
        companies.add_company(
            store, legal_name=f"TDSP {duns}", kind="TDSP", email="a@b.example", duns=[duns], actor="test", clock=clock
        )
        for name in ("inbox", "reports"):
            (settings.ftps.root / duns / name).mkdir(parents=True)
    return Hub(settings=settings, store=store, clock=clock)


def home(hub: Hub, duns: str = ONCOR) -> Path:
    return hub.settings.ftps.root / duns


def drop(hub: Hub, file: Path, duns: str = ONCOR, name: str | None = None) -> Path:
    """Leave a copy of *file* in the inbox, as a whole upload appears."""
    place = home(hub, duns) / "inbox" / (name or file.name)
    hidden = place.with_name(f".{place.name[:100]}.part")
    hidden.write_bytes(file.read_bytes())
    return hidden.rename(place)


def zipped(file: Path) -> Path:
    final = file.with_name(file.name + ".zip")
    with final.open("wb") as out:
        pack([file.read_bytes()], file.name, MOMENT, out)
    return final


def sealed(file: Path, certificate: str | None = None) -> Path:
    final = file.with_name(file.name + ".asc")
    encrypt_file(file, final, certificate or hub_key()[1], now=datetime.now(UTC))
    return final


def reports(hub: Hub, duns: str = ONCOR) -> dict[str, list[dict[str, str]]]:
    """The rows of every report, by its name; what a killed process left unfinished is hidden from the TDSP."""
    found = {}
    for path in sorted((home(hub, duns) / "reports").glob("[!.]*")):
        with path.open(newline="") as stream:
            found[path.name] = list(csv.DictReader(stream))
    return found


def archived(hub: Hub, outcome: str, duns: str = ONCOR) -> list[Path]:
    """The archived files, without the copies of their reports."""
    folder = hub.settings.intake.archive / duns / outcome
    return (
        sorted(p for p in folder.glob("*") if p.name[0] != "." and not p.name.endswith(".activity.csv"))
        if folder.exists()
        else []
    )


def nothing_is_left(hub: Hub, duns: str = ONCOR) -> bool:
    return (
        list((home(hub, duns) / "inbox").iterdir()) == []
        and [p.name for p in (home(hub, duns) / ".intake").iterdir()] == ["lock"]
        and (not hub.settings.work_folder.exists() or list(hub.settings.work_folder.iterdir()) == [])
    )


def take_all(hub: Hub) -> None:
    inboxes = Inboxes(hub)
    while inboxes.take_in_once():
        pass


def days_in(store: Store) -> int:
    with store.read() as connection:
        return connection.scalar(select(func.count()).select_from(interval_day)) or 0
