"""The other side of a callback: a company's own server of RequesterCallback, as it might write one.

It takes calls that are signed by the hub, over mutual TLS, and writes each down as a line of JSON, once: an event that
it has is taken again and not written again.
"""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc

from adapters.soap.contract import Contract
from adapters.soap.gate import Endpoint, Gate
from adapters.soap.protocol import Environ, Hooks, build_service
from adapters.soap.server import serve
from adapters.soap.wssecurity import Verified
from adapters.tls import TlsFiles
from smt_ws.errors import HubError
from smt_ws.sandbox.build import Player, Sandbox
from smt_ws.settings.ports import SIMULATED_REQUESTER
from smt_ws.soap import model
from smt_ws.soap.app import CONTRACTS

__all__ = ["PATH", "application", "listen"]

#: Where the service is found at the listener's address.
PATH: Final = "/soap/RequesterCallback"


class NotTheHubError(HubError):
    """The call is not signed by the hub's certificate. Only the hub may call."""

    code = "NOT_THE_HUB"


def listen(
    sandbox: Sandbox,
    player: Player,
    *,
    record: Path,
    port: int = 0,
    refuse: bool = False,
    on_ready: Callable[[int], None] = lambda _port: None,
) -> None:
    """Serve for *player* until SIGTERM, writing the calls to *record*; *refuse*: answer each that it is not taken.

    *on_ready* gets the port. Call it in the main thread of a process; it does not return but leaves by SystemExit.
    """
    certificates = sandbox.certificates
    tls = TlsFiles(
        certificate=certificates / f"{player.stem}-tls.crt",
        key=certificates / f"{player.stem}-tls.key",
        client_ca=certificates / "ca.crt",
    )

    def ready(addresses: list[Any]) -> None:
        on_ready(int(addresses[0][1]))

    serve(
        lambda: application(sandbox, player, record, refuse=refuse),
        bind=f"127.0.0.1:{port}",
        tls=tls,
        workers=1,
        threads=4,
        on_ready=ready,
        name=f"listener of {player.name}",
    )


def application(sandbox: Sandbox, player: Player, record: Path, *, refuse: bool = False) -> Gate:
    """What a server of *player* serves, at `PATH`; see `listen`."""
    hooks = _hooks(sandbox, player)
    contract = Contract(CONTRACTS / "wsdl" / "RequesterCallback.wsdl", CONTRACTS / "xsd" / "RequesterCallback.xsd")
    soap11, soap12 = build_service(_service(_Record(record), refuse), contract=contract, hooks=hooks)
    return Gate(
        {PATH: Endpoint(soap11, soap12, contract.wsdl)},
        base_url=f"https://localhost:{SIMULATED_REQUESTER}",
        xsd_dir=CONTRACTS / "xsd",
        sign=hooks.sign,
    )


def _hooks(sandbox: Sandbox, player: Player) -> Hooks:
    folder = sandbox.certificates
    hub = x509.load_pem_x509_certificate((folder / "hub-signing.crt").read_bytes())
    key = load_pem_private_key((folder / f"{player.stem}-signing.key").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate((folder / f"{player.stem}-signing.crt").read_bytes())

    def authenticate(verified: Verified, _environ: Environ) -> str:
        if verified.certificate != hub:
            raise NotTheHubError
        return "hub"

    return Hooks(authenticate=authenticate, is_registered=lambda _environ: True, signer=lambda: (key, certificate))


class _Record:
    """Events, each written once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = {json.loads(line)["trans_id"] for line in lines}

    def write(self, event: dict[str, Any]) -> None:
        with self._lock:
            if event["trans_id"] in self._known:
                return
            with self._path.open("a") as file:
                file.write(json.dumps(event) + "\n")
            self._known.add(event["trans_id"])


def _service(record: _Record, refuse: bool) -> type[ServiceBase]:
    def take(operation: str, request: Any, response: Any) -> Any:
        fields = {name: getattr(request, name) for name in type(request).get_flat_type_info(type(request))}
        event = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}
        if not refuse:
            record.write({"operation": operation} | event)
        response.trans_id = request.trans_id
        response.statusCode, response.statusReason = ("NOT_NOW", "asked to refuse") if refuse else ("0", "taken")
        return response

    class RequesterCallback(ServiceBase):
        @rpc(model.ReportReady, _returns=model.ReportReadyResponse, _body_style="bare")
        def ReportReady(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring an operation
            return take("ReportReady", request, model.ReportReadyResponse())

        @rpc(model.DeviceStatusChanged, _returns=model.DeviceStatusChangedResponse, _body_style="bare")
        def DeviceStatusChanged(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return take("DeviceStatusChanged", request, model.DeviceStatusChangedResponse())

        @rpc(model.MessageStatusChanged, _returns=model.MessageStatusChangedResponse, _body_style="bare")
        def MessageStatusChanged(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return take("MessageStatusChanged", request, model.MessageStatusChangedResponse())

    return RequesterCallback
