"""Messages of ``HANMessaging``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Boolean, ComplexModel, DateTime, Decimal, Integer32, Integer64, Unicode

from smt_ws.soap.model.types import (
    CalendarDate,
    Code,
    DunsNumber,
    EsiId,
    Remembered,
    RequestHeader,
    ResponseHeader,
    many,
    maybe,
    one,
    simple,
)

__all__ = [
    "CancelAllLoadControlEvents",
    "CancelAllLoadControlEventsResponse",
    "CancelLoadControlEvent",
    "CancelLoadControlEventResponse",
    "CancelTextMessage",
    "CancelTextMessageResponse",
    "CancelledEvent",
    "GetMessageLog",
    "GetMessageLogResponse",
    "GetMessageStatus",
    "GetMessageStatusResponse",
    "MessageAtDevice",
    "MessageAtPremise",
    "MessageCount",
    "MessageLogRow",
    "MessageRefusedEsiid",
    "SendLoadControlEvent",
    "SendLoadControlEventResponse",
    "SendPrice",
    "SendPriceResponse",
    "SendTextMessage",
    "SendTextMessageResponse",
]

_SERVICE: Final = "urn:smt-ws:HANMessaging:1"

RequestId = simple("RequestId", Unicode(pattern="[0-9]{1,18}"), _SERVICE)
MeterSerialNumber = simple("MeterSerialNumber", Unicode(min_len=1, max_len=30), _SERVICE)
DeviceMacAddress = simple("DeviceMacAddress", Unicode(min_len=1, max_len=40), _SERVICE)
Priority = simple("Priority", Unicode(values=["LOW", "MEDIUM", "HIGH", "CRITICAL"]), _SERVICE)
LogDelivery = simple("LogDelivery", Unicode(values=["API", "FTP"]), _SERVICE)
MessageText = simple("MessageText", Unicode(min_len=1, max_len=1000), _SERVICE)
Page = simple("Page", Integer32(ge=1, le=1_000_000), _SERVICE)


def _else(type_: Any, value: Any) -> Any:
    """None or one; left out it is *value*."""
    return type_.customize(min_occurs=0, nillable=False, default=value)


class MessageRefusedEsiid(ComplexModel):
    __namespace__ = _SERVICE

    esiid = one(Unicode)
    code = one(Code)
    reason = one(Unicode)


class CancelledEvent(ComplexModel):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    esiids = one(Integer32)


class MessageCount(ComplexModel):
    __namespace__ = _SERVICE

    status = one(Code)
    esiids = one(Integer32)


class MessageAtDevice(ComplexModel):
    __namespace__ = _SERVICE

    deviceMACAddr = one(DeviceMacAddress)
    status = one(Code)
    statusTime = one(DateTime)


class MessageAtPremise(ComplexModel):
    __namespace__ = _SERVICE

    esiid = one(Unicode)
    meterSerialNumber = one(MeterSerialNumber)
    status = one(Code)
    originalRequestId = maybe(RequestId)
    handedOverTime = maybe(DateTime)
    deliveredTime = maybe(DateTime)
    device = many(MessageAtDevice)


class MessageLogRow(ComplexModel):
    __namespace__ = _SERVICE

    TDSPDUNSNumber = one(DunsNumber)
    MessageDate = one(DateTime)
    RequestID = one(RequestId)
    MessageCancellationID = maybe(RequestId)
    MessageStatusID = one(RequestId)
    ESIID = one(Unicode)
    MeterSerialNumber = one(MeterSerialNumber)
    DeviceMACAddr = maybe(DeviceMacAddress)
    EventCategoryID = one(Code)
    StatusCode = one(Code)
    StatusDesc = one(Unicode)
    StatusTimestamp = one(DateTime)


class _Sent(Remembered):
    __mixin__ = True

    requestId = one(RequestId)
    esiidsAsked = one(Integer32)
    esiidsReached = one(Integer32)
    startTime = maybe(DateTime)
    endTime = maybe(DateTime)
    refused = many(MessageRefusedEsiid)


class SendTextMessage(RequestHeader):
    __namespace__ = _SERVICE

    messageText = one(MessageText)
    priority = _else(Priority, "LOW")
    confirmationRequired = maybe(Boolean)
    startTime = maybe(DateTime)
    durationMinutes = maybe(Integer32)
    esiid = many(EsiId, 1)


class SendTextMessageResponse(_Sent):
    __namespace__ = _SERVICE


class CancelTextMessage(RequestHeader):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    esiid = many(EsiId)


class CancelTextMessageResponse(Remembered):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    messageCancellationId = one(RequestId)
    esiids = one(Integer32)


class SendLoadControlEvent(RequestHeader):
    __namespace__ = _SERVICE

    deviceClass = _else(Integer32, 4095)
    enrollmentGroup = _else(Integer32, 0)
    criticalityLevel = one(Integer32)
    durationMinutes = one(Integer32)
    startTime = maybe(DateTime)
    coolingOffset = maybe(Decimal)
    heatingOffset = maybe(Decimal)
    coolingSetpoint = maybe(Decimal)
    heatingSetpoint = maybe(Decimal)
    avgLoadAdjustment = maybe(Integer32)
    dutyCycle = maybe(Integer32)
    randomizeStart = maybe(Boolean)
    randomizeEnd = maybe(Boolean)
    esiid = many(EsiId, 1)


class SendLoadControlEventResponse(_Sent):
    __namespace__ = _SERVICE


class CancelLoadControlEvent(RequestHeader):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    randomizeEnd = maybe(Boolean)
    esiid = many(EsiId)


class CancelLoadControlEventResponse(Remembered):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    messageCancellationId = one(RequestId)
    esiids = one(Integer32)


class CancelAllLoadControlEvents(RequestHeader):
    __namespace__ = _SERVICE

    randomizeEnd = maybe(Boolean)
    esiid = many(EsiId, 1)


class CancelAllLoadControlEventsResponse(Remembered):
    __namespace__ = _SERVICE

    messageCancellationId = one(RequestId)
    cancelled = many(CancelledEvent)
    refused = many(MessageRefusedEsiid)


class SendPrice(RequestHeader):
    __namespace__ = _SERVICE

    providerId = one(Integer64)
    rateLabel = maybe(Unicode)
    price = one(Decimal)
    currency = _else(Integer32, 840)
    priceTier = _else(Integer32, 0)
    numberOfPriceTiers = _else(Integer32, 0)
    registerTier = _else(Integer32, 0)
    startTime = maybe(DateTime)
    durationMinutes = maybe(Integer32)
    priceRatio = maybe(Decimal)
    generationPrice = maybe(Decimal)
    generationPriceRatio = maybe(Decimal)
    esiid = many(EsiId, 1)


class SendPriceResponse(_Sent):
    __namespace__ = _SERVICE


class GetMessageStatus(RequestHeader):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    page = _else(Page, 1)


class GetMessageStatusResponse(ResponseHeader):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    category = one(Code)
    originalRequestId = maybe(RequestId)
    acceptedTime = one(DateTime)
    startTime = maybe(DateTime)
    endTime = maybe(DateTime)
    count = many(MessageCount)
    premise = many(MessageAtPremise)
    morePages = one(Boolean)


class GetMessageLog(RequestHeader):
    __namespace__ = _SERVICE

    fromDate = one(CalendarDate)
    toDate = one(CalendarDate)
    requestId = maybe(RequestId)
    esiid = maybe(EsiId)
    deliveryMode = _else(LogDelivery, "API")
    page = _else(Page, 1)


class GetMessageLogResponse(ResponseHeader):
    __namespace__ = _SERVICE

    row = many(MessageLogRow)
    morePages = one(Boolean)
    fileName = maybe(Unicode)
