"""The text of a file as its sender's system made it, before editors, spreadsheets or DOS changed its form (U1, U6).

Everything is decided once, from the first bytes: an ordinary file costs one look and is read as it is.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from typing import Final

__all__ = ["LSE_START", "ByteStream", "as_lse", "as_text", "not_text", "text_of"]

_HEAD: Final = 4096
_BLOCK: Final = 256 * 1024
_LEAD: Final = codecs.BOM_UTF8
LSE_START: Final = re.compile(rb'[ \t\r\n]*("?)00000001"?[ \t]*([,;\t])')
"""How an LSE file begins, whatever separates its elements and with or without quotes around them."""
#: First bytes of files that hold no text, and what to tell their sender.
_NOT_TEXT: Final = (
    (b"PK\x03\x04", "a zip inside a zip or gzip file; send the inner zip by itself"),
    (b"\x1f\x8b", "a gzip file inside a zip or gzip file; send the inner file by itself"),
    (b"BZh", "a bzip2 file; send it as it is, or in a zip"),
    (b"\xfd7zXZ\0", "an xz file; send it as it is, or in a zip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; send the file as it is, or in a zip"),
    (b"Rar!", "a RAR archive; send the file as it is, or in a zip"),
    (b"\xd0\xcf\x11\xe0", "an Excel or Word document; send the file as your system wrote it"),
    (b"{\\rtf", "a rich text document (RTF); save it as plain text"),
    (b"%PDF-", "a PDF document; send the file as your system wrote it"),
    (b"-----BEGIN PGP ", "an OpenPGP message inside a zip or gzip file; zip first, then encrypt"),
)


class ByteStream(io.RawIOBase):
    """Chunks as a readable stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._waiting = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read into *buffer*; errors of the chunks pass through."""
        room = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._waiting:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._waiting = memoryview(chunk)
        size = min(len(room), len(self._waiting))
        room[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size


def not_text(stream: io.BufferedReader) -> str | None:
    """Say what a file is that holds no text, and what its sender can do; None for one that may be text."""
    head = stream.peek(_HEAD)
    return next((what for begins, what in _NOT_TEXT if head.startswith(begins)), None)


def as_text(stream: io.BufferedReader) -> io.BufferedReader:
    """Give *stream* as UTF-8 with LF or CRLF line ends: UTF-16 is decoded, line ends of lone CRs are replaced.

    What UTF-16 does not allow becomes U+FFFD, so that only its record is rejected.
    """
    encoding = _utf_16(stream.peek(_HEAD)[:_HEAD])
    if encoding:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        stream = _changed(stream, lambda block: decoder.decode(block, not block).encode("utf-8", "replace"))
    head = stream.peek(_HEAD)[:_HEAD]
    if b"\r" in head and b"\n" not in head:
        # a CR at the very end of the head may be half a CRLF
        if head.find(b"\r") == len(head) - 1 and len(head) > 1:
            return stream
        stream = _changed(stream, lambda block: block.replace(b"\r", b"\n"))
    return stream


def as_lse(stream: io.BufferedReader) -> io.BufferedReader:
    """Give an LSE file's text with commas and without quotes, where its first row has others or has quotes."""
    found = LSE_START.match(stream.peek(_HEAD)[:_HEAD].removeprefix(_LEAD))
    if found is None or (not found[1] and found[2] == b","):
        return stream
    separators = bytes.maketrans(b";\t", b",,")
    return _changed(stream, lambda block: block.translate(separators, b'"'))


def text_of(raw: bytes) -> str:
    """A small file's text: UTF-8, or UTF-16 as PowerShell writes it.

    Raises UnicodeDecodeError.
    """
    return raw.decode(_utf_16(raw) or "utf-8-sig")


def _utf_16(head: bytes) -> str | None:
    """The encoding if the text is UTF-16: by its byte-order mark, or as ASCII text has every second byte zero."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = head[:16:2], head[1:16:2]
    if len(odd) == 8:
        if not any(odd) and all(even):
            return "utf-16-le"
        if not any(even) and all(odd):
            return "utf-16-be"
    return None


def _changed(stream: io.BufferedReader, change: Callable[[bytes], bytes]) -> io.BufferedReader:
    """Every block as *change* makes it; at the end it is given an empty one."""

    def chunks() -> Iterator[bytes]:
        while block := stream.read(_BLOCK):
            yield change(block)
        yield change(b"")

    return io.BufferedReader(ByteStream(chunks()), _BLOCK)
