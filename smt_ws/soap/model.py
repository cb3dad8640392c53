"""The services' messages as Spyne models. The published XSDs are the truth: a test holds these equal.

Only models: what they mean, in which units, is written in ``xsd/``. A big list (``esiid``) reaches a service method as
a list of the strings that were sent, malformed ones included.
"""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Boolean, ComplexModel, DateTime, Decimal, Integer32, Integer64, Unicode, XmlAttribute

__all__ = [
    "CONNECTIVITY",
    "METER_INFORMATION",
    "METER_USAGE",
    "PREMISE_INFORMATION",
    "REPORT_REQUEST_STATUS",
    "SUBSCRIPTION",
    "CancelRequest",
    "CancelRequestResponse",
    "CertificateFacts",
    "DeliveredFile",
    "ExceptionCount",
    "GetMeterInformation",
    "GetMeterInformationResponse",
    "GetPremiseInformation",
    "GetPremiseInformationResponse",
    "GetStatus",
    "GetStatusResponse",
    "InlineReport",
    "ListRequests",
    "ListRequestsResponse",
    "Meter",
    "MeterWithheld",
    "MissingDays",
    "MissingUsage",
    "MissingUsageResponse",
    "MySubscriptions",
    "MySubscriptionsResponse",
    "NewSubscription",
    "NewSubscriptionResponse",
    "OrderSummary",
    "Ping",
    "PingResponse",
    "Premise",
    "PremiseWithheld",
    "ReportException",
    "RequestChanges",
    "RequestChangesResponse",
    "RequestDailyReads",
    "RequestDailyReadsResponse",
    "RequestIntervalData",
    "RequestIntervalDataResponse",
    "RequestMonthlyBilling",
    "RequestMonthlyBillingResponse",
    "SubscriptionFacts",
    "UnSubscription",
    "UnSubscriptionResponse",
]

COMMON: Final = "urn:smt-ws:common:1"
METER_USAGE: Final = "urn:smt-ws:MeterUsage:1"
REPORT_REQUEST_STATUS: Final = "urn:smt-ws:ReportRequestStatus:1"
CONNECTIVITY: Final = "urn:smt-ws:Connectivity:1"
SUBSCRIPTION: Final = "urn:smt-ws:Subscription:1"
PREMISE_INFORMATION: Final = "urn:smt-ws:PremiseInformation:1"
METER_INFORMATION: Final = "urn:smt-ws:MeterInformation:1"


def _simple(name: str, base: Any, namespace: str) -> Any:
    """Name a customised simple type by subclassing it.

    Spyne would leave it in a namespace of its own that is a relative URI, and libxml2 cannot canonicalise a document
    that declares one.
    """
    return type(base)(name, (base,), {"__namespace__": namespace})


def _one(type_: Any) -> Any:
    """Exactly one, never nil."""
    return type_.customize(min_occurs=1, nillable=False)


def _maybe(type_: Any) -> Any:
    """None or one, never nil."""
    return type_.customize(min_occurs=0, nillable=False)


def _many(type_: Any, at_least: int = 0) -> Any:
    """*at_least* or more; the code bounds how many."""
    return type_.customize(min_occurs=at_least, max_occurs="unbounded", nillable=False)


TransactionId = _simple("TransactionId", Unicode(min_len=1, max_len=64), COMMON)
ServiceId = _simple("ServiceId", Unicode(min_len=1, max_len=64), COMMON)
RequesterType = _simple("RequesterType", Unicode(values=["REP", "ROR", "CSP", "TDSP", "REG"]), COMMON)
DunsNumber = _simple("DunsNumber", Unicode(pattern="[0-9]{9}([0-9]{4})?"), COMMON)
TermsAccepted = _simple("TermsAccepted", Unicode(pattern="[Yy]"), COMMON)
EsiId = _simple("EsiId", Unicode(pattern="[0-9]{17}([0-9]{5})?"), COMMON)
CalendarDate = _simple("CalendarDate", Unicode(pattern="(0[1-9]|1[0-2])/(0[1-9]|[12][0-9]|3[01])/[12][0-9]{3}"), COMMON)
CorrelationId = _simple("CorrelationId", Unicode(pattern="[0-9]{1,19}"), COMMON)
Version = _simple("Version", Unicode(values=["L", "A"]), COMMON)
ReadingType = _simple("ReadingType", Unicode(values=["C", "G", "A"]), COMMON)
ReportFormat = _simple("ReportFormat", Unicode(values=["CSV", "XML", "LSE"]), COMMON)
DeliveryMode = _simple("DeliveryMode", Unicode(values=["API", "FTP", "EML"]), COMMON)
ServiceType = _simple("ServiceType", Unicode(values=["ADHOC", "SUBSCRIPTION"]), COMMON)
LoadMark = _simple("LoadMark", Integer64(ge=0), COMMON)
Code = _simple("Code", Unicode(pattern="[A-Z0-9]+(_[A-Z0-9]+)*", max_len=64), COMMON)
Sha256 = _simple("Sha256", Unicode(pattern="[0-9a-f]{64}"), COMMON)
Page = _simple("Page", Integer32(ge=1, le=1_000_000), REPORT_REQUEST_STATUS)
DataType = _simple("DataType", Unicode(values=["INTERVAL", "DAILY", "MONTHLY"]), SUBSCRIPTION)
HistoryDuration = _simple("HistoryDuration", Unicode(values=["3", "6", "9", "12", "24"]), SUBSCRIPTION)
Environment = _simple("Environment", Unicode(values=["sandbox", "production"]), CONNECTIVITY)


