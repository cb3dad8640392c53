"""Rules of messages as plain tables and functions: statuses, how they add up, who takes whose place.

A TDSP's statuses may be repeated and come in any order; the state that they add up to is the greatest under one total
order, so it does not depend on the order in which they came. Sources: requirements H4-H6; SEP 1.0 event statuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = [
    "CANCELS",
    "CATEGORIES",
    "CODES",
    "LARGEST_NUMBER",
    "SEP_STATUSES",
    "STATES",
    "TIERS",
    "Category",
    "Code",
    "Event",
    "MessageState",
    "SepStatus",
    "Told",
    "closes",
    "further",
    "read_status",
    "rolled_up",
    "supersedes",
]

#: Message numbers are SEP event ids: 32 bits.
LARGEST_NUMBER: Final = 2**32 - 1


class Code(StrEnum):
    """A status of the message log (H5)."""

    RQA = "RQA"
    ACK = "ACK"
    PEN = "PEN"
    STR = "STR"
    CON = "CON"
    OPT = "OPT"
    FLR = "FLR"


#: What each means (004).
CODES: Final[Mapping[Code, str]] = MappingProxyType(
    {
        Code.RQA: "the request was accepted and sent to the TDSP",
        Code.ACK: "the TDSP has received it",
        Code.PEN: "it waits for the meter or the device",
        Code.STR: "the event has started",
        Code.CON: "delivery is confirmed",
        Code.OPT: "the customer has opted out",
        Code.FLR: "it could not be delivered",
    }
)


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of message: its EventCategoryID, what it is, and the statuses that a TDSP may post of it."""

    name: str
    meaning: str
    codes: frozenset[Code]
    #: Delivery is all there is to wait for.
    done_when_delivered: bool = True


_PLAIN: Final = frozenset({Code.RQA, Code.ACK, Code.PEN, Code.CON, Code.FLR})
#: The six kinds of H4.
CATEGORIES: Final[Mapping[str, Category]] = MappingProxyType(
    {
        one.name: one
        for one in (
            Category("STM", "simple text message", _PLAIN | {Code.STR}),
            Category("CSM", "cancel text message", _PLAIN),
            Category("LCE", "load control event", frozenset(Code), done_when_delivered=False),
            Category("CLE", "cancel load control event", _PLAIN),
            Category("CAL", "cancel all load control events", _PLAIN),
            Category("PRM", "price message", _PLAIN | {Code.STR}),
        )
    }
)
#: Which category each cancellation cancels.
CANCELS: Final[Mapping[str, str]] = MappingProxyType({"CSM": "STM", "CLE": "LCE"})


class MessageState(StrEnum):
    """How far a message has come at a premise or a device; the value is stored and is the code on the wire."""

    SUBMITTED = "SUBMITTED"
    SENT = "SENT"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    PENDING = "PENDING"
    EXPIRED = "EXPIRED"
    NO_REPORT = "NO_REPORT"
    FAILED = "FAILED"
    DELIVERED = "DELIVERED"
    STARTED = "STARTED"
    OPTED_OUT = "OPTED_OUT"
    COMPLETED = "COMPLETED"
    SUPERSEDED = "SUPERSEDED"
    CANCELLED = "CANCELLED"


_M = MessageState
#: What each state means.
STATES: Final[Mapping[MessageState, str]] = MappingProxyType(
    {
        _M.SUBMITTED: "accepted; not handed to the TDSP yet",
        _M.SENT: "the TDSP has taken it",
        _M.ACKNOWLEDGED: "the TDSP has acknowledged it",
        _M.PENDING: "it waits for the meter or the device",
        _M.EXPIRED: "its time was over before the TDSP acknowledged it",
        _M.NO_REPORT: "its time is over and no device has answered, which SEP 1.0 allows",
        _M.FAILED: "the TDSP could not deliver it",
        _M.DELIVERED: "delivery is confirmed",
        _M.STARTED: "the event has started, or the customer has opted in again",
        _M.OPTED_OUT: "the customer has opted out",
        _M.COMPLETED: "the event ran to its end",
        _M.SUPERSEDED: "a newer message that overlaps it has taken its place",
        _M.CANCELLED: "it was cancelled",
    }
)
#: The order in which states beat each other. Within the first two tiers by place alone; in the later ones the later
#: status beats the earlier, and place decides between two of the same moment. A TDSP's word beats the hub's clock.
TIERS: Final[tuple[tuple[MessageState, ...], ...]] = (
    (_M.SUBMITTED, _M.SENT, _M.ACKNOWLEDGED, _M.PENDING),
    (_M.EXPIRED, _M.NO_REPORT),
    (_M.FAILED, _M.DELIVERED),
    (_M.STARTED, _M.OPTED_OUT),
    (_M.COMPLETED, _M.SUPERSEDED, _M.CANCELLED),
)
_PLACE: Final = {state: (tier, rank) for tier, states in enumerate(TIERS) for rank, state in enumerate(states)}
_TIMED_FROM: Final = 2
_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)

#: What a premise with several devices shows: the first of these that one of them is in.
_ROLL_UP: Final = (
    _M.STARTED, _M.COMPLETED, _M.DELIVERED, _M.OPTED_OUT, _M.CANCELLED, _M.SUPERSEDED, _M.FAILED,
    _M.PENDING, _M.ACKNOWLEDGED, _M.SENT, _M.SUBMITTED, _M.NO_REPORT, _M.EXPIRED,
)  # fmt: skip


