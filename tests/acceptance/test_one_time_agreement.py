"""Document 001, P1.1 to P2.9: a one-time agreement from the request to the report, over SOAP, e-mail, HTTPS and FTPS.

The customer has nothing but a mailbox and a browser, and no account.
"""

from __future__ import annotations

import csv
import time
from typing import Any

import pytest
import zeep

from smt_ws.sandbox.build import COMPANIES
from smt_ws.sandbox.customer import Customer

LANTERN = next(duns for _name, kind, duns in COMPANIES if kind == "CSP")
EMAIL = "otto.once@home.example"


@pytest.fixture
def home(hub: Any) -> dict[str, str]:
    """A home whose one meter has always been there, and which no other test of agreements asks for."""
    special = {hub.market.special.exchanged[0], hub.market.special.new_home[0], hub.market.special.gap[0]}
    with hub.market.meters.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["ESIID"] not in special][-2]


def asked(third_party: Any, trans_id: str, home: dict[str, str], **more: Any) -> Any:
    wanted = {
        "agreementType": "ONE_TIME",
        "customerPermission": True,
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
        "contactName": "Ana Ruiz",
        "contactEmail": "ana.once@lantern-analytics.example",
        "reportType": "INTERVAL",
        "reportFormat": "CSV",
        "reportPeriod": "1M",
    }
    service = third_party.client("CSPAuthorization").service
    return service.NewAgreement(**third_party.header(trans_id), **(wanted | more))


def details_once(third_party: Any, number: str, status: str) -> Any:
    """The agreement as soon as it stands as *status*."""
    service = third_party.client("CSPAuthorization").service
    end = time.monotonic() + 90
    while True:
        details = service.AgreementDetails(**third_party.header("details"), agreementNumber=number)
        if details.status == status:
            return details
        assert time.monotonic() < end, f"agreement {number} is still {details.status}"
        time.sleep(0.3)


def test_001_p1_to_p2_a_one_time_agreement(hub: Any, home: dict[str, str], tmp_path: Any) -> None:
    third_party = hub.requester(LANTERN)
    service = third_party.client("CSPAuthorization").service
    ca = hub.sandbox.certificates / "ca.crt"
    customer = Customer(hub.settings, ca, EMAIL)
    contact = Customer(hub.settings, ca, "ana.once@lantern-analytics.example")

    # P1.3, P1.4: what the third party typed is checked; where it is wrong it is not told which part.
    with pytest.raises(zeep.exceptions.Fault, match="CUSTOMER_UNCONFIRMED"):
        asked(third_party, "wrong", home, meter=[{"esiid": home["ESIID"], "meterNumber": "1"}])
    (made,) = asked(third_party, "once", home).agreement
    number = made.agreementNumber
    # The same request again is the same request.
    again = asked(third_party, "once", home)
    assert (again.repeated, again.agreement[0].agreementNumber) == (True, number)

    # P1.5: stored, and Pending; P1.6: nothing is needed of the customer but the letter.
    listed = service.MyAgreements(**third_party.header("list"), searchBy="NUMBER", item=[number[:6] + "*", number])
    assert number in {one.agreementNumber for one in listed.agreement}
    assert [one.status for one in listed.agreement if one.agreementNumber == number] == ["PENDING"]

    # P1.7: the invitation, with the ESI ID masked to its last seven; P1.8: the third party's confirmation.
    letter = customer.wait_for(number)
    text = letter.get_body(("plain",)).get_content()
    assert "X" * 10 + home["ESIID"][-7:] in text
    assert home["ESIID"] not in text
    assert contact.wait_for(number)["Subject"] == f"Agreement {number}: the customer has been invited"

    # A13: sent again, once; the links of the first letter answer no more.
    first = customer.link(letter, "a")
    resent = service.ResendInvitation(**third_party.header("resend"), agreementNumber=number)
    assert (resent.status, resent.expiresOn) == ("PENDING", made.expiresOn)
    reminder = customer.wait_for("Reminder")
    customer.open(first)
    assert "/agreements" in customer.page, "the page of a revoked link leads to the list of agreements (A10)"
    accept = customer.link(reminder, "a")

    # P2.1: opening the link shows the request and decides nothing, however often a scanner of mail opens it.
    for _ in range(2):
        assert customer.open(accept) == "Do you accept?"
    assert service.AgreementDetails(**third_party.header("look"), agreementNumber=number).status == "PENDING"
    assert "Lantern Analytics" in customer.page

    # P2.2: accepted without logging in; P2.3, P2.4: both are written to.
    assert customer.press(accept) == "You have accepted"
    assert customer.wait_for(f"Agreement {number}: you have accepted")
    assert contact.wait_for(f"Agreement {number}: accepted")

    # P2.5, P2.6: the report is queued, made, and stands in the third party's folder; P2.7: all is Complete.
    details = details_once(third_party, number, "COMPLETE")
    status = third_party.wait(str(details.correlationId), lambda _status: None)
    assert status.order.esiidDaysAsked == status.order.esiidDaysDelivered + status.order.esiidDaysExcepted
    report = next(file.name for file in status.file if file.name.startswith("IntervalMeterUsage"))
    (fetched,) = third_party.fetch([report], tmp_path)
    rows = list(csv.DictReader(third_party.open(fetched, tmp_path).read_text().splitlines()))
    assert {row["ESIID"] for row in rows} == {home["ESIID"]}
    assert [(one.act, one.actor) for one in details.event] == [
        ("INITIATE", "INITIATOR"),
        ("RESEND", "INITIATOR"),
        ("ACCEPT", "CUSTOMER"),
        ("REPORT", "HUB"),
        ("COMPLETE", "HUB"),
    ]

    # P2.8: the third party is told, with the customer's name; P2.9: so is the customer.
    told = contact.wait_for(f"Agreement {number}: the report")
    assert "Otto Quast" in str(told["Subject"])
    assert customer.wait_for(f"{number}: the report has been sent")

    # What is complete is over: the link answers no more, and the data is closed again (BR-7).
    customer.open(accept)
    assert service.AgreementDetails(**third_party.header("look"), agreementNumber=number).youMay == []
    seen = service.AuthorizedESIIDs(**third_party.header("see"), afterEsiid=None)
    assert home["ESIID"] not in {one.esiid for one in seen.authorized}


def test_agreements_are_ended_in_bulk_each_answered_for_itself(hub: Any, home: dict[str, str]) -> None:
    """002 "Cancel Agreements"; A18, A20: over the wire, with what cannot be ended saying why."""
    third_party = hub.requester(LANTERN)
    service = third_party.client("CSPAuthorization").service
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
        hub.requester().client("CSPAuthorization").service.AgreementDetails(
            **hub.requester().header("not mine"), agreementNumber=number
        )
