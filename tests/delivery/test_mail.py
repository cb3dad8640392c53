"""R10, A14: the requester gets an e-mail when a report is ready; a letter sent twice is recognisable as one."""

import email
import re
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from ftps_sandbox import Authority
from hypothesis import given
from hypothesis import strategies as st

from adapters.mail import (
    Attachment,
    FolderCarrier,
    MailNotSentError,
    Message,
    SmtpCarrier,
    UnusableMailHeaderError,
)

# aiosmtpd 1.4 closes its sockets a moment after its loop has gone, and warns of log-ins by name
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:aiosmtpd.*"),
]

LETTER = Message(
    to="Files at Lone Star <files@lonestar.example>",
    subject="Your report is ready – Informe listo",
    text="Order 17 is ready.\n.\nA line with a dot before this.\n",
    html="<p>Order 17 is ready.</p>",
    from_="Smart meter hub <hub@hub.example>",
    message_id="<order-17.ready@hub.example>",
    date=datetime(2026, 11, 22, 4, 15, tzinfo=UTC),
    attachments=(Attachment("a.CSV.1039940674000.asc", b"-----BEGIN PGP MESSAGE-----\n"),),
)


class Inbox:
    def __init__(self, answer: str = "250 OK") -> None:
        self.letters: list[bytes] = []
        self.to: list[str] = []
        self.answer = answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 no such user"
        if address.startswith("busy"):
            return "451 try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.letters.append(envelope.content)
        self.to += envelope.rcpt_tos
        return self.answer


class AnyPort(Controller):
    def _trigger_server(self) -> None:
        """aiosmtpd greets itself at the port that it was given; ours is the one that it got."""
        with socket.create_connection(self.server.sockets[0].getsockname(), timeout=180) as greeted:
            greeted.recv(1024)


@pytest.fixture
def start():
    running = []

    def begin(inbox: Inbox, **options) -> int:
        controller = AnyPort(inbox, hostname="127.0.0.1", port=0, **options)
        controller.start()
        running.append(controller)
        return controller.server.sockets[0].getsockname()[1]

    yield begin
    for controller in running:
        controller.stop(no_assert=True)


def test_a_letter_arrives_whole(start) -> None:
    inbox = Inbox()
    SmtpCarrier("127.0.0.1", start(inbox), starttls=False).send(LETTER)
    assert inbox.to == ["files@lonestar.example"]
    got = email.message_from_bytes(inbox.letters[0], policy=default)
    assert got["Subject"] == LETTER.subject
    assert got["Message-ID"] == LETTER.message_id
    assert got["Date"].datetime == LETTER.date
    assert got["To"].addresses[0].display_name == "Files at Lone Star"
    assert got.get_body(("plain",)).get_content().replace("\r\n", "\n") == LETTER.text
    assert got.get_body(("html",)).get_content().strip() == LETTER.html
    (attachment,) = got.iter_attachments()
    assert attachment.get_filename() == "a.CSV.1039940674000.asc"
    assert attachment.get_content() == LETTER.attachments[0].content


def test_a_retried_letter_is_the_same_bytes(tmp_path: Path) -> None:
    carrier = FolderCarrier(tmp_path / "mail")
    carrier.send(LETTER)
    (file,) = (tmp_path / "mail").iterdir()
    first = file.read_bytes()
    carrier.send(LETTER)
    assert list((tmp_path / "mail").iterdir()) == [file]
    assert file.read_bytes() == first
    assert email.message_from_bytes(first, policy=default)["Message-ID"] == LETTER.message_id


def test_a_person_finds_a_letter_by_its_files_name(tmp_path: Path) -> None:
    """Time, kind and subject, in the order in which they came; another letter of the same second is another file."""
    carrier = FolderCarrier(tmp_path)
    moment = datetime(2026, 11, 20, 15, 4, 9, tzinfo=UTC)
    told = replace(
        LETTER, date=moment, kind="agreement_invitation", subject="¿Señora, comparte su consumo? / " + "x" * 90
    )
    carrier.send(told)
    carrier.send(replace(told, message_id="<another@hub.example>"))
    carrier.send(replace(told, date=moment - timedelta(days=1), subject="東京", message_id="<third@hub.example>"))
    names = sorted(file.name for file in tmp_path.iterdir())
    begin = "20261120T150409Z_agreement_invitation_senora-comparte-su-consumo-"
    assert [name.startswith(begin) for name in names] == [False, True, True]
    assert names[0].startswith("20261119T150409Z_agreement_invitation__")
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,150}", name) for name in names)


def test_a_letter_that_cannot_be_written_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MailNotSentError) as failed:
        FolderCarrier(tmp_path / "file").send(LETTER)
    assert not failed.value.permanent


@pytest.mark.parametrize("field", ["to", "from_", "subject", "message_id"])
@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\0"])
def test_no_value_can_add_a_header(field: str, sign: str) -> None:
    for value in (f"a@b.example{sign}Bcc: x@y.example", f"{sign}a@b.example", f"a@b.example{sign}"):
        with pytest.raises(UnusableMailHeaderError):
            replace(LETTER, **{field: value}).as_email()


