"""Messages at the simulated TDSP: from the head end to the meter, to each device in the home, and what it answers.

A device hears what its clusters and classes let it hear; silence is an answer too (facts 1.2). What it has is kept, so
that a cancellation of something unknown, a text that another one replaces, and a message carried twice are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from adapters.sep import (
    CancelLoadControlEvent,
    CancelMessage,
    DeviceClass,
    DisplayMessage,
    EventStatus,
    LoadControlEvent,
    Message,
    PublishPrice,
    SepError,
    decode,
)
from adapters.tdsp.scenario import Behaviour, Scenario
from adapters.tdsp.state import Device, State
from adapters.tdsp.telling import Teller

__all__ = ["Delivery", "Messages", "Taken"]

#: What each category of message may carry.
_KINDS: Final[dict[str, type[Message]]] = {
    "STM": DisplayMessage,
    "LCE": LoadControlEvent,
    "PRM": PublishPrice,
    "CSM": CancelMessage,
    "CLE": CancelLoadControlEvent,
}
_MESSAGING, _LOAD_CONTROL, _PRICE = 0x0703, 0x0701, 0x0700
#: The clusters that a type of device has, and the classes of appliance it controls; any other type has all.
_CLUSTERS: Final = {"IHD": {_MESSAGING, _PRICE}, "LCS": {_LOAD_CONTROL}}
_CLASSES: Final = {
    "PCT": DeviceClass.HVAC | DeviceClass.STRIP_HEATER,
    "LCS": DeviceClass.WATER_HEATER | DeviceClass.POOL_PUMP | DeviceClass.SIMPLE_LOAD,
    "EV": DeviceClass.ELECTRIC_VEHICLE,
    "APPLIANCE": DeviceClass.SMART_APPLIANCE,
}
_FOR_EVER: Final = float(2**53)
#: How far a device moves the start of an event that asks for randomisation, in seconds (its attribute's default).
_RANDOM_START: Final = 1_800
#: States of an event that has begun and is not over, and what is reported of each at its end.
_AT_END: Final = {
    "RUNNING": EventStatus.COMPLETED,
    "OPTED_OUT": EventStatus.NO_PARTICIPATION,
    "LEFT": EventStatus.PARTIAL_OPTED_OUT,
    "RETURNED": EventStatus.PARTIAL_OPTED_IN,
}
_BEGUN: Final = frozenset(_AT_END)
_WAITING: Final = frozenset({"WAITING"})
_OPEN: Final = _BEGUN | _WAITING | {"SHOWN", "KEPT"}


@dataclass(frozen=True)
class Delivery:
    """A message for meters, or the cancellation of one, as the hub asks it to be carried."""

    number: str
    #: Empty where it is no cancellation.
    cancellation: str
    category: str
    cluster: int
    frame: bytes
    #: ESI ID and serial number.
    targets: Sequence[tuple[str, str]]


class Taken(NamedTuple):
    """What is said of a delivery at once: code, reason's code, reason, and the meters it is refused for."""

    code: str
    reason_code: str | None
    reason: str
    refused: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True)
