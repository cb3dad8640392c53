"""WS-Security with the X.509 token profile: sign an envelope, verify one, and read only what was signed.

Verification is element-first: it starts from the Body, Timestamp and token that stand in their one lawful place and
demands a Reference to each by its own Id. The document is never searched for an Id, so there is nothing to wrap.
Nothing here knows whom a certificate belongs to, nor whether it is valid: that is the caller's decision, and the
same work is done for a stranger's message as for a friend's.

Sources: OASIS WSS 1.1 and X.509 Token Profile 1.1, WS-I Basic Security Profile 1.1 (rule numbers in failures).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from adapters.soap.addressing import Addressing, read_addressing
from adapters.soap.faults import shown
from adapters.soap.wss_c14n import body_digest, canonical
from adapters.soap.wss_failures import (
    DigestMismatch,
    Expired,
    ForeignReference,
    LifetimeTooLong,
    NotYetValid,
    PartNotSigned,
    SecurityFailure,
    SignatureInvalid,
)
from adapters.soap.wss_keys import CertificateLookup, certificate_of, rsa_key_of
from adapters.soap.wss_names import DIGEST_NAMES, RSA_SHA256, RSA_SHA512, SHA256, SHA512, SIGNATURE_HASHES, WSU_ID
from adapters.soap.wss_shape import SecurityParts, check_bytes, check_prefixes, check_shape, find_parts
from adapters.soap.wss_sign import sign
from adapters.soap.wss_signature import Reference, SignatureParts, read_signature
from adapters.soap.wss_timestamp import read_timestamp

__all__ = [
    "DEFAULT",
    "Policy",
    "SecurityFailure",
    "Verified",
    "body_digest",
    "check_bytes",
    "check_shape",
    "sign",
    "verify",
]


@dataclass(frozen=True)
class Policy:
    """What a verifier accepts. Each field says what is risked by loosening it."""

    max_lifetime: timedelta = timedelta(seconds=600)
    """Longest time from Created to Expires: as long can a captured message be sent again. npm ``soap`` fixes 600 s."""

    clock_skew: timedelta = timedelta(seconds=60)
    """How far a sender's clock may be off: it lengthens the life of a captured message by as much."""

    min_rsa_bits: int = 2048
    """Shortest RSA key: shorter ones are within reach of factoring."""

    max_rsa_bits: int = 8192
    """Longest RSA key: the time of a check grows with its square, and strangers may send us any certificate."""

    signature_algorithms: frozenset[str] = frozenset({RSA_SHA256, RSA_SHA512})
    """SignatureMethod algorithms. What is not in ``wss_names.SIGNATURE_HASHES`` cannot be allowed: SHA-1 collides,
    and HMAC would let a public key serve as the secret."""

    digest_algorithms: frozenset[str] = frozenset({SHA256, SHA512})
    """DigestMethod algorithms, of those in ``wss_names.DIGEST_NAMES``. With SHA-1, two bodies can share a digest."""

    require_token: bool = True
    """False lets a message name its certificate by issuer and serial number; it is then taken from ``certificates``.
    The risk: an issuer name is not a key, so whoever registers certificates must trust the issuers."""

    def __post_init__(self) -> None:
        if not (self.signature_algorithms <= SIGNATURE_HASHES.keys() and self.digest_algorithms <= DIGEST_NAMES.keys()):
            raise ValueError("a policy may allow only the algorithms of wss_names")


DEFAULT: Final = Policy()


@dataclass(frozen=True)
class Verified:
    """What a verified message says; all a service may read of it.

    ``body`` is the one child of soap:Body, on the very tree that was verified. ``certificate`` made the signature; it
    is not yet known to be valid, nor whose it is. ``created`` and ``expires`` are aware UTC. ``signed_body`` is the
    canonical form of soap:Body: the very bytes whose digest was signed. ``addressing`` is what the headers of
    WS-Addressing say where they are signed; unsigned ones are not read.
    """

    body: etree._Element
    certificate: x509.Certificate
    created: datetime
    expires: datetime
    signed_body: bytes
    addressing: Addressing | None = None


