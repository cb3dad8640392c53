"""The guards that stand before any canonicalisation, and the fixed shape of a signed envelope.

C14N is super-linear in namespace declarations and attributes, and a signature says nothing about the places it does
not cover. So a message must first have exactly the shape that the profile names: what is not expected is refused.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

from lxml import etree

from adapters.soap.addressing import addressing_headers
from adapters.soap.wss_failures import BadShape, DuplicateId, LimitExceeded, Unsigned
from adapters.soap.wss_names import (
    SECURITY,
    SIGNATURE,
    SOAP11,
    SOAP12,
    TIMESTAMP,
    TOKEN,
    ULTIMATE_RECEIVER,
    WSU_ID,
    XML,
)

MAX_ATTRIBUTES: Final = 8
"""Attributes on one element: C14N sorts them by insertion. An honest message has at most four."""

MAX_ALL_ATTRIBUTES: Final = 20_000
"""Attributes in one message, told by their equals signs: each costs a text of its own when the shape is checked, and
its name stays with the thread that read it. Honest messages have under 50; an ``xsi:type`` on each of 20,000 values."""

MAX_NAMESPACES: Final = 64
"""Namespace declarations in one message: C14N looks them up one after the other. Honest messages have under 30."""

MAX_PREFIX_SEARCHES: Final = 1_000_000
"""Elements times prefixes in a PrefixList, each a search through the declarations: 50,000 ESI IDs and 16 prefixes."""

MAX_SIBLINGS: Final = 64
"""Children of Envelope, Header, Body, Security and Signature each: honest messages have some ten header entries."""

MAX_IDS: Final = 64
"""Elements with an Id in one message: an honest one names Body, Timestamp, token and a few parts of its signature."""

_ID_NAMES: Final = frozenset({WSU_ID, "Id", "ID", "id", f"{{{XML}}}id"})
_ATTRIBUTES: Final = etree.XPath("/descendant::*/@*")
_ELEMENT_COUNT: Final = etree.XPath("count(/descendant::*)")
_NOT_CONTENT: Final = (etree.Comment, etree.ProcessingInstruction, etree.Entity)


@dataclass(frozen=True)
class SecurityParts:
    """Where the parts stand in an envelope of the right shape. ``token`` is None where the sender put none.

    ``addressing`` are the headers of WS-Addressing by local name, signed or not.
    """

    body: etree._Element
    content: etree._Element
    timestamp: etree._Element
    signature: etree._Element
    token: etree._Element | None
    addressing: dict[str, etree._Element]


def check_bytes(message: bytes) -> None:
    """Refuse a flood of namespaces or attributes before parsing: linear, about 1 ms for 2 MB.

    Raises:
        LimitExceeded: more than MAX_NAMESPACES times ``xmlns`` or MAX_ALL_ATTRIBUTES times ``=`` (in text they count
            too: no honest message has so many).

    """
    if (found := message.count(b"=")) > MAX_ALL_ATTRIBUTES:
        raise LimitExceeded(
            f"the message has {found:,} equals signs, one for each attribute; expected at most {MAX_ALL_ATTRIBUTES:,}"
        )
    if (found := message.count(b"xmlns")) > MAX_NAMESPACES:
        raise LimitExceeded(f"the message declares {found} namespaces; expected at most {MAX_NAMESPACES}")


def check_shape(envelope: etree._Element) -> None:
    """Check everything that must hold before the envelope is canonicalised or searched; linear in its size.

    Raises:
        BadShape: not a SOAP 1.1 or 1.2 envelope of one Header and one Body with one child element; a DTD, comment,
            processing instruction or entity reference anywhere.
        LimitExceeded: too many attributes on an element, namespace declarations or Ids.
        DuplicateId: two elements share an Id, in whichever attribute (``wsu:Id``, ``Id``, ``xml:id``).

    """
    # one fast pass for both; it ends at the first find, and honest messages have none
    unusual = next(envelope.iter(*cast("Any", _NOT_CONTENT), "{}*"), None)
    _no_markup_tricks(envelope, unusual)
    _within_limits(envelope)
    _few_namespaces(envelope, plain_elements=unusual is not None)
    _envelope_shape(envelope)


def check_prefixes(envelope: etree._Element, prefixes: int) -> None:
    """Bound the cost of an InclusiveNamespaces PrefixList: each element looks for each prefix through all declarations.

    Raises:
        LimitExceeded: too many namespace declarations, or too many prefixes for so many elements.

    """
    if prefixes:
        _count_namespaces(envelope)
        if prefixes * cast("float", _ELEMENT_COUNT(envelope)) > MAX_PREFIX_SEARCHES:
            raise LimitExceeded(f"the PrefixList has {prefixes} prefixes; expected fewer for so large a message")


def find_parts(envelope: etree._Element) -> SecurityParts:
    """Find the parts of an envelope that passed check_shape, by position only, never by Id.

    Raises:
        Unsigned: no Security header, or one without a signature.
        BadShape: an addressing header twice, more than one Security header (for whatever actor), or anything in it but
            one Timestamp, one Signature and at most one BinarySecurityToken.

    """
    header, body = envelope
    found = [child for child in header if child.tag == SECURITY]
    if not found:
        raise Unsigned("the message has no wsse:Security header; expected one that signs Body and Timestamp")
    if len(found) > 1:
        raise BadShape(f"the message has {len(found)} wsse:Security headers; expected exactly 1", rule="R3206")
    security = found[0]
    namespace = etree.QName(envelope).namespace
    if security.get(f"{{{namespace}}}actor") is not None or security.get(f"{{{namespace}}}role") not in (
        None,
        ULTIMATE_RECEIVER,
    ):
        raise BadShape("the wsse:Security header is addressed to another actor; expected none", rule="R3206")
    counts = Counter(str(child.tag) for child in security)
    if not counts[SIGNATURE]:
        raise Unsigned("the wsse:Security header has no ds:Signature; expected one over Body and Timestamp")
    limits = ((SIGNATURE, 1, None), (TIMESTAMP, 1, "R3227"), (TOKEN, counts[TOKEN] and 1, None))
    for tag, expected, rule in limits:
        if counts[tag] != expected:
            raise BadShape(
                f"the wsse:Security header has {counts[tag]} {etree.QName(tag).localname}; expected exactly {expected}",
                rule=rule,
            )
    if foreign := set(counts) - {SIGNATURE, TIMESTAMP, TOKEN}:
        raise BadShape(
            f"the wsse:Security header holds {', '.join(sorted(map(_short, foreign)))}; "
            "expected Timestamp, BinarySecurityToken and Signature only"
        )
    return SecurityParts(
        body=body,
        content=body[0],
        timestamp=_only(security, TIMESTAMP),
        signature=_only(security, SIGNATURE),
        token=_only(security, TOKEN) if counts[TOKEN] else None,
        addressing=addressing_headers(header),
    )


def _no_markup_tricks(envelope: etree._Element, unusual: etree._Element | None) -> None:
    if envelope.getparent() is not None:
        raise BadShape("the envelope is not the root of its document; expected the whole message")
    if envelope.getroottree().docinfo.internalDTD is not None:
        raise BadShape("the message has a DOCTYPE; expected none")
    # A comment or entity reference cuts .text short while C14N reads on; a PI outside the root is signed by nobody.
    if unusual is not None:
        unusual = next(envelope.iter(*cast("Any", _NOT_CONTENT)), None)
    for node in (envelope.getprevious(), envelope.getnext(), unusual):
        if node is not None:
            raise BadShape("the message has a comment, processing instruction or entity reference; expected none")


def _within_limits(envelope: etree._Element) -> None:
    if len(envelope.attrib) > MAX_ATTRIBUTES:
        _too_many_attributes(envelope)
    ids = {str(value) for name, value in envelope.attrib.items() if name in _ID_NAMES}
    last: etree._Element | None = None
    run = 0
    # One pass in C that yields the attributes only, in document order, so each element's stand together.
    for value in cast("list[etree._ElementUnicodeResult]", _ATTRIBUTES(envelope)):
        owner = value.getparent()
        run = run + 1 if owner is last else 1
        last = owner
        if run > MAX_ATTRIBUTES:
            _too_many_attributes(owner)
        if value.attrname in _ID_NAMES:
            if value in ids:
                raise DuplicateId(f"two elements have the Id {str(value)[:80]!r}; expected each Id once")
            ids.add(str(value))
            if len(ids) > MAX_IDS:
                raise LimitExceeded(f"the message has more than {MAX_IDS} Ids; expected at most {MAX_IDS}")


def _too_many_attributes(element: etree._Element | None) -> NoReturn:
    name = "an element" if element is None else _short(element.tag)
    raise LimitExceeded(f"{name} has more than {MAX_ATTRIBUTES} attributes; expected at most {MAX_ATTRIBUTES}")


def _few_namespaces(envelope: etree._Element, *, plain_elements: bool) -> None:
    """Bound what C14N has to look through, at the price of one fast pass for an honest message.

    Declarations above a canonicalised element are copied in quadratic time, and those above an element without a
    namespace are searched for each such element. Others cost C14N nothing as long as there is no PrefixList, so the
    full count, half as dear as C14N itself, is made only where there are elements without a namespace (or a
    PrefixList: ``check_prefixes``).
    """
    outer = [envelope]
    for level in outer:
        if len(level.nsmap) > MAX_NAMESPACES:
            _too_many_namespaces()
        # down to the header entries, SignedInfo and the Body's child: above these C14N copies declarations
        if level is envelope or level.getparent() is envelope or level.tag in (SECURITY, SIGNATURE):
            if len(level) > MAX_SIBLINGS:
                raise LimitExceeded(f"{_short(level.tag)} has {len(level)} children; expected at most {MAX_SIBLINGS}")
            outer.extend(level)
    if plain_elements:
        _count_namespaces(envelope)


def _count_namespaces(envelope: etree._Element) -> None:
    for found, _ in enumerate(etree.iterwalk(envelope, events=("start-ns",)), start=1):
        if found > MAX_NAMESPACES:
            _too_many_namespaces()


def _too_many_namespaces() -> NoReturn:
    raise LimitExceeded(f"the message declares more than {MAX_NAMESPACES} namespaces; expected fewer")


def _envelope_shape(envelope: etree._Element) -> None:
    namespace = etree.QName(envelope).namespace
    if namespace not in (SOAP11, SOAP12) or etree.QName(envelope).localname != "Envelope":
        raise BadShape(f"the document is {_short(envelope.tag)}; expected a SOAP 1.1 or 1.2 Envelope")
    tags = [child.tag for child in envelope]
    if tags == [f"{{{namespace}}}Body"]:
        raise Unsigned("the message has no soap:Header; expected one with a wsse:Security header")
    if tags != [f"{{{namespace}}}Header", f"{{{namespace}}}Body"]:
        raise BadShape(f"the Envelope holds {', '.join(map(_short, tags)) or 'nothing'}; expected Header, then Body")
    body = envelope[1]
    if len(body) != 1:
        raise BadShape(f"soap:Body has {len(body)} child elements; expected exactly 1")
    for text in (envelope.text, envelope[0].tail, body.tail, body.text, body[0].tail):
        if text and text.strip(" \t\r\n"):
            raise BadShape("there is text between the elements of the envelope; expected white space only")


def _only(parent: etree._Element, tag: str) -> etree._Element:
    found = parent.find(tag)
    assert found is not None, "counted before"
    return found


def _short(tag: Any) -> str:
    return str(tag)[-80:]
