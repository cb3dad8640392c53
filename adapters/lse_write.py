"""Writing an LSE file: all header rows, all commas, as the market publishes the format (facts section 5; R2, R8).

Values are written with as many decimals as they need (`68.29`, `358.5`, `12`), as in the published example; a missing
interval is an empty value with an empty status, never a zero.

How it is fast: records with the same number of intervals form a matrix of bytes, one record a row of it: its header
rows, then its detail rows, laid down from a template. `9.999,A,` is eight bytes looked up by the value itself. What
is shorter than its place is padded with NUL bytes, and these are deleted at the end. All arithmetic is on integers.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Final, NamedTuple

import numpy as np

from adapters.central_day import CENTRAL, intervals_in
from adapters.kwh_text import TRIMMED, kwh_parts
from adapters.lse import GENERATION, LOAD, MAX_RECORDS, LseRecord, TooManyRecordsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date, datetime
    from decimal import Decimal

    import numpy.typing as npt

    from adapters.interval_csv import IntervalDay

_RECORDS_AT_ONCE: Final = 128
"""About 200 kB of text: stays in the processor's cache."""
_MISSING: Final = ord("M")
_ESTIMATED: Final = ord("E")
_UNSAFE: Final = frozenset(",\n\r\0")
_SHORT_WH: Final = 10_000
"""Values below it are looked up whole."""
_SHORT: Final = np.array(
    [
        f"{wh // 1000}.{wh % 1000:03}".rstrip("0").rstrip(".") + f",{letter},"
        for letter in "AE"
        for wh in range(_SHORT_WH)
    ]
    + [",,"],
    "S8",
).view(np.uint64)
"""By the value in Wh, that of an estimated one 10,000 higher; the last is for a missing one. The comma that ends every
interval is in the template."""
_MISSING_PLACE: Final = 2 * _SHORT_WH


class UnwritableRecordError(ValueError):
    """A record cannot be written as LSE: wrong number of intervals, a negative value, or text that breaks a row."""

    code: ClassVar[str] = "UNWRITABLE_RECORD"


class Companies(NamedTuple):
    """Row thirty: DUNS numbers, None where nobody is named."""

    mre: str | None
    sender: str | None
    receiver: str | None
    rep: str | None


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
        for _, alike in groupby(batch, key=lambda record: len(record.values)):
            some = list(alike)
            for record in some:
                _check(record)
            values = np.stack([record.values for record in some])
            stream.write(_lay_out([_header(record) for record in some], values, [one.statuses for one in some]))
    return count


def render(days: Iterable[IntervalDay], named: Callable[[str, date], Companies]) -> Iterator[bytes]:
    """Yield the records of stored days, in their order, in chunks that end where a record ends.

    *named* says which companies the record of an ESI ID and day names. Transaction id and time of creation are those of
    the version (the time its load finished): they are the same in every file that holds it. Register readings are left
    out. Raises `UnwritableRecordError` at the first day that is not whole; what was yielded must then be thrown away.
    """
    rest = iter(days)
    around: _Around = {}
    while batch := list(islice(rest, _RECORDS_AT_ONCE)):
        texts = []
        for _, alike in groupby(batch, key=lambda day: len(day.values)):
            some = list(alike)
            headers = [_stored_header(day, named, around) for day in some]
            values = np.frombuffer(b"".join([day.values for day in some]), "<i4").reshape(len(some), -1)
            texts.append(_lay_out(headers, values, [day.statuses for day in some]))
        yield texts[0] if len(texts) == 1 else b"".join(texts)


def _lay_out(headers: Sequence[str], values: npt.NDArray[np.int32], statuses: Sequence[bytes | None]) -> bytes:
    """Return the text of records with the same number of intervals: *headers*, Wh and statuses, one each a record."""
    if values.min() < 0:
        raise UnwritableRecordError("a negative value")
    letters: npt.NDArray[np.uint8] | None = None
    if any(one is not None for one in statuses):
        actual = b"A" * values.shape[1]
        joined = b"".join([actual if one is None else one for one in statuses])
        letters = np.frombuffer(joined, np.uint8).reshape(values.shape)
    short = values.max(axis=1) < _SHORT_WH
    if short.all():
        return _matrix(headers, values, letters, _short_cells).tobytes().translate(None, b"\0")
    # A large customer's records have wider cells: laid out by themselves, then put back in their order.
    texts = [b""] * len(headers)
    for cells, of_them in ((_short_cells, short), (_long_cells, ~short)):
        places = np.flatnonzero(of_them)
        if not len(places):
            continue
        some = [headers[place] for place in places.tolist()]
        rows = _matrix(some, values[places], None if letters is None else letters[places], cells)
        for place, row in zip(places.tolist(), rows, strict=True):
            texts[place] = row.tobytes().translate(None, b"\0")
    return b"".join(texts)


