"""Writing an OpenPGP key that every gpg since 2.1 can use, for sandboxes and tests (RFC 4880).

The library that encrypts makes keys too, but they say that their owner reads a newer form of encryption (RFC 9580,
version 2), and what is then encrypted to them gpg 2 cannot read. The keys made here say RFC 4880 only: an RSA key that
certifies and signs, and an RSA subkey that is encrypted to. No pass phrase, no expiry: good for a sample, no more.
"""

from __future__ import annotations

import struct
from datetime import datetime
from hashlib import sha1, sha256

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

__all__ = ["secret_key"]

_KEY_BITS = 2048
#: RFC 4880 section 9.1, 9.4.
_RSA, _SHA256 = 1, 8
#: Section 5.2.1: a positive certification of a user id, and the binding of a subkey.
_CERTIFIES, _BINDS = 0x13, 0x18
#: Section 5.2.3.21: certify and sign; encrypt in transit and at rest.
_MAY_SIGN, _MAY_ENCRYPT = 0x03, 0x0C


def secret_key(user_id: str, made: datetime) -> bytes:
    """A new transferable secret key (section 11.2), binary, for *user_id* such as ``Name <address>``."""
    primary, subkey = (rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS) for _ in range(2))
    moment = int(made.timestamp())
    named = user_id.encode()
    public, public_sub = _public(primary, moment), _public(subkey, moment)
    identity = b"\xb4" + struct.pack(">I", len(named)) + named
    says_primary = b"".join(
        (
            _subpacket(27, bytes([_MAY_SIGN])),
            _subpacket(11, b"\x09\x07"),  # prefers AES-256, AES-128
            _subpacket(21, b"\x08\x0a"),  # SHA-256, SHA-512
            _subpacket(22, b"\x02\x01"),  # zlib, zip
            _subpacket(30, b"\x01"),  # reads modification detection and nothing newer: section 5.2.3.24
        )
    )
    says_subkey = _subpacket(27, bytes([_MAY_ENCRYPT]))
    certified = _signature(primary, public, moment, _CERTIFIES, _hashed_key(public) + identity, says_primary)
    bound = _signature(primary, public, moment, _BINDS, _hashed_key(public) + _hashed_key(public_sub), says_subkey)
    return b"".join(
        (
            _packet(5, public + _secret(primary)),
            _packet(13, named),
            _packet(2, certified),
            _packet(7, public_sub + _secret(subkey)),
            _packet(2, bound),
        )
    )


def _packet(tag: int, body: bytes) -> bytes:
    # a new-format header with a five-octet length: section 4.2.2.3
    return bytes([0xC0 | tag, 0xFF]) + struct.pack(">I", len(body)) + body


def _number(value: int) -> bytes:
    # a multiprecision integer: section 3.2
    return struct.pack(">H", value.bit_length()) + value.to_bytes((value.bit_length() + 7) // 8, "big")


def _public(key: rsa.RSAPrivateKey, moment: int) -> bytes:
    numbers = key.public_key().public_numbers()
    return struct.pack(">BIB", 4, moment, _RSA) + _number(numbers.n) + _number(numbers.e)


def _secret(key: rsa.RSAPrivateKey) -> bytes:
    # section 5.5.3: p is the smaller prime, u its inverse modulo the other; a plain sum ends it
    numbers = key.private_numbers()
    p, q = sorted((numbers.p, numbers.q))
    material = b"".join(_number(value) for value in (numbers.d, p, q, pow(p, -1, q)))
    return b"\x00" + material + struct.pack(">H", sum(material) % 65536)


def _hashed_key(public: bytes) -> bytes:
    return b"\x99" + struct.pack(">H", len(public)) + public


def _subpacket(kind: int, body: bytes) -> bytes:
    return bytes([len(body) + 1, kind]) + body


def _signature(
    signer: rsa.RSAPrivateKey, signer_public: bytes, moment: int, kind: int, signed: bytes, says: bytes
) -> bytes:
    # section 5.2.3 and 5.2.4
    key_id = sha1(_hashed_key(signer_public), usedforsecurity=False).digest()[-8:]
    hashed = _subpacket(2, struct.pack(">I", moment)) + says
    head = bytes([4, kind, _RSA, _SHA256]) + struct.pack(">H", len(hashed)) + hashed
    message = signed + head + b"\x04\xff" + struct.pack(">I", len(head))
    unhashed = _subpacket(16, key_id)
    value = signer.sign(message, padding.PKCS1v15(), SHA256())
    begins = sha256(message).digest()[:2]
    return head + struct.pack(">H", len(unhashed)) + unhashed + begins + _number(int.from_bytes(value, "big"))
