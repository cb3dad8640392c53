"""Messages of ``Subscription``."""

# the shim must be imported before Spyne; attributes are named as on the wire; what a message means is written in xsd/
# ruff: noqa: I001, N815, D101
from __future__ import annotations

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Boolean, ComplexModel, DateTime

from smt_ws.soap.model.types import (
    CalendarDate,
    Code,
    CorrelationId,
    DataType,
    DunsNumber,
    HistoryDuration,
    LoadMark,
    Remembered,
    ReportFormat,
    RequestHeader,
    ResponseHeader,
    SUBSCRIPTION,
    many,
    maybe,
    one,
)

__all__ = [
    "MySubscriptions",
    "MySubscriptionsResponse",
    "NewSubscription",
    "NewSubscriptionResponse",
    "SubscriptionFacts",
    "UnSubscription",
    "UnSubscriptionResponse",
]


class SubscriptionFacts(ComplexModel):
    __namespace__ = SUBSCRIPTION

    subscriptionId = one(CorrelationId)
    dunsNumber = one(DunsNumber)
    dataType = one(DataType)
    reportFormat = one(ReportFormat)
    subscriptionFrequency = one(Code)
    status = one(Code)
    byDefault = one(Boolean)
    startedAt = one(DateTime)
    endedAt = maybe(DateTime)
    lastPostedDate = maybe(CalendarDate)
    loadMark = one(LoadMark)


class NewSubscription(RequestHeader):
    __namespace__ = SUBSCRIPTION

    dataType = one(DataType)
    reportFormat = one(ReportFormat)
    historicalSubscriptionDuration = maybe(HistoryDuration)


class NewSubscriptionResponse(Remembered):
    __namespace__ = SUBSCRIPTION

    subscriptionId = one(CorrelationId)
    loadMark = one(LoadMark)
    historyCorrelationId = many(CorrelationId)


class UnSubscription(RequestHeader):
    __namespace__ = SUBSCRIPTION

    subscriptionId = one(CorrelationId)


class UnSubscriptionResponse(Remembered):
    __namespace__ = SUBSCRIPTION

    subscriptionId = one(CorrelationId)
    status = one(Code)


class MySubscriptions(RequestHeader):
    __namespace__ = SUBSCRIPTION


class MySubscriptionsResponse(ResponseHeader):
    __namespace__ = SUBSCRIPTION

    subscription = many(SubscriptionFacts)
