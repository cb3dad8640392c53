# mypy: disallow-subclassing-any=False
"""The FTPS site as a server: one thread a session, bounded numbers, an end that lets transfers finish.

Threads and not one loop: a login waits for the directory (a database) and for argon2, an upload for fsync, and while
one session waits the others go on; argon2, fsync and OpenSSL's bulk work release the interpreter lock. Threads and not
processes: the limit on failed logins is one for all sessions, and new certificates are read once.
"""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from adapters.ftps.accounts import Directory, FailedLogins, Witness
from adapters.ftps.data_channel import Unconfirmed
from adapters.ftps.session import Session
from adapters.ftps.tls import ServerTls
from adapters.revocation import WhenExpired
from adapters.upload_names import TEMPORARY_NAMES

_log = logging.getLogger(__name__)
_POLL: Final = 0.25  # seconds after which a session notices that the site is closing


@dataclass(frozen=True, slots=True, kw_only=True)
class FtpsSettings:
    """How the site is reached and what it allows. Times in seconds, sizes in bytes."""

    host: str
    port: int  # 0: any free one, see FtpsSite.address
    certificate_file: Path
    key_file: Path
    client_ca_file: Path  # PEM: the authorities whose client certificates may shake hands
    crl_file: Path | None = None  # PEM: their revocation lists
    when_crl_expired: WhenExpired = "refuse"
    passive_ports: range | None = None  # opened in the firewall; None: any
    masquerade_address: str | None = None  # the address that PASV answers tell behind NAT
    most_sessions: int = 200
    most_sessions_per_address: int = 20
    login_timeout: float = 60
    idle_timeout: float = 300
    failed_logins: int = 5  # of one certificate within failed_login_window, then refused
    failed_login_window: float = 900
    failed_login_delay: float = 3
    largest_upload: int = 2 * 1024**3
    inbox_files: int = 10_000
    inbox_bytes: int = 50 * 1024**3
    temporary_names: Sequence[str] = TEMPORARY_NAMES  # patterns of names that clients rename after an upload
    alertless_pause: float = 3  # before an upload that ended without TLS's closing alert is taken for whole
    unconfirmed_upload: Unconfirmed = "report"  # such an upload is marked, or discarded
    ask_again: float = 30  # between two looks at an account while a file is being transferred


class FtpsSite:
    """An FTPS site on ``settings.host:port``, bound when constructed, serving while ``serve_forever`` runs.

    ``directory`` tells accounts by user name; ``witness`` hears of files fetched, deleted and stored. ``close`` may be
    called from any thread or signal handler's thread. Raises FtpsTlsError for unusable certificate files, OSError for
    an address that cannot be bound.
    """

    def __init__(self, settings: FtpsSettings, directory: Directory, witness: Witness = lambda _deed: None) -> None:
        tls = ServerTls(
            settings.certificate_file,
            settings.key_file,
            settings.client_ca_file,
            crl_file=settings.crl_file,
            when_crl_expired=settings.when_crl_expired,
        )
        # pyftpdlib takes settings as class attributes: a class for each site
        session = type(
            "SiteSession",
            (Session,),
            {
                "settings": settings,
                "directory": staticmethod(directory),
                "witness": staticmethod(witness),
                "failed_logins": FailedLogins(settings.failed_logins, settings.failed_login_window),
                "server_tls": tls,
                "timeout": settings.login_timeout,
                "idle_timeout": settings.idle_timeout,
                "auth_failed_timeout": settings.failed_login_delay,
                "passive_ports": settings.passive_ports,
                "masquerade_address": settings.masquerade_address,
                "banner": "Smart meter data hub",
            },
        )
        self._server = _ThreadPerSession((settings.host, settings.port), session, settings)
        self._closing = threading.Event()
        self._closed = threading.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that clients connect to."""
        host, port = self._server.address
        return str(host), int(port)

    def serve_forever(self) -> None:
        """Serve until ``close``."""
        _log.info("FTPS site on %s:%s", *self.address)
        try:
            while not self._closing.is_set():
                self._server.ioloop.loop(timeout=_POLL, blocking=False)
        finally:
            self._server.close_all()
            self._closed.set()

    def close(self, drain: float = 0) -> None:
        """Take no more connections, let running transfers go on for up to ``drain`` seconds, then end all sessions."""
        self._closing.set()
        self._server.end_sessions(drain)


class _ThreadPerSession(FTPServer):
    """Accepts connections and gives each a thread with an event loop of its own.

    pyftpdlib's ThreadedFTPServer starts a session on the main loop and moves it to a thread later, with its idle timer
    left behind on the main loop, and shares one exit flag among all servers of a process; neither suits us.
    """

    def __init__(self, address: tuple[str, int], session: type, settings: FtpsSettings) -> None:
        super().__init__(address, session, ioloop=IOLoop())
        self._settings = settings
        self._lock = threading.Lock()
        self._sessions: dict[threading.Thread, str] = {}
        self._draining = threading.Event()
        self._abort = threading.Event()

    def handle_accepted(self, sock: socket.socket, addr: tuple[Any, ...]) -> None:
        """Start a session, or send the client away when there are too many."""
        address = str(addr[0])
        thread = threading.Thread(target=self._serve, args=(sock, address), name=f"ftps {address}", daemon=True)
        with self._lock:
            there = list(self._sessions.values())
            most, most_here = self._settings.most_sessions, self._settings.most_sessions_per_address
            if full := (len(there) >= most or there.count(address) >= most_here):
                _log.warning("%s sent away: %s sessions, %s of this address", address, len(there), there.count(address))
            else:
                self._sessions[thread] = address
        if full:
            with contextlib.suppress(OSError):
                sock.sendall(b"421 Too many connections, try again later.\r\n")
            sock.close()
            return
        thread.start()

    def _serve(self, sock: socket.socket, address: str) -> None:
        try:
            with IOLoop() as loop:
                session = self.handler(sock, self, ioloop=loop)
                if session.connected:
                    session.handle()
                    self._run(loop, session)
        except Exception:
            _log.exception("FTPS session of %s failed", address)
        finally:
            sock.close()
            with self._lock:
                del self._sessions[threading.current_thread()]

    def _run(self, loop: Any, session: Any) -> None:
        while not self._abort.is_set():
            if self._draining.is_set() and getattr(session, "data_channel", None) is None:
                return
            soonest = loop.sched.poll()
            pause = _POLL if soonest is None else min(soonest, _POLL)
            if loop.socket_map:
                loop.poll(pause)
                continue
            # a failed login waits off the loop; only cancelled timers mean that the session is over
            loop.sched.reheapify()
            if not loop.sched._tasks:
                return
            time.sleep(pause)

    def end_sessions(self, drain: float) -> None:
        """Wait for transfers, then end what is left; returns when all sessions have ended."""
        self._draining.set()
        until = time.monotonic() + drain
        while time.monotonic() < until and self._alive():
            time.sleep(0.02)
        self._abort.set()
        for thread in self._alive():
            thread.join(5)

    def _alive(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._sessions)
