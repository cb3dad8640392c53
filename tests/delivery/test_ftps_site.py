"""R7, P4: each company fetches its own files over FTPS; TDSPs leave files, and a file appears only when it is whole."""

import contextlib
import ftplib
import io
import os
import socket
import ssl
import struct
import threading
import time
from pathlib import Path

import pytest
from ftps_sandbox import OTHER, PASSWORD, REQUESTER, TDSP, Sandbox, running
from waiting import PATIENCE, until

from adapters.ftps import Account, FtpsTlsError
from adapters.ftps.accounts import FailedLogins
from adapters.ftps.tls import ServerTls
from adapters.unconfirmed_uploads import is_marked


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with running(tmp_path_factory.mktemp("ftps"), alertless_pause=1) as box:
        yield box


def fetch(client: ftplib.FTP_TLS, path: str) -> bytes:
    got = io.BytesIO()
    client.retrbinary(f"RETR {path}", got.write)
    return got.getvalue()


def send_on(client: ftplib.FTP_TLS, command: str, content: bytes) -> str:
    """Upload, and hear what the site says of it though it has closed the data connection meanwhile."""
    with contextlib.suppress(OSError), client.transfercmd(command) as data:
        data.sendall(content)
        data.unwrap()
    return client.voidresp()


@pytest.mark.parametrize("tls12", [True, False], ids=["TLS 1.2", "TLS 1.3"])
def test_a_requester_lists_fetches_and_deletes_its_files(sandbox: Sandbox, tls12: bool) -> None:
    content = os.urandom(3_000_000)
    with sandbox.login(REQUESTER, tls12=tls12) as client:
        assert client.sock.version() == ("TLSv1.2" if tls12 else "TLSv1.3")
        assert client.nlst() == ["adhoc", "daily", "enrollment"]
        file = sandbox.home(REQUESTER) / "adhoc" / "a.asc"
        file.write_bytes(content)
        client.cwd("/adhoc")
        assert client.nlst() == ["a.asc"]
        assert [name for name, _ in client.mlsd()] == ["a.asc"]
        client.voidcmd("TYPE I")
        assert client.size("a.asc") == len(content)
        assert fetch(client, "a.asc") == content
        assert fetch(client, "/adhoc/a.asc") == content
        client.delete("a.asc")
        assert client.nlst() == []
    assert not file.exists()


def test_a_fetch_may_be_resumed(sandbox: Sandbox) -> None:
    with sandbox.login(REQUESTER) as client:
        (sandbox.home(REQUESTER) / "daily" / "r.asc").write_bytes(b"0123456789")
        got = io.BytesIO()
        client.retrbinary("RETR /daily/r.asc", got.write, rest=4)
    assert got.getvalue() == b"456789"


@pytest.mark.parametrize(
    "command",
    [
        "STOR /adhoc/x",
        "MKD /x",
        "RMD /adhoc",
        "RNFR /adhoc/a",
        "APPE /adhoc/x",
        "STOU",
        "SITE CHMOD 777 adhoc",
        "DELE /adhoc",
        "MFMT 20200101000000 /adhoc/a",
    ],
)
def test_a_requester_can_change_nothing_else(sandbox: Sandbox, command: str) -> None:
    with sandbox.login(REQUESTER) as client:
        (sandbox.home(REQUESTER) / "adhoc" / "a").write_bytes(b"x")
        with pytest.raises(ftplib.error_perm, match=r"^5"):
            client.sendcmd(command)
    assert sorted(os.listdir(sandbox.home(REQUESTER))) == ["adhoc", "daily", "enrollment"]
    assert (sandbox.home(REQUESTER) / "adhoc" / "a").read_bytes() == b"x"


