"""``/livez``, ``/readyz`` and ``/metrics`` over plain HTTP, for probes and Prometheus; an address of their own.

No client certificate is asked for and nothing of a customer is told. A look is taken at most once a second, however
many ask, and one that gets no answer in good time is itself the answer: the database does not answer.
"""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Final

from smt_ws.health.exchanges import folder_of
from smt_ws.health.metrics import CONTENT_TYPE, render
from smt_ws.health.readiness import Check, Examined, Readiness, State, examine
from smt_ws.hub import Hub

__all__ = ["HealthServer", "Looker"]

#: Seconds for which a look is told again.
_FRESH: Final = 1.0
#: Seconds after which a look without an answer counts as none.
_PATIENCE: Final = 5.0


class Looker:
    """Looks at the hub for many who ask, one look at a time."""

    def __init__(self, hub: Hub, *, patience: float = _PATIENCE) -> None:
        """Nothing is looked at before somebody asks."""
        self._hub = hub
        self._patience = patience
        self._lock = Lock()
        self._look: Future[Examined] | None = None
        self._began = 0.0

    def seen(self) -> Examined:
        """What the last look saw, not older than a second or as long as it took."""
        with self._lock:
            stale = self._look is None or (self._look.done() and time.monotonic() - self._began > _FRESH)
            if stale:
                self._began = time.monotonic()
                self._look = Future()
                # a daemon: one that hangs must not keep the process from ending
                Thread(target=self._take, args=(self._look,), name="look", daemon=True).start()
            look = self._look
            patience = self._began + self._patience - time.monotonic()
        assert look is not None
        try:
            return look.result(timeout=max(0.0, patience))
        except TimeoutError:
            silent = Check("database", State.FAIL, "seconds without an answer", self._patience, self._patience)
            return Examined(Readiness((silent,)), None, [], [])

    def _take(self, look: Future[Examined]) -> None:
        try:
            look.set_result(examine(self._hub))
        except BaseException as error:
            look.set_exception(error)


class HealthServer(ThreadingHTTPServer):
    """Bound to its address; ``serve_forever`` answers."""

    daemon_threads = True

    def __init__(self, hub: Hub, *, looker: Looker | None = None) -> None:
        """Bind ``health.host`` and ``health.port`` of *hub*'s settings (port 0: any)."""
        self.looker = looker or Looker(hub)
        self.counted = folder_of(hub.settings)
        host, port = hub.settings.health.host, hub.settings.health.port
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer
    #: Seconds that a client may be silent.
    timeout = 10

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/livez":
            self._answer(200, "application/json", b'{"alive": true}\n')
        elif path == "/readyz":
            readiness = self.server.looker.seen().readiness
            told = json.dumps(readiness.told(), indent=1).encode() + b"\n"
            self._answer(200 if readiness.ready else 503, "application/json", told)
        elif path == "/metrics":
            self._answer(200, CONTENT_TYPE, render(self.server.looker.seen(), self.server.counted))
        else:
            self._answer(404, "text/plain; charset=utf-8", b"Ask for /livez, /readyz or /metrics.\n")

    def _answer(self, status: int, content_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def version_string(self) -> str:
        return "smt-ws"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: probes come every few seconds."""