class _RequestHeader(ComplexModel):
    """Begins every request; a mixin, so that its elements stand in the namespace of the service."""

    __mixin__ = True

    trans_id = _one(TransactionId)
    requestorID = _one(ServiceId)
    requesterType = _one(RequesterType)
    requesterAuthenticationID = _one(DunsNumber)
    SMTTermsandConditions = _one(TermsAccepted)


class _ResponseHeader(ComplexModel):
    """Begins every answer."""

    __mixin__ = True

    trans_id = _one(TransactionId)
    statusCode = _one(Code)
    statusReason = _one(Unicode)


class _Remembered(ComplexModel):
    """The answer of an operation that changes something and that may be given a second time."""

    __mixin__ = True

    trans_id = _one(TransactionId)
    statusCode = _one(Code)
    statusReason = _one(Unicode)
    repeated = XmlAttribute(Boolean, use="optional")
    firstAnsweredAt = XmlAttribute(DateTime, use="optional")


class RequestIntervalData(_RequestHeader):
    __namespace__ = METER_USAGE

    startDate = _one(CalendarDate)
    endDate = _one(CalendarDate)
    version = Version.customize(min_occurs=0, nillable=False, default="L")
    readingType = ReadingType.customize(min_occurs=0, nillable=False, default="A")
    reportFormat = _one(ReportFormat)
    deliveryMode = DeliveryMode.customize(min_occurs=0, nillable=False, default="FTP")
    esiid = _many(EsiId, 1)


class ReportException(ComplexModel):
    __namespace__ = METER_USAGE

    fromDate = _one(CalendarDate)
    toDate = _one(CalendarDate)
    code = _one(Code)
    reason = _one(Unicode)


class InlineReport(ComplexModel):
    __namespace__ = METER_USAGE

    name = _one(Unicode)
    recordCount = _one(Integer64)
    esiidDaysAsked = _one(Integer64)
    esiidDaysDelivered = _one(Integer64)
    esiidDaysExcepted = _one(Integer64)
    sha256 = _one(Sha256)
    content = _one(Unicode)
    exception = _many(ReportException)


class RequestIntervalDataResponse(_Remembered):
    __namespace__ = METER_USAGE

    correlationId = _maybe(CorrelationId)
    esiidsAsked = _one(Integer32)
    esiidsRefused = _one(Integer32)
    report = _maybe(InlineReport)


class RequestDailyReads(_RequestHeader):
    __namespace__ = METER_USAGE

    startDate = _one(CalendarDate)
    endDate = _one(CalendarDate)
    version = Version.customize(min_occurs=0, nillable=False, default="L")
    readingType = ReadingType.customize(min_occurs=0, nillable=False, default="A")
    reportFormat = _one(ReportFormat)
    deliveryMode = DeliveryMode.customize(min_occurs=0, nillable=False, default="FTP")
    esiid = _many(EsiId, 1)


class RequestDailyReadsResponse(_Remembered):
    __namespace__ = METER_USAGE

    correlationId = _maybe(CorrelationId)
    esiidsAsked = _one(Integer32)
    esiidsRefused = _one(Integer32)
    report = _maybe(InlineReport)


class RequestMonthlyBilling(_RequestHeader):
    __namespace__ = METER_USAGE

    startDate = _one(CalendarDate)
    endDate = _one(CalendarDate)
    version = Version.customize(min_occurs=0, nillable=False, default="L")
    reportFormat = _one(ReportFormat)
    deliveryMode = DeliveryMode.customize(min_occurs=0, nillable=False, default="FTP")
    esiid = _many(EsiId, 1)


