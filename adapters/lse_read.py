"""Reading an LSE file as a stream, at the market's volume (U1, U4; issue figure: 2.5 million records in two minutes).

The file is cut into pieces of whole records (`lse_lines`). In a piece, records that are exactly as published are found
and read together, with integer arithmetic on whole arrays of values (`lse_published`, `lse_values`); every other record
goes to `lse_record`, one at a time, which takes it or says what is wrong. What is wrong with one record never touches
the next.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import numpy as np

from adapters.lse import MAX_RECORDS, LseRecord, Reject, TooManyRecordsError
from adapters.lse_columns import LseBatch, LseDays
from adapters.lse_lines import LARGEST_RECORD, Lines, Piece, pieces
from adapters.lse_published import Published, published
from adapters.lse_record import parse_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["read", "read_batches"]


def read(stream: BinaryIO) -> Iterator[LseRecord | Reject]:
    """Yield what each record of the file is, in the file's order: a record, or a `Reject` that says why not.

    Takes CRLF or LF line ends, a byte-order mark, blank lines; see `lse_record` for what else is tolerated. The values
    of neighbouring records may be rows of one array. Raises `TooManyRecordsError` on meeting the 50,001st record,
    whatever its worth: what was yielded before must then be thrown away. Errors of the stream pass through.
    """
    for found in _found(stream):
        records: list[LseRecord | Reject] = [record for together in found.published for record in together.records()]
        yield from sorted([*records, *found.others], key=lambda item: item.line)


def read_batches(stream: BinaryIO, *, at_once: int) -> Iterator[LseBatch]:
    """Yield the same as `read` does, as columns, at least *at_once* records at a time (the last time perhaps fewer).

    In a batch there is no order between good records and rejects, and none between numbers of intervals.
    """
    waiting: list[_Found] = []
    for found in _found(stream):
        waiting.append(found)
        if sum(map(len, waiting)) >= at_once:
            yield _batch(waiting)
            waiting = []
    if waiting:
        yield _batch(waiting)


_BY_SPREADSHEET: Final = re.compile(rb'[ \t]*"?1"?[,;\t]"?[0-9]')
#: What editors and spreadsheets leave in a record; then its lines and elements may not be where they seem to be.
_FORM: Final = re.compile(rb'["\r;\t\x1a]')
_SEPARATORS: Final = bytes.maketrans(b";\t", b",,")
_DOS_END: Final = re.compile(rb"^\x1a+|\x1a+$", re.MULTILINE)
_QUOTED: Final = re.compile(rb'(?:(?<=,)|^) *"([^",\n]*)" *(?=,|$)', re.MULTILINE)
_BEGINS: Final = re.compile(rb"(?<=\n)(?=[ ]*00000001[ ]*,)")


class _Found(NamedTuple):
    """What the records of a piece are."""

    published: Sequence[Published]
    #: Those that were read one by one, in their order.
    others: Sequence[LseRecord | Reject]

    def __len__(self) -> int:
        return sum(len(together.rows) for together in self.published) + len(self.others)


def _found(stream: BinaryIO) -> Iterator[_Found]:
    seen = 0
    for piece in pieces(stream):
        found = _Found((), (_too_long(piece),)) if piece.too_long else _read_piece(piece)
        seen += len(found) - sum(_is_no_record(item) for item in found.others)
        if seen > MAX_RECORDS:
            lines = [together.first_line + row for together in found.published for row in together.rows.tolist()]
            lines += [item.line for item in found.others if not _is_no_record(item)]
            line = sorted(lines)[len(lines) - (seen - MAX_RECORDS)]
            raise TooManyRecordsError(f"line {line}: a file holds at most {MAX_RECORDS:,} records")
        yield found


def _is_no_record(item: LseRecord | Reject) -> bool:
    return isinstance(item, Reject) and item.code == "NOT_A_RECORD"


def _batch(waiting: Sequence[_Found]) -> LseBatch:
    parts: dict[int, list[LseDays]] = {}
    for together in (together for found in waiting for together in found.published):
        parts.setdefault(together.values.shape[1], []).append(together.days())
    alone: dict[int, list[LseRecord]] = {}
    rejects: list[Reject] = []
    for item in (item for found in waiting for item in found.others):
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            alone.setdefault(len(item.values), []).append(item)
    for intervals, records in alone.items():
        parts.setdefault(intervals, []).append(LseDays.of(records))
    return LseBatch(tuple(LseDays.together(alike) for alike in parts.values()), tuple(rejects))


def _too_long(piece: Piece) -> Reject:
    elements = piece.text[:200].split(b"\n")[0].decode("ascii", "replace").split(",")
    if elements[0] != "00000001":
        return Reject(
            piece.line,
            None,
            None,
            "NOT_A_RECORD",
            f"{LARGEST_RECORD:,} bytes and more before row 00000001{_why_none(piece.text[:200])}",
        )
    esiid = elements[1] if len(elements) > 2 and elements[1].isalnum() else None
    return Reject(piece.line, esiid, None, "RECORD_TOO_LONG", f"over {LARGEST_RECORD:,} bytes without a new record")


def _why_none(line: bytes) -> str:
    """What has become of a row 00000001 that is none any more, as far as it can be seen; or nothing."""
    if _BY_SPREADSHEET.match(line):
        return "; a spreadsheet has rewritten its numbers (1 for 00000001): send the file as your system wrote it"
    return ""


def _one_by_one(text: bytes, line: int) -> list[LseRecord | Reject]:
    """What the records in *text* are: one, or several where quotes, CRs or other separators hid where they begin."""
    item = parse_record(text, line)
    if isinstance(item, LseRecord) or not _FORM.search(text.rstrip()):
        return [item]
    plain = _DOS_END.sub(b"", text.translate(_SEPARATORS).replace(b"\r", b"\n"))
    found: list[LseRecord | Reject] = []
    for record in _BEGINS.split(_QUOTED.sub(rb"\1", plain)):
        found.append(parse_record(record, line))
        line += record.count(b"\n")
    return found if any(isinstance(one, LseRecord) for one in found) else [item]


def _read_piece(piece: Piece) -> _Found:
    text = piece.text if piece.text.endswith(b"\n") else piece.text + b"\n"
    lines = Lines(text)
    starts = lines.starts()
    bounds = [*starts.tolist(), len(lines.begin)]
    others: list[LseRecord | Reject] = []
    if bounds[0]:
        before = text[: lines.place(bounds[0])].split(b"\n")
        strange = next((number for number, raw in enumerate(before) if raw.strip(b" \t\r,")), None)
        if strange is not None:
            reason = f"{bounds[0] - strange} lines before the first row 00000001{_why_none(before[strange])}"
            others.append(Reject(piece.line + strange, None, None, "NOT_A_RECORD", reason))
    together: list[Published] = []
    left = np.ones(len(starts), bool)
    if text.isascii() and b"\0" not in text:
        for indices, found in published(lines, starts, piece.line):
            together.append(found)
            left[indices] = False
    for index in np.flatnonzero(left).tolist():
        begin, end = bounds[index], bounds[index + 1]
        others += _one_by_one(text[lines.place(begin) : lines.place(end)], piece.line + begin)
    return _Found(together, others)
