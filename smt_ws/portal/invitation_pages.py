"""The pages behind the links of an invitation: what is asked, and the button that answers (A9, A10, A23).

A link opens its page as often as it likes: mail scanners open links too. Only the button's POST decides.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, g, redirect, render_template, session, url_for
from werkzeug.wrappers import Response

from smt_ws.accounts.attempts import count_attempt
from smt_ws.agreements import respond
from smt_ws.agreements.errors import (
    AcceptanceRefusedError,
    AgreementStateError,
    InvitationNotOpenError,
    LogInNeededError,
)
from smt_ws.agreements.respond import Invitation, Outcome
from smt_ws.agreements.rules import Purpose
from smt_ws.portal.page import acceptance_refused, hub, message_page, written

__all__ = ["pages"]

pages = Blueprint("invitation", __name__)

Answer = str | Response | tuple[str, int]

_PURPOSES: Final = {"a": Purpose.ACCEPT, "r": Purpose.REJECT, "d": Purpose.DISOWN}
#: The link is not open any more: what its page says, and with which HTTP status.
_CLOSED: Final = {
    Outcome.EXPIRED: ("invitation_expired", 410),
    Outcome.CHANGED: ("invitation_changed", 410),
    Outcome.USED: ("invitation_used", 410),
    Outcome.UNKNOWN: ("invitation_unknown", 404),
}


@pages.get("/<any(a, r, d):letter>/<token>")
def show(letter: str, token: str) -> Answer:
    """What the link is about; changes nothing."""
    invitation = _look(letter, token)
    if invitation.outcome is not Outcome.OPEN:
        return _closed(invitation.outcome)
    must_log_in = letter == "a" and invitation.needs_login and g.account is None
    if must_log_in:
        # After logging in, or registering and logging in, the customer comes back here.
        session["next"] = f"/{letter}/{token}"
    return render_template(
        "invitation.html", invitation=invitation, letter=letter, token=token, must_log_in=must_log_in
    )


@pages.post("/<any(a, r, d):letter>/<token>")
def decide(letter: str, token: str) -> Answer:
    """Carry the customer's answer out, once."""
    invitation = _look(letter, token)
    if invitation.outcome is not Outcome.OPEN:
        return _closed(invitation.outcome)
    # The page behind Accept has a button for either answer.
    answer = "r" if letter == "a" and written("answer") == "reject" else letter
    try:
        with hub().store.write() as connection:
            if answer == "r":
                respond.reject(connection, token, clock=hub().clock, address=g.address)
            elif answer == "a":
                account_id = g.account.id if g.account else None
                policy = hub().settings.agreements
                respond.accept(
                    connection, token, account_id=account_id, policy=policy, clock=hub().clock, address=g.address
                )
            else:
                respond.disown(connection, token, clock=hub().clock, address=g.address)
    except LogInNeededError:
        if g.account is not None:
            return message_page("not_your_invitation"), 403
        session["next"] = f"/{letter}/{token}"
        return redirect(url_for("account.log_in"))
    except AcceptanceRefusedError as error:
        return acceptance_refused(invitation.number or "", invitation.facts["company"], error)
    except (InvitationNotOpenError, AgreementStateError):
        # Somebody was faster: a second click, another window, the initiator.
        return _closed(_look(letter, token).outcome)
    session.pop("next", None)
    if not invitation.registered:
        # Who registers now finds the form filled in all the same, though the link is used (FR-15).
        session["prefill"] = invitation.prefill
    session["answered"] = {
        "letter": answer,
        "number": invitation.number,
        "kind": str(invitation.kind),
        "company": invitation.facts["company"],
        "extension": invitation.facts["extension"],
        "registered": invitation.registered,
    }
    return redirect(url_for("invitation.answered"), 303)


@pages.get("/answered")
def answered() -> Answer:
    """What has become of the agreement, after the button."""
    done = session.get("answered")
    return render_template("answered.html", done=done) if done else redirect(url_for("open.home"))


def _look(letter: str, token: str) -> Invitation:
    with hub().store.read() as connection:
        found = respond.look(connection, token, now=hub().clock.now())
    if found.outcome is Outcome.UNKNOWN or found.purpose is not _PURPOSES[letter]:
        count_attempt(hub().store, "token_address", g.address)
        return Invitation(Outcome.UNKNOWN)
    return found


def _closed(outcome: Outcome) -> tuple[str, int]:
    key, status = _CLOSED.get(outcome, _CLOSED[Outcome.CHANGED])
    links = [] if outcome is Outcome.UNKNOWN else [("action.my_agreements", url_for("agreement.list_them"))]
    return message_page(key, *links), status
