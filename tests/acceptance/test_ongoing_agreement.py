"""Document 002, P1 to P4: ongoing agreements from the request to their end, and what time does to them.

Over SOAP, SMTP, HTTPS and FTPS against a running hub whose clock is moved. The customer has nothing but a mailbox and a
browser; the third party's people of the storyboard are its program here.
"""

from __future__ import annotations

import csv
import re
from datetime import datetime
from typing import Any

import pytest
import zeep
from storyboard import Person, Stage

from smt_ws.clock import CENTRAL

EMAIL = "dora.ongoing@home.example"
CONTACT = "ana.ongoing@lantern-analytics.example"
PASSWORD = "four quiet purple herons"
DAYS = {"startDate": "10/01/2026", "endDate": "10/03/2026"}


def central(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=CENTRAL)  # type: ignore[arg-type,misc]


def days_seen(third_party: Any, esiid: str) -> int:
    answer = third_party.client("MeterUsage").service.RequestIntervalData(
        **third_party.header("look"), **DAYS, reportFormat="CSV", deliveryMode="API", esiid=[esiid]
    )
    return int(answer.report.esiidDaysDelivered)


def registers(customer: Person, letter_with_invitation: str) -> None:
    """P2.2.3: the page behind the link asks to register, the form is filled in; afterwards the customer is back."""
    assert customer.open(f"{letter_with_invitation}?lang=es") == "¿Acepta usted?"
    assert "Registrarse para aceptar" in customer.page
    customer.open("/register")
    filled = dict(re.findall(r'<input id="(\w+)"[^>]* value="([^"]*)"', customer.page))
    assert (filled["first_name"], filled["email"]) == ("Dora", EMAIL)
    heading = customer.press(
        "/register", **filled, kind="residential", language="es", password=PASSWORD, password_again=PASSWORD
    )
    assert heading == "Abra el correo que le hemos enviado"
    confirmation = customer.link(customer.wait_for("Confirme su correo"), "confirm")
    assert customer.open(confirmation) == "Confirme su correo electrónico"
    assert customer.press(confirmation) == "Entrar"
    assert customer.press("/log-in", email=EMAIL, password=PASSWORD) == "¿Acepta usted?"


