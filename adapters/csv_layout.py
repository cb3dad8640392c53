"""CSV files of a declared layout: a header with the columns in any order, a row a line, each good or with its reason.

What is common to all of a TDSP's files is said in `adapters.market_csv`; here is how any of them is read.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Column",
    "HeaderError",
    "Layout",
    "MarketCsvError",
    "RowReject",
    "calendar_day",
    "decimal",
    "duns_text",
    "esiid_text",
    "matching",
    "names_of",
    "one_of",
    "positions_of",
    "printable",
    "read",
    "separator_of",
    "yes_no",
]

_LONGEST_LINE: Final = 16 * 1024
"""Bytes. The longest row of these layouts has under 1,000."""


#: Line ends, also where the FTP client added a CR, and the Ctrl-Z with which DOS ends a text.
_LINE_END: Final = b"\r\n\x1a"
#: Bytes beyond ASCII that are no letters in Latin-1.
_NO_LETTER: Final = re.compile(rb"[\x80-\xbf\xd7\xf7]")
_POWER_OF_TEN: Final = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]{1,3}", re.ASCII | re.IGNORECASE)
_LOCAL_DATE: Final = re.compile(r"[0-9]{1,2}([/.-])[0-9]{1,2}\1(?:[0-9]{2}){1,2}(?: .*)?", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)+", re.ASCII)


class MarketCsvError(ValueError):
    """The file as a whole cannot be read. Correct its first line, or its encoding, and send it again."""

    code: ClassVar[str] = "MARKET_CSV"


class HeaderError(MarketCsvError):
    """The first line does not name the columns of this layout. See the layout for what it must and may name."""

    code: ClassVar[str] = "MARKET_CSV_HEADER"


@dataclass(frozen=True, slots=True)
class RowReject:
    """A row that cannot be taken; the others can.

    `line` is counted from 1, the header being line 1. `code` is `ROW_LENGTH`, `ROW_TEXT` (not UTF-8, a broken quote,
    too long), `MISSING_VALUE`, `BAD_VALUE` or `DATE_ORDER`; `column` is the column at fault where there is one.
    """

    line: int
    esiid: str | None
    column: str | None
    code: str
    reason: str


RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a `Layout`: its name in the header, how its text becomes a value, and whether a row must have it."""

    name: str
    read: Callable[[str], Any]
    needed: bool = True
    #: True where it has no field of its own in the row but is one of its ``attributes``.
    attribute: bool = False


@dataclass(frozen=True, slots=True)
class Layout(Generic[RowT]):
    """A kind of file: its columns in the order of the fields of its row, and pairs of dates that must be in order."""

    name: str
    row: Callable[..., RowT]
    columns: tuple[Column, ...]
    in_order: tuple[tuple[str, str], ...] = ()


def matching(pattern: str, expected: str) -> Callable[[str], str]:
    """Read text that the *pattern* matches whole; *expected* says it in words."""
    compiled = re.compile(pattern, re.ASCII)

    def read_text(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"{expected} expected")
        return text

    return read_text


def printable(longest: int) -> Callable[[str], str]:
    """Read up to *longest* printable characters."""

    def read_text(text: str) -> str:
        if len(text) > longest or not text.isprintable():
            raise ValueError(f"at most {longest} printable characters expected")
        return text

    return read_text


def one_of(*words: str) -> Callable[[str], str]:
    """Read one of these words."""

    def read_word(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)} expected")
        return text

    return read_word


_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def calendar_day(text: str) -> date:
    """Read ``YYYY-MM-DD``. Raises ValueError."""
    if not _DATE.fullmatch(text):
        raise ValueError("YYYY-MM-DD expected")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("no such day in the calendar") from None


