"""A block of deflate (RFC 1951) whose code is chosen for the text it is to hold: texts of one form have one size.

Text that repeats itself in a known way (the lines of a report) need not be searched for repetitions: they are known.
Here a line is told as a list of `Literal`, `Varying` and `Match`; `block_code` finds code lengths with which each of
some lines takes a whole number of bytes, and what stands before and after lines put together from such bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["BlockCode", "Deflated", "Item", "Literal", "Match", "Varying", "block_code", "plain_of"]

_END_OF_BLOCK: Final = 256
_LONGEST: Final = 14
_RARE: Final = 9
#: Unused byte values that take up what the code leaves over: a decoder wants a complete code (RFC 1951 3.2.7).
_FILLERS: Final = range(200, 256)
#: Each digit has this many bits, whatever the text.
_DIGIT_BITS: Final = 4
_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
#: The code of code lengths: sixteen of four bits each.
_LENGTHS_TOLD: Final = (0, 1, *range(3, _LONGEST + 1), 17, 18)


class Deflated(NamedTuple):
    """A text, and the same in deflate: whole bytes of whole blocks, none of them the last.

    Its matches may reach back into the text right before it.
    """

    plain: bytes
    deflated: bytes


def plain_of(piece: bytes | Deflated) -> bytes:
    """Return the text of a piece, whether or not it comes with its deflate."""
    return piece if isinstance(piece, bytes) else piece.plain


class Literal(NamedTuple):
    """A character that is the same in every line of this form."""

    character: str


class Varying(NamedTuple):
    """A digit that each line has its own of; `column` is where in the line it stands."""

    column: int


class Match(NamedTuple):
    """So many characters are as they were so far back."""

    length: int
    distance: int


Item = Literal | Varying | Match


@dataclass(frozen=True, slots=True)
class BlockCode:
    """A code, and the bits of each line in it: bit strings of `0` and `1` in the order of the stream."""

    #: Of each line told, with `d` for the four bits of a varying digit, and the columns of these digits in their order.
    lines: tuple[tuple[str, tuple[int, ...]], ...]
    #: The bits of the digits 0 to 9.
    digits: tuple[str, ...]
    #: What stands before and after the lines: whole bytes. What follows begins on a byte, in a block of its own.
    head: bytes
    tail: bytes


def block_code(lines: Sequence[Sequence[Item]]) -> BlockCode:
    """Choose a code in which each of *lines* takes whole bytes; the first is the one that there is most of.

    Raises ValueError where there is none: the characters or distances are too many, or nothing is left to vary.
    """
    lengths = _aligned([_symbols(line) for line in lines], _first_lengths(lines), [_extra_bits(line) for line in lines])
    _complete(lengths)
    codes = _codes(lengths)
    distances = sorted({_distance(item.distance)[0] for line in lines for item in line if isinstance(item, Match)})
    if len(distances) > 2 or not distances:
        raise ValueError(f"{len(distances)} kinds of distances: one or two are coded")
    distance_lengths = dict.fromkeys(distances, 1)
    told = tuple(_line_bits(line, codes, _codes(distance_lengths)) for line in lines)
    return BlockCode(
        told, tuple(codes[ord(str(digit))] for digit in range(10)), _head(lengths, distance_lengths), _tail(codes)
    )


def _pack(bits: str) -> bytes:
    """Bits in the order of the stream as bytes, filled up with 0."""
    return bytes(int(bits[start : start + 8][::-1], 2) for start in range(0, len(bits), 8))


def _symbols(line: Iterable[Item]) -> Counter[int]:
    """How often each symbol of the code of literals and lengths is in *line*; a varying digit counts as `0`."""
    found: Counter[int] = Counter()
    for item in line:
        match item:
            case Literal(character):
                found[ord(character)] += 1
            case Varying():
                found[ord("0")] += 1
            case Match(length):
                found[_length(length)[0]] += 1
    return found


def _extra_bits(line: Iterable[Item]) -> int:
    """Bits of *line* beside its symbols: of each match, what refines its length, and its distance."""
    return sum(_length(item.length)[2] + 1 + _distance(item.distance)[2] for item in line if isinstance(item, Match))


def _first_lengths(lines: Sequence[Sequence[Item]]) -> dict[int, int]:
    """Four bits for what is in the first line, nine for what is not."""
    often = {ord(character) for character in "0123456789"} | set(_symbols(lines[0]))
    rare = {symbol for line in lines for symbol in _symbols(line)} - often | {_END_OF_BLOCK}
    return dict.fromkeys(often, _DIGIT_BITS) | dict.fromkeys(rare, _RARE)


def _aligned(lines: Sequence[Counter[int]], lengths: dict[int, int], extra: Sequence[int]) -> dict[int, int]:
    """Give some symbols shorter or longer codes, so that each line is whole bytes, as few as can be; not to digits."""
    fixed = {ord(character) for character in "0123456789"}
    for counts, more in zip(lines, extra, strict=True):
        free = [symbol for symbol in counts if symbol not in fixed]
        best: tuple[int, dict[int, int]] | None = None
        # one symbol of the line shorter by a bit, if there is room, and one longer
        for shorter, (symbol, longer) in product([None, *free], product(free, range(8))):
            tried = lengths | ({} if shorter is None else {shorter: lengths[shorter] - 1})
            tried[symbol] += longer
            size = more + sum(tried[one] * count for one, count in counts.items())
            if size % 8 or tried[symbol] > _LONGEST or _left(tried) < 0 or (best is not None and size >= best[0]):
                continue
            best = size, tried
        if best is None:
            raise ValueError("no lengths make whole bytes of a line")
        lengths = best[1]
        # what is settled for this line stays for the next
        fixed |= set(counts)
    return lengths


def _left(lengths: Mapping[int, int]) -> int:
    """How much of the code is not given to any symbol, in codes of the longest length; below 0, it is none."""
    return (1 << _LONGEST) - sum(1 << (_LONGEST - length) for length in lengths.values())


def _complete(lengths: dict[int, int]) -> None:
    left = _left(lengths)
    if left < 0:
        raise ValueError("more symbols than the code has room for")
    fillers = iter(_FILLERS)
    bit = _LONGEST - _DIGIT_BITS
    while left:
        # no length below that of a digit: `_LENGTHS_TOLD` has none
        while left >= 1 << bit:
            lengths[next(fillers)] = _LONGEST - bit
            left -= 1 << bit
        bit -= 1


def _codes(lengths: Mapping[int, int]) -> dict[int, str]:
    """The canonical code of RFC 1951 3.2.2, as bits in the order of the stream."""
    found: dict[int, str] = {}
    code = previous = 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        code <<= length - previous
        found[symbol] = f"{code:0{length}b}"
        code += 1
        previous = length
    return found


def _line_bits(
    line: Iterable[Item], codes: Mapping[int, str], distances: Mapping[int, str]
) -> tuple[str, tuple[int, ...]]:
    bits: list[str] = []
    columns: list[int] = []
    for item in line:
        match item:
            case Literal(character):
                bits.append(codes[ord(character)])
            case Varying(column):
                bits.append("d" * _DIGIT_BITS)
                columns.append(column)
            case Match(length, distance):
                symbol, rest, size = _length(length)
                bits.append(codes[symbol] + _number(rest, size))
                symbol, rest, size = _distance(distance)
                bits.append(distances[symbol] + _number(rest, size))
    return "".join(bits), tuple(columns)


def _number(value: int, size: int) -> str:
    """A number as the stream has it: lowest bit first."""
    return f"{value:0{size}b}"[::-1] if size else ""


def _length(length: int) -> tuple[int, int, int]:
    """Symbol of a match's length, what is to be added to it, in how many bits (RFC 1951 3.2.5)."""
    if not 3 <= length <= 257:
        raise ValueError(f"a match of {length} characters")
    if length <= 10:
        return 254 + length, 0, 0
    size = (length - 3).bit_length() - 3
    return 257 + 4 * size + ((length - 3) >> size), (length - 3) & ((1 << size) - 1), size


