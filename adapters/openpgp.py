"""OpenPGP for delivered files: check a company's certificate, encrypt to it, decrypt what TDSPs send (R7, P4).

The only module that touches pysequoia, whose interface is not declared stable. Files are encrypted as ASCII-armoured
messages (`.asc`), without compression (a zip is inside) and without a signature.

**pysequoia holds the interpreter lock throughout** and its ``decrypt_file`` keeps about twice the message in memory:
call these functions in a worker process, never in a server's thread. It also encrypts to expired, revoked or retired
keys without a word; the checks against that are made here, at each encryption.

The time by which a certificate counts as expired is security time: real UTC, passed as ``now``.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final, Protocol

import pysequoia
from pysequoia.packet import PacketPile, SignatureType, Tag

from adapters import openpgp_key
from adapters.armor import armored
from adapters.publishing import temporary_name

_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)
_READ: Final = 1024 * 1024
_GPG: Final = "gpg --rfc4880 --cipher-algo AES256 --recipient KEYID --encrypt FILE"
_LARGEST_CERTIFICATE: Final = 256 * 1024  # real ones stay under 50 KiB; photos and thousands of signatures do not


class OpenPGPError(Exception):
    """An OpenPGP key or message could not be used."""

    code: ClassVar[str] = "OPENPGP_ERROR"


class UnreadableCertificateError(OpenPGPError):
    """The text is not one OpenPGP public key; export it with ``gpg --armor --export KEYID`` and send all of it."""

    code = "OPENPGP_CERTIFICATE_UNREADABLE"


class SecretKeyPresentedError(OpenPGPError):
    """A secret key was sent where a public key belongs.

    Nothing was kept. Treat the secret key as disclosed: revoke it, make another, and send its public half.
    """

    code = "OPENPGP_SECRET_KEY_PRESENTED"


class CertificateExpiredError(OpenPGPError):
    """The OpenPGP key has expired; extend or replace it and send the public key again."""

    code = "OPENPGP_CERTIFICATE_EXPIRED"


class CertificateRevokedError(OpenPGPError):
    """The OpenPGP key has been revoked by its owner; send the public key that replaces it."""

    code = "OPENPGP_CERTIFICATE_REVOKED"


class NoEncryptionKeyError(OpenPGPError):
    """The OpenPGP key has no part that may encrypt and is still valid; add an encryption subkey and send it again."""

    code = "OPENPGP_NO_ENCRYPTION_KEY"


class CertificateTooWeakError(OpenPGPError):
    """The OpenPGP key relies on an algorithm that is no longer secure; renew it as the message says and resend it."""

    code = "OPENPGP_CERTIFICATE_TOO_WEAK"


class EncryptionFailedError(OpenPGPError):
    """A file could not be encrypted or written; the message says why. No part of it is left."""

    code = "OPENPGP_ENCRYPTION_FAILED"


class DecryptionFailedError(OpenPGPError):
    """A message is not encrypted to this key, or it is damaged; encrypt it to the hub's key and send it again."""

    code = "OPENPGP_DECRYPTION_FAILED"


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """What an operator compares before a certificate is accepted.

    ``fingerprint``: lower-case hex. ``expires``: UTC, the day from which the hub can no longer deliver (the sooner of
    the key's and its encryption subkeys' expiry), or None. ``can_encrypt`` is True whenever ``check_certificate``
    returns; ``describe_certificate`` tells it of any readable one.
    """

    fingerprint: str
    user_ids: tuple[str, ...]
    expires: datetime | None
    can_encrypt: bool
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Encrypted:
    """What was written: SHA-256 (64 hex digits) and size in bytes of the armoured message."""

    sha256: str
    size: int


class Engine(Protocol):
    """What the hub needs of an OpenPGP implementation, so that this one can be replaced."""

    def check_certificate(self, armored: str, *, now: datetime) -> CertificateInfo:
        """See the function of this module."""

    def encrypt_file(self, source: Path, target: Path, certificate: str, *, now: datetime) -> Encrypted:
        """See the function of this module."""

    def decrypt_file(self, source: Path, target: Path, secret_key: str) -> None:
        """See the function of this module."""


def make_key(user_id: str) -> tuple[str, str]:
    """Make a key for sandboxes and tests: (secret key, certificate), both armoured; no pass phrase, no expiry.

    What is encrypted to it can be read by every gpg since 2.1 (`adapters.openpgp_key`).
    """
    key = pysequoia.Tsk.from_bytes(openpgp_key.secret_key(user_id, datetime.now(UTC)))
    return str(key), str(key.extract_certificate())


