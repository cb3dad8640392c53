"""Signing an envelope: Timestamp, BinarySecurityToken and Signature over Body and Timestamp, in this order."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from adapters.soap.wss_c14n import canonical, digest
from adapters.soap.wss_names import (
    BASE64_ENCODING,
    C14N_METHOD,
    CREATED,
    DIGEST_METHOD,
    DIGEST_VALUE,
    DIRECT_REFERENCE,
    DS,
    EXC_C14N,
    EXPIRES,
    KEY_INFO,
    REFERENCE,
    RSA_SHA256,
    SECURITY,
    SHA256,
    SIGNATURE,
    SIGNATURE_METHOD,
    SIGNATURE_VALUE,
    SIGNED_INFO,
    SOAP11,
    SOAP12,
    TIMESTAMP,
    TOKEN,
    TOKEN_REFERENCE,
    TRANSFORM,
    TRANSFORMS,
    WSSE,
    WSU,
    WSU_ID,
    X509V3,
)

_HEADER_NAMESPACES: Final = {"wsse": WSSE, "wsu": WSU}


def sign(
    envelope: etree._Element,
    *,
    key: rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    now: datetime,
    lifetime: timedelta = timedelta(minutes=5),
    headers: Sequence[etree._Element] = (),
) -> bytes:
    """Sign a SOAP 1.1 or 1.2 envelope, a fault as well, and return it serialised (UTF-8, never re-indented).

    ``headers`` are header entries of the envelope that are signed too.

    The envelope is changed in place as ``add_security`` says.

    Raises:
        ValueError: as ``add_security`` says.

    """
    add_security(envelope, key=key, certificate=certificate, now=now, lifetime=lifetime, headers=headers)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def add_security(
    envelope: etree._Element,
    *,
    key: rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    now: datetime,
    lifetime: timedelta = timedelta(minutes=5),
    headers: Sequence[etree._Element] = (),
) -> None:
    """Add a Security header to the envelope: created ``now`` (aware UTC), rsa-sha256, sha256, exclusive C14N.

    The tree is changed in place (Header made where there is none, new ``wsu:Id`` on the Body) and must not be touched
    afterwards. No mustUnderstand is set: peers that do not check our signature may still read our answers.

    Raises:
        ValueError: not an envelope with one Body, already signed, or ``key`` is not the certificate's.

    """
    namespace = etree.QName(envelope).namespace
    body = envelope.find(f"{{{namespace}}}Body")
    if namespace not in (SOAP11, SOAP12) or body is None:
        raise ValueError("only a SOAP 1.1 or 1.2 envelope with a Body can be signed")
    if certificate.public_key() != key.public_key():
        raise ValueError("the signing key does not belong to the signing certificate")
    header = envelope.find(f"{{{namespace}}}Header")
    if header is None:
        header = envelope.makeelement(f"{{{namespace}}}Header")
        envelope.insert(0, header)
    if header.find(SECURITY) is not None:
        raise ValueError("the envelope has a Security header already")
    for part in (body, *headers):
        part.set(WSU_ID, _new_id())
    security = etree.Element(SECURITY, nsmap=_HEADER_NAMESPACES)
    header.insert(0, security)
    timestamp = _timestamp(security, now.astimezone(UTC), lifetime)
    token = _token(security, certificate)
    signature = etree.SubElement(security, SIGNATURE, nsmap={"ds": DS})
    signed_info = _signed_info(signature, [body, timestamp, *headers])
    value = key.sign(canonical(signed_info), padding.PKCS1v15(), hashes.SHA256())
    etree.SubElement(signature, SIGNATURE_VALUE).text = base64.b64encode(value).decode()
    reference = etree.SubElement(etree.SubElement(signature, KEY_INFO), TOKEN_REFERENCE)
    etree.SubElement(reference, DIRECT_REFERENCE, URI=f"#{token.get(WSU_ID)}", ValueType=X509V3)


def _timestamp(security: etree._Element, created: datetime, lifetime: timedelta) -> etree._Element:
    timestamp = etree.SubElement(security, TIMESTAMP, {WSU_ID: _new_id()})
    for tag, instant in ((CREATED, created), (EXPIRES, created + lifetime)):
        # milliseconds: BSP R3220 and R3229 advise no more than three digits
        text = instant.replace(tzinfo=None).isoformat(timespec="milliseconds")
        etree.SubElement(timestamp, tag).text = f"{text}Z"
    return timestamp


def _token(security: etree._Element, certificate: x509.Certificate) -> etree._Element:
    attributes = {WSU_ID: _new_id(), "EncodingType": BASE64_ENCODING, "ValueType": X509V3}
    token = etree.SubElement(security, TOKEN, attributes)
    token.text = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    return token


def _signed_info(signature: etree._Element, targets: list[etree._Element]) -> etree._Element:
    signed_info = etree.SubElement(signature, SIGNED_INFO)
    etree.SubElement(signed_info, C14N_METHOD, Algorithm=EXC_C14N)
    etree.SubElement(signed_info, SIGNATURE_METHOD, Algorithm=RSA_SHA256)
    for target in targets:
        reference = etree.SubElement(signed_info, REFERENCE, URI=f"#{target.get(WSU_ID)}")
        etree.SubElement(etree.SubElement(reference, TRANSFORMS), TRANSFORM, Algorithm=EXC_C14N)
        etree.SubElement(reference, DIGEST_METHOD, Algorithm=SHA256)
        etree.SubElement(reference, DIGEST_VALUE).text = base64.b64encode(digest(target)).decode()
    return signed_info


def _new_id() -> str:
    return f"id-{secrets.token_hex(16)}"
