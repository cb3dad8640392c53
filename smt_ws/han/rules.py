"""Rules of devices as plain tables and functions: states, who may cause which move, slots, identifiers.

The states are those the customer sees (H3). A TDSP's statuses may be repeated, late or out of order, so what is not in
the table is noted and moves nothing, and success beats failure whichever is told first. Sources: requirements H1-H3,
H10, A21; ZigBee Smart Energy Profile 1.0 (installation codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = [
    "ADDING",
    "DEVICE_TYPES",
    "MOVES",
    "NOTED",
    "REASONS",
    "REMOVING",
    "ROWS",
    "SLOTS",
    "SLOT_STATES",
    "TDSP_EVENTS",
    "TIMEOUTS",
    "Actor",
    "DeviceEvent",
    "DeviceState",
    "Moved",
    "Refusal",
    "Row",
    "check_eui64",
    "check_install_code",
    "crc16_x25",
    "masked_eui64",
    "moved",
]

#: Devices that may hold a slot on an ESI ID at the same time (H2).
SLOTS: Final = 5

#: What a device may be said to be (H1); the hub only passes it on.
DEVICE_TYPES: Final = ("IHD", "PCT", "LCS", "GATEWAY", "EV", "APPLIANCE", "OTHER")


class DeviceState(StrEnum):
    """How a device stands. The value is stored and shown; the name is the code on the wire."""

    ADD_ACKNOWLEDGED = "Add Acknowledged"
    ADD_PENDING = "Add Pending"
    METER_READY = "Meter Ready"
    DEVICE_ADDED = "Device Added"
    REMOVE_ACKNOWLEDGED = "Remove Acknowledged"
    REMOVE_PENDING = "Remove Pending"
    REMOVE_FAILED = "Remove Failed"
    ADD_REJECTED = "Add Rejected"
    ADD_FAILED = "Add Failed"
    DEVICE_REMOVED = "Device Removed"


class DeviceEvent(StrEnum):
    """What can happen to a device. The value is stored; the name is the code on the wire."""

    ADD_ASKED = "add asked"
    ADD_TAKEN = "add taken"
    ADD_PENDING = "add pending"
    METER_READY = "meter ready"
    ADDED = "added"
    ADD_REJECTED = "add rejected"
    ADD_FAILED = "add failed"
    JOIN_TIMED_OUT = "join timed out"
    REMOVAL_INVITED = "removal invited"
    REMOVAL_DECLINED = "removal declined"
    REMOVE_ASKED = "remove asked"
    REMOVE_TAKEN = "remove taken"
    REMOVE_PENDING = "remove pending"
    REMOVED = "removed"
    REMOVE_REJECTED = "remove rejected"
    REMOVE_FAILED = "remove failed"
    REMOVE_TIMED_OUT = "remove timed out"
    METER_EXCHANGED = "meter exchanged"


class Actor(StrEnum):
    """Who may cause a move."""

    REQUESTER = "whoever may control devices there (H8, A19)"
    CUSTOMER = "the customer"
    TDSP = "the TDSP of the premise"
    HUB = "the hub, by the clock"


_S, _E = DeviceState, DeviceEvent
ADDING: Final = frozenset({_S.ADD_ACKNOWLEDGED, _S.ADD_PENDING, _S.METER_READY})
REMOVING: Final = frozenset({_S.REMOVE_ACKNOWLEDGED, _S.REMOVE_PENDING, _S.REMOVE_FAILED})
_FREE: Final = frozenset({_S.ADD_REJECTED, _S.ADD_FAILED, _S.DEVICE_REMOVED})
#: States in which a device takes one of the five slots (H3).
SLOT_STATES: Final = frozenset(set(DeviceState) - _FREE)


@dataclass(frozen=True, slots=True)
class Row:
    """From any of *states* (None: no such device yet), *event* by *actor* leads to *to* (None: back to before)."""

    states: frozenset[DeviceState | None]
    event: DeviceEvent
    to: DeviceState | None
    actor: Actor
    remark: str = ""


def _row(
    states: frozenset[DeviceState] | DeviceState,
    event: DeviceEvent,
    to: DeviceState | None,
    actor: Actor = Actor.TDSP,
    remark: str = "",
    *,
    unknown: bool = False,
) -> Row:
    named: frozenset[DeviceState | None] = frozenset(
        {states} if isinstance(states, DeviceState) else states
    ) | frozenset({None} if unknown else set())
    return Row(named, event, to, actor, remark)


_ASKED_TO_GO: Final = frozenset({_S.REMOVE_ACKNOWLEDGED, _S.REMOVE_PENDING})

#: The state machine (H3), whole. What is not here is noted in the history and moves nothing.
ROWS: Final[tuple[Row, ...]] = (
    _row(_FREE, _E.ADD_ASKED, _S.ADD_ACKNOWLEDGED, Actor.REQUESTER,
         "a slot is free there, and the device holds none anywhere", unknown=True),
    _row(_S.ADD_ACKNOWLEDGED, _E.ADD_TAKEN, _S.ADD_ACKNOWLEDGED),
    _row(_S.ADD_ACKNOWLEDGED, _E.ADD_PENDING, _S.ADD_PENDING),
    _row(frozenset({_S.ADD_ACKNOWLEDGED, _S.ADD_PENDING}), _E.METER_READY, _S.METER_READY,
         remark="the join window begins"),
    _row(ADDING, _E.ADDED, _S.DEVICE_ADDED, remark="steps may be left out"),
    _row(frozenset({_S.ADD_REJECTED, _S.ADD_FAILED}), _E.ADDED, _S.DEVICE_ADDED,
         remark="success beats failure, where a slot is still free"),
    _row(ADDING, _E.ADD_REJECTED, _S.ADD_REJECTED, remark="with a reason; the slot is free again"),
    _row(ADDING, _E.ADD_FAILED, _S.ADD_FAILED, remark="with a reason; the slot is free again"),
    _row(_S.METER_READY, _E.JOIN_TIMED_OUT, _S.ADD_FAILED, Actor.HUB, "the join window is over"),
    _row(ADDING | {_S.DEVICE_ADDED, _S.REMOVE_FAILED}, _E.REMOVE_ASKED, _S.REMOVE_ACKNOWLEDGED, Actor.REQUESTER,
         "also takes back an add; under an agreement the customer agrees first to lose an added device (A21)"),
    _row(_S.REMOVE_ACKNOWLEDGED, _E.REMOVE_TAKEN, _S.REMOVE_ACKNOWLEDGED),
    _row(_S.REMOVE_ACKNOWLEDGED, _E.REMOVE_PENDING, _S.REMOVE_PENDING),
    _row(_ASKED_TO_GO, _E.REMOVE_REJECTED, None, remark="with a reason; as before, and the slot is kept"),
    _row(_ASKED_TO_GO, _E.REMOVE_FAILED, _S.REMOVE_FAILED, remark="with a reason; it may be asked again"),
    _row(_ASKED_TO_GO, _E.REMOVE_TIMED_OUT, _S.REMOVE_FAILED, Actor.HUB, "no answer came"),
    _row(REMOVING, _E.REMOVED, _S.DEVICE_REMOVED, remark="the slot is free again"),
    _row(ADDING | {_S.DEVICE_ADDED}, _E.REMOVED, _S.DEVICE_REMOVED,
         remark="of a removal that was first rejected: success beats failure"),
    _row(ADDING, _E.METER_EXCHANGED, _S.ADD_FAILED, remark="the new meter does not know it; add it again"),
    _row(REMOVING | {_S.DEVICE_ADDED}, _E.METER_EXCHANGED, _S.DEVICE_REMOVED,
         remark="the network was the old meter's; add it again"),
)  # fmt: skip

#: The same by state and event.
MOVES: Final[Mapping[tuple[DeviceState | None, DeviceEvent], Row]] = MappingProxyType(
    {(state, row.event): row for row in ROWS for state in row.states}
)
#: Events that tell of a device and never move it.
NOTED: Final = frozenset({_E.REMOVAL_INVITED, _E.REMOVAL_DECLINED})

_OF_ADDING: Final = frozenset({_E.ADD_TAKEN, _E.ADD_PENDING, _E.METER_READY, _E.ADDED, _E.ADD_REJECTED, _E.ADD_FAILED})

#: What a TDSP may post of an add and of a removal.
TDSP_EVENTS: Final[Mapping[tuple[str, str], DeviceEvent]] = MappingProxyType(
    {
        ("ADD", "ACKNOWLEDGED"): _E.ADD_TAKEN,
        ("ADD", "PENDING"): _E.ADD_PENDING,
        ("ADD", "METER_READY"): _E.METER_READY,
        ("ADD", "ADDED"): _E.ADDED,
        ("ADD", "REJECTED"): _E.ADD_REJECTED,
        ("ADD", "FAILED"): _E.ADD_FAILED,
        ("REMOVE", "ACKNOWLEDGED"): _E.REMOVE_TAKEN,
        ("REMOVE", "PENDING"): _E.REMOVE_PENDING,
        ("REMOVE", "REMOVED"): _E.REMOVED,
        ("REMOVE", "REJECTED"): _E.REMOVE_REJECTED,
        ("REMOVE", "FAILED"): _E.REMOVE_FAILED,
    }
)

#: States that the hub ends by itself: the setting that says after how long, and the event.
TIMEOUTS: Final[Mapping[DeviceState, tuple[str, DeviceEvent]]] = MappingProxyType(
    {
        _S.METER_READY: ("join_window_hours", _E.JOIN_TIMED_OUT),
        _S.REMOVE_ACKNOWLEDGED: ("removal_hours", _E.REMOVE_TIMED_OUT),
        _S.REMOVE_PENDING: ("removal_hours", _E.REMOVE_TIMED_OUT),
    }
)

#: Why an add or a removal did not succeed (H10). A TDSP may send other codes; these every TDSP means alike.
REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "METER_EXCHANGED": "The meter was exchanged: its network is gone. Add the device again on the new meter.",
        "FIRMWARE_NOT_CAPABLE": "The meter's firmware cannot serve devices yet. Ask the TDSP when it will.",
        "UNKNOWN_METER": "The TDSP does not know this meter at this premise. Check the meter number.",
        "SLOTS_FULL": "The meter has no room for another device. Remove one first.",
        "INSTALL_CODE": "The device and the meter do not agree on the installation code. Read it off the device again.",
        "JOIN_WINDOW_CLOSED": "The device did not join in time. Switch it on near the meter and add it again.",
        "DEVICE_UNREACHABLE": "The meter cannot reach the device. Check that it is switched on and near.",
        "OTHER": "See the TDSP's own words.",
    }
)


class Moved(NamedTuple):
    """How a device stands after an event; *before_removal* while a removal is open; *applied* False: only noted."""

    state: DeviceState
    before_removal: DeviceState | None
    applied: bool


def moved(state: DeviceState | None, before_removal: DeviceState | None, event: DeviceEvent) -> Moved | None:
    """Apply *event*; None where there is no device and the event makes none.

    While a removal is open, what is told of the add changes the state that the device would go back to.
    """
    if state in REMOVING and event in _OF_ADDING:
        beneath = MOVES.get((before_removal, event))
        if beneath is None:
            return Moved(state, before_removal, applied=False)
        return Moved(state, beneath.to, applied=True)
    row = MOVES.get((state, event))
    if row is None:
        return None if state is None else Moved(state, before_removal, applied=False)
    if row.to is None:
        return Moved(before_removal or DeviceState.DEVICE_ADDED, None, applied=True)
    if row.event is DeviceEvent.REMOVE_ASKED and state not in REMOVING:
        return Moved(row.to, state, applied=True)
    return Moved(row.to, before_removal if row.to in REMOVING else None, applied=True)


class Refusal(NamedTuple):
    """What is wrong with a request: a stable code, the element, what was presented and what is expected."""

    code: str
    element: str
    presented: str
    expected: str


_SEPARATORS: Final = str.maketrans("", "", ":-. ")
_HEX: Final = frozenset("0123456789ABCDEF")


def check_eui64(text: str) -> str | Refusal:
    """The device's EUI-64 as 16 upper-case hex digits, or what is wrong with it.

    Colons, hyphens, dots and spaces may separate, ``0x`` may begin it. An EUI-48 is not completed; all zeros and all
    ones name no device.
    """
    digits = text.strip().upper().removeprefix("0X").translate(_SEPARATORS)
    if len(digits) != 16 or not set(digits) <= _HEX:
        return Refusal("EUI64_MALFORMED", "deviceMACAddr", text[:40], "16 hex digits; : - . and spaces may separate")
    if digits in {"0" * 16, "F" * 16}:
        return Refusal("EUI64_MALFORMED", "deviceMACAddr", text[:40], "a device's own address, not a placeholder")
    return digits


def masked_eui64(eui64: str) -> str:
    """The last five digits, the others as X: what people are shown (A14)."""
    return "X" * (len(eui64) - 5) + eui64[-5:]


#: Bytes of an installation code with its CRC.
_CODE_BYTES: Final = (8, 10, 14, 18)


def check_install_code(text: str) -> bytes | Refusal:
    """The installation code with its CRC, or what is wrong with it; the refusal never repeats the code.

    6, 8, 12 or 16 bytes and the CRC-16/X-25 over them, low byte first. A code without its CRC is refused: eight bytes
    without look like six with a wrong one.
    """
    digits = text.strip().upper().removeprefix("0X").translate(_SEPARATORS)
    wanted = "16, 20, 28 or 36 hex digits, the last four being the CRC"
    if not set(digits) <= _HEX:
        return Refusal("INSTALL_CODE_DIGITS", "installCode", "something else than hex digits", wanted)
    if len(digits) not in {2 * size for size in _CODE_BYTES}:
        return Refusal("INSTALL_CODE_LENGTH", "installCode", f"{len(digits)} digits", wanted)
    code = bytes.fromhex(digits)
    if crc16_x25(code[:-2]) != int.from_bytes(code[-2:], "little"):
        return Refusal("INSTALL_CODE_CRC", "installCode", "a CRC that is not of these digits", wanted)
    return code


def crc16_x25(data: bytes) -> int:
    """CRC-16/X-25: polynomial 0x1021 reflected, begun with and finished by 0xFFFF."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
    return register ^ 0xFFFF
