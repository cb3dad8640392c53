"""What is written of a server whose certificate was refused: for calls to companies and TDSPs as for e-mails."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
import requests
from ftps_sandbox import Authority

from adapters.certificate_refused import why_refused
from adapters.soap.client import _CarefulTransport


def test_a_signed_call_tells_which_check_failed(tmp_path: Path) -> None:
    pem = Authority(tmp_path / "theirs", "Their CA").issue("localhost", server=True)
    ours = Authority(tmp_path / "ours", "Our CA")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem.certificate, pem.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        session = requests.Session()
        session.verify, session.trust_env = str(ours.file), False
        port = listening.getsockname()[1]
        with pytest.raises(requests.exceptions.SSLError) as refused:
            _CarefulTransport(session=session).post(f"https://localhost:{port}/soap", b"", {})
        thread.join()
    said = str(refused.value)
    assert said.startswith(f"localhost:{port}: certificate verify failed: unable to get local issuer certificate. ")
    assert "openssl s_client" in said


@pytest.mark.parametrize("error", [None, OSError("gone"), ValueError(OSError(5, "x")), ssl.SSLError(1, "handshake")])
def test_other_failures_are_not_explained_as_a_certificate(error) -> None:
    assert why_refused(error) is None
