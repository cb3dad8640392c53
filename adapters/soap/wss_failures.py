"""Every way in which a signed message can fail, one class each.

``code`` is stable and may be searched for; ``rule`` names the WS-I Basic Security Profile 1.1 rule that was broken,
where there is one; ``str(error)`` says what to do (the class's docstring), what was presented and what was expected.
Who may be told the sentence is decided by the caller: a stranger gets the code alone.
"""

from __future__ import annotations

from typing import ClassVar


class SecurityFailure(Exception):  # noqa: N818 - the name of the thing in WS-Security, and of the published faults
    """The message's security could not be established; nothing in it may be used."""

    code: ClassVar[str] = "WSS_FAILURE"

    def __init__(self, message: str, *, rule: str | None = None) -> None:
        super().__init__(f"{' '.join((self.__doc__ or '').split())} Found: {message}.")
        #: What was presented and expected, without the sentence of the class.
        self.found = message
        self.rule = rule


class BadShape(SecurityFailure):
    """The envelope or its Security header is not built as the profile says: send exactly the parts it names."""

    code = "WSS_BAD_SHAPE"


class LimitExceeded(SecurityFailure):
    """The message has more attributes, namespace declarations or references than any honest one: send fewer."""

    code = "WSS_LIMIT"


class DuplicateId(SecurityFailure):
    """Two elements carry the same Id, so a reference would be ambiguous: give every element an Id of its own."""

    code = "WSS_DUPLICATE_ID"


class Unsigned(SecurityFailure):
    """The message carries no WS-Security signature: sign Body and Timestamp."""

    code = "WSS_UNSIGNED"


class PartNotSigned(SecurityFailure):
    """There is a signature, but it does not cover all that it must: sign Body and Timestamp, and WS-Addressing's
    headers all or none.
    """

    code = "WSS_PART_NOT_SIGNED"


class ForeignReference(SecurityFailure):
    """The signature refers to something other than this message's own Body, Timestamp, token and WS-Addressing headers:
    sign only those.
    """

    code = "WSS_FOREIGN_REFERENCE"


class AlgorithmRefused(SecurityFailure):
    """An algorithm is outside the published profile: use exclusive C14N, rsa-sha256 or -sha512, sha256 or sha512."""

    code = "WSS_ALGORITHM"


class WeakKey(SecurityFailure):
    """The signing certificate's key is not RSA of an accepted length: use RSA of 2048 bits or more."""

    code = "WSS_WEAK_KEY"


class BadToken(SecurityFailure):
    """The signing certificate is not given as the profile says: send one X509v3 BinarySecurityToken and refer to it
    directly, or name a certificate that the receiver holds by issuer and serial number.
    """

    code = "WSS_TOKEN"


class UnknownCertificate(SecurityFailure):
    """The issuer and serial number name no certificate we hold: register it, or send a BinarySecurityToken."""

    code = "WSS_UNKNOWN_CERTIFICATE"


class DigestMismatch(SecurityFailure):
    """A signed part was changed after signing, re-indented or re-serialised: sign last, send the bytes as
    they are.
    """

    code = "WSS_DIGEST_MISMATCH"


class SignatureInvalid(SecurityFailure):
    """The signature value was not made by the certificate's key over this SignedInfo."""

    code = "WSS_SIGNATURE_INVALID"


class BadTimestamp(SecurityFailure):
    """The Timestamp cannot be read: send Created, then Expires, each an xs:dateTime in UTC ending in Z."""

    code = "WSS_TIMESTAMP"


class LifetimeTooLong(SecurityFailure):
    """Expires is too long after Created: sign with a shorter lifetime."""

    code = "WSS_LIFETIME"


class Expired(SecurityFailure):
    """The Timestamp has expired: check your clock and sign again."""

    code = "WSS_EXPIRED"


class NotYetValid(SecurityFailure):
    """The Timestamp was created in the future: set your clock by a time server."""

    code = "WSS_NOT_YET_VALID"
