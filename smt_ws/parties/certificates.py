"""Certificates of companies: reading one, knowing a sample, and every check that a connection would run on it.

Security time: *now* is always real UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto
from sqlalchemy import select

from adapters.revocation import WhenExpired, read_lists, signed_by
from smt_ws.parties.errors import CertificateUnreadableError
from smt_ws.parties.tables import company, company_certificate, company_duns
from smt_ws.settings import Tls
from smt_ws.store.engine import Store

__all__ = [
    "SAMPLE_EXTENSION",
    "SAMPLE_ORGANIZATION",
    "Check",
    "Environment",
    "check_certificate",
    "fingerprint",
    "is_sample",
    "read_certificates",
    "serves_alone",
    "shown",
    "trusted_by",
]

Environment = Literal["sandbox", "production"]
Result = Literal["passed", "failed", "warning", "not_applicable"]

#: The extension that marks a sample certificate, in the arc for examples (X.660), which needs no registration. Its
#: numbers are small: GnuTLS (lftp) cannot read an arc made from a UUID and would refuse the certificate.
SAMPLE_EXTENSION: Final = x509.ObjectIdentifier("2.999.5200.1")
#: The organization of the sample authority and of everything it issues: a second mark, which a person can read.
SAMPLE_ORGANIZATION: Final = "SAMPLE - NOT FOR PRODUCTION"

_SMALLEST_RSA: Final = 2048
_SMALLEST_EC: Final = 256
_RENEW_WITHIN: Final = timedelta(days=30)
_LARGEST_FILE: Final = 256 * 1024


@dataclass(frozen=True)
class Check:
    """One check and how it ended. *name* is stable; *detail* says what was presented and what was expected."""

    name: str
    result: Result
    detail: str


def read_certificates(content: bytes) -> list[x509.Certificate]:
    """The certificates in *content*, the company's own first: one DER, or PEM with one or more.

    Raises `CertificateUnreadableError`.
    """
    if len(content) > _LARGEST_FILE:
        raise CertificateUnreadableError(f"The file has {len(content)} bytes; a certificate file has at most 256 KiB.")
    if b"PRIVATE KEY-----" in content:
        raise CertificateUnreadableError(
            "The file holds a private key. Keep that to yourself and give the certificate alone;"
            " if this file has left your machine, make a new key."
        )
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]
    except ValueError as error:
        raise CertificateUnreadableError(presented=str(error)[:200]) from error


def trusted_by(tls: Tls) -> tuple[list[x509.Certificate], list[x509.CertificateRevocationList]]:
    """The client authorities and the revocation lists that the settings name; none of them where there is no file.

    Raises `CertificateUnreadableError`.
    """
    authorities = read_certificates(tls.client_authorities.read_bytes()) if tls.client_authorities.is_file() else []
    if tls.crl is None:
        return authorities, []
    try:
        return authorities, read_lists(tls.crl.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateUnreadableError(f"{tls.crl} is no file of revocation lists: {error}") from error


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's DER form, lower-case hex: how the hub knows a certificate again."""
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def is_sample(certificate: x509.Certificate) -> bool:
    """Whether the sample authority's marks are on *certificate*: the extension, or subject's or issuer's name (P2)."""
    names = [a for name in (certificate.subject, certificate.issuer) for a in name]
    if any(a.oid == NameOID.ORGANIZATION_NAME and a.value == SAMPLE_ORGANIZATION for a in names):
        return True
    try:
        certificate.extensions.get_extension_for_oid(SAMPLE_EXTENSION)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return True


def serves_alone(content: bytes) -> bool:
    """Whether *content* is a server's certificate that no client could connect with: serverAuth without clientAuth."""
    try:
        extensions = read_certificates(content)[0].extensions
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (CertificateUnreadableError, x509.ExtensionNotFound, ValueError):
        return False
    client = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return ExtendedKeyUsageOID.SERVER_AUTH in usage and not client & set(usage)


def shown(certificate: x509.Certificate) -> str:
    """Subject and fingerprint on one line, for messages."""
    return f"{certificate.subject.rfc4514_string() or '(no subject)'}, SHA-256 {fingerprint(certificate)}"


