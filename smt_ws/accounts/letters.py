"""Letters about an account, each with a link that is made when the letter leaves: no token stands in the outbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from smt_ws.accounts.links import Purpose, new_link
from smt_ws.hub import Hub
from smt_ws.parties.account_rules import CONFIRM_WITHIN, RESET_WITHIN
from smt_ws.parties.account_tables import account
from smt_ws.store.outbox import enqueue

__all__ = ["LETTER", "Posting", "send_link"]

#: The outbox's kind for letters with a link to an account; `Posting` is its handler.
LETTER: Final = "account.letter"

#: What a link of each purpose is sent in, what the letter calls it, where it leads, and how long it is good for.
_LINKS: Final = {
    "confirm": ("account_confirm", "confirm_url", "/confirm/", CONFIRM_WITHIN),
    "reset": ("account_password_reset", "reset_url", "/new-password/", RESET_WITHIN),
}


def send_link(connection: Connection, account_id: int, purpose: Purpose, *, now: datetime) -> None:
    """Queue the letter with a link of *purpose* to the owner of the account, in the caller's transaction."""
    key = f"account:{account_id}:{purpose}:{now:%Y%m%d%H%M%S%f}"
    payload = {"account_id": account_id, "purpose": purpose, "key": key}
    enqueue(connection, kind=LETTER, key=key, payload=payload, now=now)


@dataclass(frozen=True)
class Posting:
    """The outbox handler of kind `LETTER`; *carry* sends a finished notice."""

    hub: Hub
    carry: Callable[[dict[str, Any]], None]

    def __call__(self, payload: dict[str, Any]) -> None:
        """Send one letter. One that is tried twice has another link the second time, and the first is revoked."""
        message, fact, path, lasts = _LINKS[payload["purpose"]]
        now = self.hub.clock.now()
        with self.hub.store.write() as connection:
            owner = connection.execute(select(account).where(account.c.id == payload["account_id"])).one_or_none()
            if owner is None:
                return  # nobody confirmed it, and it was removed
            token = new_link(connection, owner.id, payload["purpose"], now=now, lasts=lasts)
        self.carry(
            {
                "message": message,
                "language": owner.language,
                "to": owner.email,
                "key": payload["key"],
                "date": now.isoformat(),
                "facts": {
                    "name": owner.first_name,
                    fact: f"{self.hub.settings.portal.url}{path}{token}",
                    "expires_at": (now + lasts).isoformat(),
                },
                "files": None,
            }
        )
