"""The hub's own certificates, its client authorities and its revocation lists: what they are and when they end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.revocation import read_lists
from smt_ws.settings import Tls

__all__ = ["OwnCertificate", "own_certificates"]


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """One certificate or revocation list that a setting names."""

    setting: str
    subject: str
    #: SHA-256 of the DER form, lower-case hex.
    fingerprint: str
    begins_at: datetime
    ends_at: datetime
    #: Whether requests fail once it has ended.
    needed: bool = True
    #: A revocation list: made anew every few hours or weeks, where a certificate lasts for years.
    is_list: bool = False


def own_certificates(tls: Tls) -> Iterator[OwnCertificate]:
    """Yield each of them; a list that never ends is left out. Raises OSError or ValueError."""
    for setting in ("certificate", "signing_certificate"):
        # behind the hub's own certificate the file may hold its chain, which is somebody else's to renew
        own = x509.load_pem_x509_certificates(getattr(tls, setting).read_bytes())[0]
        yield _of(setting, own)
    # of several authorities one that has ended keeps out its own clients alone
    for authority in x509.load_pem_x509_certificates(tls.client_authorities.read_bytes()):
        yield _of("client_authorities", authority, needed=False)
    for crl in [] if tls.crl is None else read_lists(tls.crl.read_bytes()):
        if crl.next_update_utc is not None:
            yield OwnCertificate(
                "tls.crl",
                f"revocation list of {crl.issuer.rfc4514_string()}",
                crl.fingerprint(SHA256()).hex(),
                crl.last_update_utc,
                crl.next_update_utc,
                needed=tls.when_crl_expired == "refuse",
                is_list=True,
            )


def _of(setting: str, certificate: x509.Certificate, *, needed: bool = True) -> OwnCertificate:
    return OwnCertificate(
        f"tls.{setting}",
        certificate.subject.rfc4514_string(),
        certificate.fingerprint(SHA256()).hex(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        needed,
    )
