"""``TDSPHan`` as the simulated TDSP serves it: takes requests into its state and answers each with a receipt."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from spyne import ServiceBase, rpc

from adapters.soap.contract import Contract
from adapters.soap.faults import Fault
from adapters.soap.gate import Endpoint, Gate
from adapters.soap.protocol import Environ, Hooks, build_service
from adapters.soap.server import peer_certificate
from adapters.soap.wssecurity import Verified
from adapters.tdsp import model
from adapters.tdsp.config import Config
from adapters.tdsp.messages import Delivery, Taken
from adapters.tdsp.world import World

__all__ = ["CONTRACTS", "PATH", "NotOurHubError", "NotOurNumberError", "application"]

#: The folder that holds ``wsdl/`` and ``xsd/``, in a checkout and in an installation alike.
CONTRACTS: Final = Path(__file__).resolve().parents[2]
PATH: Final = "/soap/TDSPHan"


class NotOurHubError(Fault):
    """The connection or the signature is not the hub's. Only the hub calls here, with the certificates agreed upon."""

    code = "NOT_OUR_HUB"


class NotOurNumberError(Fault):
    """The DUNS number is not one of this TDSP. Check tdspDUNSNumber and the address called."""

    code = "NOT_OUR_NUMBER"


def application(config: Config, *, now: Callable[[], float], changed: Callable[[], None]) -> Gate:
    """The gate over the one service; *changed* is told whenever something was taken."""
    hooks = _hooks(config)
    contract = Contract(CONTRACTS / "wsdl" / "TDSPHan.wsdl", CONTRACTS / "xsd" / "TDSPHan.xsd")
    soap11, soap12 = build_service(_service(config, now, changed), contract=contract, hooks=hooks)
    return Gate(
        {PATH: Endpoint(soap11, soap12, contract.wsdl)},
        base_url=f"https://{config.host}:{config.port}",
        xsd_dir=CONTRACTS / "xsd",
        sign=hooks.sign,
    )


def _hooks(config: Config) -> Hooks:
    key = load_pem_private_key(config.signing_key.read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate(config.signing_certificate.read_bytes())
    hub_signs_with = x509.load_pem_x509_certificate(config.hub_signing_certificate.read_bytes())
    hub_connects_with = x509.load_pem_x509_certificate(config.hub_tls_certificate.read_bytes())
    expected = sha256(hub_connects_with.public_bytes(Encoding.DER)).digest()

    def is_the_hub(environ: Environ) -> bool:
        tls = peer_certificate(environ)
        return tls is not None and sha256(tls).digest() == expected

    def authenticate(verified: Verified, environ: Environ) -> object:
        if not is_the_hub(environ) or verified.certificate != hub_signs_with:
            raise NotOurHubError
        return "hub"

    return Hooks(authenticate=authenticate, is_registered=is_the_hub, signer=lambda: (key, certificate))


def _service(config: Config, now: Callable[[], float], changed: Callable[[], None]) -> type[ServiceBase]:
    of_thread = threading.local()

    @contextmanager
    def taking(request: Any) -> Iterator[World]:
        """The state, in a transaction: it is committed before the answer leaves."""
        if request.tdspDUNSNumber not in config.duns:
            raise NotOurNumberError
        world: World | None = getattr(of_thread, "world", None)
        if world is None:
            world = of_thread.world = World.of(config)
        with world.state.transaction():
            yield world
        changed()

    class TDSPHan(ServiceBase):
        @rpc(model.AddDevice, _returns=model.AddDeviceResponse, _body_style="bare")
        def AddDevice(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring an operation
            with taking(request) as world:
                taken = world.provisioning.take_add(
                    now(), request.requestId, request.esiid, request.meterSerialNumber, request.deviceMACAddr,
                    request.installCode, request.deviceType,
                )  # fmt: skip
            response = _answer(model.AddDeviceResponse(), request, "1 request")
            response.receipt = _receipt(request.requestId, _once(taken))
            return response

        @rpc(model.RemoveDevice, _returns=model.RemoveDeviceResponse, _body_style="bare")
        def RemoveDevice(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            with taking(request) as world:
                taken = world.provisioning.take_remove(
                    now(), request.requestId, request.esiid, request.meterSerialNumber, request.deviceMACAddr
                )
            response = _answer(model.RemoveDeviceResponse(), request, "1 request")
            response.receipt = _receipt(request.requestId, _once(taken))
            return response

        @rpc(model.DeliverMessage, _returns=model.DeliverMessageResponse, _body_style="bare")
        def DeliverMessage(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            with taking(request) as world:
                receipts = _carried(world, now(), request.delivery)
            response = _answer(model.DeliverMessageResponse(), request, f"{len(receipts)} messages")
            response.receipt = receipts
            return response

        @rpc(model.CancelMessage, _returns=model.CancelMessageResponse, _body_style="bare")
        def CancelMessage(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            with taking(request) as world:
                receipts = _carried(world, now(), request.cancellation)
            response = _answer(model.CancelMessageResponse(), request, f"{len(receipts)} cancellations")
            response.receipt = receipts
            return response

    return TDSPHan


def _answer(response: Any, request: Any, what: str) -> Any:
    response.trans_id = request.trans_id
    response.statusCode = "0"
    response.statusReason = f"Receipts for {what}."
    return response


def _once(taken: bool) -> Taken:
    return Taken("ACCEPTED", None, "Taken.") if taken else Taken("REPEATED", None, "Taken before.")


def _carried(world: World, now: float, entries: Sequence[Any]) -> list[Any]:
    receipts = []
    for entry in entries:
        cancellation = getattr(entry, "messageCancellationId", None)
        delivery = Delivery(
            number=entry.requestId,
            cancellation=cancellation or "",
            category=entry.category,
            cluster=int(entry.cluster, 16),
            frame=bytes.fromhex(entry.frame),
            targets=[(target.esiid, target.meterSerialNumber) for target in entry.target],
        )
        receipts.append(_receipt(entry.requestId, world.messages.take(now, delivery), cancellation))
    return receipts


def _receipt(number: str, taken: Taken, cancellation: str | None = None) -> Any:
    return model.Receipt(
        requestId=number,
        messageCancellationId=cancellation,
        code=taken.code,
        reasonCode=taken.reason_code,
        reason=taken.reason,
        refused=[model.RefusedTarget(esiid=esiid, code=code, reason=why) for esiid, code, why in taken.refused],
    )
