"""The TLS side of a listener: PEM files that may be replaced while it runs, and the context made from them."""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.revocation import RevocationListError, RevocationLists, WhenExpired

__all__ = ["LiveContext", "TlsFiles", "server_context"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of a listener."""

    certificate: Path
    key: Path
    #: CAs whose client certificates are let in; who they belong to is decided above. None: no client certificate is
    #: asked for (pages for people).
    client_ca: Path | None
    #: With revocation lists, a revoked client is refused, and one of an authority without a list.
    crl: Path | None = None
    #: Once a list has expired: refuse every client of its authority, or (``serve``) let them shake hands and leave
    #: it to the application to refuse those that the list names.
    when_crl_expired: WhenExpired = "refuse"


def server_context(
    tls: TlsFiles, *, check_crl: bool = True, socket_class: type[ssl.SSLSocket] = ssl.SSLSocket
) -> ssl.SSLContext:
    """Build the context of a listener: TLS 1.2 or 1.3, a client certificate demanded where there is a client CA.

    Sessions are not resumed: every connection proves its certificate anew. Raises OSError or ssl.SSLError when a file
    is missing or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls.client_ca)
        if tls.crl is not None and check_crl:
            context.load_verify_locations(tls.crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.sslsocket_class = socket_class
    return context


class LiveContext:
    """Gives each connection a context of the files as they are now: a new certificate, CA or CRL holds at once.

    New files that cannot be used, or a certificate whose key has not been replaced yet, are logged, and the earlier
    ones stay in use; at start they raise OSError, ssl.SSLError or RevocationListError.
    """

    def __init__(self, tls: TlsFiles, socket_class: type[ssl.SSLSocket] = ssl.SSLSocket) -> None:
        self._tls = tls
        self._socket_class = socket_class
        self._lists = self._read_lists()
        self._lock = threading.Lock()
        self._state = self._look()
        self._context = self._build()

    def __call__(self) -> ssl.SSLContext:
        """The context for a new connection."""
        with self._lock:
            try:
                if (state := self._look()) != self._state:
                    self._state = state
                    self._context = self._build()
                    _log.info("certificate files were read again")
            except (OSError, RevocationListError) as refused:  # ssl.SSLError is an OSError
                _log.error("certificate files have changed and cannot be used: %s", refused)
            return self._context

    def _look(self) -> Any:
        tls = self._tls
        files = [file for file in (tls.certificate, tls.key, tls.client_ca, tls.crl) if file is not None]
        seen = [(found.st_ino, found.st_mtime_ns, found.st_size) for found in (file.stat() for file in files)]
        return seen, self._let_late_lists_pass()

    def _let_late_lists_pass(self) -> bool:
        return (
            self._lists is not None
            and self._tls.when_crl_expired == "serve"
            # OpenSSL would refuse every client by an expired list
            and self._lists.any_expired()
        )

    def _read_lists(self) -> RevocationLists | None:
        tls = self._tls
        if tls.crl is None or tls.client_ca is None:
            return None
        return RevocationLists(tls.crl, tls.client_ca, when_expired=tls.when_crl_expired)

    def _build(self) -> ssl.SSLContext:
        # OpenSSL would take a list that none of the authorities signed, and then refuse everybody for want of one.
        self._lists = self._read_lists()
        late = self._let_late_lists_pass()
        if late:
            _log.error("%s has expired; clients are let in that it does not name", self._tls.crl)
        return server_context(self._tls, check_crl=not late, socket_class=self._socket_class)
