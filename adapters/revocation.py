"""Certificate revocation lists (RFC 5280, section 5) in a file that may be replaced at any time.

OpenSSL looks at them at handshakes. Here they are asked about single certificates too: of a connection that has been
open since before its certificate was revoked, behind a proxy, and of signatures, which no handshake sees.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

__all__ = ["RevocationListError", "RevocationLists", "Standing", "WhenExpired", "read_lists", "signed_by"]

_log = logging.getLogger(__name__)

#: What a list that is past its nextUpdate means: refuse every certificate of its authority, or go on with what it says.
WhenExpired = Literal["refuse", "serve"]
#: unlisted: there is no list of the certificate's authority.
Standing = Literal["good", "revoked", "expired", "unlisted"]

_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


class RevocationListError(Exception):
    """The file of revocation lists cannot be used; the message names it and says why."""

    code: ClassVar[str] = "REVOCATION_LIST"


@dataclass(frozen=True)
class _List:
    next_update: datetime | None
    serials: frozenset[int]


def read_lists(content: bytes) -> list[x509.CertificateRevocationList]:
    """The lists in *content*: PEM, one or more, or one DER. Raises ValueError."""
    if b"-----BEGIN" not in content:
        return [x509.load_der_x509_crl(content)]
    found = [x509.load_pem_x509_crl(one) for one in _PEM.findall(content)]
    if not found:
        raise ValueError("no X509 CRL in it")
    return found


def signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Whether *authority* issued *crl*: by name and by signature."""
    if crl.issuer != authority.subject:
        return False
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, UnsupportedAlgorithm):
        return False


class RevocationLists:
    """The lists in *file*, each signed by one of the authorities in *authorities* (PEM), re-read when a file changes.

    A new file that cannot be used is logged, and the earlier lists stay in force; at start it raises
    `RevocationListError`. Safe to ask from many threads.
    """

    def __init__(self, file: Path, authorities: Path, *, when_expired: WhenExpired = "refuse") -> None:
        self._files = (file, authorities)
        self._when_expired = when_expired
        self._lock = threading.Lock()
        self._stamp = self._stat()
        self._lists = self._read()

    def standing(self, certificate: x509.Certificate, now: datetime) -> Standing:
        """How *certificate* stands at the real moment *now*; ``expired`` only where that is to refuse."""
        known = self._current().get(certificate.issuer.public_bytes())
        if known is None:
            return "unlisted"
        if certificate.serial_number in known.serials:
            return "revoked"
        late = known.next_update is not None and known.next_update < now
        return "expired" if late and self._when_expired == "refuse" else "good"

    def any_expired(self, now: datetime | None = None) -> bool:
        """Whether a list is past its nextUpdate at the real moment *now* (default: this one)."""
        moment = now or datetime.now(UTC)
        return any(one.next_update is not None and one.next_update < moment for one in self._current().values())

    def _current(self) -> Mapping[bytes, _List]:
        with self._lock:
            try:
                if (stamp := self._stat()) != self._stamp:
                    self._stamp = stamp
                    self._lists = self._read()
                    _log.info("revocation lists were read again: %s", self._files[0])
            except RevocationListError as refused:
                _log.error("revocation lists have changed and cannot be used: %s", refused)
            return self._lists

    def _stat(self) -> tuple[tuple[int, int, int], ...]:
        try:
            return tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in (f.stat() for f in self._files))
        except OSError as missing:
            raise RevocationListError(str(missing)) from None

    def _read(self) -> Mapping[bytes, _List]:
        file, authorities_file = self._files
        try:
            authorities = x509.load_pem_x509_certificates(authorities_file.read_bytes())
            lists = read_lists(file.read_bytes())
        except (OSError, ValueError) as error:
            raise RevocationListError(f"{file}: {error}") from None
        return {crl.issuer.public_bytes(): _checked(file, crl, authorities) for crl in lists}


def _checked(file: Path, crl: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate]) -> _List:
    if not any(signed_by(crl, authority) for authority in authorities):
        raise RevocationListError(f"{file}: the list of {crl.issuer.rfc4514_string()} is signed by no authority here")
    return _List(crl.next_update_utc, frozenset(entry.serial_number for entry in crl))
