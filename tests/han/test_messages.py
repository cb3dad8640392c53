"""Messages over both stores: sent, handed over, confirmed in any order, cancelled, superseded, logged (H4-H6)."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from han_market import CENTERPOINT, ONCOR, HanMarket, esiid, mac, meter_of
from sqlalchemy import select

from adapters import sep
from smt_ws.errors import HubError
from smt_ws.han import errors, handover, message_log, send
from smt_ws.han import message_status as message_status_of
from smt_ws.han.cancel_message import Cancellation, cancel_all, cancel_message
from smt_ws.han.handover import Taken
from smt_ws.han.message_log import COLUMNS, LogRange, LogRow, log_page
from smt_ws.han.message_status import message_status
from smt_ws.han.statuses import MessagePost, post_message_statuses
from smt_ws.han.tables import han_message, han_message_target
from smt_ws.parties.tables import company, grants

SOON = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)


def cancelled(market: HanMarket, message: int, category: str = "CSM", esiids: list[str] | None = None, who=None):
    with market.store.write() as connection:
        return cancel_message(
            connection, who or market.rep, message, Cancellation("t", "svc", esiids or []),
            category=category, terms=market.terms, clock=market.clock,
        )  # fmt: skip


def status(market: HanMarket, message: int):
    with market.store.read() as connection:
        return message_status(connection, market.rep, message, now=market.clock.now())


def counts(market: HanMarket, message: int) -> dict[str, int]:
    return {state.value: number for state, number in status(market, message).counts.items()}


def log(market: HanMarket, who=None, **wanted) -> list[LogRow]:
    day = date(2026, 11, 20)
    with market.store.write() as connection:
        return list(
            log_page(
                connection, who or market.rep, LogRange(day, day, **wanted), terms=market.terms, clock=market.clock
            ).rows
        )


def frames(market: HanMarket, message: int):
    """What the outbox's handler would send for it, decoded again."""
    with market.store.write() as connection:
        rows = [row.payload for row in market.outbox("tdsp.deliver_message") + market.outbox("tdsp.cancel_message")]
        calls = handover.deliveries(
            connection, [row for row in rows if row["message_id"] == message], now=market.clock.now()
        )
    return [(call, sep.decode(call.message.CLUSTER, sep.encode(call.message)).message) for call in calls]


def test_a_text_from_submitted_to_confirmed_and_its_rows_in_the_log_h5_h6(market: HanMarket) -> None:
    market.device_added()
    sent = market.text(text="Peak day: please conserve 3-7pm", priority="HIGH", confirmation_required=True)
    assert sent.request_id > 1_000_000_000
    (row,) = market.outbox("tdsp.deliver_message")
    assert (row.payload, row.target) == ({"message_id": sent.request_id, "from": 0, "to": 0}, f"tdsp:{ONCOR}")
    assert market.message_state(sent.request_id) == "SUBMITTED"
    ((call, message),) = frames(market, sent.request_id)
    assert (call.request_id, call.cancellation_id, call.targets) == (sent.request_id, None, [(esiid(1), "M1")])
    assert message == sep.DisplayMessage(
        sent.request_id, "Peak day: please conserve 3-7pm", sep.Importance.HIGH, True, None, 60
    )
    market.hand_over()
    market.hand_over()
    for minute, (code, state) in enumerate(
        [("ACK", "ACKNOWLEDGED"), ("PEN", "PENDING"), ("CON", "DELIVERED")], 1
    ):  # fmt: skip
        assert market.told(sent.request_id, code, after=minute) == "ACCEPTED"
        assert market.told(sent.request_id, code, after=minute) == "REPEATED"
        assert market.message_state(sent.request_id) == state
    assert market.told(sent.request_id, "PEN", after=4) == "KEPT"
    assert counts(market, sent.request_id) == {"DELIVERED": 1}
    rows = log(market)
    assert [row.code for row in rows] == ["RQA", "ACK", "PEN", "CON", "PEN"]
    assert len(rows[0]) == len(COLUMNS) == 12
    assert rows[3][:4] == (ONCOR, market.clock.now(), sent.request_id, None)
    assert rows[3][5:10] == (esiid(1), "M1", None, "STM", "CON")
    assert len({row.status_id for row in rows}) == 5


