"""A31: nothing from before a move-in is told, over both stores: devices, their histories, messages, the log."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from han_market import HanMarket, Who, esiid, mac
from sqlalchemy import insert

from adapters.central_day import midnight_utc
from smt_ws.han import removal
from smt_ws.han.devices import devices_of
from smt_ws.han.earlier_devices import earlier_devices, keep_devices
from smt_ws.han.message_log import LogRange, LogRow, log_page, log_rows
from smt_ws.han.message_status import message_status
from smt_ws.han.stays import device_told, of_this_stay, sees_earlier_stays
from smt_ws.parties.rules import KINDS
from smt_ws.parties.tables import occupancy

BEGAN = datetime(2026, 11, 20, 6, tzinfo=UTC)
BEFORE, AT, AFTER = BEGAN - timedelta(microseconds=1), BEGAN, BEGAN + timedelta(days=3)


def test_only_the_own_wires_see_earlier_stays() -> None:
    assert {kind for kind in KINDS if sees_earlier_stays(kind)} == {"TDSP"}


@pytest.mark.parametrize(
    ("moments", "began", "told"),
    [
        ([BEFORE], None, True),
        ([BEFORE], BEGAN, False),
        ([AT], BEGAN, True),
        ([AFTER, AT], BEGAN, True),
        ([BEFORE, AFTER], BEGAN, False),  # so before the move-in, told after it
        ([AFTER, BEFORE], BEGAN, False),
    ],
)
def test_what_lies_in_a_stay(moments: list[datetime], began: datetime | None, told: bool) -> None:
    assert of_this_stay(moments, began) is told


@pytest.mark.parametrize("holds_slot", [True, False])
@pytest.mark.parametrize("state_at", [BEFORE, AT, AFTER])
@pytest.mark.parametrize("began", [None, BEGAN])
def test_a_device_is_hidden_only_when_it_had_gone_before_the_stay(
    holds_slot: bool, state_at: datetime, began: datetime | None
) -> None:
    hidden = not device_told(holds_slot=holds_slot, state_at=state_at, began=began)
    assert hidden is (not holds_slot and state_at < BEGAN and began is not None)


def move_in(market: HanMarket, *days: date, number: int = 1) -> None:
    with market.store.write() as connection:
        connection.execute(
            insert(occupancy),
            [{"premise_id": market.premises[number], "move_in_day": day, "load_number": 0} for day in days],
        )


def told(market: HanMarket, who: Who):
    with market.store.write() as connection:
        return devices_of(connection, who, [esiid(1)], terms=market.terms, clock=market.clock).devices  # type: ignore[arg-type]


def log(market: HanMarket, who: Who, days: int = 30) -> list[LogRow]:
    last = market.clock.now().date()
    wanted = LogRange(last - timedelta(days=days), last)
    with market.store.write() as connection:
        page = log_page(connection, who, wanted, terms=market.terms, clock=market.clock)  # type: ignore[arg-type]
        file = log_rows(
            connection, company_id=who.company_id, kind=who.kind, duns_numbers=who.duns_numbers, wanted=wanted,
            through=10**9, now=market.clock.now(),
        )  # fmt: skip
        assert list(file) == page.rows
    return list(page.rows)


def days_later(market: HanMarket, days: int) -> date:
    """Let so many days pass; return the operating day of then."""
    market.clock.advance(timedelta(days=days))
    return market.clock.now().date()


def test_a_company_sees_devices_as_they_stand_and_no_history_from_before_the_move_in_a31(
    strict_market: HanMarket,
) -> None:
    market = strict_market
    market.grant(market.csp, "device", range(1, 2))
    for device in (1, 2):
        asked = market.ask(1, device, market.csp)
        market.hand_over()
        market.post(asked, "ADDED")
    gone = market.ask(1, 3, market.csp)
    market.hand_over()
    market.post(gone, "REJECTED")
    before = {one.eui64: len(one.history) for one in told(market, market.csp)}
    assert set(before) == {mac(1), mac(2), mac(3)}
    assert all(before.values())
    today = days_later(market, 5)
    move_in(market, date(2024, 5, 1), today, today + timedelta(days=2))  # one to come changes nothing yet
    first, second = told(market, market.csp)
    assert [one.eui64 for one in (first, second)] == [mac(1), mac(2)], "what had gone by then is not told"
    assert [(one.state.value, list(one.history)) for one in (first, second)] == [("Device Added", [])] * 2
    assert {one.state_at for one in (first, second)} == {midnight_utc(today)}
    by_wires = {one.eui64: len(one.history) for one in told(market, market.tdsp)}
    assert by_wires == before, "the TDSP keeps its own records"
    with market.store.write() as connection:
        removal.deprovision_device(
            connection, market.csp, market.request(1, 1), terms=market.terms, clock=market.clock  # type: ignore[arg-type]
        )  # fmt: skip
    assert [entry.event.name for entry in told(market, market.csp)[0].history] == ["REMOVAL_INVITED"]


def test_the_rep_of_record_is_told_no_more_a31(market: HanMarket) -> None:
    market.device_added()
    assert told(market, market.rep)[0].history
    move_in(market, days_later(market, 1))
    (device,) = told(market, market.rep)
    assert (device.state.value, list(device.history)) == ("Device Added", [])


def test_messages_of_before_are_in_no_log_and_no_status_a31(market: HanMarket) -> None:
    market.devices_put(range(1, 3))
    earlier = market.text([1, 2]).request_id
    market.hand_over()
    market.told(earlier, "CON")
    rows = len(log(market, market.rep))
    today = days_later(market, 3)
    move_in(market, today - timedelta(days=1))
    move_in(market, today + timedelta(days=1), number=2)
    with market.store.write() as connection:
        earlier_ones = earlier_devices(connection, market.premises.values(), clock=market.clock)
        there = dict.fromkeys(market.premises.values(), today)
        keep_devices(connection, 7, earlier_ones, there_on=there, clock=market.clock, address="192.0.2.7")
    later = market.text([1, 2]).request_id
    market.hand_over()
    assert {row.esiid for row in log(market, market.rep) if row.request_id == earlier} == {esiid(2)}
    assert {row.esiid for row in log(market, market.rep) if row.request_id == later} == {esiid(1), esiid(2)}
    assert len([row for row in log(market, market.tdsp) if row.request_id == earlier]) == rows
    with market.store.read() as connection:
        for number, homes in ((earlier, {esiid(2)}), (later, {esiid(1), esiid(2)})):
            found = message_status(connection, market.rep, number, now=market.clock.now())  # type: ignore[arg-type]
            assert {one.esiid for one in found.premises} == homes
            assert sum(found.counts.values()) == len(homes)