@pytest.mark.parametrize("length", range(60, 100))
def test_a_subject_begins_on_the_line_of_its_name_a14(length: int) -> None:
    """A program that reads line by line shows no subject where the text begins on the next one."""
    for word in ("word ", "energía ", "unbroken"):
        subject = (word * 20)[:length].strip()
        raw = replace(LETTER, subject=subject).as_email().as_bytes()
        lines = raw.split(b"\r\n\r\n")[0].split(b"\r\n")
        assert all(re.match(rb"[A-Za-z-]+: \S|[ \t]+\S", line) for line in lines)
        assert all(len(line) <= 78 or word == "unbroken" for line in lines)
        # Python 3.11's folding loses a blank between two encoded words.
        told = email.message_from_bytes(raw, policy=default)["Subject"]
        assert told.replace(" ", "") == subject.replace(" ", "")


@given(st.text(max_size=80))
def test_whatever_a_subject_or_name_holds_the_headers_stay_ours(text: str) -> None:
    try:
        raw = replace(LETTER, subject=text, to=f'"{text}" <a@b.example>').as_email().as_bytes()
    except UnusableMailHeaderError:
        return
    got = email.message_from_bytes(raw, policy=default)
    assert set(got.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert [address.addr_spec for address in got["To"].addresses] == ["a@b.example"]


@pytest.mark.parametrize("to", ["", "a", "a@b, c@d", "a@b@c", "<a@b> <c@d>", "a b@c", "a@[127.0.0.1]", "undisclosed:;"])
def test_an_address_must_be_one_plain_address(to: str) -> None:
    with pytest.raises(UnusableMailHeaderError):
        replace(LETTER, to=to).as_email()


@pytest.mark.parametrize("name", ["", "../a", "a/b", 'a"b', "a\nb", ".a"])
def test_an_attachment_has_a_plain_name(name: str) -> None:
    with pytest.raises(UnusableMailHeaderError):
        replace(LETTER, attachments=(Attachment(name, b"x"),)).as_email()


@pytest.mark.parametrize(
    ("to", "answer", "permanent"),
    [("nobody@x.example", "250 OK", True), ("busy@x.example", "250 OK", False), ("a@x.example", "554 spam", True),
     ("a@x.example", "452 full", False)],
)  # fmt: skip
def test_a_refusal_tells_whether_trying_again_makes_sense(start, to: str, answer: str, permanent: bool) -> None:
    port = start(Inbox(answer))
    with pytest.raises(MailNotSentError) as refused:
        SmtpCarrier("127.0.0.1", port, starttls=False).send(replace(LETTER, to=to))
    assert refused.value.permanent is permanent
    assert to not in str(refused.value)


def test_a_server_that_is_not_there_may_come_back() -> None:
    with pytest.raises(MailNotSentError) as failed:
        SmtpCarrier("127.0.0.1", 1, starttls=False, timeout=2).send(LETTER)
    assert not failed.value.permanent


def test_a_certificate_that_newer_pythons_find_too_old_is_named_for_the_check_it_failed(
    start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An internal authority without key identifiers: the e-mail waits, and the operator reads what to do."""
    monkeypatch.setattr("ftps_sandbox.strictly_valid", lambda builder, *_args, **_more: builder)
    ours = Authority(tmp_path, "Our old CA")
    pem = ours.issue("localhost", server=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pem.certificate, pem.key)

    def strict(cafile: str) -> ssl.SSLContext:
        context = default_context(cafile=cafile)
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
        return context

    default_context = ssl.create_default_context
    port = start(Inbox(), tls_context=tls, require_starttls=True)
    monkeypatch.setattr(ssl, "create_default_context", strict)
    with pytest.raises(MailNotSentError) as refused:
        SmtpCarrier("localhost", port, ca_file=ours.file).send(LETTER)
    said = str(refused.value)
    assert said.startswith(f"localhost:{port}: certificate verify failed: ")
    assert re.search(r"key usage|Missing (Authority|Subject) Key Identifier", said), said
    assert "have the authority reissue the server's certificate" in said
    assert not refused.value.permanent


def test_over_tls_the_server_must_prove_its_name_and_only_then_gets_the_password(start, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours", "Our CA"), Authority(tmp_path / "theirs", "Their CA")
    pem = ours.issue("localhost", server=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pem.certificate, pem.key)
    seen: list[object] = []

    def authenticate(server, session, envelope, mechanism, data) -> AuthResult:
        seen.append(data.login)
        return AuthResult(success=data.password == b"right", handled=False)

    inbox = Inbox()
    port = start(inbox, tls_context=tls, require_starttls=True, authenticator=authenticate, auth_required=True)
    good = SmtpCarrier("localhost", port, user="hub", password="right", ca_file=ours.file)
    good.send(LETTER)
    assert len(inbox.letters) == 1
    assert "right" not in repr(good)
    with pytest.raises(MailNotSentError, match="certificate verify failed") as refused:
        replace(good, ca_file=theirs.file).send(LETTER)
    assert not refused.value.permanent
    with pytest.raises(MailNotSentError, match="login refused"):
        replace(good, password="wrong").send(LETTER)
    assert set(seen) == {b"hub"}
    assert len(inbox.letters) == 1


def test_a_server_without_tls_gets_neither_letter_nor_password(start) -> None:
    inbox = Inbox()
    port = start(inbox)
    with pytest.raises(MailNotSentError):
        SmtpCarrier("127.0.0.1", port).send(LETTER)
    with pytest.raises(MailNotSentError, match="without TLS"):
        SmtpCarrier("127.0.0.1", port, starttls=False, user="hub", password="x").send(LETTER)
    assert inbox.letters == []