def test_every_status_is_told_to_the_companys_callback_r10(market: HanMarket) -> None:
    with market.store.write() as connection:
        connection.execute(
            company.update().where(company.c.id == market.rep.company_id).values(callback_url="https://rep.example/")
        )
    market.devices_put(range(1, 2))
    event = market.event().request_id
    market.hand_over()
    market.told(event, "CON", sep=1, device=1, after=1)
    market.told(event, "CON", sep=1, device=1, after=1)
    called = [row.payload for row in market.outbox("callback")]
    assert [(one["operation"], one["fields"]["status"]) for one in called] == [
        ("MessageStatusChanged", "RQA"), ("MessageStatusChanged", "CON")
    ]  # fmt: skip
    assert called[1]["fields"]["deviceMacAddress"] == mac(1)
    assert all(len(one["key"]) <= 64 for one in called)


def test_fifty_premises_of_two_tdsps_are_batches_of_each(market: HanMarket) -> None:
    market.devices_put(range(1, 23))
    hub = market.hub
    object.__setattr__(hub, "settings", hub.settings.model_copy(
        update={"han": hub.settings.han.model_copy(update={"targets_per_call": 8})}
    ))  # fmt: skip
    sent = market.text(range(1, 23))
    payloads = {(row.target, row.payload["from"], row.payload["to"]) for row in market.outbox("tdsp.deliver_message")}
    assert payloads == {
        (f"tdsp:{ONCOR}", 0, 7), (f"tdsp:{ONCOR}", 8, 15), (f"tdsp:{ONCOR}", 16, 19), (f"tdsp:{CENTERPOINT}", 20, 21)
    }  # fmt: skip
    market.hand_over()
    assert counts(market, sent.request_id) == {"SENT": 22}
    assert len(log(market)) == 22
    assert len(log(market, esiid=esiid(3))) == 1
    assert len(log(market, market.tdsp)) == 20


def test_premises_that_cannot_be_sent_to_are_told_and_the_others_get_it_h8(strict_market: HanMarket) -> None:
    market = strict_market
    market.devices_put(range(1, 4))
    market.grant(market.csp, "device_services", range(1, 6))
    with market.store.write() as connection:
        sent = send.send_text(
            connection, market.csp, send.Submission("t", "s", [esiid(1), esiid(2), esiid(2), esiid(5), esiid(9), "x",
            "10443729999999999"]), text="hi", duration_minutes=5, terms=market.terms, clock=market.clock,
        )  # fmt: skip
    assert {one.esiid: one.code for one in sent.not_reached} == {
        esiid(2): "ESIID_REPEATED", esiid(5): "NO_DEVICE", esiid(9): "NO_SERVICES_AGREEMENT", "x": "ESIID_MALFORMED",
        "10443729999999999": "ESIID_UNKNOWN",
    }  # fmt: skip
    assert sent.esiids_asked == 7
    for numbers, code in (([5], "NO_DEVICE"), ([9], "NO_SERVICES_AGREEMENT"), ([5, 9], "NO_ESIID_ACCEPTED")):
        with pytest.raises(HubError) as refused:
            market.text(numbers, who=market.csp)
        assert refused.value.code == code
    with pytest.raises(errors.NoEsiidsError):
        market.text([])
    assert market.count(han_message) == 1


def test_an_agreement_that_ends_stops_messages_and_devices_stay_a12(strict_market: HanMarket) -> None:
    market = strict_market
    for scope in ("device", "device_services"):
        market.grant(market.csp, scope, range(1, 2))
    asked = market.ask(who=market.csp)
    market.hand_over()
    market.post(asked, "ADDED")
    before = market.event(who=market.csp, start=SOON + timedelta(hours=5)).request_id
    market.hand_over()
    market.clock.advance(timedelta(minutes=1))
    with market.store.write() as connection:
        connection.execute(grants.update().values(ended_at=market.clock.now()))
    with pytest.raises(errors.NoServicesAgreementError):
        market.text(who=market.csp)
    with pytest.raises(errors.NoDeviceAgreementError):
        market.ask(device=2, who=market.csp)
    assert market.state() == "Device Added"
    # what was sent in its time is seen on, and may be taken back: that ends control
    with market.store.read() as connection:
        assert message_status(connection, market.csp, before, now=market.clock.now()).counts
    assert cancelled(market, before, "CLE", who=market.csp).premises == 1


