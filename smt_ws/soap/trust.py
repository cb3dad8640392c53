"""From a connection and a verified signature to a company: the hub's answers to the questions of the SOAP stack."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from adapters.revocation import RevocationLists
from adapters.soap.protocol import Environ, Hooks
from adapters.soap.server import peer_address, peer_certificate
from adapters.soap.wssecurity import Policy, Verified
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.parties.errors import (
    RevocationUnknownError,
    SigningCertificateRevokedError,
    TlsCertificateRevokedError,
    TlsCertificateUnknownError,
)
from smt_ws.parties.identify import Caller, certificate_by_issuer, identify, is_registered_for_tls

__all__ = ["hooks_of"]

log = structlog.get_logger("smt_ws.soap")

#: The header's elements stand first in every request; nothing further down is looked at for them.
_HEADER_LENGTH = 5


def hooks_of(hub: Hub) -> Hooks:
    """What the services of *hub* decide: who may call, who is told details, and who signs the answers."""
    files = hub.settings.tls
    signer = _Signer(files.signing_key, files.signing_certificate)
    lists: RevocationLists | None = None
    if files.crl is not None:
        lists = RevocationLists(files.crl, files.client_authorities, when_expired=files.when_crl_expired)

    def authenticate(verified: Verified, environ: Environ) -> Caller:
        tls = peer_certificate(environ)
        if tls is None:
            raise TlsCertificateUnknownError("The connection carries no client certificate.")
        header = _header(verified.body)
        with hub.store.look() as connection:
            caller = identify(
                connection,
                tls_certificate=tls,
                signing_certificate=verified.certificate,
                duns=header.get("requesterAuthenticationID"),
                requester_type=header.get("requesterType"),
                now=real_now(),
                address=peer_address(environ),
                environment=hub.settings.environment,
            )
        if lists is not None:
            _not_revoked(lists, tls, verified.certificate)
        return caller

    def is_registered(environ: Environ) -> bool:
        tls = peer_certificate(environ)
        if tls is None:
            return False
        with hub.store.look() as connection:
            return is_registered_for_tls(connection, sha256(tls).hexdigest())

    def certificates(issuer: str, serial: int) -> x509.Certificate | None:
        with hub.store.look() as connection:
            return certificate_by_issuer(connection, issuer, serial)

    return Hooks(
        authenticate=authenticate,
        is_registered=is_registered,
        signer=signer,
        # Issuer and serial number are looked up among registered certificates only, so the issuer's name is no risk.
        policy=Policy(require_token=False),
        certificates=certificates,
        support=hub.settings.support_contact,
    )


def _not_revoked(lists: RevocationLists, tls: bytes, signing: x509.Certificate) -> None:
    """Ask at every request: a connection outlives a revocation, and a signature has no handshake."""
    now = real_now()
    standing = lists.standing(x509.load_der_x509_certificate(tls), now)
    if standing == "revoked":
        raise TlsCertificateRevokedError
    if standing != "good":
        raise RevocationUnknownError
    standing = lists.standing(signing, now)
    if standing == "revoked":
        raise SigningCertificateRevokedError
    # One that only signs may come from an authority that no connection is taken from: the operator registered it.
    if standing == "expired":
        raise RevocationUnknownError


def _header(body: etree._Element) -> dict[str, str]:
    """The header's values by local name; what does not fit the schema is refused right after this."""
    values: dict[str, str] = {}
    for child, _ in zip(body.iterchildren(tag=etree.Element), range(_HEADER_LENGTH), strict=False):
        values.setdefault(str(etree.QName(child).localname), (child.text or "").strip())
    return values


@dataclass
class _Signer:
    """The hub's signing key and certificate, read again when a file changes: a renewal needs no restart.

    While the new files do not fit together, the earlier pair signs; at the first call they raise OSError or ValueError.
    """

    key_file: Path
    certificate_file: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stamp: Any = None
    _pair: tuple[RSAPrivateKey, x509.Certificate] | None = None

    def __call__(self) -> tuple[RSAPrivateKey, x509.Certificate]:
        with self._lock:
            try:
                stamp = tuple((s.st_mtime_ns, s.st_ino) for s in (self.key_file.stat(), self.certificate_file.stat()))
                if self._pair is None or stamp != self._stamp:
                    self._stamp = stamp
                    self._pair = self._read()
            except (OSError, ValueError) as refused:
                if self._pair is None:
                    raise
                log.error("signing files have changed and cannot be used", reason=str(refused))  # noqa: TRY400
            return self._pair

    def _read(self) -> tuple[RSAPrivateKey, x509.Certificate]:
        certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        key = load_pem_private_key(self.key_file.read_bytes(), password=None)
        if not isinstance(key, RSAPrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError(f"{self.key_file} is not the RSA key of {self.certificate_file}")
        return key, certificate
