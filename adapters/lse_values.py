"""Reading decimal numbers and statuses out of LSE rows, all those of many records at once.

A number of up to eight characters is one 64-bit word: the bytes before its comma. With `0` taken off each byte, digits
are 0 to 9, and a byte of ten or more must be the one point, which is closed up. The digits are added together by
multiplication, eight at a time.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.lse_lines import Lines, Places, Words
from adapters.lse_record import LARGEST_WH

__all__ = ["Block", "Thousandths", "numbers", "thousandths"]


class Block(NamedTuple):
    """The intervals of records with the same number of rows: an array row a record, a column an interval."""

    good: npt.NDArray[np.bool_]  # a record: all its values and statuses were understood
    values: npt.NDArray[np.int32]  # Wh
    letters: npt.NDArray[np.uint8]  # A, E, M
    actual: npt.NDArray[np.bool_]  # a record: all A
    rounded: dict[int, tuple[int, ...]]


class Thousandths(NamedTuple):
    """Numbers in thousandths, rounded half to even."""

    number: Words
    decimals: Words
    #: Whether it could be read so; an empty text is understood as 0.
    understood: npt.NDArray[np.bool_]
    #: Whether rounding it lost something; None: no number did.
    inexact: npt.NDArray[np.bool_] | None


def _each(byte: int) -> np.uint64:
    """Return a word of eight times this byte."""
    return np.uint64(byte * 0x0101010101010101)


# By the width of a value, 0 to 8: which of the eight bytes before its comma belong to it.
_OWN: Final = np.array([(1 << 64) - (1 << 8 * (8 - width)) for width in range(9)], np.uint64)
_TO_WH: Final = np.array([1000, 100, 10, 1, 1, 1, 1, 1], np.uint64)  # by the number of decimals, 0 to 7
_PARTS: Final = np.array([1, 1, 1, 1, 10, 100, 1000, 10_000], np.uint64)
_ZEROS, _TEN_AND_UP, _TOP = _each(ord("0")), _each(0x80 - 10), _each(0x80)
_ONE, _BYTE, _POINT = np.uint64(1), np.uint64(0xFF), np.uint64(ord(".") ^ ord("0"))
_LAST: Final = np.uint64(1 << 56)
_PLACE: Final = np.uint64(0x0706050403020100)
_PAIRS: Final = np.uint64(0x000000FF000000FF)
_HUNDREDS: Final = np.uint64(100 + (1_000_000 << 32))
_ONES: Final = np.uint64(1 + (10_000 << 32))
_7, _8, _16, _32, _56 = (np.uint64(bits) for bits in (7, 8, 16, 32, 56))


def thousandths(lines: Lines, ends: Places, width: npt.NDArray[np.integer]) -> Thousandths:
    """Read the numbers of *width* characters, up to eight, that end before the places *ends*. The text is ASCII."""
    word = lines.words[ends - 8]
    word ^= _ZEROS
    word &= _OWN.take(width, mode="clip")
    point = ((word + _TEN_AND_UP) & _TOP) >> _7  # 1 << 8i where byte i is no digit
    # i as a number, by multiplication: bytes that count, moved up by 8i, have 7 - i on top.
    decimals = (point * _PLACE) >> _56
    before = word & (point - _ONE)
    digits = (word ^ before) & ~(point * _BYTE) | (before << _8)
    whole = point == 0
    if whole.any():
        digits = np.where(whole, word, digits)
    understood = ((digits + _TEN_AND_UP) & _TOP) == 0
    understood &= (word & (point * _BYTE)) == point * _POINT
    understood &= ((point & (point - _ONE)) == 0) & (point < _LAST)  # one point at most, and not at the end
    number = digits * np.uint64(10) + (digits >> _8)
    number = ((number & _PAIRS) * _HUNDREDS + ((number >> _16) & _PAIRS) * _ONES) >> _32
    inexact = None
    if (decimals != 3).any():
        places = np.minimum(decimals, 7).astype(np.intp)
        if places.max() > 3:
            number, inexact = _round_half_even(number, places)
        number *= _TO_WH[places]
    return Thousandths(number, decimals, understood, inexact)


def _round_half_even(number: Words, decimals: Places) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Return the numbers without their decimals beyond the third, and which of them lost something."""
    part = _PARTS[decimals]
    whole, rest = np.divmod(number, part)
    twice = rest * np.uint64(2)
    up = (twice > part) | ((twice == part) & ((whole & np.uint64(1)) == 1) & (rest > 0))
    return whole + up.astype(np.uint64), rest > 0


def numbers(lines: Lines, first_stops: Places, rows: int) -> Block:
    """Read the detail rows of records, all values at once: so many rows each, 14 stops a row, from these stops on.

    A value that cannot be read in one word makes its record not good. The text must be ASCII.
    """
    records = len(first_stops)
    gaps = lines.gaps[first_stops[:, np.newaxis] + np.arange(14 * rows)].reshape(records, rows, 14)
    width = gaps[:, :, 1:13:3].reshape(records, -1) - np.uint8(1)
    status = gaps[:, :, 2:13:3].reshape(records, -1)  # 2: one letter
    good = (gaps[:, :, 3:13:3] == 1).all(axis=(1, 2)) & (gaps[:, :, 13] == 1).all(axis=1) & (width <= 8).all(axis=1)
    ends = first_stops[:, np.newaxis] + (np.arange(0, 14 * rows, 14)[:, np.newaxis] + np.arange(1, 13, 3)).ravel()
    after = lines.stops[ends]
    number, _, understood, inexact = thousandths(lines, after, width)
    understood &= number <= np.uint64(LARGEST_WH)
    rounded: dict[int, tuple[int, ...]] = {}
    if inexact is not None:
        for row in np.flatnonzero(inexact.any(axis=1)).tolist():
            rounded[row] = tuple(np.flatnonzero(inexact[row]).tolist())

    letters = lines.bytes.take(after + 1, mode="clip")
    either = ((letters == ord("A")) | (letters == ord("E"))) & (status == 2)
    missing = width == 0
    if missing.any():
        either |= missing & (status == 1)
        letters = np.where(missing, np.uint8(ord("M")), letters)
    good &= (understood & either).all(axis=1)
    return Block(good, number.astype(np.int32), letters, (letters == ord("A")).all(axis=1), rounded)
