"""Putting staged rows into a table that keeps the latest version of each, and what it replaced in a history table.

Rows wait in a temporary table until a file has been read to its end. Then what is new is inserted; what there is
already is compared with the current version: what differs moves the old version to history and takes its place, what
is the same is left alone. It is done as sets, in the load's one transaction (U3, U6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Table,
    and_,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.sql import ColumnElement, FromClause, Select

from smt_ws.store.dialect import insert as store_insert
from smt_ws.store.dialect import is_postgresql, unnested

__all__ = ["POSITION", "Merged", "Versioned", "merge_versions"]

#: Name of the column that numbers the rows of every staging table from 0.
POSITION = "position"

#: Given the old value of every replaced row by its position: bits to add to the flags of some of them.
Judge = Callable[[Mapping[int, Any]], Mapping[int, int]]


@dataclass(frozen=True)
class Versioned:
    """A table of latest versions, its history, and the staging table of what is coming."""

    #: Has the columns of *key*, *values*, *carried* and ``position``.
    staged: Table
    current: Table
    history: Table
    key: tuple[str, ...]
    #: The columns whose difference makes a new version; NULL counts as a value.
    values: tuple[str, ...]
    #: Columns that travel with a version and are not compared.
    carried: tuple[str, ...] = ()
    #: The column by whose month the tables are partitioned.
    by_month: str | None = None
    #: The value of the replaced version that is wanted back.
    old: str | None = None


@dataclass(frozen=True)
class Merged:
    """What became of the staged rows."""

    loaded: int
    unchanged: int
    #: Position of each row that replaced another, with the old value that was wanted.
    replaced: dict[int, Any]


def merge_versions(
    connection: Connection,
    tables: Versioned,
    *,
    load_number: int,
    days: tuple[date, date] | None = None,
    judge: Judge | None = None,
    only: ColumnElement[bool] | None = None,
    sorted_by_key: bool = False,
) -> Merged:
    """Move the staged rows into the store as load *load_number*.

    *days* are the first and last day among them where the tables are partitioned. *judge* may add bits to ``flags``
    of rows that replace another, before they are stored; *only* leaves staged rows out. Rows are stored in the order of
    their keys; *sorted_by_key* says that they were staged so.
    """
    staged = tables.staged.c
    wanted = [] if only is None else [only]
    version = [*tables.key, "load_number", *tables.values, *tables.carried]
    count = connection.execute(select(func.count()).select_from(tables.staged).where(*wanted)).scalar_one()
    new = _versions(tables, load_number).where(*wanted, ~exists(_looked_up(tables, days)))
    if not sorted_by_key:
        new = new.order_by(*(staged[name] for name in tables.key))
    added = connection.execute(
        insert(tables.current).from_select(version, new), execution_options={"preserve_rowcount": True}
    ).rowcount
    if added == count:
        return Merged(added, 0, {})
    both, held = _side_by_side(connection, tables, days)
    differs = or_(
        *(
            held[name].is_distinct_from(staged[name]) if tables.current.c[name].nullable else held[name] != staged[name]
            for name in tables.values
        )
    )
    old = literal(None) if tables.old is None else held[tables.old]
    found = connection.execute(select(staged[POSITION], old).select_from(both).where(differs, *wanted))
    replaced: dict[int, Any] = {row[0]: row[1] for row in found}
    if replaced:
        if judge is not None:
            _add_flags(connection, tables.staged, judge(replaced))
        changed = _positions(connection, tables.staged, replaced)
        before = select(*(held[name] for name in version), literal(load_number)).select_from(both).where(changed)
        connection.execute(insert(tables.history).from_select([*version, "replaced_by"], before))
        overwritten = store_insert(connection, tables.current).from_select(
            version, _versions(tables, load_number).where(changed)
        )
        newer = {name: overwritten.excluded[name] for name in version if name not in tables.key}
        connection.execute(overwritten.on_conflict_do_update(index_elements=list(tables.key), set_=newer))
    return Merged(added, count - added - len(replaced), replaced)


def _versions(tables: Versioned, load_number: int) -> Select[Any]:
    """The staged rows as versions that this load brings."""
    staged = tables.staged.c
    copied = (*tables.values, *tables.carried)
    return select(*(staged[name] for name in tables.key), literal(load_number), *(staged[name] for name in copied))


def _looked_up(tables: Versioned, days: tuple[date, date] | None) -> Select[Any]:
    """The current version of one staged row.

    OFFSET 0 keeps this a look-up a row through the primary key, whatever PostgreSQL's statistics say: on a table that
    grows by millions of rows in a night they are never right, and a join planned by them may take a thousand times as
    long. The bounds of *days* let the planner leave out every other partition.
    """
    current, staged = tables.current.c, tables.staged.c
    question = select(tables.current).where(*(current[name] == staged[name] for name in tables.key))
    if tables.by_month is not None and days is not None:
        question = question.where(current[tables.by_month].between(*days))
    return question.correlate(tables.staged).offset(0)


def _side_by_side(connection: Connection, tables: Versioned, days: tuple[date, date] | None) -> tuple[FromClause, Any]:
    """The staged rows that have a current version, with it; and its columns."""
    current, staged = tables.current.c, tables.staged.c
    if not is_postgresql(connection):
        # its planner looks up row by row anyway
        same = and_(*(current[name] == staged[name] for name in tables.key))
        return tables.staged.join(tables.current, same), current
    held = _looked_up(tables, days).lateral("held")
    return tables.staged.join(held, true()), held.c


def _add_flags(connection: Connection, staged: Table, bits: Mapping[int, int]) -> None:
    for more in sorted(set(bits.values())):
        these = _positions(connection, staged, [position for position, added in bits.items() if added == more])
        connection.execute(update(staged).where(these).values(flags=staged.c.flags.op("|")(literal(more, BigInteger))))


def _positions(connection: Connection, staged: Table, positions: Iterable[int]) -> ColumnElement[bool]:
    """Whether a staged row is at one of these positions."""
    asked = unnested(connection, list(map(str, positions)))
    return staged.c[POSITION].in_(select(cast(asked.c.value, Integer)))
