"""Names of the WS-Security X.509 token profile: namespaces, element names and algorithm identifiers.

Sources: SOAP 1.1 and 1.2, OASIS WSS SOAP Message Security 1.1 and X.509 Token Profile 1.1, XML Signature 1.1,
Exclusive XML Canonicalization 1.0.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes

SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12: Final = "http://www.w3.org/2003/05/soap-envelope"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_OASIS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE: Final = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU: Final = f"{_OASIS}wssecurity-utility-1.0.xsd"
WSA: Final = "http://www.w3.org/2005/08/addressing"
XML: Final = "http://www.w3.org/XML/1998/namespace"

BASE64_ENCODING: Final = f"{_OASIS}soap-message-security-1.0#Base64Binary"
X509V3: Final = f"{_OASIS}x509-token-profile-1.0#X509v3"
ULTIMATE_RECEIVER: Final = f"{SOAP12}/role/ultimateReceiver"

SECURITY: Final = f"{{{WSSE}}}Security"
TOKEN: Final = f"{{{WSSE}}}BinarySecurityToken"
TOKEN_REFERENCE: Final = f"{{{WSSE}}}SecurityTokenReference"
DIRECT_REFERENCE: Final = f"{{{WSSE}}}Reference"

TIMESTAMP: Final = f"{{{WSU}}}Timestamp"
CREATED: Final = f"{{{WSU}}}Created"
EXPIRES: Final = f"{{{WSU}}}Expires"
WSU_ID: Final = f"{{{WSU}}}Id"

SIGNATURE: Final = f"{{{DS}}}Signature"
SIGNED_INFO: Final = f"{{{DS}}}SignedInfo"
SIGNATURE_VALUE: Final = f"{{{DS}}}SignatureValue"
KEY_INFO: Final = f"{{{DS}}}KeyInfo"
C14N_METHOD: Final = f"{{{DS}}}CanonicalizationMethod"
SIGNATURE_METHOD: Final = f"{{{DS}}}SignatureMethod"
REFERENCE: Final = f"{{{DS}}}Reference"
TRANSFORMS: Final = f"{{{DS}}}Transforms"
TRANSFORM: Final = f"{{{DS}}}Transform"
DIGEST_METHOD: Final = f"{{{DS}}}DigestMethod"
DIGEST_VALUE: Final = f"{{{DS}}}DigestValue"
X509_DATA: Final = f"{{{DS}}}X509Data"
ISSUER_SERIAL: Final = f"{{{DS}}}X509IssuerSerial"
ISSUER_NAME: Final = f"{{{DS}}}X509IssuerName"
SERIAL_NUMBER: Final = f"{{{DS}}}X509SerialNumber"
INCLUSIVE_NAMESPACES: Final = f"{{{EXC_C14N}}}InclusiveNamespaces"

RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA512: Final = "http://www.w3.org/2001/04/xmlenc#sha512"

# What we know how to check at all; a Policy chooses among these. SHA-1, HMAC and MD5 are not here on purpose.
SIGNATURE_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    RSA_SHA256: hashes.SHA256,
    RSA_SHA512: hashes.SHA512,
}
DIGEST_NAMES: Final[dict[str, str]] = {SHA256: "sha256", SHA512: "sha512"}
