"""The interval usage report as CSV, rendered from stored days at the speed of copying memory.

Two profiles (interfaces.md section 2; facts 4.1 and 4.3; requirements R2, R12, U9). Both have one row an interval, in
the order of the days given, `LF` line ends, usage in kWh with three decimals, and these columns:

`ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION_SURPLUSGENERATION`

`smt`
    What Smart Meter Texas emits: an apostrophe before the ESI ID, a space before each time. On the day daylight saving
    begins there are 96 rows, of which the four from 02:00 to 03:00 have empty usage and flag; on the day it ends there
    are 100, the second 01:00 hour after the first, and its first row is labelled 02:00 to 01:15.
`standard`
    No apostrophe, no space; a ninth column `INTERVAL_START_UTC` (`2026-11-01T06:00:00Z`); as many rows as the day has
    intervals (92, 96, 100), each labelled with the true local time at its start and at its end (so the last row before
    the spring change is 01:45 to 03:00).

In both, a missing interval keeps its row, with empty `USAGE_KWH` and empty `ESTIMATED_ACTUAL`: never a zero, and never
a row that silently is not there. `USAGE_DATE` is `MM/DD/YYYY`, `REVISION_DATE` is Central wall time
`MM/DD/YYYY HH:MM:SS`.

How it is fast: days of one shape (ESI ID length, channel, length of day) form a matrix of bytes, one line a row of it.
The fixed text is laid down by copying a template; `d.ddd,A,` is eight bytes looked up by the value itself. Days with a
value of 10 kWh or more or with a missing interval have lines of different lengths: they are laid out with NUL bytes
as padding, and these are then deleted. All arithmetic is on integers.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby, islice, pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

import numpy as np

from adapters.central_day import CENTRAL, INTERVAL, interval_starts_utc, intervals_in, midnight_utc
from adapters.deflate_code import Deflated
from adapters.interval_deflate import Form, coded_days
from adapters.kwh_text import DECIMALS, kwh_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    import numpy.typing as npt

Profile = Literal["standard", "smt"]

_COLUMNS: Final = b",".join(
    [
        b"ESIID",
        b"USAGE_DATE",
        b"REVISION_DATE",
        b"USAGE_START_TIME",
        b"USAGE_END_TIME",
        b"USAGE_KWH",
        b"ESTIMATED_ACTUAL",
        b"CONSUMPTION_SURPLUSGENERATION",
    ]
)
_WORD: Final = {4: b"Consumption", 1: b"Surplus Generation"}
_DAYS_AT_ONCE: Final = 64
"""About 0.5 MB of text: large enough to write, small enough to stay in the processor's cache."""
_WORTH_CODING: Final = 4
"""Days of one shape in a row: fewer are left to the compressor."""
_WIDEST_LINE: Final = 192
"""Bytes: an ESI ID of 64 characters, the long value cell, the longer word and the UTC column come to 170."""
_LARGEST_WH: Final = 2**31 - 1
_MISSING: Final = ord("M")
_ESTIMATED: Final = ord("E")


class DamagedDayError(ValueError):
    """A stored day is not a day: wrong number of intervals, a negative value or an unknown status. Check the store."""

    code: ClassVar[str] = "DAMAGED_DAY"


class IntervalDay(NamedTuple):
    """One operating day of one channel of one ESI ID, as stored. (A tuple: 155,000 of them are made for one order.)

    `channel` is 4 (consumption) or 1 (surplus generation); `revised` is the aware time of the load that brought this
    version; `values` are little-endian int32 Wh, one for each of the day's 92, 96 or 100 intervals; `statuses` is
    None when all are actual, else a letter an interval: `A` actual, `E` estimated, `M` missing (its value is ignored).
    """

    esiid: str
    channel: int
    day: date
    revised: datetime
    values: bytes
    statuses: bytes | None


class _Shape(NamedTuple):
    """What days must share to be laid out together; everything about their lines that does not depend on the day."""

    profile: Profile
    esiid_length: int
    channel: int
    intervals: int
    utc_hour: int  # of local midnight: 5 in summer, 6 in winter
    uniform: bool


class _Layout(NamedTuple):
    """Where in a line the parts go, and the lines of a day without them."""

    template: npt.NDArray[np.uint8]  # (lines, bytes a line)
    prefix: int  # bytes: ESI ID, usage date, revision date
    value: int  # offset of the value cell
    utc_date: int  # offset of the UTC date; 0 when the profile has none
    rollover: int  # the first line whose UTC date is the day after