def test_a_tdsp_stores_in_its_inbox_and_reads_its_reports(sandbox: Sandbox) -> None:
    content = os.urandom(2_000_000)
    with sandbox.login(TDSP) as client:
        assert client.nlst() == ["adhoc", "daily", "enrollment", "inbox", "reports"]
        client.storbinary("STOR /inbox/a.asc", io.BytesIO(content))
        assert (sandbox.home(TDSP) / "inbox" / "a.asc").read_bytes() == content
        client.storbinary("STOR /inbox/empty", io.BytesIO())
        assert (sandbox.home(TDSP) / "inbox" / "empty").read_bytes() == b""
        client.storbinary("STOR /inbox/a.asc", io.BytesIO(b"sent again"))
        assert (sandbox.home(TDSP) / "inbox" / "a.asc").read_bytes() == b"sent again"
        (sandbox.home(TDSP) / "reports" / "r").write_bytes(b"activity")
        assert fetch(client, "/reports/r") == b"activity"
        for command in ("RETR /inbox/a.asc", "DELE /inbox/a.asc", "DELE /reports/r", "STOR /reports/x", "STOR /x"):
            with pytest.raises(ftplib.error_perm, match=r"^550"):
                client.sendcmd(command)
    assert sorted(os.listdir(sandbox.home(TDSP) / "inbox")) == ["a.asc", "empty"]


def test_an_upload_is_hidden_until_it_is_whole(sandbox: Sandbox) -> None:
    inbox = sandbox.home(TDSP) / "inbox"
    with sandbox.login(TDSP) as client:
        data = client.transfercmd("STOR /inbox/slow.asc")
        data.sendall(b"first half ")
        until(lambda: any(name.startswith(".slow.asc.") for name in os.listdir(inbox)), "the part is there")
        assert "slow.asc" not in os.listdir(inbox)
        with sandbox.login(TDSP) as second:
            assert not any("slow" in name for name in second.nlst("/inbox"))
        data.sendall(b"second half")
        data.unwrap()
        data.close()
        assert client.voidresp().startswith("226")
    assert (inbox / "slow.asc").read_bytes() == b"first half second half"
    assert not any(name.startswith(".") for name in os.listdir(inbox))


# TLS 1.2, because Python's client closes, as lftp does, with TLS 1.3's tickets unread: that is a reset of its own
def cut(data: ssl.SSLSocket, *, reset: bool = False) -> None:
    """Close without TLS's closing alert, as a killed process does, or somebody in the middle; or with a TCP reset."""
    if reset:
        data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(data.detach())


@pytest.mark.parametrize(
    "how", ["data reset", "control cut", "abort", "both cut", "abort after cut", "control cut after cut", "less"]
)
def test_an_interrupted_upload_never_appears(tmp_path: Path, how: str) -> None:
    # what follows the cut comes within this pause, however late it comes; without a cut the pause may well end
    pause = 3600 if "after" in how else 1
    with running(tmp_path, alertless_pause=pause) as box, box.login(TDSP, tls12=True) as client:
        inbox = box.home(TDSP) / "inbox"
        client.voidcmd("TYPE I")
        if how == "less":
            client.sendcmd("ALLO 5")
        data = client.transfercmd("STOR /inbox/cut.asc")
        data.sendall(b"half")
        until(lambda: any(name.startswith(".cut.asc.") for name in os.listdir(inbox)), "the part is there")
        if how in {"data reset", "both cut", "abort after cut", "control cut after cut"}:
            cut(data, reset=how == "data reset")
        if how == "less":
            data.unwrap()
        if "after" in how:
            time.sleep(0.2)
        if how.startswith("abort"):
            client.putcmd("ABOR")
        if how in {"data reset", "less"}:
            with pytest.raises(ftplib.error_temp, match="426"):
                client.voidresp()
        if how in {"control cut", "both cut", "control cut after cut"}:
            client.sock.shutdown(2)
        data.close()
        until(lambda: not any("cut.asc" in name for name in os.listdir(inbox)), "the part is removed")
        if pause == 1:
            time.sleep(1.2)
        assert "cut.asc" not in os.listdir(inbox), "after the pause it must not appear either"


def test_an_upload_ended_without_closing_alert_is_whole_when_it_has_the_announced_bytes(tmp_path: Path) -> None:
    # a pause that nobody would sit out: the answer comes because nothing has to be waited for
    with running(tmp_path, alertless_pause=3600) as sandbox, sandbox.login(TDSP, tls12=True) as client:
        client.voidcmd("TYPE I")
        client.sendcmd("ALLO 5")
        data = client.transfercmd("STOR /inbox/announced.asc")
        data.sendall(b"whole")
        cut(data)
        assert client.voidresp().startswith("226")
        assert (sandbox.home(TDSP) / "inbox" / "announced.asc").read_bytes() == b"whole"
        # the announcement was for one upload
        client.storbinary("STOR /inbox/next.asc", io.BytesIO(b"x"))
        assert (sandbox.home(TDSP) / "inbox" / "next.asc").read_bytes() == b"x"