class Messages:
    """What happens with messages in *state*; every method runs in the caller's transaction."""

    state: State
    scenario: Scenario
    teller: Teller

    def take(self, now: float, delivery: Delivery) -> Taken:
        """Take a message to carry, for each meter that is ours and that it was not taken for before."""
        try:
            message = decode(delivery.cluster, delivery.frame).message
        except SepError as error:
            return Taken("REFUSED", "PAYLOAD", f"The frame cannot be read: {error}"[:300])
        if not isinstance(message, _KINDS.get(delivery.category, ())):
            return Taken("REFUSED", "PAYLOAD", f"A frame of {delivery.category} has another command.")
        esiids = [esiid for esiid, _serial in delivery.targets]
        serials = self.state.serials(esiids)
        known = self.state.known_deliveries(delivery.number, delivery.cancellation, esiids)
        refused, fresh = [], {}
        for esiid, serial in delivery.targets:
            if esiid not in serials:
                refused.append((esiid, "UNKNOWN_METER", "No meter of ours hangs at this ESI ID."))
            elif esiid not in known and serials[esiid] != serial:
                refused.append((esiid, "METER_EXCHANGED", f"Another meter hangs there: {serials[esiid]}."))
            elif esiid not in known:
                fresh[esiid] = serial
        self._keep(now, delivery, fresh)
        if fresh:
            return Taken("ACCEPTED", None, f"Taken for {len(fresh)} meters.", refused)
        if known:
            return Taken("REPEATED", None, "Taken before.", refused)
        return Taken("REFUSED", refused[0][1], refused[0][2])

    def _keep(self, now: float, delivery: Delivery, fresh: dict[str, str]) -> None:
        number, cancellation = delivery.number, delivery.cancellation
        self.state.take_deliveries(
            (esiid, number, cancellation, serial, delivery.cluster, delivery.frame) for esiid, serial in fresh.items()
        )
        moments = []
        for esiid, serial in fresh.items():
            facts = {"esiid": esiid, "number": number, "cancellation": cancellation}
            about = (number, cancellation, esiid)
            taken = now + self.scenario.delay("acknowledge", *about)
            self.teller.message(now, {**facts, "serial": serial}, "ACK", at=taken)
            moments.append((taken + self.scenario.delay("carry", *about), "carry", facts))
        self.state.plan(moments)

    def carry(self, now: float, facts: dict[str, Any]) -> None:
        """The message reaches the meter, which sends it to the devices that have joined it."""
        serial, cluster, frame = self.state.delivery(facts["esiid"], facts["number"], facts["cancellation"])
        delivery = {**facts, "serial": serial}
        if self.state.serials([facts["esiid"]]).get(facts["esiid"]) != serial:
            self.teller.message(now, delivery, "FLR", said="The meter was exchanged.")
            return
        message = decode(cluster, frame).message
        joined = [device for device in self.state.devices(facts["esiid"]) if device.state == "JOINED"]
        hearing = [device for device in joined if cluster in _CLUSTERS.get(device.device_type, {cluster})]
        if not hearing:
            self.teller.message(now, delivery, "FLR", said="No device on the meter takes such a message.")
        for device in hearing:
            if self.scenario.behaviour(device.eui64) is Behaviour.OFFLINE:
                due = now + self.scenario.delay("unreachable", facts["number"], device.eui64)
                self.state.plan([(due, "unreachable", {**delivery, "eui64": device.eui64})])
            else:
                self._hear(now, delivery, device, message)

    def unreachable(self, now: float, facts: dict[str, Any]) -> None:
        """A device has not answered for so long that the meter gives up."""
        self.teller.message(now, facts, "FLR", eui64=facts["eui64"], said="The device could not be reached.")

    def _hear(self, now: float, delivery: dict[str, Any], device: Device, message: Message) -> None:
        if isinstance(message, LoadControlEvent):
            self._hear_event(now, delivery, device, message)
        elif isinstance(message, DisplayMessage):
            self._hear_text(now, delivery, device, message)
        elif isinstance(message, PublishPrice):
            self._put(delivery, device, message.event_id, _PRICE, "KEPT", *_span(now, message))
            self.teller.message(now, delivery, "CON", eui64=device.eui64)
        elif isinstance(message, CancelMessage):
            done = self._cancel(device, _MESSAGING, message.message_id)
            said = None if done else "The device shows no such message."
            self.teller.message(now, delivery, "CON" if done else "FLR", eui64=device.eui64, said=said)
        elif isinstance(message, CancelLoadControlEvent):
            self._hear_cancel(now, delivery, device, message)

    def _hear_text(self, now: float, delivery: dict[str, Any], device: Device, message: DisplayMessage) -> None:
        begins, ends = _span(now, message)
        if ends <= now:
            self.teller.message(now, delivery, "FLR", eui64=device.eui64, said="Its time was over on arrival.")
            return
        for number, _wire_id, state, _begins, _ends in self.state.events(device.esiid, device.eui64, _MESSAGING):
            if state == "SHOWN" and number != delivery["number"]:
                self.state.set_event(device.esiid, device.eui64, number, "REPLACED")
        if not self._put(delivery, device, message.message_id, _MESSAGING, "SHOWN", begins, ends):
            return
        self.teller.message(now, delivery, "CON", eui64=device.eui64)
        if message.confirmation_required and self.scenario.chance("confirms", delivery["number"], device.eui64):
            due = max(now, begins) + self.scenario.delay("confirm", delivery["number"], device.eui64)
            self.state.plan([(due, "confirm", {**delivery, "eui64": device.eui64})])

    def confirm(self, now: float, facts: dict[str, Any]) -> None:
        """Somebody in the home confirms a text, if it still stands on the display."""
        if self._stands(facts, _MESSAGING) == "SHOWN":
            self.teller.message(now, facts, "CON", eui64=facts["eui64"], said="The customer has confirmed it.")

    def _hear_event(self, now: float, delivery: dict[str, Any], device: Device, message: LoadControlEvent) -> None:
        if not message.device_class & _CLASSES.get(device.device_type, DeviceClass.ALL):
            return
        begins, ends = _span(now, message)
        if ends <= now:
            self._report(now, delivery, device.eui64, EventStatus.EXPIRED)
            return
        kept = self.state.events(device.esiid, device.eui64, _LOAD_CONTROL)
        others = [one for one in kept if one[0] != delivery["number"] and one[2] in _OPEN]
        if len(others) >= self.scenario.events:
            self._report(now, delivery, device.eui64, EventStatus.REJECTED)
            return
        if not self._put(delivery, device, message.event_id, _LOAD_CONTROL, "WAITING", begins, ends):
            return
        self._report(now, delivery, device.eui64, EventStatus.RECEIVED)
        self._supersede(now, delivery, device.eui64, _WAITING, begins, ends)
        if message.randomize_start:
            begins = min(ends, begins + _RANDOM_START * self.scenario.draw("start", delivery["number"], device.eui64))
        facts = {**delivery, "eui64": device.eui64, "begins": begins, "ends": ends}
        self.state.plan([(max(now, begins), "start", facts)])

    def start(self, now: float, facts: dict[str, Any]) -> None:
        """An event begins on a device, unless it is over already; an earlier opt-out is told only now (facts 1.2)."""
        if self._stands(facts, _LOAD_CONTROL) != "WAITING":
            return
        self._supersede(now, facts, facts["eui64"], _BEGUN, facts["begins"], facts["ends"])
        behaviour = self.scenario.behaviour(facts["eui64"])
        opts_out = behaviour in {Behaviour.OPTS_OUT, Behaviour.RETURNS}
        self._set(facts, "OPTED_OUT" if opts_out else "RUNNING")
        self._report(now, facts, facts["eui64"], EventStatus.OPTED_OUT if opts_out else EventStatus.STARTED)
        moments = [(facts["ends"], "end", facts)]
        if behaviour in {Behaviour.LEAVES, Behaviour.RETURNS}:
            moments.append(((max(now, facts["begins"]) + facts["ends"]) / 2, "turn", facts))
        self.state.plan(moments)

    def turn(self, now: float, facts: dict[str, Any]) -> None:
        """The owner leaves an event that runs, or comes back to one that was left; told at once."""
        stands = self._stands(facts, _LOAD_CONTROL)
        if stands == "RUNNING":
            self._set(facts, "LEFT")
            self._report(now, facts, facts["eui64"], EventStatus.OPTED_OUT)
        elif stands == "OPTED_OUT":
            self._set(facts, "RETURNED")
            self._report(now, facts, facts["eui64"], EventStatus.OPTED_IN)

    def end(self, now: float, facts: dict[str, Any]) -> None:
        """An event that nothing has ended before runs to its end, with its owner or without."""
        reported = _AT_END.get(self._stands(facts, _LOAD_CONTROL) or "")
        if reported is not None:
            taken_part = reported in {EventStatus.COMPLETED, EventStatus.PARTIAL_OPTED_IN}
            self._set(facts, "COMPLETED" if taken_part else "OVER")
            self._report(now, facts, facts["eui64"], reported)

    def _hear_cancel(
        self, now: float, delivery: dict[str, Any], device: Device, message: CancelLoadControlEvent
    ) -> None:
        """End an event, unless the cancellation is not one of it (facts 1.2)."""
        events = self.state.events(device.esiid, device.eui64, _LOAD_CONTROL)
        found = next((one for one in events if one[1] == message.event_id and one[2] in _OPEN), None)
        if found is None:
            self._report(now, delivery, device.eui64, EventStatus.UNDEFINED_EVENT)
            return
        number, _wire_id, _state, _begins, ends = found
        _serial, cluster, frame = self.state.delivery(device.esiid, number, "")
        event = decode(cluster, frame).message
        assert isinstance(event, LoadControlEvent)
        status = EventStatus.CANCELLED
        if (message.device_class, message.enrollment_group) != (event.device_class, event.enrollment_group):
            status = EventStatus.INVALID_CANCEL
        elif message.effective is not None and message.effective.timestamp() > ends:
            status = EventStatus.INVALID_EFFECTIVE_TIME
        elif message.effective is not None and message.effective.timestamp() > now:
            due = message.effective.timestamp()
            self.state.plan([(due, "withdraw", {**delivery, "eui64": device.eui64, "event": number})])
            return
        else:
            self.state.set_event(device.esiid, device.eui64, number, "CANCELLED")
        self._report(now, delivery, device.eui64, status)

    def withdraw(self, now: float, facts: dict[str, Any]) -> None:
        """A cancellation for a later moment takes effect, where the event is not over by then."""
        if self._stands({**facts, "number": facts["event"]}, _LOAD_CONTROL) in _OPEN:
            self.state.set_event(facts["esiid"], facts["eui64"], facts["event"], "CANCELLED")
            self._report(now, facts, facts["eui64"], EventStatus.CANCELLED)

    def _supersede(
        self, now: float, newer: dict[str, Any], eui64: str, states: frozenset[str], begins: float, ends: float
    ) -> None:
        """End the events of *states* that overlap the newer one: one that waits at once, one that runs at its start."""
        esiid = newer["esiid"]
        for number, _wire_id, stands, begun, ended in self.state.events(esiid, eui64, _LOAD_CONTROL):
            if number != newer["number"] and stands in states and begun < ends and begins < ended:
                self.state.set_event(esiid, eui64, number, "SUPERSEDED")
                serial = self.state.delivery(esiid, number, "")[0]
                older = {"esiid": esiid, "number": number, "cancellation": "", "serial": serial}
                self._report(now, older, eui64, EventStatus.SUPERSEDED)

    def _put(
        self,
        delivery: dict[str, Any],
        device: Device,
        wire_id: int,
        cluster: int,
        state: str,
        begins: float,
        ends: float,
    ) -> bool:
        return self.state.put_event(
            device.esiid, device.eui64, delivery["number"], wire_id, cluster, state, begins, ends
        )

    def _cancel(self, device: Device, cluster: int, wire_id: int) -> bool:
        """Take what *wire_id* names off a device; False where it has nothing of that name that is not over."""
        for number, its_id, state, _begins, _ends in self.state.events(device.esiid, device.eui64, cluster):
            if its_id == wire_id and state in _OPEN:
                self.state.set_event(device.esiid, device.eui64, number, "CANCELLED")
                return True
        return False

    def _stands(self, facts: dict[str, Any], cluster: int) -> str | None:
        events = self.state.events(facts["esiid"], facts["eui64"], cluster)
        return next((state for number, _wire_id, state, _begins, _ends in events if number == facts["number"]), None)

    def _set(self, facts: dict[str, Any], state: str) -> None:
        self.state.set_event(facts["esiid"], facts["eui64"], facts["number"], state)

    def _report(self, now: float, delivery: dict[str, Any], eui64: str, status: EventStatus) -> None:
        """Tell what a device reports, under the code that it stands for."""
        self.teller.message(now, delivery, _CODES[status], eui64=eui64, sep_status=status.value)


_CODES: Final = {
    EventStatus.RECEIVED: "CON",
    EventStatus.STARTED: "STR",
    EventStatus.COMPLETED: "CON",
    EventStatus.OPTED_OUT: "OPT",
    EventStatus.OPTED_IN: "STR",
    EventStatus.CANCELLED: "CON",
    EventStatus.SUPERSEDED: "CON",
    EventStatus.PARTIAL_OPTED_OUT: "OPT",
    EventStatus.PARTIAL_OPTED_IN: "CON",
    EventStatus.NO_PARTICIPATION: "OPT",
    EventStatus.INVALID_CANCEL: "FLR",
    EventStatus.INVALID_EFFECTIVE_TIME: "FLR",
    EventStatus.EXPIRED: "FLR",
    EventStatus.UNDEFINED_EVENT: "FLR",
    EventStatus.REJECTED: "FLR",
}


def _span(now: float, message: DisplayMessage | LoadControlEvent | PublishPrice) -> tuple[float, float]:
    begins = now if message.start is None else message.start.timestamp()
    return begins, _FOR_EVER if message.duration_minutes is None else begins + 60 * message.duration_minutes