def check_certificate(armored: str, *, now: datetime) -> CertificateInfo:
    """Read a company's public key and make sure that the hub can deliver to it.

    Raises UnreadableCertificateError, SecretKeyPresentedError, CertificateRevokedError, CertificateExpiredError,
    CertificateTooWeakError, NoEncryptionKeyError.
    """
    info, _ = _usable(armored, now)
    return info


def describe_certificate(armored: str, *, now: datetime) -> CertificateInfo:
    """Tell what can be told of a public key that may be of no use any more.

    Raises UnreadableCertificateError, SecretKeyPresentedError.
    """
    certificate = _read(armored)
    try:
        _, expires, keys = _living_parts(certificate, now)
    except CertificateTooWeakError:
        return CertificateInfo(certificate.fingerprint, (), None, can_encrypt=False)
    dead = certificate.is_revoked or (certificate.expiration is not None and certificate.expiration <= now)
    return _info(certificate, expires, can_encrypt=bool(keys) and not dead)


def encrypt_file(source: Path, target: Path, certificate: str, *, now: datetime) -> Encrypted:
    """Encrypt ``source`` to ``target``, an armoured OpenPGP message; streams, about 26 MB of memory at any size.

    ``target`` must not exist and is not fsynced here: publish it with ``adapters.publishing``. Beside ``source`` there
    is a hidden file meanwhile: the library puts the armour on at a fifth of the speed (``benchmarks/packing.py``).
    Raises what ``check_certificate`` raises, and EncryptionFailedError.
    """
    _, recipient = _usable(certificate, now)
    if target.exists():
        raise EncryptionFailedError(f"{target.name} exists already")
    binary = temporary_name(source)
    digest = hashlib.sha256()
    try:
        pysequoia.encrypt_file(input=source, output=binary, recipients=[recipient], armor=False)
        with binary.open("rb") as message, target.open("xb") as out:
            for piece in armored(iter(lambda: message.read(_READ), b"")):
                digest.update(piece)
                out.write(piece)
            return Encrypted(digest.hexdigest(), out.tell())
    except Exception as failure:
        target.unlink(missing_ok=True)
        raise EncryptionFailedError(f"{source.name}: {_first_line(failure)}") from None
    finally:
        binary.unlink(missing_ok=True)


def decrypt_file(source: Path, target: Path, secret_key: str) -> None:
    """Decrypt ``source``, armoured or binary, to ``target``; ``secret_key`` is armoured, without a pass phrase.

    A damaged or unauthenticated message leaves no target. Signatures are not looked at: who sent a file is known from
    the FTPS account. Raises DecryptionFailedError, UnreadableCertificateError for an unusable secret key.
    """
    if target.exists():
        raise DecryptionFailedError(f"{target.name} exists already")
    try:
        decryptor = pysequoia.Tsk.from_bytes(secret_key.encode()).decryptor()
    except Exception as failure:
        raise UnreadableCertificateError(f"secret key: {_first_line(failure)}") from None
    try:
        pysequoia.decrypt_file(input=source, output=target, decryptor=decryptor)
    except Exception as failure:
        target.unlink(missing_ok=True)
        raise DecryptionFailedError(f"{source.name}: {advice_to_sender(_first_line(failure))}") from None


def _first_line(failure: Exception) -> str:
    """Sequoia's sentence without the stack trace that it carries."""
    return str(failure).split("\n", 1)[0][:200]


def _refused(name: str, failure: Exception) -> OpenPGPError:
    """What the library's policy has against a key, in one sentence, and what its owner can do."""
    said = str(failure).split("\n\nStack backtrace", 1)[0]
    causes = [cause.strip() for cause in re.findall(r"^\s+(?:\d+: )?(\S.*)$", said, re.MULTILINE)]
    cause = (causes[-1] if causes else _first_line(failure))[:200]
    if "olicy rejected" not in said and "not considered secure" not in said:
        return NoEncryptionKeyError(
            f"key {name}: {_first_line(failure)}: none, or one with an old algorithm or signature; have gpg sign its "
            f"subkeys anew (gpg --quick-set-expire {name} 2y '*') or add one (gpg --quick-add-key {name} rsa3072 encr) "
            "and send the public key again"
        )
    if re.search(r"signature|SHA-?1|MD5|RipeMD", said, re.IGNORECASE) and "asymmetric" not in said:
        todo = (
            f"have gpg 2.2 or later sign it anew (gpg --quick-set-expire {name} 2y, then the same followed by '*' for "
            "its subkeys) and send the public key again"
        )
    else:
        todo = "make a new key (RSA of 3072 bits, or Curve25519) and send its public half"
    return CertificateTooWeakError(f"key {name}: {cause}; {todo}")


def advice_to_sender(reason: str) -> str:
    """*reason*, for which the library did not decrypt a message, and what to tell gpg where that would help."""
    if re.search(r"olicy rejected|alformed|nsupported|nknown|AEAD|Missing session key|No key to decrypt", reason):
        return f"{reason}; send AES with MDC, encrypted to the hub's key: {_GPG}"
    return reason


