"""Where each TDSP serves ``TDSPHan``: the operator sets it, calls look it up (H7).

Its answers must be signed with a certificate that the company has registered for signing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from sqlalchemy import Connection, delete, select

from smt_ws.clock import Clock, real_now
from smt_ws.han.errors import InvalidEndpointError
from smt_ws.han.tables import tdsp_endpoint
from smt_ws.parties.errors import CompanyUnknownError
from smt_ws.parties.tables import company, company_certificate, company_duns
from smt_ws.store import audit
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store

__all__ = ["Endpoint", "clear_endpoint", "endpoint_of", "endpoints", "set_endpoint"]

_LONGEST: Final = 500


@dataclass(frozen=True)
class Endpoint:
    """A TDSP's own service as a call needs it."""

    duns: str
    url: str
    #: Certificates that its answers may be signed with: registered for signing, not withdrawn, of real time.
    certificates: tuple[x509.Certificate, ...]


def set_endpoint(store: Store, *, duns: str, url: str, actor: str, clock: Clock) -> None:
    """Call the TDSP *duns* at *url* (https) from now on. Raises `CompanyUnknownError` and `InvalidEndpointError`."""
    _require_https(url)
    with store.write() as connection:
        kind = connection.scalar(select(company.c.kind).join(company_duns).where(company_duns.c.duns == duns))
        if kind is None:
            raise CompanyUnknownError(f"No company has the DUNS number {duns[:20]!r}.")
        if kind != "TDSP":
            raise InvalidEndpointError(f"{duns} is no TDSP's number but a {kind}'s.")
        now = clock.now()
        statement = insert(connection, tdsp_endpoint).values(duns=duns, url=url, set_at=now)
        connection.execute(statement.on_conflict_do_update(index_elements=["duns"], set_={"url": url, "set_at": now}))
        _note(connection, audit.Event.TDSP_ENDPOINT_SET, duns, actor, now, {"url": url})


def clear_endpoint(store: Store, *, duns: str, actor: str, clock: Clock) -> bool:
    """Call the TDSP *duns* no more: what is for it waits. False where it had no endpoint."""
    with store.write() as connection:
        gone = connection.execute(delete(tdsp_endpoint).where(tdsp_endpoint.c.duns == duns)).rowcount == 1
        if gone:
            _note(connection, audit.Event.TDSP_ENDPOINT_CLEARED, duns, actor, clock.now(), {})
    return gone


def endpoints(connection: Connection) -> list[tuple[str, str, str | None]]:
    """Every TDSP by DUNS number: number, legal name, url or None."""
    rows = connection.execute(
        select(company_duns.c.duns, company.c.legal_name, tdsp_endpoint.c.url)
        .join(company, company.c.id == company_duns.c.company_id)
        .join(tdsp_endpoint, tdsp_endpoint.c.duns == company_duns.c.duns, isouter=True)
        .where(company.c.kind == "TDSP")
        .order_by(company_duns.c.duns)
    )
    return [(row.duns, row.legal_name, row.url) for row in rows]


def endpoint_of(connection: Connection, duns: str) -> Endpoint | None:
    """How to call the TDSP *duns* now; None where no endpoint is set or no certificate could sign its answers."""
    now = real_now()
    held = company_certificate.c
    rows = connection.execute(
        select(tdsp_endpoint.c.url, held.pem)
        .join(company_duns, company_duns.c.duns == tdsp_endpoint.c.duns)
        .join(company_certificate, held.company_id == company_duns.c.company_id)
        .where(
            tdsp_endpoint.c.duns == duns,
            held.for_signing,
            held.withdrawn_at.is_(None),
            held.not_before <= now,
            held.not_after > now,
        )
        .order_by(held.sha256)
    ).all()
    if not rows:
        return None
    certificates = tuple(x509.load_pem_x509_certificate(row.pem.encode()) for row in rows)
    return Endpoint(duns, rows[0].url, certificates)


def _require_https(url: str) -> None:
    try:
        parts = urlsplit(url)
        port_reads = parts.port is None or parts.port > 0
    except ValueError as error:
        raise InvalidEndpointError(presented=url[:100]) from error
    good = parts.scheme == "https" and parts.hostname and port_reads and url.isascii() and url.isprintable()
    if not good or parts.username or parts.query or parts.fragment or " " in url or len(url) > _LONGEST:
        raise InvalidEndpointError(presented=url[:100], expected="https://host:port/path")


def _note(
    connection: Connection, event: audit.Event, duns: str, actor: str, now: datetime, details: dict[str, str]
) -> None:
    audit.record(connection, event, actor=actor, at=now, object=f"duns:{duns}", details=details)
