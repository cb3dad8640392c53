"""Carrying a notice out: from a row of the outbox to a letter in the hands of a carrier.

The Message-ID comes from the notice's key, so a letter that is sent twice (the outbox delivers at least once) is
recognisable as the same.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parseaddr
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context

from adapters.mail import Attachment, Carrier, FolderCarrier, MailError, MailNotSentError, Message, SmtpCarrier
from smt_ws.clock import CENTRAL
from smt_ws.notices.wording import day_in_words, moment_in_words
from smt_ws.settings import Settings
from smt_ws.store.outbox import Refused

__all__ = ["Carry", "letter"]

#: How a line of a table in plain text begins.
_LABEL: Final = re.compile(r"[^:]{1,24}: {2,}")
#: How a template begins the lines of what somebody else wrote.
_QUOTED: Final = "  > "
#: And those of a list.
_LISTED: Final = "  - "


@dataclass(frozen=True)
class Carry:
    """The outbox handler of kind ``email`` (`smt_ws.notices.queue.EMAIL`)."""

    carrier: Carrier
    sender: str
    support_contact: str
    #: What the paths of a notice's files are below, and how many bytes of them one letter takes.
    files_root: Path
    attach_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Carry:
        """The handler that the settings describe: an SMTP server where one is named, else a folder of .eml files."""
        mail = settings.mail
        carrier: Carrier
        if mail.smtp_host is not None:
            carrier = SmtpCarrier(
                mail.smtp_host,
                mail.smtp_port,
                starttls=mail.smtp_starttls,
                user=mail.smtp_user,
                password=mail.smtp_password,
            )
        else:
            assert mail.folder is not None
            carrier = FolderCarrier(mail.folder)
        return cls(carrier, mail.sender, settings.support_contact, settings.ftps.root, mail.attach_bytes)

    def __call__(self, payload: dict[str, Any]) -> None:
        """Send the notice of an outbox row; the outbox tries again.

        Raises `Refused` where the letter is at fault, ConnectionError where the mail server is.
        """
        attachments = self._attachments(payload.get("files"))
        try:
            self.carrier.send(
                letter(payload, sender=self.sender, support_contact=self.support_contact, attachments=attachments)
            )
        except MailNotSentError as error:
            if error.permanent:
                raise Refused(str(error)) from error
            raise ConnectionError(str(error)) from error
        except MailError as error:
            raise Refused(str(error)) from error

    def _attachments(self, files: Sequence[str] | None) -> Sequence[Attachment] | None:
        # All or none: half a report would pass for a whole one. The requester may have fetched and deleted some.
        if files is None:
            return None
        paths = [self.files_root / name for name in files]
        try:
            if sum(path.stat().st_size for path in paths) > self.attach_bytes:
                return ()
            return [Attachment(path.name, path.read_bytes()) for path in paths]
        except FileNotFoundError:
            return ()


def letter(
    payload: dict[str, Any], *, sender: str, support_contact: str, attachments: Sequence[Attachment] | None = None
) -> Message:
    """Fill the templates of a notice (`smt_ws.notices.queue.notify`). A fact that a template misses is an error.

    The fact ``attached`` is how many *attachments* there are: none where they were asked for and are too large, null
    where nobody asked.
    """
    folder, language = payload["message"], payload["language"]
    attached = None if attachments is None else len(attachments)
    facts = payload["facts"] | {"support_contact": support_contact, "attached": attached, "language": language}

    def filled(name: str) -> str:
        return _templates().get_template(f"{folder}/{name}.{language}.j2").render(facts)

    domain = parseaddr(sender)[1].rpartition("@")[2]
    return Message(
        to=payload["to"],
        subject=" ".join(filled("subject").split()),
        text=_folded(filled("text")),
        html=filled("html"),
        from_=sender,
        message_id=f"<{sha256(payload['key'].encode()).hexdigest()[:32]}@{domain}>",
        date=datetime.fromisoformat(payload["date"]),
        attachments=tuple(attachments or ()),
        kind=folder,
    )


def _folded(text: str) -> str:
    """*text* with long lines folded between words: templates hold a paragraph in one line.

    A quoted line stays quoted when it is folded, so that nobody's comment can pass for a line of ours; what stands
    beside a label stays beside it.
    """
    folded: list[str] = []
    for line in text.split("\n"):
        label = _LABEL.match(line)
        indent = _QUOTED if line.startswith(_QUOTED) else " " * len(label[0]) if label else ""
        if line.startswith(_LISTED):
            indent = " " * len(_LISTED)
        folded += textwrap.wrap(
            line, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [""]  # fmt: skip
    return "\n".join(folded)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("smt_ws", "notices"),
        # mail in plain text must not be escaped, HTML must
        autoescape=lambda name: name is not None and name.rpartition("/")[2].startswith("html."),  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["us_date"] = lambda day: f"{date.fromisoformat(day):%m/%d/%Y}"
    templates.filters["central"] = lambda moment: (
        f"{datetime.fromisoformat(moment).astimezone(CENTRAL):%m/%d/%Y %H:%M %Z}"
    )
    templates.filters["day"] = pass_context(lambda context, day: day_in_words(day, context["language"]))
    templates.filters["moment"] = pass_context(lambda context, moment: moment_in_words(moment, context["language"]))
    return templates
