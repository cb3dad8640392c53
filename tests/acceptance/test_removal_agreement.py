"""A21, BR-081.003: what a third party has added to a home goes only with the customer's yes; then the TDSP hears of it.

The whole loop over the wire: SOAP, SMTP, HTTPS, and a simulated TDSP behind its own web service.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import zeep
from storyboard import Person, Stage, until

from adapters.tdsp.config import read_config
from adapters.tdsp.state import State
from smt_ws.sandbox.homes import Homes
from smt_ws.sandbox.tdsp import SIMULATOR, running_tdsp

EMAIL, CONTACT = "remo.device@home.example", "ana.device@lantern-analytics.example"
PASSWORD = "eleven slow silver trams"
MAC, CODE = "00:0D:6F:00:0A:BC:DE:F0", "83FED3407A93972397FC"
PLAIN = "000D6F000ABCDEF0"


def registered(stage: Stage, home: dict[str, str]) -> Person:
    customer = stage.person(EMAIL)
    customer.open("/register?kind=residential")
    customer.press(
        "/register", kind="residential", first_name="Remo", last_name="Vega", email=EMAIL, email_again=EMAIL,
        language="en", esiid=home["ESIID"], meter_number=home["METER_NUMBER"], password=PASSWORD,
        password_again=PASSWORD,
    )  # fmt: skip
    confirmation = customer.link(customer.wait_for("Confirm your e-mail address"), "confirm")
    customer.open(confirmation)
    customer.press(confirmation)
    assert customer.press("/log-in", email=EMAIL, password=PASSWORD) == "My agreements"
    return customer


def asked_to_remove(customer: Person, number: int) -> Any:
    """The newest of *number* letters that ask for a removal."""
    return until(
        lambda: [one for one in customer.letters() if "asks to remove an in-home device" in str(one["Subject"])],
        lambda letters: len(letters) == number,
    )[-1]


def test_a_third_partys_removal_waits_for_the_customer_and_then_reaches_the_tdsp(stage: Stage) -> None:
    (third_party, service), home = stage.authorization(), stage.homes[-5]
    esiid, serial = home["ESIID"], home["METER_NUMBER"]
    customer, contact = registered(stage, home), stage.person(CONTACT)
    homes = Homes(third_party, uuid.uuid4().hex[:12])

    def state() -> str:
        return str(homes.device(esiid, MAC).status)

    with pytest.raises(zeep.exceptions.Fault, match="NO_DEVICE_AGREEMENT"):
        homes.add(esiid, serial, MAC, CODE)
    (made,) = service.NewAgreement(
        **third_party.header(f"device-{uuid.uuid4().hex[:8]}"), agreementType="DEVICE", customerPermission=True,
        registered=True, customerEmail=EMAIL, contactEmail=CONTACT,
        meter=[{"esiid": esiid, "meterNumber": serial, "deviceMacAddress": [MAC]}],
    ).agreement  # fmt: skip
    invitation = customer.link(customer.wait_for(f"agreement {made.agreementNumber}"), "a")
    customer.open(invitation)
    assert customer.press(invitation) == "You have accepted"

    with running_tdsp(stage.sandbox.folder):
        tdsp = State(read_config(stage.sandbox.folder / SIMULATOR).state)
        homes.add(esiid, serial, MAC, CODE)
        until(state, lambda status: status == "DEVICE_ADDED")
        # BR-301, A8: the agreement shows how its device stands.
        details = until(
            lambda: service.AgreementDetails(**third_party.header("look"), agreementNumber=made.agreementNumber),
            lambda one: one.deviceState == "Device Added",
        )
        assert details.status == "ACTIVE"

        # Asked for once: the customer is invited, nothing is handed over, and it is not asked for twice.
        homes.remove(esiid, serial, MAC)
        letter = asked_to_remove(customer, 1)
        text = letter.get_body(("plain",)).get_content()
        assert "X" * 11 + PLAIN[-5:] in text
        assert PLAIN not in text
        with pytest.raises(zeep.exceptions.Fault, match="REMOVAL_AWAITS_CUSTOMER"):
            homes.remove(esiid, serial, MAC)
        assert state() == "DEVICE_ADDED"

        # The customer says no: the device stays, and both sides are told.
        reject = customer.link(letter, "r")
        assert customer.open(reject) == "Do you reject?"
        assert customer.press(reject) == "You have rejected"
        contact.wait_for("rejected")
        declined = until(lambda: homes.device(esiid, MAC), lambda one: one.history[-1].event == "REMOVAL_DECLINED")
        assert declined.status == "DEVICE_ADDED"
        assert [one.eui64 for one in tdsp.devices(esiid)] == [PLAIN]

        # Asked for again, the customer says yes: DeprovisionDevice reaches the TDSP, and the device goes.
        homes.remove(esiid, serial, MAC)
        accept = customer.link(asked_to_remove(customer, 2), "a")
        assert customer.open(accept) == "Do you accept?"
        assert state() == "DEVICE_ADDED"
        assert customer.press(accept) == "You have accepted"
        until(state, lambda status: status == "DEVICE_REMOVED")
        assert tdsp.devices(esiid) == []
        customer.wait_for("you have accepted")

    removals = [entry.event for entry in homes.device(esiid, MAC).history if entry.event.startswith("REMOV")]
    assert removals[:4] == ["REMOVAL_INVITED", "REMOVAL_DECLINED", "REMOVAL_INVITED", "REMOVE_ASKED"]
    assert removals[-1] == "REMOVED"
    # The removals are over; the agreement that lets the third party add devices goes on.
    found = service.MyAgreements(**third_party.header("list"), searchBy="DEVICE_MAC_ADDRESS", item=[MAC]).agreement
    assert sorted((one.agreementType, one.status) for one in found) == [
        ("DEVICE", "ACTIVE"),
        ("REMOVAL", "COMPLETE"),
        ("REMOVAL", "REJECTED"),
    ]
