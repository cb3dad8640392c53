"""A ZCL frame: three octets of header and a command's payload (facts 1.0).

Which command it is follows from the cluster, which travels beside the frame, the direction and the command id.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from adapters.sep.errors import SepDecodeError
from adapters.sep.load_control import (
    CancelAllLoadControlEvents,
    CancelLoadControlEvent,
    LoadControlEvent,
    ReportEventStatus,
)
from adapters.sep.messaging import CancelMessage, DisplayMessage, MessageConfirmation
from adapters.sep.price import PublishPrice

__all__ = ["CLUSTERS", "Frame", "Message", "decode", "encode"]

Message = (
    DisplayMessage
    | CancelMessage
    | MessageConfirmation
    | LoadControlEvent
    | CancelLoadControlEvent
    | CancelAllLoadControlEvents
    | ReportEventStatus
    | PublishPrice
)

#: The clusters of the SEP 1.0 profile (0x0109) that this hub speaks.
CLUSTERS: Final = {0x0700: "Price", 0x0701: "Demand response and load control", 0x0703: "Messaging"}

#: Command belongs to the cluster; goes from server (the meter) to client.
_OF_CLUSTER: Final = 0x01
_FROM_SERVER: Final = 0x08
#: The receiver need not answer with a default response; set or not, the frame means the same.
_QUIET: Final = 0x10
_HEADER: Final = 3
_KINDS: Final[dict[tuple[int, bool, int], type[Message]]] = {
    (kind.CLUSTER, kind.FROM_SERVER, kind.COMMAND): kind
    for kind in (
        DisplayMessage,
        CancelMessage,
        MessageConfirmation,
        LoadControlEvent,
        CancelLoadControlEvent,
        CancelAllLoadControlEvents,
        ReportEventStatus,
        PublishPrice,
    )
}


class Frame(NamedTuple):
    """A frame read back: the sender's *sequence* number and what it says."""

    sequence: int
    message: Message


def encode(message: Message, *, sequence: int = 0) -> bytes:
    """Return the frame of *message*: header and payload. *sequence* is the sender's, 0 to 255."""
    control = _OF_CLUSTER | (_FROM_SERVER if message.FROM_SERVER else 0)
    return bytes((control, sequence, message.COMMAND)) + message.payload()


def decode(cluster: int, frame: bytes) -> Frame:
    """Read a *frame* of *cluster*; ``decode(m.CLUSTER, encode(m)).message == m``.

    Raises SepDecodeError or SepValueError for anything that SEP 1.0, as this hub speaks it, does not say.
    """
    if len(frame) < _HEADER:
        raise SepDecodeError(f"a frame of {len(frame)} octets has no header")
    control, sequence, command = frame[:_HEADER]
    if control & ~(_FROM_SERVER | _QUIET) != _OF_CLUSTER:
        raise SepDecodeError(f"frame control {control:02X} is not that of a cluster's command")
    kind = _KINDS.get((cluster, bool(control & _FROM_SERVER), command))
    if kind is None:
        raise SepDecodeError(f"cluster {cluster:04X} has no command {command:02X} in this direction")
    return Frame(sequence, kind.from_payload(frame[_HEADER:]))
