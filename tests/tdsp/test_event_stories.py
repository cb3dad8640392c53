"""A load control event from the hub's frame over a device's own course to what the sender is told (H5, K2).

The simulated device is played by hand, and the hub takes what it reports, in order and turned around.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from han_market import ONCOR, HanMarket, esiid, mac, meter_of, open_han_market
from tdsp_by_hand import TdspByHand

from smt_ws.clock import FixedClock
from smt_ws.han import handover
from smt_ws.han.message_status import message_status
from smt_ws.han.statuses import MessagePost, post_message_statuses
from smt_ws.store.engine import Store


class Story:
    """A home with a thermostat at the hub and at the TDSP, with one clock."""

    def __init__(self, store: Store, folder: Path, clock: FixedClock, **scenario: Any) -> None:
        self.market: HanMarket = open_han_market(store, folder, clock)
        self.market.devices_put(range(1, 2))
        self.tdsp = TdspByHand(folder / "tdsp.db", now=clock.now().timestamp())
        self.tdsp.played(**scenario)
        with self.tdsp.world.state.transaction():
            self.tdsp.world.state.set_meters([(esiid(1), meter_of(1))])
        self.tdsp.join((1, "PCT"))
        self.reported: list[int] = []

    def event(self, minutes_ahead: int, minutes: int = 10) -> int:
        """Send an event and hand it over; return its request id."""
        start = self.market.clock.now() + timedelta(minutes=minutes_ahead)
        sent = self.market.event(start=start, durationMinutes=minutes).request_id
        (row,) = [
            row.payload for row in self.market.outbox("tdsp.deliver_message") if row.payload["message_id"] == sent
        ]
        with self.market.store.write() as connection:
            (call,) = handover.deliveries(connection, [row], now=self.market.clock.now())
            handover.handed_over(connection, [handover.Taken(sent, 0, 0, {})], clock=self.market.clock)
        taken = self.tdsp.send(sent, call.message, targets=list(call.targets))
        assert taken.code == "ACCEPTED"
        return sent

    def live(self, minutes: int, *, backwards: bool = False) -> None:
        """Let time pass at both, and the hub take what was reported."""
        self.tdsp.pass_time(60 * minutes)
        self.market.clock.advance(timedelta(minutes=minutes))
        posts = [_post(one.fields) for one in self.tdsp.posts()]
        self.reported += [one.sep_status for one in posts if one.sep_status is not None]
        with self.market.store.write() as connection:
            answers = post_message_statuses(
                connection,
                tdsp_duns_numbers=(ONCOR,),
                posts=posts[::-1] if backwards else posts,
                clock=self.market.clock,
            )
        assert {answer.code for answer in answers} <= {"ACCEPTED", "KEPT"}

    def state(self, message: int) -> str:
        """How it stands at the device, as its sender is told."""
        with self.market.store.read() as connection:
            found = message_status(connection, self.market.rep, message, now=self.market.clock.now())  # type: ignore[arg-type]
        (home,) = found.premises
        (device,) = home.devices
        return device.state.value


def _post(told: dict[str, Any]) -> MessagePost:
    return MessagePost(
        request_id=int(told["requestId"]),
        cancellation_id=None,
        esiid=told["esiid"],
        meter_number=told["meterSerialNumber"],
        eui64=told.get("deviceMACAddr"),
        status=told["statusCode"],
        description=told.get("statusDesc"),
        sep_status=told.get("sepEventStatus"),
        at=datetime.fromtimestamp(told["statusTimestamp"], UTC),
    )


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "reported", "half_way", "in_the_end"),
    [
        ("good", [1, 2, 3], "STARTED", "COMPLETED"),
        ("opts_out", [1, 4, 0x0A], "OPTED_OUT", "OPTED_OUT"),
        ("leaves", [1, 2, 4, 8], "OPTED_OUT", "OPTED_OUT"),
        ("returns", [1, 4, 5, 9], "STARTED", "COMPLETED"),
    ],
)
def test_what_a_device_does_with_an_event_is_what_its_sender_is_told_h5(
    store: Store, tmp_path: Path, clock: FixedClock, behaviour: str, reported: list[int], half_way: str,
    in_the_end: str, backwards: bool,
) -> None:  # fmt: skip
    story = Story(store, tmp_path, clock, device=[{"eui64": mac(1), "behaviour": behaviour}])
    event = story.event(minutes_ahead=5)
    story.live(12, backwards=backwards)
    assert story.state(event) == half_way
    story.live(10, backwards=backwards)
    assert (story.reported, story.state(event)) == (reported, in_the_end)


def test_a_device_that_is_full_fails_the_event_that_it_rejects_h5(
    store: Store, tmp_path: Path, clock: FixedClock
) -> None:
    story = Story(store, tmp_path, clock, events=1)
    kept, rejected = story.event(minutes_ahead=5), story.event(minutes_ahead=30)
    story.live(20)
    assert (story.state(kept), story.state(rejected)) == ("COMPLETED", "FAILED")
    assert sorted(story.reported) == [1, 2, 3, 0xFE]
