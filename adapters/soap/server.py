"""Serving WSGI over mutual TLS with gunicorn's threads, and finding the client certificate that was presented.

Standing alone, the server does TLS itself; behind a proxy it listens on a unix socket and takes the certificate from
the proxy's header, which it believes on a unix socket only.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote

from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import _DEFER, TConn, ThreadWorker

from adapters.tls import LiveContext, TlsFiles

__all__ = ["close_after", "peer_address", "peer_certificate", "serve", "waited"]

#: Seconds that a client may keep a thread waiting in all: for a handshake, and for a request with its answer.
PATIENCE: Final = 10.0
#: Bytes sent or taken for which a client that has kept a thread waiting gets a second back.
BYTES_A_SECOND: Final = 4096
#: Seconds that a connection which is to end may take to be closed by its client; gunicorn's own figure.
_LINGER: Final = 2.0


class _PatientSocket(socket.socket):
    """A socket whose blocking mode gives up when PATIENCE is used up (gunicorn's own waits for ever)."""

    waited: float = 0.0
    broken: bool = False
    #: Seconds that the client may still keep a thread waiting.
    patience: float = PATIENCE

    def setblocking(self, flag: bool, /) -> None:
        self.settimeout(PATIENCE if flag else 0.0)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        began = _begin(self)
        got = super().recv(bufsize, flags)
        _charge(self, began, len(got))
        return got

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            began = _begin(self)
            sent = super().send(rest, flags)
            _charge(self, began, sent)
            rest = rest[sent:]


class _PatientTlsSocket(ssl.SSLSocket):
    """The same above TLS."""

    waited: float = 0.0
    broken: bool = False
    patience: float = PATIENCE

    def setblocking(self, flag: bool, /) -> None:
        self.settimeout(PATIENCE if flag else 0.0)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        began = _begin(self)
        got = super().recv(buflen, flags)
        _charge(self, began, len(got))
        return got

    def send(self, data: Any, flags: int = 0) -> int:
        # sendall calls it
        began = _begin(self)
        sent = super().send(data, flags)
        _charge(self, began, sent)
        return sent


def _begin(sock: _PatientSocket | _PatientTlsSocket) -> float:
    """Let the next operation of a blocking socket wait as long as its client may; return when it began."""
    if sock.gettimeout():
        if sock.patience <= 0:
            raise TimeoutError("the client has kept a thread waiting for too long")
        sock.settimeout(sock.patience)
    return time.monotonic()


def _charge(sock: _PatientSocket | _PatientTlsSocket, began: float, moved: int) -> None:
    spent = time.monotonic() - began
    sock.patience = min(PATIENCE, sock.patience - spent + moved / BYTES_A_SECOND)


class _Connection(TConn):
    """A connection that is closed in the event loop, where gunicorn waits for its client and lets all others wait."""

    def __init__(self, cfg: Any, sock: Any, client: Any, server: Any, linger: Callable[[TConn], None]) -> None:
        super().__init__(cfg, sock, client, server)
        self._linger = linger

    def close(self, graceful: bool = False) -> None:
        """Close at once, or *graceful*: when the client has, or after a while."""
        if graceful:
            self._linger(self)
        else:
            super().close()


def peer_certificate(environ: Mapping[str, Any]) -> bytes | None:
    """Return the client certificate (DER) of the connection that *environ* came over, or None when there is none.

    Over TLS it is the one of the handshake, whatever the headers say. Over a unix socket it is the proxy's
    ``X-Client-Cert`` (PEM, URL-escaped), which the proxy must set itself on every request. Anywhere else: None.
    """
    sock = environ.get("gunicorn.socket")
    if isinstance(sock, ssl.SSLSocket):
        return sock.getpeercert(binary_form=True) or None
    if isinstance(sock, socket.socket) and sock.family == socket.AF_UNIX:
        header = environ.get("HTTP_X_CLIENT_CERT", "")
        try:
            return ssl.PEM_cert_to_DER_cert(unquote(header).strip()) or None
        except ValueError:
            return None
    return None


def peer_address(environ: Mapping[str, Any]) -> str | None:
    """Return the IP address that the request of *environ* came from, or None where it cannot be told.

    Over TCP it is the connection's own, whatever the headers say. Over a unix socket it is the proxy's
    ``X-Client-Address``, which the proxy must set itself on every request.
    """
    sock = environ.get("gunicorn.socket")
    behind_proxy = isinstance(sock, socket.socket) and sock.family == socket.AF_UNIX
    said = environ.get("HTTP_X_CLIENT_ADDRESS" if behind_proxy else "REMOTE_ADDR", "")
    try:
        return str(ip_address(said.strip()))
    except ValueError:
        return None


def waited(environ: Mapping[str, Any]) -> float:
    """Return how long the request had waited for a thread when one took it up, in seconds."""
    return float(getattr(environ.get("gunicorn.socket"), "waited", 0.0))


def close_after(environ: Mapping[str, Any]) -> None:
    """Let the connection of *environ* end after this answer: what follows may be the rest of a broken message."""
    if isinstance(sock := environ.get("gunicorn.socket"), _PatientSocket | _PatientTlsSocket):
        sock.broken = True


class _Worker(ThreadWorker):
    """gunicorn's threads, with sockets that do not wait for ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lingering: deque[TConn] = deque()

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer, and say whether the connection may be used again."""
        return super().handle_request(req, conn) and not getattr(conn.sock, "broken", False)

    def accept(self, listener: Any) -> None:
        try:
            accepted, address = listener.accept()
        except OSError as exc:
            # as in gunicorn: nobody there any more is no error
            if not isinstance(exc, BlockingIOError | ConnectionAbortedError):
                raise
            return
        sock = _PatientSocket(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self.nr_conns += 1
        # wait for the first byte in the event loop: gunicorn itself gives each silent connection a thread for 5 s, so
        # that as many of them as there are threads stall everybody
        conn = _Connection(self.cfg, sock, address, listener.getsockname(), self._linger)
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def enqueue_req(self, conn: TConn) -> None:
        """Hand over to a thread, and note since when the connection waits for one."""
        conn.waits_since = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Shake hands, then wait for the request in the event loop; gunicorn would wait for it in this thread."""
        waited = time.monotonic() - conn.waits_since
        if not conn.initialized:
            try:
                conn.sock.setblocking(True)
                conn.init()
            except OSError as exc:  # refused by TLS, gone, or out of patience: ssl.SSLError is an OSError too
                self.log.debug("no handshake: %s", exc)
                return False
            except Exception:
                self.log.exception("a connection could not be set up")
                return False
            if isinstance(conn.sock, ssl.SSLSocket) and not conn.sock.pending():
                return _DEFER
        conn.sock.waited = waited
        conn.sock.patience = PATIENCE
        return super().handle(conn)

    def _linger(self, conn: TConn) -> None:
        """Say that nothing more comes, and wait in the event loop until the client has closed too (RFC 9112, 9.6)."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_lingering_readable, conn))
        except (OSError, KeyError, ValueError):
            conn.close()
            return
        conn.timeout = time.monotonic() + _LINGER
        self.nr_conns += 1
        self._lingering.append(conn)

    def _on_lingering_readable(self, conn: TConn, sock: Any) -> None:
        with contextlib.suppress(OSError):
            if socket.socket.recv(sock, 65536):
                return
        self._lingering.remove(conn)
        self._let_go(conn)

    def _let_go(self, conn: TConn) -> None:
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close connections that have sent nothing, or are to end and do not, in their time."""
        super().murder_pending()
        while self._lingering and self._lingering[0].timeout <= time.monotonic():
            self._let_go(self._lingering.popleft())

    def _cap_keepalive(self, deadline: float) -> None:
        """When stopping, let go of connections that have sent nothing as soon as of idle ones."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


class _Server(BaseApplication):
    def __init__(self, load: Callable[[], Any], options: Mapping[str, Any]) -> None:
        self._load = load
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._load()


def serve(
    load: Callable[[], Any],
    *,
    bind: str | Sequence[str],
    tls: TlsFiles | None,
    workers: int = 2,
    threads: int = 8,
    keepalive: float = 15,
    graceful_timeout: float = 30,
    on_ready: Callable[[list[Any]], None] | None = None,
    log_level: str = "warning",
    name: str = "smt-ws",
) -> None:
    """Serve until SIGTERM, which drains: no new connections, running requests finish within *graceful_timeout* seconds.

    *load* makes the WSGI application and runs in each worker, after the fork: database connections are made there.
    *bind* is ``host:port`` or ``unix:/path``, or several. *on_ready* gets the bound addresses. Call it in the main
    thread of a process; it does not return but leaves by SystemExit.
    """
    # a broken file must stop the start, not the first connection
    live = None if tls is None else LiveContext(tls, _PatientTlsSocket)

    def ready(arbiter: Any) -> None:
        if on_ready is not None:
            on_ready([listener.sock.getsockname() for listener in arbiter.LISTENERS])

    options: dict[str, Any] = {
        "bind": [bind] if isinstance(bind, str) else list(bind),
        "worker_class": _Worker,
        "workers": workers,
        "threads": threads,
        "keepalive": int(keepalive),
        "graceful_timeout": int(graceful_timeout),
        "loglevel": log_level,
        "proc_name": name,
        "when_ready": ready,
        "control_socket_disable": True,
        "forwarded_allow_ips": "",
        # a proxy's header with a client certificate of 4096 bits and many names, URL-escaped
        "limit_request_field_size": 16 * 1024,
    }
    if tls is not None and live is not None:
        options.update(
            # by these gunicorn knows that it speaks TLS; everything else about it is the context's
            certfile=str(tls.certificate),
            keyfile=str(tls.key),
            ssl_context=lambda _config, _default: live(),
        )
    _Server(load, options).run()
