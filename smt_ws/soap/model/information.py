"""Messages of ``PremiseInformation`` and ``MeterInformation``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ComplexModel, Unicode

from smt_ws.soap.model.types import (
    CalendarDate,
    Code,
    DunsNumber,
    EsiId,
    LoadMark,
    METER_INFORMATION,
    PREMISE_INFORMATION,
    RequestHeader,
    ResponseHeader,
    StatedReason,
    many,
    maybe,
    one,
)

__all__ = [
    "GetMeterInformation",
    "GetMeterInformationResponse",
    "GetPremiseInformation",
    "GetPremiseInformationResponse",
    "Meter",
    "MeterWithheld",
    "Premise",
    "PremiseWithheld",
]


class Premise(ComplexModel):
    __namespace__ = PREMISE_INFORMATION

    esiid = one(EsiId)
    tdspDuns = one(DunsNumber)
    serviceAddress = maybe(Unicode)
    city = maybe(Unicode)
    state = maybe(Unicode)
    zip = maybe(Unicode)
    premiseType = maybe(Code)
    status = one(Code)
    county = maybe(Unicode)
    readCycle = maybe(Unicode)
    loadProfile = maybe(Unicode)
    stationCode = maybe(Unicode)
    stationName = maybe(Unicode)


class PremiseWithheld(ComplexModel):
    __namespace__ = PREMISE_INFORMATION

    esiid = one(Unicode)
    code = one(Code)
    reason = one(Unicode)


class GetPremiseInformation(RequestHeader):
    __namespace__ = PREMISE_INFORMATION

    esiid = many(EsiId, 1)
    reason = maybe(StatedReason)


class GetPremiseInformationResponse(ResponseHeader):
    __namespace__ = PREMISE_INFORMATION

    premise = many(Premise)
    withheld = many(PremiseWithheld)


class Meter(ComplexModel):
    __namespace__ = METER_INFORMATION

    esiid = one(EsiId)
    utilityCompanyId = one(DunsNumber)
    meterSerialNumber = one(Unicode)
    utilityMeterId = maybe(Unicode)
    KWHMeterMultiplier = maybe(Unicode)
    configuredChannels = maybe(Unicode)
    manufacturerName = maybe(Unicode)
    meterClass = maybe(Unicode)
    intervalSetting = maybe(Unicode)
    reverseFlowHandling = maybe(Unicode)
    DGChannel = maybe(Unicode)
    disconnect = maybe(Unicode)
    meterStatus = one(Unicode)
    meterPhases = maybe(Unicode)
    meterModel = maybe(Unicode)
    testDate = maybe(CalendarDate)
    installationDate = one(CalendarDate)
    initialProvisionDate = maybe(CalendarDate)
    lastLoad = one(LoadMark)
    communicationIndicator = maybe(Unicode)
    instrumentRated = maybe(Unicode)
    currentTransformersRatio = maybe(Unicode)
    potentialTransformersRatio = maybe(Unicode)
    esiFirmwareVersion = maybe(Unicode)
    HANProtocol = maybe(Unicode)
    smartEnergyProfile = maybe(Unicode)


class MeterWithheld(ComplexModel):
    __namespace__ = METER_INFORMATION

    esiid = one(Unicode)
    code = one(Code)
    reason = one(Unicode)


class GetMeterInformation(RequestHeader):
    __namespace__ = METER_INFORMATION

    esiid = many(EsiId, 1)
    reason = maybe(StatedReason)


class GetMeterInformationResponse(ResponseHeader):
    __namespace__ = METER_INFORMATION

    meter = many(Meter)
    withheld = many(MeterWithheld)
