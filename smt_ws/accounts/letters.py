"""Letters about an account; a link in one is made when it leaves, so that no token stands in the outbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from sqlalchemy import Connection, select

from smt_ws.accounts.links import Purpose, new_link
from smt_ws.hub import Hub
from smt_ws.notices.queue import MAIL_SERVER
from smt_ws.parties.account_rules import CONFIRM_WITHIN, RESET_WITHIN
from smt_ws.parties.account_tables import account
from smt_ws.store.outbox import enqueue

__all__ = ["LETTER", "NOBODY", "Posting", "send_letter"]

#: The outbox's kind for letters about an account; `Posting` is its handler.
LETTER: Final = "account.letter"

#: The account of an address that has none: a letter to it goes nowhere, after the same work.
NOBODY: Final = 0

About = Literal["confirm", "reset", "exists", "devices"]


@dataclass(frozen=True, slots=True)
class _Letter:
    """Its folder of templates, what it calls its link, where that leads, and how long its token is good for."""

    message: str
    link: str
    path: str
    #: None: the link has no token, it just leads there.
    lasts: timedelta | None = None


_LETTERS: Final[dict[About, _Letter]] = {
    "confirm": _Letter("account_confirm", "confirm_url", "/confirm/", CONFIRM_WITHIN),
    "reset": _Letter("account_password_reset", "reset_url", "/new-password/", RESET_WITHIN),
    "exists": _Letter("account_exists", "login_url", "/log-in"),
    "devices": _Letter("account_devices", "devices_url", "/earlier-devices"),
}


def send_letter(connection: Connection, account_id: int, about: About, *, now: datetime) -> None:
    """Queue the letter to the owner of the account, or to `NOBODY`, in the caller's transaction."""
    # To nobody it is a letter of its own too: the same statement, not one that a second such key would spare.
    key = f"account:{account_id}:{about}:{now:%Y%m%d%H%M%S%f}"
    payload = {"account_id": account_id, "about": about, "key": key}
    enqueue(connection, kind=LETTER, key=key, payload=payload, now=now, target=MAIL_SERVER)


@dataclass(frozen=True)
class Posting:
    """The outbox handler of kind `LETTER`; *carry* sends a finished notice."""

    hub: Hub
    carry: Callable[[dict[str, Any]], None]

    def __call__(self, payload: dict[str, Any]) -> None:
        """Send one letter. One that is tried twice has another link the second time, and the first is revoked."""
        about: About = payload["about"]
        one, now = _LETTERS[about], self.hub.clock.now()
        facts = {}
        token = ""
        with self.hub.store.write() as connection:
            owner = connection.execute(select(account).where(account.c.id == payload["account_id"])).one_or_none()
            if owner is None:
                return  # to nobody; or nobody confirmed it, and it was removed
            if one.lasts is not None:
                token = new_link(connection, owner.id, cast(Purpose, about), now=now, lasts=one.lasts)
                facts["expires_at"] = (now + one.lasts).isoformat()
        facts |= {"name": owner.first_name, one.link: f"{self.hub.settings.portal.url}{one.path}{token}"}
        self.carry(
            {
                "message": one.message,
                "language": owner.language,
                "to": owner.email,
                "key": payload["key"],
                "date": now.isoformat(),
                "facts": facts,
                "files": None,
            }
        )
