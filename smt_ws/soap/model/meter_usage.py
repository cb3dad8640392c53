"""Messages of ``MeterUsage``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ComplexModel, Integer32, Integer64, Unicode

from smt_ws.soap.model.types import (
    CalendarDate,
    Code,
    CorrelationId,
    DeliveryMode,
    EsiId,
    LoadMark,
    METER_USAGE,
    ReadingType,
    Remembered,
    ReportFormat,
    RequestHeader,
    Sha256,
    StatedReason,
    Version,
    many,
    maybe,
    one,
)

__all__ = [
    "CancelRequest",
    "CancelRequestResponse",
    "InlineReport",
    "ReportException",
    "ReportRemark",
    "RequestChanges",
    "RequestChangesResponse",
    "RequestDailyReads",
    "RequestDailyReadsResponse",
    "RequestIntervalData",
    "RequestIntervalDataResponse",
    "RequestMonthlyBilling",
    "RequestMonthlyBillingResponse",
]


class RequestIntervalData(RequestHeader):
    __namespace__ = METER_USAGE

    startDate = one(CalendarDate)
    endDate = one(CalendarDate)
    version = Version.customize(min_occurs=0, nillable=False, default="L")
    readingType = ReadingType.customize(min_occurs=0, nillable=False, default="A")
    reportFormat = one(ReportFormat)
    deliveryMode = DeliveryMode.customize(min_occurs=0, nillable=False, default="FTP")
    esiid = many(EsiId, 1)
    reason = maybe(StatedReason)


class ReportException(ComplexModel):
    __namespace__ = METER_USAGE

    fromDate = one(CalendarDate)
    toDate = one(CalendarDate)
    code = one(Code)
    reason = one(Unicode)


class ReportRemark(ComplexModel):
    __namespace__ = METER_USAGE

    fromDate = one(CalendarDate)
    toDate = one(CalendarDate)
    channel = one(Integer32)
    code = one(Code)
    remark = one(Unicode)


class InlineReport(ComplexModel):
    __namespace__ = METER_USAGE

    name = one(Unicode)
    recordCount = one(Integer64)
    esiidDaysAsked = one(Integer64)
    esiidDaysDelivered = one(Integer64)
    esiidDaysExcepted = one(Integer64)
    sha256 = one(Sha256)
    content = one(Unicode)
    exception = many(ReportException)
    remark = many(ReportRemark)


class _Accepted(ComplexModel):
    """What every order is answered with: its number, or the report itself."""

    __mixin__ = True

    correlationId = maybe(CorrelationId)
    esiidsAsked = one(Integer32)
    esiidsRefused = one(Integer32)
    report = maybe(InlineReport)


class RequestIntervalDataResponse(Remembered, _Accepted):
    __namespace__ = METER_USAGE


class RequestDailyReads(RequestHeader):
    __namespace__ = METER_USAGE

    startDate = one(CalendarDate)
    endDate = one(CalendarDate)
    version = Version.customize(min_occurs=0, nillable=False, default="L")
    readingType = ReadingType.customize(min_occurs=0, nillable=False, default="A")
    reportFormat = one(ReportFormat)
    deliveryMode = DeliveryMode.customize(min_occurs=0, nillable=False, default="FTP")
    esiid = many(EsiId, 1)
    reason = maybe(StatedReason)


class RequestDailyReadsResponse(Remembered, _Accepted):
    __namespace__ = METER_USAGE


class RequestMonthlyBilling(RequestHeader):
    __namespace__ = METER_USAGE

    startDate = one(CalendarDate)
    endDate = one(CalendarDate)
    version = Version.customize(min_occurs=0, nillable=False, default="L")
    reportFormat = one(ReportFormat)
    deliveryMode = DeliveryMode.customize(min_occurs=0, nillable=False, default="FTP")
    esiid = many(EsiId, 1)
    reason = maybe(StatedReason)


class RequestMonthlyBillingResponse(Remembered, _Accepted):
    __namespace__ = METER_USAGE


class CancelRequest(RequestHeader):
    __namespace__ = METER_USAGE

    correlationId = one(CorrelationId)


class CancelRequestResponse(Remembered):
    __namespace__ = METER_USAGE

    correlationId = one(CorrelationId)
    status = one(Code)


class RequestChanges(RequestHeader):
    __namespace__ = METER_USAGE

    loadMark = one(LoadMark)
    readingType = ReadingType.customize(min_occurs=0, nillable=False, default="A")
    reportFormat = one(ReportFormat)
    deliveryMode = DeliveryMode.customize(min_occurs=0, nillable=False, default="FTP")
    reason = maybe(StatedReason)


class RequestChangesResponse(Remembered):
    __namespace__ = METER_USAGE

    correlationId = one(CorrelationId)
    loadMark = one(LoadMark)
    esiids = one(Integer32)
    esiidDays = one(Integer32)
