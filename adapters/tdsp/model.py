"""The messages of ``TDSPHan`` as Spyne models; ``xsd/TDSPHan.xsd`` says what they mean, and a test holds them equal."""

# the shim must be imported before Spyne; attributes are named as on the wire
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ComplexModel, Unicode

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

_COMMON: Final = "urn:smt-ws:common:1"
_HAN: Final = "urn:smt-ws:TDSPHan:1"


def _simple(name: str, base: Any, namespace: str) -> Any:
    # by subclassing: Spyne would leave a customised type in a namespace that is a relative URI
    return type(base)(name, (base,), {"__namespace__": namespace})


def _one(type_: Any) -> Any:
    return type_.customize(min_occurs=1, nillable=False)


def _maybe(type_: Any) -> Any:
    return type_.customize(min_occurs=0, nillable=False)


def _many(type_: Any, at_least: int = 0) -> Any:
    return type_.customize(min_occurs=at_least, max_occurs="unbounded", nillable=False)


_TransactionId = _simple("TransactionId", Unicode(min_len=1, max_len=64), _COMMON)
_ServiceId = _simple("ServiceId", Unicode(min_len=1, max_len=64), _COMMON)
_DunsNumber = _simple("DunsNumber", Unicode(pattern="[0-9]{9}([0-9]{4})?"), _COMMON)
_EsiId = _simple("EsiId", Unicode(pattern="[0-9]{17}([0-9]{5})?"), _COMMON)
_Code = _simple("Code", Unicode(pattern="[A-Z0-9]+(_[A-Z0-9]+)*", max_len=64), _COMMON)
_RequestId = _simple("RequestId", Unicode(pattern="[0-9]{1,18}"), _HAN)
_MeterSerialNumber = _simple("MeterSerialNumber", Unicode(min_len=1, max_len=30), _HAN)
_MacAddress = _simple("MacAddress", Unicode(pattern="[0-9A-F]{16}"), _HAN)
_INSTALL_CODE: Final = "[0-9A-F]{16}([0-9A-F]{4}|[0-9A-F]{12}|[0-9A-F]{20})?"
_InstallCode = _simple("InstallCode", Unicode(pattern=_INSTALL_CODE), _HAN)
_Cluster = _simple("Cluster", Unicode(pattern="[0-9A-F]{4}"), _HAN)
_Frame = _simple("Frame", Unicode(pattern="([0-9A-F]{2})+", min_len=6, max_len=600), _HAN)


class _RequestHeader(ComplexModel):
    __mixin__ = True

    trans_id = _one(_TransactionId)
    requestorID = _one(_ServiceId)
    tdspDUNSNumber = _one(_DunsNumber)


class _ResponseHeader(ComplexModel):
    __mixin__ = True

    trans_id = _one(_TransactionId)
    statusCode = _one(_Code)
    statusReason = _one(Unicode)


class Target(ComplexModel):
    __namespace__ = _HAN

    esiid = _one(_EsiId)
    meterSerialNumber = _one(_MeterSerialNumber)


class RefusedTarget(ComplexModel):
    __namespace__ = _HAN

    esiid = _one(_EsiId)
    code = _one(_Code)
    reason = _one(Unicode)


class Receipt(ComplexModel):
    __namespace__ = _HAN

    requestId = _one(_RequestId)
    messageCancellationId = _maybe(_RequestId)
    code = _one(_Code)
    reasonCode = _maybe(_Code)
    reason = _one(Unicode)
    refused = _many(RefusedTarget)


class AddDevice(_RequestHeader):
    __namespace__ = _HAN

    requestId = _one(_RequestId)
    esiid = _one(_EsiId)
    meterSerialNumber = _one(_MeterSerialNumber)
    deviceMACAddr = _one(_MacAddress)
    installCode = _one(_InstallCode)
    deviceType = _one(_Code)


class AddDeviceResponse(_ResponseHeader):
    __namespace__ = _HAN

    receipt = _one(Receipt)


class RemoveDevice(_RequestHeader):
    __namespace__ = _HAN

    requestId = _one(_RequestId)
    addRequestId = _maybe(_RequestId)
    esiid = _one(_EsiId)
    meterSerialNumber = _one(_MeterSerialNumber)
    deviceMACAddr = _one(_MacAddress)


class RemoveDeviceResponse(_ResponseHeader):
    __namespace__ = _HAN

    receipt = _one(Receipt)


class Delivery(ComplexModel):
    __namespace__ = _HAN

    requestId = _one(_RequestId)
    category = _one(_Code)
    cluster = _one(_Cluster)
    frame = _one(_Frame)
    target = _many(Target, at_least=1)


class DeliverMessage(_RequestHeader):
    __namespace__ = _HAN

    delivery = _many(Delivery, at_least=1)


class DeliverMessageResponse(_ResponseHeader):
    __namespace__ = _HAN

    receipt = _many(Receipt, at_least=1)


class Cancellation(ComplexModel):
    __namespace__ = _HAN

    requestId = _one(_RequestId)
    messageCancellationId = _one(_RequestId)
    category = _one(_Code)
    cluster = _one(_Cluster)
    frame = _one(_Frame)
    target = _many(Target, at_least=1)


class CancelMessage(_RequestHeader):
    __namespace__ = _HAN

    cancellation = _many(Cancellation, at_least=1)


class CancelMessageResponse(_ResponseHeader):
    __namespace__ = _HAN

    receipt = _many(Receipt, at_least=1)
