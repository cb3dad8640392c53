"""Rows of the store as of a load number, in the order of the slices asked for, and an account of what is not there.

What a later load replaced is still read as it was (architecture: snapshots): the current version where it is old
enough, else the version in history that was current then. At most one chunk of days is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, select, text

from smt_ws.parties.access import SLICE
from smt_ws.parties.rules import Reason
from smt_ws.store.dialect import is_postgresql
from smt_ws.usage.remarks import REMARK
from smt_ws.usage.tables import interval_day, interval_day_history, load

__all__ = ["EPOCH", "Slices", "StoredRows", "Version", "found_days", "found_rows"]

Row = TypeVar("Row")
Version = Literal["L", "A"]
Slices = NDArray[Any]

#: Asked days read at once: about 3 MB of values a channel, well inside every worker's memory.
_CHUNK_DAYS: Final = 8192
#: The ordinal of 1970-01-01, from which rows count their days.
EPOCH: Final = date(1970, 1, 1).toordinal()

_AS_OF: Final = {
    "L": ("load_number > {a} AND load_number <= {n}", "load_number > {a} AND load_number <= {n} AND replaced_by > {n}"),
    "A": ("load_number > {a} AND load_number <= {n}", "load_number > {a} AND load_number <= {n}"),
}

# OFFSET 0 keeps the inner query a loop over the slices, each one range of the primary key, whatever the planner
# believes about sizes; the outer bounds let it leave out whole partitions.
_POSTGRESQL: Final = """
SELECT s.position::int4, (d.operating_day - DATE '1970-01-01')::int4, d.channel, d.load_number, {columns}
FROM (
    SELECT ordinal - 1 AS position, premise_id, DATE '1970-01-01' + a AS first_day, DATE '1970-01-01' + b AS last_day
    FROM unnest(%(premises)s::text::int8[], %(firsts)s::text::int4[], %(lasts)s::text::int4[])
        WITH ORDINALITY AS asked (premise_id, a, b, ordinal)
) s
CROSS JOIN LATERAL (
    SELECT operating_day, channel, load_number, {names} FROM {table}
    WHERE premise_id = s.premise_id AND channel = ANY (%(channels)s::int2[])
        AND operating_day BETWEEN s.first_day AND s.last_day
        AND operating_day BETWEEN %(first)s AND %(last)s AND {current}
    UNION ALL
    SELECT operating_day, channel, load_number, {names} FROM {table}_history
    WHERE premise_id = s.premise_id AND channel = ANY (%(channels)s::int2[])
        AND operating_day BETWEEN s.first_day AND s.last_day
        AND operating_day BETWEEN %(first)s AND %(last)s AND {history}
    OFFSET 0
) d
"""

# CROSS JOIN is SQLite's word for "in this order".
_SQLITE: Final = """
SELECT s.key, {day}, d.channel, d.load_number, {columns}
FROM json_each(:asked) s CROSS JOIN {table} d
    ON d.premise_id = s.value ->> 0 AND d.channel IN (SELECT value FROM json_each(:channels))
    AND d.operating_day BETWEEN s.value ->> 1 AND s.value ->> 2
