"""What a company tells customers of itself in invitations: whom to ask, and where its privacy policy is (P8, A22)."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import select, update

from smt_ws.clock import Clock
from smt_ws.parties.companies import company_id_of, note_change
from smt_ws.parties.errors import InvalidCompanyError
from smt_ws.parties.tables import company
from smt_ws.store.audit import Event
from smt_ws.store.engine import Store

__all__ = ["Profile", "profile_of", "set_profile"]

#: A24; as `smt_ws.agreements.opens`, which this room does not know.
_HISTORY_MONTHS_AT_MOST: Final = 24
_PHONE: Final = re.compile(r"[0-9+() .x-]{7,30}")


@dataclass(frozen=True, slots=True)
class Profile:
    """None: not told. Without a privacy policy's address invitations say that none was provided."""

    contact_name: str | None = None
    contact_phone: str | None = None
    privacy_url: str | None = None
    #: Months of past usage that its ongoing requests ask for where they do not say (A24).
    history_months: int | None = None


def profile_of(store: Store, duns: str) -> Profile:
    """What the company tells. Raises `CompanyUnknownError`."""
    with store.read() as connection:
        row = connection.execute(
            select(*(company.c[field.name] for field in fields(Profile))).where(
                company.c.id == company_id_of(connection, duns)
            )
        ).one()
    return Profile(*row)


def set_profile(store: Store, *, duns: str, profile: Profile, actor: str, clock: Clock) -> None:
    """Let the company tell *profile* from its next invitation on; None leaves as it is, an empty text takes away.

    Raises `CompanyUnknownError`, `InvalidCompanyError`.
    """
    given = {
        name: value
        for name in ("contact_name", "contact_phone", "privacy_url")
        if (value := getattr(profile, name)) is not None
    }
    _check(given)
    if profile.history_months is not None and not 0 <= profile.history_months <= _HISTORY_MONTHS_AT_MOST:
        raise InvalidCompanyError(f"Past usage may be asked for 0 to {_HISTORY_MONTHS_AT_MOST} months.")
    values: dict[str, str | int | None] = {name: value or None for name, value in given.items()}
    if profile.history_months is not None:
        values["history_months"] = profile.history_months
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        if values:
            connection.execute(update(company).where(company.c.id == company_id).values(values))
        note_change(connection, Event.COMPANY_CHANGE, company_id, actor, clock.now(), {"profile": sorted(values)})


def _check(given: dict[str, str]) -> None:
    name, phone, url = (given.get(key, "") for key in ("contact_name", "contact_phone", "privacy_url"))
    if len(name) > 120 or not name.isprintable():
        raise InvalidCompanyError("The contact's name has up to 120 characters, on one line.")
    if phone and not _PHONE.fullmatch(phone):
        raise InvalidCompanyError(f"{phone[:40]!r} is no telephone number.")
    parts = urlsplit(url)
    # It becomes a link in letters and pages.
    if url and (parts.scheme != "https" or not parts.hostname or len(url) > 500 or not url.isprintable() or " " in url):
        raise InvalidCompanyError("The privacy policy's address begins with https:// and has up to 500 characters.")
