"""My agreements: what the customer sees and may do (002 P3.1-P3.6; FR-10)."""

from __future__ import annotations

from datetime import date

import pytest
from portal_town import CHIKA, ESIIDS, Browser, lantern, link_in
from sqlalchemy import select

from smt_ws.agreements.ask import change_as_initiator
from smt_ws.agreements.change import Change
from smt_ws.agreements.tables import agreement
from smt_ws.hub import Hub
from smt_ws.parties.tables import grants

ME = {"registered": True, "email": CHIKA}


def row(hub: Hub, number: str):
    with hub.store.read() as connection:
        return connection.execute(select(agreement).where(agreement.c.number == number)).one()


def open_grants(hub: Hub) -> int:
    with hub.store.read() as connection:
        return len(connection.execute(select(grants).where(grants.c.ended_at > hub.clock.now())).all())


def accepted(browser: Browser, number: str) -> None:
    browser.get(f"/agreements/{number}")
    browser.post(f"/agreements/{number}/accept")


def test_p3_1_to_p3_6_a_customer_accepts_changes_and_ends_an_agreement(hub: Hub, invite, mailbox, registered) -> None:
    number = invite("ongoing", customer=ME, services=("energy_data", "device_services"), months=6)
    mailbox(CHIKA)
    registered.get("/agreements")
    assert "Waiting for your answer" in registered.text
    registered.get(f"/agreements/{number}")
    assert "for 6 months from the day of acceptance" in registered.text
    accepted(registered, number)
    assert "for 6 months" not in registered.text
    mailbox(CHIKA)
    assert "You have accepted" in registered.text
    assert row(hub, number).status == "Active"
    assert open_grants(hub) == 2
    assert "Reject" not in registered.text

    for wrong in ("2026-11-19", "2027-11-21", "soon"):
        assert registered.post(f"/agreements/{number}/change", end_day=wrong).status_code == 422
        assert "November 20, 2027" in registered.text
    registered.post(f"/agreements/{number}/change", end_day="2027-08-01", services_shown="1", service="energy_data")
    assert "is changed" in registered.text
    assert (row(hub, number).end_day, row(hub, number).services) == (date(2027, 8, 1), ["energy_data"])
    for to in (CHIKA, "ana@lantern.example"):
        assert mailbox(to)["Subject"] == f"Agreement {number}: changed"

    registered.post(f"/agreements/{number}/terminate")
    assert "You have ended the agreement" in registered.text
    assert row(hub, number).status == "Terminated"
    assert open_grants(hub) == 0
    assert "<button>" not in registered.text.partition("<main")[2]
    for to in (CHIKA, "ana@lantern.example"):
        assert mailbox(to)["Subject"] == f"Agreement {number}: ended by the customer"


@pytest.mark.parametrize("door", ["link", "list"])
def test_a_rejected_extension_leaves_the_agreement_as_it_is_and_says_so(
    hub: Hub, invite, mailbox, registered, door: str
) -> None:
    """A27: the page too; nothing here is final."""
    number = invite("ongoing", customer=ME, months=3)
    accepted(registered, number)
    with hub.store.write() as connection:
        change_as_initiator(
            connection, lantern(hub), number, Change(end_day=date(2027, 8, 1)), policy=hub.settings.agreements,
            clock=hub.clock,
        )  # fmt: skip
    if door == "link":
        path = link_in(mailbox(CHIKA), "r")
        registered.get(path)
        assert "If you reject, the agreement goes on as before" in registered.text
        assert "final" not in registered.text.partition("<main")[2]
        registered.post(path)
        assert "is not extended. It goes on as before" in registered.text
        assert "Nothing was released" not in registered.text
    else:
        registered.get(f"/agreements/{number}")
        registered.post(f"/agreements/{number}/reject")
        assert "You have rejected the extension. The agreement goes on as before" in registered.text
    assert (row(hub, number).status, row(hub, number).end_day) == ("Active", date(2027, 2, 19))
    assert mailbox(CHIKA)["Subject"] == f"Agreement {number}: not extended"


def test_rejecting_and_disowning_from_the_list(hub: Hub, invite, registered: Browser) -> None:
    for act in ("reject", "disown"):
        number = invite("ongoing", customer=ME)
        registered.get(f"/agreements/{number}")
        registered.post(f"/agreements/{number}/{act}")
        assert row(hub, number).status == "Rejected"


def test_an_invitation_from_before_the_registration_is_in_the_list(hub: Hub, invite, mailbox, browser) -> None:
    number = invite("ongoing")
    browser.register()
    path = link_in(mailbox(CHIKA), "confirm")
    browser.get(path)
    browser.post(path)
    browser.log_in()
    assert f'href="/agreements/{number}"' in browser.text
    accepted(browser, number)
    assert row(hub, number).status == "Active"


def test_another_customers_agreement_does_not_exist(hub: Hub, invite, registered: Browser) -> None:
    number = invite("ongoing", esiid=ESIIDS[1], customer={"email": "somebody@else.example"})
    assert number not in registered.get("/agreements").get_data(as_text=True)
    assert registered.get(f"/agreements/{number}").status_code == 404
    registered.get("/profile")
    for act in ("accept", "reject", "disown", "terminate", "change"):
        registered.get("/profile")
        assert registered.post(f"/agreements/{number}/{act}").status_code == 404
    assert row(hub, number).status == "Pending"


def test_an_act_that_came_too_late_shows_how_the_agreement_stands(hub: Hub, invite, registered, new_browser) -> None:
    number = invite("ongoing", customer=ME)
    other = new_browser()
    other.log_in()
    for browser in (registered, other):
        browser.get(f"/agreements/{number}")
    registered.post(f"/agreements/{number}/reject")
    assert other.post(f"/agreements/{number}/accept").status_code == 409
    assert "has changed since you opened" in other.text
    assert row(hub, number).status == "Rejected"


def test_without_a_log_in_these_pages_lead_to_it_and_back(registered, new_browser) -> None:
    for path in ("/agreements", "/agreements/112026000001", "/profile"):
        other = new_browser()
        other.get(path)
        assert other.title == "Log in"
        other.log_in()
        assert other.page.request.path == path


def test_spanish(invite, registered: Browser) -> None:
    number = invite("ongoing", customer=ME, months=6)
    accepted(registered, number)
    registered.get(f"/agreements/{number}?lang=es")
    for words in ("Activo", "Terminar este acuerdo", "19 de mayo de 2027", "Guardar los cambios"):
        assert words in registered.text


def test_an_agreement_of_which_nothing_can_be_changed_has_no_form_for_it(registered: Browser, invite) -> None:
    """FR-10: a device agreement has neither an end nor services to choose from."""
    number = invite("device", customer=ME)
    registered.get(f"/agreements/{number}")
    registered.post(f"/agreements/{number}/accept")
    assert "connecting in-home devices to the smart meter" in registered.text
    assert "Change this agreement" not in registered.text
    assert "End this agreement" in registered.text
