"""P4: whatever a command's argument is, the session answers and goes on; nothing ends in a traceback."""

from __future__ import annotations

import ftplib
import logging
import ssl

import pytest
from ftps_sandbox import REQUESTER, TDSP, Sandbox, running

from adapters.ftps.session import Session

#: Too long for a file system, for a number, for a path; not UTF-8; not printable; not what the command expects.
ARGUMENTS = (
    b"n" * 256,
    b"/adhoc/" + b"n" * 256,
    b"/inbox/" + "é".encode() * 200,
    b"/" + b"a/" * 900,
    b"x" * 1900,
    b"\xff\xfe",
    b"/adhoc/\xff",
    b"\x00",
    b"/adhoc/a\x00b",
    b"9" * 1900,
    b"-1",
    b"\xc2\xb2",
    b"1 2 3",
    b"-al " + b"n" * 300,
    b"../../../../etc/passwd",
    b"*",
    b"|1|127.0.0.1|" + b"9" * 500 + b"|",
    b"1,2,3,4,5," + b"9" * 500,
    b"UTF8 ON",
    b"MLST " + b"n" * 300,
    b" ",
    b"~",
)
#: These end a session as they should, or change what the next command is.
_ENDING = {"QUIT", "REIN", "USER", "PASS", "AUTH"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with running(tmp_path_factory.mktemp("ftps"), failed_logins=10_000) as box:
        yield box


def answer(client: ftplib.FTP_TLS, line: bytes) -> str:
    client.sock.sendall(line + b"\r\n")
    return client.getmultiline()


def settled(client: ftplib.FTP_TLS) -> None:
    """Whatever the command left open is closed, so that the next answer is that of the next command."""
    client.sock.sendall(b"ABOR\r\nOPTS X\r\n")
    while not client.getmultiline().startswith("501"):
        pass


@pytest.mark.parametrize("user", [REQUESTER, TDSP])
@pytest.mark.parametrize("command", sorted(set(Session.proto_cmds) - _ENDING))
def test_the_session_answers_every_odd_argument_and_goes_on(sandbox: Sandbox, caplog, command: str, user: str) -> None:
    with caplog.at_level(logging.ERROR), sandbox.login(user) as client:
        client.voidcmd("TYPE I")
        for argument in ARGUMENTS:
            if command == "RETR" or command == "STOR":
                client.sendcmd("REST 99999999999999999999999")
            assert answer(client, command.encode() + b" " + argument)[:1] in "12345"
            settled(client)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_odd_user_names_and_passwords_are_refused_and_no_more(sandbox: Sandbox, caplog, argument: bytes) -> None:
    with caplog.at_level(logging.ERROR):
        client = sandbox.connect(sandbox.pems[REQUESTER])
        client.auth()
        answer(client, b"USER " + argument)
        assert answer(client, b"PASS " + argument)[:1] == "5"
        answer(client, f"USER {REQUESTER}".encode())
        assert answer(client, b"PASS " + argument)[:1] == "5"
        assert answer(client, b"AUTH " + argument)[:1] == "5"
        client.close()
    assert "Traceback" not in caplog.text


def test_a_session_lives_on_after_a_long_name(sandbox: Sandbox) -> None:
    with sandbox.login(TDSP) as client:
        with pytest.raises(ftplib.error_perm, match="550 There is no such place, or the name cannot be: at most 255"):
            client.sendcmd("SIZE /inbox/" + "n" * 300)
        try:
            assert client.pwd() == "/"
        except (EOFError, ssl.SSLError) as ended:
            pytest.fail(f"the session has ended: {ended!r}")
