"""Pages that anybody may read: where to begin, how data is protected, questions and answers, terms of use."""

from __future__ import annotations

from typing import Final, Literal

from flask import Blueprint, g, redirect, render_template
from werkzeug.wrappers import Response

from smt_ws.portal.page import hub

__all__ = ["pages"]

pages = Blueprint("open", __name__)

#: The parts of each page of text, in its order.
_SECTIONS: Final = {
    "privacy": ("who", "end", "links", "password", "cookies", "log"),
    "faq": ("must", "gets", "end", "disown", "account", "real"),
    "terms": ("use", "account", "agreements", "data", "service"),
}


@pages.get("/")
def home() -> str:
    """Where somebody begins who has no link."""
    return render_template("home.html")


@pages.get("/privacy")
def privacy() -> str:
    """How the hub protects customers' data."""
    return _sections("privacy")


@pages.get("/faq")
def faq() -> str | Response:
    """Questions and answers: the operator's own page where it has one."""
    return _own_or_sample("faq")


@pages.get("/terms")
def terms() -> str | Response:
    """Terms of use: the operator's own page where it has one."""
    return _own_or_sample("terms")


def _own_or_sample(page: Literal["faq", "terms"]) -> str | Response:
    portal = hub().settings.portal
    own = portal.faq_url if page == "faq" else portal.terms_url
    return redirect(portal.page_of(page, g.language)) if own else _sections(page)


def _sections(page: str) -> str:
    return render_template("sections.html", page=page, sections=_SECTIONS[page])
