"""Files of a running hub, fetched, decrypted and unzipped by programs that are not ours (R7, P4)."""

from __future__ import annotations

import ftplib
import hashlib
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from market_facts import Facts, days_between, read_rows, whole_days
from sqlalchemy import select
from wire_client import BLUEBONNET, LANTERN, PECAN, TDSP
from wss_runtimes import missing

from smt_ws.parties import companies
from smt_ws.store.tables import audit_log

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Done:
    """A finished order: what GetStatus says of its files."""

    esiids: list[str]
    sha256: dict[str, str]


@pytest.fixture(scope="module")
def done(hub: Any) -> Done:
    requester = hub.requester()
    esiids = [hub.market.special.solar, hub.market.special.switched[0]]
    answer = requester.order(esiids, "10/30/2026", "11/04/2026", "to be fetched")
    status = requester.wait(answer.correlationId, lambda _status: None, timeout=180)
    return Done(esiids, {file.name: file.sha256 for file in status.file})


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not here: install {'gnupg' if name == 'gpg' else name} from Debian")
    return str(found)


def run(*command: Any, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=180, check=False, **more)


def lftp(hub: Any, duns: str, commands: str) -> subprocess.CompletedProcess[str]:
    player, certificates = hub.sandbox.player(duns), hub.sandbox.certificates
    script = (
        "set ftp:ssl-force true; set ftp:ssl-protect-data true; set net:max-retries 1; set net:timeout 10; "
        f"set cmd:fail-exit true; set ssl:ca-file {certificates}/ca.crt; "
        f"set ssl:cert-file {certificates}/{player.stem}-tls.crt; "
        f"set ssl:key-file {certificates}/{player.stem}-tls.key; "
        f'open -u "{duns},{player.ftps_password}" -p {hub.settings.ftps.port} localhost; {commands}; bye'
    )
    return run(program("lftp"), "--norc", "-c", script)


def curl(hub: Any, duns: str, path: str, *options: Any, login: str | None = None) -> subprocess.CompletedProcess[str]:
    player, certificates = hub.sandbox.player(duns), hub.sandbox.certificates
    return run(
        program("curl"),
        *("--silent", "--show-error", "--ssl-reqd", "--cacert", certificates / "ca.crt"),
        *("--cert", certificates / f"{player.stem}-tls.crt", "--key", certificates / f"{player.stem}-tls.key"),
        *("--user", f"{login or duns}:{player.ftps_password}", *options),
        f"ftp://127.0.0.1:{hub.settings.ftps.port}{path}",
    )


def by_lftp(hub: Any, names: list[str], into: Path) -> None:
    got = lftp(hub, PECAN, f"lcd {into}; cd /adhoc; mget {' '.join(names)}")
    assert got.returncode == 0, got.stderr


def by_curl(hub: Any, names: list[str], into: Path) -> None:
    for name in names:
        got = curl(hub, PECAN, f"/adhoc/{name}", "--output", into / name)
        assert got.returncode == 0, got.stderr


def by_ftplib(hub: Any, names: list[str], into: Path) -> None:
    hub.requester().fetch(names, into)


@pytest.mark.parametrize("fetch", [by_lftp, by_curl, by_ftplib])
def test_fetched_files_are_those_of_get_status(hub: Any, done: Done, tmp_path: Path, fetch: Any) -> None:
    """R7: name, and SHA-256."""
    fetch(hub, list(done.sha256), tmp_path)
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.iterdir()} == done.sha256


