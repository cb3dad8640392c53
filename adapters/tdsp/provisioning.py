"""Devices at the simulated TDSP: from a request over the meter's list and the join window to a device that has joined.

Each step is a moment of its own, decided by what the state says when it comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.sep.install_code import is_whole
from adapters.tdsp.scenario import Behaviour, Scenario
from adapters.tdsp.state import Device, State
from adapters.tdsp.telling import Teller

__all__ = ["Provisioning"]


@dataclass(frozen=True)
class Provisioning:
    """What happens with devices in *state*; every method runs in the caller's transaction."""

    state: State
    scenario: Scenario
    teller: Teller

    def take_add(
        self, now: float, number: str, esiid: str, serial: str, eui64: str, install_code: str, device_type: str
    ) -> bool:
        """Take a request to add a device; False when it was taken before."""
        facts = {"install_code": install_code, "device_type": device_type}
        return self._take(now, number, "ADD", esiid, serial, eui64, facts)

    def take_remove(self, now: float, number: str, esiid: str, serial: str, eui64: str) -> bool:
        """Take a request to remove a device; from now on nothing more comes of adding it."""
        taken = self._take(now, number, "REMOVE", esiid, serial, eui64, {})
        if taken:
            self.state.undo_adds(esiid, eui64)
        return taken

    def _take(
        self, now: float, number: str, action: str, esiid: str, serial: str, eui64: str, facts: dict[str, Any]
    ) -> bool:
        taken = self.state.take_request(number, action, esiid, serial, eui64, facts)
        if taken:
            self._next(now, number, "acknowledge", "acknowledge")
        return taken

    def acknowledge(self, now: float, request: dict[str, Any]) -> None:
        """The back office looks at the request: it is rejected, or its device gets a place on the meter's list."""
        if request["action"] == "REMOVE":
            self.teller.provisioning(now, request, "ACKNOWLEDGED")
            self._next(now, request["number"], "pending", "pending")
            return
        refused = self._why_not(request)
        if refused is not None:
            self.teller.provisioning(now, request, "REJECTED", *refused)
            return
        device = Device(
            request["esiid"],
            request["eui64"],
            request["device_type"],
            request["install_code"],
            "LISTED",
            request["number"],
        )
        self.state.put_devices([device])
        self.teller.provisioning(now, request, "ACKNOWLEDGED")
        self._next(now, request["number"], "send", "pending")

    def _why_not(self, request: dict[str, Any]) -> tuple[str, str] | None:
        esiid = request["esiid"]
        serial = self.state.serials([esiid]).get(esiid)
        if serial is None:
            return "UNKNOWN_METER", "No meter of ours hangs at this ESI ID."
        if serial != request["serial"]:
            return "METER_EXCHANGED", f"Another meter hangs there: {serial}."
        if esiid in self.scenario.without_firmware:
            return "FIRMWARE_NOT_CAPABLE", "The meter's firmware has no SEP 1.0 yet."
        if not is_whole(request["install_code"]):
            return "INSTALL_CODE", "The check sum of the installation code is wrong."
        others = [device for device in self.state.devices(esiid) if device.eui64 != request["eui64"]]
        if len(others) >= self.scenario.slots:
            return "SLOTS_FULL", f"The meter has {len(others)} devices on its list."
        return None

    def send(self, now: float, request: dict[str, Any]) -> None:
        """The request is on its way to the meter."""
        if self._listed(request, "LISTED") is not None:
            self.teller.provisioning(now, request, "PENDING")
            self._next(now, request["number"], "ready", "meter_ready")

    def ready(self, now: float, request: dict[str, Any]) -> None:
        """The meter has the key and opens its join window."""
        device = self._listed(request, "LISTED")
        if device is None:
            return
        self.state.put_devices([device._replace(state="READY")])
        self.teller.provisioning(now, request, "METER_READY")
        self._next(now, request["number"], "join", "join")
        self._next(now, request["number"], "close", "join_window")

    def join(self, now: float, request: dict[str, Any]) -> None:
        """The device is switched on and finds the meter, if it ever is and if its key is the meter's."""
        device = self._listed(request, "READY")
        if device is None or self.scenario.behaviour(device.eui64) is Behaviour.NEVER_JOINS:
            return
        if self.scenario.install_codes.get(device.eui64, device.install_code) != device.install_code:
            return
        self.state.put_devices([device._replace(state="JOINED")])
        self.teller.provisioning(now, request, "ADDED")

    def close(self, now: float, request: dict[str, Any]) -> None:
        """The join window closes; a device that has not joined leaves the list."""
        if self._listed(request, "READY") is not None:
            self.state.drop_device(request["esiid"], request["eui64"])
            said = "The device did not join while the meter would have let it."
            self.teller.provisioning(now, request, "FAILED", "JOIN_WINDOW_CLOSED", said)

    def remove(self, now: float, request: dict[str, Any]) -> None:
        """The removal is on its way to the meter."""
        self.teller.provisioning(now, request, "PENDING")
        self._next(now, request["number"], "removed", "remove")

    def removed(self, now: float, request: dict[str, Any]) -> None:
        """The meter has taken the device off its list, if it can; one that is not there is off it too."""
        if self.scenario.behaviour(request["eui64"]) is Behaviour.STUCK:
            said = "The meter did not answer to the removal."
            self.teller.provisioning(now, request, "FAILED", "DEVICE_UNREACHABLE", said)
            return
        self.state.drop_device(request["esiid"], request["eui64"])
        self.teller.provisioning(now, request, "REMOVED")

    def exchange(self, now: float, facts: dict[str, Any]) -> None:
        """Another meter is hung: its network is new and has no devices."""
        esiid = facts["esiid"]
        old = self.state.serials([esiid]).get(esiid)
        if old is None or old == facts["serial"]:
            return
        for device in self.state.devices(esiid):
            self.state.undo_adds(esiid, device.eui64)
            self.state.drop_device(esiid, device.eui64)
        self.state.set_meters([(esiid, facts["serial"])])
        self.teller.exchange(now, esiid, old, facts["serial"], facts.get("han_capable"))

    def _listed(self, request: dict[str, Any], state: str) -> Device | None:
        """The device of an add request, where the request stands and its device is in *state*."""
        for device in self.state.devices(request["esiid"]):
            if (device.eui64, device.request, device.state) == (request["eui64"], request["number"], state):
                return None if request["undone"] else device
        return None

    def _next(self, now: float, number: str, kind: str, delay: str) -> None:
        self.state.plan([(now + self.scenario.delay(delay, kind, number), kind, {"request": number})])
