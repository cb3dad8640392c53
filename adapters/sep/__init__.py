"""SEP 1.0 messages as the octets that a meter sends to devices in the home (ZigBee cluster library payloads).

Written from the field tables in several independent implementations and held to published frames (tests/sep). Every
message is a frozen dataclass that cannot hold a value outside the range of its field.
"""

from __future__ import annotations

from adapters.sep.errors import SepDecodeError, SepError, SepValueError
from adapters.sep.frame import CLUSTERS, Frame, Message, decode, encode
from adapters.sep.load_control import (
    CancelAllLoadControlEvents,
    CancelLoadControlEvent,
    DeviceClass,
    EventStatus,
    LoadControlEvent,
    ReportEventStatus,
)
from adapters.sep.messaging import SAFE_TEXT, CancelMessage, DisplayMessage, Importance, MessageConfirmation
from adapters.sep.price import LONGEST_RATE_LABEL, PublishPrice

__all__ = [
    "CLUSTERS",
    "LONGEST_RATE_LABEL",
    "SAFE_TEXT",
    "CancelAllLoadControlEvents",
    "CancelLoadControlEvent",
    "CancelMessage",
    "DeviceClass",
    "DisplayMessage",
    "EventStatus",
    "Frame",
    "Importance",
    "LoadControlEvent",
    "Message",
    "MessageConfirmation",
    "PublishPrice",
    "ReportEventStatus",
    "SepDecodeError",
    "SepError",
    "SepValueError",
    "decode",
    "encode",
]
