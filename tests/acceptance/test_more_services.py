"""Subscriptions, premise and meter information, changes and missing usage, by a REP's program over the wire.

Thin on purpose: what each of them does is tested beside its use case. Here zeep reads the served WSDLs, signs, calls
the running hub over mutual TLS and verifies its answers.
"""

from __future__ import annotations

from typing import Any

import pytest
import zeep

#: Nobody's, but of the right form.
NOBODY = "10443729999999999"


@pytest.fixture(scope="module")
def rep(hub: Any) -> Any:
    """The first REP's program."""
    return hub.requester()


@pytest.fixture(scope="module")
def mine(hub: Any) -> str:
    """An ESI ID that the first REP serves on all days."""
    switched = hub.market.special.switched[0]
    rows = [line.split(",") for line in hub.market.rep_of_record.read_text().splitlines()]
    return next(row[0] for row in rows if row[1] == hub.requester().player.duns and row[0] != switched)


def done(rep: Any, number: str) -> Any:
    status = rep.wait(number, lambda _status: None)
    assert status.order.status in {"COMPLETE", "COMPLETE_WITH_EXCEPTIONS"}
    return status


def test_subscriptions_are_listed_ended_and_begun_with_history_r8(rep: Any) -> None:
    service = rep.client("Subscription").service
    listed = service.MySubscriptions(**rep.header("mine")).subscription
    (interval,) = [one for one in listed if one.dataType == "INTERVAL"]
    assert (interval.reportFormat, interval.status, interval.byDefault) == ("LSE", "ACTIVE", True)
    wanted = {"dataType": "INTERVAL", "reportFormat": "CSV", "historicalSubscriptionDuration": "3"}
    with pytest.raises(zeep.exceptions.Fault, match="SUBSCRIPTION_ALREADY_ACTIVE"):
        service.NewSubscription(**rep.header("new"), **wanted)
    ended = service.UnSubscription(**rep.header("end"), subscriptionId=interval.subscriptionId)
    assert (ended.status, ended.subscriptionId) == ("ENDED", interval.subscriptionId)
    with pytest.raises(zeep.exceptions.Fault, match="SUBSCRIPTION_UNKNOWN"):
        service.UnSubscription(**rep.header("end again"), subscriptionId=interval.subscriptionId)
    new = service.NewSubscription(**rep.header("new"), **wanted)
    again = service.NewSubscription(**rep.header("new"), **wanted)
    assert (again.repeated, again.subscriptionId) == (True, new.subscriptionId)
    (history,) = new.historyCorrelationId
    assert done(rep, history).order.serviceType == "ADHOC"
    states = {one.subscriptionId: one.status for one in service.MySubscriptions(**rep.header("mine")).subscription}
    assert (states[new.subscriptionId], states[interval.subscriptionId]) == ("ACTIVE", "ENDED")


def test_changes_since_a_mark_come_as_an_order_with_the_next_mark_r13(rep: Any) -> None:
    service = rep.client("MeterUsage").service
    first = service.RequestChanges(**rep.header("all"), loadMark=0, reportFormat="CSV")
    assert first.esiidDays > 0
    status = done(rep, first.correlationId)
    assert (status.order.loadMark, status.order.esiidDaysDelivered) == (first.loadMark, first.esiidDays)
    assert status.order.esiidDaysExcepted == 0
    second = service.RequestChanges(**rep.header("since"), loadMark=first.loadMark, reportFormat="LSE")
    assert (second.esiidDays, second.loadMark) == (0, first.loadMark)
    assert [file.state for file in done(rep, second.correlationId).file] == ["PUBLISHED"]
    with pytest.raises(zeep.exceptions.Fault, match="LOAD_MARK_UNKNOWN"):
        service.RequestChanges(**rep.header("beyond"), loadMark=first.loadMark + 1, reportFormat="CSV")


def test_missing_usage_is_told_with_reasons_r14(rep: Any, hub: Any, mine: str) -> None:
    days = {"startDate": "11/01/2026", "endDate": "11/05/2026"}
    found = rep.client("ReportRequestStatus").service.MissingUsage(
        **rep.header("missing"), **days, esiid=[mine, NOBODY]
    )
    assert found.esiidDaysAsked == 10
    (nobody,) = [one for one in found.missing if one.esiid == NOBODY]
    assert (nobody.code, nobody.fromDate, nobody.toDate) == ("ESIID_UNKNOWN", "11/01/2026", "11/05/2026")
    assert nobody.reason


def test_premises_and_meters_are_told_of_or_withheld_with_the_reason(rep: Any, mine: str) -> None:
    found = rep.client("PremiseInformation").service.GetPremiseInformation(**rep.header("p"), esiid=[mine, NOBODY])
    (premise,) = found.premise
    assert (premise.esiid, premise.state) == (mine, "TX")
    assert [(one.esiid, one.code) for one in found.withheld] == [(NOBODY, "ESIID_UNKNOWN")]
    found = rep.client("MeterInformation").service.GetMeterInformation(**rep.header("m"), esiid=[NOBODY, mine])
    (meter,) = found.meter
    assert (meter.esiid, meter.meterStatus, meter.utilityCompanyId) == (mine, "PROVISIONED", premise.tdspDuns)
    assert [one.esiid for one in found.withheld] == [NOBODY]
