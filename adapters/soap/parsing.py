"""The one parse that a request gets. What is verified, validated and dispatched is this tree and no other.

A second parser that read the same bytes differently would let a captured message say something new under its old
signature, so nothing else in the hub may parse a request.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from adapters.soap.addressing import ADDRESSING_TAGS
from adapters.soap.faults import (
    SOAP11,
    SOAP12,
    EnvelopeRefused,
    Finding,
    MalformedXml,
    MustUnderstandRefused,
    TooManyElements,
    VersionMismatch,
    shown,
)

__all__ = ["MAX_TAGS", "check_understood", "parse", "trans_id_of"]

_SECURITY: Final = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"
#: Start and end tags in a message. 50,000 ESI IDs have 100,000; a tree costs some 100 bytes for each of 8 MB of "<a/>".
MAX_TAGS: Final = 400_000
_DECLARED: Final = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([^\"'>]*)")
_AT: Final = re.compile(r", line [0-9]+, column [0-9]+(?: \(.*\))?$")
_NEXT: Final = frozenset(
    {
        "",
        "http://schemas.xmlsoap.org/soap/actor/next",
        "http://www.w3.org/2003/05/soap-envelope/role/next",
        "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
    }
)


def parse(message: bytes, *, soap: str) -> etree._Element:
    """Parse *message* and return its Envelope, of the version of SOAP that *soap* (a namespace) names.

    UTF-8 only, whatever the message declares; no network, no document type, no entities, depth at most 256 and no text
    over 10 MB (libxml2's own bounds). Comments are dropped: exclusive C14N drops them too, and ``.text`` would stop at
    one. Processing instructions are kept, for C14N keeps them, and refused by the shape check.

    Raises TooManyElements, MalformedXml, VersionMismatch, EnvelopeRefused.
    """
    if message.count(b"<") > MAX_TAGS:
        raise TooManyElements
    # a parser of its own for each message: lxml parsers hold a lock, and their error log is shared
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=False,
        recover=False,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(message, parser)
    except etree.XMLSyntaxError as exc:
        line, column = exc.position
        reason = _AT.sub("", exc.msg or "").strip()[:160] or "it cannot be parsed"
        raise MalformedXml(
            f"The message is not well-formed XML in UTF-8: line {line}, column {column}: {reason}."
        ) from None
    except (ValueError, LookupError) as exc:
        raise MalformedXml from exc
    info = root.getroottree().docinfo
    if info.internalDTD is not None or info.externalDTD is not None:
        raise MalformedXml("The message has a document type declaration, which SOAP forbids. Send it without DOCTYPE.")
    declared = _DECLARED.match(message)
    if declared is not None and declared[1].lower() not in {b"utf-8", b"utf8", b"us-ascii"}:
        raise MalformedXml("The XML declaration names another encoding than UTF-8. Send UTF-8.")
    if root.tag != f"{{{soap}}}Envelope":
        if root.tag in {f"{{{SOAP11}}}Envelope", f"{{{SOAP12}}}Envelope"}:
            raise VersionMismatch
        raise EnvelopeRefused(findings=[Finding("Envelope", shown(str(root.tag)), f"{{{soap}}}Envelope")])
    return root


def check_understood(root: etree._Element, *, soap: str, addressing: bool = False) -> None:
    """Refuse a header block meant for us that must be understood and is not (SOAP 1.1 4.2.3, 1.2 5.2.3).

    Understood are wsse:Security and, with *addressing*, WS-Addressing's headers: those of a message that signs them.

    Raises MustUnderstandRefused.
    """
    header = root.find(f"{{{soap}}}Header")
    if header is None:
        return
    role = f"{{{soap}}}{'actor' if soap == SOAP11 else 'role'}"
    for block in header.iterchildren(tag=etree.Element):
        if block.tag == _SECURITY or (addressing and block.tag in ADDRESSING_TAGS) or block.get(role, "") not in _NEXT:
            continue
        if block.get(f"{{{soap}}}mustUnderstand", "0").strip().lower() in {"1", "true"}:
            raise MustUnderstandRefused(
                findings=[Finding("Header", shown(str(block.tag)), "no such header", quoted=False)]
            )


def trans_id_of(body: etree._Element | None) -> str | None:
    """Return the request's ``trans_id`` when it can be read: at most 64 characters, or None.

    *body* is the one child of soap:Body.
    """
    if body is None:
        return None
    for child in body.iterchildren(tag=etree.Element):
        if etree.QName(child).localname == "trans_id":
            value = child.text or ""
            return value if 0 < len(value) <= 64 else None
        break  # it is the first element of every request; do not walk 50,000 others
    return None
