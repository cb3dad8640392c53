"""Document 001, P1.1 to P2.9: a one-time agreement from the request to the report, and what time does to it.

Over SOAP, SMTP, HTTPS and FTPS against a running hub whose clock is moved. The customer has nothing but a mailbox and a
browser, and no account; the third party's people of the storyboard are its program here.
"""

from __future__ import annotations

import csv
from datetime import date, datetime
from typing import Any

import pytest
import zeep
from storyboard import Stage, until

from smt_ws.clock import CENTRAL
from smt_ws.sandbox.build import COMPANIES

LANTERN = next(duns for _name, kind, duns in COMPANIES if kind == "CSP")
EMAIL = "otto.once@home.example"
CONTACT = "ana.once@lantern-analytics.example"


def central(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=CENTRAL)  # type: ignore[arg-type,misc]


def asked(third_party: Any, trans_id: str, home: dict[str, str], **more: Any) -> Any:
    """P1.1: what the third party has collected from the customer; P1.3: it affirms, and submits."""
    collected = {
        "registered": False,
        "customerEmail": EMAIL,
        "customerType": "RESIDENTIAL",
        "firstName": "Otto",
        "lastName": "Quast",
        "street": "1 Main St",
        "city": "Austin",
        "state": "TX",
        "zip": "78701",
        "meter": [{"esiid": home["ESIID"], "meterNumber": home["METER_NUMBER"]}],
    }
    wanted = {
        "agreementType": "ONE_TIME",
        "customerPermission": True,
        "contactName": "Ana Ruiz",
        "contactEmail": CONTACT,
        "reportType": "INTERVAL",
        "reportFormat": "CSV",
        "reportPeriod": "3M",
    }
    service = third_party.client("CSPAuthorization").service
    return service.NewAgreement(**third_party.header(trans_id), **(collected | wanted | more))


