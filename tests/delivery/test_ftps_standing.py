"""P4, P10: what a login proved is asked again before every FTPS command, and while files are on their way."""

from __future__ import annotations

import ftplib
import io
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from ftps_sandbox import OTHER, REQUESTER, TDSP, Sandbox, running

COMMANDS = (
    *("NOOP", "PWD", "CWD /adhoc", "CDUP", "FEAT", "SYST", "TYPE I", "PASV", "EPSV", "STAT", "STAT /adhoc"),
    *("MLST /adhoc", "SIZE /adhoc/a", "MDTM /adhoc/a", "DELE /adhoc/a", "RETR /adhoc/a", "LIST", "NLST", "MLSD"),
    *("STOR /inbox/x", "RNFR /inbox/a.tmp", "RNTO /inbox/b", "REST 1", "ALLO 1", "ABOR", "REIN", "USER 1", "PBSZ 0"),
)


class Gate:
    """Whether one user's login still holds, and what was asked."""

    def __init__(self, box: Sandbox, user: str) -> None:
        self.answer: Callable[[], bool] = lambda: True
        self.asked: list[tuple[str, str]] = []
        box.accounts[user] = replace(box.accounts[user], still_stands=self._still_stands)

    def _still_stands(self, sha256: str, address: str) -> bool:
        self.asked.append((sha256, address))
        return self.answer()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_once_the_login_no_longer_holds(sandbox: Sandbox, command: str) -> None:
    gate = Gate(sandbox, TDSP)
    file = sandbox.home(TDSP) / "adhoc" / "a"
    with sandbox.login(TDSP) as client:
        file.write_bytes(b"x")
        assert client.sendcmd("NOOP").startswith("200")
        gate.answer = lambda: False
        with pytest.raises(ftplib.error_temp, match="421 Account, password, certificate or address"):
            client.sendcmd(command)
        with pytest.raises((EOFError, ConnectionError, ssl.SSLError)):
            client.sendcmd("NOOP")
    assert file.exists()
    assert set(gate.asked) == {(sandbox.pems[TDSP].sha256, "127.0.0.1")}


def test_one_question_a_command(sandbox: Sandbox) -> None:
    gate = Gate(sandbox, REQUESTER)
    with sandbox.login(REQUESTER) as client:
        before = len(gate.asked)
        for _ in range(5):
            client.sendcmd("NOOP")
    assert len(gate.asked) == before + 5


def test_a_store_that_is_away_refuses_the_command_and_keeps_the_session(sandbox: Sandbox) -> None:
    gate = Gate(sandbox, REQUESTER)

    def away() -> bool:
        raise RuntimeError("no connection to the store")

    with sandbox.login(REQUESTER) as client:
        gate.answer = away
        with pytest.raises(ftplib.error_temp, match="451 The hub cannot look up your account"):
            client.sendcmd("LIST")
        gate.answer = lambda: True
        assert client.nlst() == ["adhoc", "daily", "enrollment"]


def test_an_upload_that_ends_after_the_login_did_is_not_taken(sandbox: Sandbox) -> None:
    gate = Gate(sandbox, TDSP)
    with sandbox.login(TDSP) as client:
        data = client.transfercmd("STOR /inbox/late.lse")
        data.sendall(b"whole")
        gate.answer = lambda: False
        data.unwrap()
        data.close()
        with pytest.raises(ftplib.error_temp, match="421"):
            client.voidresp()
    assert list((sandbox.home(TDSP) / "inbox").glob("*late*")) == []


@pytest.mark.parametrize("direction", ["fetch", "upload"])
def test_a_transfer_under_way_ends_too(tmp_path, direction: str) -> None:
    with running(tmp_path, ask_again=0.2) as box:
        gate = Gate(box, TDSP)
        with box.login(TDSP) as client:
            (box.home(TDSP) / "adhoc" / "large").write_bytes(bytes(50_000_000))
            data = client.transfercmd("RETR /adhoc/large" if direction == "fetch" else "STOR /inbox/large")
            if direction == "fetch":
                data.recv(1000)
            else:
                data.sendall(b"first half")
            gate.answer = lambda: False
            with pytest.raises(ftplib.error_temp, match="421"):
                client.voidresp()
            data.close()
        assert not (box.home(TDSP) / "inbox" / "large").exists()


def test_a_revoked_certificate_ends_its_open_sessions_and_no_other(tmp_path) -> None:
    lists = tmp_path / "lists.pem"
    with running(tmp_path, crl_file=lists) as box, box.login(REQUESTER) as revoked, box.login(OTHER) as other:
        assert revoked.pwd() == "/"
        box.authority.crl(lists, box.pems[REQUESTER])
        with pytest.raises(ftplib.error_temp, match="421"):
            revoked.pwd()
        assert other.pwd() == "/"


def test_the_question_holds_up_no_other_session(sandbox: Sandbox) -> None:
    gate, asked, go_on = Gate(sandbox, OTHER), threading.Event(), threading.Event()

    def slow() -> bool:
        asked.set()
        return go_on.wait(180)

    with sandbox.login(OTHER) as waiting, sandbox.login(REQUESTER) as quick:
        gate.answer = slow
        told: list[str] = []
        thread = threading.Thread(target=lambda: told.append(waiting.pwd()))
        thread.start()
        assert asked.wait(180)
        got = io.BytesIO()
        (sandbox.home(REQUESTER) / "daily" / "q").write_bytes(b"q")
        quick.retrbinary("RETR /daily/q", got.write)
        assert got.getvalue() == b"q"
        assert told == []
        go_on.set()
        thread.join(180)
        assert told == ["/"]


@pytest.fixture
def sandbox(site: Sandbox):
    accounts = dict(site.accounts)
    yield site
    site.accounts.update(accounts)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running(tmp_path_factory.mktemp("ftps")) as box:
        yield box
