"""``Connectivity``: who the hub takes the caller for (K3)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from spyne import ServiceBase, rpc

from adapters.soap.protocol import Call
from adapters.soap.server import peer_certificate
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.soap import model
from smt_ws.soap.wire import started

__all__ = ["connectivity"]


def connectivity(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    class Connectivity(ServiceBase):
        @rpc(model.Ping, _returns=model.PingResponse, _body_style="bare")
        def Ping(ctx: Any, _request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring an operation
            call: Call = ctx.udc
            now = real_now()
            tls = peer_certificate(call.environ)
            assert tls is not None  # authenticate has refused a call without one
            response = started(model.PingResponse(), call.trans_id, "The hub knows you.")
            response.companyName = call.caller.legal_name
            response.dunsNumber = list(call.caller.duns_numbers)
            response.tlsCertificate = _facts(x509.load_der_x509_certificate(tls))
            response.signingCertificate = _facts(call.verified.certificate)
            response.hubTime = now
            skew = (now - call.verified.created).total_seconds()
            response.clockSkewSeconds = Decimal(f"{skew:.3f}")
            response.environment = hub.settings.environment
            return response

    return Connectivity


def _facts(certificate: x509.Certificate) -> Any:
    return model.CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        fingerprint=sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        expiresAt=certificate.not_valid_after_utc,
    )
