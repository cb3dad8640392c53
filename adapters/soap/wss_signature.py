"""Reading a ``ds:Signature`` whose form is fixed: one c14n, one transform, a few references, nothing else."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from lxml import etree

from adapters.soap.faults import shown
from adapters.soap.wss_failures import AlgorithmRefused, BadShape, LimitExceeded
from adapters.soap.wss_names import (
    C14N_METHOD,
    DIGEST_METHOD,
    DIGEST_VALUE,
    EXC_C14N,
    INCLUSIVE_NAMESPACES,
    KEY_INFO,
    REFERENCE,
    SIGNATURE_METHOD,
    SIGNATURE_VALUE,
    SIGNED_INFO,
    TRANSFORM,
    TRANSFORMS,
)

MAX_REFERENCES: Final = 10
"""Body, Timestamp, token, and the seven headers of WS-Addressing."""

MAX_PREFIXES: Final = 16
"""Prefixes in one PrefixList; WSS4J names each prefix that is in scope on the Envelope."""

MAX_BASE64: Final = 16_384
"""Characters of a signature value or of a certificate."""

_XML_SPACE: Final = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True)
class Reference:
    """One ``ds:Reference``: what is signed, the PrefixList of its exclusive C14N, and the digest it must have."""

    uri: str
    prefixes: tuple[str, ...]
    digest_algorithm: str
    digest: bytes


@dataclass(frozen=True)
class SignatureParts:
    """A ``ds:Signature`` of the published form. ``prefixes`` is the PrefixList for SignedInfo itself."""

    signed_info: etree._Element
    prefixes: tuple[str, ...]
    algorithm: str
    references: tuple[Reference, ...]
    value: bytes
    key_info: etree._Element


def read_signature(
    signature: etree._Element,
    *,
    signature_algorithms: Collection[str],
    digest_algorithms: Collection[str],
) -> SignatureParts:
    """Read a signature of the published form; every algorithm is checked before any cryptography.

    Raises:
        BadShape: an element missing, doubled, foreign (``ds:Object``, Manifest, a second SignedInfo) or out of order.
        AlgorithmRefused: canonicalisation, signature, transform or digest outside the profile.
        LimitExceeded: too many references or prefixes.

    """
    signed_info, value, key_info = children(signature, SIGNED_INFO, SIGNATURE_VALUE, KEY_INFO)
    tags = [child.tag for child in signed_info]
    count = tags.count(REFERENCE)
    if count > MAX_REFERENCES:
        raise LimitExceeded(f"the signature has {count} References; expected at most {MAX_REFERENCES}")
    c14n, method, *references = children(signed_info, C14N_METHOD, SIGNATURE_METHOD, *[REFERENCE] * max(count, 1))
    algorithm = method.get("Algorithm", "")
    if algorithm not in signature_algorithms:
        raise AlgorithmRefused(f"the SignatureMethod is {shown(algorithm)!r}; expected rsa-sha256 or rsa-sha512")
    children(method, rule="R5401")
    return SignatureParts(
        signed_info=signed_info,
        prefixes=_exclusive(c14n, "CanonicalizationMethod", "R5404"),
        algorithm=algorithm,
        references=tuple(_read_reference(reference, digest_algorithms) for reference in references),
        value=decode(value),
        key_info=key_info,
    )


def children(parent: etree._Element, *tags: str, rule: str | None = None) -> list[etree._Element]:
    """Return the children of ``parent``, which must be exactly ``tags`` in this order.

    Raises:
        BadShape: they are not; the sentence names both.

    """
    found = list(parent)
    if [child.tag for child in found] != list(tags):
        presented = ", ".join(_local(str(child.tag)) for child in found[:8]) or "no elements"
        expected = ", ".join(map(_local, tags)) or "no elements"
        raise BadShape(f"{_local(str(parent.tag))} holds {presented}; expected {expected}", rule=rule)
    return found


def decode(element: etree._Element) -> bytes:
    """Decode the base64 text of an element without children; white space in it is allowed, all else is refused.

    Raises:
        BadShape: not base64, empty, or longer than MAX_BASE64 characters.

    """
    children(element)
    text = _XML_SPACE.sub("", (element.text or "")[: 2 * MAX_BASE64])
    try:
        if not text or len(text) > MAX_BASE64:
            raise BadShape(f"{_local(str(element.tag))} is empty or longer than {MAX_BASE64} characters")
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadShape(f"{_local(str(element.tag))} is not base64") from error


def _read_reference(reference: etree._Element, digest_algorithms: Collection[str]) -> Reference:
    transforms, method, value = children(reference, TRANSFORMS, DIGEST_METHOD, DIGEST_VALUE, rule="R5416")
    found = [str(child.get("Algorithm", "")) for child in transforms]
    if [child.tag for child in transforms] != [TRANSFORM] or found != [EXC_C14N]:
        raise AlgorithmRefused(
            f"a Reference has the transforms {list(map(shown, found[:4]))}; expected only {EXC_C14N}", rule="R5423"
        )
    algorithm = method.get("Algorithm", "")
    if algorithm not in digest_algorithms:
        raise AlgorithmRefused(f"a DigestMethod is {shown(algorithm)!r}; expected sha256 or sha512")
    children(method)
    return Reference(
        uri=reference.get("URI", ""),
        prefixes=_exclusive(transforms[0], "Transform", "R5423"),
        digest_algorithm=algorithm,
        digest=decode(value),
    )


def _exclusive(method: etree._Element, name: str, rule: str) -> tuple[str, ...]:
    """Check that the method is exclusive C14N without comments, and return its PrefixList (R5406, R5407)."""
    algorithm = method.get("Algorithm", "")
    if algorithm != EXC_C14N:
        raise AlgorithmRefused(f"the {name} is {shown(algorithm)!r}; expected {EXC_C14N}", rule=rule)
    if not len(method):
        return ()
    (inclusive,) = children(method, INCLUSIVE_NAMESPACES, rule=rule)
    children(inclusive)
    prefixes = tuple(inclusive.get("PrefixList", "").split())
    if len(prefixes) > MAX_PREFIXES:
        raise LimitExceeded(f"a PrefixList has {len(prefixes)} prefixes; expected at most {MAX_PREFIXES}")
    return prefixes


def _local(tag: str) -> str:
    return tag.rpartition("}")[2][-40:]
