"""ASCII armour of OpenPGP messages, taken off and put on as a stream (RFC 9580, section 6).

The OpenPGP library does this too, and takes longer for it than for decrypting. Here the base64 is done on whole arrays.
The checksum line is not compared: the standard forbids to reject a message for it, and an encrypted message carries a
better proof of its own. It is written: readers of before 2024 ask for it (PGPy, OpenPGP.js 2).
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

import anycrc
import numpy as np

__all__ = ["BEGIN", "ArmorError", "armored", "dearmored"]

BEGIN: Final = b"-----BEGIN PGP MESSAGE-----"
"""How an armoured message begins."""
_END: Final = b"-----END PGP MESSAGE-----"
_BLANKS: Final = b"\r\n\t "
#: The first line; headers such as ``Version: 1``; an empty line.
_HEAD: Final = re.compile(BEGIN + rb"[ \t]*\r?\n(?:[!-9;-~]+:[^\n]*\n)*[ \t]*\r?\n")
_LONGEST_HEAD: Final = 16 * 1024
#: From the first sign that is neither base64 nor a blank, by how many signs the last four lack: those, perhaps a
#: checksum, the last line.
_TAILS: Final = [
    re.compile(rb"(?:[ \t\r\n]*=){%d}[ \t\r\n]*(?:=[^\r\n]*[ \t\r\n]*)?" % lacking + _END) for lacking in range(3)
]
_LONGEST_TAIL: Final = 4 * 1024
_SIGNS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_STRANGE: Final = 0xFF
#: By sign, the six bits that it stands for.
_BITS: Final = bytes(_SIGNS.find(sign) if sign in _SIGNS else _STRANGE for sign in range(256))
#: Signs in a line, and bytes in the lines written at once.
_LINE: Final = 64
_AT_ONCE: Final = 4096 * _LINE // 4 * 3
_CRC24: Final = anycrc.Model("CRC24-OPENPGP")


class ArmorError(Exception):
    """A message's ASCII armour is damaged; send the message again, whole."""

    code: ClassVar[str] = "ARMOR_DAMAGED"


def dearmored(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the message whose armour *chunks* are, cut anywhere; the first begins with `BEGIN`.

    Line ends may be LF or CRLF and lines of any length; blanks, and what follows the last line, count for nothing.
    Raises `ArmorError`; what was yielded before must then be thrown away.
    """
    rest = iter(chunks)
    text: bytes | None = _after_head(rest)
    left = b""
    while text is not None:
        end = min((at for at in (text.find(b"="), text.find(b"-")) if at >= 0), default=len(text))
        bits = left + text[:end].translate(_BITS, _BLANKS)
        whole = len(bits) // 4 * 4
        yield _decoded(bits[:whole])
        left = bits[whole:]
        if end < len(text):
            lacking = -len(left) % 4
            _check_tail(lacking, text[end:], rest)
            if left:
                yield _decoded(left + bytes(lacking))[:-lacking]
            return
        text = next(rest, None)
    raise ArmorError("the armour ends before its last line")


def _after_head(chunks: Iterator[bytes]) -> bytes:
    text = b""
    for chunk in chunks:
        text += chunk
        head = _HEAD.match(text)
        if head is not None:
            return text[head.end() :]
        if len(text) > _LONGEST_HEAD:
            break
    raise ArmorError("the armour does not begin as that of a message: first line, headers, an empty line")


def _check_tail(lacking: int, tail: bytes, chunks: Iterator[bytes]) -> None:
    """Make sure that *tail* and *chunks* fill up the last four signs, so many of which are *lacking*, and end."""
    while _END not in tail and len(tail) < _LONGEST_TAIL:
        chunk = next(chunks, None)
        if chunk is None:
            break
        tail += chunk
    if lacking == len(_TAILS) or not _TAILS[lacking].match(tail[:_LONGEST_TAIL]):
        raise ArmorError("the armour does not end as that of a message")


def _decoded(bits: bytes) -> bytes:
    """Join groups of four times six bits."""
    if _STRANGE in bits:
        raise ArmorError("the armour holds what is not base64")
    four = np.frombuffer(bits, "<u4")
    three = four << 2 & 0xFC
    three |= four >> 12 & 0x03
    three |= four << 4 & 0xF000
    three |= four >> 10 & 0x0F00
    three |= four << 6 & 0xC00000
    three |= four >> 8 & 0x3F0000
    return three.view(_THREE_OF_FOUR)["bytes"].tobytes()


_THREE_OF_FOUR: Final = np.dtype({"names": ["bytes"], "formats": ["V3"], "offsets": [0], "itemsize": 4})


def armored(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the armour of the message that *chunks* are, cut anywhere: lines of 64 signs that end with LF."""
    yield BEGIN + b"\n\n"
    waiting, checksum = b"", _CRC24.calc(b"")
    for chunk in chunks:
        checksum = _CRC24.calc(chunk, checksum)
        waiting += chunk
        whole = len(waiting) // _AT_ONCE * _AT_ONCE
        if whole:
            yield _lines(waiting[:whole])
            waiting = waiting[whole:]
    yield _lines(waiting) + b"=" + b2a_base64(checksum.to_bytes(3, "big")) + _END + b"\n"


def _lines(message: bytes) -> bytes:
    signs = b2a_base64(message, newline=False)
    full = len(signs) // _LINE
    lines = np.full((full, _LINE + 1), ord("\n"), np.uint8)
    lines[:, :_LINE] = np.frombuffer(signs, np.uint8, full * _LINE).reshape(full, _LINE)
    last = signs[full * _LINE :]
    return lines.tobytes() + (last + b"\n" if last else b"")