esiid_text = matching(r"[A-Za-z0-9]{1,64}", "1 to 64 letters and digits")
duns_text = matching(r"[0-9]{9}(?:[0-9]{4})?", "9 or 13 digits")
decimal = matching(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", "a decimal number")
yes_no = one_of("Y", "N")


def read(stream: BinaryIO, layout: Layout[RowT]) -> Iterator[RowT | RowReject]:
    """Yield what each row of the file is, in its order: a row of the layout, or a `RowReject` that says why not.

    Reads as a stream, a row a line: no value holds a line end. Blank lines, lines of separators alone, empty cells
    after the last column and a Ctrl-Z at the end are nothing. Where the header has semicolons or tabs, so have the
    rows. Raises `HeaderError` when the first line does not name the columns of the layout, `MarketCsvError` when it is
    not text; errors of the stream pass through.
    """
    first = stream.readline(_LONGEST_LINE + 1)
    try:
        header = first.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        raise MarketCsvError("line 1: not UTF-8; save the file as CSV UTF-8") from None
    separator = separator_of(header)
    names = names_of(header)
    places = positions_of(names, layout)
    line = 1
    while raw := stream.readline(_LONGEST_LINE + 1):
        line += 1
        if len(raw) > _LONGEST_LINE:
            _finish_line(stream, raw)
            yield RowReject(line, None, None, "ROW_TEXT", f"a line of over {_LONGEST_LINE:,} bytes")
        elif (raw := raw.rstrip(_LINE_END)).strip():
            taken = _row(raw, line, layout, places, len(names), separator)
            if taken is not None:
                yield taken


def _decoded(raw: bytes) -> str | None:
    """The text of a row: UTF-8, or Latin-1 where all its other bytes are letters of it; None: neither."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        # Mac Roman and the DOS code pages have their common letters below 0xC0
        return raw.decode("latin-1") if not _NO_LETTER.search(raw) else None


def _by_spreadsheet(text: str) -> str:
    """Say what a spreadsheet does to a value, where one seems to have done it; or nothing."""
    if _POWER_OF_TEN.fullmatch(text):
        return "; a spreadsheet has rounded this number: set the column to Text before you open or paste the file"
    if _LOCAL_DATE.fullmatch(text):
        return "; a spreadsheet has rewritten this date: set the column to Text before you open or paste the file"
    if _DECIMAL_COMMA.fullmatch(text):
        return "; a decimal point and no other sign between digits"
    return ""


def _finish_line(stream: BinaryIO, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = stream.readline(_LONGEST_LINE)


def separator_of(header: str) -> str:
    """What separates the cells: a comma, or the semicolon or tab that a header without a comma has."""
    return next((sign for sign in ",;\t" if sign in header), ",")


def names_of(header: str) -> list[str]:
    """The names in a header line. Raises `HeaderError`."""
    try:
        cells = next(csv.reader([header.rstrip("\r\n\x1a")], strict=True, delimiter=separator_of(header)), [])
    except csv.Error as error:
        raise HeaderError(f"line 1: {error}") from None
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def positions_of(names: list[str], layout: Layout[Any]) -> list[int | None]:
    """Return where each column of the layout stands in a row; None for an optional one that is not there.

    Raises `HeaderError` when the names are not those of the layout.
    """
    known = {column.name for column in layout.columns}
    lacking = [column.name for column in layout.columns if column.needed and column.name not in names]
    strange = [name for name in names if name not in known]
    twice = sorted({name for name in names if names.count(name) > 1 and name in known})
    if lacking or strange or twice:
        faults = [
            f"{what}: {', '.join(repr(name[:40]) for name in some[:10])}"
            for what, some in (("missing", lacking), ("not known", strange), ("twice", twice))
            if some
        ]
        raise HeaderError(f"line 1, columns of a {layout.name} file: {'; '.join(faults)}")
    return [names.index(column.name) if column.name in names else None for column in layout.columns]


def _row(
    raw: bytes, line: int, layout: Layout[RowT], places: list[int | None], width: int, separator: str
) -> RowT | RowReject | None:
    """What a row is; None where all its cells are empty."""
    text = _decoded(raw)
    if text is None:
        return RowReject(line, None, None, "ROW_TEXT", "not UTF-8; save the file as CSV UTF-8")
    try:
        (cells,) = csv.reader([text], strict=True, delimiter=separator)
    except (csv.Error, ValueError) as error:
        return RowReject(line, None, None, "ROW_TEXT", str(error))
    cells = [cell.strip() for cell in cells]
    esiid: str | None = None
    if len(cells) != width:
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if not any(cells):
            return None
        if len(cells) != width:
            return RowReject(line, None, None, "ROW_LENGTH", f"{len(cells)} values; the header has {width} columns")
    values: dict[str, Any] = {}
    for column, place in zip(layout.columns, places, strict=True):
        text = cells[place] if place is not None else ""
        if not text and column.needed:
            if not any(cells):
                return None
            return RowReject(line, esiid, column.name, "MISSING_VALUE", f"{column.name} is empty")
        try:
            values[column.name] = column.read(text) if text else None
        except ValueError as error:
            # What was presented is not repeated for text columns: it may be somebody's address.
            return RowReject(line, esiid, column.name, "BAD_VALUE", f"{column.name}: {error}{_by_spreadsheet(text)}")
        esiid = values["ESIID"]
    for earlier, later in layout.in_order:
        begin, end = values[earlier], values[later]
        if begin is not None and end is not None and end < begin:
            return RowReject(line, esiid, later, "DATE_ORDER", f"{later} {end} is before {earlier} {begin}")
    attributes = {}
    for column in layout.columns:
        if column.attribute and (value := values.pop(column.name)) is not None:
            attributes[column.name.lower()] = str(value)
    return layout.row(line, *values.values(), **({"attributes": attributes} if attributes else {}))
