"""The few places where SQLite and PostgreSQL need different words, so that nothing else asks which it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    TextClause,
    bindparam,
    cast,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ColumnElement, FromClause
from sqlalchemy.types import TypeEngine

__all__ = [
    "copy_rows",
    "insert",
    "is_postgresql",
    "lock",
    "lock_timed_out",
    "lock_until_commit",
    "plan_for_bulk",
    "sent_integers",
    "try_lock",
    "unlock",
    "unnested",
    "wait_for_locks_at_most",
]


def is_postgresql(connection: Connection) -> bool:
    """True on PostgreSQL, False on SQLite; there is no third store."""
    return connection.dialect.name == "postgresql"


def plan_for_bulk(connection: Connection) -> None:
    """Have PostgreSQL plan this transaction for statements about thousands of rows, many of them, side by side.

    Compiling a statement costs more than it saves in one that takes 20 ms, and other processes use the other cores.
    """
    if is_postgresql(connection):
        connection.execute(text("SET LOCAL jit = off"))
        connection.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
        connection.execute(text("SET LOCAL work_mem = '64MB'"))


def insert(connection: Connection, table: Table) -> Any:
    """The store's own INSERT, which knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return postgresql.insert(table) if is_postgresql(connection) else sqlite.insert(table)


def unnested(connection: Connection, strings: Sequence[str]) -> FromClause:
    """*strings* as a table with the columns ``position`` (0-based) and ``value``, in one bind parameter.

    50,000 ESI IDs are joined in one statement this way, however few parameters a store allows.
    """
    if is_postgresql(connection):
        # One text instead of a list: the driver would write a list out item by item, 50,000 of them in 190 ms.
        joined = "\n".join(strings)
        if all(strings) and joined.count("\n") == len(strings) - 1:
            one = bindparam("unnested", joined, type_=String, unique=True)
            values: Any = func.string_to_array(one, "\n", type_=postgresql.ARRAY(String))
        else:
            values = bindparam("unnested", list(strings), type_=postgresql.ARRAY(String), unique=True)
        rows = func.unnest(values).table_valued(column("value", String), with_ordinality="ordinal", name="asked")
        rows = rows.render_derived()
        # ordinality counts from 1
        return select(rows.c.value, (rows.c.ordinal - 1).label("position")).subquery("asked_strings")
    each = func.json_each(bindparam("unnested", json.dumps(list(strings)), type_=String, unique=True))
    rows = each.table_valued(column("value", String), column("key", Integer), name="asked")
    return select(rows.c.value, rows.c.key.label("position")).subquery("asked_strings")


def among(connection: Connection, numbers: ColumnElement[int], wanted: Sequence[int]) -> ColumnElement[bool]:
    """Whether *numbers* (a BIGINT column) is one of *wanted*, in one bind parameter.

    PostgreSQL hashes such a list once and holds it against a table or an index: a join with 50,000 unnested numbers
    takes three times as long.
    """
    listed = ",".join(map(str, wanted))
    if is_postgresql(connection):
        array = cast(bindparam("among", f"{{{listed}}}", type_=String, unique=True), postgresql.ARRAY(BigInteger))
        return numbers == func.any(array)
    each = func.json_each(bindparam("among", f"[{listed}]", type_=String, unique=True))
    return numbers.in_(select(each.table_valued(column("value", Integer), name="wanted").c.value))


def integers(connection: Connection, question: Select[Any]) -> NDArray[np.int64]:
    """The rows of *question*, all of whose columns are whole numbers and never NULL; shape (rows, columns).

    On PostgreSQL each column comes as one binary array: fetching 50,000 rows one by one takes three times as long.
    """
    width = len(question.selected_columns)
    if not is_postgresql(connection):
        rows = [tuple(row) for row in connection.execute(question)]
        return np.array(rows, np.int64).reshape(-1, width)
    found = question.subquery("found")
    sent = [
        func.array_send(func.array_agg(cast(one, BigInteger)), type_=LargeBinary).label(f"c{i}")
        for i, one in enumerate(found.c)
    ]
    return np.stack([sent_integers(array) for array in connection.execute(select(*sent)).one()], axis=1)


def sent_integers(array: bytes | None) -> NDArray[np.int64]:
    """The numbers of a PostgreSQL ``bigint[]`` as ``array_send`` gives it; None, of no rows at all, holds none."""
    if array is None:
        return np.empty(0, np.int64)
    return np.frombuffer(array, _SENT, offset=_SENT_HEAD)["value"].astype(np.int64)


