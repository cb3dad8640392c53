"""The TLS side of the FTPS site: what a handshake must show, and certificates that can be replaced while it runs."""

import hmac
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL
from OpenSSL.crypto import X509

from adapters.revocation import RevocationListError, RevocationLists, WhenExpired

_log = logging.getLogger(__name__)

# what TLS 1.2 clients may use; TLS 1.3 has only good ones
_TLS_1_2_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"


class FtpsTlsError(Exception):
    """The site's certificate, its key or the list of client authorities cannot be used; the message names the file."""

    code: ClassVar[str] = "FTPS_TLS_FILES"


def fingerprint(certificate: X509) -> str:
    """SHA-256 of a certificate's DER form, lower-case hex."""
    return certificate.to_cryptography().fingerprint(SHA256()).hex()


class ServerTls:
    """Gives each connection a context made from three PEM files, re-read when one of them has changed.

    A client must show a certificate of one of ``client_ca_file``'s authorities. Sessions are not resumed: every
    control and data connection proves the certificate anew. New files that do not fit together are logged and the
    earlier ones stay in use; at start they raise FtpsTlsError. With ``crl_file``, revocation lists of the client
    authorities, a client on them is refused, as is one whose authority has no list there that holds.
    """

    def __init__(
        self,
        certificate_file: Path,
        key_file: Path,
        client_ca_file: Path,
        *,
        crl_file: Path | None = None,
        when_crl_expired: WhenExpired = "refuse",
    ) -> None:
        self._revoked: RevocationLists | None = None
        if crl_file is not None:
            try:
                self._revoked = RevocationLists(crl_file, client_ca_file, when_expired=when_crl_expired)
            except RevocationListError as refused:
                raise FtpsTlsError(str(refused)) from None
        self._files = (certificate_file, key_file, client_ca_file)
        self._lock = threading.Lock()
        self._seen = self._state()
        self._contexts = self._load(), self._load(SSL.TLS1_2_VERSION)

    def context(self, *, tls12: bool = False) -> SSL.Context:
        """The context for a new connection; ``tls12``: for a client that cannot do with TLS 1.3."""
        with self._lock:
            try:
                if (state := self._state()) != self._seen:
                    self._seen = state
                    self._contexts = self._load(), self._load(SSL.TLS1_2_VERSION)
                    _log.info("FTPS certificate files were read again")
            except FtpsTlsError as refused:
                _log.error("FTPS certificate files have changed and cannot be used: %s", refused)
            return self._contexts[tls12]

    def refuses(self, certificate: x509.Certificate) -> bool:
        """Whether the revocation lists say by now that a certificate that shook hands earlier no longer may."""
        return self._revoked is not None and self._revoked.standing(certificate, datetime.now(UTC)) != "good"

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        try:
            return tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in (f.stat() for f in self._files))
        except OSError as missing:
            raise FtpsTlsError(str(missing)) from None

    def _load(self, highest: int = SSL.TLS1_3_VERSION) -> SSL.Context:
        certificate, key, client_ca = (str(path) for path in self._files)
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_max_proto_version(highest)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_cipher_list(_TLS_1_2_CIPHERS)
        reading = certificate
        try:
            context.use_certificate_chain_file(certificate)
            reading = key
            context.use_privatekey_file(key)
            context.check_privatekey()
            reading = client_ca
            context.load_verify_locations(client_ca)
            context.load_client_ca(client_ca.encode())
        except SSL.Error as refused:
            raise FtpsTlsError(f"{reading}: {refused}") from None
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._accepted)
        return context

    def _accepted(self, connection: SSL.Connection, certificate: X509, _error: int, depth: int, accepted: int) -> bool:
        """OpenSSL's verdict; and at the leaf, the lists' and the certificate expected on this connection, if any."""
        if not accepted or depth > 0:
            return bool(accepted)
        expected = connection.get_app_data()
        if expected is not None and not hmac.compare_digest(fingerprint(certificate), expected):
            return False
        if self._revoked is None:
            return True
        standing = self._revoked.standing(certificate.to_cryptography(), datetime.now(UTC))
        if standing != "good":
            _log.warning("handshake refused: certificate %s is %s", fingerprint(certificate)[:16], standing)
        return standing == "good"


def expect(connection: SSL.Connection, certificate_sha256: str) -> None:
    """Let the handshake on this connection succeed only with this very certificate (for data connections)."""
    connection.set_app_data(certificate_sha256)