class SepStatus(NamedTuple):
    """A device's own report of an event: what it says, the log's code for it, and the state it means."""

    meaning: str
    code: Code
    state: MessageState


#: SEP 1.0 event statuses. The log has no code for completed, cancelled and superseded; they come as CON.
SEP_STATUSES: Final[Mapping[int, SepStatus]] = MappingProxyType(
    {
        0x01: SepStatus("event received", Code.CON, _M.DELIVERED),
        0x02: SepStatus("event started", Code.STR, _M.STARTED),
        0x03: SepStatus("event completed", Code.CON, _M.COMPLETED),
        0x04: SepStatus("customer opted out", Code.OPT, _M.OPTED_OUT),
        0x05: SepStatus("customer opted in", Code.STR, _M.STARTED),
        0x06: SepStatus("event cancelled", Code.CON, _M.CANCELLED),
        0x07: SepStatus("event superseded", Code.CON, _M.SUPERSEDED),
        0x08: SepStatus("partly completed, then opted out", Code.OPT, _M.OPTED_OUT),
        0x09: SepStatus("partly completed after opting in", Code.CON, _M.COMPLETED),
        0x0A: SepStatus("completed without taking part", Code.OPT, _M.OPTED_OUT),
        0xF8: SepStatus("rejected: invalid cancel", Code.FLR, _M.FAILED),
        0xF9: SepStatus("rejected: invalid effective time of a cancel", Code.FLR, _M.FAILED),
        0xFB: SepStatus("rejected: expired on receipt", Code.FLR, _M.FAILED),
        0xFD: SepStatus("rejected: undefined event", Code.FLR, _M.FAILED),
        0xFE: SepStatus("rejected", Code.FLR, _M.FAILED),
    }
)

_ALL_CODES: Final = frozenset(Code)
_STATE_OF: Final = {
    Code.RQA: _M.SENT,
    Code.ACK: _M.ACKNOWLEDGED,
    Code.PEN: _M.PENDING,
    Code.STR: _M.STARTED,
    Code.CON: _M.DELIVERED,
    Code.OPT: _M.OPTED_OUT,
    Code.FLR: _M.FAILED,
}


class Told(NamedTuple):
    """A state and when it was so, as the TDSP says."""

    state: MessageState
    at: datetime


def read_status(category: str, code: str, sep_status: int | None) -> MessageState | str:
    """The state that a posted status means for a message of *category*, or the code of what is wrong with it.

    ``UNKNOWN_STATUS``; ``STATUS_NOT_FOR_CATEGORY``; ``SEP_STATUS_UNKNOWN``; ``SEP_STATUS_MISMATCH`` where the two
    say different things. On a cancellation the device's "cancelled" is its delivery.
    """
    if code not in _ALL_CODES:
        return "UNKNOWN_STATUS"
    told = Code(code)
    if told not in CATEGORIES[category].codes:
        return "STATUS_NOT_FOR_CATEGORY"
    if sep_status is None:
        return _STATE_OF[told]
    sep = SEP_STATUSES.get(sep_status)
    if sep is None:
        return "SEP_STATUS_UNKNOWN"
    if sep.code is not told:
        return "SEP_STATUS_MISMATCH"
    return _M.DELIVERED if category in CANCELS and sep.code is Code.CON else sep.state


def further(now: Told, told: Told) -> Told:
    """Whichever of the two is further under `TIERS`: associative, commutative, and repeating changes nothing."""
    return told if _key(told) > _key(now) else now


def _key(told: Told) -> tuple[int, datetime, int]:
    tier, rank = _PLACE[told.state]
    return tier, told.at if tier >= _TIMED_FROM else _NO_TIME, rank


def rolled_up(meter: MessageState, devices: Iterable[MessageState]) -> MessageState:
    """What a premise shows: its devices' states added up, or, while none is known or once all is over, the meter's."""
    known = set(devices)
    if not known or meter in TIERS[-1]:
        return meter
    return next(state for state in _ROLL_UP if state in known)


def closes(category: str, state: MessageState) -> bool:
    """Whether nothing more is waited for once a message of *category* is in *state*."""
    if state is _M.DELIVERED:
        return CATEGORIES[category].done_when_delivered
    return _PLACE[state][0] not in {0, 3} or state is _M.OPTED_OUT


@dataclass(frozen=True, slots=True)
class Event:
    """A message as far as it can take another one's place: *ends* None is until another one comes."""

    number: int
    category: str
    starts: datetime
    ends: datetime | None
    device_class: int = 0
    enrollment_group: int = 0


def supersedes(newer: Event, older: Event) -> bool:
    """Whether a device that holds *older* gives it up for *newer*: the same kind, and only where they overlap.

    Load control events also need a common device class and the same group (0 is every group). The larger number is
    the newer one, whoever sent either.
    """
    if newer.number <= older.number or newer.category != older.category or newer.category in CANCELS:
        return False
    overlap = (older.ends is None or newer.starts < older.ends) and (newer.ends is None or older.starts < newer.ends)
    if newer.category != "LCE" or not overlap:
        return overlap
    groups = {newer.enrollment_group, older.enrollment_group}
    return bool(newer.device_class & older.device_class) and (len(groups) == 1 or 0 in groups)
