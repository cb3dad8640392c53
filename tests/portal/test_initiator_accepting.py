"""A25: a company that asks cannot accept for the customer; whoever holds the home hears of every acceptance."""

from __future__ import annotations

from portal_town import CHIKA, ESIIDS, HOMES, Browser, link_in
from sqlalchemy import select

from smt_ws.agreements.tables import agreement, agreement_history
from smt_ws.hub import Hub
from smt_ws.parties.tables import grants


def stands(hub: Hub, number: str) -> str:
    with hub.store.read() as connection:
        return str(connection.scalar(select(agreement.c.status).where(agreement.c.number == number)))


def nothing_is_open(hub: Hub) -> bool:
    with hub.store.read() as connection:
        return connection.execute(select(grants)).first() is None


def sign_up(browser: Browser, mailbox, email: str, esiid: str) -> None:
    """Register with what the company knows of the home: six digits of its ESI ID and the number on its meter."""
    browser.get("/register?kind=residential")
    browser.register(email=email, email_again=email, esiid=esiid[-6:], meter_number=HOMES[esiid])
    path = link_in(mailbox(email), "confirm")
    browser.get(path)
    browser.post(path)
    browser.log_in(email)


def test_a_company_invites_a_made_up_address_and_accepts_with_an_account_of_its_own(
    hub: Hub, invite, mailbox, browser: Browser
) -> None:
    """The attack whole: its own domain is refused, a made-up address is not; any account of the home did accept."""
    number = invite("ongoing", customer={"email": "tenant@made-up.example"})
    sign_up(browser, mailbox, "jo@lantern.example", ESIIDS[0])
    browser.get(f"/agreements/{number}")
    refused = browser.post(f"/agreements/{number}/accept")
    assert (refused.status_code, stands(hub, number)) == (403, "Pending")
    assert nothing_is_open(hub)


def test_with_the_link_of_the_invitation_the_companys_own_account_is_refused_too(
    hub: Hub, invite, mailbox, browser: Browser
) -> None:
    """The own-domain rule is asked again, of the account that accepts."""
    number = invite("ongoing", customer={"email": "tenant@made-up.example"})
    link = link_in(mailbox("tenant@made-up.example"), "a")
    sign_up(browser, mailbox, "jo@lantern.example", ESIIDS[0])
    browser.get(link)
    refused = browser.post(link)
    assert (refused.status_code, stands(hub, number)) == (403, "Pending")
    assert "Lantern Analytics" in browser.text
    assert nothing_is_open(hub)


def test_a_link_answered_from_another_address_is_marked_and_both_addresses_are_written_to(
    hub: Hub, invite, mailbox, browser: Browser
) -> None:
    """A customer may register with another address than the invited one; the e-mail's link is its right."""
    number = invite("ongoing", customer={"email": "work@office.example"})
    link = link_in(mailbox("work@office.example"), "a")
    sign_up(browser, mailbox, CHIKA, ESIIDS[0])
    browser.get(f"/agreements/{number}")
    assert "link in that e-mail" in browser.text
    assert "/accept" not in browser.text
    browser.get(link)
    browser.post(link)
    assert stands(hub, number) == "Active"
    with hub.store.read() as connection:
        told = connection.scalars(
            select(agreement_history.c.details).where(
                agreement_history.c.number == number, agreement_history.c.act == "accept"
            )
        ).one()
    assert told["other_email_address"] is True
    assert mailbox("work@office.example")["Subject"] == f"Agreement {number}: you have accepted"
    assert mailbox(CHIKA)["Subject"] == f"Agreement {number} about your home: accepted"
    path = link_in(mailbox(CHIKA), "d")
    browser.get(path)
    browser.post(path)
    assert stands(hub, number) == "Frozen"