WHERE {as_of}
"""
_SQLITE_DAY: Final = "CAST(julianday(d.operating_day) - 2440587.5 AS INTEGER)"


class StoredRows(Generic[Row]):
    """Iterate to get what was measured, once; then ask what there was and what there was not.

    A subclass says which rows of the store there are for a chunk of the slices, and what each is outside.
    """

    #: Where a kind of data is that tells how far a premise has been measured.
    tables: ClassVar[tuple[Table, ...]] = (interval_day, interval_day_history)

    def __init__(
        self,
        connection: Connection,
        *,
        slices: Slices,
        channels: Sequence[int],
        as_of: int,
        version: Version,
        after: int | None = None,
        measured_only: bool = False,
    ) -> None:
        """See `smt_ws.usage.read.read_days`."""
        if version not in _AS_OF:
            raise ValueError(f"version {version!r}: L or A expected")
        self._connection = connection
        self._slices = slices
        self._channels = sorted(channels)
        # Load numbers count from 1.
        self._between = (-1 if after is None else after, as_of)
        self._version: Version = version
        self._measured_only = measured_only
        self._revised: dict[int, datetime] = {}
        self._missing: list[Slices] = []
        self._finished = False
        #: ESI-ID-days found so far, counted once whatever their channels and versions.
        self.delivered = 0
        #: The first and the last of them; None: none so far.
        self.days_found: tuple[date, date] | None = None
        #: Days yielded so far, each channel and version by itself.
        self.records = 0
        #: By (ESI ID of the slice, day): why it is missing, where that is known from the data itself.
        self.told: dict[tuple[int, date], Reason] = {}

    @property
    def missing(self) -> Slices:
        """Rows of `SLICE`, in order: the days asked for of which the store has nothing on any channel asked for."""
        if not self._finished:
            raise RuntimeError("what is missing is known when all days have been read")
        return np.concatenate([np.empty(0, SLICE), *self._missing])

    def __iter__(self) -> Iterator[Row]:
        """Yield in the order of the slices, then day, channel, and load number."""
        for chunk in _chunks(self._slices):
            rows = self._rows(chunk)
            self._note_missing(chunk, rows)
            self.records += len(rows)
            yield from self._days(chunk, rows)
        self._finished = True

    def remarks(self) -> NDArray[Any]:
        """Rows of `smt_ws.usage.remarks.REMARK` on what was yielded; asked when all has been read."""
        return np.empty(0, REMARK)

    def _rows(self, chunk: Slices) -> list[Any]:
        """Tuples that begin with position in the chunk, days since 1970, channel and load number, in this order."""
        raise NotImplementedError

    def _found(self, table: str, columns: Sequence[str], chunk: Slices) -> list[Any]:
        """Position, day, channel, load number and *columns* of the rows of *table* and its history, as of the load."""
        read = _read_postgresql if is_postgresql(self._connection) else _read_sqlite
        return read(self._connection, table, columns, chunk, self._channels, self._between, self._version)

    def _note_missing(self, chunk: Slices, rows: Sequence[Any]) -> None:
        lengths = (chunk["last_day"] - chunk["first_day"]).astype(np.int64) + 1
        ends = np.cumsum(lengths)
        starts = ends - lengths
        found = np.zeros(int(ends[-1]), bool)
        if rows:
            position = np.array([row[0] for row in rows], np.int64)
            day = np.array([row[1] for row in rows], np.int64)
            found[starts[position] + day - chunk["first_day"].astype(np.int64)[position]] = True
            self._note_found(*(date.fromordinal(int(one) + EPOCH) for one in (day.min(), day.max())))
        self.delivered += int(found.sum())
        if not found.all():
            self._missing.append(_runs(chunk, lengths, starts, ~found))

    def _note_found(self, first: date, last: date) -> None:
        """Note that days from *first* to *last*, or some between, are there."""
        known = self.days_found or (first, last)
        self.days_found = min(first, known[0]), max(last, known[1])

    def _days(self, chunk: Slices, rows: Sequence[Any]) -> Iterator[Row]:
        """What *rows*, as `_rows` gave them, are outside."""
        raise NotImplementedError

    def _names(self, premise_ids: Sequence[int]) -> dict[int, str]:
        if is_postgresql(self._connection):
            driver: Any = self._connection.connection.driver_connection
            with driver.cursor(binary=True) as cursor:
                wanted = _array(np.array(premise_ids, np.int64))
                cursor.execute("SELECT id, esiid FROM premise WHERE id = ANY (%s::text::int8[])", [wanted])
                return dict(cursor.fetchall())
        found = self._connection.execute(
            text("SELECT p.id, p.esiid FROM json_each(:ids) s CROSS JOIN premise p ON p.id = s.value"),
            {"ids": str(list(premise_ids))},
        )
        return {row.id: row.esiid for row in found}

    def _revisions(self, numbers: set[int]) -> dict[int, datetime]:
        new = sorted(numbers - self._revised.keys())
        for start in range(0, len(new), 1000):
            rows = self._connection.execute(
                select(load.c.number, load.c.finished_at).where(load.c.number.in_(new[start : start + 1000]))
            )
            self._revised |= {row.number: row.finished_at for row in rows}
        return self._revised


def found_days(
    connection: Connection, table: Table, slices: Slices, *, channels: Sequence[int], as_of: int
) -> Iterator[NDArray[np.int64]]:
    """Days of which *table* or its history had a version as of load *as_of*, for a chunk of the slices at a time.

    Rows of (premise, days since 1970, channel, load number), in no order.
    """
    for rows in found_rows(connection, table, (), slices, channels=channels, as_of=as_of):
        if rows:
            yield np.array(rows, np.int64)


def found_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    slices: Slices,
    *,
    channels: Sequence[int],
    as_of: int,
) -> Iterator[list[tuple[Any, ...]]]:
    """As `found_days`, with *columns* after the four: a list for each chunk of the slices, be it empty."""
    read = _read_postgresql if is_postgresql(connection) else _read_sqlite
    for chunk in _chunks(slices):
        rows = read(connection, table.name, ("premise_id", *columns), chunk, sorted(channels), (-1, as_of), "L")
        yield [(row[4], *row[1:4], *row[5:]) for row in rows]


def _chunks(slices: Slices) -> Iterator[Slices]:
    """Cut into pieces of about `_CHUNK_DAYS` asked days; a single slice longer than that stays whole."""
    days = np.cumsum((slices["last_day"] - slices["first_day"]).astype(np.int64) + 1)
    start = 0
    while start < len(slices):
        done = int(days[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(days, done + _CHUNK_DAYS, side="right")))
        yield slices[start:end]
        start = end


def _read_postgresql(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    chunk: Slices,
    channels: Sequence[int],
    between: tuple[int, int],
    version: Version,
) -> list[Any]:
    current, history = (part.format(a="%(after)s", n="%(as_of)s") for part in _AS_OF[version])
    driver: Any = connection.connection.driver_connection
    with driver.cursor(binary=True) as cursor:
        cursor.execute(
            _POSTGRESQL.format(
                table=table,
                names=", ".join(columns),
                columns=", ".join(f"d.{name}" for name in columns),
                current=current,
                history=history,
            ),
            {
                "premises": _array(chunk["premise_id"]),
                "firsts": _array(chunk["first_day"].astype(np.int64)),
                "lasts": _array(chunk["last_day"].astype(np.int64)),
                "channels": list(channels),
                "first": chunk["first_day"].min().item(),
                "last": chunk["last_day"].max().item(),
                "after": between[0],
                "as_of": between[1],
            },
        )
        rows: list[Any] = cursor.fetchall()
        return rows


def _array(numbers: NDArray[np.int64]) -> str:
    """Written out as PostgreSQL reads an array: the driver would write it item by item, four times as slowly."""
    return f"{{{','.join(map(str, numbers.tolist()))}}}"


def _read_sqlite(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    chunk: Slices,
    channels: Sequence[int],
    between: tuple[int, int],
    version: Version,
) -> list[Any]:
    asked = ",".join(
        f'[{premise_id},"{first}","{last}"]'
        for premise_id, first, last in zip(
            chunk["premise_id"].tolist(), chunk["first_day"].tolist(), chunk["last_day"].tolist(), strict=True
        )
    )
    driver: Any = connection.connection.driver_connection
    rows: list[Any] = []
    named = ", ".join(f"d.{name}" for name in columns)
    for kept_in, as_of_rule in zip((table, f"{table}_history"), _AS_OF[version], strict=True):
        sql = _SQLITE.format(
            day=_SQLITE_DAY, columns=named, table=kept_in, as_of=as_of_rule.format(a=":after", n=":as_of")
        )
        values = {
            "asked": f"[{asked}]",
            "channels": str(list(channels)),
            "after": between[0],
            "as_of": between[1],
        }
        rows += driver.execute(sql, values).fetchall()
    return rows


def _runs(chunk: Slices, lengths: NDArray[np.int64], starts: NDArray[np.int64], wanted: NDArray[np.bool_]) -> Slices:
    """The runs of *wanted* days, one flag for each day of the chunk's slices, as rows of `SLICE`."""
    position = np.repeat(np.arange(len(chunk)), lengths)
    day = np.arange(len(wanted)) - starts[position]
    follows = np.zeros(len(wanted), bool)
    follows[1:] = wanted[:-1] & (position[1:] == position[:-1])
    begins = np.flatnonzero(wanted & ~follows)
    goes_on = np.zeros(len(wanted), bool)
    goes_on[:-1] = wanted[1:] & (position[1:] == position[:-1])
    ends = np.flatnonzero(wanted & ~goes_on)
    runs = np.empty(len(begins), SLICE)
    of = chunk[position[begins]]
    runs["esiid"], runs["premise_id"] = of["esiid"], of["premise_id"]
    runs["first_day"] = of["first_day"] + day[begins]
    runs["last_day"] = of["first_day"] + day[ends]
    return runs
