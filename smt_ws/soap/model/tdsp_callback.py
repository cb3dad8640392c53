"""Messages of ``TDSPCallback``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from typing import Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Boolean, ComplexModel, DateTime, Unicode, UnsignedInteger8

from smt_ws.soap.model.types import Code, Remembered, RequestHeader, many, maybe, one, simple

__all__ = [
    "TDSP_CALLBACK",
    "MessagePost",
    "MeterExchangePost",
    "PostAnswer",
    "PostMessageStatus",
    "PostMessageStatusResponse",
    "PostMeterExchange",
    "PostMeterExchangeResponse",
    "PostProvisioningStatus",
    "PostProvisioningStatusResponse",
    "ProvisioningPost",
]

TDSP_CALLBACK: Final = "urn:smt-ws:TDSPCallback:1"

RequestId = simple("RequestId", Unicode(pattern="[0-9]{1,18}"), TDSP_CALLBACK)
PostedEsiId = simple("PostedEsiId", Unicode(min_len=1, max_len=64), TDSP_CALLBACK)
MeterSerialNumber = simple("MeterSerialNumber", Unicode(min_len=1, max_len=30), TDSP_CALLBACK)
PostedMacAddress = simple("PostedMacAddress", Unicode(min_len=1, max_len=30), TDSP_CALLBACK)
Description = simple("Description", Unicode(max_len=200), TDSP_CALLBACK)


class PostAnswer(ComplexModel):
    __namespace__ = TDSP_CALLBACK

    requestId = maybe(RequestId)
    esiid = one(PostedEsiId)
    code = one(Code)
    reason = one(Unicode)


class ProvisioningPost(ComplexModel):
    __namespace__ = TDSP_CALLBACK

    requestId = one(RequestId)
    esiid = one(PostedEsiId)
    meterSerialNumber = maybe(MeterSerialNumber)
    deviceMACAddr = maybe(PostedMacAddress)
    statusCode = one(Code)
    reasonCode = maybe(Code)
    statusDesc = maybe(Description)
    statusTimestamp = one(DateTime)


class MessagePost(ComplexModel):
    __namespace__ = TDSP_CALLBACK

    requestId = one(RequestId)
    messageCancellationId = maybe(RequestId)
    esiid = one(PostedEsiId)
    meterSerialNumber = maybe(MeterSerialNumber)
    deviceMACAddr = maybe(PostedMacAddress)
    statusCode = one(Code)
    statusDesc = maybe(Description)
    statusTimestamp = one(DateTime)
    sepEventStatus = maybe(UnsignedInteger8)


class MeterExchangePost(ComplexModel):
    __namespace__ = TDSP_CALLBACK

    esiid = one(PostedEsiId)
    oldMeterSerialNumber = one(MeterSerialNumber)
    newMeterSerialNumber = one(MeterSerialNumber)
    exchangedAt = one(DateTime)
    hanCapable = maybe(Boolean)


class PostProvisioningStatus(RequestHeader):
    __namespace__ = TDSP_CALLBACK

    post = many(ProvisioningPost, at_least=1)


class PostProvisioningStatusResponse(Remembered):
    __namespace__ = TDSP_CALLBACK

    answer = many(PostAnswer)


class PostMessageStatus(RequestHeader):
    __namespace__ = TDSP_CALLBACK

    post = many(MessagePost, at_least=1)


class PostMessageStatusResponse(Remembered):
    __namespace__ = TDSP_CALLBACK

    answer = many(PostAnswer)


class PostMeterExchange(RequestHeader):
    __namespace__ = TDSP_CALLBACK

    post = many(MeterExchangePost, at_least=1)


class PostMeterExchangeResponse(Remembered):
    __namespace__ = TDSP_CALLBACK

    answer = many(PostAnswer)