def test_002_p1_to_p4_ongoing_agreements(stage: Stage, tmp_path: Any) -> None:
    third_party, service = stage.authorization()
    customer, contact = stage.person(EMAIL), stage.person(CONTACT)
    home, second_home = stage.homes[-1], stage.homes[-3]
    esiid = home["ESIID"]

    def details(number: str) -> Any:
        return service.AgreementDetails(**third_party.header("details"), agreementNumber=number)

    # P1.1-P1.5: the third party affirms that it has the customer's permission and asks; the agreement is Pending.
    (made,) = service.NewAgreement(
        **third_party.header("ongoing"), agreementType="ONGOING", customerPermission=True, registered=False,
        customerEmail=EMAIL, customerType="RESIDENTIAL", firstName="Dora", lastName="Akin", languagePreference="ES",
        street="400 N Olive Street", city="Dallas", state="TX", zip="75201", durationMonths=3,
        meter=[{"esiid": esiid, "meterNumber": home["METER_NUMBER"]}],
        service=["ENERGY_DATA", "DEVICE_SERVICES"], contactName="Ana Ruiz",
        contactPhone="512-555-0100", contactEmail=CONTACT, historyMonths=3,
    ).agreement  # fmt: skip
    number = made.agreementNumber
    assert made.status == "PENDING"
    assert days_seen(third_party, esiid) == 0

    # P1.6, P1.7: the invitation, in the language asked for; P1.8: the confirmation to the third party.
    invitation = customer.link(customer.wait_for(f"acuerdo {number}"), "a")
    assert contact.wait_for(number)["Subject"] == f"Agreement {number}: the customer has been invited"

    # P2.1, P2.2, P2.2.3: the link leads through the registration, and back to the agreement.
    registers(customer, invitation)

    # P2.3, P2.4: accepted; both sides list it as Active.
    assert customer.press(invitation) == "Usted ha aceptado"
    customer.open("/agreements")
    assert f"/agreements/{number}" in customer.page
    customer.open(f"/agreements/{number}")
    assert "Activo" in customer.page
    (listed,) = service.MyAgreements(**third_party.header("list"), searchBy="NUMBER", item=[number]).agreement
    assert (listed.status, listed.startDate, listed.endDate) == ("ACTIVE", "11/20/2026", "02/19/2027")

    # P2.5, P2.6: both sides are told.
    customer.wait_for(f"Acuerdo {number}: usted ha aceptado")
    contact.wait_for(f"Agreement {number}: accepted")

    # The data is there for the third party: in the answer, and in its folder.
    assert days_seen(third_party, esiid) == 3
    order = third_party.order([esiid], *DAYS.values(), trans_id="order")
    status = third_party.wait(str(order.correlationId), lambda _status: None)
    (fetched,) = third_party.fetch(
        [file.name for file in status.file if file.name.startswith("IntervalMeterUsage")], tmp_path
    )
    rows = list(csv.DictReader(third_party.open(fetched, tmp_path).read_text().splitlines()))
    assert {(row["ESIID"], row["USAGE_DATE"]) for row in rows} == {(esiid, f"10/0{day}/2026") for day in (1, 2, 3)}

    # P3.1-P3.4: logged in, the customer changes services and end; P3.5, P3.6: both sides are told.
    customer.press(f"/agreements/{number}/change", end_day="2027-03-01", services_shown="1", service="energy_data")
    assert "1 de marzo de 2027" in customer.page
    changed = details(number)
    assert (changed.endDate, list(changed.service)) == ("03/01/2027", ["ENERGY_DATA"])
    customer.wait_for(f"Acuerdo {number}: modificado")
    contact.wait_for(f"Agreement {number}: changed")

    # A second agreement, P2.2.2: over all meters, by the code of the registered customer, who is not logged in.
    all_meters = over_all_meters(stage, customer, home, second_home)
    assert [days_seen(third_party, one["ESIID"]) for one in (home, second_home)] == [3, 3]

    # P3.3.3: the customer takes one ESI ID out; P4.1-P4.5: the third party drops the service that it no longer wants.
    customer.press(f"/agreements/{all_meters}/change", esiids_shown="1", esiid=esiid)
    customer.wait_for(f"Acuerdo {all_meters}: modificado")
    contact.wait_for(f"Agreement {all_meters}: changed")
    assert days_seen(third_party, second_home["ESIID"]) == 0
    with pytest.raises(zeep.exceptions.Fault, match="WIDENING_NEEDS_CUSTOMER"):
        service.ChangeAgreement(
            **third_party.header("widen"), agreementNumber=number, service=["ENERGY_DATA", "DEVICE_SERVICES"]
        )

    # A15: thirty days before its end it is announced to both sides, once.
    stage.go_to(central(2027, 1, 29, 12, 0))
    assert "ends on" not in str([letter["Subject"] for letter in contact.letters()])
    stage.go_to(central(2027, 1, 30, 0, 10))
    customer.wait_for(f"El acuerdo {number} termina el 1 de marzo de 2027")
    contact.wait_for(f"Agreement {number} ends on March 1, 2027")

    # P4.3: the third party asks for longer; nothing changes until the customer says yes (A8, A12).
    asked = service.ChangeAgreement(**third_party.header("longer"), agreementNumber=number, endDate="04/15/2027")
    assert (asked.status, asked.endDate, asked.askedEndDate) == ("EXTENSION_PENDING", "03/01/2027", "04/15/2027")
    link = customer.link(customer.wait_for(f"pide prolongar el acuerdo {number}"), "a")
    assert customer.open(link) == "¿Acepta usted?"
    assert "15 de abril de 2027" in customer.page
    assert customer.press(link) == "Usted ha aceptado"
    longer = details(number)
    assert (longer.status, longer.endDate, longer.askedEndDate) == ("ACTIVE", "04/15/2027", None)

    # A12: on the last evening it is open, at midnight it is not; the night's work tells both.
    service.TerminateAgreement(**third_party.header("give back"), agreementNumber=[all_meters])
    customer.wait_for(f"Acuerdo {all_meters}: cancelado")  # P4.4, P4.5
    stage.go_to(central(2027, 4, 15, 23, 59))
    assert days_seen(third_party, esiid) == 3
    stage.go_to(central(2027, 4, 16, 0, 1))
    assert days_seen(third_party, esiid) == 0
    stage.go_to(central(2027, 4, 16, 0, 10))
    customer.wait_for(f"El acuerdo {number} ha terminado")
    contact.wait_for(f"Agreement {number} has ended")
    assert details(number).status == "EXPIRED"
    customer.open(f"/agreements/{number}")
    assert "Vencido" in customer.page
    told = [str(letter["Subject"]) for letter in contact.letters() if number in str(letter["Subject"])]
    assert len([subject for subject in told if "ends on March 1" in subject]) == 1
    assert customer.open(invitation) == "Esta invitación ya fue respondida"


