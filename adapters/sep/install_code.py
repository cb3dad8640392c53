"""The installation code printed on a device: random octets and their CRC-16, low octet first (facts 3.2)."""

from __future__ import annotations

from typing import Final

__all__ = ["LENGTHS", "crc16_x25", "is_whole"]

#: Octets of a code with its CRC.
LENGTHS: Final = frozenset({8, 10, 14, 18})
#: The polynomial 0x1021 with its bits in the order in which they are sent.
_POLYNOMIAL: Final = 0x8408


def crc16_x25(octets: bytes) -> int:
    """Return the CRC-16/X-25 of *octets*."""
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register ^ 0xFFFF


def is_whole(code: str) -> bool:
    """Whether *code*, in hexadecimal digits, has a length that SEP 1.0 knows and the CRC of its own octets."""
    try:
        octets = bytes.fromhex(code)
    except ValueError:
        return False
    return len(octets) in LENGTHS and crc16_x25(octets[:-2]) == int.from_bytes(octets[-2:], "little")
