"""Messages of ``HANProvisioning``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from typing import Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Boolean, ComplexModel, DateTime, Unicode

from smt_ws.soap.model.types import Code, EsiId, Remembered, RequestHeader, ResponseHeader, many, maybe, one, simple

__all__ = [
    "CancelPendingProvision",
    "CancelPendingProvisionResponse",
    "DeprovisionDevice",
    "DeprovisionDeviceResponse",
    "DeviceRefusedEsiid",
    "GetDevices",
    "GetDevicesResponse",
    "HanDevice",
    "HanDeviceEvent",
    "ProvisionDevice",
    "ProvisionDeviceResponse",
]

_SERVICE: Final = "urn:smt-ws:HANProvisioning:1"

RequestId = simple("RequestId", Unicode(pattern="[0-9]{1,18}"), _SERVICE)
MeterSerialNumber = simple("MeterSerialNumber", Unicode(min_len=1, max_len=30), _SERVICE)
DeviceMacAddress = simple("DeviceMacAddress", Unicode(min_len=1, max_len=40), _SERVICE)
InstallCode = simple("InstallCode", Unicode(min_len=1, max_len=60), _SERVICE)
DeviceType = simple(
    "DeviceType", Unicode(values=["IHD", "PCT", "LCS", "GATEWAY", "EV", "APPLIANCE", "OTHER"]), _SERVICE
)


class DeviceRefusedEsiid(ComplexModel):
    __namespace__ = _SERVICE

    esiid = one(Unicode)
    code = one(Code)
    reason = one(Unicode)


class HanDeviceEvent(ComplexModel):
    __namespace__ = _SERVICE

    requestId = maybe(RequestId)
    event = one(Code)
    status = one(Code)
    applied = one(Boolean)
    actor = one(Code)
    reasonCode = maybe(Code)
    reason = maybe(Unicode)
    statusTime = one(DateTime)
    receivedTime = one(DateTime)


class HanDevice(ComplexModel):
    __namespace__ = _SERVICE

    esiid = one(Unicode)
    meterSerialNumber = one(MeterSerialNumber)
    deviceMACAddr = one(DeviceMacAddress)
    deviceType = one(DeviceType)
    status = one(Code)
    statusText = one(Unicode)
    since = one(DateTime)
    unconfirmed = one(Boolean)
    requestId = one(RequestId)
    history = many(HanDeviceEvent)


class ProvisionDevice(RequestHeader):
    __namespace__ = _SERVICE

    esiid = one(EsiId)
    meterSerialNumber = one(MeterSerialNumber)
    deviceMACAddr = one(DeviceMacAddress)
    installCode = one(InstallCode)
    deviceType = one(DeviceType)


class ProvisionDeviceResponse(Remembered):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    status = one(Code)


class DeprovisionDevice(RequestHeader):
    __namespace__ = _SERVICE

    esiid = one(EsiId)
    meterSerialNumber = one(MeterSerialNumber)
    deviceMACAddr = one(DeviceMacAddress)


class DeprovisionDeviceResponse(Remembered):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    status = one(Code)
    awaitsCustomer = one(Boolean)


class CancelPendingProvision(RequestHeader):
    __namespace__ = _SERVICE

    esiid = one(EsiId)
    meterSerialNumber = one(MeterSerialNumber)
    deviceMACAddr = one(DeviceMacAddress)


class CancelPendingProvisionResponse(Remembered):
    __namespace__ = _SERVICE

    requestId = one(RequestId)
    status = one(Code)


class GetDevices(RequestHeader):
    __namespace__ = _SERVICE

    esiid = many(EsiId, 1)
    deviceMACAddr = maybe(DeviceMacAddress)
    includeHistory = maybe(Boolean)


class GetDevicesResponse(ResponseHeader):
    __namespace__ = _SERVICE

    device = many(HanDevice)
    refused = many(DeviceRefusedEsiid)
