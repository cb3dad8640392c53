"""Exclusive canonicalisation of a live element, and its digests (Exclusive XML Canonicalization 1.0, no comments)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from lxml import etree

from adapters.soap.wss_failures import BadShape
from adapters.soap.wss_names import DIGEST_NAMES, SHA256

#: Prefixes that a canonical start tag declares; the empty one is the default namespace.
_DECLARED: Final = re.compile(rb' xmlns(?::([^=]+))?="')


def canonical(element: etree._Element, prefixes: Sequence[str] = ()) -> bytes:
    """Canonicalise an element where it stands in its tree; ``prefixes`` is the InclusiveNamespaces PrefixList.

    Raises:
        BadShape: the element cannot be canonicalised (a relative namespace URI); an empty result never counts.

    """
    try:
        octets: bytes = etree.tostring(
            element,
            method="c14n",
            exclusive=True,
            with_comments=False,
            inclusive_ns_prefixes=list(prefixes) or None,
        )
    except (etree.LxmlError, ValueError) as error:
        raise BadShape(f"{str(element.tag)[-80:]} cannot be canonicalised: {error}") from error
    if not octets.startswith(b"<"):
        raise BadShape(f"{str(element.tag)[-80:]} has no canonical form")
    return octets


def digest(element: etree._Element, algorithm: str = SHA256, prefixes: Sequence[str] = ()) -> bytes:
    """Digest the canonical form of an element with the DigestMethod ``algorithm`` (a key of DIGEST_NAMES)."""
    return hashlib.new(DIGEST_NAMES[algorithm], canonical(element, prefixes)).digest()


def body_digest(body_child: etree._Element, signed_body: bytes | None = None) -> bytes:
    """SHA-256 of the exclusive C14N of the Body's child: what two sendings of one request have in common.

    The Body itself carries a random ``wsu:Id`` and the Timestamp moves on, so neither can tell a retry (idempotency,
    ``interfaces.md`` section 1). *signed_body*, the canonical form of the whole Body, spares making the child's anew.
    """
    octets = None if signed_body is None else content_of(signed_body)
    return digest(body_child) if octets is None else hashlib.sha256(octets).digest()


def content_of(signed_body: bytes) -> bytes | None:
    """Cut the canonical form of the Body's one child out of the Body's own; None where it is not to be had so.

    The two differ only where the child uses a namespace that the Body's start tag declares: alone, it declares it
    itself. Canonical text and attributes hold no "<", and canonical text no ">", so the cuts are certain.
    """
    begin = signed_body.find(b"<", 1)
    end = signed_body.rfind(b">", 0, signed_body.rfind(b"</")) + 1
    content = signed_body[begin:end]
    for prefix in _DECLARED.findall(signed_body, 0, begin):
        if not prefix or b"<" + prefix + b":" in content or b" " + prefix + b":" in content:
            return None
    return content