def _read(armored: str) -> pysequoia.Cert:
    if len(armored) > _LARGEST_CERTIFICATE:
        raise UnreadableCertificateError(f"{len(armored)} characters; at most {_LARGEST_CERTIFICATE} accepted")
    # the parser stops at the end of the first block, and what follows would be stored unread
    if "PGP PRIVATE KEY BLOCK" in armored:
        raise SecretKeyPresentedError("the text holds a secret key; expected a public key only")
    if armored.count("-----BEGIN PGP ") > 1:
        raise UnreadableCertificateError("expected exactly one armoured block")
    try:
        packets = list(PacketPile.from_bytes(armored.encode()))
    except Exception as failure:
        raise UnreadableCertificateError(_first_line(failure)) from None
    if any(packet.tag in (Tag.SecretKey, Tag.SecretSubkey) for packet in packets):
        raise SecretKeyPresentedError("the text holds a secret key; expected a public key only")
    if sum(packet.tag == Tag.PublicKey for packet in packets) != 1:
        raise UnreadableCertificateError("expected exactly one public key")
    try:
        return pysequoia.Cert.from_packets(packets)
    except Exception as failure:
        raise UnreadableCertificateError(_first_line(failure)) from None


def _usable(armored: str, now: datetime) -> tuple[CertificateInfo, pysequoia.Cert]:
    """The certificate, cut down to the keys that may be encrypted to at this moment."""
    certificate = _read(armored)
    name = certificate.fingerprint
    living, expires, keys = _living_parts(certificate, now)
    if certificate.is_revoked:
        raise CertificateRevokedError(f"key {name} is revoked")
    if certificate.expiration is not None and certificate.expiration <= now:
        raise CertificateExpiredError(f"key {name} expired on {certificate.expiration:%Y-%m-%d}")
    if not keys:
        raise NoEncryptionKeyError(f"key {name} has no valid encryption subkey")
    try:
        recipient = pysequoia.Cert.from_packets(living)
        # the library's own policy (weak algorithms and hashes) has the last word
        pysequoia.encrypt(bytes=b"", recipients=[recipient])
    except Exception as failure:
        raise _refused(name, failure) from None
    return _info(certificate, expires, can_encrypt=True), recipient


def _info(certificate: pysequoia.Cert, expires: datetime | None, *, can_encrypt: bool) -> CertificateInfo:
    users = tuple(str(user) for user in certificate.user_ids)
    return CertificateInfo(certificate.fingerprint, users, expires, can_encrypt, certificate.is_revoked)


def _living_parts(
    certificate: pysequoia.Cert, now: datetime
) -> tuple[list[pysequoia.packet.Packet], datetime | None, int]:
    """The certificate without its revoked and expired subkeys; when it ends; how many of its keys may encrypt."""
    try:
        # asked before all else: the library refuses to say it of a key that its policy rejects
        _ = certificate.is_revoked, certificate.expiration
    except RuntimeError as failure:
        raise _refused(certificate.fingerprint, failure) from None
    primary, *subkeys = _groups(certificate)
    living = list(primary)
    ends = [] if certificate.expiration is None else [certificate.expiration]
    keys = int(any(_may_encrypt(packet) for packet in primary))
    # a primary key that may encrypt lasts as long as the certificate
    encryption_ends: list[datetime | None] = [None] if keys else []
    for group in subkeys:
        if any(packet.signature_type == SignatureType.SubkeyRevocation for packet in group):
            continue
        bindings = [packet for packet in group if packet.signature_type == SignatureType.SubkeyBinding]
        binding = max(bindings, key=lambda packet: packet.signature_created or _BEFORE_ALL, default=None)
        created = group[0].key_created
        if binding is None or created is None:
            continue
        lasts = binding.key_validity_period
        end = created + lasts if lasts else None
        if end is not None and end <= now:
            continue
        living += group
        if _may_encrypt(binding):
            keys += 1
            encryption_ends.append(end)
    if encryption_ends and None not in encryption_ends:
        ends.append(max(end for end in encryption_ends if end is not None))
    return living, min(ends, default=None), keys


def _groups(certificate: pysequoia.Cert) -> Iterator[list[pysequoia.packet.Packet]]:
    """The primary key with its names and signatures, then each subkey with its signatures (RFC 9580, 10.1)."""
    group: list[pysequoia.packet.Packet] = []
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.tag == Tag.PublicSubkey:
            yield group
            group = []
        group.append(packet)
    yield group


def _may_encrypt(packet: pysequoia.packet.Packet) -> bool:
    flags = packet.key_flags
    return flags is not None and (flags.transport_encryption or flags.storage_encryption)