def test_an_upload_ended_without_closing_alert_and_not_announced_is_whole_after_a_pause(sandbox: Sandbox) -> None:
    file = sandbox.home(TDSP) / "inbox" / "quiet.asc"
    with sandbox.login(TDSP, tls12=True) as client:
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR /inbox/quiet.asc")
        data.sendall(b"whole")
        began = time.monotonic()
        cut(data)
        until(file.exists, "the upload has its name")
        assert time.monotonic() - began > 0.9, "not before the pause of a second is over"
        assert "The end was not confirmed" in client.voidresp()
        assert file.read_bytes() == b"whole"
        assert is_marked(sandbox.home(TDSP), file)
        assert client.nlst("/inbox"), "the session goes on"
        client.rename("/inbox/quiet.asc", "/inbox/renamed.asc")
        assert is_marked(sandbox.home(TDSP), file.with_name("renamed.asc"))


def test_where_the_setting_says_so_such_an_upload_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, unconfirmed_upload="refuse") as box, box.login(TDSP, tls12=True) as client:
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR /inbox/quiet.asc")
        data.sendall(b"cut")
        cut(data)
        with pytest.raises(ftplib.error_temp, match="426 The end was not confirmed"):
            client.voidresp()
        # with the alert, or with the bytes announced, it is taken as ever
        client.storbinary("STOR /inbox/whole.asc", io.BytesIO(b"whole"))
        client.sendcmd("ALLO 5")
        data = client.transfercmd("STOR /inbox/announced.asc")
        data.sendall(b"whole")
        cut(data)
        assert client.voidresp().startswith("226")
        inbox = box.home(TDSP) / "inbox"
        assert sorted(os.listdir(inbox)) == ["announced.asc", "whole.asc"]
        assert not any(is_marked(box.home(TDSP), path) for path in inbox.iterdir())


def test_an_upload_after_which_another_is_begun_without_waiting_is_discarded(tmp_path: Path) -> None:
    with running(tmp_path, alertless_pause=3600) as box, box.login(TDSP, tls12=True) as client:
        inbox = box.home(TDSP) / "inbox"
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR /inbox/hasty.asc")
        data.sendall(b"half")
        cut(data)
        time.sleep(0.2)
        client.putcmd("PASV")
        assert client.getresp().startswith("227")
        until(lambda: os.listdir(inbox) == [], "the part is removed and can get its name no more")


def test_a_resumed_upload_is_refused_as_a_whole(sandbox: Sandbox) -> None:
    with sandbox.login(TDSP) as client:
        client.voidcmd("TYPE I")
        client.sendcmd("REST 5")
        with pytest.raises(ftplib.error_perm, match="501"):
            client.sendcmd("STOR /inbox/part.asc")
        client.storbinary("STOR /inbox/whole.asc", io.BytesIO(b"whole"))
    assert (sandbox.home(TDSP) / "inbox" / "whole.asc").read_bytes() == b"whole"
    assert not (sandbox.home(TDSP) / "inbox" / "part.asc").exists()


def test_an_upload_above_the_limit_or_on_a_full_disk_is_discarded_with_a_reason(tmp_path: Path) -> None:
    with running(tmp_path, largest_upload=100_000) as box, box.login(TDSP) as client:
        with pytest.raises(ftplib.error_perm, match="552 A file may have 100000 bytes"):
            send_on(client, "STOR /inbox/big", bytes(30_000_000))
        until(lambda: os.listdir(box.home(TDSP) / "inbox") == [], "the part is removed")


def test_a_slow_password_check_does_not_hold_up_other_companies(sandbox: Sandbox) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(_password: str) -> bool:
        started.set()
        return go_on.wait(180)

    old = sandbox.accounts[OTHER]
    sandbox.accounts[OTHER] = Account(old.home, old.kind, old.certificate_sha256s, slow, old.still_stands)
    client = sandbox.connect(sandbox.pems[OTHER])
    try:
        waiting = threading.Thread(target=client.login, args=(OTHER, PASSWORD))
        waiting.start()
        assert started.wait(180)
        with sandbox.login(REQUESTER) as quick:
            assert quick.nlst() == ["adhoc", "daily", "enrollment"]
        assert waiting.is_alive()
        go_on.set()
        waiting.join(180)
        assert not waiting.is_alive()
    finally:
        sandbox.accounts[OTHER] = old
        client.close()


