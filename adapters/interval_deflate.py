"""Interval CSV straight into deflate: what repeats itself in these lines is known, so nothing is searched for.

A day of one shape after another of the same shape has the lines of that one but for dates and usage. Within a line,
what stands before the times and after the usage is as in the line before; the times are as on the day before; four
digits of usage and a point are new. Each line so becomes a few bytes that depend on its usage alone, looked up in a
table, and a day has as many bytes as any other of its shape. It costs a quarter of searching, and packs as well.

Only days that `adapters.interval_csv` lays out without padding and in which every value is actual, of ESI IDs of digits
alone; all else is for a compressor.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from adapters.deflate_code import BlockCode, Item, Literal, Match, Varying, block_code

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["CodedDays", "Form", "coded_days"]

_VALUES: Final = 10_000
_VALUE: Final = 5  # characters: 0.290


class Form(NamedTuple):
    """Where in the lines of a day the parts stand. Offsets and lengths in characters; all lines are equally long."""

    lines: int
    width: int
    #: The first `prefix` characters are the day's, the same in each of its lines, given in `separators`.
    prefix: int
    #: Where usage stands; between prefix and usage are the times, the line's own.
    value: int
    #: Where the date stands that changes in line `rollover`; 0 when there is none. What follows it is the line's own.
    date: int
    rollover: int
    #: The prefix and the date as they look, with `0` for each digit.
    prefix_form: str
    date_form: str


class _Packer(NamedTuple):
    """How days of a form are written."""

    head: bytes
    tail: bytes
    #: The bytes of a usual line, by its usage in Wh.
    usual: npt.NDArray[np.void]
    #: By number, the lines that have more of their own, in order.
    special: tuple[tuple[int, _Special], ...]


class _Special(NamedTuple):
    #: The bits of the line, with 0 for those of digits.
    template: npt.NDArray[np.uint8]
    #: Where in it each digit's bits begin, and in which columns of the text the digits stand.
    bits: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    #: A row of bits for each digit.
    digits: npt.NDArray[np.uint8]


class CodedDays(NamedTuple):
    """Days of one form in deflate, each in as many bytes."""

    packer: _Packer
    #: (days, bytes of a day).
    rows: npt.NDArray[np.uint8]

    def block(self, start: int, end: int) -> bytes:
        """Return some of the days as whole bytes of whole blocks, none of them the last."""
        return self.packer.head + self.rows[start:end].tobytes() + self.packer.tail


def coded_days(form: Form, text: npt.NDArray[np.uint8], values: npt.NDArray[np.int32]) -> CodedDays | None:
    """Return days in deflate; None where the form has no code.

    *text* is (days, lines, width): the plain characters; *values* are (days, lines), in Wh, below 10,000. What is
    returned of a day may be used where every value of it is actual, and where the text right before it is that of a day
    of the same form of which the last value is actual.
    """
    packer = _packer(form)
    if packer is None:
        return None
    usual = packer.usual.take(values)
    rows = usual.view(np.uint8).reshape(len(values), form.lines, packer.usual.dtype.itemsize)
    pieces: list[npt.NDArray[np.uint8]] = []
    begin = 0
    for line, special in packer.special:
        if line > begin:
            pieces.append(rows[:, begin:line].reshape(len(values), -1))
        pieces.append(_special_line(special, text[:, line]))
        begin = line + 1
    pieces.append(rows[:, begin:].reshape(len(values), -1))
    return CodedDays(packer, np.concatenate(pieces, axis=1))


def _special_line(special: _Special, text: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    bits = np.repeat(special.template[np.newaxis], len(text), axis=0)
    bits[:, special.bits] = special.digits[text[:, special.columns] - ord("0")].reshape(len(text), -1)
    return np.packbits(bits, axis=1, bitorder="little")


@lru_cache(maxsize=128)
def _packer(form: Form) -> _Packer | None:
    numbers = [0, *([form.rollover] if form.date else [])]
    try:
        code = block_code([_line(form, None), *(_line(form, number) for number in reversed(numbers))])
    except ValueError:
        return None
    specials = tuple(_special(code, len(numbers) - at) for at in range(len(numbers)))
    return _Packer(code.head, code.tail, _usual(code), tuple(zip(numbers, specials, strict=True)))


def _line(form: Form, number: int | None) -> list[Item]:
    """A line that follows another of its day; or one of those that have more of their own, by number."""
    above, day_before = form.width, form.lines * form.width
    items: list[Item] = []
    if number == 0:
        items += _own(form.prefix_form, 0)
    else:
        items.append(Match(form.prefix, above))
    items.append(Match(form.value - form.prefix, day_before))
    items += _own("0.000", form.value)
    after = form.value + _VALUE
    if not form.date:
        items.append(Match(form.width - after, above))
        return items
    end_of_date = form.date + len(form.date_form)
    if number is None:
        items.append(Match(end_of_date - after, above))
    else:
        items.append(Match(form.date - after, above))
        items += _own(form.date_form, form.date)
    items.append(Match(form.width - end_of_date, day_before))
    return items


def _own(form: str, at: int) -> list[Item]:
    return [Varying(at + n) if character == "0" else Literal(character) for n, character in enumerate(form)]


def _usual(code: BlockCode) -> npt.NDArray[np.void]:
    line, _ = code.lines[0]
    at = [n for n, bit in enumerate(line) if bit == "d"]
    bits = np.repeat(_bits(line)[np.newaxis], _VALUES, axis=0)
    wh = np.arange(_VALUES)
    digits = np.stack([wh // 1000, wh // 100 % 10, wh // 10 % 10, wh % 10], axis=1)
    bits[:, at] = _digit_bits(code)[digits].reshape(_VALUES, -1)
    packed = np.packbits(bits, axis=1, bitorder="little")
    return packed.view(f"V{packed.shape[1]}").reshape(_VALUES)


def _special(code: BlockCode, number: int) -> _Special:
    line, columns = code.lines[number]
    at = np.array([n for n, bit in enumerate(line) if bit == "d"])
    return _Special(_bits(line), at, np.array(columns), _digit_bits(code))


def _bits(line: str) -> npt.NDArray[np.uint8]:
    return np.array([bit == "1" for bit in line], np.uint8)


def _digit_bits(code: BlockCode) -> npt.NDArray[Any]:
    return np.array([[bit == "1" for bit in digit] for digit in code.digits], np.uint8)
