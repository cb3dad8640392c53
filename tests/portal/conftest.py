"""A hub with two homes, a third party and a mailbox, and browsers that fill in its forms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from portal_town import CHIKA, ESIIDS, HOMES, Browser, lantern, link_in

from smt_ws.accounts import passwords
from smt_ws.agreements.form import Customer, Invitation, ListedMeter
from smt_ws.agreements.initiate import initiate
from smt_ws.agreements.rules import Kind
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.parties import companies
from smt_ws.parties.tables import meter, premise
from smt_ws.portal.app import create_app
from smt_ws.serve.handlers import handlers_of
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.store.outbox import deliver_due


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 with little memory and one pass: what a password costs is tested once (test_account_pages)."""
    passwords._nobodys.cache_clear()
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def hub(store: Store, clock: FixedClock, tmp_path: Path) -> Hub:
    (tmp_path / "portal-secret").write_text("s" * 64)
    settings = Settings.model_validate(
        {
            "mail": {"folder": tmp_path / "mail"},
            "portal": {"secret": tmp_path / "portal-secret", "base_url": "https://hub.example"},
            "support_contact": "help@hub.example",
        }
    )
    with store.write() as connection:
        for esiid, number in HOMES.items():
            premise_id = connection.execute(
                premise.insert().values(esiid=esiid, tdsp_duns="444444444", load_number=1).returning(premise.c.id)
            ).scalar_one()
            connection.execute(
                meter.insert().values(
                    premise_id=premise_id, meter_number=number, installed_on=date(2024, 1, 1),
                    provisioned_on=date(2024, 2, 1), load_number=1,
                )
            )  # fmt: skip
    companies.add_company(
        store, legal_name="Lantern Analytics", kind="CSP", email="it@lantern.example", duns=["333333333"],
        actor="operator:test", clock=clock,
    )  # fmt: skip
    return Hub(settings=settings, store=store, clock=clock)


@pytest.fixture
def mailbox(hub: Hub) -> Callable[[str], EmailMessage]:
    """Carries out what waits in the outbox and gives the newest letter to an address."""
    folder = hub.settings.mail.folder
    assert folder is not None
    seen: dict[Path, int] = {}

    def newest(to: str) -> EmailMessage:
        while deliver_due(hub.store, handlers_of(hub)):
            pass
        for path in folder.glob("*.eml") if folder.exists() else ():
            seen.setdefault(path, len(seen))
        letters = {path: message_from_bytes(path.read_bytes(), policy=policy.default) for path in seen}
        mine = [path for path, letter in letters.items() if letter["To"] == to]
        assert mine, f"no letter to {to}; {[letter['To'] for letter in letters.values()]}"
        return letters[max(mine, key=seen.__getitem__)]

    return newest


@pytest.fixture
def invite(hub: Hub) -> Callable[..., str]:
    """Lantern Analytics invites Chika Akin; gives the agreement's number."""

    def invite(kind: str = "one_time", **changed: Any) -> str:
        described = {
            "registered": False, "email": CHIKA, "kind": "residential", "first_name": "Chika", "last_name": "Akin",
            "street": "400 N Olive Street", "city": "Sunnyville", "state": "TX", "zip": "75012", "language": "en",
        }  # fmt: skip
        said = changed.pop("customer", {})
        customer = said if said.get("registered") else described | said
        report = {"report": "interval", "report_format": "CSV", "report_period": "3m"} if kind == "one_time" else {}
        esiid = changed.pop("esiid", ESIIDS[0])
        devices = ("00:0D:6F:00:00:4F:0A:1B",) if kind == "device" else ()
        values: dict[str, Any] = {
            "kind": Kind(kind), "permitted": True, "customer": Customer(**customer), "requestor_id": "test",
            "meters": (ListedMeter(esiid, HOMES[esiid], devices),), "contact_name": "Ana Ruiz",
            "contact_phone": "512-555-0100", "contact_email": "ana@lantern.example",
        } | report | changed  # fmt: skip
        with hub.store.write() as connection:
            (made, *_) = initiate(
                connection, lantern(hub), Invitation(**values), policy=hub.settings.agreements, clock=hub.clock,
                address="198.51.100.7",
            )  # fmt: skip
        return made.number

    return invite


@pytest.fixture
def new_browser(hub: Hub) -> Callable[[], Browser]:
    app = create_app(hub)
    app.testing = True
    return lambda: Browser(app.test_client())


@pytest.fixture
def browser(new_browser: Callable[[], Browser]) -> Browser:
    return new_browser()


@pytest.fixture
def registered(browser: Browser, mailbox: Callable[[str], EmailMessage]) -> Browser:
    """Chika Akin, registered with her first home and logged in."""
    browser.register()
    path = link_in(mailbox(CHIKA), "confirm")
    browser.get(path)
    browser.post(path)
    browser.log_in()
    return browser
