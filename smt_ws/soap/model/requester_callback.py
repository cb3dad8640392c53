"""Messages of ``RequesterCallback``, which a requester serves and the hub calls."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ComplexModel, DateTime, Integer32, Integer64, Unicode

from smt_ws.soap.model.types import (
    REQUESTER_CALLBACK,
    Code,
    CorrelationId,
    DunsNumber,
    ResponseHeader,
    TransactionId,
    maybe,
    one,
    simple,
)

__all__ = [
    "DeviceStatusChanged",
    "DeviceStatusChangedResponse",
    "MessageStatusChanged",
    "MessageStatusChangedResponse",
    "ReportReady",
    "ReportReadyResponse",
]

MacAddress = simple("MacAddress", Unicode(pattern="[0-9A-Fa-f]{16}"), REQUESTER_CALLBACK)


class CallHeader(ComplexModel):
    """Begins every call of the hub."""

    __mixin__ = True

    trans_id = one(TransactionId)
    dunsNumber = one(DunsNumber)
    happenedAt = one(DateTime)


class ReportReady(CallHeader):
    __namespace__ = REQUESTER_CALLBACK

    correlationId = one(CorrelationId)
    status = one(Code)
    fileCount = one(Integer32)
    esiidDaysAsked = one(Integer64)
    esiidDaysDelivered = one(Integer64)
    esiidDaysExcepted = one(Integer64)
    expiresAt = one(DateTime)


class ReportReadyResponse(ResponseHeader):
    __namespace__ = REQUESTER_CALLBACK


class DeviceStatusChanged(CallHeader):
    __namespace__ = REQUESTER_CALLBACK

    correlationId = one(CorrelationId)
    esiid = one(Unicode)
    deviceMacAddress = one(MacAddress)
    status = one(Code)
    reason = maybe(Unicode)


class DeviceStatusChangedResponse(ResponseHeader):
    __namespace__ = REQUESTER_CALLBACK


class MessageStatusChanged(CallHeader):
    __namespace__ = REQUESTER_CALLBACK

    correlationId = one(CorrelationId)
    esiid = one(Unicode)
    deviceMacAddress = maybe(MacAddress)
    status = one(Code)
    reason = maybe(Unicode)


class MessageStatusChangedResponse(ResponseHeader):
    __namespace__ = REQUESTER_CALLBACK
