"""A31: after a move-in no company's message goes to a meter with devices of before, until they are kept or removed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from han_market import HanMarket, Who, esiid, mac
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Date, insert, literal, select, update

from smt_ws.clock import central_today
from smt_ws.han import errors
from smt_ws.han.cancel_message import Cancellation, cancel_message
from smt_ws.han.devices import devices_of
from smt_ws.han.earlier_devices import EarlierDevice, earlier_devices, keep_devices, remove_devices
from smt_ws.han.stays import added_before_move_in, hears_of, is_unconfirmed
from smt_ws.han.tables import han_device, han_message, han_message_status
from smt_ws.parties.tables import company, occupancy
from smt_ws.store.tables import audit_log

FIRST = date(2026, 11, 1)
_DAYS = st.dates(FIRST, FIRST + timedelta(days=4))
ACCOUNT, ADDRESS = 7, "192.0.2.7"


@pytest.mark.parametrize(
    ("added", "kept", "moved_in", "unconfirmed"),
    [
        (1, None, None, False),
        (1, None, 2, True),
        (2, None, 2, False),  # added on the day of the move-in: by who lives there now
        (3, None, 2, False),
        (1, 2, 2, False),
        (1, 3, 2, False),
        (1, 2, 4, True),  # kept by somebody who has moved out since
    ],
)
def test_a_device_is_unconfirmed_from_the_move_in_until_it_is_kept(
    added: int, kept: int | None, moved_in: int | None, unconfirmed: bool
) -> None:
    days = [None if n is None else FIRST + timedelta(days=n) for n in (added, kept, moved_in)]
    assert days[0] is not None
    assert is_unconfirmed(added_on=days[0], confirmed_on=days[1], move_in_day=days[2]) is unconfirmed


@pytest.mark.parametrize("own_request", [True, False])
@pytest.mark.parametrize("of_this_stay", [True, False])
@pytest.mark.parametrize("takes_part", [True, False])
def test_a_company_hears_of_its_own_requests_and_of_its_own_devices_while_it_takes_part(
    own_request: bool, of_this_stay: bool, takes_part: bool
) -> None:
    heard = hears_of(own_request=own_request, of_this_stay=of_this_stay, takes_part=takes_part)
    assert heard is (own_request or (of_this_stay and takes_part))


def move_in(market: HanMarket, *days: date, number: int = 1) -> None:
    with market.store.write() as connection:
        connection.execute(
            insert(occupancy),
            [{"premise_id": market.premises[number], "move_in_day": day, "load_number": 0} for day in days],
        )


def test_the_store_is_asked_what_the_rule_says(market: HanMarket) -> None:
    market.devices_put(range(1, 2))
    today = FIRST + timedelta(days=3)

    @given(added=_DAYS, kept=st.none() | _DAYS, moves=st.sets(_DAYS, max_size=3))
    def holds(added: date, kept: date | None, moves: set[date]) -> None:
        with market.store.write() as connection:
            connection.execute(occupancy.delete())
            connection.execute(update(han_device).values(added_on=added, confirmed_on=kept))
        if moves:
            move_in(market, *moves)
        with market.store.read() as connection:
            found = connection.scalar(select(added_before_move_in(literal(today, Date))).select_from(han_device))
        latest = max((day for day in moves if day <= today), default=None)
        assert bool(found) is is_unconfirmed(added_on=added, confirmed_on=kept, move_in_day=latest)

    holds()


def found(market: HanMarket) -> list[EarlierDevice]:
    with market.store.read() as connection:
        return earlier_devices(connection, market.premises.values(), clock=market.clock)


def moved_in_today(market: HanMarket) -> date:
    market.clock.advance(timedelta(days=3))
    today = central_today(market.clock)
    move_in(market, today)
    return today


def keep(market: HanMarket, devices: list[EarlierDevice], *, there_on: date | None = None) -> None:
    day = there_on or central_today(market.clock)
    there = dict.fromkeys(market.premises.values(), day)
    with market.store.write() as connection:
        keep_devices(connection, ACCOUNT, devices, there_on=there, clock=market.clock, address=ADDRESS)


def marked(market: HanMarket, who: Who) -> dict[str, bool]:
    with market.store.write() as connection:
        told = devices_of(connection, who, [esiid(1)], terms=market.terms, clock=market.clock)  # type: ignore[arg-type]
    return {one.eui64: one.unconfirmed for one in told.devices}


def remove(market: HanMarket, devices: list[EarlierDevice]) -> None:
    with market.store.write() as connection:
        remove_devices(connection, ACCOUNT, devices, clock=market.clock, address=ADDRESS)


@pytest.mark.parametrize("asker", ["rep", "csp"])
def test_messages_are_refused_until_the_customer_keeps_the_devices_a31(market: HanMarket, asker: str) -> None:
    who = market.who[asker]
    if asker == "csp":
        market.grant(market.csp, "device_services", range(1, 3))
    market.device_added()
    market.device_added(number=2, device=9)
    market.text(who=who)
    moved_in_today(market)
    with pytest.raises(errors.DevicesUnconfirmedError) as refused:
        market.text(who=who)
    assert (refused.value.code, refused.value.element) == ("DEVICES_UNCONFIRMED", "esiid")
    sent = market.text(range(1, 3), who=who)
    assert [(one.esiid, one.code) for one in sent.not_reached] == [(esiid(1), "DEVICES_UNCONFIRMED")]
    (device,) = found(market)
    assert (device.eui64, device.device_type) == (mac(1), "PCT")
    keep(market, [device])
    assert found(market) == []
    assert market.text(who=who).not_reached == []
    with market.store.read() as connection:
        kept = select(audit_log).where(audit_log.c.event == "device:keep:done").order_by(audit_log.c.id.desc())
        line = connection.execute(kept.limit(1)).one()
    assert (line.actor, line.address) == ("account:7", ADDRESS)


def test_the_tdsp_runs_its_meters_whoever_lives_there_a31(market: HanMarket) -> None:
    market.device_added()
    moved_in_today(market)
    assert market.text(who=market.tdsp).not_reached == []


def test_a_device_of_this_stay_beside_one_of_before_changes_nothing_a31(market: HanMarket) -> None:
    market.device_added()
    moved_in_today(market)
    market.device_added(device=2)
    with pytest.raises(errors.DevicesUnconfirmedError):
        market.text()
    assert [one.eui64 for one in found(market)] == [mac(1)]


def test_a_removal_goes_to_the_tdsp_and_only_when_it_is_done_messages_go_a31(market: HanMarket) -> None:
    market.device_added()
    market.device_added(device=2)
    moved_in_today(market)
    first, second = found(market)
    remove(market, [first])
    keep(market, [second])
    assert market.state() == "Remove Acknowledged"
    assert found(market) == []
    with pytest.raises(errors.DevicesUnconfirmedError):
        market.text()
    market.hand_over()
    with market.store.read() as connection:
        row = connection.execute(select(han_device).where(han_device.c.eui64 == mac(1))).one()
    assert market.post(row.remove_request, "FAILED") == "ACCEPTED"
    # it is still there, and may be asked for again
    assert [one.eui64 for one in found(market)] == [mac(1)]
    remove(market, found(market))
    market.hand_over()
    with market.store.read() as connection:
        row = connection.execute(select(han_device).where(han_device.c.eui64 == mac(1))).one()
    assert market.post(row.remove_request, "REMOVED", after=1) == "ACCEPTED"
    assert market.text().not_reached == []
    remove(market, [first])  # the page was old: nothing happens
    assert market.state() == "Device Removed"


def test_a_move_in_told_late_and_one_to_come_a31(market: HanMarket) -> None:
    market.device_added()
    market.clock.advance(timedelta(days=5))
    today = central_today(market.clock)
    move_in(market, today + timedelta(days=1))
    assert market.text().not_reached == []
    move_in(market, today - timedelta(days=3))
    with pytest.raises(errors.DevicesUnconfirmedError):
        market.text()


def test_who_had_moved_out_by_then_has_kept_for_nobody_else_a31(market: HanMarket) -> None:
    """The move-in is told after the earlier customer's answer, and is of before it."""
    market.device_added()
    first = moved_in_today(market)
    market.clock.advance(timedelta(days=10))
    moved = central_today(market.clock)
    market.clock.advance(timedelta(days=3))
    keep(market, found(market), there_on=first)
    assert market.text().not_reached == []
    move_in(market, moved)
    assert [one.eui64 for one in found(market)] == [mac(1)]
    with pytest.raises(errors.DevicesUnconfirmedError):
        market.text()
    # the next customer registered after the move; a corrected day of it changes nothing
    keep(market, found(market), there_on=moved + timedelta(days=2))
    move_in(market, moved + timedelta(days=1))
    assert market.text().not_reached == []


