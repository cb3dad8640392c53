"""Exclusive canonicalisation of a live element, and its digests (Exclusive XML Canonicalization 1.0, no comments)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lxml import etree

from adapters.soap.wss_failures import BadShape
from adapters.soap.wss_names import DIGEST_NAMES, SHA256


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


def body_digest(body_child: etree._Element) -> bytes:
    """SHA-256 of the exclusive C14N of the Body's child: what two sendings of one request have in common.

    The Body itself carries a random ``wsu:Id`` and the Timestamp moves on, so neither can tell a retry (idempotency,
    ``interfaces.md`` section 1).
    """
    return digest(body_child)
