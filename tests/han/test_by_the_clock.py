"""What waits too long ends; secrets are destroyed; the operator sees how long TDSPs take."""

from __future__ import annotations

from datetime import timedelta

import pytest
from click.testing import CliRunner
from han_market import CENTERPOINT, ONCOR, HanMarket, esiid
from sqlalchemy import select, update

from jobs import han as jobs
from smt_ws.cli.han import han
from smt_ws.han import errors
from smt_ws.han.cancel_message import Cancellation, cancel_message
from smt_ws.han.lifecycle import (
    destroy_install_codes,
    end_waiting_devices,
    end_waiting_messages,
    forget_messages,
)
from smt_ws.han.tables import han_device, han_message, han_message_device, han_message_status, han_message_target
from smt_ws.han.timing import DELIVERY, METER_READY, timings
from smt_ws.parties.device_tables import device_control
from smt_ws.store.tables import audit_log


def codes(market: HanMarket) -> list[str]:
    with market.store.read() as connection:
        return list(connection.scalars(select(han_message_status.c.code).order_by(han_message_status.c.id)))


def test_the_join_window_ends_and_a_late_join_still_counts_h3(market: HanMarket) -> None:
    asked = market.ask()
    waiting = market.ask(2, 2)
    market.post(asked, "METER_READY")
    market.clock.advance(timedelta(hours=720))
    assert end_waiting_devices(market.store, terms=market.terms, clock=market.clock) == 0
    market.clock.advance(timedelta(seconds=1))
    assert end_waiting_devices(market.store, terms=market.terms, clock=market.clock) == 1
    assert end_waiting_devices(market.store, terms=market.terms, clock=market.clock) == 0
    assert (market.state(), market.state(2, 2)) == ("Add Failed", "Add Acknowledged")
    assert market.post(asked, "ADDED") == "ACCEPTED"
    assert market.state() == "Device Added"
    assert f"TDSP {ONCOR}: 1 adds without progress" in jobs.end_waiting(market.hub, market.clock.now().date())
    told = CliRunner().invoke(han, ["overdue"], obj=market.hub)
    assert (told.exit_code, "1 adds" in told.output) == (1, True)
    assert waiting.request_id


def test_messages_without_an_answer_are_closed_after_their_time_h5(market: HanMarket) -> None:
    market.devices_put(range(1, 7))
    text = market.text(range(1, 5), duration_minutes=30).request_id
    event = market.event(range(1, 2), durationMinutes=30).request_id
    forever = market.text(range(5, 6), duration_minutes=None).request_id
    market.hand_over()
    market.told(text, "ACK", number=2)
    market.told(text, "CON", number=3)
    market.told(event, "CON", sep=1)
    never_sent = market.text(range(6, 7), duration_minutes=30).request_id
    market.clock.advance(timedelta(minutes=150))
    assert end_waiting_messages(market.store, clock=market.clock) == 0
    market.clock.advance(timedelta(seconds=1))
    assert end_waiting_messages(market.store, clock=market.clock) == 5
    assert end_waiting_messages(market.store, clock=market.clock) == 0
    assert [market.message_state(text, number) for number in range(1, 5)] == [
        "EXPIRED", "NO_REPORT", "DELIVERED", "EXPIRED"
    ]  # fmt: skip
    assert market.message_state(event) == "DELIVERED"
    assert market.message_state(never_sent, 6) == "EXPIRED"
    assert market.message_state(forever, 5) == "SENT"
    assert codes(market).count("FLR") == 3
    # the TDSP's word beats the hub's clock
    assert market.told(text, "CON", number=1) == "ACCEPTED"
    assert market.message_state(text, 1) == "DELIVERED"
    market.clock.advance(timedelta(days=7))
    assert end_waiting_messages(market.store, clock=market.clock) == 1


def test_codes_of_devices_that_are_gone_are_destroyed_h1(market: HanMarket) -> None:
    kept, gone = market.ask(), market.ask(2, 2)
    market.post(gone, "REJECTED", number=2)
    assert kept.request_id
    market.clock.advance(timedelta(days=30, seconds=1))
    assert "1 installation codes destroyed" in jobs.tidy(market.hub, market.clock.now().date())
    assert destroy_install_codes(market.store, terms=market.terms, clock=market.clock) == 0
    with market.store.read() as connection:
        left = connection.execute(select(han_device.c.eui64).where(han_device.c.install_code.is_not(None))).all()
    assert len(left) == 1