@pytest.fixture
def gpg(hub: Any, tmp_path: Path) -> Iterator[Any]:
    """Run gpg in a home that is thrown away, with the key that the sandbox made for the second REP in it."""
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}
    command = (program("gpg"), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
    secret = hub.sandbox.player(BLUEBONNET).folder / "openpgp-secret.asc"
    imported = run(*command, "--import", secret, env=environment)
    assert imported.returncode == 0, imported.stderr
    yield lambda *arguments: run(*command, *arguments, env=environment)
    run("gpgconf", "--kill", "all", env=environment)


@pytest.fixture(scope="module")
def done_for_gpg(hub: Any) -> Done:
    """An order of the second REP."""
    requester = hub.requester(BLUEBONNET)
    answer = requester.order(hub.market.esiids, "10/30/2026", "11/04/2026", f"{time.time_ns()}")
    status = requester.wait(answer.correlationId, lambda _status: None, timeout=180)
    return Done(list(hub.market.esiids), {file.name: file.sha256 for file in status.file})


def test_gpg_decrypts_and_unzip_unpacks_to_the_rows_that_the_tdsp_sent(
    hub: Any, done_for_gpg: Done, tmp_path: Path, gpg: Any
) -> None:
    """R7, from the site to the numbers without a line of the hub's code."""
    unzip, received = program("unzip"), tmp_path / "received"
    received.mkdir()
    for name in done_for_gpg.sha256:
        got = curl(hub, BLUEBONNET, f"/adhoc/{name}", "--output", received / name)
        assert got.returncode == 0, got.stderr
        zipped = tmp_path / f"{name}.zip"
        opened = gpg("--output", zipped, "--decrypt", received / name)
        assert opened.returncode == 0, opened.stderr
        unpacked = run(unzip, "-q", zipped, "-d", tmp_path / "plain")
        assert unpacked.returncode == 0, unpacked.stderr
    plain = {path.name: path for path in (tmp_path / "plain").iterdir()}
    assert {name.removesuffix(f".{BLUEBONNET}.asc") for name in done_for_gpg.sha256} == set(plain)
    rows = [row for name, path in plain.items() if name.startswith("IntervalMeterUsage") for row in read_rows(path)]
    days = days_between(date(2026, 10, 30), date(2026, 11, 4))
    assert whole_days(rows) == Facts.of(hub.market).latest(BLUEBONNET, done_for_gpg.esiids, days)


def test_another_company_neither_lists_nor_fetches_them(hub: Any, done: Done, tmp_path: Path) -> None:
    """P4: own folder only, by whatever path; and nobody enters with another's certificate or name."""
    name = next(iter(done.sha256))
    listed = curl(hub, BLUEBONNET, "/adhoc/", "--list-only")
    assert listed.returncode == 0, listed.stderr
    assert not set(listed.stdout.split()) & set(done.sha256)
    for path in (f"/adhoc/{name}", f"/{PECAN}/adhoc/{name}", f"/adhoc/../../{PECAN}/adhoc/{name}"):
        refused = curl(hub, BLUEBONNET, path, "--path-as-is", "--output", tmp_path / "stolen")
        assert refused.returncode != 0
        assert not (tmp_path / "stolen").exists()
    assert curl(hub, BLUEBONNET, "/adhoc/", "--list-only", login=PECAN).returncode == 67
    pecan = hub.sandbox.player(PECAN)
    own_password = ("--user", f"{PECAN}:{pecan.ftps_password}")
    assert curl(hub, BLUEBONNET, "/adhoc/", *own_password, "--list-only").returncode == 67


def test_a_requester_reads_and_deletes_but_does_not_write(hub: Any, done: Done, tmp_path: Path) -> None:
    """Interfaces, section 2."""
    (tmp_path / "own").write_text("mine")
    assert curl(hub, PECAN, "/adhoc/own", "--upload-file", tmp_path / "own").returncode != 0
    extra = hub.requester().order(done.esiids[:1], "11/01/2026", "11/01/2026", "to be deleted")
    status = hub.requester().wait(extra.correlationId, lambda _status: None, timeout=180)
    names = [file.name for file in status.file]
    deleted = lftp(hub, PECAN, f"cd /adhoc; mrm {' '.join(names)}; cls")
    assert deleted.returncode == 0, deleted.stderr
    assert not set(names) & set(deleted.stdout.split())


def test_who_fetched_and_deleted_what_is_in_the_audit_log(hub: Any, done: Done, tmp_path: Path) -> None:
    """P7: whatever reveals data, with the certificate and the address that it went to."""
    extra = hub.requester().order(done.esiids[:1], "11/02/2026", "11/02/2026", "to be seen")
    status = hub.requester().wait(extra.correlationId, lambda _status: None, timeout=180)
    name = next(file.name for file in status.file)
    got = curl(hub, PECAN, f"/adhoc/{name}", "--output", tmp_path / name, "--quote", f"-DELE /adhoc/{name}")
    assert got.returncode == 0, got.stderr
    own = hub.sandbox.hub()
    with own.store.read() as connection:
        lines = connection.execute(
            select(audit_log).where(audit_log.c.object == f"duns:{PECAN}").order_by(audit_log.c.id)
        ).all()
    own.store.close()
    told = {line.event: line for line in lines if line.details["file"] == name}
    assert set(told) == {"file:fetch:done", "file:delete:done"}
    for line in told.values():
        assert line.details == {"folder": "adhoc", "file": name}
        assert line.address == "127.0.0.1"
        assert len(line.certificate_sha256) == 64


@pytest.mark.parametrize("duns", [BLUEBONNET, LANTERN, TDSP])
def test_every_kind_of_company_fetches_what_it_orders(hub: Any, tmp_path: Path, duns: str) -> None:
    """R5, R7, P4: whoever may order finds its files; of a third party without agreements the exceptions alone."""
    requester = hub.requester(duns)
    answer = requester.order(hub.market.esiids[:2], "11/01/2026", "11/02/2026", f"{time.time_ns()}")
    status = requester.wait(answer.correlationId, lambda _status: None, timeout=180)
    delivered = requester.fetch([file.name for file in status.file], tmp_path)
    assert delivered
    opened = [requester.open(path, tmp_path) for path in delivered]
    rows = [row for path in opened if path.name.startswith("IntervalMeterUsage") for row in read_rows(path)]
    days = days_between(date(2026, 11, 1), date(2026, 11, 2))
    if duns == TDSP:
        own = Facts.of(hub.market).latest(PECAN, hub.market.esiids[:2], days)
        assert own
        assert own.items() <= whole_days(rows).items()
        assert {row.esiid for row in rows} == set(hub.market.esiids[:2])


def test_a_session_that_is_open_ends_with_its_companys_suspension(hub: Any) -> None:
    """P10: everywhere at once."""
    own, by = hub.sandbox.hub(), {"actor": "operator:test"}
    certificates, player = hub.sandbox.certificates, hub.sandbox.player(LANTERN)
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    context.load_cert_chain(certificates / f"{player.stem}-tls.crt", certificates / f"{player.stem}-tls.key")
    with ftplib.FTP_TLS(context=context, timeout=180) as session:
        session.connect("127.0.0.1", hub.settings.ftps.port)
        session.login(LANTERN, player.ftps_password)
        session.prot_p()
        assert "adhoc" in session.nlst()
        companies.suspend(own.store, duns=LANTERN, clock=own.clock, **by)
        try:
            with pytest.raises(ftplib.error_temp, match="421 Account, password, certificate or address"):
                session.nlst()
        finally:
            companies.resume(own.store, duns=LANTERN, clock=own.clock, **by)
            own.store.close()