def test_every_kind_of_message_reaches_the_device_as_its_sep_frame_h4(market: HanMarket) -> None:
    market.devices_put(range(1, 2))
    event = market.event(
        start=SOON, deviceClass=5, coolingOffset=Decimal("2.0"), avgLoadAdjustment=-20, heatingSetpoint=Decimal("18.25")
    )
    ((_, frame),) = frames(market, event.request_id)
    assert frame == sep.LoadControlEvent(
        event.request_id, 60, 2, 5, 0, SOON, cooling_offset=20, heating_setpoint=1825, load_adjustment=-20
    )
    with market.store.write() as connection:
        price = send.send_price(
            connection, market.rep, send.Submission("t", "s", [esiid(1)], SOON),
            numbers={"providerId": 123456789, "currency": 840, "priceTier": 3, "numberOfPriceTiers": 3,
                     "registerTier": 3, "durationMinutes": 240},
            price=Decimal("0.1875"), rate_label="ONPEAK", terms=market.terms, clock=market.clock,
        )  # fmt: skip
    ((_, frame),) = frames(market, price.request_id)
    assert frame == sep.PublishPrice(123456789, price.request_id, 1875, 4, "ONPEAK", 0, 840, 3, 3, 3, SOON, 240)
    text = market.text()
    market.hand_over()
    for message, category, wanted in (
        (text.request_id, "CSM", sep.CancelMessage(text.request_id)),
        (event.request_id, "CLE", sep.CancelLoadControlEvent(event.request_id, 5, 0)),
    ):
        done = cancelled(market, message, category)
        ((call, frame),) = frames(market, done.cancellation_id)
        assert (call.request_id, call.cancellation_id, frame) == (message, done.cancellation_id, wanted)
    with pytest.raises(errors.MessageNotCancellableError):
        cancelled(market, price.request_id)


@pytest.mark.parametrize("seed", range(3))
def test_the_state_does_not_depend_on_the_order_of_statuses_h5(market: HanMarket, seed: int) -> None:
    market.devices_put(range(1, 2))
    event = market.event()
    market.hand_over()
    story = [("ACK", None, None, 1), ("PEN", None, None, 2), ("CON", 1, 1, 3), ("STR", 2, 1, 4), ("OPT", 4, 1, 5),
             ("STR", 5, 1, 6), ("CON", 3, 1, 9), ("CON", 1, 2, 3), ("OPT", 4, 2, 5), ("FLR", 0xFE, 3, 3)]  # fmt: skip
    random.Random(seed).shuffle(story)
    posts = [
        MessagePost(event.request_id, None, esiid(1), meter_of(1), None if device is None else mac(device), code, None,
                    sep_status, market.clock.now() + timedelta(minutes=minute))
        for code, sep_status, device, minute in story
    ]  # fmt: skip
    for some in (posts[:4], posts[2:], posts):
        with market.store.write() as connection:
            answers = post_message_statuses(connection, tdsp_duns_numbers=(ONCOR,), posts=some, clock=market.clock)
        assert {answer.code for answer in answers} <= {"ACCEPTED", "KEPT", "REPEATED"}
    assert {answer.code for answer in answers} == {"REPEATED"}
    (at,) = status(market, event.request_id).premises
    assert {one.eui64: one.state.value for one in at.devices} == {
        mac(1): "COMPLETED", mac(2): "OPTED_OUT", mac(3): "FAILED"
    }  # fmt: skip
    assert at.state.value == "COMPLETED"
    assert len(log(market)) == 11


def test_the_log_and_the_status_come_by_pages_that_add_up_h6(
    market: HanMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_log, "PAGE", 3)
    monkeypatch.setattr(message_status_of, "PAGE", 3)
    market.devices_put(range(1, 8))
    text = market.text(range(1, 8)).request_id
    market.hand_over()
    day = date(2026, 11, 20)
    rows, homes = [], []
    for page, more in ((1, True), (2, True), (3, False), (4, False)):
        with market.store.write() as connection:
            found = log_page(
                connection, market.rep, LogRange(day, day), page=page, terms=market.terms, clock=market.clock  # type: ignore[arg-type]
            )  # fmt: skip
            stands = message_status(connection, market.rep, text, page=page, now=market.clock.now())  # type: ignore[arg-type]
        assert (found.more, stands.more) == (more, more)
        rows += found.rows
        homes += [one.esiid for one in stands.premises]
        # the roll-up is of all homes, on every page
        assert {state.value: number for state, number in stands.counts.items()} == {"SENT": 7}
    numbers = [row.status_id for row in rows]
    assert numbers == sorted(numbers)
    assert (len(rows), len({row.esiid for row in rows})) == (7, 7)
    assert sorted(homes) == [esiid(number) for number in range(1, 8)]


