"""Registering companies: DUNS numbers, certificates, OpenPGP keys, suspension (P0, P1, P4, P10).

Every change and its line in the audit log commit together. A company is named by any of its DUNS numbers. What is
withdrawn or suspended is so from that moment on, whatever the business clock says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, select, update

from adapters import openpgp
from smt_ws.clock import Clock, real_now
from smt_ws.parties import errors, rules
from smt_ws.parties.certificates import Environment, check_certificate, fingerprint, read_certificates
from smt_ws.parties.tables import company, company_certificate, company_duns
from smt_ws.store.audit import Event, record
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store

__all__ = [
    "CertificateView",
    "CompanyView",
    "add_company",
    "add_duns",
    "change_company",
    "companies",
    "company_id_of",
    "find_company",
    "note_change",
    "register_certificate",
    "resume",
    "set_csv_profile",
    "set_openpgp_certificate",
    "suspend",
    "withdraw_certificate",
]

_EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")


def add_company(
    store: Store,
    *,
    legal_name: str,
    kind: str,
    email: str,
    duns: Sequence[str],
    actor: str,
    clock: Clock,
    csv_profile: str = "standard",
) -> int:
    """Register a company with its DUNS numbers and return its id.

    *kind* is one of `rules.KINDS`, *csv_profile* one of `rules.CSV_PROFILES`; notices go to *email*. Raises
    `InvalidCompanyError`, `CompanyExistsError`, `DunsTakenError`.
    """
    _require_name(legal_name)
    if kind not in rules.KINDS:
        raise errors.InvalidCompanyError(f"{kind[:20]!r} is no kind of company: one of {', '.join(rules.KINDS)}.")
    _require_email(email)
    if not duns:
        raise errors.InvalidCompanyError("A company has at least one DUNS number (P0).")
    _require_csv_profile(csv_profile)
    now = clock.now()
    with store.write() as connection:
        _require_free(connection, legal_name.strip())
        company_id: int = connection.execute(
            company.insert()
            .values(legal_name=legal_name.strip(), kind=kind, email=email, csv_profile=csv_profile, created_at=now)
            .returning(company.c.id)
        ).scalar_one()
        for number in duns:
            _add_duns(connection, company_id, number, now)
        details = {"kind": kind, "duns": list(duns), "csv_profile": csv_profile}
        note_change(connection, Event.COMPANY_ADD, company_id, actor, now, details)
    return company_id


def add_duns(store: Store, *, company_duns_number: str, duns: str, actor: str, clock: Clock) -> None:
    """Give the company named by *company_duns_number* another DUNS number (AEP Texas has two TDSPs: P0).

    Raises `CompanyUnknownError`, `InvalidCompanyError`, `DunsTakenError`.
    """
    with store.write() as connection:
        company_id = company_id_of(connection, company_duns_number)
        _add_duns(connection, company_id, duns, clock.now())
        note_change(connection, Event.COMPANY_CHANGE, company_id, actor, clock.now(), {"duns_added": duns})


def change_company(
    store: Store, *, duns: str, actor: str, clock: Clock, legal_name: str | None = None, email: str | None = None
) -> None:
    """Give the company another legal name, or another address for notices; None leaves as it is (P0, P7).

    Agreements and e-mails made before keep the name that they told. Raises `CompanyUnknownError`,
    `InvalidCompanyError`, `CompanyExistsError`.
    """
    values: dict[str, str] = {}
    if legal_name is not None:
        _require_name(legal_name)
        values["legal_name"] = legal_name.strip()
    if email is not None:
        _require_email(email)
        values["email"] = email
    if not values:
        raise errors.InvalidCompanyError("Nothing to change: give a legal name or an e-mail address.")
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        if legal_name is not None:
            _require_free(connection, values["legal_name"], besides=company_id)
        connection.execute(update(company).where(company.c.id == company_id).values(values))
        note_change(connection, Event.COMPANY_CHANGE, company_id, actor, clock.now(), {"changed": sorted(values)})


def _require_name(legal_name: str) -> None:
    if not (legal_name.isprintable() and 0 < len(legal_name.strip()) <= 200):
        raise errors.InvalidCompanyError("The legal name has 1 to 200 characters, on one line.")


def _require_email(email: str) -> None:
    if len(email) > 254 or not _EMAIL.fullmatch(email):
        raise errors.InvalidCompanyError(f"{email[:100]!r} is no e-mail address.")


def _require_free(connection: Connection, legal_name: str, *, besides: int | None = None) -> None:
    holder = connection.scalar(select(company.c.id).where(company.c.legal_name == legal_name))
    if holder not in (None, besides):
        raise errors.CompanyExistsError(f"A company {legal_name!r} exists already.")


def set_csv_profile(store: Store, *, duns: str, csv_profile: str, actor: str, clock: Clock) -> None:
    """Choose how the company has its interval CSV from its next order on. Raises like `add_company`."""
    _require_csv_profile(csv_profile)
    _change(store, duns, actor, clock, Event.COMPANY_CHANGE, {"csv_profile": csv_profile}, csv_profile=csv_profile)


def set_openpgp_certificate(
    store: Store, *, duns: str, armored: str, actor: str, clock: Clock
) -> openpgp.CertificateInfo:
    """Set the public key that the company's results are encrypted to (P4), and return what it says.

    Raises `CompanyUnknownError` and, where the key could not be delivered to, what
    `adapters.openpgp.check_certificate` raises.
    """
    info = openpgp.check_certificate(armored, now=real_now())
    details = {"openpgp_fingerprint": info.fingerprint}
    _change(store, duns, actor, clock, Event.COMPANY_CHANGE, details, openpgp_certificate=armored)
    return info


def suspend(store: Store, *, duns: str, actor: str, clock: Clock) -> None:
    """From now on nothing is done for the company, under any of its DUNS numbers (P10)."""
    _change(store, duns, actor, clock, Event.COMPANY_SUSPEND, {}, suspended_at=clock.now())


def resume(store: Store, *, duns: str, actor: str, clock: Clock) -> None:
    """Lift a suspension."""
    _change(store, duns, actor, clock, Event.COMPANY_RESUME, {}, suspended_at=None)


def register_certificate(
    store: Store,
    *,
    duns: str,
    content: bytes,
    for_tls: bool,
    for_signing: bool,
    authorities: Sequence[x509.Certificate],
    environment: Environment,
    actor: str,
    clock: Clock,
    crls: Sequence[x509.CertificateRevocationList] = (),
    service_provider: bool = False,
) -> str:
    """Register the certificate in *content* (PEM or DER) to the company and return its fingerprint.

    It may be valid beside others, and from a later day on, so that a company can change certificates without a gap;
    registering it again sets its uses and lifts a withdrawal. One that another company has registered is taken only
    as that of a *service_provider*, who acts for both (P0). *authorities* and *crls*: see `check_certificate`. Raises
    `CertificateUnreadableError`, `CertificateRefusedError` naming each check that a connection or a signed message
    would fail, `CertificateOfAnotherError`, `CompanyUnknownError`.
    """
    if not (for_tls or for_signing):
        raise errors.CertificateRefusedError("A certificate is registered for TLS, for signing, or for both.")
    certificate = read_certificates(content)[0]
    now = real_now()
    if for_signing and not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        raise errors.CertificateRefusedError("Messages are signed with RSA keys only; this one can be for TLS alone.")
    _require_passed(certificate, content, for_tls, authorities, environment, now, crls)
    row = {
        "for_tls": for_tls,
        "for_signing": for_signing,
        "pem": certificate.public_bytes(Encoding.PEM).decode(),
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": str(certificate.serial_number),
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
        "registered_at": clock.now(),
        "withdrawn_at": None,
    }
    sha256 = fingerprint(certificate)
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        if not service_provider:
            _require_own(connection, company_id, sha256)
        connection.execute(
            insert(connection, company_certificate)
            .values(company_id=company_id, sha256=sha256, **row)
            .on_conflict_do_update(index_elements=["company_id", "sha256"], set_=row)
        )
        details = {"for_tls": for_tls, "for_signing": for_signing, "subject": row["subject"], "sha256": sha256}
        note_change(connection, Event.CERTIFICATE_ADD, company_id, actor, clock.now(), details)
    return sha256


def withdraw_certificate(store: Store, *, duns: str, sha256: str, actor: str, clock: Clock) -> None:
    """From the next request on, refuse this certificate of the company. *sha256*: its fingerprint, colons or not.

    Raises `CompanyUnknownError`, `CertificateNotRegisteredError`.
    """
    plain = sha256.replace(":", "").lower()
    held = company_certificate.c
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        changed = connection.execute(
            update(company_certificate)
            .where(held.company_id == company_id, held.sha256 == plain, held.withdrawn_at.is_(None))
            .values(withdrawn_at=clock.now())
        ).rowcount
        if not changed:
            raise errors.CertificateNotRegisteredError(
                f"This company has no certificate with the SHA-256 fingerprint {plain[:64]!r} that could be withdrawn."
            )
        note_change(connection, Event.CERTIFICATE_WITHDRAW, company_id, actor, clock.now(), {"sha256": plain})


@dataclass(frozen=True)
class CertificateView:
    """One registered certificate, for people."""

    sha256: str
    for_tls: bool
    for_signing: bool
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    registered_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True)
class CompanyView:
    """One company, for people. DUNS numbers map to whether their FTPS account has a password."""

    company_id: int
    legal_name: str
    kind: str
    email: str
    csv_profile: str
    openpgp_certificate: str | None
    created_at: datetime
    suspended_at: datetime | None
    #: IP networks that it may call from; none: any (P3).
    allowed_networks: tuple[str, ...]
    duns: dict[str, bool]
    certificates: tuple[CertificateView, ...]


def companies(store: Store) -> list[CompanyView]:
    """All companies, by name."""
    with store.read() as connection:
        return _views(connection)


def find_company(store: Store, duns: str) -> CompanyView:
    """The company with this DUNS number. Raises `CompanyUnknownError`."""
    with store.read() as connection:
        return _views(connection, company_id_of(connection, duns))[0]


def _views(connection: Connection, company_id: int | None = None) -> list[CompanyView]:
    one = [] if company_id is None else [company_id]
    held = company_certificate.c
    duns: dict[int, dict[str, bool]] = {}
    for row in connection.execute(select(company_duns).order_by(company_duns.c.duns)):
        duns.setdefault(row.company_id, {})[row.duns] = row.ftps_password_hash is not None
    certificates: dict[int, list[CertificateView]] = {}
    columns = [held[name] for name in CertificateView.__dataclass_fields__]
    for company_of, *values in connection.execute(select(held.company_id, *columns).order_by(held.not_after.desc())):
        certificates.setdefault(company_of, []).append(CertificateView(*values))
    question = select(company).order_by(company.c.legal_name)
    return [
        CompanyView(
            company_id=row.id,
            legal_name=row.legal_name,
            kind=row.kind,
            email=row.email,
            csv_profile=row.csv_profile,
            openpgp_certificate=row.openpgp_certificate,
            created_at=row.created_at,
            suspended_at=row.suspended_at,
            allowed_networks=tuple(row.allowed_networks),
            duns=duns.get(row.id, {}),
            certificates=tuple(certificates.get(row.id, ())),
        )
        for row in connection.execute(question.where(company.c.id.in_(one)) if one else question)
    ]


def _require_passed(
    certificate: x509.Certificate,
    content: bytes,
    for_tls: bool,
    authorities: Sequence[x509.Certificate],
    environment: Environment,
    now: datetime,
    crls: Sequence[x509.CertificateRevocationList],
) -> None:
    # A certificate registered ahead of its first day is judged as on that day.
    moment = max(now, certificate.not_valid_before_utc)
    # A sandbox has no word to say on who issued what is only to sign; at TLS the authority decides anyway.
    known = authorities if for_tls or environment == "production" else []
    # Of a late list, and of an authority that has none, every connection will judge for itself.
    told_of = [one for one in crls if one.issuer == certificate.issuer]
    checks = check_certificate(
        content,
        store=None,
        authorities=known,
        now=moment,
        environment=environment,
        crls=told_of if known else [],
        when_crl_expired="serve",
    )
    failed = [f"{check.name}: {check.detail}" for check in checks if check.result == "failed"]
    if for_tls:
        failed += [f"{c.name}: {c.detail}" for c in checks if c.name == "extended key usage" and c.result == "warning"]
    if failed:
        raise errors.CertificateRefusedError("; ".join(failed))


def _require_own(connection: Connection, company_id: int, sha256: str) -> None:
    held = company_certificate.c
    other = connection.scalar(
        select(company.c.legal_name)
        .join(company_certificate, held.company_id == company.c.id)
        .where(held.sha256 == sha256, held.company_id != company_id)
        .order_by(company.c.id)
        .limit(1)
    )
    if other is not None:
        raise errors.CertificateOfAnotherError(f"{errors.CertificateOfAnotherError.sentence()} It is {other}.")


def company_id_of(connection: Connection, duns: str) -> int:
    """The id of the company with this DUNS number. Raises `CompanyUnknownError`."""
    company_id = connection.scalar(select(company_duns.c.company_id).where(company_duns.c.duns == duns))
    if company_id is None:
        raise errors.CompanyUnknownError(f"No company has the DUNS number {duns[:40]!r}. Check it, or add the company.")
    return int(company_id)


def _add_duns(connection: Connection, company_id: int, duns: str, now: datetime) -> None:
    if not rules.is_duns(duns):
        raise errors.InvalidCompanyError(f"{duns[:40]!r} is no DUNS number: 9 or 13 digits.")
    if connection.scalar(select(company_duns.c.duns).where(company_duns.c.duns == duns)) is not None:
        raise errors.DunsTakenError(f"The DUNS number {duns} belongs to a company already.")
    connection.execute(company_duns.insert().values(duns=duns, company_id=company_id, created_at=now))


def _require_csv_profile(csv_profile: str) -> None:
    if csv_profile not in rules.CSV_PROFILES:
        raise errors.InvalidCompanyError(
            f"{csv_profile[:20]!r} is no CSV profile: one of {', '.join(rules.CSV_PROFILES)}."
        )


def _change(
    store: Store, duns: str, actor: str, clock: Clock, event: Event, details: dict[str, Any], **values: Any
) -> None:
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        connection.execute(update(company).where(company.c.id == company_id).values(**values))
        note_change(connection, event, company_id, actor, clock.now(), details)


def note_change(
    connection: Connection, event: Event, company_id: int, actor: str, now: datetime, details: dict[str, Any]
) -> None:
    """Put a change of the company into the audit log, in the caller's transaction."""
    record(connection, event, actor=actor, object=f"company:{company_id}", details=details, at=now)