#: An array on the wire: number of dimensions, whether there are NULLs, type, length and first index; then for each
#: element its length and itself.
_SENT_HEAD: Final = 20
_SENT: Final = np.dtype([("length", ">i4"), ("value", ">i8")])


#: Advisory locks belong to a database, and hubs may share one in schemas of their own: a lock is its schema's.
_LOCK_NUMBER: Final = "hashtextextended(coalesce(current_schema(), '') || '/' || CAST(:key AS text), 0)"


def _advisory(function: str) -> TextClause:
    return text(f"SELECT {function}({_LOCK_NUMBER})")


def try_lock(connection: Connection, key: str) -> bool:
    """Take the advisory lock *key* of this schema for this connection's session if nobody has it.

    The lock goes when the session ends, however it ends. On SQLite always True: there the write transaction is
    the lock.
    """
    if not is_postgresql(connection):
        return True
    return bool(connection.execute(_advisory("pg_try_advisory_lock"), {"key": key}).scalar())


@contextmanager
def lock(connection: Connection, key: str) -> Iterator[None]:
    """Hold the advisory lock *key* of this schema, waiting for it; on SQLite nothing is needed."""
    if not is_postgresql(connection):
        yield
        return
    connection.execute(_advisory("pg_advisory_lock"), {"key": key})
    try:
        yield
    finally:
        unlock(connection, key)


def lock_until_commit(connection: Connection, key: str) -> None:
    """Take the advisory lock *key* of this schema, waiting for it, until this transaction ends.

    On SQLite a writer has it anyway.
    """
    if is_postgresql(connection):
        connection.execute(_advisory("pg_advisory_xact_lock"), {"key": key})


def unlock(connection: Connection, key: str) -> None:
    """Give the advisory lock *key* back (a dead session has given it back already)."""
    if is_postgresql(connection) and not connection.closed and not connection.invalidated:
        connection.execute(_advisory("pg_advisory_unlock"), {"key": key})


def wait_for_locks_at_most(connection: Connection, patience: timedelta) -> None:
    """Let statements of this transaction wait for rows that others hold no longer than *patience*.

    On SQLite a whole writer waits, for as long as every writer does.
    """
    if is_postgresql(connection):
        connection.execute(text(f"SET LOCAL lock_timeout = {patience / timedelta(milliseconds=1):.0f}"))


def lock_timed_out(error: Exception) -> bool:
    """Whether *error* says that the patience of `wait_for_locks_at_most` has ended."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "55P03"


def copy_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert *rows* in bulk (COPY on PostgreSQL, executemany on SQLite) and return how many there were.

    Values go to the driver as they are: dates, ints, bytes, text; column types of ours do not convert them.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    quoted = connection.dialect.identifier_preparer.format_table(table)
    if is_postgresql(connection):
        count = 0
        driver: Any = connection.connection.driver_connection
        # Binary: a third of the text form's cost, and no value can be misread.
        with driver.cursor() as cursor, cursor.copy(f"COPY {quoted} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([_wire_type(table.c[name].type) for name in columns])
            for row in rows:
                copy.write_row(row)
                count += 1
        return count
    marks = ", ".join("?" for _ in columns)
    driver = connection.connection.driver_connection
    before = driver.total_changes
    driver.executemany(f"INSERT INTO {quoted} ({names}) VALUES ({marks})", (_plain(row) for row in rows))  # noqa: S608
    return int(driver.total_changes - before)


def _wire_type(kind: TypeEngine[Any]) -> str:
    """PostgreSQL's name of a column's type, as the driver knows it."""
    dialect: Any = postgresql.dialect  # SQLAlchemy annotates its dialects' classes but not their making
    return _WIRE_TYPES[str(kind.compile(dialect())).partition("(")[0]]


_WIRE_TYPES: Final = {
    "BIGINT": "int8",
    "INTEGER": "int4",
    "SMALLINT": "int2",
    "BOOLEAN": "bool",
    "BYTEA": "bytea",
    "DATE": "date",
    "TEXT": "text",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "VARCHAR": "varchar",
}


def _plain(row: Sequence[Any]) -> list[Any]:
    # The driver's default adapters for dates are deprecated; SQLAlchemy stores dates as ISO text.
    return [value.isoformat() if hasattr(value, "isoformat") else value for value in row]
