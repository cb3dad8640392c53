"""The records of a piece that are exactly as published, read together; every other one is left to `lse_record`.

Most of a header repeats from record to record. Of each of its parts — row one after the ESI ID, row two after the
readings, row four, row thirty — the different texts of a piece are found as arrays of words, and each is judged once.
What the parts mean is said by the functions of `lse_record`; both ways must agree on every record that both can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from adapters.central_day import intervals_in
from adapters.lse import LseRecord
from adapters.lse_columns import NOT_GIVEN, LseDays, reading_wh
from adapters.lse_lines import Lines, Places, Words, word
from adapters.lse_record import CENTRAL_NAMES, attributes, creation_time, operating_day, register_reading
from adapters.lse_values import Block, numbers, thousandths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime

__all__ = ["Published", "published"]

_CODES: Final = np.array(
    [word(f"{n:08}") for n in (1, 2, 3, 4, 30)] + [word(f"{10_000_000 + n}") for n in range(25)], np.uint64
)
_ELEMENTS: Final = np.array([7, 14, 2, 3, 0] + [14] * 25)
"""Elements of each row of a record as published; row thirty may have any number."""
_ALPHANUMERIC: Final = np.array([chr(byte).isalnum() and byte < 0x80 for byte in range(256)]) | (np.arange(256) == 0)
_LONGEST_ESIID: Final = 64
#: Multipliers that tell texts apart by one sum; two that it does not tell apart are found by comparing them.
_MIX: Final = 0x9E3779B97F4A7C15
#: Characters of a reading that is read as two words; one more might not fit into 64 bits as Wh.
_TWO_WORDS: Final = 15


class _Part(NamedTuple):
    """One part of the header of each record: the facts that its different texts state, and which one is whose."""

    facts: list[Any]  # None: not as published
    which: Places
    good: npt.NDArray[np.bool_]

    def of(self, rows: Any) -> _Part:
        return _Part(self.facts, self.which[rows], self.good[rows])

    def column(self, kind: npt.DTypeLike, element: int) -> npt.NDArray[Any]:
        """One element of the facts, a row a record. All must be good."""
        values = np.empty(len(self.facts), kind)
        for place, fact in enumerate(self.facts):
            if fact is not None:
                values[place] = fact[element]
        return values[self.which]


@dataclass(frozen=True, eq=False, slots=True)
class Published:
    """Records as published with the same number of intervals, in the order of the piece; a row each."""

    lines: Lines
    #: Of the piece in the file, counted from 1.
    first_line: int
    #: The lines in the piece of their rows one.
    rows: Places
    esiid: Words
    day: _Part
    creation: _Part
    companies: _Part
    start_wh: npt.NDArray[np.int64]
    stop_wh: npt.NDArray[np.int64]
    values: npt.NDArray[np.int32]
    letters: npt.NDArray[np.uint8]
    actual: npt.NDArray[np.bool_]
    rounded: dict[int, tuple[int, ...]]

    def days(self) -> LseDays:
        """The records as columns."""
        return LseDays(
            line=self.rows + self.first_line,
            esiid=np.ascontiguousarray(self.esiid).view(f"S{8 * self.esiid.shape[1]}").ravel(),
            channel=self.day.column(np.int16, 0),
            day=self.day.column("datetime64[D]", 1),
            values=self.values,
            letters=self.letters,
            actual=self.actual,
            start_wh=self.start_wh,
            stop_wh=self.stop_wh,
            mre=self.companies.column(object, 0),
            sender=self.companies.column(object, 1),
            rounded=self.rounded,
        )

    def records(self) -> Iterator[LseRecord]:
        """The records one by one."""
        lines, stops = self.lines, self.lines.stops
        for n, row in enumerate(self.rows.tolist()):
            first, second, third = (lines.first_stop[row + number] for number in range(3))
            channel, day, _ = self.day.facts[self.day.which[n]]
            created, origin = self.creation.facts[self.creation.which[n]]
            companies: Any = self.companies.facts[self.companies.which[n]]
            yield LseRecord(
                self.first_line + row,
                lines.slice(stops[first] + 1, stops[first + 1]),
                channel,
                day,
                self.values[n],
                None if self.actual[n] else self.letters[n].tobytes(),
                register_reading(lines.slice(stops[second] + 1, stops[second + 1])),
                register_reading(lines.slice(stops[second + 1] + 1, stops[second + 2])),
                lines.slice(stops[third] + 1, stops[third + 1]).strip(),
                created,
                origin,
                *(*companies, self.rounded.get(n, ())),
            )


def published(lines: Lines, starts: Places, first_line: int) -> Iterator[tuple[Places, Published]]:
    """Yield the records that are exactly as published, with their indices in *starts*, by number of intervals.

    *starts* are the lines that begin a record. The text must be ASCII without NULs.
    """
    sizes = np.diff(starts, append=len(lines.begin))
    for details in (24, 23, 25):
        rows = details + 5
        indices = np.flatnonzero(sizes == rows)
        if not len(indices):
            continue
        elements = sliding_window_view(lines.elements, rows)[starts[indices]]
        elements[:, 4] = 0
        codes = sliding_window_view(lines.codes, rows)[starts[indices]]
        indices = indices[((codes == _CODES[:rows]) & (elements == _ELEMENTS[:rows])).all(axis=1)]
        if not len(indices):
            continue
        block = numbers(lines, lines.first_stop[starts[indices] + 5], details)
        good, found = _with_headers(lines, starts[indices], block, first_line)
        if len(found.rows):
            yield indices[good], found


def _with_headers(lines: Lines, rows: Places, block: Block, first_line: int) -> tuple[npt.NDArray[np.bool_], Published]:
    """Read the five header rows of records; return which records are as published, and those."""
    stops = lines.stops
    first, second, fourth = (lines.first_stop[rows + number] for number in (0, 1, 3))
    begin, end = stops[first] + 1, stops[first + 1]
    esiid = lines.words_of(begin, np.minimum(end, begin + _LONGEST_ESIID + 1))
    good = block.good & (end > begin) & (end - begin <= _LONGEST_ESIID)
    good &= _ALPHANUMERIC[esiid.view(np.uint8)].all(axis=1)
    day = _part(lines, end, stops[first + 6], lambda text: _day_part(text, block.values.shape[1]))
    meter = _part(lines, stops[second + 2], stops[second + 13], _meter_part)
    creation = _part(lines, stops[fourth], stops[fourth + 2], _creation_part)
    companies = _part(lines, lines.begin[rows + 4], lines.begin[rows + 5] - 1, _companies_part)
    for part in (day, meter, creation, companies):
        good &= part.good
    start_wh, stop_wh = (_readings(lines, stops[second + n], stops[second + n + 1], good) for n in (0, 1))
    place = np.cumsum(good) - 1
    rounded = {int(place[row]): where for row, where in block.rounded.items() if good[row]}
    keep: Any = slice(None) if good.all() else good
    values = block.values[keep]
    values.flags.writeable = False
    return good, Published(
        lines,
        first_line,
        rows[keep],
        esiid[keep],
        day.of(keep),
        creation.of(keep),
        companies.of(keep),
        start_wh[keep],
        stop_wh[keep],
        values,
        block.letters[keep],
        block.actual[keep],
        rounded,
    )


def _part(lines: Lines, begin: Places, end: Places, judge: Callable[[str], Any]) -> _Part:
    """Judge each different text between these places once."""
    words = lines.words_of(begin, end)
    alike = (words == words[0]).all(axis=1)
    if alike.all():
        first, which = np.zeros(1, np.intp), np.zeros(len(words), np.intp)
    else:
        columns = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint64) * np.uint64(_MIX)
        _, first, which = np.unique(
            (words * columns).sum(axis=1, dtype=np.uint64), return_index=True, return_inverse=True
        )
        alike = (words == words[first[which]]).all(axis=1)
    facts = [judge(lines.slice(a, b)) for a, b in zip(begin[first].tolist(), end[first].tolist(), strict=True)]
    return _Part(facts, which, np.array([fact is not None for fact in facts])[which] & alike)


def _readings(lines: Lines, before: Places, end: Places, good: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Read the register readings between stops, in Wh; a record is no longer *good* where that is not a number."""
    width = end - before - 1
    if not width.any():
        return np.full(len(width), NOT_GIVEN, np.int64)
    last = thousandths(lines, end, np.minimum(width, 8))
    found = last.number.astype(np.int64)
    understood = last.understood
    long = np.flatnonzero((width > 8) & (width <= _TWO_WORDS) & understood)
    if len(long):
        # the last eight characters hold the point; those before it are whole kWh
        lead = thousandths(lines, end[long] - 8, width[long] - 8)
        digits = np.where(last.decimals[long] > 0, 7 - last.decimals[long], 8)
        found[long] += lead.number.astype(np.int64) * 10 ** digits.astype(np.int64)
        understood[long] &= lead.understood & (lead.decimals == 0)
    hard = ~understood | (width > _TWO_WORDS)
    if last.inexact is not None:
        hard |= last.inexact
    for n in np.flatnonzero(hard).tolist():
        try:
            reading = register_reading(lines.slice(before[n] + 1, end[n]))
        except ValueError:
            good[n] = False
        else:
            found[n] = reading_wh(reading)
    found[width == 0] = NOT_GIVEN
    return found


