"""Reading an LSE file as a stream, at the market's volume (U1, U4; issue figure: 2.5 million records in two minutes).

The file is read in blocks and cut into whole records at rows `00000001`, so that memory does not grow with the file.
In a block, records that are exactly as published are found and read together, with integer arithmetic on whole arrays
of values; every other record goes to `lse_record`, one at a time, which takes it or says what is wrong. What is wrong
with one record never touches the next.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.central_day import intervals_in
from adapters.lse import MAX_RECORDS, LseRecord, Reject, TooManyRecordsError
from adapters.lse_record import (
    CENTRAL_NAMES,
    LARGEST_WH,
    attributes,
    creation_time,
    operating_day,
    parse_record,
    register_reading,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

_BLOCK: Final = 256 * 1024
_LARGEST_RECORD: Final = 64 * 1024
"""Bytes. A record as published has about 1,500; without a limit one unbroken line would be held in memory whole."""
_CUT: Final = b"\n00000001,"
_BOM: Final = b"\xef\xbb\xbf"
_PAD: Final = b"\0" * 16
"""After a block, so that eight bytes can be read at any of its places."""


def read(stream: BinaryIO) -> Iterator[LseRecord | Reject]:
    """Yield what each record of the file is, in the file's order: a record, or a `Reject` that says why not.

    Takes CRLF or LF line ends, a byte-order mark, blank lines; see `lse_record` for what else is tolerated. The values
    of neighbouring records may be rows of one array. Raises `TooManyRecordsError` on meeting the 50,001st record,
    whatever its worth: what was yielded before must then be thrown away. Errors of the stream pass through.
    """
    seen = 0
    for piece in _pieces(stream):
        found = [_too_long(piece)] if piece.too_long else _read_piece(piece)
        for item in found:
            if not (isinstance(item, Reject) and item.code == "NOT_A_RECORD"):
                seen += 1
                if seen > MAX_RECORDS:
                    raise TooManyRecordsError(f"line {item.line}: a file holds at most {MAX_RECORDS:,} records")
            yield item


class _Piece(NamedTuple):
    """Some whole records, with LF line ends; or, `too_long`, the beginning of a record that is none."""

    text: bytes
    line: int  # of its first line, counted from 1
    too_long: bool = False


def _pieces(stream: BinaryIO) -> Iterator[_Piece]:
    """Cut the stream into pieces that begin and end with a record."""
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
            line += pending.count(b"\n", 0, max(dropped, 0))
            pending = pending[max(dropped, 0) :]
            if end < 0:
                continue
            skipping = False
        cut = pending.rfind(_CUT)
        if cut >= 0:
            yield _Piece(_with_lf(pending[: cut + 1]), line)
            line += pending.count(b"\n", 0, cut + 1)
            pending = pending[cut + 1 :]
        if len(pending) > _LARGEST_RECORD:
            yield _Piece(pending[:_LARGEST_RECORD], line, too_long=True)
            skipping = True
    if pending and not skipping:
        yield _Piece(_with_lf(pending.removeprefix(_BOM if first else b"")), line)


def _with_lf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


def _too_long(piece: _Piece) -> Reject:
    elements = piece.text[:200].split(b"\n")[0].decode("ascii", "replace").split(",")
    if elements[0] != "00000001":
        return Reject(piece.line, None, None, "NOT_A_RECORD", f"{_LARGEST_RECORD:,} bytes and more before row 00000001")
    esiid = elements[1] if len(elements) > 2 and elements[1].isalnum() else None
    return Reject(piece.line, esiid, None, "RECORD_TOO_LONG", f"over {_LARGEST_RECORD:,} bytes without a new record")


def _read_piece(piece: _Piece) -> list[LseRecord | Reject]:
    text = piece.text if piece.text.endswith(b"\n") else piece.text + b"\n"
    lines = _Lines(text)
    starts = lines.starts_of(_START)
    found: list[LseRecord | Reject | None] = [None] * len(starts)
    bounds = [*starts.tolist(), len(lines.begin)]

    if bounds[0]:
        before = text[: lines.place(bounds[0])].split(b"\n")
        strange = next((number for number, raw in enumerate(before) if raw.strip(b" \t\r,")), None)
        if strange is not None:
            reason = f"{bounds[0] - strange} lines before the first row 00000001"
            found.append(None)
            found[1:] = found[:-1]
            found[0] = Reject(piece.line + strange, None, None, "NOT_A_RECORD", reason)
    offset = len(found) - len(starts)

    if text.isascii() and b"\0" not in text:
        plain = text.decode("ascii")
        for index, record in _read_published(lines, plain, starts, piece.line):
            found[index + offset] = record
    for index in range(len(starts)):
        if found[index + offset] is None:
            begin, end = bounds[index], bounds[index + 1]
            raw = text[lines.place(begin) : lines.place(end)]
            found[index + offset] = parse_record(raw, piece.line + begin)
    return [item for item in found if item is not None]


class _Lines:
    """Where the lines and the elements of a piece are."""

    def __init__(self, text: bytes) -> None:
        padded = text + _PAD
        self.size = len(text)
        self.bytes = np.frombuffer(padded, np.uint8)
        self.words: Words = np.ndarray((len(padded) - 8,), "<u8", padded, 0, (1,))  # eight bytes, at every place
        here = self.bytes[: self.size]
        self.stops: Places = np.flatnonzero((here == ord(",")) | (here == ord("\n")))
        last = np.flatnonzero(self.bytes.take(self.stops, mode="clip") == ord("\n"))
        self.first_stop: Places = np.concatenate([[0], last[:-1] + 1])
        self.elements: Places = last - self.first_stop + 1
        self.begin: Places = np.concatenate([[0], self.stops[last[:-1]] + 1])
        code_ends = self.stops[self.first_stop] - self.begin == 8
        self.codes: Words = np.where(code_ends, self.words[self.begin], np.uint64(0))
        # From each stop back to the one before; 255 for any distance from there on.
        self.gaps = np.minimum(np.diff(self.stops, prepend=-1), 255).astype(np.uint8)

    def place(self, line: int) -> int:
        return int(self.begin[line]) if line < len(self.begin) else self.size

    def starts_of(self, code: np.uint64) -> Places:
        """Return the lines that begin a record: of this sort code, with an element after it."""
        return np.flatnonzero((self.codes == code) & (self.elements > 1))


def _word(text: str) -> int:
    return int.from_bytes(text.encode("ascii"), "little")


_START: Final = np.uint64(_word("00000001"))
_CODES: Final = np.array(
    [_word(f"{n:08}") for n in (1, 2, 3, 4, 30)] + [_word(f"{10_000_000 + n}") for n in range(25)], np.uint64
)
_ELEMENTS: Final = np.array([7, 14, 2, 3, 0] + [14] * 25)
"""Elements of each row of a record as published; row thirty may have any number."""


def _read_published(lines: _Lines, text: str, starts: Places, first_line: int) -> Iterator[tuple[int, LseRecord]]:
    """Yield the records that are exactly as published, each with its index in `starts`; leave the others out."""
    sizes = np.diff(starts, append=len(lines.begin))
    for details in (24, 23, 25):
        rows = details + 5
        indices = np.flatnonzero(sizes == rows)
        if not len(indices):
            continue
        grid = starts[indices][:, np.newaxis] + np.arange(rows)
        elements = lines.elements[grid]
        elements[:, 4] = 0
        published = ((lines.codes[grid] == _CODES[:rows]) & (elements == _ELEMENTS[:rows])).all(axis=1)
        indices = indices[published]
        if not len(indices):
            continue
        detail_line = starts[indices] + 5
        block = _numbers(lines, lines.first_stop[detail_line], details)
        heads = zip(
            indices.tolist(),
            starts[indices].tolist(),
            lines.begin[starts[indices]].tolist(),
            (lines.begin[detail_line] - 1).tolist(),
            block.good.tolist(),
            block.values,
            block.letters,
            block.actual.tolist(),
            strict=True,
        )
        for row, (index, line, begin, end, good, values, letters, actual) in enumerate(heads):
            if good:
                record = _record(
                    text[begin:end],
                    first_line + line,
                    values,
                    None if actual else letters.tobytes(),
                    block.rounded.get(row, ()),
                )
                if record is not None:
                    yield index, record


# Most of a header repeats from record to record; each of these parts is judged once and then remembered.


@lru_cache(maxsize=4096)
def _day_part(part: str) -> tuple[date, int] | None:
    """Return the day, and how many intervals it has, of row one from start to flags."""
    start, stop, local, invalid = part.split(",")
    day = operating_day(start, stop)
    return (day, intervals_in(day)) if day and (local, invalid) == ("Y", "N") else None


@lru_cache(maxsize=4096)
def _is_usual_meter(part: str) -> bool:
    """Say whether row two, after the readings, has quarter hours of kWh in Central time."""
    _, _, _, _, seconds, unit, _, _, _, _, zone = part.split(",")
    return seconds == "900" and unit == "01" and zone in CENTRAL_NAMES


@lru_cache(maxsize=4096)
def _creation(row: str) -> tuple[datetime | None, str] | None:
    """Return time and origin of row four."""
    _, stamp, origin = row.split(",")
    try:
        return (creation_time(stamp), origin) if len(origin) == 1 and origin.isalpha() else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _companies(row: str) -> tuple[str | None, str | None, str | None, str | None]:
    """Return MRE, sender, receiver and REP of row thirty."""
    pairs = attributes(row.split(",")[2:])
    return pairs.get("mre"), pairs.get("sender"), pairs.get("receiver"), pairs.get("rep")


def _record(
    head: str, line: int, values: npt.NDArray[np.int32], statuses: bytes | None, rounded: tuple[int, ...]
) -> LseRecord | None:
    """Return the record of these five header rows and these intervals; None when anything in the header is unusual.

    The rows have 7, 14, 2, 3 and two or more elements.
    """
    first, second, third, fourth, thirty = head.split("\n")
    _, esiid, channel, day_part = first.split(",", 3)
    _, start_reading, stop_reading, meter = second.split(",", 3)
    day = _day_part(day_part)
    creation = _creation(fourth)
    if (
        day is None
        or creation is None
        or day[1] != len(values)
        or channel not in ("1", "4")
        or not _is_usual_meter(meter)
        or not esiid.isalnum()
        or len(esiid) > 64
    ):
        return None
    try:
        start, stop = register_reading(start_reading), register_reading(stop_reading)
    except ValueError:
        return None
    return LseRecord(
        line,
        esiid,
        4 if channel == "4" else 1,
        day[0],
        values,
        statuses,
        start,
        stop,
        third[9:].strip(),
        creation[0],
        creation[1],
        *_companies(thirty),
        rounded,
    )


class _Block(NamedTuple):
    """The intervals of records with the same number of rows: an array row a record, a column an interval."""

    good: npt.NDArray[np.bool_]  # a record: all its values and statuses were understood
    values: npt.NDArray[np.int32]  # Wh
    letters: npt.NDArray[np.uint8]  # A, E, M
    actual: npt.NDArray[np.bool_]  # a record: all A
    rounded: dict[int, tuple[int, ...]]


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


def _numbers(lines: _Lines, first_stops: Places, rows: int) -> _Block:
    """Read the detail rows of records, all values at once: so many rows each, 14 stops a row, from these stops on.

    A value of up to eight characters is one 64-bit word: the bytes before its comma. With `0` taken off each byte,
    digits are 0 to 9, and a byte of ten or more must be the one point, which is closed up. The digits are added
    together by multiplication, eight at a time. A value that cannot be read so makes its record not good. The text must
    be ASCII.
    """
    records = len(first_stops)
    gaps = lines.gaps[first_stops[:, np.newaxis] + np.arange(14 * rows)].reshape(records, rows, 14)
    width = gaps[:, :, 1:13:3].reshape(records, -1) - np.uint8(1)
    status = gaps[:, :, 2:13:3].reshape(records, -1)  # 2: one letter
    good = (gaps[:, :, 3:13:3] == 1).all(axis=(1, 2)) & (gaps[:, :, 13] == 1).all(axis=1) & (width <= 8).all(axis=1)
    ends = first_stops[:, np.newaxis] + (np.arange(0, 14 * rows, 14)[:, np.newaxis] + np.arange(1, 13, 3)).ravel()
    after = lines.stops[ends]

    word = lines.words[after - 8]
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

    rounded: dict[int, tuple[int, ...]] = {}
    if (decimals != 3).any():
        places = np.minimum(decimals, 7).astype(np.intp)
        if places.max() > 3:
            number, inexact = _round_half_even(number, places)
            for row in np.flatnonzero(inexact.any(axis=1)).tolist():
                rounded[row] = tuple(np.flatnonzero(inexact[row]).tolist())
        number *= _TO_WH[places]
        understood &= number <= np.uint64(LARGEST_WH)

    letters = lines.bytes.take(after + 1, mode="clip")
    either = ((letters == ord("A")) | (letters == ord("E"))) & (status == 2)
    missing = width == 0
    if missing.any():
        either |= missing & (status == 1)
        letters = np.where(missing, np.uint8(ord("M")), letters)
    good &= (understood & either).all(axis=1)
    values = number.astype(np.int32)
    values.flags.writeable = False
    return _Block(good, values, letters, (letters == ord("A")).all(axis=1), rounded)


def _round_half_even(number: Words, decimals: Places) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Return the numbers without their decimals beyond the third, and which of them lost something."""
    part = _PARTS[decimals]
    whole, rest = np.divmod(number, part)
    twice = rest * np.uint64(2)
    up = (twice > part) | ((twice == part) & ((whole & np.uint64(1)) == 1) & (rest > 0))
    return whole + up.astype(np.uint64), rest > 0
