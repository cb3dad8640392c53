"""A31: who moves in is asked once what becomes of the devices there, and keeps each or has it removed."""

from __future__ import annotations

import re
from datetime import date, timedelta
from email.message import EmailMessage

import pytest
from portal_town import ADDED_ON, CHIKA, ESIIDS, LEFT_ON, Browser, link_in, put_device
from sqlalchemy import insert, select

from jobs.han import ask_customers
from smt_ws.clock import FixedClock
from smt_ws.han.tables import han_device, han_request
from smt_ws.hub import Hub
from smt_ws.parties.tables import occupancy, premise
from smt_ws.store.tables import outbox

DISPLAY, THERMOSTAT = "000D6F00000000A1", "000D6F00000000B2"


def home_of(hub: Hub, number: int) -> int:
    with hub.store.read() as connection:
        found = connection.scalar(select(premise.c.id).where(premise.c.esiid == ESIIDS[number]))
    assert found is not None
    return found


@pytest.fixture
def left_behind(hub: Hub) -> int:
    """Two devices in the first home, in which somebody else has moved in since; gives its premise."""
    home = home_of(hub, 0)
    for number, eui64 in ((901, DISPLAY), (902, THERMOSTAT)):
        put_device(hub.store, home, add_request=number, eui64=eui64)
    with hub.store.write() as connection:
        connection.execute(insert(occupancy).values(premise_id=home, move_in_day=LEFT_ON, load_number=1))
    return home


def devices(hub: Hub) -> dict[str, tuple[str, bool]]:
    """State, and whether it was kept."""
    with hub.store.read() as connection:
        rows = connection.execute(select(han_device)).all()
    return {row.eui64: (row.state, row.confirmed_on is not None) for row in rows}


def asked(hub: Hub) -> int:
    with hub.store.read() as connection:
        return len([row for row in connection.execute(select(outbox)).all() if ":devices:" in row.dedupe_key])


