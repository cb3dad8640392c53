"""The services' messages as Spyne models. The published XSDs are the truth: a test holds these equal.

Only models: what they mean, in which units, is written in ``xsd/``. A big list (``esiid``) reaches a service method as
a list of the strings that were sent, malformed ones included.
"""

from __future__ import annotations

from smt_ws.soap.model.connectivity import CertificateFacts, Ping, PingResponse
from smt_ws.soap.model.information import (
    GetMeterInformation,
    GetMeterInformationResponse,
    GetPremiseInformation,
    GetPremiseInformationResponse,
    Meter,
    MeterWithheld,
    Premise,
    PremiseWithheld,
)
from smt_ws.soap.model.meter_usage import (
    CancelRequest,
    CancelRequestResponse,
    InlineReport,
    ReportException,
    RequestChanges,
    RequestChangesResponse,
    RequestDailyReads,
    RequestDailyReadsResponse,
    RequestIntervalData,
    RequestIntervalDataResponse,
    RequestMonthlyBilling,
    RequestMonthlyBillingResponse,
)
from smt_ws.soap.model.report_request_status import (
    DeliveredFile,
    ExceptionCount,
    GetStatus,
    GetStatusResponse,
    ListRequests,
    ListRequestsResponse,
    MissingDays,
    MissingUsage,
    MissingUsageResponse,
    OrderSummary,
)
from smt_ws.soap.model.subscription import (
    MySubscriptions,
    MySubscriptionsResponse,
    NewSubscription,
    NewSubscriptionResponse,
    SubscriptionFacts,
    UnSubscription,
    UnSubscriptionResponse,
)
from smt_ws.soap.model.types import (
    CONNECTIVITY,
    METER_INFORMATION,
    METER_USAGE,
    PREMISE_INFORMATION,
    REPORT_REQUEST_STATUS,
    SUBSCRIPTION,
)

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