def _matrix(
    headers: Sequence[str],
    values: npt.NDArray[np.int32],
    letters: npt.NDArray[np.uint8] | None,
    cells: Callable[[npt.NDArray[np.int32], npt.NDArray[np.uint8] | None], list[npt.NDArray[Any]]],
) -> npt.NDArray[np.uint8]:
    """Lay out records, a row each: header, padded, and detail rows with the cells that *cells* makes."""
    parts = cells(values, letters)
    size = sum(part.itemsize for part in parts) + 1
    count, intervals = values.shape
    head = max(map(len, headers))
    template = _template(intervals, size)
    matrix = np.empty((count, head + len(template)), np.uint8)
    padded = "".join([header.ljust(head, "\0") for header in headers]).encode("ascii")
    matrix[:, :head] = np.frombuffer(padded, np.uint8).reshape(count, head)
    matrix[:, head:] = template
    rows = intervals // 4
    strides = (matrix.strides[0], len(template) // rows, size)
    at = head + _SORT_CODE
    for part in parts:
        there: npt.NDArray[Any] = np.ndarray((count, rows, 4), part.dtype, matrix, at, strides)
        there[:] = part.reshape(count, rows, 4)
        at += part.itemsize
    return matrix


_SORT_CODE: Final = len("10000000,")


@lru_cache(maxsize=64)
def _template(intervals: int, size: int) -> npt.NDArray[np.uint8]:
    """Detail rows without values: four cells of *size* bytes each, of which the last is the comma that ends it."""
    cell = "\0" * (size - 1) + ","
    lines = "".join(f"{10_000_000 + row}," + 4 * cell + "\n" for row in range(intervals // 4))
    return np.frombuffer(lines.encode("ascii"), np.uint8)


def _short_cells(values: npt.NDArray[np.int32], letters: npt.NDArray[np.uint8] | None) -> list[npt.NDArray[Any]]:
    """Value and status of values below 10 kWh: one part."""
    if letters is not None:
        values = np.where(letters == _ESTIMATED, values + _SHORT_WH, values)
        values[letters == _MISSING] = _MISSING_PLACE
    return [_SHORT.take(values)]


def _long_cells(values: npt.NDArray[np.int32], letters: npt.NDArray[np.uint8] | None) -> list[npt.NDArray[Any]]:
    """Value and status of any values: ten-thousands of kWh if there are any, kWh, decimals, status."""
    if letters is None:
        return [*kwh_parts(values, None, TRIMMED), np.full(values.shape, b",A,", "S4")]
    missing = letters == _MISSING
    flag = np.where(missing, b",,", np.where(letters == _ESTIMATED, b",E,", b",A,")).astype("S4")
    return [*kwh_parts(values, missing, TRIMMED), flag]


def _check(record: LseRecord) -> None:
    _check_day(record.esiid, record.channel, record.day, len(record.values), record.statuses)
    _check_texts(record.esiid, record.transaction_id, record.origin, *_companies(record))


def _check_day(esiid: str, channel: int, day: date, intervals: int, statuses: bytes | None) -> None:
    expected = intervals_in(day)
    if intervals != expected:
        raise UnwritableRecordError(f"{esiid} {day}: {intervals} intervals, not {expected}")
    if statuses is not None and (len(statuses) != expected or statuses.translate(None, b"AEM")):
        raise UnwritableRecordError(f"{esiid} {day}: statuses are not {expected} letters of A, E and M")
    if channel not in (GENERATION, LOAD):
        raise UnwritableRecordError(f"{esiid} {day}: channel {channel}, not 1 or 4")


def _check_texts(esiid: str, *texts: str | None) -> None:
    for text in (esiid, *texts):
        if text and (not text.isascii() or not _UNSAFE.isdisjoint(text)):
            raise UnwritableRecordError(f"{esiid[:64]!r}: text that would break a row")


def _companies(record: LseRecord) -> Companies:
    return Companies(record.mre, record.sender, record.receiver, record.rep)


def _pairs(companies: Companies) -> str:
    mre, sender, receiver, rep = (name or "" for name in companies)
    return f"MRE={mre},Sender={sender},Receiver={receiver},REP={rep}"


def _header(record: LseRecord) -> str:
    created = record.created.strftime("%Y%m%d%H%M%S") if record.created else ""
    return _rows(
        record.esiid,
        record.channel,
        _compact(record.day),
        f"{_reading(record.start_reading)},{_reading(record.stop_reading)}",
        record.transaction_id,
        f"{created},{record.origin}",
        _pairs(_companies(record)),
    )


def _stored_header(day: IntervalDay, named: Callable[[str, date], Companies], around: _Around) -> str:
    esiid, channel, on, revised, values, statuses = day
    if statuses is not None:
        _check_day(esiid, channel, on, len(values) // 4, statuses)
    if not (esiid.isascii() and esiid.isalnum()):
        raise UnwritableRecordError(f"{esiid[:64]!r}: an ESI ID has letters and digits")
    companies = named(esiid, on)
    key = (channel, on, revised, len(values), companies)
    before, after = around.get(key) or around.setdefault(key, _stored_around(day, companies))
    return f"00000001,{esiid}{before}{esiid}{after}"


#: What stands between and after the two ESI IDs of a header: of days alike in all but their ESI ID and values.
_Around = dict[tuple[int, "date", "datetime", int, Companies], tuple[str, str]]


def _stored_around(day: IntervalDay, companies: Companies) -> tuple[str, str]:
    intervals, odd = divmod(len(day.values), 4)
    _check_day(day.esiid, day.channel, day.day, 0 if odd else intervals, None)
    _check_texts(day.esiid, *companies)
    mark, on, created = "\0", _compact(day.day), f"{day.revised.astimezone(CENTRAL):%Y%m%d%H%M%S}"
    transaction = f"{mark}{day.channel}{on}{created}"
    whole = _rows(mark, day.channel, on, ",", transaction, f"{created},M", _pairs(companies))
    _, before, after = whole.split(mark)
    return before, after


def _rows(esiid: str, channel: int, day: str, readings: str, transaction: str, created: str, pairs: str) -> str:
    """The five header rows."""
    return (
        f"00000001,{esiid},{channel},{day}000000,{day}235900,Y,N\n"
        f"00000002,{readings},0,,0,,900,01,1,-1,0.0,0.0,CST\n"
        f"00000003,{transaction}\n"
        f"00000004,{created}\n"
        f"00000030,ATTRIBUTE_VALUE_PAIRS,{pairs}\n"
    )


def _reading(kwh: Decimal | None) -> str:
    return "" if kwh is None else f"{kwh:f}"


@lru_cache(maxsize=8192)
def _compact(day: date) -> str:
    return day.isoformat().replace("-", "")