def test_posts_that_cannot_be_taken_are_answered_each_for_itself_h7(market: HanMarket) -> None:
    market.devices_put(range(1, 2))
    text, event = market.text().request_id, market.event().request_id
    market.hand_over()
    for answer, expected in (
        (market.told(text, "CON", duns=CENTERPOINT), "NOT_YOUR_METER"),
        (market.told(text, "CON", number=2), "UNKNOWN_REQUEST"),
        (market.told(text + 77, "CON"), "UNKNOWN_REQUEST"),
        (market.told(2**40, "CON"), "UNKNOWN_REQUEST"),
        (market.told(text, "XYZ"), "UNKNOWN_STATUS"),
        (market.told(text, "OPT"), "STATUS_NOT_FOR_CATEGORY"),
        (market.told(event, "CON", sep=0x55), "SEP_STATUS_UNKNOWN"),
        (market.told(event, "CON", sep=4), "SEP_STATUS_MISMATCH"),
        (market.told(event, "CON", after=11), "TIME_IN_FUTURE"),
        (market.told(event, "CON", cancels=text), "UNKNOWN_REQUEST"),
    ):
        assert answer == expected
    assert (counts(market, text), counts(market, event)) == ({"SENT": 1}, {"SENT": 1})


def test_what_has_not_left_the_hub_is_cancelled_here_and_is_never_delivered(market: HanMarket) -> None:
    market.devices_put(range(1, 4))
    text = market.text(range(1, 4)).request_id
    done = cancelled(market, text, esiids=[esiid(2)])
    assert (done.premises, counts(market, text)) == (1, {"SUBMITTED": 2, "CANCELLED": 1})
    assert not market.outbox("tdsp.cancel_message")
    ((call, _),) = frames(market, text)
    assert [one for one, _ in call.targets] == [esiid(1), esiid(3)]
    # now it may have left: the TDSP must hear of the cancellation, after the message
    second = cancelled(market, text)
    assert second.premises == 2
    rows = [row.payload for row in market.outbox("tdsp.cancel_message")]
    with market.store.write() as connection, pytest.raises(errors.EarlierCallOpenError):
        handover.deliveries(connection, rows, now=market.clock.now())
    market.hand_over()
    assert counts(market, text) == {"SENT": 2, "CANCELLED": 1}
    assert market.told(second.cancellation_id, "CON", cancels=text) == "ACCEPTED"
    assert counts(market, text) == {"SENT": 1, "CANCELLED": 2}
    rows = log(market, request_id=text)
    assert {(row.category, row.cancellation_id) for row in rows} == {
        ("STM", None), ("CSM", done.cancellation_id), ("CSM", second.cancellation_id)
    }  # fmt: skip
    assert {row.request_id for row in rows} == {text}


def test_only_own_messages_that_are_not_over_can_be_cancelled_h4(market: HanMarket) -> None:
    market.devices_put(range(1, 2))
    text = market.text().request_id
    with pytest.raises(errors.MessageUnknownError):
        cancelled(market, text, who=market.csp)
    event = market.event().request_id
    with pytest.raises(errors.MessageUnknownError):
        cancelled(market, event, "CLE", who=market.csp)
    with pytest.raises(errors.MessageUnknownError):
        cancelled(market, 2**40)
    with pytest.raises(errors.MessageNotThereError):
        cancelled(market, text, esiids=[esiid(2)])
    with pytest.raises(errors.MessageNotCancellableError):
        cancelled(market, text, "CLE")
    cancelled(market, text)
    with pytest.raises(errors.MessageOverError):
        cancelled(market, text)
    with market.store.read() as connection, pytest.raises(errors.MessageUnknownError):
        message_status(connection, market.csp, text, now=market.clock.now())


def test_cancel_all_cancels_ones_own_events_and_no_one_elses_h4(market: HanMarket) -> None:
    market.devices_put(range(1, 4))
    market.grant(market.csp, "device_services", range(1, 4))
    mine = [market.event(range(1, 4)).request_id, market.event(range(1, 3), start=SOON).request_id]
    theirs = market.event(range(1, 4), who=market.csp).request_id
    text = market.text(range(1, 4)).request_id
    market.hand_over()
    with market.store.write() as connection:
        done = cancel_all(
            connection, market.rep, Cancellation("t", "s", [esiid(1), esiid(2), "10443729999999999"]),
            terms=market.terms, clock=market.clock,
        )  # fmt: skip
    assert [(one.request_id, one.premises) for one in done.events] == [(mine[0], 2), (mine[1], 2)]
    assert [one.code for one in done.not_reached] == ["ESIID_UNKNOWN"]
    market.hand_over()
    for one in done.events:
        for number in (1, 2):
            assert market.told(one.cancellation_id, "CON", cancels=one.request_id, number=number, sep=6) == "ACCEPTED"
    assert counts(market, mine[0]) == {"CANCELLED": 2, "SENT": 1}
    assert counts(market, text) == {"SENT": 3}
    assert {market.message_state(theirs, number) for number in (1, 2, 3)} == {"SENT"}
    assert counts(market, done.cancellation_id) == {"DELIVERED": 4}
    rows = log(market)
    assert {row.cancellation_id for row in rows if row.category == "CAL"} == {done.cancellation_id}
    with market.store.read() as connection:
        sent = connection.scalars(select(han_message.c.category).distinct()).all()
    assert set(sent) == {"LCE", "STM", "CAL", "CLE"}


