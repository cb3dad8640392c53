"""The messages of ``TDSPHan`` as Spyne models; ``xsd/TDSPHan.xsd`` says what they mean, and a test holds them equal."""

# the shim must be imported before Spyne; attributes are named as on the wire
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from typing import Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ComplexModel, Unicode

from adapters.soap.models import (
    Code,
    DunsNumber,
    EsiId,
    ResponseHeader,
    ServiceId,
    TransactionId,
    many,
    maybe,
    one,
    simple,
)

__all__ = [
    "AddDevice",
    "AddDeviceResponse",
    "CancelMessage",
    "CancelMessageResponse",
    "Cancellation",
    "DeliverMessage",
    "DeliverMessageResponse",
    "Delivery",
    "Receipt",
    "RefusedTarget",
    "RemoveDevice",
    "RemoveDeviceResponse",
    "Target",
]

_HAN: Final = "urn:smt-ws:TDSPHan:1"

_RequestId = simple("RequestId", Unicode(pattern="[0-9]{1,18}"), _HAN)
_MeterSerialNumber = simple("MeterSerialNumber", Unicode(min_len=1, max_len=30), _HAN)
_MacAddress = simple("MacAddress", Unicode(pattern="[0-9A-F]{16}"), _HAN)
_INSTALL_CODE: Final = "[0-9A-F]{16}([0-9A-F]{4}|[0-9A-F]{12}|[0-9A-F]{20})?"
_InstallCode = simple("InstallCode", Unicode(pattern=_INSTALL_CODE), _HAN)
_Cluster = simple("Cluster", Unicode(pattern="[0-9A-F]{4}"), _HAN)
_Frame = simple("Frame", Unicode(pattern="([0-9A-F]{2})+", min_len=6, max_len=600), _HAN)


class _RequestHeader(ComplexModel):
    __mixin__ = True

    trans_id = one(TransactionId)
    requestorID = one(ServiceId)
    tdspDUNSNumber = one(DunsNumber)


class Target(ComplexModel):
    __namespace__ = _HAN

    esiid = one(EsiId)
    meterSerialNumber = one(_MeterSerialNumber)


class RefusedTarget(ComplexModel):
    __namespace__ = _HAN

    esiid = one(EsiId)
    code = one(Code)
    reason = one(Unicode)


class Receipt(ComplexModel):
    __namespace__ = _HAN

    requestId = one(_RequestId)
    messageCancellationId = maybe(_RequestId)
    code = one(Code)
    reasonCode = maybe(Code)
    reason = one(Unicode)
    refused = many(RefusedTarget)


class AddDevice(_RequestHeader):
    __namespace__ = _HAN

    requestId = one(_RequestId)
    esiid = one(EsiId)
    meterSerialNumber = one(_MeterSerialNumber)
    deviceMACAddr = one(_MacAddress)
    installCode = one(_InstallCode)
    deviceType = one(Code)


class AddDeviceResponse(ResponseHeader):
    __namespace__ = _HAN

    receipt = one(Receipt)


class RemoveDevice(_RequestHeader):
    __namespace__ = _HAN

    requestId = one(_RequestId)
    addRequestId = maybe(_RequestId)
    esiid = one(EsiId)
    meterSerialNumber = one(_MeterSerialNumber)
    deviceMACAddr = one(_MacAddress)


class RemoveDeviceResponse(ResponseHeader):
    __namespace__ = _HAN

    receipt = one(Receipt)


class Delivery(ComplexModel):
    __namespace__ = _HAN

    requestId = one(_RequestId)
    category = one(Code)
    cluster = one(_Cluster)
    frame = one(_Frame)
    target = many(Target, at_least=1)


class DeliverMessage(_RequestHeader):
    __namespace__ = _HAN

    delivery = many(Delivery, at_least=1)


class DeliverMessageResponse(ResponseHeader):
    __namespace__ = _HAN

    receipt = many(Receipt, at_least=1)


class Cancellation(ComplexModel):
    __namespace__ = _HAN

    requestId = one(_RequestId)
    messageCancellationId = one(_RequestId)
    category = one(Code)
    cluster = one(_Cluster)
    frame = one(_Frame)
    target = many(Target, at_least=1)


class CancelMessage(_RequestHeader):
    __namespace__ = _HAN

    cancellation = many(Cancellation, at_least=1)


class CancelMessageResponse(ResponseHeader):
    __namespace__ = _HAN

    receipt = many(Receipt, at_least=1)
