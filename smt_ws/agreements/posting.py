"""Letters about agreements leave: links are made, addresses of pages put in, and the notice is carried.

A link exists from the moment its letter leaves. A letter that is tried twice carries other links the second time; both
work, because nobody knows which of the two arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from smt_ws.agreements import links
from smt_ws.agreements.errors import AgreementUnknownError
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.rules import INVITING, Purpose, Status, day_is_over
from smt_ws.agreements.telling import Reader
from smt_ws.hub import Hub

__all__ = ["PATHS", "Posting"]

#: Where each kind of link leads, below the portal's address.
PATHS: Final = {Purpose.ACCEPT: "/a/", Purpose.REJECT: "/r/", Purpose.DISOWN: "/d/"}


@dataclass(frozen=True)
class Posting:
    """The outbox handler of kind `smt_ws.agreements.letters.LETTER`; *carry* sends a finished notice."""

    hub: Hub
    carry: Callable[[dict[str, Any]], None]

    def __call__(self, payload: dict[str, Any]) -> None:
        """Send one letter. An invitation that has been answered meanwhile, or taken back, is not sent any more."""
        notice = payload["notice"]
        portal, language = self.hub.settings.portal, notice["language"]
        facts = notice["facts"] | {
            "portal_url": portal.url,
            "faq_url": portal.page_of("faq", language),
            "terms_url": portal.page_of("terms", language),
        }
        purposes = [Purpose(name) for name in payload["links"]]
        if purposes:
            urls = self._links(payload["number"], purposes)
            if urls is None:
                return
            facts |= urls
        to = notice["to"] or self._hubs_own(payload.get("reader"))
        if to is None:
            return
        self.carry(notice | {"facts": facts, "to": to})

    def _hubs_own(self, reader: str | None) -> str | None:
        operator, support = self.hub.settings.operator_address, self.hub.settings.support_contact
        if reader == Reader.OPERATOR:
            return operator
        # One who is both reads it once.
        return support if support != operator or reader is None else None

    def _links(self, number: str, purposes: list[Purpose]) -> dict[str, str] | None:
        with self.hub.store.write() as connection:
            try:
                row = find_agreement(connection, number)
            except AgreementUnknownError:
                return None  # its three years are over
            asks = Purpose.ACCEPT in purposes
            if asks and Status(row.status) not in INVITING:
                return None
            tokens = links.mint(
                connection, number, purposes, now=self.hub.clock.now(), answer_by=day_is_over(row.expires_on)
            )
        base = self.hub.settings.portal.url
        return {f"{purpose.value}_url": f"{base}{PATHS[purpose]}{token}" for purpose, token in tokens.items()}
