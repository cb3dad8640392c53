"""Messages of ``Connectivity``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ComplexModel, DateTime, Decimal, Unicode

from smt_ws.soap.model.types import (
    CONNECTIVITY,
    DunsNumber,
    Environment,
    RequestHeader,
    ResponseHeader,
    Sha256,
    many,
    one,
)

__all__ = [
    "CertificateFacts",
    "Ping",
    "PingResponse",
]


class CertificateFacts(ComplexModel):
    __namespace__ = CONNECTIVITY

    subject = one(Unicode)
    fingerprint = one(Sha256)
    expiresAt = one(DateTime)


class Ping(RequestHeader):
    __namespace__ = CONNECTIVITY


class PingResponse(ResponseHeader):
    __namespace__ = CONNECTIVITY

    companyName = one(Unicode)
    dunsNumber = many(DunsNumber, 1)
    tlsCertificate = one(CertificateFacts)
    signingCertificate = one(CertificateFacts)
    hubTime = one(DateTime)
    clockSkewSeconds = one(Decimal)
    environment = one(Environment)
