"""U2, U4: a TDSP uploads with lftp to a running hub and reads the activity report seconds later (both stores)."""

from __future__ import annotations

import csv
import ftplib
import hashlib
import os
import signal
import ssl
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from test_fetching import lftp, program
from test_kill9 import of_role
from wire_client import TDSP

from adapters.lse import LseRecord
from adapters.lse_read import read
from adapters.lse_write import write
from adapters.openpgp import encrypt_file
from adapters.packing import pack

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def unchanged(hub: Any) -> list[LseRecord]:
    """Every day of the market as it stands in the store: to send it again changes nothing that others test."""
    latest: dict[tuple[str, int, date], LseRecord] = {}
    for file in hub.market.lse_files:
        with file.path.open("rb") as stream:
            latest |= {(r.esiid, r.channel, r.day): r for r in read(stream) if isinstance(r, LseRecord)}
    return list(latest.values())


def upload(hub: Any, file: Path) -> None:
    program("lftp")
    done = lftp(hub, TDSP, f"put -O /inbox {file}")
    assert done.returncode == 0, done.stderr


def report_of(hub: Any, file: Path, into: Path, *, seconds: float = 30) -> list[dict[str, str]]:
    """Wait for the report of *file* as its TDSP does, over FTPS."""
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        listed = lftp(hub, TDSP, "cls -1 /reports").stdout.split("\n")
        names = [name.strip() for name in listed if f"{file.name}-{sha256[:12]}.csv" in name]
        if names:
            got = into / "report.csv"
            done = lftp(hub, TDSP, f'get "{names[0]}" -o {got}')
            assert done.returncode == 0, done.stderr
            with got.open(newline="") as stream:
                rows = list(csv.DictReader(stream))
            assert sha256 in rows[0]["REASON"]
            return rows
        time.sleep(0.3)
    raise AssertionError(f"no report of {file.name} after {seconds} s")


def totals(rows: list[dict[str, str]]) -> dict[str, int]:
    return {row["OUTCOME"]: int(row["COUNT"]) for row in rows if row["ROW"] == "TOTAL"}


def test_an_upload_by_lftp_is_loaded_and_reported(hub: Any, unchanged: Any, tmp_path: Path) -> None:
    file = tmp_path / "large.lse"
    stranger = unchanged[0]._replace(esiid="10443729999999998")
    with file.open("wb") as stream:
        write([*unchanged, stranger], stream)
    assert file.stat().st_size > 1_500_000, "large enough for lftp to drop TLS's closing alert"
    upload(hub, file)
    rows = report_of(hub, file, tmp_path)
    assert rows[0]["OUTCOME"] == "LOADED"
    assert {name: n for name, n in totals(rows).items() if name != "FLAGGED"} == {
        "LOADED": 0,
        "REPLACED": 0,
        "UNCHANGED": len(unchanged),
        "REJECTED": 1,
    }
    (rejected,) = [row for row in rows if row["OUTCOME"] == "REJECTED" and row["ROW"] == "RECORD"]
    assert (rejected["RULE"], rejected["ESIID"]) == ("ESIID_UNKNOWN", "10443729999999998")
    assert int(rejected["LINE"]) > 29 * (len(unchanged) - 1)


@pytest.fixture
def sealed(hub: Any, unchanged: Any, tmp_path: Path) -> Path:
    plain, zipped, final = (tmp_path / name for name in ("sealed.lse", "sealed.lse.zip", "sealed.lse.zip.asc"))
    with plain.open("wb") as stream:
        write(unchanged[:200], stream)
    with zipped.open("wb") as out:
        pack([plain.read_bytes()], plain.name, datetime(2026, 11, 20, tzinfo=UTC), out)
    certificate = (hub.sandbox.certificates / "hub-openpgp-public.asc").read_text()
    encrypt_file(zipped, final, certificate, now=datetime.now(UTC))
    return final


def test_a_zip_encrypted_to_the_published_key_is_loaded_though_the_intake_is_killed(
    hub: Any, sealed: Path, tmp_path: Path
) -> None:
    for pid in of_role(hub.pid, "intake"):
        os.kill(pid, signal.SIGKILL)
    upload(hub, sealed)
    rows = report_of(hub, sealed, tmp_path)
    assert rows[0]["OUTCOME"] == "LOADED"
    assert totals(rows)["UNCHANGED"] == 200


def test_a_bad_upload_is_answered_with_what_to_do(hub: Any, sealed: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.lse.zip"
    cut.write_bytes((tmp_path / "sealed.lse.zip").read_bytes()[:-40])
    upload(hub, cut)
    rows = report_of(hub, cut, tmp_path)
    assert (rows[0]["OUTCOME"], rows[0]["RULE"]) == ("REFUSED", "FILE_UNREADABLE")
    assert sum(totals(rows).values()) == 0


@pytest.mark.parametrize("pattern", [".in.*", "*.filepart", "*.temp"])
def test_lftp_uploads_under_a_temporary_name_and_renames(
    hub: Any, unchanged: Any, tmp_path: Path, pattern: str
) -> None:
    file = tmp_path / f"renamed{pattern.strip('.*')}.lse"
    with file.open("wb") as stream:
        # another content each time: the same one would be answered as repeated
        write(unchanged[: 30 + len(file.name)], stream)
    program("lftp")
    done = lftp(hub, TDSP, f"set xfer:use-temp-file yes; set xfer:temp-file-name {pattern}; put -O /inbox {file}")
    assert done.returncode == 0, done.stderr
    rows = report_of(hub, file, tmp_path)
    assert (rows[0]["OUTCOME"], rows[0]["RULE"]) == ("LOADED", "")
    assert totals(rows)["UNCHANGED"] == 30 + len(file.name)
    assert rows[0]["REASON"].startswith(f"{file.name};"), "loaded under its own name"


def test_a_plain_file_cut_off_is_told_from_a_whole_one(hub: Any, unchanged: Any, tmp_path: Path) -> None:
    """U4: LSE has no trailer; the connection's end says whether the file was meant to end there."""
    whole = tmp_path / "cut.lse"
    with whole.open("wb") as stream:
        write(unchanged[:14], stream)
    content = whole.read_bytes()
    lines = content.splitlines(keepends=True)
    file = tmp_path / "cut-off.lse"
    file.write_bytes(b"".join(lines[: len(lines) // 3]))
    certificates, player = hub.sandbox.certificates, hub.sandbox.player(TDSP)
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificates / f"{player.stem}-tls.crt", certificates / f"{player.stem}-tls.key")
    with ftplib.FTP_TLS(context=context, timeout=180) as session:
        session.connect("127.0.0.1", hub.settings.ftps.port)
        session.login(TDSP, player.ftps_password)
        session.prot_p()
        session.voidcmd("TYPE I")
        data = session.transfercmd(f"STOR /inbox/{file.name}")
        data.sendall(file.read_bytes())
        os.close(data.detach())
        assert "The end was not confirmed" in session.voidresp()
    rows = report_of(hub, file, tmp_path)
    assert (rows[0]["OUTCOME"], rows[0]["RULE"]) == ("LOADED", "END_NOT_CONFIRMED")
    assert 0 < sum(n for name, n in totals(rows).items() if name != "FLAGGED") < 14