def test_get_devices_tells_which_devices_wait_a31(market: HanMarket) -> None:
    """As they stand now, to the TDSP too; one that has gone waits for nobody."""
    gone = market.ask(1, 4)
    for device in (1, 2):
        market.device_added(device=device)
    market.hand_over()
    assert market.post(gone, "REJECTED", device=4) == "ACCEPTED"
    assert set(marked(market, market.rep).values()) == {False}
    moved_in_today(market)
    market.device_added(device=3)
    assert marked(market, market.rep) == {mac(1): True, mac(2): True, mac(3): False}
    assert marked(market, market.tdsp) == {mac(1): True, mac(2): True, mac(3): False, mac(4): False}
    keep(market, [one for one in found(market) if one.eui64 == mac(1)])
    remove(market, found(market))
    assert marked(market, market.rep) == {mac(1): False, mac(2): True, mac(3): False}, "until it is gone"


def test_a_home_without_devices_or_without_a_known_move_in_waits_for_nobody_a31(market: HanMarket) -> None:
    moved_in_today(market)
    with pytest.raises(errors.NoDeviceError):
        market.text()
    market.device_added(2, 2)
    assert market.text([2]).not_reached == []
    assert found(market) == []


def listening(market: HanMarket, *people: Who) -> None:
    with market.store.write() as connection:
        connection.execute(
            update(company)
            .where(company.c.id.in_([who.company_id for who in people]))
            .values(callback_url="https://company.example/")
        )


