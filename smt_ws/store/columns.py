"""Whole columns into the store and out of it, as arrays: what is done with 50,000 rows at once has no object a row.

In PostgreSQL's binary COPY a row is a count, and for each column its length and its bytes, big-endian. Rows whose
columns all have a fixed size are one array of records, put together column by column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from smt_ws.store.dialect import is_postgresql, sent_integers

__all__ = ["Columns", "Joined", "Nullable", "copy_columns", "fetch_columns", "rows_of"]

_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
#: Rows put together at once: about a MB.
_AT_ONCE: Final = 2048
#: How PostgreSQL counts days.
_DAY_NOUGHT: Final = np.datetime64("2000-01-01", "D")
_WIRE: Final = {"BIGINT": ">i8", "INTEGER": ">i4", "SMALLINT": ">i2", "DATE": ">i4"}


class Nullable(NamedTuple):
    """A column with NULLs: where *null* is True the value means nothing."""

    values: NDArray[Any]
    null: NDArray[np.bool_]


#: Columns of equal length by name.
Columns = Mapping[str, NDArray[Any] | Nullable]


class Joined(NamedTuple):
    """What `fetch_columns` found."""

    integers: dict[str, NDArray[np.int64]]
    #: The values of the binary column one after the other.
    binary: bytes


def rows_of(columns: Columns, where: NDArray[np.bool_]) -> Columns:
    """Those rows of *columns* where *where* is true."""
    if where.all():
        return columns
    rows = np.flatnonzero(where)
    return {
        name: Nullable(column.values[rows], column.null[rows]) if isinstance(column, Nullable) else column[rows]
        for name, column in columns.items()
    }


def copy_columns(connection: Connection, table: Table, columns: Columns) -> None:
    """Insert the rows that *columns* (of equal length) make up: by COPY on PostgreSQL, executemany on SQLite.

    Whole numbers and days (``datetime64[D]``) go into columns of their types, rows of a two-dimensional array as
    their bytes into a binary one, ``S`` whose values are all of its length into text.
    """
    if is_postgresql(connection):
        _copy(connection, table, columns)
        return
    lists = [_plain(column) for column in columns.values()]
    marks = ", ".join("?" for _ in lists)
    names = ", ".join(f'"{name}"' for name in columns)
    quoted = connection.dialect.identifier_preparer.format_table(table)
    driver: Any = connection.connection.driver_connection
    driver.executemany(f"INSERT INTO {quoted} ({names}) VALUES ({marks})", zip(*lists, strict=True))  # noqa: S608


def _copy(connection: Connection, table: Table, columns: Columns) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    quoted = connection.dialect.identifier_preparer.format_table(table)
    values = {
        name: _on_the_wire(column.values if isinstance(column, Nullable) else column, str(table.c[name].type))
        for name, column in columns.items()
    }
    nulls = {name: column.null for name, column in columns.items() if isinstance(column, Nullable)}
    pattern = np.zeros(len(next(iter(values.values()))), np.int64)
    for bit, null in enumerate(nulls.values()):
        pattern |= null.astype(np.int64) << bit
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {quoted} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_HEAD)
        for absent in np.flatnonzero(np.bincount(pattern)).tolist():
            missing = {name for bit, name in enumerate(nulls) if absent >> bit & 1}
            alike = np.flatnonzero(pattern == absent)
            for start in range(0, len(alike), _AT_ONCE):
                copy.write(_records(values, missing, alike[start : start + _AT_ONCE]))
        copy.write(_END)


def _records(values: Mapping[str, NDArray[Any]], missing: set[str], rows: NDArray[np.intp]) -> memoryview:
    fields: list[tuple[str, str]] = [("columns", ">i2")]
    for name, column in values.items():
        fields.append((f"{name} size", ">i4"))
        if name not in missing:
            fields.append((name, column.dtype.str))
    records = np.empty(len(rows), fields)
    records["columns"] = len(values)
    whole = len(rows) == int(rows[-1]) - int(rows[0]) + 1
    taken: Any = slice(int(rows[0]), int(rows[-1]) + 1) if whole else rows
    for name, column in values.items():
        records[f"{name} size"] = -1 if name in missing else column.dtype.itemsize
        if name not in missing:
            records[name] = column[taken]
    return records.view(np.uint8).data


def _on_the_wire(column: NDArray[Any], kind: str) -> NDArray[Any]:
    if column.ndim == 2:
        return np.ascontiguousarray(column).view(f"V{column.itemsize * column.shape[1]}").ravel()
    if column.dtype.kind == "M":
        column = (column.astype("datetime64[D]") - _DAY_NOUGHT).astype(np.int64)
    if kind in _WIRE:
        return column.astype(_WIRE[kind])
    return column.view(f"V{column.itemsize}")


def _plain(column: NDArray[Any] | Nullable) -> list[Any]:
    if isinstance(column, Nullable):
        rows = zip(_plain(column.values), column.null.tolist(), strict=True)
        return [None if null else value for value, null in rows]
    if column.ndim == 2:
        return [row.tobytes() for row in column]
    if column.dtype.kind == "M":
        column = np.datetime_as_string(column, "D")
    values: list[Any] = column.tolist()
    return [value.decode() for value in values] if column.dtype.kind == "S" else values


def fetch_columns(
    connection: Connection, query: str, parameters: Mapping[str, Any], *, integers: Sequence[str], binary: str = ""
) -> Joined:
    """Run *query*, in the store's own words, and give the columns that it names: whole numbers, and one of bytes.

    No number may be NULL; bytes that are NULL are left out. On PostgreSQL each column comes as one value.
    """
    driver: Any = connection.connection.driver_connection
    if not is_postgresql(connection):
        found = driver.execute(query, parameters)
        place = {description[0]: n for n, description in enumerate(found.description)}
        rows = found.fetchall()
        columns = {name: np.array([row[place[name]] for row in rows], np.int64) for name in integers}
        values = [row[place[binary]] for row in rows] if binary else []
        return Joined(columns, b"".join([value for value in values if value is not None]))
    wanted = [f"array_send(array_agg({name}::int8))" for name in integers]
    if binary:
        wanted.append(f"string_agg({binary}, ''::bytea)")
    with driver.cursor(binary=True) as cursor:
        cursor.execute(f"SELECT {', '.join(wanted)} FROM ({query}) AS found", parameters)  # noqa: S608
        sent = cursor.fetchone()
    columns = {name: sent_integers(array) for name, array in zip(integers, sent, strict=False)}
    return Joined(columns, (sent[-1] or b"") if binary else b"")