def check_certificate(
    content: bytes,
    *,
    store: Store | None,
    authorities: Sequence[x509.Certificate],
    now: datetime,
    environment: Environment,
    crls: Sequence[x509.CertificateRevocationList] = (),
    when_crl_expired: WhenExpired = "refuse",
    as_server: bool = False,
) -> list[Check]:
    """Run every check that a connection would run on the certificate in *content* (PEM or DER); raises nothing.

    *authorities* are those whose client certificates the hub looks at, *crls* their revocation lists where any are set;
    without *store* it is not looked up whose the certificate is. *as_server*: nobody connects with it, so what is asked
    of clients alone (authority, revocation, registration) does not apply.
    """
    try:
        certificate, *others = read_certificates(content)
    except CertificateUnreadableError as error:
        return [Check("readable", "failed", f"{error} {error.presented or ''}".strip())]
    checks = [Check("readable", "passed", shown(certificate))]
    single: list[Callable[[], Check]] = [
        lambda: _version(certificate),
        lambda: _validity(certificate, now),
        lambda: _key(certificate),
        lambda: _signature(certificate),
        lambda: _key_usage(certificate),
        lambda: _extended_key_usage(certificate),
        lambda: _host_name(certificate),
        lambda: _self_signed(certificate, environment),
        lambda: _no_authority(certificate, authorities),
        lambda: _sample(certificate, environment),
        lambda: _chain(certificate, others, authorities, now, environment),
        lambda: _revocation(certificate, crls, authorities, now, when_crl_expired),
    ]
    for check in single:
        try:
            checks.append(check())
        except (ValueError, UnsupportedAlgorithm) as error:
            # An extension that cannot be parsed, a curve that nobody knows: OpenSSL would refuse it as well.
            checks.append(Check("well-formed", "failed", str(error)[:200]))
    checks += _registration(certificate, store)
    return [_of_server(check) for check in checks] if as_server else checks


def _of_server(check: Check) -> Check:
    if check.name == "extended key usage":
        return Check(check.name, "passed", "serverAuth")
    if check.name in {"chain", "revocation", "registered"} and check.result == "failed":
        return Check(check.name, "not_applicable", f"asked of clients alone ({check.detail})")
    return check


def _version(certificate: x509.Certificate) -> Check:
    version = certificate.version
    return Check("version", "passed" if version is x509.Version.v3 else "failed", f"X.509 {version.name}; expected v3")


def _validity(certificate: x509.Certificate, now: datetime) -> Check:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    span = f"valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    if now < begin:
        return Check("validity", "failed", f"{span}: not yet")
    if now > end:
        return Check("validity", "failed", f"{span}: expired")
    if end - now < _RENEW_WITHIN:
        return Check("validity", "warning", f"{span}: {(end - now).days} days left; register its successor now")
    return Check("validity", "passed", f"{span}: {(end - now).days} days left")


def _key(certificate: x509.Certificate) -> Check:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        enough = key.key_size >= _SMALLEST_RSA
        return Check(
            "key", "passed" if enough else "failed", f"RSA {key.key_size} bits; expected {_SMALLEST_RSA} or more"
        )
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= _SMALLEST_EC:
        return Check("key", "warning", f"{key.curve.name}: good for TLS; messages are signed with RSA keys only")
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return Check("key", "warning", "EdDSA: good for TLS; messages are signed with RSA keys only")
    return Check("key", "failed", f"{type(key).__name__}; expected RSA of {_SMALLEST_RSA} bits or more")


def _signature(certificate: x509.Certificate) -> Check:
    used = certificate.signature_hash_algorithm
    if used is None:
        return Check("signature algorithm", "passed", "EdDSA")
    weak = used.name in {"md5", "sha1"}
    return Check("signature algorithm", "failed" if weak else "passed", f"{used.name}; expected SHA-256 or stronger")


def _key_usage(certificate: x509.Certificate) -> Check:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return Check("key usage", "passed", "not restricted")
    if usage.digital_signature:
        return Check("key usage", "passed", "digitalSignature")
    return Check("key usage", "failed", "restricted, and without digitalSignature")


def _extended_key_usage(certificate: x509.Certificate) -> Check:
    name = "extended key usage"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return Check(name, "passed", "not restricted")
    if ExtendedKeyUsageOID.CLIENT_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage:
        return Check(name, "passed", "clientAuth")
    said = ", ".join(sorted(oid.dotted_string for oid in usage))
    return Check(name, "warning", f"{said}, without clientAuth: may sign messages, but no TLS connection takes it")


def _host_name(certificate: x509.Certificate) -> Check:
    names = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    with suppress(x509.ExtensionNotFound):
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names += [str(name.value) for name in alternative.value]
    if names:
        return Check("host name", "passed", ", ".join(names)[:200])
    return Check("host name", "warning", "neither CN nor subjectAltName names the calling host (P0)")