def header(profile: Profile) -> bytes:
    """Return the header line of the profile, with its line end."""
    return _COLUMNS + (b",INTERVAL_START_UTC\n" if profile == "standard" else b"\n")


def render(days: Iterable[IntervalDay], profile: Profile) -> Iterator[bytes]:
    """Yield the lines of the days, in their order, in chunks of about 0.5 MB, without the header.

    Raises `DamagedDayError` at the first day that is not whole; what was yielded before it must then be thrown away.
    """
    rest = iter(days)
    room = np.empty(_DAYS_AT_ONCE * 100 * _WIDEST_LINE, np.uint8)
    while batch := list(islice(rest, _DAYS_AT_ONCE)):
        yield _render_batch(batch, list(_shapes(batch, profile)), room)


def render_deflated(days: Iterable[IntervalDay], profile: Profile) -> Iterator[bytes | Deflated]:
    """Yield the same text as `render`, most of it with the same in deflate, which is then made in passing.

    Where days of one shape follow each other, nothing needs to be searched for repetitions (`interval_deflate`).
    Raises `DamagedDayError` as `render` does.
    """
    rest = iter(days)
    room = np.empty(_DAYS_AT_ONCE * 100 * _WIDEST_LINE, np.uint8)
    while batch := list(islice(rest, _DAYS_AT_ONCE)):
        shapes = list(_shapes(batch, profile))
        done = 0
        for start, end in _alike(batch, shapes):
            if start > done:
                yield _render_batch(batch[done:start], shapes[done:start], room)
            yield from _deflated(batch[start:end], shapes[start], room)
            done = end
        if done < len(batch):
            yield _render_batch(batch[done:], shapes[done:], room)


def _alike(batch: Sequence[IntervalDay], shapes: Sequence[_Shape]) -> Iterator[tuple[int, int]]:
    """Yield where days of one shape that can be coded begin and end, if there are enough to be worth it."""
    start = 0
    keys = (shape if shape.uniform and day.esiid.isdigit() else None for day, shape in zip(batch, shapes, strict=True))
    for key, run in groupby(keys):
        end = start + sum(1 for _ in run)
        if key is not None and end - start >= _WORTH_CODING:
            yield start, end
        start = end


def _deflated(days: Sequence[IntervalDay], shape: _Shape, room: npt.NDArray[np.uint8]) -> Iterator[bytes | Deflated]:
    """Yield days of one shape: with their deflate but for those that have estimates, and the first."""
    matrix = _lay_out(days, shape, room)
    values = np.frombuffer(b"".join([day.values for day in days]), "<i4").reshape(-1, shape.intervals)
    coded = coded_days(_form(shape), matrix, values)
    start = 0
    for follows, run in groupby(_following(days)):
        end = start + sum(1 for _ in run)
        text = matrix[start:end].tobytes()
        yield Deflated(text, coded.block(start, end)) if follows and coded else text
        start = end


def _following(days: Sequence[IntervalDay]) -> Iterator[bool]:
    """Yield whether all of a day's values are actual, and so is the last one of the day before."""
    before = b"E"
    for day in days:
        letters = day.statuses or b"A"
        yield before == b"A" and not letters.strip(b"A")
        before = letters[-1:]


def _render_batch(batch: Sequence[IntervalDay], shapes: Sequence[_Shape], room: npt.NDArray[np.uint8]) -> bytes:
    groups: dict[_Shape, list[int]] = {}
    for index, key in enumerate(shapes):
        groups.setdefault(key, []).append(index)
    if len(groups) == 1:
        (shape,) = groups
        lines = _lay_out(batch, shape, room).tobytes()
        return lines if shape.uniform else lines.translate(None, b"\0")
    # Groups cut across the order of the days (two channels, say): lay each out whole, then put the days back in order.
    texts: list[bytes] = [b""] * len(batch)
    for shape, indices in groups.items():
        matrix = _lay_out([batch[index] for index in indices], shape, room)
        for index, lines_of_day in zip(indices, matrix, strict=True):
            text = lines_of_day.tobytes()
            texts[index] = text if shape.uniform else text.translate(None, b"\0")
    return b"".join(texts)


