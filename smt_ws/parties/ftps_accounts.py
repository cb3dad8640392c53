"""The FTPS account of each DUNS number: its password, and what a login must show (P4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ColumnElement, select, update

from smt_ws.clock import Clock, real_now
from smt_ws.parties import errors, rules
from smt_ws.parties.companies import company_id_of, note_change
from smt_ws.parties.tables import company, company_certificate, company_duns
from smt_ws.store.audit import Event
from smt_ws.store.engine import Store

__all__ = ["FtpsAccount", "ftps_account", "set_ftps_password"]

#: argon2id with the library's defaults, which follow RFC 9106's low-memory recommendation.
_HASHER: Final = PasswordHasher()
_DUNS: Final = re.compile(r"[0-9]{9}|[0-9]{13}")
_HELD: Final = company_certificate.c
_PASSWORD_LENGTH: Final = range(12, 129)


def set_ftps_password(store: Store, *, duns: str, password: str, actor: str, clock: Clock) -> None:
    """Set the password of the FTPS account of one DUNS number, 12 to 128 characters; kept as argon2id only (P4).

    Raises `WeakPasswordError`, `CompanyUnknownError`.
    """
    if len(password) not in _PASSWORD_LENGTH or not password.isprintable():
        raise errors.WeakPasswordError
    hashed = _HASHER.hash(password)
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        connection.execute(update(company_duns).where(company_duns.c.duns == duns).values(ftps_password_hash=hashed))
        note_change(connection, Event.FTPS_PASSWORD, company_id, actor, clock.now(), {"duns": duns})


@dataclass(frozen=True)
class FtpsAccount:
    """What the FTPS site needs to know of the account of one DUNS number."""

    duns: str
    #: The company's kind: it decides the folders.
    kind: str
    #: Fingerprints of the client certificates that may be presented, lower-case hex.
    certificate_sha256s: frozenset[str]
    #: Whether this is the password; takes argon2's time, about 50 ms, right or wrong.
    verify_password: Callable[[str], bool]
    #: Whether the company may log in from this IP address (P3).
    allows_address: Callable[[str], bool]
    #: Whether a login with this certificate (SHA-256) from this address still holds: one question to the store.
    still_stands: Callable[[str, str], bool]


def ftps_account(store: Store, duns: str, *, now: datetime | None = None) -> FtpsAccount | None:
    """The FTPS account with the user name *duns*; None where there is none or it may not be entered (P4).

    It may not while the company is suspended or has no password for this DUNS number. Certificates: the company's
    for TLS that are not withdrawn and valid at *now* (default: this moment).
    """
    if not _DUNS.fullmatch(duns):
        return None  # nor has the store to be asked: PostgreSQL takes no NUL
    moment = now or real_now()
    with store.read() as connection:
        account = connection.execute(
            select(company.c.id, company.c.kind, company.c.allowed_networks, company_duns.c.ftps_password_hash)
            .join(company, company.c.id == company_duns.c.company_id)
            .where(
                company_duns.c.duns == duns,
                company_duns.c.ftps_password_hash.is_not(None),
                company.c.suspended_at.is_(None),
            )
        ).one_or_none()
        if account is None:
            return None
        sha256s = connection.scalars(
            select(_HELD.sha256).where(_HELD.company_id == account.id, *_in_force(moment))
        ).all()
    hashed: str = account.ftps_password_hash
    networks: list[str] = account.allowed_networks
    return FtpsAccount(
        duns=duns,
        kind=account.kind,
        certificate_sha256s=frozenset(sha256s),
        verify_password=lambda password: _is_password(hashed, password),
        allows_address=lambda address: rules.may_call_from(address, networks),
        still_stands=lambda sha256, address: _still_stands(store, duns, hashed, sha256, address, now=now or real_now()),
    )


def _in_force(moment: datetime) -> tuple[ColumnElement[bool], ...]:
    return (_HELD.for_tls, _HELD.withdrawn_at.is_(None), _HELD.not_before <= moment, _HELD.not_after >= moment)


def _still_stands(store: Store, duns: str, hashed: str, sha256: str, address: str, *, now: datetime) -> bool:
    """Whether what a login proved is so still: company, password, certificate, address. All by primary keys."""
    question = (
        select(company.c.allowed_networks)
        .join(company_duns, company_duns.c.company_id == company.c.id)
        .join(company_certificate, _HELD.company_id == company.c.id)
        .where(
            company_duns.c.duns == duns,
            company_duns.c.ftps_password_hash == hashed,
            company.c.suspended_at.is_(None),
            _HELD.sha256 == sha256,
            *_in_force(now),
        )
    )
    with store.read() as connection:
        networks = connection.scalar(question)
    return networks is not None and rules.may_call_from(address, networks)


def _is_password(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