def test_001_p1_1_to_p2_9_a_one_time_agreement(stage: Stage, tmp_path: Any) -> None:
    third_party, service = stage.authorization()
    customer, contact, home = stage.person(EMAIL), stage.person(CONTACT), stage.homes[-2]
    esiid = home["ESIID"]

    def details(number: str) -> Any:
        return service.AgreementDetails(**third_party.header("details"), agreementNumber=number)

    # P1.2, P1.3: what the third party typed is checked; where it is wrong it is not told which part.
    for wrong in ({"meter": [{"esiid": esiid, "meterNumber": "1"}]}, {"registered": True, "customerEmail": EMAIL}):
        with pytest.raises(zeep.exceptions.Fault, match=r"CUSTOMER_UNCONFIRMED|AGREEMENT_FIELD"):
            asked(third_party, "wrong", home, **wrong)
    with pytest.raises(zeep.exceptions.Fault, match="ATTESTATION_MISSING"):
        asked(third_party, "not affirmed", home, customerPermission=False)
    # P1.4: success is told; the same request again is the same request.
    (made,) = asked(third_party, "once", home).agreement
    number = made.agreementNumber
    again = asked(third_party, "once", home)
    assert (again.repeated, again.agreement[0].agreementNumber) == (True, number)

    # P1.5: stored, and Pending; P1.6: nothing is needed of the customer but the letter.
    listed = service.MyAgreements(**third_party.header("list"), searchBy="NUMBER", item=[number[:6] + "*", number])
    assert [one.status for one in listed.agreement if one.agreementNumber == number] == ["PENDING"]

    # P1.7: the invitation, with the ESI ID masked to its last seven; P1.8: the third party's confirmation.
    letter = customer.wait_for(number)
    text = letter.get_body(("plain",)).get_content()
    assert "X" * 10 + esiid[-7:] in text
    assert esiid not in text
    assert contact.wait_for(number)["Subject"] == f"Agreement {number}: the customer has been invited"

    # A13: nine days later it is sent again, once; the links of the first letter answer no more (A10).
    stage.go_to(central(2026, 11, 29, 12, 0))
    first = customer.link(letter, "a")
    resent = service.ResendInvitation(**third_party.header("resend"), agreementNumber=number)
    assert (resent.status, resent.expiresOn) == ("PENDING", made.expiresOn)
    accept = customer.link(customer.wait_for("Reminder"), "a")
    assert customer.open(first) == "This invitation has expired: the agreement has changed"
    assert "/agreements" in customer.page
    with pytest.raises(zeep.exceptions.Fault, match="RESEND_LIMIT"):
        service.ResendInvitation(**third_party.header("again"), agreementNumber=number)

    # P2.1, on the last evening: opening the link shows the request and decides nothing, however often a scanner does.
    stage.go_to(central(2026, 12, 20, 23, 50))
    for _ in range(2):
        assert customer.open(accept) == "Do you accept?"
    assert "Lantern Analytics" in customer.page
    assert details(number).status == "PENDING"

    # P2.2: accepted without logging in; P2.3, P2.4: both are written to, the customer with a copy.
    assert customer.press(accept) == "You have accepted"
    copy = customer.wait_for(f"Agreement {number}: you have accepted").get_body(("plain",)).get_content()
    assert "X" * 10 + esiid[-7:] in copy
    contact.wait_for(f"Agreement {number}: accepted")

    # P2.5: the report is queued, three months back from the acceptance (A11); P2.7: in the end all is Complete.
    done = until(lambda: details(number), lambda one: one.status == "COMPLETE")
    order = str(done.correlationId)
    status = third_party.wait(order, lambda _status: None)
    assert status.order.esiidDaysAsked == (date(2026, 12, 20) - date(2026, 9, 20)).days
    assert status.order.esiidDaysAsked == status.order.esiidDaysDelivered + status.order.esiidDaysExcepted
    assert [(one.act, one.actor) for one in done.event] == [
        ("INITIATE", "INITIATOR"),
        ("RESEND", "INITIATOR"),
        ("ACCEPT", "CUSTOMER"),
        ("REPORT", "HUB"),
        ("COMPLETE", "HUB"),
    ]

    # P2.6: it stands in the third party's folder, encrypted to it, and holds this customer's days alone.
    report = next(file.name for file in status.file if file.name.startswith("IntervalMeterUsage"))
    (fetched,) = third_party.fetch([report], tmp_path)
    rows = list(csv.DictReader(third_party.open(fetched, tmp_path).read_text().splitlines()))
    assert {row["ESIID"] for row in rows} == {esiid}
    days = {row["USAGE_DATE"] for row in rows}
    assert min(days) == "09/20/2026"
    assert len(days) == status.order.esiidDaysDelivered

    # P2.8: the third party is told, with the customer's name; P2.9: so is the customer.
    assert "Otto Quast" in str(contact.wait_for(f"Agreement {number}: the report")["Subject"])
    customer.wait_for(f"{number}: the report has been sent")

    # What is complete is over: the link answers no more, and the data is closed again (BR-7).
    assert customer.open(accept) == "This invitation has been answered already"
    assert details(number).youMay == []
    seen = service.AuthorizedESIIDs(**third_party.header("see"), afterEsiid=None)
    assert esiid not in {one.esiid for one in seen.authorized}

    # A second request is not answered in time: at midnight it is over, and the night's work tells the third party.
    (made,) = asked(third_party, "twice", home).agreement
    second = made.agreementNumber
    accept = customer.link(customer.wait_for(f"agreement {second}"), "a")
    stage.go_to(central(2027, 1, 19, 23, 59, 30))
    assert customer.open(accept) == "Do you accept?"
    stage.go_to(central(2027, 1, 20, 0, 1))
    assert customer.press(accept) == "This invitation has expired"
    stage.go_to(central(2027, 1, 20, 0, 20))
    contact.wait_for(f"Agreement {second}: not accepted in time")
    assert details(second).status == "NOT_ACCEPTED"
    assert customer.open(accept) == "This invitation has expired"
    with pytest.raises(zeep.exceptions.Fault, match="AGREEMENT_STATE"):
        service.ResendInvitation(**third_party.header("revive"), agreementNumber=second)
    # The report was kept ten days (R7); the agreement stays Complete.
    status = until(lambda: third_party.wait(order, lambda _status: None), lambda one: one.order.status == "EXPIRED")
    assert details(number).status == "COMPLETE"

    # BR-10: the third is the last within 365 days of the first, whatever became of the others.
    asked(third_party, "third", home)
    stage.go_to(central(2027, 11, 20, 8, 0))
    with pytest.raises(zeep.exceptions.Fault, match="ONE_TIME_LIMIT"):
        asked(third_party, "fourth", home)
    stage.go_to(central(2027, 11, 21, 8, 0))
    asked(third_party, "fifth", home)

    # A16: what ended is kept three years for audit, and then is gone.
    stage.go_to(central(2029, 12, 20, 12, 0))
    assert details(number).status == "COMPLETE"
    stage.go_to(central(2029, 12, 22, 0, 10))

    def gone() -> str:
        try:
            return str(details(number).status)
        except zeep.exceptions.Fault as fault:
            return str(fault.message)

    assert "AGREEMENT_UNKNOWN" in until(gone, lambda told: told != "COMPLETE")
    assert details(second).status == "NOT_ACCEPTED"


def test_agreements_are_ended_in_bulk_each_answered_for_itself(stage: Stage) -> None:
    """002 "Cancel Agreements"; A18, A20: over the wire, with what cannot be ended saying why."""
    (third_party, service), home = stage.authorization(), stage.homes[-2]
    monthly = {"reportType": None, "reportFormat": None, "reportPeriod": None}
    (made,) = asked(third_party, "bulk", home, agreementType="DEVICE", **monthly).agreement
    number = made.agreementNumber
    with pytest.raises(zeep.exceptions.Fault, match="AGREEMENT_STATE"):
        service.ChangeAgreement(**third_party.header("change"), agreementNumber=number, dropEsiid=[home["ESIID"]])
    listed = service.AgreementESIIDs(**third_party.header("meters"), agreementNumber=number)
    assert [(one.esiid, one.meterNumber) for one in listed.meter] == [(home["ESIID"], home["METER_NUMBER"])]
    ended = service.TerminateAgreement(**third_party.header("end"), agreementNumber=[number, "010100000001"])
    assert [(one.code, one.status) for one in ended.result] == [("0", "CANCELLED"), ("AGREEMENT_UNKNOWN", None)]
    with pytest.raises(zeep.exceptions.Fault, match="AGREEMENT_UNKNOWN"):
        stage.requester().client("CSPAuthorization").service.AgreementDetails(
            **stage.requester().header("not mine"), agreementNumber=number
        )
