"""The portal as a WSGI application: its parts put together, and what holds for every page.

No page needs JavaScript, and none is allowed. Showing a page changes nothing; only a POST with its form's token does.
"""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import Any, Final

import structlog
from flask import Flask, Response, g, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from jinja2 import ChoiceLoader, PackageLoader, StrictUndefined
from werkzeug.exceptions import HTTPException

from smt_ws.accounts.errors import TooManyAttemptsError
from smt_ws.errors import HubError
from smt_ws.hub import Hub
from smt_ws.notices.wording import day_in_words, moment_in_words
from smt_ws.parties.account_rules import shown_code
from smt_ws.portal import account_pages, agreement_pages, device_pages, invitation_pages, open_pages, visitor
from smt_ws.portal.page import hub, message_page
from smt_ws.portal.words import LANGUAGES, words_of

__all__ = ["HEADERS", "create_app"]

log = structlog.get_logger("smt_ws.portal")

#: Of every answer. Addresses hold links' tokens, so no other site hears of them; nothing is kept in a cache.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
#: A form is a few fields.
_LARGEST_FORM: Final = 64 * 1024
#: How long a page may lie open before its form is sent.
_FORM_LASTS: Final = timedelta(hours=4)


class _Portal(Flask):
    """Flask, but what it logs of a failure names no address, which may hold a link's token, and no value."""

    def log_exception(self, exc_info: Any) -> None:
        kind, _error, trace = exc_info
        where = "".join(traceback.format_tb(trace)[-5:])
        log.error("a page failed", page=request.endpoint, method=request.method, error=kind.__name__, where=where)


def create_app(served: Hub) -> Flask:
    """The application of *served*. Raises `SettingsError` where the secret that seals forms cannot be read."""
    app = _Portal("smt_ws.portal", static_url_path="/static")
    app.config.update(
        SECRET_KEY=served.settings.portal.read_secret(),
        MAX_CONTENT_LENGTH=_LARGEST_FORM,
        MAX_FORM_MEMORY_SIZE=_LARGEST_FORM,
        # the prefix makes browsers insist on Secure, this host and the path /
        SESSION_COOKIE_NAME="__Host-form",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=True,
        # Lax: a customer comes from a link in an e-mail and shall be known
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=int(_FORM_LASTS.total_seconds()),
        # There is no Referer to check: Referrer-Policy forbids it. `visitor` refuses what other sites send.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.extensions["hub"] = served
    _prepare_templates(app)
    # before the forms' seals are looked at: the page that refuses one is in the visitor's language, too
    app.before_request(visitor.look_who_comes)
    CSRFProtect(app)
    app.after_request(_finish)
    for part in (open_pages, invitation_pages, account_pages, agreement_pages, device_pages):
        app.register_blueprint(part.pages)
    app.register_error_handler(CSRFError, _form_too_old)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(TooManyAttemptsError, _too_many)
    app.register_error_handler(HubError, _refused)
    return app


def _prepare_templates(app: Flask) -> None:
    templates = app.jinja_env
    # The words for codes are those of the letters.
    templates.loader = ChoiceLoader([PackageLoader("smt_ws.portal"), PackageLoader("smt_ws", "notices")])
    templates.undefined = StrictUndefined
    templates.trim_blocks = True
    templates.lstrip_blocks = True
    templates.filters["day"] = lambda day: day_in_words(day, g.language)
    templates.filters["moment"] = lambda moment: moment_in_words(moment, g.language)
    templates.filters["code"] = shown_code

    @app.context_processor
    def common() -> dict[str, object]:
        return {
            "t": words_of(g.language),
            "language": g.language,
            "languages": LANGUAGES,
            "account": g.account,
            "support_contact": hub().settings.support_contact,
        }


def _finish(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers[name] = value
    if answer.mimetype == "text/css":
        answer.headers["Cache-Control"] = "public, max-age=3600"
    visitor.remember_language(answer)
    return answer


def _form_too_old(_error: CSRFError) -> tuple[str, int]:
    return message_page("form_too_old"), 400


def _too_many(_error: TooManyAttemptsError) -> tuple[str, int]:
    return message_page("too_many_attempts"), 429


def _refused(error: HubError) -> tuple[str, int]:
    # What no page foresees: the customer can do nothing but begin again.
    return message_page("refused", code=error.code), 409


def _http_error(error: HTTPException) -> tuple[str, int]:
    key = "not_found" if error.code == 404 else "cannot_be_shown"
    return message_page(key), error.code or 500