@lru_cache(maxsize=4096)
def _day_part(part: str, intervals: int) -> tuple[int, date, int] | None:
    """Return channel, day and intervals of row one after the ESI ID; None where the day has another number of them."""
    _, channel, start, stop, local, invalid = part.split(",")
    day = operating_day(start, stop)
    if day is None or intervals_in(day) != intervals or channel not in ("1", "4") or (local, invalid) != ("Y", "N"):
        return None
    return int(channel), day, intervals


@lru_cache(maxsize=4096)
def _meter_part(part: str) -> bool | None:
    """Return True where row two, after the readings, has quarter hours of kWh in Central time."""
    _, _, _, _, _, seconds, unit, _, _, _, _, zone = part.split(",")
    return True if seconds == "900" and unit == "01" and zone in CENTRAL_NAMES else None


@lru_cache(maxsize=4096)
def _creation_part(part: str) -> tuple[datetime | None, str] | None:
    """Return time and origin of row four."""
    _, stamp, origin = part.split(",")
    try:
        return (creation_time(stamp), origin) if len(origin) == 1 and origin.isalpha() else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _companies_part(row: str) -> tuple[str | None, str | None, str | None, str | None]:
    """Return MRE, sender, receiver and REP of row thirty."""
    pairs = attributes(row.split(",")[2:])
    return pairs.get("mre"), pairs.get("sender"), pairs.get("receiver"), pairs.get("rep")
