"""The messaging cluster (0x0703): a text on an in-home display, and its answer."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import ClassVar, Final

from adapters.sep.errors import SepDecodeError, SepValueError
from adapters.sep.fields import (
    LONGEST_STRING,
    UINT32,
    Checked,
    Range,
    from_utc_time,
    read,
    read_string,
    string,
    to_utc_time,
)

__all__ = ["SAFE_TEXT", "CancelMessage", "DisplayMessage", "Importance", "MessageConfirmation"]

#: Octets of text that fit into one radio frame that is not source-routed: 59 with the length octet (facts 1.1).
SAFE_TEXT: Final = 58

_DISPLAY: Final = struct.Struct("<IBIH")
_CANCEL: Final = struct.Struct("<IB")
_CONFIRMATION: Final = struct.Struct("<II")
_CONFIRM: Final = 0x80
_IMPORTANCE: Final = 0x0C
_UNTIL_CHANGED: Final = 0xFFFF


class Importance(IntEnum):
    """How pressing a text is; the display decides what that looks like."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class DisplayMessage(Checked):
    """Show *text* from *start* (None: now) for *duration_minutes* (None: until another one comes).

    A client shows one message at a time: a newer one replaces it. Transmission is always the normal one.
    """

    CLUSTER: ClassVar[int] = 0x0703
    COMMAND: ClassVar[int] = 0x00
    FROM_SERVER: ClassVar[bool] = True
    RANGES: ClassVar[dict[str, Range]] = {"message_id": UINT32, "duration_minutes": Range(1, 0xFFFE, optional=True)}

    message_id: int
    text: str
    importance: Importance = Importance.LOW
    confirmation_required: bool = False
    start: datetime | None = None
    duration_minutes: int | None = None

    def __post_init__(self) -> None:
        """Raise SepValueError for what SEP 1.0 cannot carry."""
        Checked.__post_init__(self)
        if self.importance not in tuple(Importance):
            raise SepValueError("importance", self.importance, "0 to 3")
        to_utc_time("start", self.start)
        if not self.text:
            raise SepValueError("text", "nothing", "a text")
        string("text", self.text, LONGEST_STRING)

    def payload(self) -> bytes:
        """The octets after the ZCL header."""
        control = self.importance << 2 | (_CONFIRM if self.confirmation_required else 0)
        duration = _UNTIL_CHANGED if self.duration_minutes is None else self.duration_minutes
        fixed = _DISPLAY.pack(self.message_id, control, to_utc_time("start", self.start), duration)
        return fixed + string("text", self.text, LONGEST_STRING)

    @classmethod
    def from_payload(cls, payload: bytes) -> DisplayMessage:
        """Read it back. Raises SepError."""
        message_id, control, start, duration = read(_DISPLAY, payload[: _DISPLAY.size])
        if control & ~(_CONFIRM | _IMPORTANCE):
            raise SepDecodeError(f"MessageControl {control:02X} sets bits that the hub never sends")
        text, end = read_string(payload, _DISPLAY.size)
        if end != len(payload):
            raise SepDecodeError(f"{len(payload) - end} octets after the text, which SEP 1.0 does not have")
        return cls(
            message_id=message_id,
            text=text,
            importance=Importance((control & _IMPORTANCE) >> 2),
            confirmation_required=bool(control & _CONFIRM),
            start=from_utc_time(start),
            duration_minutes=None if duration == _UNTIL_CHANGED else duration,
        )


@dataclass(frozen=True, slots=True)
class CancelMessage(Checked):
    """Take the text *message_id* off the display. Its control octet is sent as 0."""

    CLUSTER: ClassVar[int] = 0x0703
    COMMAND: ClassVar[int] = 0x01
    FROM_SERVER: ClassVar[bool] = True
    RANGES: ClassVar[dict[str, Range]] = {"message_id": UINT32}

    message_id: int

    def payload(self) -> bytes:
        """The octets after the ZCL header."""
        return _CANCEL.pack(self.message_id, 0)

    @classmethod
    def from_payload(cls, payload: bytes) -> CancelMessage:
        """Read it back. Raises SepError."""
        message_id, control = read(_CANCEL, payload)
        if control:
            raise SepDecodeError(f"MessageControl {control:02X} of a cancellation; the hub sends 00")
        return cls(message_id)


@dataclass(frozen=True, slots=True)
class MessageConfirmation(Checked):
    """The customer has confirmed the text *message_id* at the display, at *confirmed*."""

    CLUSTER: ClassVar[int] = 0x0703
    COMMAND: ClassVar[int] = 0x01
    FROM_SERVER: ClassVar[bool] = False
    RANGES: ClassVar[dict[str, Range]] = {"message_id": UINT32}

    message_id: int
    confirmed: datetime

    def __post_init__(self) -> None:
        """Raise SepValueError for what SEP 1.0 cannot carry."""
        Checked.__post_init__(self)
        to_utc_time("confirmed", self.confirmed)

    def payload(self) -> bytes:
        """The octets after the ZCL header."""
        return _CONFIRMATION.pack(self.message_id, to_utc_time("confirmed", self.confirmed))

    @classmethod
    def from_payload(cls, payload: bytes) -> MessageConfirmation:
        """Read it back. Raises SepError."""
        message_id, seconds = read(_CONFIRMATION, payload)
        confirmed = from_utc_time(seconds)
        if confirmed is None:
            raise SepDecodeError("a confirmation without its time")
        return cls(message_id, confirmed)
