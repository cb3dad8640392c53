"""Certificates and OpenPGP keys that are about to end, and who has been warned of which (P1, P4).

Security time: *now* is always real UTC. A warning that is noted is not due again, whatever becomes of the letter: the
outbox sees to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, select

from adapters import openpgp
from smt_ws.parties import rules
from smt_ws.parties.own_certificates import own_certificates
from smt_ws.parties.tables import certificate_warning, company, company_certificate
from smt_ws.settings import Tls
from smt_ws.store.dialect import insert

__all__ = ["Ending", "endings_of_companies", "endings_of_hub", "endings_of_keys", "note_warned", "unwarned"]


@dataclass(frozen=True)
class Ending:
    """A certificate, key or revocation list that ends soon, and the warning that is due for it."""

    kind: Literal["certificate", "openpgp_key", "own"]
    #: ``company:ID``, or ``hub:SETTING`` for the hub's own.
    holder: str
    #: Lower-case hex: SHA-256, or an OpenPGP key's own.
    fingerprint: str
    #: The warning: so many days before the end, or fewer.
    days: int
    subject: str
    ends_at: datetime
    left: timedelta
    #: What it is registered for, or which setting names it.
    uses: str
    #: Legal name and e-mail address of the company; empty for the hub's own.
    company: str = ""
    email: str = ""
    #: Until when the company has another certificate that is registered for all the same uses; None: it has none.
    successor_until: datetime | None = None


def endings_of_companies(connection: Connection, *, now: datetime) -> list[Ending]:
    """Every certificate in use that ends within the longest warning time; suspended companies are left alone."""
    held = company_certificate.c
    rows = connection.execute(
        select(company_certificate, company.c.legal_name, company.c.email)
        .join(company, company.c.id == held.company_id)
        .where(held.withdrawn_at.is_(None), held.not_after > now, company.c.suspended_at.is_(None))
        .order_by(held.not_after, held.company_id, held.sha256)
    ).all()
    found = []
    for row in rows:
        days = rules.certificate_warning_due(row.not_after - now)
        if days is None:
            continue
        successors = [
            other.not_after
            for other in rows
            if other.company_id == row.company_id
            and other.not_after > row.not_after
            and other.for_tls >= row.for_tls
            and other.for_signing >= row.for_signing
        ]
        uses = " and ".join(use for use, on in (("connecting", row.for_tls), ("signing", row.for_signing)) if on)
        found.append(
            Ending(
                kind="certificate",
                holder=f"company:{row.company_id}",
                fingerprint=row.sha256,
                days=days,
                subject=row.subject,
                ends_at=row.not_after,
                left=row.not_after - now,
                uses=uses,
                company=row.legal_name,
                email=row.email,
                successor_until=max(successors, default=None),
            )
        )
    return found


def endings_of_keys(connection: Connection, *, now: datetime) -> list[Ending]:
    """Every company's OpenPGP key that ends within the longest warning time: then no report can be delivered (P4)."""
    found = []
    for row in connection.execute(
        select(company.c.id, company.c.legal_name, company.c.email, company.c.openpgp_certificate)
        .where(company.c.openpgp_certificate.is_not(None), company.c.suspended_at.is_(None))
        .order_by(company.c.id)
    ):
        info = openpgp.describe_certificate(row.openpgp_certificate, now=now)
        days = None if info.expires is None else rules.certificate_warning_due(info.expires - now)
        if info.expires is None or days is None:
            continue
        found.append(
            Ending(
                kind="openpgp_key",
                holder=f"company:{row.id}",
                fingerprint=info.fingerprint,
                days=days,
                subject=", ".join(info.user_ids),
                ends_at=info.expires,
                left=info.expires - now,
                uses="its reports",
                company=row.legal_name,
                email=row.email,
            )
        )
    return found


def endings_of_hub(tls: Tls, *, now: datetime) -> list[Ending]:
    """The hub's own certificates, its client authorities and its revocation lists that end soon, or are late.

    Raises OSError or ValueError where a file cannot be read.
    """
    found = []
    for own in own_certificates(tls):
        left = own.ends_at - now
        days = rules.certificate_warning_due(left)
        if own.is_list:
            days = 1 if rules.list_warning_due(own.ends_at - own.begins_at, left) else None
        if days is not None:
            found.append(
                Ending(
                    kind="own",
                    holder=f"hub:{own.setting}",
                    fingerprint=own.fingerprint,
                    days=days,
                    subject=own.subject,
                    ends_at=own.ends_at,
                    left=left,
                    uses=own.setting,
                )
            )
    return found


def unwarned(connection: Connection, endings: Sequence[Ending]) -> list[Ending]:
    """Those of *endings* whose warning has not been noted yet."""
    noted = certificate_warning.c
    holders = sorted({ending.holder for ending in endings})
    known = {
        tuple(row)
        for row in connection.execute(select(noted.holder, noted.sha256, noted.days).where(noted.holder.in_(holders)))
    }
    return [ending for ending in endings if (ending.holder, ending.fingerprint, ending.days) not in known]


def note_warned(connection: Connection, ending: Ending, *, now: datetime) -> bool:
    """Note that the warning of *ending* is given; False where it was noted before."""
    noted = connection.execute(
        insert(connection, certificate_warning)
        .values(holder=ending.holder, sha256=ending.fingerprint, days=ending.days, warned_at=now)
        .on_conflict_do_nothing()
        .returning(certificate_warning.c.days)
    )
    return noted.first() is not None