def over_all_meters(stage: Stage, customer: Person, home: dict[str, str], second: dict[str, str]) -> str:
    """P1 to P2.6 with a registered customer: the code is read out, the log-in asked for; returns the number."""
    third_party, service = stage.authorization()
    customer.open("/profile")
    code = re.search(r'<p class="code">([^<]+)</p>', customer.page)
    assert code is not None
    customer.press("/profile/meters", esiid=second["ESIID"][-8:], meter_number=second["METER_NUMBER"])
    assert second["ESIID"] in customer.page
    customer.press("/log-out")
    (made,) = service.NewAgreement(
        **third_party.header("all"), agreementType="ONGOING", customerPermission=True, registered=True,
        accountAuthorizationCode=code[1], allMeters=True, meter=[{"esiid": home["ESIID"]}], contactEmail=CONTACT,
        historyMonths=3,
    ).agreement  # fmt: skip
    number = str(made.agreementNumber)
    kept_back = service.AgreementDetails(**third_party.header("details"), agreementNumber=number)
    assert kept_back.customerEmail is None
    invitation = customer.link(customer.wait_for(f"acuerdo {number}"), "a")
    assert customer.open(f"{invitation}?lang=es") == "¿Acepta usted?"
    assert "Entrar para aceptar" in customer.page
    customer.open("/log-in")
    assert customer.press("/log-in", email=EMAIL, password=PASSWORD) == "¿Acepta usted?"
    assert customer.press(invitation) == "Usted ha aceptado"
    customer.wait_for(f"Acuerdo {number}: usted ha aceptado")
    stage.person(CONTACT).wait_for(f"Agreement {number}: accepted")
    return number


def test_p3_4_5_a_customer_ends_an_agreement_and_access_is_gone_at_once(stage: Stage) -> None:
    """P2.2.1: logged in, accepted at once; P3.4.5: terminated; P3.5, P3.6: both are told."""
    third_party, service = stage.authorization()
    email, home = "tina.ends@home.example", stage.homes[-4]
    customer, contact = stage.person(email), stage.person("ana.ends@lantern-analytics.example")
    customer.open("/register?kind=residential")
    described = {
        "kind": "residential", "first_name": "Tina", "last_name": "Gowan", "email": email, "email_again": email,
        "language": "en", "esiid": home["ESIID"], "meter_number": home["METER_NUMBER"], "password": PASSWORD,
        "password_again": PASSWORD,
    }  # fmt: skip
    customer.press("/register", **described)
    confirmation = customer.link(customer.wait_for("Confirm your e-mail address"), "confirm")
    customer.open(confirmation)
    customer.press(confirmation)
    assert customer.press("/log-in", email=email, password=PASSWORD) == "My agreements"
    (made,) = service.NewAgreement(
        **third_party.header("ends"), agreementType="ONGOING", customerPermission=True, registered=True,
        customerEmail=email, meter=[{"esiid": home["ESIID"], "meterNumber": home["METER_NUMBER"]}],
        contactEmail=contact.email, historyMonths=3,
    ).agreement  # fmt: skip
    number = made.agreementNumber
    invitation = customer.link(customer.wait_for(f"agreement {number}"), "a")
    assert customer.open(invitation) == "Do you accept?"
    assert customer.press(invitation) == "You have accepted"
    assert days_seen(third_party, home["ESIID"]) == 3
    customer.open(f"/agreements/{number}")
    customer.press(f"/agreements/{number}/terminate")
    assert "You have ended the agreement" in customer.page
    assert days_seen(third_party, home["ESIID"]) == 0
    for person in (customer, contact):
        person.wait_for(f"Agreement {number}: ended by the customer")
    details = service.AgreementDetails(**third_party.header("details"), agreementNumber=number)
    assert (details.status, list(details.youMay)) == ("TERMINATED", [])
