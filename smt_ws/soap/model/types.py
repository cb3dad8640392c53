"""What the services' messages are made of: namespaces, simple types, and how every request and answer begins."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815
from __future__ import annotations

from typing import Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Boolean, ComplexModel, DateTime, Integer32, Integer64, Unicode, XmlAttribute

from adapters.soap.models import (
    COMMON,
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
    "COMMON",
    "CONNECTIVITY",
    "CSP_AUTHORIZATION",
    "METER_INFORMATION",
    "METER_USAGE",
    "PREMISE_INFORMATION",
    "REPORT_REQUEST_STATUS",
    "REQUESTER_CALLBACK",
    "SUBSCRIPTION",
    "CalendarDate",
    "Code",
    "CorrelationId",
    "DataType",
    "DeliveryMode",
    "DunsNumber",
    "Environment",
    "EsiId",
    "HistoryDuration",
    "LoadMark",
    "Page",
    "ReadingType",
    "Remembered",
    "ReportFormat",
    "RequestHeader",
    "RequesterType",
    "ResponseHeader",
    "ServiceId",
    "ServiceType",
    "Sha256",
    "StatedReason",
    "TermsAccepted",
    "TransactionId",
    "Version",
    "many",
    "maybe",
    "one",
    "simple",
]


METER_USAGE: Final = "urn:smt-ws:MeterUsage:1"
REPORT_REQUEST_STATUS: Final = "urn:smt-ws:ReportRequestStatus:1"
CONNECTIVITY: Final = "urn:smt-ws:Connectivity:1"
SUBSCRIPTION: Final = "urn:smt-ws:Subscription:1"
PREMISE_INFORMATION: Final = "urn:smt-ws:PremiseInformation:1"
METER_INFORMATION: Final = "urn:smt-ws:MeterInformation:1"
CSP_AUTHORIZATION: Final = "urn:smt-ws:CSPAuthorization:1"
REQUESTER_CALLBACK: Final = "urn:smt-ws:RequesterCallback:1"


RequesterType = simple("RequesterType", Unicode(values=["REP", "ROR", "CSP", "TDSP", "REG"]), COMMON)
TermsAccepted = simple("TermsAccepted", Unicode(pattern="[Yy]"), COMMON)
CalendarDate = simple("CalendarDate", Unicode(pattern="(0[1-9]|1[0-2])/(0[1-9]|[12][0-9]|3[01])/[12][0-9]{3}"), COMMON)
CorrelationId = simple("CorrelationId", Unicode(pattern="[0-9]{1,19}"), COMMON)
Version = simple("Version", Unicode(values=["L", "A"]), COMMON)
ReadingType = simple("ReadingType", Unicode(values=["C", "G", "A"]), COMMON)
ReportFormat = simple("ReportFormat", Unicode(values=["CSV", "XML", "LSE"]), COMMON)
DeliveryMode = simple("DeliveryMode", Unicode(values=["API", "FTP", "EML"]), COMMON)
ServiceType = simple("ServiceType", Unicode(values=["ADHOC", "SUBSCRIPTION"]), COMMON)
LoadMark = simple("LoadMark", Integer64(ge=0), COMMON)
StatedReason = simple("StatedReason", Unicode(min_len=10, max_len=500), COMMON)
Sha256 = simple("Sha256", Unicode(pattern="[0-9a-f]{64}"), COMMON)
Page = simple("Page", Integer32(ge=1, le=1_000_000), REPORT_REQUEST_STATUS)
DataType = simple("DataType", Unicode(values=["INTERVAL", "DAILY", "MONTHLY"]), SUBSCRIPTION)
HistoryDuration = simple("HistoryDuration", Unicode(values=["3", "6", "9", "12", "24"]), SUBSCRIPTION)
Environment = simple("Environment", Unicode(values=["sandbox", "production"]), CONNECTIVITY)


class RequestHeader(ComplexModel):
    """Begins every request; a mixin, so that its elements stand in the namespace of the service."""

    __mixin__ = True

    trans_id = one(TransactionId)
    requestorID = one(ServiceId)
    requesterType = one(RequesterType)
    requesterAuthenticationID = one(DunsNumber)
    SMTTermsandConditions = one(TermsAccepted)


class Remembered(ComplexModel):
    """The answer of an operation that changes something and that may be given a second time."""

    __mixin__ = True

    trans_id = one(TransactionId)
    statusCode = one(Code)
    statusReason = one(Unicode)
    repeated = XmlAttribute(Boolean, use="optional")
    firstAnsweredAt = XmlAttribute(DateTime, use="optional")
