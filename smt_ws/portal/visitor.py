"""Who asks for a page: their log-in, language and source address; and what another site has sent in their name."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from flask import Response, abort, g, redirect, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from adapters.soap.server import peer_address
from smt_ws.accounts.log_in import account_of_session
from smt_ws.parties.account_rules import SESSION_LASTS
from smt_ws.parties.accounts import Account
from smt_ws.portal.page import hub
from smt_ws.portal.words import LANGUAGES, chosen_language

__all__ = [
    "begin_session",
    "end_session",
    "look_who_comes",
    "next_page",
    "remember_language",
    "session_token",
    "to_log_in",
]

_LOG_IN: Final = "__Host-log-in"
_LANGUAGE: Final = "language"
#: Where a customer may be sent after logging in: nothing that another site could have made up.
_NEXT: Final = re.compile(r"/(?:[ard]/[A-Za-z0-9_-]{20,64}|agreements(?:/[0-9]{12})?|earlier-devices|profile)")


def look_who_comes() -> None:
    """Before each request: who it is, in which language they read, and where they are."""
    g.account = None
    g.address = peer_address(request.environ) or "unknown"
    g.language = _language(None)
    if token := session_token():
        g.account = account_of_session(hub().store, token)
        g.language = _language(g.account)
    # Old browsers do not say where a request comes from; for them the form's token alone decides.
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        abort(403)


def _language(account: Account | None) -> str:
    return chosen_language(
        request.args.get("lang"),
        request.cookies.get(_LANGUAGE),
        account.language if account else None,
        request.accept_languages.best_match(list(LANGUAGES)),
    )


def remember_language(answer: Response) -> None:
    """Keep the language that was asked for in the address."""
    if request.args.get("lang") in LANGUAGES:
        answer.set_cookie(
            _LANGUAGE, g.language, max_age=timedelta(days=365), secure=True, httponly=True, samesite="Lax"
        )


def session_token() -> str | None:
    """The token of the log-in that the browser holds."""
    return request.cookies.get(_LOG_IN)


def begin_session(answer: Response, token: str) -> None:
    """Give the browser a log-in; forms made before it are worth nothing after it."""
    session.clear()
    answer.set_cookie(_LOG_IN, token, max_age=SESSION_LASTS, secure=True, httponly=True, samesite="Lax")


def end_session(answer: Response) -> None:
    """Take the log-in from the browser."""
    session.clear()
    answer.delete_cookie(_LOG_IN, secure=True, httponly=True, samesite="Lax")


def to_log_in(after: str) -> BaseResponse:
    """Where somebody who is not logged in goes first; *after*: our own page that they wanted."""
    session["next"] = after
    return redirect(url_for("account.log_in"), 303)


def next_page(wanted: str | None) -> str | None:
    """*wanted*, where it is one of our own pages that a customer may be sent to."""
    return wanted if wanted is not None and _NEXT.fullmatch(wanted) else None