def heard(market: HanMarket, operation: str) -> list[str]:
    return [
        row.payload["fields"]["status"] for row in market.outbox("callback") if row.payload["operation"] == operation
    ]


def test_what_the_customer_does_with_a_device_of_before_is_told_to_no_company_a31(market: HanMarket) -> None:
    listening(market, market.rep)
    market.device_added()
    before = heard(market, "DeviceStatusChanged")
    assert before == ["DEVICE_ADDED"]
    moved_in_today(market)
    remove(market, found(market))
    market.hand_over()
    with market.store.write() as connection:
        number = connection.execute(select(han_device.c.remove_request)).scalar_one()
        told = devices_of(connection, market.tdsp, [esiid(1)], terms=market.terms, clock=market.clock)  # type: ignore[arg-type]
    assert told.devices[0].history[-1].actor == "CUSTOMER"
    market.post(number, "REMOVED")
    assert heard(market, "DeviceStatusChanged") == before


def test_what_becomes_of_a_message_after_a_move_in_is_told_to_no_company_a31(market: HanMarket) -> None:
    listening(market, market.rep)
    market.device_added()
    sent = market.text(duration_minutes=7 * 24 * 60)
    market.hand_over()
    market.told(sent.request_id, "ACK", device=1)
    before = heard(market, "MessageStatusChanged")
    assert "ACK" in before
    moved_in_today(market)
    market.told(sent.request_id, "CON", device=1, after=1)
    assert heard(market, "MessageStatusChanged") == before


def cancel(market: HanMarket, number: int) -> None:
    with market.store.write() as connection:
        cancel_message(
            connection,
            market.rep,  # type: ignore[arg-type]
            number,
            Cancellation("c", "svc"),
            category="CSM",
            terms=market.terms,
            clock=market.clock,
        )


def reasons(market: HanMarket, number: int) -> list[tuple[str, str]]:
    of = han_message_status.c
    with market.store.read() as connection:
        rows = connection.execute(select(of.code, of.description).where(of.message_number == number).order_by(of.id))
        return [(row.code, row.description) for row in rows if row.code in {"RQA", "FLR"}]


def test_a_message_that_waits_for_the_tdsp_reaches_nobody_who_moved_in_meanwhile_a31(market: HanMarket) -> None:
    """Not even where the new occupant has kept the devices by then; the other homes of the message get it."""
    market.device_added()
    market.device_added(number=2, device=9)
    sent = market.text(range(1, 3), duration_minutes=7 * 24 * 60)
    moved_in_today(market)
    keep(market, found(market))
    market.hand_over()
    assert market.message_state(sent.request_id) == "FAILED"
    assert market.message_state(sent.request_id, 2) == "SENT"
    told = reasons(market, sent.request_id)
    assert ("FLR", "somebody moved in after it was accepted, so it was not sent") in told
    assert [code for code, _why in told].count("RQA") == 1


def test_a_move_in_that_is_told_late_holds_back_what_still_waits_a31(market: HanMarket) -> None:
    """The move-in is of before the message, and was not known when that was accepted."""
    market.device_added()
    market.clock.advance(timedelta(days=5))
    sent = market.text()
    move_in(market, central_today(market.clock) - timedelta(days=2))
    market.hand_over()
    assert market.message_state(sent.request_id) == "FAILED"
    ((code, why),) = reasons(market, sent.request_id)
    assert code == "FLR"
    assert why.startswith("DEVICES_UNCONFIRMED: ")


def test_a_tdsps_own_message_and_a_cancellation_still_go_out_a31(market: HanMarket) -> None:
    market.device_added()
    shown = market.text(duration_minutes=7 * 24 * 60)
    market.hand_over()
    own = market.text(who=market.tdsp, duration_minutes=7 * 24 * 60)
    cancel(market, shown.request_id)
    moved_in_today(market)
    market.hand_over()
    assert market.message_state(own.request_id) == "SENT"
    with market.store.read() as connection:
        number = connection.execute(select(han_message.c.number).where(han_message.c.category == "CSM")).scalar_one()
    assert market.message_state(number) == "SENT"
