"""Cutting an LSE file into pieces of whole records, and finding the lines and elements of a piece.

The file is read in blocks and cut at rows `00000001`, so that memory does not grow with the file. Where the lines and
the elements of a piece are is found for all of it at once, as arrays of places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LARGEST_RECORD", "Lines", "Piece", "Places", "Words", "pieces", "word"]

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

_BLOCK: Final = 512 * 1024
LARGEST_RECORD: Final = 64 * 1024
"""Bytes. A record as published has about 1,500; without a limit one unbroken line would be held in memory whole."""
_CUT: Final = b"\n00000001,"
_BOM: Final = b"\xef\xbb\xbf"
_PAD: Final = b"\0" * 16
"""After a block, so that eight bytes can be read at any of its places."""
#: By how many of eight bytes are wanted, 0 to 8: the first ones of a word.
_FIRST: Final = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


class Piece(NamedTuple):
    """Some whole records, with LF line ends; or, `too_long`, the beginning of a record that is none."""

    text: bytes
    line: int  # of its first line, counted from 1
    too_long: bool = False


def pieces(stream: BinaryIO) -> Iterator[Piece]:
    """Cut the stream into pieces that begin and end with a record. A byte-order mark is left out."""
    line = 1
    skipping = False  # in a record that is too long
    pending = b""
    first = True
    while block := stream.read(_BLOCK):
        pending += block
        if first and len(pending) >= len(_BOM):
            pending = pending.removeprefix(_BOM)
            first = False
        if skipping:
            end = pending.find(_CUT)
            dropped = len(pending) - len(_CUT) + 1 if end < 0 else end + 1
            line += _lines_in(pending[: max(dropped, 0)])
            pending = pending[max(dropped, 0) :]
            if end < 0:
                continue
            skipping = False
        cut = pending.rfind(_CUT)
        if cut >= 0:
            whole, pending = pending[: cut + 1], pending[cut + 1 :]
            yield Piece(_with_lf(whole), line)
            line += _lines_in(whole)
        if len(pending) > LARGEST_RECORD:
            yield Piece(pending[:LARGEST_RECORD], line, too_long=True)
            skipping = True
    if pending and not skipping:
        yield Piece(_with_lf(pending.removeprefix(_BOM if first else b"")), line)


def _lines_in(text: bytes) -> int:
    # bytes.count takes ten times as long
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n")))


def _with_lf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


def word(text: str) -> int:
    """Eight characters as the number that they are in a word."""
    return int.from_bytes(text.encode("ascii"), "little")


_START: Final = np.uint64(word("00000001"))


class Lines:
    """Where the lines and the elements of a piece are. Its last line has an end."""

    def __init__(self, text: bytes) -> None:
        padded = text + _PAD
        self.text = text
        self.size = len(text)
        self.bytes = np.frombuffer(padded, np.uint8)
        self.words: Words = np.ndarray((len(padded) - 8,), "<u8", padded, 0, (1,))  # eight bytes, at every place
        here = self.bytes[: self.size]
        ends = here == ord("\n")
        #: Where elements end: their commas and line ends.
        self.stops: Places = np.flatnonzero((here == ord(",")) | ends)
        last = np.flatnonzero(ends.take(self.stops, mode="clip"))
        #: For each line: its first stop, how many elements it has, where it begins.
        self.first_stop: Places = np.concatenate([[0], last[:-1] + 1])
        self.elements: Places = last - self.first_stop + 1
        self.begin: Places = np.concatenate([[0], self.stops[last[:-1]] + 1])
        code_ends = self.stops[self.first_stop] - self.begin == 8
        #: Its sort code, eight characters as a word; 0 where it has none.
        self.codes: Words = np.where(code_ends, self.words[self.begin], np.uint64(0))
        #: From each stop back to the one before, modulo 2**16.
        self.gaps = np.empty(len(self.stops), np.uint16)
        near = self.stops.astype(np.uint16)
        self.gaps[:1] = near[:1] + 1
        np.subtract(near[1:], near[:-1], out=self.gaps[1:])

    def place(self, line: int) -> int:
        """Where a line begins; the end of the piece for the line after its last."""
        return int(self.begin[line]) if line < len(self.begin) else self.size

    def starts(self) -> Places:
        """The lines that begin a record: of sort code 00000001, with an element after it."""
        return np.flatnonzero((self.codes == _START) & (self.elements > 1))

    def slice(self, begin: int, end: int) -> str:
        """The text between two places, which must be ASCII."""
        return self.text[begin:end].decode("ascii")

    def words_of(self, begin: Places, end: Places) -> Words:
        """The texts between places, a row each, eight bytes a word, filled up with NULs."""
        width = end - begin
        offsets = np.arange(0, max(int(width.max(initial=1)), 1), 8)
        words: Words = self.words[np.minimum(begin[:, np.newaxis] + offsets, self.size)]
        words &= _FIRST.take(width[:, np.newaxis] - offsets, mode="clip")
        return words
