"""Letters: one message, carried by SMTP or written to a folder (requirement R10, A14).

The caller fixes the Message-ID: a letter that is sent again after a crash is the same letter, and mail programs can
tell. Whether to try again is the caller's decision too: ``MailNotSentError.permanent`` says what the other side meant.
"""

import contextlib
import re
import smtplib
import ssl
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from adapters.certificate_refused import why_refused
from adapters.publishing import publish, temporary_name

# dot-atom local part and a host name: what companies register; no quoted strings, no address literals
_ADDRESS: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}"
_MAILBOX: Final = re.compile(rf"(?P<bare>{_ADDRESS})|(?P<name>[^<>]*)<(?P<bracketed>{_ADDRESS})>")
_MESSAGE_ID: Final = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,100}@[A-Za-z0-9.-]{1,100}>")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,199}")


class MailError(Exception):
    """A letter could not be made or handed over."""

    code: ClassVar[str] = "MAIL_ERROR"


class UnusableMailHeaderError(MailError):
    """An address, subject, Message-ID or file name would break or forge a header; correct the value."""

    code = "MAIL_HEADER"


class MailNotSentError(MailError):
    """The mail server was not reached, is not who it should be, or did not take the letter.

    ``permanent``: the server answered 5xx; sending the same again will fail again. Otherwise try again later.
    """

    code = "MAIL_NOT_SENT"

    def __init__(self, sentence: str, *, permanent: bool) -> None:
        super().__init__(sentence)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a letter."""

    name: str
    content: bytes
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Message:
    """A letter to one addressee.

    ``to`` and ``from_`` are bare addresses or ``Name <address>``; ``message_id`` is ``<…@host>``, chosen by the caller
    and the same at each attempt; ``date`` is the (business) time that the letter tells, timezone-aware.
    """

    to: str
    subject: str
    text: str
    html: str | None
    from_: str
    message_id: str
    date: datetime
    attachments: tuple[Attachment, ...] = ()
    #: What kind of e-mail it is, for the name of a file; tells nothing of the addressee.
    kind: str = "email"

    def as_email(self) -> EmailMessage:
        """The letter in the form of RFC 5322; the same bytes at each call. Raises UnusableMailHeaderError."""
        if _breaks_lines(self.subject):
            raise UnusableMailHeaderError("the subject holds a control character")
        if not _MESSAGE_ID.fullmatch(self.message_id):
            raise UnusableMailHeaderError(f"message id {self.message_id!r}: expected <…@host>")
        if self.date.tzinfo is None:
            raise UnusableMailHeaderError("the date has no time zone")
        letter = EmailMessage(policy=_POLICY)
        letter["From"] = _address(self.from_)
        letter["To"] = _address(self.to)
        letter["Subject"] = self.subject
        letter["Date"] = format_datetime(self.date)
        letter["Message-ID"] = self.message_id
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        letter.set_content(self.text)
        if self.html is not None:
            letter.add_alternative(self.html, subtype="html")
        for attachment in self.attachments:
            if not _FILE_NAME.fullmatch(attachment.name):
                raise UnusableMailHeaderError(f"attachment name {attachment.name!r}: expected a plain file name")
            kind, _, subtype = attachment.media_type.partition("/")
            letter.add_attachment(attachment.content, maintype=kind, subtype=subtype, filename=attachment.name)
        for number, part in enumerate(part for part in letter.walk() if part.is_multipart()):
            # the standard library draws boundaries at random; ours depend on the letter alone
            part.set_boundary(f"=_{self.message_id.strip('<>').replace('@', '.')[:50]}_{number}")
        return letter


class _BesideItsName(EmailPolicy):
    """Headers whose text begins on the line of its name: a subject on the next line is empty to some programs."""

    def fold(self, name: str, value: Any) -> str:
        return _begun_at_once(super().fold(name, value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        return _begun_at_once(super().fold_binary(name, value).decode("ascii")).encode("ascii")


#: Longest line of a header (RFC 5322, 2.1.1).
_LINE: Final = 78
_POLICY: Final = _BesideItsName(linesep="\r\n", max_line_length=_LINE)


def _begun_at_once(header: str) -> str:
    """*header* with a first break that is right behind its name moved to the last blank that fits (RFC 5322)."""
    name, colon, rest = header.partition(":\r\n ")
    if not colon or not re.fullmatch("[A-Za-z-]+", name):
        return header
    first, *others = f"{name}: {rest}".split("\r\n")
    if len(first) > _LINE:
        cut = first.rfind(" ", len(name) + 2, _LINE + 1)
        if cut > 0:
            first, others = first[:cut], [first[cut:], *others]
    return "\r\n".join([first, *others])


def _breaks_lines(text: str) -> bool:
    """Whether a value holds anything that some program takes for the end of a line, or that cannot be encoded."""
    return any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in text)


def _address(text: str) -> Address:
    if _breaks_lines(text):
        raise UnusableMailHeaderError("an address holds a control character")
    # the standard library's parser finds an address in almost anything; ours takes exactly one
    found = _MAILBOX.fullmatch(text)
    if not found:
        raise UnusableMailHeaderError("an address is not of the form name@host")
    name = (found["name"] or "").strip().strip('"')
    local, _, host = (found["bare"] or found["bracketed"]).partition("@")
    try:
        return Address(name, local, host)
    except ValueError:
        raise UnusableMailHeaderError("an address is not of the form name@host") from None


class Carrier(Protocol):
    """Takes a letter away."""

    def send(self, message: Message) -> None:
        """Hand over; returning means that the other side has it. Raises MailError."""


@dataclass(frozen=True, slots=True)
class SmtpCarrier:
    """Hands letters to a mail server.

    With ``starttls`` (leave it on outside a sandbox) the server must offer TLS and show a certificate for ``host`` of
    an authority in ``ca_file``, or of one the system trusts. A user is never sent in the clear. ``timeout``: seconds.
    """

    host: str
    port: int = 587
    starttls: bool = True
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    timeout: float = 30

    def __repr__(self) -> str:
        return f"SmtpCarrier({self.host}:{self.port}, starttls={self.starttls})"

    def send(self, message: Message) -> None:
        """Send; raises UnusableMailHeaderError, MailNotSentError."""
        letter = message.as_email()
        if self.user is not None and not self.starttls:
            raise MailNotSentError("a user and password are not sent without TLS", permanent=True)
        try:
            with smtplib.SMTP(self.host, self.port, timeout=self.timeout) as server:
                if self.starttls:
                    tls = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
                    server.starttls(context=tls)
                if self.user is not None:
                    server.login(self.user, self.password or "")
                server.send_message(letter)
        except smtplib.SMTPRecipientsRefused as refused:
            codes = [code for code, _ in refused.recipients.values()]
            raise MailNotSentError(f"recipient refused with {codes}", permanent=all(c >= 500 for c in codes)) from None
        except smtplib.SMTPAuthenticationError as refused:
            # an operator's mistake, not the letter's: it will go when the password has been set right
            raise MailNotSentError(f"login refused with {refused.smtp_code}", permanent=False) from None
        except smtplib.SMTPResponseException as refused:
            raise MailNotSentError(
                f"the server answered {refused.smtp_code}", permanent=refused.smtp_code >= 500
            ) from None
        except (smtplib.SMTPException, OSError) as failure:
            said = why_refused(failure) or failure
            raise MailNotSentError(f"{self.host}:{self.port}: {said}", permanent=False) from None


@dataclass(frozen=True, slots=True)
class FolderCarrier:
    """Writes letters to a folder as `.eml` files: the embedded default, for sandboxes and for relays that poll.

    The file's name is the letter's time (UTC), kind, subject and a digest of the Message-ID, so that a person finds it.
    It appears whole; the same letter sent again is the same file.
    """

    path: Path

    def send(self, message: Message) -> None:
        """Write; raises UnusableMailHeaderError, MailNotSentError."""
        letter = message.as_email()
        final = self.path / _file_name(message)
        temporary = temporary_name(final)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(letter.as_bytes())
            publish(temporary, final)
        except OSError as failure:
            with contextlib.suppress(OSError):
                temporary.unlink()
            # the name may tell of somebody: not for the log
            raise MailNotSentError(f"the folder of e-mails: {failure.strerror}", permanent=False) from None


def _file_name(message: Message) -> str:
    plain = unicodedata.normalize("NFKD", message.subject).encode("ascii", "ignore").decode()
    subject = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:60].strip("-")
    digest = sha256(message.message_id.encode()).hexdigest()[:8]
    return f"{message.date.astimezone(UTC):%Y%m%dT%H%M%SZ}_{message.kind}_{subject}_{digest}.eml"