def body(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return part.get_content()


def test_who_registers_is_asked_once_by_e_mail_and_keeps_or_removes_each(
    hub: Hub, left_behind: int, browser: Browser, mailbox
) -> None:
    browser.register()
    path = link_in(mailbox(CHIKA), "confirm")
    browser.get(path)
    browser.post(path)
    assert asked(hub) == 1
    letter = mailbox(CHIKA)
    assert letter["Subject"] == "Are the devices in your home yours?"
    assert "https://hub.example/earlier-devices" in body(letter)
    browser.get("/earlier-devices")
    assert browser.title == "Log in"
    browser.log_in()
    # where the e-mail's link leads, after logging in
    assert browser.title == "Are these devices yours?"
    assert "XXXXXXXXXXX000A1" in browser.text
    assert DISPLAY not in browser.text
    browser.get("/agreements")
    assert "Please tell us whether they are yours" in browser.text
    browser.get("/earlier-devices")
    browser.post("/earlier-devices/keep", device="901")
    assert "stays connected" in browser.text
    browser.post("/earlier-devices/remove", device="902")
    assert "asked to disconnect the device" in browser.text
    assert "nothing to answer" in browser.text
    assert devices(hub) == {DISPLAY: ("Device Added", True), THERMOSTAT: ("Remove Acknowledged", False)}
    with hub.store.read() as connection:
        row = connection.execute(select(han_request).where(han_request.c.action == "REMOVE")).one()
        calls = connection.execute(select(outbox.c.payload).where(outbox.c.dedupe_key.like("%remove%"))).scalars().all()
    assert row.account_id is not None
    assert {"request_id": row.number} in calls
    browser.get("/agreements")
    assert "Please tell us" not in browser.text
    assert asked(hub) == 1


def test_all_of_a_home_are_kept_with_one_click_in_spanish_too(hub: Hub, left_behind: int, registered: Browser) -> None:
    registered.get("/earlier-devices?lang=es")
    assert "¿Son suyos estos dispositivos?" in registered.text
    registered.post("/earlier-devices/keep", esiid=ESIIDS[0])
    assert "Aquí no hay nada que responder" in registered.text
    assert devices(hub) == dict.fromkeys((DISPLAY, THERMOSTAT), ("Device Added", True))


def test_who_adds_a_home_is_asked_too(hub: Hub, registered: Browser, mailbox) -> None:
    assert asked(hub) == 0
    home = home_of(hub, 1)
    put_device(hub.store, home, add_request=901, eui64=DISPLAY)
    with hub.store.write() as connection:
        connection.execute(insert(occupancy).values(premise_id=home, move_in_day=LEFT_ON, load_number=1))
    registered.get("/profile")
    registered.post("/profile/meters", esiid=ESIIDS[1], meter_number="100002")
    assert "Please tell us whether they are yours" in registered.text
    assert asked(hub) == 1
    assert "earlier-devices" in body(mailbox(CHIKA))


def moved_in(hub: Hub, number: int, *, device: int, eui64: str) -> None:
    """A home with a device of before its move-in."""
    home = home_of(hub, number)
    put_device(hub.store, home, add_request=device, eui64=eui64)
    with hub.store.write() as connection:
        connection.execute(insert(occupancy).values(premise_id=home, move_in_day=LEFT_ON, load_number=1))


def test_each_home_is_asked_about_once(hub: Hub, clock: FixedClock, registered: Browser) -> None:
    """Another home asks about its own devices, not again about those still unanswered; one without asks none."""
    for number, device, eui64 in ((1, 901, DISPLAY), (2, 902, THERMOSTAT)):
        moved_in(hub, number, device=device, eui64=eui64)
        clock.advance(timedelta(minutes=1))
        registered.get("/profile")
        registered.post("/profile/meters", esiid=ESIIDS[number], meter_number=f"10000{number + 1}")
    assert asked(hub) == 2
    assert ask_customers(hub, date(2026, 11, 1)) == "0 customers asked about an earlier occupant's devices"
    assert asked(hub) == 2


def test_who_registered_before_the_move_in_was_told_is_asked_the_next_morning(
    hub: Hub, registered: Browser, mailbox
) -> None:
    moved_in(hub, 0, device=901, eui64=DISPLAY)
    moved_in(hub, 1, device=902, eui64=THERMOSTAT)  # nobody's account
    assert asked(hub) == 0
    assert ask_customers(hub, date(2026, 11, 1)) == "1 customers asked about an earlier occupant's devices"
    assert mailbox(CHIKA)["Subject"] == "Are the devices in your home yours?"
    assert ask_customers(hub, date(2026, 11, 2)).startswith("0 ")
    assert asked(hub) == 1


def test_nobody_answers_for_another_home(hub: Hub, registered: Browser) -> None:
    home = home_of(hub, 1)
    put_device(hub.store, home, add_request=901, eui64=DISPLAY)
    with hub.store.write() as connection:
        connection.execute(insert(occupancy).values(premise_id=home, move_in_day=LEFT_ON, load_number=1))
    registered.get("/profile")
    for act in ("keep", "remove"):
        registered.post(f"/earlier-devices/{act}", device="901", esiid=ESIIDS[1])
        assert "nothing to answer" in registered.text
    assert devices(hub) == {DISPLAY: ("Device Added", False)}


def test_a_form_without_its_token_and_a_visitor_without_log_in_change_nothing(
    hub: Hub, left_behind: int, registered: Browser, new_browser
) -> None:
    assert registered.post("/earlier-devices/keep", token=False, device="901").status_code == 400
    stranger = new_browser()
    stranger.get("/log-in")
    stranger.post("/earlier-devices/keep", device="901")
    assert stranger.title == "Log in"
    assert {kept for _state, kept in devices(hub).values()} == {False}


def test_a_device_that_was_added_since_is_not_asked_about(hub: Hub, registered: Browser) -> None:
    put_device(hub.store, home_of(hub, 0), add_request=901, eui64=DISPLAY, added_on=LEFT_ON)
    with hub.store.write() as connection:
        connection.execute(insert(occupancy).values(premise_id=home_of(hub, 0), move_in_day=LEFT_ON, load_number=1))
    assert ADDED_ON < LEFT_ON
    registered.get("/earlier-devices")
    assert "nothing to answer" in registered.text
    assert not re.search(r"<button[^>]*>Keep", registered.text)
