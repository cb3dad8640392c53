"""What an order will deliver and what it will not, packed for the store, and how it is cut into files.

Packed lists are numpy records under a version byte: 50,000 ESI IDs are one value of a row instead of 50,000 rows.
Days are counted from 1970-01-01. ``position`` is an ESI ID's place in the request, counted from 0: the files follow
the order of the request.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from smt_ws.orders.errors import PackedUnreadableError
from smt_ws.usage.remarks import CODES, REMARK

__all__ = [
    "EXCEPTION",
    "SLICE",
    "Exceptions",
    "Remarks",
    "Slices",
    "compact",
    "cut",
    "day_number",
    "day_of",
    "merge",
    "pack_exceptions",
    "pack_remarks",
    "pack_slices",
    "unpack_exceptions",
    "unpack_remarks",
    "unpack_slices",
]

_EPOCH = date(1970, 1, 1)

#: Days of one ESI ID that may be delivered; ``esiid`` is an index into the ESI IDs beside it.
SLICE = np.dtype([("esiid", "<u4"), ("premise_id", "<i8"), ("first_day", "<i4"), ("last_day", "<i4")])
#: Days of one ESI ID that are not delivered; ``code`` is an index into the codes beside it.
EXCEPTION = np.dtype([("esiid", "<u4"), ("first_day", "<i4"), ("last_day", "<i4"), ("code", "<u2")])

Rows = NDArray[Any]


def day_number(day: date) -> int:
    """Count the days from 1970-01-01 to *day*."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """Undo `day_number`."""
    return _EPOCH + timedelta(days=int(number))


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Which days of which ESI IDs are to be delivered: *rows* of `SLICE`, ordered by ESI ID and day."""

    esiids: Sequence[str]
    positions: NDArray[np.uint32]
    rows: Rows

    @property
    def days(self) -> int:
        """ESI-ID-days."""
        return _days(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Exceptions:
    """Which days of which ESI IDs are not delivered, each with the code of its reason: *rows* of `EXCEPTION`."""

    esiids: Sequence[str]
    positions: NDArray[np.uint32]
    rows: Rows
    codes: Sequence[str]

    @property
    def days(self) -> int:
        """ESI-ID-days."""
        return _days(self.rows)

    def by_code(self) -> dict[str, int]:
        """ESI-ID-days under each code, codes in their order."""
        each = self.rows["last_day"].astype(np.int64) - self.rows["first_day"] + 1
        sums = np.bincount(self.rows["code"], weights=each, minlength=len(self.codes))
        return {code: int(count) for code, count in zip(self.codes, sums, strict=True) if count}


@dataclass(frozen=True, slots=True, eq=False)
class Remarks:
    """What must be known of delivered days: *rows* of `REMARK`, whose ``code`` is an index into *codes* here."""

    esiids: Sequence[str]
    positions: NDArray[np.uint32]
    rows: Rows
    codes: Sequence[str]

    def by_code(self) -> dict[str, int]:
        """ESI-ID-days under each code; a day of which both channels have a remark is one."""
        days: dict[str, int] = {}
        for number, code in enumerate(self.codes):
            rows = self.rows[self.rows["code"] == number]
            lengths = rows["last_day"].astype(np.int64) - rows["first_day"] + 1
            nth = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            day = np.repeat(rows["first_day"].astype(np.int64), lengths) + nth
            days[code] = len(np.unique(np.repeat(rows["esiid"].astype(np.int64) << 32, lengths) + day))
        return {code: count for code, count in days.items() if count}


def _days(rows: Rows) -> int:
    return int((rows["last_day"].astype(np.int64) - rows["first_day"] + 1).sum())


# How the lists are packed: version, number of ESI IDs, of rows, of codes; then everything else deflated.
_VERSION = 1
_HEAD = struct.Struct("<BIIH")
#: Level 1: the lists shrink to about a quarter, and the store writes and logs that much less. ISA-L does it in a fifth
#: of zlib's time; what it writes is plain zlib.
_LEVEL = 1
_DAMAGED: tuple[type[Exception], ...] = (struct.error, isal_zlib.error, ValueError)  # type: ignore[assignment]


def pack_slices(slices: Slices) -> bytes:
    """Pack for ``order_part.slices``."""
    return _pack(slices.esiids, slices.positions, slices.rows.astype(SLICE, copy=False), ())


def unpack_slices(packed: bytes) -> Slices:
    """Undo `pack_slices`. Raises `PackedUnreadableError`."""
    esiids, positions, rows, _codes = _unpack(packed, SLICE)
    return Slices(esiids, positions, rows)


def pack_exceptions(exceptions: Exceptions) -> bytes:
    """Pack for ``report_order.exceptions`` and ``order_part.missing``."""
    rows = exceptions.rows.astype(EXCEPTION, copy=False)
    return _pack(exceptions.esiids, exceptions.positions, rows, exceptions.codes)


def unpack_exceptions(packed: bytes) -> Exceptions:
    """Undo `pack_exceptions`. Raises `PackedUnreadableError`."""
    return Exceptions(*_unpack(packed, EXCEPTION))


def pack_remarks(slices: Slices, remarks: Rows) -> bytes:
    """Pack for ``order_part.remarks`` the *remarks* (rows of `REMARK`) on days of *slices*."""
    wanted, esiid = np.unique(remarks["esiid"], return_inverse=True)
    used, code = np.unique(remarks["code"], return_inverse=True)
    rows = remarks.copy()
    rows["esiid"], rows["code"] = esiid, code
    names = [slices.esiids[number] for number in wanted.tolist()]
    return _pack(names, slices.positions[wanted], rows, [CODES[number] for number in used.tolist()])


def unpack_remarks(packed: bytes) -> Remarks:
    """Undo `pack_remarks`. Raises `PackedUnreadableError`."""
    return Remarks(*_unpack(packed, REMARK))


def _pack(esiids: Sequence[str], positions: NDArray[np.uint32], rows: Rows, codes: Sequence[str]) -> bytes:
    texts = [*esiids, *codes]
    joined = "".join(texts)
    encoded = joined.encode()
    if len(encoded) == len(joined):
        lengths = np.fromiter(map(len, texts), dtype="<u4", count=len(texts))
    else:
        lengths = np.fromiter((len(text.encode()) for text in texts), dtype="<u4", count=len(texts))
    # A field at a time deflates much better than a row at a time.
    fields = [rows[name].tobytes() for name in rows.dtype.names or ()]
    body = b"".join([np.asarray(positions, dtype="<u4").tobytes(), lengths.tobytes(), *fields, encoded])
    return _HEAD.pack(_VERSION, len(esiids), len(rows), len(codes)) + isal_zlib.compress(body, _LEVEL)


def _unpack(packed: bytes, dtype: np.dtype[Any]) -> tuple[list[str], NDArray[np.uint32], Rows, list[str]]:
    if not packed or packed[0] != _VERSION:
        raise PackedUnreadableError(
            expected=f"version {_VERSION}", presented=f"version {packed[0] if packed else 'none'}"
        )
    try:
        _version, esiid_count, row_count, code_count = _HEAD.unpack_from(packed)
        body = isal_zlib.decompress(packed[_HEAD.size :])
        positions = np.frombuffer(body, "<u4", esiid_count)
        at = positions.nbytes
        lengths = np.frombuffer(body, "<u4", esiid_count + code_count, at)
        at += lengths.nbytes
        rows = np.empty(row_count, dtype)
        for name in dtype.names or ():
            field = np.frombuffer(body, dtype[name], row_count, at)
            rows[name] = field
            at += field.nbytes
        texts = list(_texts(body[at:], lengths))
    except _DAMAGED as error:
        raise PackedUnreadableError(str(error)) from error
    return texts[:esiid_count], positions, rows, texts[esiid_count:]


def _texts(encoded: bytes, lengths: NDArray[np.uint32]) -> Iterator[str]:
    ends = np.cumsum(lengths, dtype=np.int64).tolist()
    if (ends[-1] if ends else 0) != len(encoded):
        raise ValueError("the lengths do not add up")
    for start, end in pairwise([0, *ends]):
        yield encoded[start:end].decode()


def cut(slices: Slices, *, most: int, records_per_day: int = 1) -> list[Slices]:
    """Cut *slices* into parts of at most *most* records, one file each (R7), ESI IDs whole and in their order.

    An ESI-ID-day weighs *records_per_day* (1 in a CSV file; in LSE one record a channel). Where a single ESI ID
    weighs more than *most*, its days are cut too.
    """
    rows = slices.rows
    if not len(rows):
        return []
    most_days = max(1, most // records_per_day)
    rows = _no_longer_than(rows, most_days)
    weights = rows["last_day"].astype(np.int64) - rows["first_day"] + 1
    starts = np.flatnonzero(np.r_[True, rows["esiid"][1:] != rows["esiid"][:-1]])
    group_weights = np.add.reduceat(weights, starts)
    if (group_weights > most_days).any():  # an ESI ID too long for one file: its slices are units of their own
        starts, group_weights = np.arange(len(rows)), weights
    ends = np.cumsum(group_weights)
    bounds, used = [0], 0
    while bounds[-1] < len(starts):
        after = int(np.searchsorted(ends, used + most_days, side="right"))
        used = int(ends[after - 1])
        bounds.append(after)
    row_bounds = [*starts[bounds[:-1]].tolist(), len(rows)]
    return [_taken(slices, rows[first:last]) for first, last in pairwise(row_bounds)]


def _no_longer_than(rows: Rows, most_days: int) -> Rows:
    lengths = rows["last_day"].astype(np.int64) - rows["first_day"] + 1
    if int(lengths.max()) <= most_days:
        return rows
    pieces = -(-lengths // most_days)
    spread = np.repeat(rows, pieces)
    nth = np.arange(len(spread)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    spread["first_day"] += (nth * most_days).astype(np.int32)
    spread["last_day"] = np.minimum(spread["last_day"], spread["first_day"] + most_days - 1)
    return spread


def _taken(slices: Slices, rows: Rows) -> Slices:
    # The rows are ordered by ESI ID, so the part's ESI IDs are found without sorting.
    firsts = np.r_[True, rows["esiid"][1:] != rows["esiid"][:-1]]
    wanted = rows["esiid"][firsts]
    part = rows.copy()
    part["esiid"] = np.cumsum(firsts) - 1
    esiids = slices.esiids
    return Slices([esiids[index] for index in wanted.tolist()], slices.positions[wanted], part)


def compact(esiids: Sequence[str], rows: Rows, codes: Sequence[str]) -> Exceptions:
    """Make exceptions of *rows* whose ``esiid`` is a place in the whole request, keeping only what they name."""
    wanted, esiid = np.unique(rows["esiid"], return_inverse=True)
    used, code = np.unique(rows["code"], return_inverse=True)
    packed = np.empty(len(rows), EXCEPTION)
    packed["esiid"], packed["code"] = esiid, code
    packed["first_day"], packed["last_day"] = rows["first_day"].astype("<i8"), rows["last_day"].astype("<i8")
    names = [esiids[position] for position in wanted.tolist()]
    return Exceptions(names, wanted.astype(np.uint32), packed, [str(codes[number]) for number in used.tolist()])


def merge(several: Iterable[Exceptions]) -> Exceptions:
    """Put lists together: in the order of the request, then by day; neighbouring days of one code become one range."""
    names: dict[int, str] = {}
    codes: dict[str, int] = {}
    columns: list[NDArray[np.int64]] = []
    for one in several:
        names.update(zip(one.positions.tolist(), one.esiids, strict=True))
        numbers = np.array([codes.setdefault(code, len(codes)) for code in one.codes], dtype=np.int64)
        rows = one.rows
        if len(rows):
            columns.append(
                np.stack(
                    [
                        one.positions[rows["esiid"]].astype(np.int64),
                        rows["first_day"].astype(np.int64),
                        rows["last_day"].astype(np.int64),
                        numbers[rows["code"]],
                    ]
                )
            )
    if not columns:
        return Exceptions([], np.empty(0, np.uint32), np.empty(0, EXCEPTION), [])
    position, first, last, code = np.concatenate(columns, axis=1)
    order = np.lexsort((code, first, position))
    position, first, last, code = position[order], first[order], last[order], code[order]
    begins = np.r_[True, (position[1:] != position[:-1]) | (code[1:] != code[:-1]) | (first[1:] != last[:-1] + 1)]
    starts = np.flatnonzero(begins)
    ends = np.r_[starts[1:], len(begins)] - 1
    wanted, index = np.unique(position[starts], return_inverse=True)
    merged = np.empty(len(starts), EXCEPTION)
    merged["esiid"], merged["first_day"], merged["last_day"] = index, first[starts], last[ends]
    merged["code"] = code[starts]
    return Exceptions([names[number] for number in wanted.tolist()], wanted.astype(np.uint32), merged, list(codes))
