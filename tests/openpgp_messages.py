"""OpenPGP messages put together packet by packet, as no program for people writes them (RFC 9580)."""

from __future__ import annotations

import bz2
import hashlib
import os
import zlib
from io import BytesIO
from typing import Final

import pysequoia
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

__all__ = ["MARKER", "compressed", "encrypted", "literal", "packet", "padding_packet"]

_SUBKEY: Final = 14


def packet(tag: int, body: bytes, *, old: bool = False, partial: bool = False) -> bytes:
    """One packet; in the *old* form where its tag has one, or with *partial* lengths of 512 bytes."""
    if old and tag < 16:
        return bytes([0x80 | tag << 2 | 2]) + len(body).to_bytes(4, "big") + body
    head = bytes([0xC0 | tag])
    if partial:
        while len(body) > 512:
            head, body = head + b"\xe9" + body[:512], body[512:]
    return head + b"\xff" + len(body).to_bytes(4, "big") + body


MARKER: Final = b"\xca\x03PGP"


def literal(content: bytes, *, partial: bool = False) -> bytes:
    """A literal data packet of binary content."""
    return packet(11, b"b\0\0\0\0\0" + content, partial=partial)


def padding_packet(length: int) -> bytes:
    """A padding packet of *length* random bytes."""
    return packet(21, os.urandom(length))


def compressed(content: bytes, *, algorithm: int = 2) -> bytes:
    """A compressed data packet around packets: 0 uncompressed, 1 ZIP, 2 ZLIB, 3 BZip2."""
    raw = zlib.compressobj(9, wbits=-15)
    body = {
        0: lambda: content,
        1: lambda: raw.compress(content) + raw.flush(),
        2: lambda: zlib.compress(content, 9),
        3: lambda: bz2.compress(content),
    }[algorithm]()
    return packet(8, bytes([algorithm]) + body)


def encrypted(content: bytes, certificate: str) -> bytes:
    """A binary message of any packets, encrypted to the encryption key of *certificate*, an RSA subkey."""
    session = os.urandom(32)
    number, exponent, key_id = _subkey(certificate)
    sealed = b"\x09" + session + (sum(session) % 65536).to_bytes(2, "big")
    secret = rsa.RSAPublicNumbers(exponent, number).public_key().encrypt(sealed, padding.PKCS1v15())
    integer = int.from_bytes(secret, "big")
    bits = integer.bit_length()
    mpi = bits.to_bytes(2, "big") + integer.to_bytes((bits + 7) // 8, "big")
    prefix = os.urandom(16)
    plain = prefix + prefix[-2:] + content + b"\xd3\x14"
    plain += hashlib.sha1(plain, usedforsecurity=False).digest()
    cipher = Cipher(algorithms.AES(session), CFB(bytes(16))).encryptor()
    return packet(1, b"\x03" + key_id + b"\x01" + mpi) + packet(18, b"\x01" + cipher.update(plain) + cipher.finalize())


def _subkey(certificate: str) -> tuple[int, int, bytes]:
    """Modulus, exponent and key ID of the one subkey of a certificate."""
    stream = BytesIO(bytes(pysequoia.Cert.from_bytes(certificate.encode())))
    while head := stream.read(1):
        assert head[0] & 0xC0 == 0xC0
        first = stream.read(1)[0]
        length = first if first < 192 else (first - 192 << 8) + stream.read(1)[0] + 192
        body = stream.read(length)
        if head[0] & 0x3F == _SUBKEY:
            fingerprint = hashlib.sha1(b"\x99" + length.to_bytes(2, "big") + body, usedforsecurity=False).digest()
            numbers = BytesIO(body[6:])
            modulus, exponent = (
                int.from_bytes(numbers.read((int.from_bytes(numbers.read(2), "big") + 7) // 8), "big") for _ in range(2)
            )
            return modulus, exponent, fingerprint[-8:]
    raise AssertionError("no subkey")
