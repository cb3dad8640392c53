"""Messages at the simulated TDSP (K2, H4, H5): it reads frames, and devices hear what they can, or stay silent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tdsp_by_hand import ESIID, NOW, OTHER_ESIID, OTHER_SERIAL, SERIAL, TdspByHand, eui

from adapters.sep import (
    CancelAllLoadControlEvents,
    CancelLoadControlEvent,
    CancelMessage,
    DeviceClass,
    DisplayMessage,
    LoadControlEvent,
    PublishPrice,
    encode,
)

TEXT = DisplayMessage(1001, "Conserve 3-7 pm", duration_minutes=60)
EVENT = LoadControlEvent(1001, 60, 2, device_class=DeviceClass.HVAC)
PRICE = PublishPrice(111111111, 1001, 1875, 4)
RECEIVED, STARTED, COMPLETED, OPTED_OUT, OPTED_IN, CANCELLED, SUPERSEDED = 1, 2, 3, 4, 5, 6, 7
PARTIAL_OUT, PARTIAL_IN, NO_PARTICIPATION = 8, 9, 0x0A
INVALID_CANCEL, INVALID_TIME, EXPIRED, UNDEFINED, REJECTED = 0xF8, 0xF9, 0xFB, 0xFD, 0xFE


@pytest.fixture
def tdsp(tmp_path):
    return TdspByHand(tmp_path / "tdsp.db")


def at(seconds):
    return datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize("message", [TEXT, PRICE])
def test_a_text_and_a_price_are_confirmed_by_the_display(tdsp, message):
    tdsp.join((1, "IHD"), (2, "LCS"))
    assert tdsp.send(1, message).code == "ACCEPTED"
    tdsp.pass_time(5)
    assert tdsp.told() == [(1, "ACK"), (1, eui(1), "CON")]


def test_a_text_that_asks_for_it_is_confirmed_by_the_customer_too(tdsp):
    tdsp.join((1, "IHD"))
    tdsp.send(1, replace(TEXT, confirmation_required=True))
    tdsp.pass_time(5)
    assert [post.fields.get("statusDesc") for post in tdsp.posts()] == [None, None, "The customer has confirmed it."]


def test_a_text_that_another_one_replaced_cannot_be_confirmed(tdsp):
    tdsp.join((1, "IHD"))
    tdsp.played(delays={"carry": 1, "acknowledge": 1, "confirm": 5})
    tdsp.send(1, replace(TEXT, confirmation_required=True))
    tdsp.pass_time(3)
    tdsp.send(2, replace(TEXT, message_id=1002))
    tdsp.pass_time(20)
    assert tdsp.told() == [(1, "ACK"), (1, eui(1), "CON"), (2, "ACK"), (2, eui(1), "CON")]
    assert {row[0]: row[2] for row in tdsp.world.state.events(ESIID, eui(1), 0x0703)} == {"1": "REPLACED", "2": "SHOWN"}


def test_a_load_control_event_starts_and_completes(tdsp):
    tdsp.join((1, "PCT"))
    tdsp.send(1, replace(EVENT, start=at(120), duration_minutes=2))
    tdsp.pass_time(60)
    assert tdsp.told() == [(1, "ACK"), (1, eui(1), "CON", RECEIVED)]
    tdsp.pass_time(61)
    assert tdsp.told() == [(1, eui(1), "STR", STARTED)]
    tdsp.pass_time(120)
    assert tdsp.told() == [(1, eui(1), "CON", COMPLETED)]


def test_an_opt_out_is_told_when_the_event_starts(tdsp):
    tdsp.played(device=[{"eui64": eui(1), "behaviour": "opts_out"}])
    tdsp.join((1, "PCT"), (2, "PCT"))
    tdsp.send(1, replace(EVENT, start=at(60)))
    tdsp.pass_time(30)
    assert [said[2:] for said in tdsp.told()] == [(), ("CON", RECEIVED), ("CON", RECEIVED)]
    tdsp.pass_time(60)
    assert tdsp.told() == [(1, eui(1), "OPT", OPTED_OUT), (1, eui(2), "STR", STARTED)]
    tdsp.pass_time(3600)
    assert tdsp.told() == [(1, eui(1), "OPT", NO_PARTICIPATION), (1, eui(2), "CON", COMPLETED)]


@pytest.mark.parametrize(
    ("behaviour", "story"),
    [
        ("leaves", [("STR", STARTED), ("OPT", OPTED_OUT), ("OPT", PARTIAL_OUT)]),
        ("returns", [("OPT", OPTED_OUT), ("STR", OPTED_IN), ("CON", PARTIAL_IN)]),
    ],
)
def test_an_owner_changes_his_mind_half_way(tdsp, behaviour, story):
    tdsp.played(device=[{"eui64": eui(1), "behaviour": behaviour}])
    tdsp.join((1, "PCT"))
    tdsp.send(1, replace(EVENT, start=at(60), duration_minutes=10))
    tdsp.pass_time(10)
    assert tdsp.told() == [(1, "ACK"), (1, eui(1), "CON", RECEIVED)]
    for (code, sep_status), seconds in zip(story, (60, 300, 300), strict=True):
        tdsp.pass_time(seconds)
        assert tdsp.told() == [(1, eui(1), code, sep_status)]
    tdsp.pass_time(3600)
    assert tdsp.told() == []


def test_a_device_that_is_full_rejects_one_more_event_until_one_is_over(tdsp):
    tdsp.played(events=2)
    tdsp.join((1, "PCT"))
    for number, start in ((1, 60), (2, 600), (3, 1200)):
        tdsp.send(number, replace(EVENT, event_id=1000 + number, start=at(start), duration_minutes=5))
    tdsp.pass_time(10)
    assert [said for said in tdsp.told() if len(said) == 4] == [
        (1, eui(1), "CON", RECEIVED), (2, eui(1), "CON", RECEIVED), (3, eui(1), "FLR", REJECTED)
    ]  # fmt: skip
    tdsp.pass_time(400)
    tdsp.told()
    tdsp.send(4, replace(EVENT, event_id=1004, start=at(1200), duration_minutes=5))
    tdsp.pass_time(10)
    assert (4, eui(1), "CON", RECEIVED) in tdsp.told()


def test_a_device_of_another_class_stays_silent(tdsp):
    tdsp.join((1, "PCT"), (2, "LCS"))
    tdsp.send(1, replace(EVENT, device_class=DeviceClass.POOL_PUMP))
    tdsp.pass_time(5)
    assert tdsp.told() == [(1, "ACK"), (1, eui(2), "CON", RECEIVED), (1, eui(2), "STR", STARTED)]


def test_an_event_that_is_over_on_arrival_has_expired(tdsp):
    tdsp.join((1, "PCT"))
    tdsp.send(1, replace(EVENT, start=at(-3600), duration_minutes=30))
    tdsp.pass_time(5)
    assert tdsp.told()[-1] == (1, eui(1), "FLR", EXPIRED)


def test_an_overlapping_event_supersedes_one_that_waits_at_once(tdsp):
    tdsp.join((1, "PCT"))
    tdsp.send(1, replace(EVENT, start=at(600)))
    tdsp.send(2, replace(EVENT, event_id=1002, start=at(4300)))
    tdsp.pass_time(5)
    assert (1, eui(1), "CON", SUPERSEDED) not in tdsp.told()
    tdsp.send(3, replace(EVENT, event_id=1003, start=at(4100)))
    tdsp.pass_time(5)
    told = tdsp.told()
    assert (1, eui(1), "CON", SUPERSEDED) in told
    assert (2, eui(1), "CON", SUPERSEDED) in told


def test_an_overlapping_event_supersedes_one_that_runs_when_it_starts(tdsp):
    tdsp.join((1, "PCT"))
    tdsp.send(1, EVENT)
    tdsp.pass_time(5)
    tdsp.send(2, replace(EVENT, event_id=1002, start=at(60)))
    tdsp.pass_time(5)
    assert SUPERSEDED not in [said[-1] for said in tdsp.told()]
    tdsp.pass_time(60)
    assert tdsp.told() == [(1, eui(1), "CON", SUPERSEDED), (2, eui(1), "STR", STARTED)]
    tdsp.pass_time(3700)
    assert tdsp.told() == [(2, eui(1), "CON", COMPLETED)]


def test_a_cancellation_ends_what_the_device_has_and_only_that(tdsp):
    tdsp.join((1, "PCT"), (2, "IHD"))
    tdsp.send(1, replace(EVENT, start=at(600)))
    tdsp.send(2, replace(TEXT, message_id=1002))
    tdsp.pass_time(5)
    tdsp.told()
    cancel = CancelLoadControlEvent(1001, device_class=DeviceClass.HVAC)
    assert tdsp.send(1, cancel, category="CLE", cancellation="9").code == "ACCEPTED"
    assert tdsp.send(2, CancelMessage(1002), category="CSM", cancellation="10").code == "ACCEPTED"
    tdsp.pass_time(5)
    told = tdsp.posts()
    assert {post.fields["messageCancellationId"] for post in told if post.fields["requestId"] == "1"} == {"9"}
    assert [(post.fields.get("deviceMACAddr"), post.fields["statusCode"]) for post in told] == [
        (None, "ACK"), (None, "ACK"), (eui(1), "CON"), (eui(1), "CON"), (eui(2), "CON"),
    ]  # fmt: skip
    tdsp.pass_time(1200)
    assert tdsp.told() == []


def test_a_cancellation_of_something_unknown_fails(tdsp):
    tdsp.join((1, "LCS"))
    tdsp.send(1, CancelLoadControlEvent(77), category="CLE", cancellation="9")
    tdsp.pass_time(5)
    assert tdsp.told() == [(1, "ACK"), (1, eui(1), "FLR", UNDEFINED)]


@pytest.mark.parametrize(
    ("cancel", "status"),
    [
        (CancelLoadControlEvent(1001, device_class=DeviceClass.POOL_PUMP), ("FLR", INVALID_CANCEL)),
        (CancelLoadControlEvent(1001, device_class=DeviceClass.HVAC, enrollment_group=1), ("FLR", INVALID_CANCEL)),
        (
            CancelLoadControlEvent(1001, device_class=DeviceClass.HVAC, effective=at(600 + 3601)),
            ("FLR", INVALID_TIME),
        ),
    ],
)
def test_a_cancellation_that_is_not_of_the_event_is_rejected_and_ends_nothing(tdsp, cancel, status):
    tdsp.join((1, "PCT"))
    tdsp.send(1, replace(EVENT, start=at(600)))
    tdsp.pass_time(5)
    tdsp.told()
    tdsp.send(1, cancel, category="CLE", cancellation="9")
    tdsp.pass_time(5)
    assert tdsp.told() == [(1, "ACK"), (1, eui(1), *status)]
    tdsp.pass_time(600)
    assert tdsp.told() == [(1, eui(1), "STR", STARTED)]


def test_a_cancellation_for_later_ends_the_event_then(tdsp):
    tdsp.join((1, "PCT"))
    tdsp.send(1, EVENT)
    tdsp.pass_time(5)
    tdsp.told()
    cancel = CancelLoadControlEvent(1001, device_class=DeviceClass.HVAC, effective=at(60))
    tdsp.send(1, cancel, category="CLE", cancellation="9")
    tdsp.pass_time(50)
    assert tdsp.told() == [(1, "ACK")]
    tdsp.pass_time(10)
    assert tdsp.told() == [(1, eui(1), "CON", CANCELLED)]
    tdsp.pass_time(3600)
    assert tdsp.told() == []


def test_a_device_that_is_off_fails_after_a_while_and_the_others_do_not_wait(tdsp):
    tdsp.played(device=[{"eui64": eui(1), "behaviour": "offline"}])
    tdsp.join((1, "IHD"), (2, "IHD"))
    tdsp.send(1, TEXT)
    tdsp.pass_time(10)
    assert tdsp.told() == [(1, "ACK"), (1, eui(2), "CON")]
    tdsp.pass_time(60)
    assert tdsp.told() == [(1, eui(1), "FLR")]


def test_a_home_without_a_device_that_hears_it_fails(tdsp):
    tdsp.join((1, "LCS"))
    tdsp.send(1, TEXT)
    tdsp.pass_time(5)
    assert tdsp.told() == [(1, "ACK"), (1, "FLR")]


def test_a_message_is_carried_once_however_often_it_is_asked_for(tdsp):
    tdsp.join((1, "IHD"))
    assert tdsp.send(1, TEXT).code == "ACCEPTED"
    assert tdsp.send(1, TEXT).code == "REPEATED"
    tdsp.pass_time(5)
    tdsp.open()
    assert tdsp.send(1, TEXT).code == "REPEATED"
    tdsp.pass_time(5)
    assert tdsp.told() == [(1, "ACK"), (1, eui(1), "CON")]
    assert tdsp.world.state.summary()["carried twice"] == {}


def test_the_rest_of_a_message_is_taken_with_a_part_that_was_taken_before(tdsp):
    tdsp.join((1, "IHD"))
    tdsp.join((2, "IHD"), esiid=OTHER_ESIID)
    tdsp.send(1, TEXT)
    taken = tdsp.send(1, TEXT, targets=[(ESIID, SERIAL), (OTHER_ESIID, OTHER_SERIAL)])
    assert taken.code == "ACCEPTED"
    tdsp.pass_time(5)
    assert sorted(tdsp.told()) == [(1, eui(1), "CON"), (1, eui(2), "CON"), (1, "ACK"), (1, "ACK")]


def test_meters_that_are_not_there_are_refused_one_by_one(tdsp):
    targets = [(ESIID, SERIAL), ("10443720000009999", SERIAL), (OTHER_ESIID, SERIAL)]
    taken = tdsp.send(1, TEXT, targets=targets)
    assert taken.code == "ACCEPTED"
    assert [(esiid, code) for esiid, code, _reason in taken.refused] == [
        ("10443720000009999", "UNKNOWN_METER"),
        (OTHER_ESIID, "METER_EXCHANGED"),
    ]
    taken = tdsp.send(2, TEXT, targets=targets[1:2])
    assert (taken.code, taken.reason_code) == ("REFUSED", "UNKNOWN_METER")


@pytest.mark.parametrize(
    ("category", "frame"),
    [
        ("STM", encode(TEXT)[:-1]),
        ("STM", encode(TEXT) + b"\0"),
        ("STM", encode(TEXT)[:-2] + "é".encode()[:1] * 2),
        ("STM", encode(CancelMessage(1))),
        ("LCE", encode(TEXT)),
        ("CLE", encode(CancelAllLoadControlEvents())),
        ("XYZ", encode(TEXT)),
    ],
)
def test_a_frame_that_cannot_be_read_or_says_something_else_is_refused_whole(tdsp, category, frame):
    tdsp.join((1, "IHD"))
    message = EVENT if category == "CLE" else TEXT
    taken = tdsp.send(1, message, category=category, frame=frame)
    assert (taken.code, taken.reason_code) == ("REFUSED", "PAYLOAD")
    tdsp.pass_time(5)
    assert tdsp.told() == []


def test_a_meter_that_was_exchanged_on_the_way_fails(tdsp):
    tdsp.join((1, "IHD"))
    tdsp.send(1, TEXT)
    tdsp.exchange("104999999LG")
    tdsp.pass_time(5)
    assert (1, "FLR") in [
        (int(post.fields["requestId"]), post.fields["statusCode"])
        for post in tdsp.posts()
        if "requestId" in post.fields
    ]
