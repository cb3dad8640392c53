"""Messages of ``ReportRequestStatus``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Boolean, ComplexModel, DateTime, Integer32, Integer64, Unicode

from smt_ws.soap.model.types import (
    CalendarDate,
    Code,
    CorrelationId,
    DeliveryMode,
    EsiId,
    LoadMark,
    Page,
    ReadingType,
    REPORT_REQUEST_STATUS,
    ReportFormat,
    RequestHeader,
    ResponseHeader,
    ServiceType,
    Sha256,
    StatedReason,
    TransactionId,
    Version,
    many,
    maybe,
    one,
)

__all__ = [
    "DeliveredFile",
    "ExceptionCount",
    "GetStatus",
    "GetStatusResponse",
    "ListRequests",
    "ListRequestsResponse",
    "MissingChannel",
    "MissingDays",
    "MissingUsage",
    "MissingUsageResponse",
    "OrderSummary",
]


class OrderSummary(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    correlationId = one(CorrelationId)
    serviceType = one(ServiceType)
    status = one(Code)
    report = one(Unicode)
    reportFormat = one(ReportFormat)
    deliveryMode = one(DeliveryMode)
    startDate = one(CalendarDate)
    endDate = one(CalendarDate)
    esiidDaysAsked = one(Integer64)
    esiidDaysDelivered = one(Integer64)
    esiidDaysExcepted = one(Integer64)
    partsDone = one(Integer32)
    partsTotal = one(Integer32)
    esiidsDone = one(Integer32)
    esiidsTotal = one(Integer32)
    submittedAt = one(DateTime)
    completedAt = maybe(DateTime)
    expiresAt = maybe(DateTime)
    loadMark = maybe(LoadMark)
    requestTransId = maybe(TransactionId)
    version = maybe(Version)
    readingType = maybe(ReadingType)
    failure = maybe(Unicode)


class DeliveredFile(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    name = one(Unicode)
    state = one(Code)
    size = maybe(Integer64)
    sha256 = maybe(Sha256)
    recordCount = maybe(Integer64)
    firstDay = maybe(CalendarDate)
    lastDay = maybe(CalendarDate)


class ExceptionCount(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    code = one(Code)
    count = one(Integer64)
    reason = one(Unicode)


class GetStatus(RequestHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    correlationId = one(CorrelationId)


class GetStatusResponse(ResponseHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    order = one(OrderSummary)
    file = many(DeliveredFile)
    exception = many(ExceptionCount)


class ListRequests(RequestHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    fromDate = one(CalendarDate)
    toDate = one(CalendarDate)
    status = maybe(Code)
    serviceType = maybe(ServiceType)
    page = Page.customize(min_occurs=0, nillable=False, default=1)


class ListRequestsResponse(ResponseHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    morePages = one(Boolean)
    order = many(OrderSummary)


class MissingDays(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    esiid = one(Unicode)
    fromDate = one(CalendarDate)
    toDate = one(CalendarDate)
    code = one(Code)
    reason = one(Unicode)


class MissingChannel(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    esiid = one(Unicode)
    fromDate = one(CalendarDate)
    toDate = one(CalendarDate)
    channel = one(Integer32)


class MissingUsage(RequestHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    startDate = one(CalendarDate)
    endDate = one(CalendarDate)
    esiid = many(EsiId, 1)
    reason = maybe(StatedReason)


class MissingUsageResponse(ResponseHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    esiidDaysAsked = one(Integer32)
    esiidDaysPresent = one(Integer32)
    loadMark = one(LoadMark)
    missing = many(MissingDays)
    missingChannel = many(MissingChannel)