def _shapes(batch: Sequence[IntervalDay], profile: Profile) -> Iterator[_Shape]:
    """Yield the shape of each day, having checked that it is whole."""
    lengths = []
    for day in batch:
        length = intervals_in(day.day)
        lengths.append(length)
        if len(day.values) != 4 * length:
            raise DamagedDayError(
                f"{day.esiid} {day.day}: {len(day.values)} bytes of values; {length} intervals of 4 bytes expected"
            )
        if day.statuses is not None and (len(day.statuses) != length or day.statuses.translate(None, b"AEM")):
            raise DamagedDayError(f"{day.esiid} {day.day}: statuses are not {length} letters of A, E and M")
        if day.channel not in _WORD:
            raise DamagedDayError(f"{day.esiid} {day.day}: channel {day.channel}; 1 or 4 expected")
        if not (day.esiid.isalnum() and day.esiid.isascii() and len(day.esiid) <= 64):
            raise DamagedDayError(f"{day.day}: an ESI ID has 1 to 64 letters and digits")
    # Unsigned, so that a negative value is seen as too large.
    values = np.frombuffer(b"".join([day.values for day in batch]), "<u4")
    highest = np.maximum.reduceat(values, np.cumsum([0, *lengths[:-1]])).tolist()
    shapes: dict[tuple[int, int, int, int, bool], _Shape] = {}
    for day, length, high in zip(batch, lengths, highest, strict=True):
        if high > _LARGEST_WH:
            raise DamagedDayError(f"{day.esiid} {day.day}: a negative value")
        uniform = high < 10_000 and (day.statuses is None or _MISSING not in day.statuses)
        if length == 92 and profile == "smt":
            uniform = False
        key = (len(day.esiid), day.channel, length, midnight_utc(day.day).hour, uniform)
        yield shapes.get(key) or shapes.setdefault(key, _Shape(profile, *key))


