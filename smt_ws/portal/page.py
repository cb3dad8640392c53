"""What every page function uses: the hub it serves, and the page that only says something."""

from __future__ import annotations

from typing import Any, cast

from flask import current_app, render_template

from smt_ws.hub import Hub

__all__ = ["hub", "message_page"]


def hub() -> Hub:
    """The hub that this application serves."""
    return cast(Hub, current_app.extensions["hub"])


def message_page(key: str, *links: tuple[str, str], **values: Any) -> str:
    """A page with the title ``KEY.title`` and the text ``KEY.text`` of the words; *links*: (word, address)."""
    return render_template("message.html", key=key, values=values, links=links)
