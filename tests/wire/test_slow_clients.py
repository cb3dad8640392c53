"""U12: a server standing alone serves a good client while others are slow in every way there is."""

from __future__ import annotations

import itertools
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from running_gate import ROOT
from throwaway_ca import Authority

from smt_ws.settings.doors import Portal

# A page, a form's body that is read, and an answer that no socket's buffer holds.
SERVER = """
import json, sys
from pathlib import Path
from adapters.soap.server import serve
from adapters.tls import TlsFiles

def application(environ, start_response):
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    content = b"x" * 50_000_000 if environ["PATH_INFO"] == "/large" else b"good %d" % len(body)
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]

certificate, key, ready, threads = sys.argv[1:]
serve(lambda: application, bind="127.0.0.1:0", tls=TlsFiles(Path(certificate), Path(key), None), workers=1,
    threads=int(threads), on_ready=lambda addresses: print(addresses[0][1], flush=True))
"""


@dataclass
class Server:
    port: int
    context: ssl.SSLContext
    process: subprocess.Popen[str]

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("localhost", self.port), timeout=120)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def ask(self, request: bytes = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") -> bytes:
        with self.connect() as sock:
            sock.sendall(request)
            return b"".join(iter(lambda: sock.recv(65536), b""))


def started(folder: Path, threads: int) -> Server:
    ca = Authority("ca", folder)
    own = ca.issue("localhost")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, own.path, own.key_path, "-", str(threads)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    return Server(port, ssl.create_default_context(cafile=str(ca.path)), process)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """With as many threads as the portal has."""
    running = started(tmp_path, Portal().threads)
    yield running
    running.process.kill()
    running.process.wait()
    assert running.process.stdout is not None
    running.process.stdout.close()


def _drip(sock: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.2):
        sock.sendall(b"a")


def header_drips(server: Server, over: threading.Event) -> None:
    with server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        _drip(sock, over)


def body_drips(server: Server, over: threading.Event) -> None:
    with server.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n")
        _drip(sock, over)


def never_reads(server: Server, over: threading.Event) -> None:
    with server.connect() as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        over.wait()


def never_closes(server: Server, over: threading.Event) -> None:
    with server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        over.wait()


def handshake_stalls(server: Server, over: threading.Event) -> None:
    with socket.create_connection(("localhost", server.port)) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
        over.wait()


SLOW = (header_drips, body_drips, never_reads, never_closes, handshake_stalls)


def test_a_good_client_is_served_while_20_are_slow(server: Server) -> None:
    """Without the bounds nobody was answered as long as they were there."""
    over = threading.Event()
    threads = [
        threading.Thread(target=_slow, args=(one, server, over)) for one in itertools.islice(itertools.cycle(SLOW), 20)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            assert server.ask().endswith(b"good 0")
        form = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n" + bytes(
            60000
        )
        assert server.ask(form).endswith(b"good 60000")
    finally:
        over.set()
        for thread in threads:
            thread.join(120)


def _slow(one: Callable[[Server, threading.Event], None], server: Server, over: threading.Event) -> None:
    with suppress(OSError):
        one(server, over)


@pytest.mark.slow
@pytest.mark.parametrize(
    "slow", [header_drips, body_drips, never_reads, handshake_stalls], ids=lambda one: one.__name__
)
def test_a_slow_client_gives_its_thread_back(tmp_path: Path, slow: Callable[[Server, threading.Event], None]) -> None:
    """Two threads, two slow clients: a good one waits until their patience is used up, not for ever."""
    server, over = started(tmp_path, 2), threading.Event()
    threads = [threading.Thread(target=_slow, args=(slow, server, over)) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        time.sleep(1)  # whether they are first or not, the good one is served
        assert server.ask().endswith(b"good 0")
    finally:
        over.set()
        server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()
        for thread in threads:
            thread.join(120)
