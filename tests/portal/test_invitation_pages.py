"""The pages behind an invitation's links (A9, A10, A23; 003 FR-13, FR-14; 001 P2.1-P2.4, 002 P2.1-P2.6)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from portal_town import CHIKA, ESIIDS, Browser, link_in
from sqlalchemy import select, update

from smt_ws.agreements import of_account
from smt_ws.agreements.tables import agreement
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.parties.account_rules import LIMITS
from smt_ws.parties.accounts import find_account


def status(hub: Hub, number: str) -> str:
    with hub.store.read() as connection:
        return connection.execute(select(agreement.c.status).where(agreement.c.number == number)).scalar_one()


def test_opening_a_link_decides_nothing_however_often(hub: Hub, invite, mailbox, browser: Browser) -> None:
    number = invite(comments="We met on Tuesday.")
    letter = mailbox(CHIKA)
    for kind in ("a", "r", "d") * 2:
        assert browser.get(link_in(letter, kind)).status_code == 200
        for fact in (number, "Lantern Analytics", "Ana Ruiz", "We met on Tuesday.", "December 20, 2026"):
            assert fact in browser.text or kind == "d"
        assert ESIIDS[0] not in browser.text
        assert ESIIDS[0][-7:] in browser.text
        browser.client.head(link_in(letter, kind), base_url="https://localhost")
    assert status(hub, number) == "Pending"


def test_p2_1_to_p2_4_a_one_time_agreement_is_accepted_without_logging_in(hub, invite, mailbox, browser) -> None:
    number = invite()
    path = link_in(mailbox(CHIKA), "a")
    browser.get(path)
    browser.post(path)
    assert browser.title == "You have accepted"
    assert number in browser.text
    assert "Would you like an account?" in browser.text
    browser.get("/register")
    assert f'value="{CHIKA}"' in browser.text  # FR-15
    assert f'value="{ESIIDS[0][-6:]}"' in browser.text
    assert ESIIDS[0] not in browser.text
    assert status(hub, number) == "Active"
    assert mailbox(CHIKA)["Subject"] == f"Agreement {number}: you have accepted"
    assert mailbox("ana@lantern.example")["Subject"] == f"Agreement {number}: accepted"
    browser.get(path)
    assert browser.page.status_code == 410
    assert browser.title == "This invitation has been answered already"


@pytest.mark.parametrize("kind", ["one_time", "ongoing"])
def test_the_page_behind_accept_rejects_too_without_an_account_a9(hub, invite, mailbox, browser, kind) -> None:
    number = invite(kind)
    path = link_in(mailbox(CHIKA), "a")
    browser.get(path)
    browser.post(path, answer="reject")
    assert browser.title == "You have rejected"
    assert status(hub, number) == "Rejected"


@pytest.mark.parametrize("page", ["faq", "terms"])
def test_questions_and_terms_are_the_sample_or_the_operator_s_own_a14(hub, browser, page) -> None:
    for language, word in (("en", "account"), ("es", "cuenta")):
        assert browser.get(f"/{page}?lang={language}").status_code == 200
        assert word in browser.text
    assert hub.settings.portal.page_of(page, "es") == f"https://hub.example/{page}?lang=es"
    object.__setattr__(hub.settings.portal, f"{page}_url", "https://utility.example/page")
    answer = browser.client.get(f"/{page}", base_url="https://localhost")
    assert (answer.status_code, answer.location) == (302, "https://utility.example/page")


def test_em205_rejecting_is_final_and_closes_the_other_link(hub, invite, mailbox, browser) -> None:
    number = invite()
    letter = mailbox(CHIKA)
    browser.get(link_in(letter, "r"))
    browser.post(link_in(letter, "r"))
    assert browser.title == "You have rejected"
    assert status(hub, number) == "Rejected"
    assert mailbox("ana@lantern.example")["Subject"] == f"Agreement {number}: rejected"
    assert browser.get(link_in(letter, "a")).status_code == 410
    assert "agreement has changed" in browser.title
    assert 'href="/agreements"' in browser.text


def test_fr13_a_late_click_is_told_that_the_invitation_has_expired(hub, invite, mailbox, browser, clock) -> None:
    number = invite()
    path = link_in(mailbox(CHIKA), "a")
    browser.get(path)
    clock.advance(timedelta(days=31))
    assert browser.post(path).status_code == 410
    assert browser.title == "This invitation has expired"
    assert status(hub, number) == "Pending"  # the nightly job has not been; the page does not wait for it


def test_fr14_after_a_change_of_status_the_customer_is_sent_to_the_list(hub, invite, mailbox, browser) -> None:
    invite()
    path = link_in(mailbox(CHIKA), "a")
    browser.get(path)
    with hub.store.write() as connection:
        connection.execute(update(agreement).values(status="Cancelled"))
    assert browser.post(path).status_code == 410
    assert "the agreement has changed" in browser.title
    assert 'href="/agreements"' in browser.text


def test_of_two_who_click_at_once_one_gets_through(hub, invite, mailbox, new_browser) -> None:
    number = invite()
    letter = mailbox(CHIKA)
    first, second = new_browser(), new_browser()
    first.get(link_in(letter, "a"))
    second.get(link_in(letter, "r"))
    first.post(link_in(letter, "a"))
    assert second.post(link_in(letter, "r")).status_code == 410
    assert status(hub, number) == "Active"


def test_a_link_that_never_was_says_nothing(invite, mailbox, browser) -> None:
    invite()
    for made_up in ("x", "A" * 43, "%00", "<script>", "a" * 500, "ü"):
        assert browser.get(f"/a/{made_up}").status_code == 404
        assert browser.title in {"This link is not right", "There is no such page"}
        assert "<script>" not in browser.page.get_data(as_text=True)


def test_a_link_is_good_for_its_own_purpose_only(hub, invite, mailbox, browser) -> None:
    number = invite()
    letter = mailbox(CHIKA)
    token = link_in(letter, "r").removeprefix("/r/")
    browser.get(link_in(letter, "a"))
    assert browser.post(f"/a/{token}").status_code == 404
    assert status(hub, number) == "Pending"


def test_guessing_links_is_slowed_down(monkeypatch, browser) -> None:
    monkeypatch.setitem(LIMITS, "token_address", LIMITS["token_address"].__class__(3, timedelta(minutes=15)))
    answers = [browser.get(f"/a/{'A' * 43}").status_code for _ in range(5)]
    assert answers == [404, 404, 404, 429, 429]


def test_a23_i_did_not_ask_for_this_stops_the_agreement_and_tells_the_operator(hub, invite, mailbox, browser) -> None:
    number = invite()
    letter = mailbox(CHIKA)
    browser.get(link_in(letter, "a"))
    browser.post(link_in(letter, "a"))
    browser.get(link_in(letter, "d"))
    browser.post(link_in(letter, "d"))
    assert browser.title == "Thank you: we will look into it"
    assert status(hub, number) == "Frozen"
    assert number in mailbox("help@hub.example")["Subject"]


def test_p2_2_3_an_unregistered_customer_registers_with_a_filled_in_form_and_accepts(
    hub: Hub, invite, mailbox, browser: Browser
) -> None:
    number = invite("ongoing", months=6)
    path = link_in(mailbox(CHIKA), "a")
    browser.get(path)
    assert "Register to accept" in browser.text
    assert "Accept</button>" not in browser.text
    assert "Reject</button>" in browser.text, "which needs no account"
    browser.get("/register")
    for name, value in {
        "first_name": "Chika", "last_name": "Akin", "email": CHIKA, "email_again": CHIKA,
        "esiid": ESIIDS[0][-6:], "meter_number": "M100001",
    }.items():  # fmt: skip
        assert re.search(rf'id="{name}"[^>]* value="{re.escape(value)}"', browser.text), name
    browser.register(meter_number="M100001")
    confirm = link_in(mailbox(CHIKA), "confirm")
    browser.get(confirm)
    browser.post(confirm)
    assert "confirmed" in browser.text
    browser.log_in()
    assert browser.title == "Do you accept?"
    browser.post(path)
    assert browser.title == "You have accepted"
    assert status(hub, number) == "Active"
    with hub.store.read() as connection:
        account = find_account(connection, email=CHIKA)
        assert account is not None
        (row,) = of_account.agreements_of(connection, account.id, now=hub.clock.now())
    assert (row.number, str(row.status)) == (number, "Active")


def test_p2_2_2_a_registered_customer_logs_in_and_is_back_at_the_page(
    hub, invite, mailbox, registered, new_browser
) -> None:
    number = invite("device_services", customer={"registered": True, "email": CHIKA})
    path = link_in(mailbox(CHIKA), "a")
    other = new_browser()
    other.get(path)
    assert "Log in to accept" in other.text
    other.log_in()
    assert other.title == "Do you accept?"
    other.post(path)
    assert status(hub, number) == "Active"


def test_p2_2_1_a_customer_who_is_logged_in_accepts_at_once(hub, invite, mailbox, registered) -> None:
    number = invite("ongoing", customer={"registered": True, "email": CHIKA})
    path = link_in(mailbox(CHIKA), "a")
    registered.get(path)
    registered.post(path)
    assert registered.title == "You have accepted"
    assert status(hub, number) == "Active"


def test_somebody_else_who_is_logged_in_cannot_accept(hub, invite, mailbox, registered) -> None:
    number = invite("ongoing", esiid=ESIIDS[1], customer={"email": "somebody@else.example"})
    path = link_in(mailbox("somebody@else.example"), "a")
    registered.get(path)
    assert registered.post(path).status_code == 403
    assert status(hub, number) == "Pending"


def test_ongoing_agreements_cannot_be_accepted_without_a_log_in(hub, invite, mailbox, browser) -> None:
    number = invite("ongoing")
    path = link_in(mailbox(CHIKA), "a")
    browser.get(path)
    browser.get("/log-in")
    browser.post(path)
    assert browser.title == "Log in"
    assert status(hub, number) == "Pending"


def test_a_page_in_spanish_is_in_spanish_and_stays_so(invite, mailbox, browser) -> None:
    invite()
    path = link_in(mailbox(CHIKA), "a")
    browser.get(f"{path}?lang=es")
    assert '<html lang="es">' in browser.text
    assert "20 de diciembre de 2026" in browser.text
    assert browser.title == "¿Acepta usted?"
    browser.post(path)
    assert browser.title == "Usted ha aceptado"
    browser.get("/?lang=en")
    assert '<html lang="en">' in browser.text


def test_names_and_comments_cannot_add_markup(invite, mailbox, browser, clock: FixedClock) -> None:
    invite(comments="<img src=x onerror=alert(1)>", contact_name="<b>Ana</b>", customer={"last_name": "<i>Akin"})
    browser.get(link_in(mailbox(CHIKA), "a"))
    raw = browser.page.get_data(as_text=True)
    assert "<img" not in raw
    assert "<b>" not in raw
    assert "<i>" not in raw
