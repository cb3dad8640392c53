"""How days and moments are written out for people, in the two languages of letters and pages."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from smt_ws.clock import CENTRAL

__all__ = ["day_in_words", "moment_in_words"]

_MONTHS: Final = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
        "diciembre",
    ),
}  # fmt: skip


def day_in_words(day: date | str, language: str) -> str:
    """A day (or its ISO text) with its month in words: in figures, 3/4 would be two days."""
    when = date.fromisoformat(day) if isinstance(day, str) else day
    month = _MONTHS[language][when.month - 1]
    return f"{when.day} de {month} de {when.year}" if language == "es" else f"{month} {when.day}, {when.year}"


def moment_in_words(moment: datetime | str, language: str) -> str:
    """A moment (or its ISO text), in US Central time."""
    local = (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).astimezone(CENTRAL)
    return f"{day_in_words(local.date(), language)}, {local:%H:%M %Z}"
