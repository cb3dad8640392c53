"""What every page uses: the hub it serves, what was written in a form, and the page that only says something."""

from __future__ import annotations

from typing import Any, Final, cast

from flask import current_app, g, render_template, request

from smt_ws.agreements.acceptance import note_refusal
from smt_ws.agreements.errors import AcceptanceRefusedError
from smt_ws.hub import Hub

__all__ = ["acceptance_refused", "hub", "message_page", "written"]


def hub() -> Hub:
    """The hub that this application serves."""
    return cast(Hub, current_app.extensions["hub"])


def written(name: str) -> str:
    """What the field *name* of the form holds; nothing where there is no such field. No text may hold a NUL."""
    return request.form.get(name, "").replace("\x00", "")


def message_page(key: str, *links: tuple[str, str], **values: Any) -> str:
    """A page with the title ``KEY.title`` and the text ``KEY.text`` of the words; *links*: (word, address)."""
    return render_template("message.html", key=key, values=values, links=links)


#: The page of a refused acceptance, by the refusal's code.
_REFUSALS: Final = {"ACCEPTED_BY_INITIATOR": "accepted_by_initiator", "ACCEPTED_HOMES_LIMIT": "accepted_homes_limit"}


def acceptance_refused(number: str, company: str, error: AcceptanceRefusedError) -> tuple[str, int]:
    """The page of an acceptance that is refused (A25), which is written down."""
    with hub().store.write() as connection:
        note_refusal(
            connection,
            number,
            error,
            account_id=g.account.id if g.account else None,
            at=hub().clock.now(),
            address=g.address,
        )
    return message_page(_REFUSALS[error.code], company=company), 403
