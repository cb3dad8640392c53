"""P1: nobody's certificate ends unannounced: 60, 30, 14, 7 and 1 days before, once each; and the hub's own."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select, update

from jobs import certificates
from jobs.certificates import warn_of_endings
from smt_ws.cli.company import company as company_command
from smt_ws.clock import FixedClock, real_now
from smt_ws.hub import Hub
from smt_ws.notices.carry import letter
from smt_ws.parties import companies
from smt_ws.parties.rules import CERTIFICATE_WARNINGS, certificate_warning_due, list_warning_due
from smt_ws.parties.tables import company, company_certificate
from smt_ws.sandbox.certificates import Authority, open_authority
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.store.tables import outbox

DAY = timedelta(days=1)
TODAY = date(2026, 11, 20)
START = real_now()


def test_each_warning_is_due_in_its_own_days():
    assert CERTIFICATE_WARNINGS == (60, 30, 14, 7, 1)
    due = {hours: certificate_warning_due(timedelta(hours=hours)) for hours in range(-48, 24 * 70)}
    for hours, days in due.items():
        within = [one for one in CERTIFICATE_WARNINGS if 0 < hours <= one * 24]
        assert days == (within[-1] if within else None)
    assert [days for hours, days in due.items() if due.get(hours - 1) != days] == [1, 7, 14, 30, 60, None]


@pytest.mark.parametrize(
    ("lifetime", "left", "late"),
    [
        (30 * DAY, 2 * DAY, False),
        (30 * DAY, DAY, True),
        (DAY, 7 * DAY / 24, False),
        (DAY, 6 * DAY / 24, True),
        (30 * DAY, -DAY, True),
    ],
)
def test_a_revocation_list_is_late_by_its_own_measure(lifetime, left, late):
    assert list_warning_due(lifetime, left) is late


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = open_authority(tmp_path_factory.mktemp("ca"), now=START)
    made.issue("hub", "hub", lasts=14 * DAY)
    return made


@pytest.fixture
def hub(store: Store, store_url: str, clock: FixedClock, tmp_path: Path, authority: Authority) -> Hub:
    far = dict.fromkeys(("certificate", "signing_certificate", "client_authorities"), authority.folder / "ca.crt")
    settings = Settings.model_validate(
        {"database": store_url, "tls": far, "mail": {"operator": "ops@hub.example"}, "ftps": {"root": tmp_path}}
    )
    for name, duns in (("Pecan Energy", "111111111"), ("Gulf Insights", "222222222")):
        companies.add_company(
            store, legal_name=name, kind="REP", email=f"it@{name[:4].lower()}.example", duns=[duns],
            actor="operator:test", clock=clock,
        )  # fmt: skip
    return Hub(settings=settings, store=store, clock=clock)


@pytest.fixture
def at(monkeypatch):
    """Moves security time to so long after the start."""

    def move(by: timedelta) -> None:
        monkeypatch.setattr(certificates, "real_now", lambda: START + by)

    move(timedelta(0))
    return move


def hold(hub: Hub, name: str, sha256: str, left: timedelta, **values: object) -> None:
    with hub.store.write() as connection:
        row = {"for_tls": True, "for_signing": True, "not_before": START - 300 * DAY, "not_after": START + left}
        connection.execute(
            company_certificate.insert().values(
                company_id=select(company.c.id).where(company.c.legal_name == name).scalar_subquery(),
                sha256=sha256 * 64, pem="", subject=f"CN={name}", issuer="CN=ca", serial="1", registered_at=START,
                **{**row, **values},
            )
        )  # fmt: skip


def sent(hub: Hub) -> list[tuple[str, str]]:
    """Addressee and subject of every letter so far."""
    with hub.store.read() as connection:
        payloads = connection.scalars(select(outbox.c.payload).order_by(outbox.c.id)).all()
    letters = [letter(one, sender="hub@hub.example", support_contact="help@hub.example") for one in payloads]
    return [(one.to, one.subject) for one in letters]


def test_three_months_of_days_brings_five_letters_and_no_sixth(hub, at):
    hold(hub, "Pecan Energy", "a", 90 * DAY)
    hold(hub, "Gulf Insights", "b", 400 * DAY)
    said = []
    days = (0, 29, 30, 31, 59, 60, 61, 75, 76, 77, 82, 83, 84, 88, 89, 90, 95)
    for day in days:
        at(day * DAY)
        said.append(warn_of_endings(hub, TODAY))
        # twice a day, as when the first process was killed
        assert warn_of_endings(hub, TODAY) == "0 warnings to companies, 0 to the operator"
    assert sent(hub) == [
        ("it@peca.example", f"A certificate of Pecan Energy ends in {left} {'day' if left == 1 else 'days'}")
        for left in (60, 30, 14, 7, 1)
    ]
    assert [day for day, line in zip(days, said, strict=True) if line.startswith("1")] == [30, 60, 76, 83, 89]


def test_after_days_without_the_hub_one_letter_comes_and_not_several(hub, at):
    hold(hub, "Pecan Energy", "a", 90 * DAY)
    at(80 * DAY)
    warn_of_endings(hub, TODAY)
    assert sent(hub) == [("it@peca.example", "A certificate of Pecan Energy ends in 10 days")]


def test_a_successor_for_the_same_uses_is_named_and_the_letter_comes_all_the_same(hub, at):
    hold(hub, "Pecan Energy", "a", 20 * DAY)
    hold(hub, "Pecan Energy", "b", 300 * DAY, for_signing=False)
    hold(hub, "Gulf Insights", "c", 20 * DAY, for_signing=False)
    hold(hub, "Gulf Insights", "d", 300 * DAY)
    warn_of_endings(hub, TODAY)
    with hub.store.read() as connection:
        payloads = {one["facts"]["company"]: one for one in connection.scalars(select(outbox.c.payload))}
    texts = {name: letter(one, sender="h@h.example", support_contact="x") for name, one in payloads.items()}
    assert payloads["Pecan Energy"]["facts"]["successor_until"] is None
    assert payloads["Gulf Insights"]["facts"]["uses"] == "connecting"
    for body in (texts["Pecan Energy"].text, texts["Pecan Energy"].html):
        assert "Send us its successor" in body
        assert "a" * 64 in body
    for body in (texts["Gulf Insights"].text, texts["Gulf Insights"].html):
        assert "Another certificate of yours" in body
        assert f"{(START + 300 * DAY):%Y}" in body


def test_the_operator_sees_what_ends_on_the_command_line(hub, at):
    def shown() -> str:
        return CliRunner().invoke(company_command, ["ending"], obj=hub, env={"COLUMNS": "160"}).output

    assert shown() == "None ends within 60 days.\n"
    hold(hub, "Pecan Energy", "a", 20.5 * DAY)
    hold(hub, "Gulf Insights", "b", 10.5 * DAY, for_signing=False)
    hold(hub, "Gulf Insights", "c", 300 * DAY)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown().splitlines() if "│" in line]
    assert [(row[1], row[2], row[3], row[4][:2]) for row in rows] == [
        ("10", "Gulf Insights", "connecting, has a successor", "bb"),
        ("20", "Pecan Energy", "connecting and signing", "aa"),
    ]


def test_withdrawn_ended_and_suspended_are_left_alone(hub, at):
    hold(hub, "Pecan Energy", "a", 20 * DAY, withdrawn_at=START)
    hold(hub, "Pecan Energy", "b", -DAY)
    hold(hub, "Gulf Insights", "c", 20 * DAY)
    with hub.store.write() as connection:
        connection.execute(update(company).where(company.c.legal_name == "Gulf Insights").values(suspended_at=START))
    assert warn_of_endings(hub, TODAY) == "0 warnings to companies, 0 to the operator"


def test_the_operator_hears_of_the_hubs_own_certificates_and_lists(hub, at, authority, tmp_path):
    own = authority.own
    lists = tmp_path / "lists.pem"
    lists.write_bytes(
        x509.CertificateRevocationListBuilder()
        .issuer_name(own.certificate.subject)
        .last_update(START - 5 * DAY)
        .next_update(START + 2 * DAY)
        .sign(own.key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    tls = hub.settings.tls.model_copy(update={"signing_certificate": authority.folder / "hub.crt", "crl": lists})
    hub = Hub(hub.settings.model_copy(update={"tls": tls}), hub.store, hub.clock)
    assert warn_of_endings(hub, TODAY) == "0 warnings to companies, 1 to the operator"
    at(3 * DAY)
    warn_of_endings(hub, TODAY)
    assert sent(hub) == [
        ("ops@hub.example", "The hub's tls.signing_certificate ends in 14 days"),
        ("ops@hub.example", "The hub's tls.crl has ended"),
    ]


def test_a_key_that_reports_are_encrypted_to_is_announced_too_p4(hub, at, tmp_path):
    gpg = shutil.which("gpg")
    if gpg is None:
        pytest.skip("gpg is not here: install gnupg from Debian")
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    run = [gpg, "--homedir", str(home), "--batch", "--passphrase", ""]
    subprocess.run([*run, "--quick-gen-key", "Pecan <it@peca.example>", "future-default", "default", "20d"], check=True)
    armored = subprocess.run([*run, "--armor", "--export"], check=True, capture_output=True, text=True).stdout
    companies.set_openpgp_certificate(
        hub.store, duns="111111111", armored=armored, actor="operator:test", clock=hub.clock
    )
    at(DAY / 2)
    assert warn_of_endings(hub, TODAY) == "1 warnings to companies, 0 to the operator"
    assert warn_of_endings(hub, TODAY) == "0 warnings to companies, 0 to the operator"
    at(10.5 * DAY)
    warn_of_endings(hub, TODAY)
    assert sent(hub) == [
        ("it@peca.example", "The OpenPGP key of Pecan Energy ends in 20 days"),
        ("it@peca.example", "The OpenPGP key of Pecan Energy ends in 10 days"),
    ]


def test_files_that_cannot_be_read_leave_no_company_unwarned(hub, at, tmp_path):
    hold(hub, "Pecan Energy", "a", 20 * DAY)
    tls = hub.settings.tls.model_copy(update={"certificate": tmp_path / "gone.crt"})
    hub = Hub(hub.settings.model_copy(update={"tls": tls}), hub.store, hub.clock)
    assert warn_of_endings(hub, TODAY).startswith("1 warnings to companies, 0 to the operator; the hub's own could not")