def _distance(distance: int) -> tuple[int, int, int]:
    """The same of a distance."""
    if not 1 <= distance <= 32768:
        raise ValueError(f"{distance} characters back")
    if distance <= 4:
        return distance - 1, 0, 0
    size = (distance - 1).bit_length() - 2
    return 2 * size + ((distance - 1) >> size), (distance - 1) & ((1 << size) - 1), size


def _head(lengths: Mapping[int, int], distances: Mapping[int, int]) -> bytes:
    """The header of the block (RFC 1951 3.2.7), which is not the last one, ending on a byte."""
    symbols = [lengths.get(symbol, 0) for symbol in range(max(lengths) + 1)]
    numbers = [distances.get(symbol, 0) for symbol in range(max(distances) + 1)]
    told = _codes(dict.fromkeys(_LENGTHS_TOLD, 4))

    def header(first_run: int) -> str:
        bits = ["0" + _number(2, 2), _number(len(symbols) - 257, 5), _number(len(numbers) - 1, 5)]
        bits.append(_number(len(_ORDER) - 4, 4))
        bits += [_number(4 if symbol in _LENGTHS_TOLD else 0, 3) for symbol in _ORDER]
        every, at = symbols + numbers, 0
        while at < len(every):
            most = every[at : at + (138 if at else first_run)]
            run = next((n for n, length in enumerate(most) if length), len(most))
            if run >= 11:
                bits.append(told[18] + _number(run - 11, 7))
            elif run >= 3:
                bits.append(told[17] + _number(run - 3, 3))
            else:
                run = 1
                bits.append(told[every[at]])
            at += run
        return "".join(bits)

    bits = header(138)
    if len(bits) % 2:
        # no character below the space is ever told; that run cut in two is told in an odd number of bits more
        bits = header(3)
    empty_block = "0" + _number(1, 2) + "0" * 7
    count = next(count for count in range(4) if (len(bits) + len(empty_block) * count) % 8 == 0)
    return _pack(empty_block * count + bits)


def _tail(codes: Mapping[int, str]) -> bytes:
    """The end of the block, and an empty stored one, after which the next begins on a byte."""
    return _pack(codes[_END_OF_BLOCK] + "000") + b"\0\0\xff\xff"
