"""Reading decimal numbers and statuses out of LSE rows, all those of many records at once.

Of a value of up to five characters the last four are looked up in a table: a quarter hour of nearly every home. Any
other number of up to eight is one 64-bit word: the bytes before its comma. With `0` taken off each byte, digits are 0
to 9, and a byte of ten or more must be the one point, which is closed up. The digits are added together by
multiplication, eight at a time.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

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
    gaps = sliding_window_view(lines.gaps, 14 * rows)[first_stops]
    width = gaps.reshape(-1, rows, 14)[:, :, 1:13:3].reshape(len(gaps), -1) - np.uint16(1)
    places = first_stops[:, np.newaxis] + (np.arange(0, 14 * rows, 14)[:, np.newaxis] + np.arange(1, 13, 3)).ravel()
    after = lines.stops.take(places, mode="clip")
    # gaps are told modulo 2**16
    good = lines.stops[first_stops + (14 * rows - 1)] - lines.stops[first_stops] < 2**16
    values, understood, inexact = _values(lines, after, width)
    good &= understood
    letters = lines.bytes.take(after + 1, mode="clip")
    actual = (letters == ord("A")).all(axis=1)
    # rows as they mostly are, whose records need no closer look
    plain = actual & (width != 0).all(axis=1) & _is_regular(gaps, rows)
    odd = np.flatnonzero(~plain)
    if len(odd):
        letters[odd], fits = _statuses(gaps[odd].reshape(-1, rows, 14), letters[odd], width[odd] == 0)
        good[odd] &= fits
        actual[odd] = (letters[odd] == ord("A")).all(axis=1)
    return Block(good, values, letters, actual, inexact)


def _is_regular(gaps: npt.NDArray[np.uint16], rows: int) -> npt.NDArray[np.bool_]:
    """Whether all statuses of a record are one letter, and what must be empty is."""
    row = np.tile(_ROW, rows).view(np.uint32)
    counts = np.tile(_COUNTS, rows).view(np.uint32)
    unlike: npt.NDArray[np.uint32] = (gaps.view(np.uint32) ^ row) & counts
    if not unlike.max(initial=0):
        return np.ones(len(gaps), bool)
    regular: npt.NDArray[np.bool_] = ~(unlike != 0).any(axis=1)
    return regular


def _statuses(
    gaps: npt.NDArray[np.uint16], letters: npt.NDArray[np.uint8], missing: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return the statuses, M where a value is *missing*, and which records have none but known ones."""
    size = gaps[:, :, 2:13:3].reshape(len(gaps), -1)  # 2: one letter
    fits = (gaps[:, :, 3:13:3] == 1).all(axis=(1, 2)) & (gaps[:, :, 13] == 1).all(axis=1)
    given = ((letters == ord("A")) | (letters == ord("E"))) & (size == 2)
    fits &= (given | missing & (size == 1)).all(axis=1)
    return np.where(missing, np.uint8(ord("M")), letters), fits


def _values(
    lines: Lines, after: Places, width: npt.NDArray[np.uint16]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_], dict[int, tuple[int, ...]]]:
    """Read the numbers of *width* characters that end before *after*; an empty one is 0.

    Return them in Wh, which records have only such as could be read, and for each record that has any the numbers that
    were rounded.
    """
    halves = lines.words[after - 8].view("<u4").reshape(*after.shape, 2)
    last = halves[:, :, 1] ^ _FOUR_ZEROS
    last &= _OWN_OF_FOUR.take(width, mode="clip")
    first = (halves[:, :, 0] >> 24) ^ ord("0")
    first *= width == 5
    # the low halves of four bytes moved together
    known = last & 0x0F0F0F0F
    known |= known >> 4
    known &= 0x00FF00FF
    known |= known >> 8
    known &= 0xFFFF
    found = _FOUR.take(known, mode="clip")
    understood = (found["text"] == last) & (first < 10) & (width <= 5)
    first *= _FIFTH.take(known, mode="clip")
    values = (found["wh"] + first).view(np.int32)
    rounded: dict[int, tuple[int, ...]] = {}
    good = understood.all(axis=1)
    others = np.flatnonzero(~understood)
    if len(others):
        longer = width.ravel()[others]
        number, _, read, inexact = thousandths(lines, after.ravel()[others], longer)
        values.ravel()[others] = number.astype(np.int32)
        understood.ravel()[others] = read & (number <= LARGEST_WH) & (longer <= 8)
        good = understood.all(axis=1)
        if inexact is not None:
            where = np.zeros(values.shape, bool)
            where.ravel()[others] = inexact
            for row in np.flatnonzero(where.any(axis=1)).tolist():
                rounded[row] = tuple(np.flatnonzero(where[row]).tolist())
    return values, good, rounded


def _four_characters() -> tuple[npt.NDArray[Any], npt.NDArray[np.uint32]]:
    """Four characters, `0` taken off each, and what they say in Wh, by the low halves of their bytes.

    And what one is worth in a digit before them. No text has the characters that stand here for what is no number.
    """
    halves = np.arange(1 << 16)[:, np.newaxis] >> (0, 4, 8, 12) & 0xF
    point = halves == ord(".") & 0xF
    digits = np.zeros(len(halves), np.int64)
    for n in range(4):
        digits = np.where(point[:, n], digits, digits * 10 + halves[:, n])
    place = np.where(point.any(axis=1), point.argmax(axis=1), 4)
    wrong = ((halves > 9) & ~point).any(axis=1) | (point.sum(axis=1) > 1) | point[:, 3]
    table = np.empty(1 << 16, [("text", "<u4"), ("wh", "<u4")])
    table["text"] = np.where(point, ord(".") ^ ord("0"), halves) @ (1 << np.arange(0, 32, 8))
    table["text"][wrong] = 0xFFFFFFFF
    table["wh"] = digits * np.array([1, 10, 100, 0, 1000])[place]
    return table, np.array([1000, 10_000, 100_000, 0, 10_000_000], np.uint32)[place]


_FOUR, _FIFTH = _four_characters()
_FOUR_ZEROS: Final = np.uint32(0x30303030)
# By the width of a value, 0 to 4 and more: which of the four bytes before its comma belong to it.
_OWN_OF_FOUR: Final = np.array([(1 << 32) - (1 << 8 * (4 - width)) for width in range(5)], np.uint32)
# From stop to stop of a row: sort code, four times value, status and nothing, nothing; and which of them are told.
_ROW: Final = np.array([0, *(0, 2, 1) * 4, 1], np.uint16)
_COUNTS: Final = np.array([0, *(0, 0xFFFF, 0xFFFF) * 4, 0xFFFF], np.uint16)
