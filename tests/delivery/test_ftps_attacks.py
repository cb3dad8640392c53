"""P4: what nobody may do on the FTPS site, tried on the wire."""

import contextlib
import ftplib
import io
import logging
import os
import socket
import ssl
import time

import pytest
from ftps_sandbox import OTHER, PASSWORD, REQUESTER, TDSP, Authority, Sandbox, running


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    # the attacks fail more often than five times; the limit has a test of its own
    with running(tmp_path_factory.mktemp("ftps"), failed_logins=1000) as box:
        yield box


def read_line(raw: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        got = raw.recv(1)
        if not got:
            break
        line += got
    return line


def handshake_is_refused(box: Sandbox, pem) -> bool:
    """Whether the site ends the connection; under TLS 1.3 the client learns it from its first reading."""
    client = box.connect(pem)
    try:
        client.auth()
        client.sendcmd("NOOP")
    except (ssl.SSLError, ConnectionError, EOFError):
        return True
    finally:
        client.close()
    return False


def test_without_a_certificate_of_the_authority_there_is_no_handshake(sandbox: Sandbox, tmp_path) -> None:
    other_ca = Authority(tmp_path / "other", "Sample CA")
    assert handshake_is_refused(sandbox, None)
    assert handshake_is_refused(sandbox, other_ca.issue(REQUESTER))
    assert handshake_is_refused(sandbox, sandbox.authority.issue("late", ended=True))
    assert handshake_is_refused(sandbox, sandbox.authority.issue("server-only", server=True))
    assert not handshake_is_refused(sandbox, sandbox.pems[REQUESTER])


def test_tls_below_1_2_is_refused(sandbox: Sandbox) -> None:
    context = sandbox.tls(sandbox.pems[REQUESTER])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    client = ftplib.FTP_TLS(context=context, timeout=180)
    client.connect(*sandbox.site.address)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.auth()
    client.close()


@pytest.mark.parametrize(
    ("certificate_of", "user", "password"),
    [
        (OTHER, REQUESTER, PASSWORD),
        (REQUESTER, REQUESTER, "wrong"),
        (REQUESTER, REQUESTER, ""),
        (REQUESTER, "0000000000", PASSWORD),
        (REQUESTER, "anonymous", "a@b"),
        (REQUESTER, "../" + OTHER, PASSWORD),
    ],
    ids=["another company's certificate", "wrong password", "no password", "unknown", "anonymous", "path"],
)
def test_certificate_user_name_and_password_must_belong_together_and_the_answer_does_not_say_which_failed(
    sandbox: Sandbox, certificate_of: str, user: str, password: str
) -> None:
    client = sandbox.connect(sandbox.pems[certificate_of])
    try:
        client.auth()
        client.sendcmd(f"USER {user}")
        with pytest.raises(ftplib.error_perm) as refused:
            client.sendcmd(f"PASS {password}")
        assert str(refused.value) in {"530 Authentication failed.", "501 Syntax error: command needs an argument."}
        with pytest.raises(ftplib.error_perm, match="530"):
            client.sendcmd("LIST")
    finally:
        client.close()


def test_a_certificate_that_fails_too_often_is_refused_even_with_the_right_password_and_others_are_not(
    tmp_path,
) -> None:
    with running(tmp_path, failed_logins=3) as box:
        client = box.connect(box.pems[OTHER])
        for attempt in range(3):
            with pytest.raises(ftplib.error_perm, match="530"):
                client.login(REQUESTER, f"guess {attempt}")
        client.close()
        again = box.connect(box.pems[OTHER])
        with pytest.raises(ftplib.error_perm, match=r"(?i)too many failed logins"):
            again.login(OTHER, PASSWORD)
        again.close()
        with box.login(REQUESTER) as client:
            assert client.pwd() == "/"


def test_three_failures_end_a_session(sandbox: Sandbox) -> None:
    client = sandbox.connect(sandbox.pems[REQUESTER])
    for _ in range(3):
        with pytest.raises(ftplib.error_perm, match="530"):
            client.login(REQUESTER, "wrong")
    with pytest.raises((EOFError, ConnectionError, ssl.SSLError)):
        client.sendcmd("NOOP")
    client.close()


def test_nothing_is_done_in_the_clear(sandbox: Sandbox) -> None:
    client = ftplib.FTP(timeout=180)
    client.connect(*sandbox.site.address)
    for command in (f"USER {REQUESTER}", "PASS x", "LIST", "PWD", "PASV", "PROT P", "PBSZ 0"):
        with pytest.raises(ftplib.error_perm, match=r"^5"):
            client.sendcmd(command)
    client.close()


def test_commands_sent_in_the_clear_behind_auth_tls_are_not_executed(sandbox: Sandbox, caplog) -> None:
    """The STARTTLS injection: bytes of a man in the middle run inside the client's TLS session."""
    raw = socket.create_connection(sandbox.site.address, timeout=180)
    assert read_line(raw).startswith(b"220")
    with caplog.at_level(logging.DEBUG):
        raw.sendall(b"AUTH TLS\r\nUSER 4711\r\nNOOP\r\nSYST\r\nNO")
        assert read_line(raw).startswith(b"234")
        secured = sandbox.tls(sandbox.pems[REQUESTER]).wrap_socket(raw, server_hostname="127.0.0.1")
        # the first answer inside TLS must be the answer to the first command inside TLS
        secured.sendall(b"PWD\r\n")
        first = read_line(secured)
        assert first.startswith(b"530"), first
    assert "4711" not in caplog.text
    assert "discarded" in caplog.text
    secured.close()


def test_a_clear_data_channel_is_refused_whenever_it_is_asked_for(sandbox: Sandbox) -> None:
    client = sandbox.connect(sandbox.pems[REQUESTER])
    client.login(REQUESTER, PASSWORD)
    with pytest.raises(ftplib.error_perm, match="550"):
        client.sendcmd("PASV")
    client.sendcmd("PBSZ 0")
    with pytest.raises(ftplib.error_perm, match="534"):
        client.sendcmd("PROT C")
    with pytest.raises(ftplib.error_perm, match="550"):
        client.sendcmd("EPSV")
    client.sendcmd("PROT P")
    host, port = ftplib.parse227(client.sendcmd("PASV"))
    with pytest.raises(ftplib.error_perm, match="534"):
        client.sendcmd("PROT C")
    clear = socket.create_connection((host, port), timeout=180)
    client.putcmd("LIST")
    clear.sendall(b"hello, not TLS\r\n\r\n")
    clear.settimeout(180)
    got = b""
    try:
        while piece := clear.recv(4096):
            got += piece
    except ConnectionError:
        pass
    assert b"adhoc" not in got
    clear.close()
    client.close()


@pytest.mark.parametrize("connect_first", [True, False], ids=["handshake before RETR", "handshake after RETR"])
@pytest.mark.parametrize("thief", [OTHER, None], ids=["another company's certificate", "no certificate"])
def test_a_data_connection_with_another_certificate_gets_nothing(sandbox: Sandbox, thief, connect_first: bool) -> None:
    """The passive port is open to anybody at the client's address; session reuse is not asked for."""
    secret = b"somebody else's usage" * 50_000
    with sandbox.login(REQUESTER) as client:
        (sandbox.home(REQUESTER) / "adhoc" / "s").write_bytes(secret)
        client.voidcmd("TYPE I")
        address = ftplib.parse227(client.sendcmd("PASV"))
        if not connect_first:
            client.putcmd("RETR /adhoc/s")
        raw = socket.create_connection(address, timeout=180)
        got = b""
        try:
            context = sandbox.tls(sandbox.pems[thief] if thief else None)
            stolen = context.wrap_socket(raw, server_hostname="127.0.0.1")
            if connect_first:
                client.putcmd("RETR /adhoc/s")
            while piece := stolen.recv(65536):
                got += piece
        except (ssl.SSLError, ConnectionError):
            pass
        finally:
            raw.close()
            if "stolen" in locals():
                stolen.close()
        assert got == b""


def test_an_upload_over_a_data_connection_with_another_certificate_never_appears(sandbox: Sandbox) -> None:
    with sandbox.login(TDSP) as client:
        address = ftplib.parse227(client.sendcmd("PASV"))
        client.putcmd("STOR /inbox/planted")
        raw = socket.create_connection(address, timeout=180)
        try:
            with sandbox.tls(sandbox.pems[OTHER]).wrap_socket(raw, server_hostname="127.0.0.1") as planted:
                planted.sendall(b"false readings")
                planted.unwrap()
        except (ssl.SSLError, ConnectionError, OSError):
            pass
        finally:
            raw.close()
        time.sleep(0.3)
    assert not any("planted" in name for name in os.listdir(sandbox.home(TDSP) / "inbox"))


@pytest.fixture
def secrets(sandbox: Sandbox):
    """Files that REQUESTER must not reach: another's, hidden, linked, beside the folders."""
    home = sandbox.home(REQUESTER)
    with sandbox.login(OTHER), sandbox.login(REQUESTER):
        pass
    (sandbox.home(OTHER) / "adhoc" / "theirs").write_bytes(b"SECRET")
    (home / "beside").write_bytes(b"SECRET")
    (home / "adhoc" / ".hidden").write_bytes(b"SECRET")
    (home / "adhoc" / "sub").mkdir(exist_ok=True)
    (home / "adhoc" / "sub" / "deep").write_bytes(b"SECRET")
    for link, target in {
        "link": sandbox.home(OTHER) / "adhoc" / "theirs",
        "dir": sandbox.home(OTHER) / "adhoc",
        "inner": home / "beside",
    }.items():
        if not (home / "adhoc" / link).is_symlink():
            (home / "adhoc" / link).symlink_to(target)
    if not (home / "adhoc" / "pipe").exists():
        os.mkfifo(home / "adhoc" / "pipe")
    return home


UNREACHABLE = [
    f"../{OTHER}/adhoc/theirs",
    f"/../{OTHER}/adhoc/theirs",
    f"adhoc/../../{OTHER}/adhoc/theirs",
    f"//..//{OTHER}/adhoc/theirs",
    "/etc/passwd",
    "/beside",
    "/adhoc/../beside",
    "/adhoc/.hidden",
    "/adhoc/./.hidden",
    "/adhoc/link",
    "/adhoc/inner",
    "/adhoc/dir/theirs",
    "/adhoc/sub/deep",
    "/adhoc/.hidden\0",
    "/adhoc/x\ty",
    "~/beside",
]


@pytest.mark.parametrize("path", UNREACHABLE)
def test_no_path_leads_out_of_the_own_folders_to_hidden_files_or_through_links(sandbox, secrets, path: str) -> None:
    before = sorted(str(found) for found in sandbox.folder.rglob("*"))
    with sandbox.login(REQUESTER) as client:
        client.voidcmd("TYPE I")
        for command in ("RETR", "SIZE", "MDTM", "MLST", "DELE", "STAT", "CWD", "STOR", "RNFR"):
            with pytest.raises(ftplib.Error) as refused:
                client.sendcmd(f"{command} {path}")
            assert str(refused.value)[:3] in {"550", "500", "501"}, command
            assert "SECRET" not in str(refused.value)
        for command in ("LIST", "NLST", "MLSD"):
            lines: list[str] = []
            with pytest.raises(ftplib.error_perm, match=r"^5"):
                client.retrlines(f"{command} {path}", lines.append)
            assert lines == []
    assert sorted(str(found) for found in sandbox.folder.rglob("*")) == before


def test_nothing_hidden_linked_or_special_is_listed(sandbox, secrets) -> None:
    for name in ("s", "seen"):
        (secrets / "adhoc" / name).write_bytes(b"x")
    with sandbox.login(REQUESTER) as client:
        assert client.nlst("/adhoc") == ["s", "seen"]
        assert [name for name, _ in client.mlsd("/adhoc")] == ["s", "seen"]
        lines: list[str] = []
        client.retrlines("LIST /adhoc", lines.append)
        assert len(lines) == 2
        assert "hub" in lines[0].split()
        assert "root" not in lines[0].split()
        assert ".hidden" not in client.sendcmd("STAT /adhoc")
        assert client.nlst("/") == ["adhoc", "daily", "enrollment"]
        with pytest.raises(ftplib.error_perm, match="550"):
            client.sendcmd("RETR /adhoc/pipe")


@pytest.mark.parametrize("name", [".x", ".x.part", "..", "a\tb", "inbox", ""])
def test_a_tdsp_cannot_store_under_a_hidden_or_odd_name(sandbox: Sandbox, name: str) -> None:
    with sandbox.login(TDSP) as client:
        before = sorted(os.listdir(sandbox.home(TDSP) / "inbox"))
        with pytest.raises(ftplib.error_perm, match=r"^5"):
            client.storbinary(f"STOR /inbox/{name}" if name != "inbox" else "STOR /inbox", io.BytesIO(b"x"))
        assert sorted(os.listdir(sandbox.home(TDSP) / "inbox")) == before


@pytest.mark.parametrize("command", ["PORT 203,0,113,7,200,1", "EPRT |1|203.0.113.7|51201|", "PORT 127,0,0,1,0,22"])
def test_the_site_connects_to_no_foreign_host_and_no_privileged_port(sandbox: Sandbox, command: str) -> None:
    with sandbox.login(REQUESTER) as client, pytest.raises(ftplib.error_perm, match=r"^501"):
        client.sendcmd(command)


@pytest.mark.parametrize("ending", ["\r\n", ""], ids=["one long line", "no end"])
def test_a_command_line_without_end_closes_the_session(sandbox: Sandbox, ending: str) -> None:
    raw = socket.create_connection(sandbox.site.address, timeout=180)
    assert read_line(raw).startswith(b"220")
    raw.sendall(b"NOOP " + b"x" * 5000 + ending.encode())
    assert read_line(raw) == b"500 Command too long.\r\n"
    with contextlib.suppress(ConnectionError):
        assert raw.recv(100) == b""
    raw.close()


def test_the_log_holds_no_password_and_no_forged_line(sandbox: Sandbox, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        client = sandbox.connect(sandbox.pems[REQUESTER])
        client.auth()
        client.sendcmd(f"USER {REQUESTER}")
        with pytest.raises(ftplib.error_perm, match="530"):
            client.sendcmd("PASS guess-4711")
        client.sendcmd(f"USER {REQUESTER}")
        client.sendcmd(f"PASS {PASSWORD}")
        client.sock.sendall(b"XX\nERROR forged line\r\n")
        assert client.file.readline().startswith("500")
        client.close()
        time.sleep(0.5)
    assert "guess-4711" not in caplog.text
    assert PASSWORD not in caplog.text
    assert "login refused: password" in caplog.text
    assert not any(line.startswith("ERROR forged") for line in caplog.text.splitlines())
