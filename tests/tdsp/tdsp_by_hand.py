"""A simulated TDSP whose clock the test moves: no threads, no wire, its state in a file as ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.sep import DisplayMessage, LoadControlEvent, Message, encode
from adapters.tdsp.messages import Delivery, Messages, Taken
from adapters.tdsp.provisioning import Provisioning
from adapters.tdsp.scenario import Scenario, scenario_of
from adapters.tdsp.state import Device, Post, State
from adapters.tdsp.telling import Teller
from adapters.tdsp.world import World

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC).timestamp()
ESIID, SERIAL = "10443720000000001", "104000001LG"
OTHER_ESIID, OTHER_SERIAL = "10443720000000002", "104000002LG"
CODE = "83FED3407A93972397FC"
#: Every step takes exactly a second, so that a test can name the moment of each.
STEADY = {
    "acknowledge": 1, "pending": 1, "meter_ready": 1, "join": 1, "remove": 1, "carry": 1, "confirm": 1,
    "unreachable": 60, "join_window": 3600, "held_back": 5,
}  # fmt: skip


def eui(number: int) -> str:
    return f"000D6F00{number:08X}"


@dataclass
class TdspByHand:
    file: Path
    scenario: Scenario = field(default_factory=lambda: scenario_of({"delays": STEADY}))
    now: float = NOW

    def __post_init__(self) -> None:
        self.open()
        with self.world.state.transaction():
            self.world.state.set_meters([(ESIID, SERIAL), (OTHER_ESIID, OTHER_SERIAL)])

    def open(self) -> None:
        """Open the state as a new process would."""
        state = State(self.file)
        teller = Teller(state, self.scenario)
        self.world = World(state, Provisioning(state, self.scenario, teller), Messages(state, self.scenario, teller))

    def played(self, **table: Any) -> None:
        """Go on with another scenario."""
        self.scenario = scenario_of({"delays": STEADY} | table)
        self.open()

    def add(self, number: int, *, device: int = 1, esiid: str = ESIID, serial: str = SERIAL, code: str = CODE) -> bool:
        with self.world.state.transaction():
            return self.world.provisioning.take_add(self.now, str(number), esiid, serial, eui(device), code, "IHD")

    def remove(self, number: int, *, device: int = 1, esiid: str = ESIID) -> bool:
        with self.world.state.transaction():
            return self.world.provisioning.take_remove(self.now, str(number), esiid, SERIAL, eui(device))

    def join(self, *devices: tuple[int, str], esiid: str = ESIID) -> None:
        """Let devices (number, type) have joined long ago."""
        with self.world.state.transaction():
            self.world.state.put_devices(Device(esiid, eui(n), kind, CODE, "JOINED", "0") for n, kind in devices)

    def send(
        self,
        number: int,
        message: Message,
        *,
        category: str | None = None,
        cancellation: str = "",
        targets: list[tuple[str, str]] | None = None,
        frame: bytes | None = None,
    ) -> Taken:
        category = category or (
            "STM" if isinstance(message, DisplayMessage) else "LCE" if isinstance(message, LoadControlEvent) else "PRM"
        )
        delivery = Delivery(
            str(number), cancellation, category, message.CLUSTER, frame or encode(message), targets or [(ESIID, SERIAL)]
        )
        with self.world.state.transaction():
            return self.world.messages.take(self.now, delivery)

    def exchange(self, serial: str, esiid: str = ESIID) -> None:
        with self.world.state.transaction():
            self.world.state.plan([(self.now, "exchange", {"esiid": esiid, "serial": serial})])

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* pass, a second at a time."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1)
            while self.world.happen_due(self.now):
                pass

    def posts(self) -> list[Post]:
        """What the hub would have been told by now, in order; each once."""
        found: list[Post] = []
        while due := self.world.state.due_posts(self.now, 1000):
            with self.world.state.transaction():
                self.world.state.posted(("ACCEPTED", post.id) for post in due)
            found += due
        return sorted(found, key=lambda post: post.id)

    def told(self) -> list[tuple[Any, ...]]:
        """The same in short: request, device where one is named, status, and reason or SEP status."""
        return [
            (
                int(post.fields["requestId"]),
                *([post.fields["deviceMACAddr"]] if "deviceMACAddr" in post.fields else []),
                post.fields["statusCode"],
                *[post.fields[name] for name in ("reasonCode", "sepEventStatus") if name in post.fields],
            )
            for post in self.posts()
        ]
