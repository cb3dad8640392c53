"""Writing an LSE file: all header rows, all commas, as the market publishes the format (facts section 5; R2, R8).

Values are written with as many decimals as they need (`68.29`, `358.5`, `12`), as in the published example; a missing
interval is an empty value with an empty status, never a zero.
"""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final

import numpy as np

from adapters.central_day import intervals_in
from adapters.kwh_text import TRIMMED, kwh_parts
from adapters.lse import MAX_RECORDS, LseRecord, TooManyRecordsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

_RECORDS_AT_ONCE: Final = 64
_MISSING: Final = ord("M")
_UNSAFE: Final = frozenset(",\n\r\0")


class UnwritableRecordError(ValueError):
    """A record cannot be written as LSE: wrong number of intervals, a negative value, or text that breaks a row."""

    code: ClassVar[str] = "UNWRITABLE_RECORD"


def write(records: Iterable[LseRecord], stream: BinaryIO) -> int:
    """Write the records in their order and return how many there were.

    `line` and `rounded` of a record are not written. Raises `TooManyRecordsError` when there are more than 50,000 and
    `UnwritableRecordError` for a record that is not whole; what has been written by then must be thrown away.
    """
    rest = iter(records)
    count = 0
    while batch := list(islice(rest, _RECORDS_AT_ONCE)):
        count += len(batch)
        if count > MAX_RECORDS:
            raise TooManyRecordsError(f"a file holds at most {MAX_RECORDS:,} records")
        stream.writelines(_lay_out(list(alike)) for _, alike in groupby(batch, key=lambda record: len(record.values)))
    return count


def _lay_out(records: Sequence[LseRecord]) -> bytes:
    """Return the text of records with the same number of intervals."""
    for record in records:
        _check(record)
    intervals = len(records[0].values)
    values = np.stack([record.values for record in records])
    if values.min() < 0:
        raise UnwritableRecordError("a negative value")
    actual = b"A" * intervals
    letters = b"".join([actual if record.statuses is None else record.statuses for record in records])
    statuses = np.frombuffer(letters, np.uint8).reshape(values.shape)
    missing = statuses == _MISSING

    parts = kwh_parts(values, missing, TRIMMED)
    parts.append(np.where(missing, b",,,", np.where(statuses == ord("E"), b",E,,", b",A,,")).astype("S4"))
    rows, cell = intervals // 4, 4 * len(parts)
    matrix = np.zeros((len(records), rows, 9 + 4 * cell + 1), np.uint8)
    matrix[:, :, :9] = np.frombuffer(b"".join(b"%d," % (10_000_000 + row) for row in range(rows)), np.uint8).reshape(
        rows, 9
    )
    matrix[:, :, -1] = ord("\n")
    strides = (*matrix.strides[:2], cell)
    for number, part in enumerate(parts):
        cells = np.ndarray((len(records), rows, 4), "S4", matrix, 9 + 4 * number, strides)
        cells[:] = part.reshape(cells.shape)
    texts: list[bytes] = []
    for record, lines in zip(records, matrix, strict=True):
        texts.append(_header(record))
        texts.append(lines.tobytes().translate(None, b"\0"))
    return b"".join(texts)


def _check(record: LseRecord) -> None:
    expected = intervals_in(record.day)
    if len(record.values) != expected:
        raise UnwritableRecordError(f"{record.esiid} {record.day}: {len(record.values)} intervals, not {expected}")
    if record.statuses is not None and (len(record.statuses) != expected or record.statuses.translate(None, b"AEM")):
        raise UnwritableRecordError(f"{record.esiid} {record.day}: statuses are not {expected} letters of A, E and M")
    if record.channel not in (1, 4):
        raise UnwritableRecordError(f"{record.esiid} {record.day}: channel {record.channel}, not 1 or 4")
    names = (record.esiid, record.transaction_id, record.origin, record.mre, record.sender, record.receiver, record.rep)
    for text in names:
        if text and (not text.isascii() or not _UNSAFE.isdisjoint(text)):
            raise UnwritableRecordError(f"{record.esiid[:64]!r} {record.day}: text that would break a row")


def _header(record: LseRecord) -> bytes:
    day = record.day.isoformat().replace("-", "")
    created = record.created.strftime("%Y%m%d%H%M%S") if record.created else ""
    pairs = (
        f"MRE={record.mre or ''},Sender={record.sender or ''},Receiver={record.receiver or ''},REP={record.rep or ''}"
    )
    return (
        f"00000001,{record.esiid},{record.channel},{day}000000,{day}235900,Y,N\n"
        f"00000002,{_reading(record.start_reading)},{_reading(record.stop_reading)},0,,0,,900,01,1,-1,0.0,0.0,CST\n"
        f"00000003,{record.transaction_id}\n"
        f"00000004,{created},{record.origin}\n"
        f"00000030,ATTRIBUTE_VALUE_PAIRS,{pairs}\n"
    ).encode("ascii")


def _reading(kwh: Decimal | None) -> str:
    return "" if kwh is None else f"{kwh:f}"
