"""Document 002, P1 to P4: an ongoing agreement from the request to its end, over SOAP, e-mail and HTTPS.

The customer has nothing but a mailbox and a browser; the third party nothing but its program.
"""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest

from smt_ws.sandbox.build import COMPANIES
from smt_ws.sandbox.customer import Customer

LANTERN = next(duns for _name, kind, duns in COMPANIES if kind == "CSP")
EMAIL = "dora.ongoing@home.example"
PASSWORD = "four quiet purple herons"
DAYS = {"startDate": "10/01/2026", "endDate": "10/03/2026"}


@pytest.fixture
def home(hub: Any) -> dict[str, str]:
    """A home whose one meter has always been there."""
    special = {hub.market.special.exchanged[0], hub.market.special.new_home[0], hub.market.special.gap[0]}
    with hub.market.meters.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["ESIID"] not in special][-1]


def days_seen(third_party: Any, esiid: str) -> int:
    answer = third_party.client("MeterUsage").service.RequestIntervalData(
        **third_party.header("look"), **DAYS, reportFormat="CSV", deliveryMode="API", esiid=[esiid]
    )
    return int(answer.report.esiidDaysDelivered)


def test_002_p1_to_p4_an_ongoing_agreement(hub: Any, home: dict[str, str]) -> None:
    third_party = hub.requester(LANTERN)
    service = third_party.client("CSPAuthorization").service
    ca = hub.sandbox.certificates / "ca.crt"
    customer = Customer(hub.settings, ca, EMAIL)
    contact = Customer(hub.settings, ca, "ana.ongoing@lantern-analytics.example")
    esiid = home["ESIID"]

    # P1.1-P1.5: the third party affirms that it has the customer's permission and asks; the agreement is Pending.
    (made,) = service.NewAgreement(
        **third_party.header("ongoing"), agreementType="ONGOING", customerPermission=True, registered=False,
        customerEmail=EMAIL, customerType="RESIDENTIAL", firstName="Dora", lastName="Akin", languagePreference="ES",
        street="400 N Olive Street", city="Dallas", state="TX", zip="75201", durationMonths=6,
        meter=[{"esiid": esiid, "meterNumber": home["METER_NUMBER"]}],
        service=["ENERGY_DATA", "DEVICE_SERVICES"], contactName="Ana Ruiz", contactEmail=contact.email,
    ).agreement  # fmt: skip
    number = made.agreementNumber
    assert made.status == "PENDING"
    assert days_seen(third_party, esiid) == 0

    # P1.7: the invitation, in the language asked for; P1.8: the confirmation to the third party.
    letter = customer.wait_for(f"acuerdo {number}")
    assert contact.wait_for(number)["Subject"] == f"Agreement {number}: the customer has been invited"

    # P2.1, P2.2.3: the link leads to a page that asks an unregistered customer to register; the form is filled in.
    invitation = customer.link(letter, "a")
    assert customer.open(f"{invitation}?lang=es") == "¿Acepta usted?"
    assert "Regístrese para aceptar" in customer.page
    customer.open("/register")
    filled = dict(re.findall(r'<input id="(\w+)"[^>]* value="([^"]*)"', customer.page))
    assert (filled["first_name"], filled["email"], filled["esiid"]) == ("Dora", EMAIL, esiid)
    heading = customer.press(
        "/register", **filled, kind="residential", language="es", password=PASSWORD, password_again=PASSWORD
    )
    assert heading == "Abra la carta que le hemos enviado"
    confirmation = customer.link(customer.wait_for("Confirme su correo"), "confirm")
    assert customer.open(confirmation) == "Confirme su correo electrónico"
    assert customer.press(confirmation) == "Entrar"
    assert customer.press("/log-in", email=EMAIL, password=PASSWORD) == "¿Acepta usted?"

    # P2.3, P2.4: accepted; both sides list it as Active.
    assert customer.press(invitation) == "Usted ha aceptado"
    customer.open(f"/agreements/{number}")
    assert "Activo" in customer.page
    (listed,) = service.MyAgreements(**third_party.header("list"), searchBy="NUMBER", item=[number]).agreement
    assert listed.status == "ACTIVE"
    assert days_seen(third_party, esiid) == 3

    # P2.5, P2.6: both sides are told.
    customer.wait_for(f"Acuerdo {number}: usted ha aceptado")
    contact.wait_for(f"Agreement {number}: accepted")

    # P3.1-P3.6: the customer changes end and services; both sides are told.
    customer.press(f"/agreements/{number}/change", end_day="2027-03-01", services_shown="1", service="energy_data")
    assert "1 de marzo de 2027" in customer.page
    details = service.AgreementDetails(**third_party.header("details"), agreementNumber=number)
    assert (details.endDate, list(details.service)) == ("03/01/2027", ["ENERGY_DATA"])
    customer.wait_for(f"Acuerdo {number}: modificado")
    contact.wait_for(f"Agreement {number}: changed")

    # P4.1-P4.5: the third party gives the agreement back; the customer is told, and nothing is open any more.
    (ended,) = service.TerminateAgreement(**third_party.header("end"), agreementNumber=[number]).result
    assert ended.status == "CANCELLED"
    customer.wait_for(f"Acuerdo {number}: cancelado")
    customer.open(f"/agreements/{number}")
    assert "Cancelado" in customer.page
    assert days_seen(third_party, esiid) == 0
    assert customer.open(invitation) == "Esta invitación ya fue respondida"
