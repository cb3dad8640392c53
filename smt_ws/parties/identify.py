"""Which company is asking: TLS certificate, signing certificate and DUNS number must all be of the same one (P0, P1).

Nothing is cached: one indexed question a request, so that a withdrawal or suspension holds from the next request on.
Whatever is not registered is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from sqlalchemy import Connection, Row, and_, bindparam, exists, select

from smt_ws.parties import errors, rules
from smt_ws.parties.certificates import Environment, fingerprint, is_sample, shown
from smt_ws.parties.tables import company, company_certificate, company_duns

__all__ = ["Caller", "certificate_by_issuer", "identify", "is_registered_for_tls"]

_Registration = Row[*tuple[Any, ...]]


@dataclass(frozen=True)
class Caller:
    """The company that is asking, and in which capacity."""

    company_id: int
    legal_name: str
    #: The capacity it acts in: its own kind, or CSP where a REP says so (P6).
    kind: str
    #: The DUNS number the request names: whose folder results go to.
    duns: str
    #: All its DUNS numbers, in order.
    duns_numbers: tuple[str, ...]
    #: Fingerprint of the connection's certificate, lower-case hex.
    tls_sha256: str
    #: Fingerprint of the certificate that signed; None where nothing was signed.
    signing_sha256: str | None


def identify(
    connection: Connection,
    *,
    tls_certificate: bytes,
    signing_certificate: x509.Certificate | None,
    duns: str | None,
    requester_type: str | None,
    now: datetime,
    address: str | None,
    environment: Environment = "production",
) -> Caller:
    """The company that the connection, the signature and the message all speak for.

    *tls_certificate* is the DER form of the certificate of the TLS connection, which TLS itself has verified;
    *signing_certificate* that of a verified signature (None: nothing was signed, and nothing about it is checked);
    *duns* and *requester_type* are ``requesterAuthenticationID`` and ``requesterType`` of the signed Body. A
    certificate that several companies have registered (a service provider's) acts for the one that *duns* names.
    *now* is real UTC, *address* the IP address that the request came from (None: it cannot be told). Raises the
    classes of `smt_ws.parties.errors` that are `IdentityError`.
    """
    tls_sha256 = sha256(tls_certificate).hexdigest()
    signing_sha256 = None if signing_certificate is None else fingerprint(signing_certificate)
    rows = _registrations(connection, {tls_sha256, signing_sha256 or tls_sha256})
    tls_rows = [row for row in rows if row.sha256 == tls_sha256 and row.for_tls]
    if not tls_rows:
        raise errors.TlsCertificateUnknownError(
            presented=f"SHA-256 {tls_sha256}", expected="a certificate registered for TLS"
        )
    if environment == "production":
        for certificate in (x509.load_der_x509_certificate(tls_certificate), signing_certificate):
            if certificate is not None and is_sample(certificate):
                raise errors.SampleCertificateError(
                    presented=shown(certificate), expected="a certificate of a known authority"
                )

    duns_numbers = tuple(dict.fromkeys(row.duns for row in tls_rows if row.duns is not None))
    if signing_certificate is not None and duns is not None and duns not in duns_numbers:
        signer_rows = [row for row in rows if row.sha256 == signing_sha256 and row.for_signing]
        if any(row.duns == duns for row in signer_rows):
            # Signature and DUNS number agree and only the connection does not: a whole message of another company's.
            raise errors.SigningCertificateOfAnotherCompanyError(
                presented=shown(signing_certificate),
                expected=_signing_certificates(connection, tls_rows[0].company_id),
            )
    ours = _company_named(connection, tls_rows, duns_numbers, duns)
    _usable_for_tls(ours, now)
    if ours.suspended_at is not None:
        raise errors.CompanySuspendedError(f"{ours.legal_name} is suspended since {ours.suspended_at:%Y-%m-%d} UTC.")
    if not rules.may_call_from(address, ours.allowed_networks):
        # which ones they are is not told: whoever holds a stolen key would learn where to call from
        raise errors.AddressNotAllowedError(presented=address, expected="an address of the company's own list")
    if signing_certificate is not None:
        _usable_for_signing(connection, rows, ours, signing_certificate, now)
    kind = rules.acting_kind(ours.kind, requester_type)
    if kind is None:
        raise errors.RequesterTypeMismatchError(
            presented=requester_type, expected=" or ".join(rules.KINDS[ours.kind].requester_types)
        )
    own = tuple(row.duns for row in tls_rows if row.company_id == ours.company_id and row.duns is not None)
    return Caller(
        company_id=ours.company_id,
        legal_name=ours.legal_name,
        kind=kind,
        duns=duns or own[0],
        duns_numbers=own,
        tls_sha256=tls_sha256,
        signing_sha256=signing_sha256,
    )


def is_registered_for_tls(connection: Connection, certificate_sha256: str) -> bool:
    """Whether a company has this certificate registered for TLS: only then is a caller told what was wrong.

    An expired certificate and one of a suspended company are registered; a withdrawn one is not (interfaces.md,
    "Fault detail").
    """
    held = company_certificate.c
    return bool(
        connection.scalar(
            select(exists().where(held.sha256 == certificate_sha256, held.for_tls, held.withdrawn_at.is_(None)))
        )
    )


def certificate_by_issuer(connection: Connection, issuer: str, serial: int) -> x509.Certificate | None:
    """The registered signing certificate with this issuer (RFC 4514) and serial number, for issuer-serial references.

    Expired and withdrawn ones too: a message signed with one is refused by its own name, in `identify`.
    """
    held = company_certificate.c
    pem = connection.scalar(
        select(held.pem).where(held.issuer == issuer, held.serial == str(serial), held.for_signing).limit(1)
    )
    return None if pem is None else x509.load_pem_x509_certificate(pem.encode())


_held = company_certificate.c
#: A row for each registration of the certificates and DUNS number of the company that holds it. Made once, because
#: every request asks it, and making it takes as long as asking.
_REGISTRATIONS: Final = (
    select(
        _held.sha256, _held.for_tls, _held.for_signing, _held.not_before, _held.not_after, _held.withdrawn_at,
        company.c.id.label("company_id"), company.c.legal_name, company.c.kind, company.c.suspended_at,
        company.c.allowed_networks,
        company_duns.c.duns,
    )
    .join(company, company.c.id == _held.company_id)
    .outerjoin(company_duns, company_duns.c.company_id == company.c.id)
    .where(_held.sha256.in_(bindparam("sha256s", expanding=True)))
    .order_by(company.c.id, company_duns.c.duns)
)  # fmt: skip


def _registrations(connection: Connection, sha256s: set[str]) -> Sequence[_Registration]:
    return connection.execute(_REGISTRATIONS, {"sha256s": sorted(sha256s)}).all()


def _company_named(
    connection: Connection, tls_rows: Sequence[_Registration], duns_numbers: Sequence[str], duns: str | None
) -> _Registration:
    if duns is None:
        if len({row.company_id for row in tls_rows}) > 1 or not duns_numbers:
            raise errors.DunsMissingError(expected=_one_of(duns_numbers))
        return tls_rows[0]
    for row in tls_rows:
        if row.duns == duns:
            return row
    known = connection.scalar(select(exists().where(company_duns.c.duns == duns)))
    refusal = errors.DunsNotYoursError if known else errors.DunsUnknownError
    raise refusal(presented=duns[:40], expected=_one_of(duns_numbers))


def _usable_for_tls(row: _Registration, now: datetime) -> None:
    presented = f"SHA-256 {row.sha256}"
    if row.withdrawn_at is not None:
        raise errors.TlsCertificateWithdrawnError(presented=presented, expected="a certificate that is not withdrawn")
    if now < row.not_before:
        raise errors.TlsCertificateNotYetValidError(presented=presented, expected=_from(row))
    if now > row.not_after:
        raise errors.TlsCertificateExpiredError(presented=presented, expected=_until(row))


def _usable_for_signing(
    connection: Connection,
    rows: Sequence[_Registration],
    ours: _Registration,
    certificate: x509.Certificate,
    now: datetime,
) -> None:
    presented = shown(certificate)
    registered = [row for row in rows if row.sha256 == fingerprint(certificate) and row.for_signing]
    mine = next((row for row in registered if row.company_id == ours.company_id), None)
    if mine is None:
        of_another = any(row.withdrawn_at is None for row in registered)
        refusal = (
            errors.SigningCertificateOfAnotherCompanyError if of_another else errors.SigningCertificateUnknownError
        )
        raise refusal(presented=presented, expected=_signing_certificates(connection, ours.company_id))
    if mine.withdrawn_at is not None:
        expected = _signing_certificates(connection, ours.company_id)
        raise errors.SigningCertificateWithdrawnError(presented=presented, expected=expected)
    if now < mine.not_before:
        raise errors.SigningCertificateNotYetValidError(presented=presented, expected=_from(mine))
    if now > mine.not_after:
        raise errors.SigningCertificateExpiredError(presented=presented, expected=_until(mine))


def _signing_certificates(connection: Connection, company_id: int) -> str:
    held = company_certificate.c
    rows = connection.execute(
        select(held.subject, held.sha256)
        .where(and_(held.company_id == company_id, held.for_signing, held.withdrawn_at.is_(None)))
        .order_by(held.not_after.desc())
        .limit(2)
    )
    return "; ".join(f"{row.subject}, SHA-256 {row.sha256}" for row in rows) or "none is registered to this company"


def _one_of(duns_numbers: Sequence[str]) -> str:
    return (
        f"one of {', '.join(duns_numbers[:10])}" if duns_numbers else "a DUNS number; the company has none registered"
    )


def _from(row: _Registration) -> str:
    return f"valid from {row.not_before:%Y-%m-%d %H:%M} UTC"


def _until(row: _Registration) -> str:
    return f"valid until {row.not_after:%Y-%m-%d %H:%M} UTC"
