"""Where a company serves RequesterCallback, and whose signature its answers carry (interfaces: RequesterCallback)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from cryptography import x509
from sqlalchemy import Connection, select, update

from adapters.guarded_https import is_public
from smt_ws.clock import Clock
from smt_ws.parties.companies import company_id_of, note_change
from smt_ws.parties.errors import CallbackAddressError
from smt_ws.parties.tables import company, company_certificate
from smt_ws.store.audit import Event
from smt_ws.store.engine import Store

__all__ = ["Callee", "callback_url", "callee", "clear_callback", "set_callback"]

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Callee:
    """Whom to call: the address, and the signing certificates of the company that are good now."""

    url: str
    signing_certificates: Sequence[x509.Certificate]


def set_callback(
    store: Store, *, duns: str, url: str, environment: Literal["sandbox", "production"], actor: str, clock: Clock
) -> None:
    """Call the company at *url* from now on. Raises `CallbackAddressError`, `CompanyUnknownError`.

    https only, no user or password, and outside a sandbox no private network: the host's addresses are looked at now,
    so that a mistake is told at once, and again at every call.
    """
    _require_usable(url, private_allowed=environment == "sandbox")
    _change(store, duns, url, actor, clock)


def clear_callback(store: Store, *, duns: str, actor: str, clock: Clock) -> None:
    """Call the company no more; what is queued for it is dropped. Raises `CompanyUnknownError`."""
    _change(store, duns, None, actor, clock)


def callback_url(store: Store, duns: str) -> str | None:
    """Where the company is called; None: nowhere. Raises `CompanyUnknownError`."""
    with store.read() as connection:
        company_id = company_id_of(connection, duns)
        url: str | None = connection.execute(
            select(company.c.callback_url).where(company.c.id == company_id)
        ).scalar_one()
    return url


def callee(connection: Connection, company_id: int, *, now: datetime) -> Callee | None:
    """Whom to call for the company at the real time *now*; None where it has no address or is suspended (P10)."""
    url = connection.scalar(
        select(company.c.callback_url).where(company.c.id == company_id, company.c.suspended_at.is_(None))
    )
    if url is None:
        return None
    held = company_certificate.c
    pems = connection.scalars(
        select(held.pem).where(
            held.company_id == company_id,
            held.for_signing,
            held.withdrawn_at.is_(None),
            held.not_before <= now,
            held.not_after >= now,
        )
    )
    return Callee(url, [x509.load_pem_x509_certificate(pem.encode()) for pem in pems])


def _change(store: Store, duns: str, url: str | None, actor: str, clock: Clock) -> None:
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        connection.execute(update(company).where(company.c.id == company_id).values(callback_url=url))
        note_change(connection, Event.COMPANY_CHANGE, company_id, actor, clock.now(), {"callback_url": url})


def _require_usable(url: str, *, private_allowed: bool) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise CallbackAddressError(f"{url[:100]!r}: {error}") from error
    host = parts.hostname
    if parts.scheme != "https" or not host or not url.isascii() or not url.isprintable() or len(url) > _LONGEST:
        raise CallbackAddressError(f"{url[:100]!r}: {CallbackAddressError.sentence()}")
    if parts.username or parts.password or parts.fragment:
        raise CallbackAddressError(f"{url[:100]!r} holds a user, a password or a fragment: leave them out.")
    if private_allowed:
        return
    try:
        addresses = {found[4][0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise CallbackAddressError(f"The host {host!r} cannot be found: {error.strerror}.") from error
    private = sorted(str(a) for a in addresses if "%" in str(a) or not is_public(ipaddress.ip_address(a)))
    if private:
        raise CallbackAddressError(f"The host {host!r} has the address {private[0]}, which is not a public one.")
