"""WS-Addressing 1.0 of clients that sign it: read, checked and answered; it never chooses the operation.

Unsigned addressing headers are nobody's word and are passed over. Where one is signed, all are. The reply goes where
the request came from and nowhere else. Sources: WS-Addressing 1.0 Core and SOAP Binding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from lxml import etree

from adapters.soap.faults import ActionMismatch, Fault, Finding, shown
from adapters.soap.wss_failures import BadShape
from adapters.soap.wss_names import WSA

__all__ = [
    "ADDRESSING_TAGS",
    "Addressing",
    "AddressingRefused",
    "addressed",
    "addressing_headers",
    "check_addressing",
    "read_addressing",
]

ANONYMOUS: Final = f"{WSA}/anonymous"
_FAULT_ACTION: Final = f"{WSA}/soap/fault"
_ADDRESSING_FAULT_ACTION: Final = f"{WSA}/fault"
_NAMES: Final = frozenset({"Action", "MessageID", "To", "ReplyTo", "FaultTo", "From", "RelatesTo"})
#: The headers as they stand in a tree.
ADDRESSING_TAGS: Final = frozenset(f"{{{WSA}}}{name}" for name in _NAMES)
_REPLIES: Final = ("ReplyTo", "FaultTo")
#: Characters of a value: it is compared or given back, never kept.
_LONGEST: Final = 512


class AddressingRefused(Fault):
    """A signed WS-Addressing header is missing or says what this hub does not do.

    Send Action, MessageID and To; leave ReplyTo and FaultTo out or anonymous: the answer comes on the same connection.
    """

    code = "ADDRESSING_REFUSED"


@dataclass(frozen=True)
class Addressing:
    """What the signed addressing headers of a message say; None where one is absent."""

    action: str | None
    message_id: str | None
    to: str | None
    reply_to: str | None
    fault_to: str | None


def addressing_headers(header: etree._Element) -> dict[str, etree._Element]:
    """The addressing headers that stand directly in *header*, by local name.

    Raises:
        BadShape: one stands twice.

    """
    found: dict[str, etree._Element] = {}
    for child in header:
        name = etree.QName(child)
        if name.namespace != WSA or name.localname not in _NAMES:
            continue
        if name.localname in found:
            raise BadShape(f"the message has two wsa:{name.localname} headers; expected at most 1")
        found[str(name.localname)] = child
    return found


def read_addressing(signed: Mapping[str, etree._Element]) -> Addressing:
    """Read the headers that a signature was verified over.

    Raises:
        BadShape: a header of another form than WS-Addressing gives it, or one for another actor.

    """
    values: dict[str, str | None] = {}
    for name, element in signed.items():
        if any(str(key).endswith(("}actor", "}role")) for key in element.attrib):
            raise BadShape(f"wsa:{name} is addressed to another actor; expected none")
        value = element
        if name in {*_REPLIES, "From"}:
            if [child.tag for child in element] != [f"{{{WSA}}}Address"]:
                raise BadShape(f"wsa:{name} holds something other than one Address; expected that alone")
            value = element[0]
        if len(value) or len(value.text or "") > _LONGEST:
            raise BadShape(f"wsa:{name} is no plain text of at most {_LONGEST} characters")
        values[name] = (value.text or "").strip()
    return Addressing(*(values.get(name) for name in ("Action", "MessageID", "To", *_REPLIES)))


def check_addressing(said: Addressing, *, action: str, addresses: Collection[str]) -> None:
    """Hold *said* to the operation in the Body (*action*) and to the *addresses* of its service.

    Raises AddressingRefused, ActionMismatch.
    """
    for name, value in (("Action", said.action), ("MessageID", said.message_id), ("To", said.to)):
        if not value:
            raise AddressingRefused(findings=[Finding(f"wsa:{name}", "missing", "a signed one", quoted=False)])
    if said.action != action:
        raise ActionMismatch(findings=[Finding("wsa:Action", shown(said.action or ""), action)])
    if _place(said.to or "") not in {_place(one) for one in addresses}:
        expected = " or ".join(addresses) or "an address of this hub"
        raise AddressingRefused(findings=[Finding("wsa:To", shown(said.to or ""), expected)])
    for name, value in (("ReplyTo", said.reply_to), ("FaultTo", said.fault_to)):
        if value is not None and value != ANONYMOUS:
            raise AddressingRefused(findings=[Finding(f"wsa:{name}", shown(value), ANONYMOUS)])


def _place(url: str) -> tuple[object, ...] | None:
    """What two spellings of one address have in common; None for what is no https address of a service."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme.lower() != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        return None
    return parts.hostname.lower(), port or 443, parts.path


def addressed(
    envelope: etree._Element, said: Addressing, *, action: str, fault: BaseException | None
) -> list[etree._Element]:
    """Address *envelope* as the answer to a request that *said* so; return its headers, which are to be signed.

    *action* is the request's; *fault* what the answer tells, where it is a fault.
    """
    soap = str(etree.QName(envelope).namespace)
    header = envelope.find(f"{{{soap}}}Header")
    if header is None:
        header = envelope.makeelement(f"{{{soap}}}Header")
        envelope.insert(0, header)
    own = f"{action}Response"
    if fault is not None:
        own = _ADDRESSING_FAULT_ACTION if isinstance(fault, AddressingRefused | ActionMismatch) else _FAULT_ACTION
    values = {"Action": own, "RelatesTo": said.message_id, "To": ANONYMOUS}
    made = []
    for name, value in values.items():
        if value:
            element = etree.SubElement(header, f"{{{WSA}}}{name}", nsmap={"wsa": WSA})
            element.text = value
            made.append(element)
    return made
