"""Pages that anybody may read: where to begin, and how data is protected."""

from __future__ import annotations

from flask import Blueprint, render_template

__all__ = ["pages"]

pages = Blueprint("open", __name__)


@pages.get("/")
def home() -> str:
    """Where somebody begins who has no link."""
    return render_template("home.html")


@pages.get("/privacy")
def privacy() -> str:
    """How the hub protects customers' data."""
    return render_template("privacy.html")