class RequestMonthlyBillingResponse(_Remembered):
    __namespace__ = METER_USAGE

    correlationId = _maybe(CorrelationId)
    esiidsAsked = _one(Integer32)
    esiidsRefused = _one(Integer32)
    report = _maybe(InlineReport)


class CancelRequest(_RequestHeader):
    __namespace__ = METER_USAGE

    correlationId = _one(CorrelationId)


class CancelRequestResponse(_Remembered):
    __namespace__ = METER_USAGE

    correlationId = _one(CorrelationId)
    status = _one(Code)


class RequestChanges(_RequestHeader):
    __namespace__ = METER_USAGE

    loadMark = _one(LoadMark)
    readingType = ReadingType.customize(min_occurs=0, nillable=False, default="A")
    reportFormat = _one(ReportFormat)
    deliveryMode = DeliveryMode.customize(min_occurs=0, nillable=False, default="FTP")


class RequestChangesResponse(_Remembered):
    __namespace__ = METER_USAGE

    correlationId = _one(CorrelationId)
    loadMark = _one(LoadMark)
    esiids = _one(Integer32)
    esiidDays = _one(Integer32)


class OrderSummary(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    correlationId = _one(CorrelationId)
    serviceType = _one(ServiceType)
    status = _one(Code)
    report = _one(Unicode)
    reportFormat = _one(ReportFormat)
    deliveryMode = _one(DeliveryMode)
    startDate = _one(CalendarDate)
    endDate = _one(CalendarDate)
    esiidDaysAsked = _one(Integer64)
    esiidDaysDelivered = _one(Integer64)
    esiidDaysExcepted = _one(Integer64)
    partsDone = _one(Integer32)
    partsTotal = _one(Integer32)
    esiidsDone = _one(Integer32)
    esiidsTotal = _one(Integer32)
    submittedAt = _one(DateTime)
    completedAt = _maybe(DateTime)
    expiresAt = _maybe(DateTime)
    loadMark = _maybe(LoadMark)


class DeliveredFile(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    name = _one(Unicode)
    state = _one(Code)
    size = _maybe(Integer64)
    sha256 = _maybe(Sha256)
    recordCount = _maybe(Integer64)
    firstDay = _maybe(CalendarDate)
    lastDay = _maybe(CalendarDate)


class ExceptionCount(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    code = _one(Code)
    count = _one(Integer64)
    reason = _one(Unicode)


class GetStatus(_RequestHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    correlationId = _one(CorrelationId)


class GetStatusResponse(_ResponseHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    order = _one(OrderSummary)
    file = _many(DeliveredFile)
    exception = _many(ExceptionCount)


class ListRequests(_RequestHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    fromDate = _one(CalendarDate)
    toDate = _one(CalendarDate)
    status = _maybe(Code)
    serviceType = _maybe(ServiceType)
    page = Page.customize(min_occurs=0, nillable=False, default=1)


class ListRequestsResponse(_ResponseHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    morePages = _one(Boolean)
    order = _many(OrderSummary)


class MissingDays(ComplexModel):
    __namespace__ = REPORT_REQUEST_STATUS

    esiid = _one(Unicode)
    fromDate = _one(CalendarDate)
    toDate = _one(CalendarDate)
    code = _one(Code)
    reason = _one(Unicode)


class MissingUsage(_RequestHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    startDate = _one(CalendarDate)
    endDate = _one(CalendarDate)
    esiid = _many(EsiId, 1)


class MissingUsageResponse(_ResponseHeader):
    __namespace__ = REPORT_REQUEST_STATUS

    esiidDaysAsked = _one(Integer32)
    esiidDaysPresent = _one(Integer32)
    loadMark = _one(LoadMark)
    missing = _many(MissingDays)


class CertificateFacts(ComplexModel):
    __namespace__ = CONNECTIVITY

    subject = _one(Unicode)
    fingerprint = _one(Sha256)
    expiresAt = _one(DateTime)


class Ping(_RequestHeader):
    __namespace__ = CONNECTIVITY


class PingResponse(_ResponseHeader):
    __namespace__ = CONNECTIVITY

    companyName = _one(Unicode)
    dunsNumber = _many(DunsNumber, 1)
    tlsCertificate = _one(CertificateFacts)
    signingCertificate = _one(CertificateFacts)
    hubTime = _one(DateTime)
    clockSkewSeconds = _one(Decimal)
    environment = _one(Environment)


class SubscriptionFacts(ComplexModel):
    __namespace__ = SUBSCRIPTION

    subscriptionId = _one(CorrelationId)
    dunsNumber = _one(DunsNumber)
    dataType = _one(DataType)
    reportFormat = _one(ReportFormat)
    subscriptionFrequency = _one(Code)
    status = _one(Code)
    byDefault = _one(Boolean)
    startedAt = _one(DateTime)
    endedAt = _maybe(DateTime)
    lastPostedDate = _maybe(CalendarDate)
    loadMark = _one(LoadMark)


class NewSubscription(_RequestHeader):
    __namespace__ = SUBSCRIPTION

    dataType = _one(DataType)
    reportFormat = _one(ReportFormat)
    historicalSubscriptionDuration = _maybe(HistoryDuration)


class NewSubscriptionResponse(_Remembered):
    __namespace__ = SUBSCRIPTION

    subscriptionId = _one(CorrelationId)
    loadMark = _one(LoadMark)
    historyCorrelationId = _many(CorrelationId)


class UnSubscription(_RequestHeader):
    __namespace__ = SUBSCRIPTION

    subscriptionId = _one(CorrelationId)


class UnSubscriptionResponse(_Remembered):
    __namespace__ = SUBSCRIPTION

    subscriptionId = _one(CorrelationId)
    status = _one(Code)


class MySubscriptions(_RequestHeader):
    __namespace__ = SUBSCRIPTION


class MySubscriptionsResponse(_ResponseHeader):
    __namespace__ = SUBSCRIPTION

    subscription = _many(SubscriptionFacts)


class Premise(ComplexModel):
    __namespace__ = PREMISE_INFORMATION

    esiid = _one(EsiId)
    tdspDuns = _one(DunsNumber)
    serviceAddress = _maybe(Unicode)
    city = _maybe(Unicode)
    state = _maybe(Unicode)
    zip = _maybe(Unicode)
    premiseType = _maybe(Code)
    status = _one(Code)
    county = _maybe(Unicode)
    readCycle = _maybe(Unicode)
    loadProfile = _maybe(Unicode)
    stationCode = _maybe(Unicode)
    stationName = _maybe(Unicode)


class PremiseWithheld(ComplexModel):
    __namespace__ = PREMISE_INFORMATION

    esiid = _one(Unicode)
    code = _one(Code)
    reason = _one(Unicode)


class GetPremiseInformation(_RequestHeader):
    __namespace__ = PREMISE_INFORMATION

    esiid = _many(EsiId, 1)


class GetPremiseInformationResponse(_ResponseHeader):
    __namespace__ = PREMISE_INFORMATION

    premise = _many(Premise)
    withheld = _many(PremiseWithheld)


class Meter(ComplexModel):
    __namespace__ = METER_INFORMATION

    esiid = _one(EsiId)
    utilityCompanyId = _one(DunsNumber)
    meterSerialNumber = _one(Unicode)
    utilityMeterId = _maybe(Unicode)
    KWHMeterMultiplier = _maybe(Unicode)
    configuredChannels = _maybe(Unicode)
    manufacturerName = _maybe(Unicode)
    meterClass = _maybe(Unicode)
    intervalSetting = _maybe(Unicode)
    reverseFlowHandling = _maybe(Unicode)
    DGChannel = _maybe(Unicode)
    disconnect = _maybe(Unicode)
    meterStatus = _one(Unicode)
    meterPhases = _maybe(Unicode)
    meterModel = _maybe(Unicode)
    testDate = _maybe(CalendarDate)
    installationDate = _one(CalendarDate)
    initialProvisionDate = _maybe(CalendarDate)
    lastLoad = _one(LoadMark)
    communicationIndicator = _maybe(Unicode)
    instrumentRated = _maybe(Unicode)
    currentTransformersRatio = _maybe(Unicode)
    potentialTransformersRatio = _maybe(Unicode)
    esiFirmwareVersion = _maybe(Unicode)
    HANProtocol = _maybe(Unicode)
    smartEnergyProfile = _maybe(Unicode)


class MeterWithheld(ComplexModel):
    __namespace__ = METER_INFORMATION

    esiid = _one(Unicode)
    code = _one(Code)
    reason = _one(Unicode)


class GetMeterInformation(_RequestHeader):
    __namespace__ = METER_INFORMATION

    esiid = _many(EsiId, 1)


class GetMeterInformationResponse(_ResponseHeader):
    __namespace__ = METER_INFORMATION

    meter = _many(Meter)
    withheld = _many(MeterWithheld)