def verify(
    envelope: etree._Element,
    *,
    now: datetime,
    policy: Policy = DEFAULT,
    certificates: CertificateLookup | None = None,
) -> Verified:
    """Verify the signature over Body and Timestamp, and that the Timestamp is fresh at ``now`` (aware, real UTC).

    The headers of WS-Addressing may be signed too: all that the message has, or none.

    ``envelope`` is the root of a tree parsed once, comments removed, and is not changed. ``certificates`` answers for
    an issuer (RFC 4514 text) and serial number the certificate, or None; it is asked only where the policy allows.
    The certificate's dates, chain and owner are not looked at.

    Raises:
        SecurityFailure: one of ``wss_failures``; nothing of the message may then be used.

    """
    check_shape(envelope)
    parts = find_parts(envelope)
    created, expires = read_timestamp(parts.timestamp)
    signature = read_signature(
        parts.signature,
        signature_algorithms=policy.signature_algorithms,
        digest_algorithms=policy.digest_algorithms,
    )
    targets = _pair_references(parts, signature)
    check_prefixes(envelope, max(len(reference.prefixes) for reference in signature.references))
    certificate = certificate_of(
        parts.token, signature.key_info, certificates=None if policy.require_token else certificates
    )
    key = rsa_key_of(certificate, min_bits=policy.min_rsa_bits, max_bits=policy.max_rsa_bits)
    try:
        key.verify(
            signature.value,
            canonical(signature.signed_info, signature.prefixes),
            padding.PKCS1v15(),
            SIGNATURE_HASHES[signature.algorithm](),
        )
    except InvalidSignature as error:
        raise SignatureInvalid("the SignatureValue does not fit SignedInfo and the certificate presented") from error
    signed: dict[str, bytes] = {}
    for name, element, reference in targets:
        signed[name] = canonical(element, reference.prefixes)
        found = hashlib.new(DIGEST_NAMES[reference.digest_algorithm], signed[name]).digest()
        if not hmac.compare_digest(found, reference.digest):
            raise DigestMismatch(f"the {name} is not as it was when signed")
    _check_fresh(created, expires, now, policy)
    return Verified(
        body=parts.content,
        certificate=certificate,
        created=created,
        expires=expires,
        signed_body=signed["Body"],
        addressing=_addressing(parts, signed),
    )


def _addressing(parts: SecurityParts, signed: Mapping[str, bytes]) -> Addressing | None:
    """What the addressing headers say, where they are signed: all of them or none."""
    covered = [name for name in parts.addressing if f"wsa:{name}" in signed]
    if not covered:
        return None
    for name in parts.addressing:
        if name not in covered:
            raise PartNotSigned(f"the signature covers wsa:{covered[0]} and not wsa:{name}; expected all or none")
    return read_addressing(parts.addressing)


def _pair_references(parts: SecurityParts, signature: SignatureParts) -> list[tuple[str, etree._Element, Reference]]:
    """Give each reference the element it must mean; each element has at most one, Body and Timestamp exactly one."""
    wanted: dict[str, tuple[str, etree._Element]] = {}
    named = (
        ("Body", parts.body),
        ("Timestamp", parts.timestamp),
        ("BinarySecurityToken", parts.token),
        *((f"wsa:{name}", element) for name, element in parts.addressing.items()),
    )
    for name, element in named:
        if element is not None and (identity := element.get(WSU_ID)):
            # check_shape has found no Id twice, so no entry can displace another
            wanted[f"#{identity}"] = (name, element)
    paired = []
    for reference in signature.references:
        if (target := wanted.pop(reference.uri, None)) is None:
            raise ForeignReference(
                f"the signature has a Reference to {shown(reference.uri)!r}; expected one each to the wsu:Id of this "
                "message's Body and Timestamp, and to nothing else but its token and its WS-Addressing headers",
                rule="R3001",
            )
        paired.append((*target, reference))
    signed = {name for name, _, _ in paired}
    for name in ("Body", "Timestamp"):
        if name not in signed:
            raise PartNotSigned(f"the signature does not cover the {name}; expected Body and Timestamp")
    return paired


def _check_fresh(created: datetime, expires: datetime, now: datetime, policy: Policy) -> None:
    if expires - created > policy.max_lifetime:
        raise LifetimeTooLong(
            f"the Timestamp lives {(expires - created).total_seconds():.0f} s; "
            f"expected at most {policy.max_lifetime.total_seconds():.0f} s"
        )
    if created - policy.clock_skew > now:
        raise NotYetValid(f"the Timestamp was created at {created.isoformat()}; it is {now.isoformat()}")
    if expires + policy.clock_skew <= now:
        raise Expired(f"the Timestamp expired at {expires.isoformat()}; it is {now.isoformat()}")