def test_a_new_server_certificate_serves_new_connections_and_a_broken_one_is_not_taken(tmp_path: Path, caplog) -> None:
    with running(tmp_path) as box:
        before = box.connect(box.pems[REQUESTER])
        before.auth()
        fresh = box.authority.issue("fresh", server=True)
        old_der = before.sock.getpeercert(True)
        box.server.key.write_bytes(fresh.key.read_bytes())
        broken = box.connect(box.pems[REQUESTER])
        broken.auth()
        assert broken.sock.getpeercert(True) == old_der
        assert "cannot be used" in caplog.text
        box.server.certificate.write_bytes(fresh.certificate.read_bytes())
        after = box.connect(box.pems[REQUESTER])
        after.auth()
        assert after.sock.getpeercert(True) != old_der
        assert before.sendcmd("NOOP").startswith("200")
        for client in (before, broken, after):
            client.close()


def test_unusable_certificate_files_stop_the_start_and_are_named(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        other = box.authority.issue("another", server=True)
        with pytest.raises(FtpsTlsError, match=r"another\.key"):
            ServerTls(box.server.certificate, other.key, box.authority.file)
        with pytest.raises(FtpsTlsError, match="missing"):
            ServerTls(tmp_path / "missing", other.key, box.authority.file)


def test_passive_ports_and_masquerade_address_are_as_set(tmp_path: Path) -> None:
    ports = range(41870, 41876)
    with (
        running(tmp_path, passive_ports=ports, masquerade_address="203.0.113.7") as box,
        box.login(REQUESTER) as client,
    ):
        answer = client.sendcmd("PASV")
    host, port = ftplib.parse227(answer)
    assert host == "203.0.113.7"
    assert 41870 <= port < 41876


def test_too_many_connections_of_one_address_are_sent_away_and_places_come_free(tmp_path: Path) -> None:
    with running(tmp_path, most_sessions_per_address=2) as box:
        first, second = box.connect(None), box.connect(None)
        with pytest.raises(ftplib.error_temp, match="421"):
            box.connect(None)
        first.close()
        second.close()

        def free() -> bool:
            try:
                box.connect(None).close()
            except ftplib.error_temp:
                return False
            return True

        until(free, "a place comes free")


def test_close_lets_a_running_transfer_finish_and_a_second_one_does_not_wait(tmp_path: Path) -> None:
    with running(tmp_path) as box, box.login(TDSP) as client:
        data = client.transfercmd("STOR /inbox/last.asc")
        data.sendall(b"half ")
        closing = threading.Thread(target=box.site.close, args=(PATIENCE,))
        closing.start()
        time.sleep(0.6)
        data.sendall(b"whole")
        data.unwrap()
        data.close()
        assert client.voidresp().startswith("226")
        closing.join(180)
        assert not closing.is_alive()
        assert (box.home(TDSP) / "inbox" / "last.asc").read_bytes() == b"half whole"


def test_two_sites_in_one_process_do_not_end_each_other(tmp_path: Path) -> None:
    with running(tmp_path / "a") as first:
        with running(tmp_path / "b"):
            pass
        with first.login(REQUESTER) as client:
            assert client.nlst() == ["adhoc", "daily", "enrollment"]


def test_an_idle_session_ends(tmp_path: Path) -> None:
    with running(tmp_path, idle_timeout=1, login_timeout=PATIENCE) as box:
        client = box.connect(box.pems[REQUESTER])
        client.login(REQUESTER, PASSWORD)  # idle from here on: nothing more has to come in time
        with pytest.raises(ftplib.error_temp, match="421"):
            client.voidresp()
        client.close()


def test_failed_logins_are_counted_by_certificate_within_a_window() -> None:
    now = [100.0]
    failures = FailedLogins(3, 60, lambda: now[0])
    for _ in range(3):
        assert not failures.refused("a")
        failures.failed("a")
        now[0] += 10
    assert failures.refused("a")
    assert not failures.refused("b")
    now[0] = 161
    assert not failures.refused("a"), "the first failure has left the window"
    failures.failed("a")
    assert failures.refused("a")
    failures.succeeded("a")
    assert not failures.refused("a")
