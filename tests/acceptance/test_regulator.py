"""A regulator orders, fetches and asks over the wire, each time with a reason that is audited (R5, R20)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import zeep
from sqlalchemy import select
from whole_hub import RunningHub

from smt_ws.clock import real_now
from smt_ws.sandbox.build import Player, register
from smt_ws.sandbox.certificates import file_stem, make_sample_certificates
from smt_ws.sandbox.requester import Requester
from smt_ws.store.tables import audit_log

NAME, DUNS = "Utility Commission", "555555555"
REASON = "Complaint 26-1042: the customer disputes two days."


@pytest.fixture(scope="module")
def regulator(hub: RunningHub) -> Requester:
    """The program of a regulator that the operator has just registered."""
    make_sample_certificates(hub.sandbox.certificates, {NAME: DUNS}, now=real_now())
    player = Player(NAME, "REG", DUNS, hub.sandbox.folder / "companies" / file_stem(NAME))
    opened = hub.sandbox.hub()
    register(opened, hub.sandbox, player)
    opened.store.close()
    return Requester(hub.sandbox, player, hub.settings)


@pytest.fixture(scope="module")
def esiid(hub: RunningHub) -> str:
    """A home of the market."""
    return hub.market.special.solar


def audited(hub: RunningHub, event: str) -> list[str | None]:
    """The reasons in the audit log's lines of *event* by the regulator's certificates, oldest first."""
    opened = hub.sandbox.hub()
    with opened.store.read() as connection:
        lines = connection.execute(
            select(audit_log.c.details, audit_log.c.actor).where(audit_log.c.event == event).order_by(audit_log.c.id)
        ).all()
    opened.store.close()
    return [line.details["reason"] for line in lines if "reason" in line.details]


def test_without_a_reason_the_refusal_says_so_r20(regulator: Requester, esiid: str) -> None:
    days = {"startDate": "11/02/2026", "endDate": "11/03/2026"}
    usage, status = regulator.client("MeterUsage").service, regulator.client("ReportRequestStatus").service
    calls: list[tuple[Any, dict[str, Any]]] = [
        (usage.RequestIntervalData, days | {"reportFormat": "CSV", "esiid": [esiid]}),
        (usage.RequestDailyReads, days | {"reportFormat": "CSV", "esiid": [esiid]}),
        (usage.RequestMonthlyBilling, days | {"reportFormat": "CSV", "esiid": [esiid]}),
        (usage.RequestIntervalData, days | {"reportFormat": "CSV", "esiid": [esiid], "deliveryMode": "API"}),
        (usage.RequestChanges, {"loadMark": 0, "reportFormat": "CSV"}),
        (status.MissingUsage, days | {"esiid": [esiid]}),
        (regulator.client("PremiseInformation").service.GetPremiseInformation, {"esiid": [esiid]}),
        (regulator.client("MeterInformation").service.GetMeterInformation, {"esiid": [esiid]}),
    ]
    for operation, asked in calls:
        with pytest.raises(zeep.exceptions.Fault, match=r"STATED_REASON_MISSING.*in the element reason"):
            operation(**regulator.header("unstated"), **asked)
        # long enough for the schema, and nothing but blanks
        with pytest.raises(zeep.exceptions.Fault, match="STATED_REASON_MISSING"):
            operation(**regulator.header("blank"), **asked, reason=" " * 12)
        with pytest.raises(zeep.exceptions.Fault, match="SCHEMA_VIOLATION"):
            operation(**regulator.header("short"), **asked, reason="why")


def test_with_a_reason_it_orders_fetches_and_decrypts_and_the_audit_log_has_it_r20(
    hub: RunningHub, regulator: Requester, esiid: str, tmp_path: Path
) -> None:
    ordered = regulator.client("MeterUsage").service.RequestIntervalData(
        **regulator.header("stated"),
        startDate="11/02/2026",
        endDate="11/03/2026",
        reportFormat="CSV",
        esiid=[esiid, "10443729999999999"],
        reason=REASON,
    )
    assert (ordered.esiidsAsked, ordered.esiidsRefused) == (2, 1)
    status = regulator.wait(ordered.correlationId, lambda _status: None, timeout=180)
    assert (status.order.status, status.order.esiidDaysDelivered) == ("COMPLETE_WITH_EXCEPTIONS", 2)
    names = [file.name for file in status.file if file.state == "PUBLISHED"]
    opened = [regulator.open(path, tmp_path) for path in regulator.fetch(names, tmp_path)]
    (usage,) = [path for path in opened if path.name.startswith("IntervalMeterUsage")]
    days = {tuple(line.split(",")[:2]) for line in usage.read_text().splitlines()[1:]}
    assert days == {(esiid, "11/02/2026"), (esiid, "11/03/2026")}
    assert audited(hub, "order:place:accepted") == [REASON]


def test_every_other_question_of_a_regulator_is_answered_with_a_reason_and_audited_r20(
    hub: RunningHub, regulator: Requester, esiid: str
) -> None:
    days = {"startDate": "11/02/2026", "endDate": "11/03/2026", "esiid": [esiid]}
    usage = regulator.client("MeterUsage").service
    inline = usage.RequestIntervalData(
        **regulator.header("inline"), **days, reportFormat="CSV", deliveryMode="API", reason="inline answer"
    )
    assert inline.report.esiidDaysDelivered == 2
    missing = regulator.client("ReportRequestStatus").service.MissingUsage(
        **regulator.header("missing"), **days, reason="missing usage"
    )
    assert missing.esiidDaysPresent == 2
    premise = regulator.client("PremiseInformation").service.GetPremiseInformation(
        **regulator.header("premise"), esiid=[esiid], reason="where it is"
    )
    assert [one.esiid for one in premise.premise] == [esiid]
    meter = regulator.client("MeterInformation").service.GetMeterInformation(
        **regulator.header("meter"), esiid=[esiid], reason="which meter"
    )
    assert [one.esiid for one in meter.meter] == [esiid]
    changes = usage.RequestChanges(
        **regulator.header("changes"), loadMark=0, reportFormat="CSV", reason="all that has changed"
    )
    assert changes.esiids >= 20
    assert audited(hub, "usage:answer:done") == ["inline answer"]
    assert audited(hub, "usage:missing:shown") == ["missing usage"]
    assert audited(hub, "premise:information:shown") + audited(hub, "meter:information:shown") == [
        "where it is",
        "which meter",
    ]
    assert audited(hub, "order:place:accepted")[-1] == "all that has changed"
