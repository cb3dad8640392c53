"""From ``ds:KeyInfo`` to the signing certificate: the message's own token, or one we hold by issuer and serial."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from adapters.soap.faults import shown
from adapters.soap.wss_failures import BadShape, BadToken, UnknownCertificate, WeakKey
from adapters.soap.wss_names import (
    BASE64_ENCODING,
    DIRECT_REFERENCE,
    ISSUER_NAME,
    ISSUER_SERIAL,
    SERIAL_NUMBER,
    TOKEN_REFERENCE,
    WSU_ID,
    X509_DATA,
    X509V3,
)
from adapters.soap.wss_signature import children, decode

CertificateLookup = Callable[[str, int], x509.Certificate | None]
"""Issuer in RFC 4514 text and serial number to the certificate we hold, or None."""

_MAX_SERIAL_DIGITS: Final = 60  # 20 octets (RFC 5280) are at most 49 decimal digits

_SPACED_COMMA: Final = re.compile(r"(?<!\\),[ \t\r\n]+")


def certificate_of(
    token: etree._Element | None, key_info: etree._Element, *, certificates: CertificateLookup | None
) -> x509.Certificate:
    """Find the signing certificate by the one SecurityTokenReference in KeyInfo.

    A BinarySecurityToken in the message must be the one referred to. Without one, and only where ``certificates`` is
    given, an issuer and serial number may name a certificate that we hold. A bare key or certificate in KeyInfo is
    never used.

    Raises:
        BadToken: any other form of token or reference.
        UnknownCertificate: issuer and serial number name no certificate that we hold.

    """
    try:
        (reference,) = children(key_info, TOKEN_REFERENCE, rule="R5402")
        if len(reference) != 1:
            raise BadToken(f"the SecurityTokenReference has {len(reference)} children; expected 1", rule="R3061")
        if reference[0].tag == X509_DATA and token is None:
            if certificates is None:
                raise BadToken(
                    "the certificate is named by issuer and serial; this receiver takes a BinarySecurityToken only"
                )
            return _held_certificate(reference[0], certificates)
        if reference[0].tag != DIRECT_REFERENCE:
            presented = etree.QName(reference[0]).localname
            raise BadToken(
                f"the SecurityTokenReference holds {presented}; expected {_forms(certificates)}", rule="R3061"
            )
        (direct,) = children(reference, DIRECT_REFERENCE)
        if token is None:
            raise BadToken(f"the message has no BinarySecurityToken; expected {_forms(certificates)}")
        return _sent_certificate(token, direct)
    except BadShape as error:
        raise BadToken(error.found, rule=error.rule) from error


def _forms(certificates: CertificateLookup | None) -> str:
    """The accepted forms, in words."""
    sent = "a Reference to the message's BinarySecurityToken"
    return sent if certificates is None else f"{sent}, or an X509Data with one X509IssuerSerial and no token"


def rsa_key_of(certificate: x509.Certificate, *, min_bits: int, max_bits: int) -> rsa.RSAPublicKey:
    """Return the certificate's RSA public key.

    Raises:
        WeakKey: not RSA, or of a length outside ``min_bits`` to ``max_bits``.

    """
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WeakKey(f"the certificate's key cannot be read: {error}; expected RSA") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise WeakKey(f"the certificate's key is {type(key).__name__}; expected RSA")
    if not min_bits <= key.key_size <= max_bits:
        raise WeakKey(f"the certificate's RSA key has {key.key_size} bits; expected {min_bits} to {max_bits}")
    return key


def _sent_certificate(token: etree._Element, direct: etree._Element) -> x509.Certificate:
    identity = token.get(WSU_ID)
    if not identity or direct.get("URI") != f"#{identity}":
        presented = shown(direct.get("URI", ""))
        raise BadToken(
            f"the SecurityTokenReference points to {presented!r}; expected this message's token", rule="R3062"
        )
    for name, found, expected, rule in (
        ("the reference's ValueType", direct.get("ValueType"), X509V3, "R3059"),
        ("the token's ValueType", token.get("ValueType"), X509V3, "R3033"),
        ("the token's EncodingType", token.get("EncodingType", BASE64_ENCODING), BASE64_ENCODING, "R3029"),
    ):
        if found != expected:
            raise BadToken(f"{name} is {shown(found or 'absent')!r}; expected {shown(expected)!r}", rule=rule)
    try:
        return x509.load_der_x509_certificate(decode(token))
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise BadToken("the BinarySecurityToken is not one X.509 v3 certificate in DER") from error


def _held_certificate(data: etree._Element, certificates: CertificateLookup) -> x509.Certificate:
    (pair,) = children(data, ISSUER_SERIAL, rule="R5409")
    issuer, number = (child.text or "" for child in children(pair, ISSUER_NAME, SERIAL_NUMBER, rule="R5409"))
    digits = number.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_SERIAL_DIGITS):
        raise BadToken(f"the X509SerialNumber is {number[:60]!r}; expected a decimal number", rule="R5409")
    try:
        # one spelling for Java's "CN=a,O=b" and .NET's "CN=a, O=b"
        name = x509.Name.from_rfc4514_string(_SPACED_COMMA.sub(",", issuer.strip())).rfc4514_string()
    except ValueError as error:
        raise BadToken(f"the X509IssuerName is {issuer[:80]!r}; expected an RFC 4514 name", rule="R5409") from error
    found = certificates(name, int(digits))
    if found is None or found.serial_number != int(digits) or found.issuer.rfc4514_string() != name:
        raise UnknownCertificate(f"no certificate registered with serial number {digits} of issuer {name[:120]!r}")
    return found
