"""A server of a company's, over mutual TLS, in a thread of the test."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from smt_ws.sandbox.build import COMPANIES, Sandbox
from smt_ws.sandbox.listener import PATH

PECAN, BLUEBONNET = (duns for _name, _kind, duns in COMPANIES[:2])


class _Silent(WSGIRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        pass


class _Tls(WSGIServer):
    daemon_threads = True
    context: ssl.SSLContext

    def get_request(self) -> Any:
        connection, address = super().get_request()
        connection.settimeout(10)
        return self.context.wrap_socket(connection, server_side=True), address

    def handle_error(self, _request: Any, _address: Any) -> None:
        pass  # a caller that was refused, or went away


@contextmanager
def served(sandbox: Sandbox, app: Any, stem: str = "pecan-energy") -> Iterator[str]:
    """Serve a WSGI application over mutual TLS with a company's certificate; gives its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(sandbox.certificates / "ca.crt"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(sandbox.certificates / f"{stem}-tls.crt", sandbox.certificates / f"{stem}-tls.key")
    with make_server("127.0.0.1", 0, app, server_class=_Tls, handler_class=_Silent) as server:
        server.context = context
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}{PATH}"
        finally:
            server.shutdown()
            thread.join()
