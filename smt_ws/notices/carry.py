"""Carrying a notice out: from a row of the outbox to a letter in the hands of a carrier.

The Message-ID comes from the notice's key, so a letter that is sent twice (the outbox delivers at least once) is
recognisable as the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parseaddr
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from adapters.mail import Carrier, FolderCarrier, Message, SmtpCarrier
from smt_ws.clock import CENTRAL
from smt_ws.settings import Settings

__all__ = ["Carry", "letter"]


@dataclass(frozen=True)
class Carry:
    """The outbox handler of kind ``email`` (`smt_ws.notices.queue.EMAIL`)."""

    carrier: Carrier
    sender: str
    support_contact: str

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
        return cls(carrier, mail.sender, settings.support_contact)

    def __call__(self, payload: dict[str, Any]) -> None:
        """Send the notice of an outbox row. Raises what the carrier raises: the outbox tries again."""
        self.carrier.send(letter(payload, sender=self.sender, support_contact=self.support_contact))


def letter(payload: dict[str, Any], *, sender: str, support_contact: str) -> Message:
    """Fill the templates of a notice (`smt_ws.notices.queue.notify`). A fact that a template misses is an error."""
    folder, language = payload["message"], payload["language"]
    facts = payload["facts"] | {"support_contact": support_contact}

    def filled(name: str) -> str:
        return _templates().get_template(f"{folder}/{name}.{language}.j2").render(facts)

    domain = parseaddr(sender)[1].rpartition("@")[2]
    return Message(
        to=payload["to"],
        subject=" ".join(filled("subject").split()),
        text=filled("text"),
        html=filled("html"),
        from_=sender,
        message_id=f"<{sha256(payload['key'].encode()).hexdigest()[:32]}@{domain}>",
        date=datetime.fromisoformat(payload["date"]),
    )


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
    return templates
