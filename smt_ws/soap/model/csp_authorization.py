"""Messages of ``CSPAuthorization``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Boolean, ComplexModel, DateTime, Integer32, Unicode

from smt_ws.soap.model.types import (
    CSP_AUTHORIZATION,
    CalendarDate,
    Code,
    CorrelationId,
    EsiId,
    Remembered,
    ReportFormat,
    RequestHeader,
    ResponseHeader,
    many,
    maybe,
    one,
    simple,
)

__all__ = [
    "AgreementDetails",
    "AgreementDetailsResponse",
    "AgreementESIIDs",
    "AgreementESIIDsResponse",
    "AgreementEvent",
    "AgreementMade",
    "AgreementMeter",
    "AgreementSummary",
    "AuthorizedESIIDs",
    "AuthorizedESIIDsResponse",
    "AuthorizedEsiid",
    "ChangeAgreement",
    "ChangeAgreementResponse",
    "MeterAsked",
    "MyAgreements",
    "MyAgreementsResponse",
    "NewAgreement",
    "NewAgreementResponse",
    "ResendInvitation",
    "ResendInvitationResponse",
    "TerminateAgreement",
    "TerminateAgreementResponse",
    "TerminationResult",
]

AgreementNumber = simple("AgreementNumber", Unicode(pattern="[0-9]{12}"), CSP_AUTHORIZATION)
RequestedType = simple(
    "RequestedType", Unicode(values=["ONE_TIME", "ONGOING", "DEVICE", "DEVICE_SERVICES"]), CSP_AUTHORIZATION
)
AgreementType = simple(
    "AgreementType", Unicode(values=["ONE_TIME", "ONGOING", "DEVICE", "DEVICE_SERVICES", "REMOVAL"]), CSP_AUTHORIZATION
)
AgreementStatus = simple(
    "AgreementStatus",
    Unicode(
        values=[
            "PENDING",
            "ACTIVE",
            "EXTENSION_PENDING",
            "FROZEN",
            "COMPLETE",
            "REJECTED",
            "NOT_ACCEPTED",
            "EXPIRED",
            "TERMINATED",
            "CANCELLED",
        ]
    ),
    CSP_AUTHORIZATION,
)
CustomerType = simple("CustomerType", Unicode(values=["RESIDENTIAL", "BUSINESS"]), CSP_AUTHORIZATION)
Language = simple("Language", Unicode(values=["EN", "ES"]), CSP_AUTHORIZATION)
ReportType = simple("ReportType", Unicode(values=["INTERVAL", "DAILY", "MONTHLY"]), CSP_AUTHORIZATION)
ReportPeriod = simple("ReportPeriod", Unicode(values=["1D", "1M", "3M", "6M", "9M", "12M", "13M"]), CSP_AUTHORIZATION)
Service = simple("Service", Unicode(values=["ENERGY_DATA", "DEVICE", "DEVICE_SERVICES"]), CSP_AUTHORIZATION)
SearchCriterion = simple(
    "SearchCriterion",
    Unicode(values=["NUMBER", "CUSTOMER_LAST_NAME", "ESIID", "METER_NUMBER", "DEVICE_MAC_ADDRESS"]),
    CSP_AUTHORIZATION,
)
Basis = simple("Basis", Unicode(values=["SERVICE", "WIRES", "AGREEMENT"]), CSP_AUTHORIZATION)
Page = simple("Page", Integer32(ge=1, le=1_000_000), CSP_AUTHORIZATION)


class MeterAsked(ComplexModel):
    __namespace__ = CSP_AUTHORIZATION

    esiid = one(EsiId)
    meterNumber = maybe(Unicode)
    deviceMacAddress = many(Unicode)


class AgreementMade(ComplexModel):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    esiid = one(EsiId)
    meterNumber = one(Unicode)
    deviceMacAddress = maybe(Unicode)
    status = one(AgreementStatus)
    expiresOn = one(CalendarDate)


class AgreementSummary(ComplexModel):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    agreementType = one(AgreementType)
    status = one(AgreementStatus)
    esiid = maybe(EsiId)
    esiidCount = one(Integer32)
    customerLastName = one(Unicode)
    startDate = maybe(CalendarDate)
    endDate = maybe(CalendarDate)
    expiresOn = one(CalendarDate)


class AgreementMeter(ComplexModel):
    __namespace__ = CSP_AUTHORIZATION

    esiid = one(EsiId)
    meterNumber = one(Unicode)


class AgreementEvent(ComplexModel):
    __namespace__ = CSP_AUTHORIZATION

    at = one(DateTime)
    act = one(Code)
    actor = one(Code)
    status = one(AgreementStatus)


class TerminationResult(ComplexModel):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    code = one(Code)
    reason = one(Unicode)
    status = maybe(AgreementStatus)


class AuthorizedEsiid(ComplexModel):
    __namespace__ = CSP_AUTHORIZATION

    esiid = one(EsiId)
    basis = one(Basis)
    service = one(Service)
    fromDate = maybe(CalendarDate)
    toDate = maybe(CalendarDate)
    agreementNumber = maybe(AgreementNumber)


class NewAgreement(RequestHeader):
    __namespace__ = CSP_AUTHORIZATION

    agreementType = one(RequestedType)
    customerPermission = one(Boolean)
    registered = one(Boolean)
    customerEmail = maybe(Unicode)
    accountAuthorizationCode = maybe(Unicode)
    customerType = maybe(CustomerType)
    firstName = maybe(Unicode)
    middleInitial = maybe(Unicode)
    lastName = maybe(Unicode)
    title = maybe(Unicode)
    companyName = maybe(Unicode)
    street = maybe(Unicode)
    city = maybe(Unicode)
    state = maybe(Unicode)
    zip = maybe(Unicode)
    phone = maybe(Unicode)
    languagePreference = maybe(Language)
    allMeters = maybe(Boolean)
    meter = many(MeterAsked)
    contactName = maybe(Unicode)
    contactPhone = maybe(Unicode)
    contactEmail = maybe(Unicode)
    comments = maybe(Unicode)
    reportType = maybe(ReportType)
    reportFormat = maybe(ReportFormat)
    reportPeriod = maybe(ReportPeriod)
    service = many(Service)
    durationMonths = maybe(Integer32)
    historyMonths = maybe(Integer32)


class NewAgreementResponse(Remembered):
    __namespace__ = CSP_AUTHORIZATION

    agreement = many(AgreementMade, at_least=1)


class ResendInvitation(RequestHeader):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)


class ResendInvitationResponse(Remembered):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    status = one(AgreementStatus)
    expiresOn = one(CalendarDate)


class MyAgreements(RequestHeader):
    __namespace__ = CSP_AUTHORIZATION

    searchBy = maybe(SearchCriterion)
    item = many(Unicode)
    agreementType = maybe(AgreementType)
    status = maybe(AgreementStatus)
    page = maybe(Page)


class MyAgreementsResponse(ResponseHeader):
    __namespace__ = CSP_AUTHORIZATION

    page = one(Page)
    pageCount = one(Integer32)
    totalCount = one(Integer32)
    agreement = many(AgreementSummary)


class AgreementDetails(RequestHeader):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)


class AgreementDetailsResponse(ResponseHeader):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    agreementType = one(AgreementType)
    status = one(AgreementStatus)
    customerType = one(CustomerType)
    firstName = one(Unicode)
    middleInitial = maybe(Unicode)
    lastName = one(Unicode)
    companyName = maybe(Unicode)
    serviceAddress = maybe(Unicode)
    customerEmail = maybe(Unicode)
    customerPhone = maybe(Unicode)
    contactName = one(Unicode)
    contactPhone = maybe(Unicode)
    contactEmail = one(Unicode)
    comments = maybe(Unicode)
    allMeters = one(Boolean)
    meter = many(AgreementMeter)
    deviceMacAddress = maybe(Unicode)
    deviceState = maybe(Unicode)
    service = many(Service)
    reportType = maybe(ReportType)
    reportFormat = maybe(ReportFormat)
    reportPeriod = maybe(ReportPeriod)
    correlationId = maybe(CorrelationId)
    durationMonths = maybe(Integer32)
    historyMonths = maybe(Integer32)
    initiatedAt = one(DateTime)
    expiresOn = one(CalendarDate)
    acceptedAt = maybe(DateTime)
    endDate = maybe(CalendarDate)
    askedEndDate = maybe(CalendarDate)
    youMay = many(Code)
    event = many(AgreementEvent, at_least=1)


class AgreementESIIDs(RequestHeader):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    page = maybe(Page)


class AgreementESIIDsResponse(ResponseHeader):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    meter = many(AgreementMeter)
    more = one(Boolean)


class ChangeAgreement(RequestHeader):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    endDate = maybe(CalendarDate)
    service = many(Service)
    dropEsiid = many(EsiId)


class ChangeAgreementResponse(Remembered):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = one(AgreementNumber)
    status = one(AgreementStatus)
    service = many(Service)
    endDate = maybe(CalendarDate)
    askedEndDate = maybe(CalendarDate)


class TerminateAgreement(RequestHeader):
    __namespace__ = CSP_AUTHORIZATION

    agreementNumber = many(AgreementNumber, at_least=1)


class TerminateAgreementResponse(Remembered):
    __namespace__ = CSP_AUTHORIZATION

    result = many(TerminationResult, at_least=1)


class AuthorizedESIIDs(RequestHeader):
    __namespace__ = CSP_AUTHORIZATION

    afterEsiid = maybe(EsiId)


class AuthorizedESIIDsResponse(ResponseHeader):
    __namespace__ = CSP_AUTHORIZATION

    authorized = many(AuthorizedEsiid)
    more = one(Boolean)