def test_a_newer_message_takes_the_place_of_those_it_overlaps_only(market: HanMarket) -> None:
    market.devices_put(range(1, 2))
    now_event = market.event(deviceClass=1).request_id
    other_class = market.event(deviceClass=2).request_id
    later = market.event(start=SOON + timedelta(hours=8), deviceClass=1).request_id
    text = market.text().request_id
    newer = market.event(deviceClass=3, durationMinutes=30).request_id
    market.hand_over()
    for message in (now_event, other_class, later, text):
        market.told(message, "CON")
    assert market.told(newer, "CON", after=1) == "ACCEPTED"
    assert [market.message_state(one) for one in (now_event, other_class, later, text, newer)] == [
        "SUPERSEDED", "SUPERSEDED", "DELIVERED", "DELIVERED", "DELIVERED"
    ]  # fmt: skip


def test_a_tdsp_that_refuses_a_meter_fails_that_meter_alone(market: HanMarket) -> None:
    market.devices_put(range(1, 4))
    text = market.text(range(1, 4)).request_id
    with market.store.write() as connection:
        rows = [row.payload for row in market.outbox("tdsp.deliver_message")]
        handover.deliveries(connection, rows, now=market.clock.now())
        taken = Taken(text, 0, 2, {esiid(2): ("UNKNOWN_METER", "no such meter here")})
        for _ in range(2):
            handover.handed_over(connection, [taken], clock=market.clock)
    assert counts(market, text) == {"SENT": 2, "FAILED": 1}
    assert sorted(row.code for row in log(market)) == ["FLR", "RQA", "RQA"]


def test_a_message_whose_time_is_over_is_not_delivered_any_more(market: HanMarket) -> None:
    market.devices_put(range(1, 2))
    text = market.text(duration_minutes=30).request_id
    market.clock.advance(timedelta(minutes=30))
    assert frames(market, text) == []
    with market.store.read() as connection:
        assert connection.execute(select(han_message_target.c.calling_at)).scalar_one() is None


@pytest.mark.parametrize(
    "edge",
    [
        {"text": "x" * 58},
        {"text": "x" * 56 + "é"},
        {"duration_minutes": 1},
        {"duration_minutes": 65534},
        {"duration_minutes": None},
        {"start": datetime(2026, 11, 20, 14, 59, 1, tzinfo=UTC)},
        {"start": datetime(2026, 12, 21, 15, 0, tzinfo=UTC)},
    ],
)
def test_a_text_at_its_bounds_reaches_the_device_as_it_was_sent_h4(market: HanMarket, edge) -> None:
    market.devices_put(range(1, 2))
    ((_, frame),) = frames(market, market.text(**edge).request_id)
    assert isinstance(frame, sep.DisplayMessage)
    assert frame.text == edge.get("text", "Peak day")
    assert frame.duration_minutes == edge.get("duration_minutes", 60)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"text": "x" * 59}, "MESSAGE_TOO_LONG"),
        ({"text": "x" * 57 + "é"}, "MESSAGE_TOO_LONG"),
        ({"text": " "}, "MESSAGE_EMPTY"),
        ({"text": "a\nb"}, "MESSAGE_UNPRINTABLE"),
        ({"priority": "URGENT"}, "PRIORITY_UNKNOWN"),
        ({"duration_minutes": 0}, "DURATION_OUT_OF_RANGE"),
        ({"duration_minutes": 65535}, "DURATION_OUT_OF_RANGE"),
        ({"start": datetime(2026, 11, 20, 14, 58, tzinfo=UTC)}, "START_IN_PAST"),
        ({"start": datetime(2027, 11, 20, tzinfo=UTC)}, "START_TOO_FAR"),
        ({"start": datetime(2026, 11, 20, 16, 0)}, "START_WITHOUT_ZONE"),
    ],
)
def test_a_refused_text_leaves_nothing(market: HanMarket, wrong, code) -> None:
    market.devices_put(range(1, 2))
    with pytest.raises(HubError) as refused:
        market.text(**wrong)
    assert refused.value.code == code
    assert (market.count(han_message), market.outbox("tdsp.deliver_message")) == (0, [])