def _is_self_signed(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer


def _self_signed(certificate: x509.Certificate, environment: Environment) -> Check:
    if not _is_self_signed(certificate):
        return Check("self-signed", "passed", f"issued by {certificate.issuer.rfc4514_string()}")
    if environment == "production":
        return Check(
            "self-signed", "failed", "self-signed; production takes certificates of known authorities only (P2)"
        )
    return Check("self-signed", "warning", "self-signed: for sandboxes only (P2)")


def _no_authority(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> Check:
    name = "not an authority"
    if certificate in authorities:
        return Check(name, "failed", "one of the hub's own authorities; expected a certificate that it has issued")
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return Check(name, "passed", "not marked as an authority")
    if not constraints.ca:
        return Check(name, "passed", "marked as no authority")
    if _is_self_signed(certificate):
        return Check(name, "warning", "marked as an authority, as self-signed certificates often are")
    return Check(name, "failed", "an authority's (CA:TRUE); expected the certificate of a client or signer")


def _sample(certificate: x509.Certificate, environment: Environment) -> Check:
    if not is_sample(certificate):
        return Check("sample", "passed", "not a sample certificate")
    if environment == "production":
        return Check("sample", "failed", "a sample certificate; production refuses it (P2)")
    return Check("sample", "passed", "a sample certificate, in a sandbox")


def _chain(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    now: datetime,
    environment: Environment,
) -> Check:
    # OpenSSL's own verdict, because OpenSSL decides at the handshake.
    if not authorities:
        result: Result = "failed" if environment == "production" else "warning"
        return Check("chain", result, "no authorities are configured (tls.client_authorities)")
    trusted = crypto.X509Store()
    for authority in authorities:
        trusted.add_cert(crypto.X509.from_cryptography(authority))
    trusted.set_time(now)
    intermediates = [crypto.X509.from_cryptography(other) for other in others]
    context = crypto.X509StoreContext(trusted, crypto.X509.from_cryptography(certificate), intermediates)
    try:
        verified = context.get_verified_chain()
    except crypto.X509StoreContextError as error:
        known = "; ".join(authority.subject.rfc4514_string() for authority in authorities[:5])
        issuer = certificate.issuer.rfc4514_string()
        return Check("chain", "failed", f"{error}; issuer: {issuer}; authorities here: {known}"[:500])
    return Check("chain", "passed", " ← ".join(c.to_cryptography().subject.rfc4514_string() for c in verified))


def _revocation(
    certificate: x509.Certificate,
    crls: Sequence[x509.CertificateRevocationList],
    authorities: Sequence[x509.Certificate],
    now: datetime,
    when_expired: WhenExpired,
) -> Check:
    name = "revocation"
    if not crls:
        return Check(name, "not_applicable", "no revocation list is configured (tls.crl)")
    for crl in crls:
        if not any(signed_by(crl, authority) for authority in authorities):
            return Check(name, "failed", f"the list of {crl.issuer.rfc4514_string()} is signed by no authority here")
    own = [one for one in crls if one.issuer == certificate.issuer]
    if not own:
        known = "; ".join(one.issuer.rfc4514_string() for one in crls)
        return Check(name, "failed", f"there is no list of this issuer, only of {known}")
    crl = own[0]
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is not None:
        return Check(name, "failed", f"revoked on {entry.revocation_date_utc:%Y-%m-%d %H:%M} UTC")
    if crl.next_update_utc is not None and crl.next_update_utc < now:
        ended = f"the list expired on {crl.next_update_utc:%Y-%m-%d %H:%M} UTC"
        if when_expired == "refuse":
            return Check(name, "failed", f"{ended}: refuses all")
        return Check(name, "warning", f"{ended}; not on it")
    return Check(name, "passed", "not on the list")


def _registration(certificate: x509.Certificate, store: Store | None) -> Iterator[Check]:
    if store is None:
        yield Check("registered", "not_applicable", "no database was asked")
        return
    presented = fingerprint(certificate)
    held = company_certificate.c
    question = (
        select(
            company.c.legal_name, company.c.suspended_at, held.for_tls, held.for_signing, held.withdrawn_at,
            company_duns.c.duns,
        )
        .join(company, company.c.id == held.company_id)
        .outerjoin(company_duns, company_duns.c.company_id == company.c.id)
        .where(held.sha256 == presented)
        .order_by(held.company_id, company_duns.c.duns)
    )  # fmt: skip
    with store.read() as connection:
        rows = connection.execute(question).all()
    if not rows:
        yield Check("registered", "failed", f"to no company; expected a registration of SHA-256 {presented}")
    for name in dict.fromkeys(row.legal_name for row in rows):
        own = [row for row in rows if row.legal_name == name]
        duns = ", ".join(row.duns for row in own if row.duns) or "none"
        uses = " and ".join(use for use, on in (("TLS", own[0].for_tls), ("signing", own[0].for_signing)) if on)
        yield Check("registered", "passed" if uses else "failed", f"to {name} (DUNS {duns}) for {uses or 'nothing'}")
        if own[0].withdrawn_at is not None:
            yield Check("withdrawn", "failed", f"by {name} on {own[0].withdrawn_at:%Y-%m-%d %H:%M} UTC")
        if own[0].suspended_at is not None:
            yield Check("suspended", "failed", f"{name} since {own[0].suspended_at:%Y-%m-%d %H:%M} UTC")