def test_messages_and_their_log_are_kept_for_three_years_h6_a16(market: HanMarket) -> None:
    market.devices_put(range(1, 5))
    old = [market.text(range(1, 4), duration_minutes=30).request_id for _ in range(25)]
    market.hand_over()
    assert market.told(old[0], "CON", device=1) == "ACCEPTED"
    market.clock.advance(timedelta(days=1))
    newer = market.text(range(4, 5), duration_minutes=30).request_id
    market.hand_over()
    market.clock.advance(timedelta(days=1099, seconds=-1))
    assert end_waiting_messages(market.store, clock=market.clock) > 0
    assert forget_messages(market.store, terms=market.terms, clock=market.clock) == 0
    market.clock.advance(timedelta(seconds=2))
    # one that still waits for an answer is not forgotten
    with market.store.write() as connection:
        connection.execute(
            update(han_message_target)
            .where(han_message_target.c.message_number == old[-1], han_message_target.c.position == 0)
            .values(closed_at=None)
        )
    assert "24 messages" in jobs.tidy(market.hub, market.clock.now().date())
    with market.store.read() as connection:
        for table in (han_message_target, han_message_status):
            left = set(connection.scalars(select(table.c.message_number)))
            assert left == {old[-1], newer}
        assert set(connection.scalars(select(han_message.c.number))) == {old[-1], newer}
        assert connection.scalars(select(han_message_device.c.message_number)).all() == []


def test_how_long_each_tdsp_takes(market: HanMarket) -> None:
    market.devices_put(range(10, 22))
    adds = [market.ask(number, number) for number in range(1, 5)]
    texts = market.text(range(10, 22)).request_id
    market.hand_over()
    for minutes, (number, asked) in enumerate(enumerate(adds[:3], 1), 1):
        market.clock.advance(timedelta(minutes=10))
        assert market.post(asked, "METER_READY" if minutes < 3 else "ADDED", number=number) == "ACCEPTED"
    for number in range(10, 20):
        market.clock.advance(timedelta(minutes=1))
        market.told(texts, "CON", number=number)
    # what is cancelled before it leaves has not been delivered, and a cancellation is no message
    withdrawn = market.event(range(20, 21)).request_id
    with market.store.write() as connection:
        cancel_message(
            connection, market.rep, withdrawn, Cancellation("t", "svc"), category="CLE",  # type: ignore[arg-type]
            terms=market.terms, clock=market.clock,
        )  # fmt: skip
    with market.store.read() as connection:
        found = timings(
            connection, since=market.clock.now() - timedelta(days=1), until=market.clock.now() + timedelta(days=1)
        )
    shown = {(one.what, one.tdsp_duns): one for one in found}
    ready = shown[METER_READY, ONCOR]
    assert (ready.done, ready.waiting) == (3, 1)
    assert (ready.half, ready.nine_of_ten, ready.longest) == tuple(timedelta(minutes=m) for m in (20, 30, 30))
    delivered = shown[DELIVERY, ONCOR]
    assert (delivered.done, delivered.waiting) == (10, 2)
    assert (delivered.half, delivered.nine_of_ten, delivered.longest) == tuple(
        timedelta(minutes=m) for m in (35, 39, 40)
    )
    nothing = shown[DELIVERY, CENTERPOINT]
    assert (nothing.done, nothing.waiting, nothing.half) == (0, 1, None)
    told = CliRunner().invoke(han, ["timing"], obj=market.hub)
    assert told.exit_code == 0
    assert "0:39:00" in told.output


def test_the_operator_notes_what_a_customer_said_and_turns_keys_a19(market: HanMarket) -> None:
    market.ask()
    run = CliRunner()
    told = run.invoke(han, ["control", esiid(1), "--no-rep", "--no-third-party"], obj=market.hub)
    assert "the TDSP may control devices" in told.output
    with pytest.raises(errors.CustomerKeepsControlError):
        market.ask(1, 2)
    with market.store.read() as connection:
        row = connection.execute(select(device_control)).one()
        assert connection.scalars(
            select(audit_log.c.event).where(audit_log.c.object == f"premise:{row.premise_id}")
        ).all() == ["device:control:set"]
    assert (row.by_rep, row.by_third_party, row.by_tdsp) == (False, False, True)
    unknown = run.invoke(han, ["control", "10443729999999999"], obj=market.hub)
    assert isinstance(unknown.exception, errors.EsiidUnknownError)
    key_file = market.hub.settings.han.install_code_keys
    key_file.write_text(run.invoke(han, ["new-key"]).output + key_file.read_text())
    assert "1 installation codes" in run.invoke(han, ["rotate-keys"], obj=market.hub).output