def _lay_out(days: Sequence[IntervalDay], shape: _Shape, room: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the lines of days of one shape: (days, lines, bytes), with NUL padding when not uniform.

    They are laid out in `room`, which is used again for the next group: memory that is at hand need not be mapped.
    """
    layout = _layout(shape)
    lines, width = layout.template.shape
    matrix = room[: len(days) * lines * width].reshape(len(days), lines, width)
    matrix[:] = layout.template

    def cells(offset: int, size: int) -> npt.NDArray[Any]:
        """View the bytes at this offset of every line as one text cell: assigning to it is one copy a line."""
        return np.ndarray((len(days), lines), f"S{size}", room, offset, matrix.strides[:2])

    apostrophe = "'" if shape.profile == "smt" else ""
    prefixes = [f"{apostrophe}{day.esiid},{_us_date(day.day)},{_central_stamp(day.revised)}," for day in days]
    cells(0, layout.prefix)[:] = np.frombuffer("".join(prefixes).encode("ascii"), f"S{layout.prefix}")[:, np.newaxis]
    if layout.utc_date:
        touched = np.frombuffer(b"".join([_utc_dates(day.day) for day in days]), "S10").reshape(-1, 2, 1)
        dates = cells(layout.utc_date, 10)
        dates[:, : layout.rollover] = touched[:, 0]
        dates[:, layout.rollover :] = touched[:, 1]

    values = np.frombuffer(b"".join([day.values for day in days]), "<i4").reshape(len(days), shape.intervals)
    if shape.uniform:
        cells(layout.value, 8)[:] = _SHORT.take(_with_estimates(values, days))
    else:
        values, statuses = _with_gaps(values, days, shape)
        for index, part in enumerate(_long_cells(values, statuses)):
            cells(layout.value + 4 * index, 4)[:] = part
    return matrix


def _with_estimates(values: npt.NDArray[np.int32], days: Sequence[IntervalDay]) -> npt.NDArray[np.int32]:
    """Return the index of each value in the table of short cells: estimated values stand 10,000 higher."""
    if all(day.statuses is None for day in days):
        return values
    values = values.copy()
    for row, day in zip(values, days, strict=True):
        if day.statuses is not None:
            row[np.frombuffer(day.statuses, np.uint8) == _ESTIMATED] += 10_000
    return values


def _with_gaps(
    values: npt.NDArray[np.int32], days: Sequence[IntervalDay], shape: _Shape
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Return values and statuses a line, with the four lines that only the `smt` profile has in spring as missing."""
    actual = b"A" * shape.intervals
    letters = b"".join([actual if day.statuses is None else day.statuses for day in days])
    statuses = np.frombuffer(letters, np.uint8).reshape(values.shape)
    if shape.profile == "smt" and shape.intervals == 92:
        return np.insert(values, [8] * 4, 0, axis=1), np.insert(statuses, [8] * 4, _MISSING, axis=1)
    return values, statuses


def _long_cells(values: npt.NDArray[np.int32], statuses: npt.NDArray[np.uint8]) -> list[npt.NDArray[Any]]:
    """Return the parts of the value cell, at most four: ten-thousands of kWh, kWh, decimals, flag; four bytes each."""
    missing = statuses == _MISSING
    flag = np.where(missing, b",,", np.where(statuses == _ESTIMATED, b",E,", b",A,")).astype("S4")
    return [*kwh_parts(values, missing, DECIMALS), flag]


_EXAMPLE_DAY: Final = {
    (96, 6): date(2026, 1, 15),
    (96, 5): date(2026, 7, 15),
    (92, 6): date(2026, 3, 8),
    (100, 5): date(2026, 11, 1),
}
"""A day for each number of intervals and UTC hour of local midnight that US law has had since 1967."""
_SHORT: Final = np.array([f"{wh // 1000}.{wh % 1000:03},{flag}," for flag in "AE" for wh in range(10_000)], "S8")


@lru_cache(maxsize=256)
def _form(shape: _Shape) -> Form:
    """Where the parts of the shape's lines stand, for `interval_deflate`."""
    layout = _layout(shape)
    lines, width = layout.template.shape
    apostrophe = "'" if shape.profile == "smt" else ""
    return Form(
        lines=lines,
        width=width,
        prefix=layout.prefix,
        value=layout.value,
        date=layout.utc_date,
        rollover=layout.rollover,
        prefix_form=f"{apostrophe}{'0' * shape.esiid_length},00/00/0000,00/00/0000 00:00:00,",
        date_form="0000-00-00",
    )


@lru_cache(maxsize=256)
def _layout(shape: _Shape) -> _Layout:
    """Return the layout of the shape, made from an example day: every day of the shape has the same times."""
    starts = interval_starts_utc(_EXAMPLE_DAY[shape.intervals, shape.utc_hour])
    smt = shape.profile == "smt"
    prefix = (1 if smt else 0) + shape.esiid_length + len(",MM/DD/YYYY,MM/DD/YYYY HH:MM:SS,")
    times = _smt_times(shape.intervals) if smt else _true_times(starts)
    space = " " if smt else ""
    cell = "\0" * (8 if shape.uniform else 16)
    word = _WORD[shape.channel].decode()
    utc = ["" if smt else f",YYYY-MM-DD{start:T%H:%M:%SZ}" for start in starts]
    if len(utc) < len(times):
        utc = [""] * len(times)  # the four lines more of `smt` in spring
    lines = [
        f"{'-' * prefix}{space}{start},{space}{end},{cell}{word}{instant}\n"
        for (start, end), instant in zip(times, utc, strict=True)
    ]
    template = np.frombuffer("".join(lines).encode("ascii"), np.uint8).reshape(len(lines), -1)
    value = prefix + len("HH:MM,HH:MM,") + 2 * len(space)
    utc_date = 0 if smt else value + len(cell) + len(word) + 1
    rollover = sum(start.date() == starts[0].date() for start in starts)
    return _Layout(template, prefix, value, utc_date, rollover)


def _smt_times(intervals: int) -> list[tuple[str, str]]:
    """Return start and end as Smart Meter Texas labels them (facts 4.3): 96 lines in spring, an odd label in autumn."""
    marks = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(0, 24 * 60, 15)]
    times = list(zip(marks, [*marks[1:], marks[0]], strict=True))
    if intervals == 100:
        times[8:8] = [("02:00", "01:15"), *times[5:8]]
    return times


def _true_times(starts: tuple[datetime, ...]) -> list[tuple[str, str]]:
    """Return start and end of each interval as local wall time."""
    marks = [f"{instant.astimezone(CENTRAL):%H:%M}" for instant in [*starts, starts[-1] + INTERVAL]]
    return list(pairwise(marks))


@lru_cache(maxsize=8192)
def _us_date(day: date) -> str:
    return f"{day.month:02}/{day.day:02}/{day.year:04}"


@lru_cache(maxsize=8192)
def _utc_dates(day: date) -> bytes:
    """Return the two UTC dates that an operating day touches, its own and the next, as 20 characters."""
    return f"{day}{day + timedelta(days=1)}".encode("ascii")


@lru_cache(maxsize=8192)
def _central_stamp(instant: datetime) -> str:
    if instant.tzinfo is None:
        raise DamagedDayError("a revision time without a time zone")
    local = instant.astimezone(CENTRAL)
    return f"{_us_date(local.date())} {local:%H:%M:%S}"
