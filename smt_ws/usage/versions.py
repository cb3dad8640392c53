"""Putting staged rows into a table that keeps the latest version of each, and what it replaced in a history table.

Rows wait in a temporary table until a file has been read to its end. Then what is new is inserted; what there is
already is compared with the current version: what differs moves the old version to history and takes its place, what
is the same is left alone. It is done as sets, in the load's one transaction (U3, U6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    Table,
    and_,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.sql import ColumnElement

from smt_ws.store.dialect import insert as store_insert
from smt_ws.store.dialect import is_postgresql, unnested

__all__ = ["POSITION", "Merged", "Versioned", "merge_versions"]

#: Name of the column that numbers the rows of every staging table from 0.
POSITION = "position"

_SORTED_IN_MEMORY: Final = "128MB"

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
) -> Merged:
    """Move the staged rows into the store as load *load_number*.

    *days* are the first and last day among them where the tables are partitioned. *judge* may add bits to ``flags``
    of rows that replace another, before they are stored; *only* leaves staged rows out.
    """
    if is_postgresql(connection):
        # without statistics the planner would scan the month's partition for every file
        connection.execute(text(f"ANALYZE {tables.staged.name} ({', '.join(tables.key)})"))
        # the staged rows of a file are sorted by their keys in memory
        connection.execute(text(f"SET LOCAL work_mem = '{_SORTED_IN_MEMORY}'"))
    current, staged = tables.current.c, tables.staged.c
    wanted = [] if only is None else [only]
    copied = (*tables.values, *tables.carried)
    new = select(*(staged[name] for name in tables.key), literal(load_number), *(staged[name] for name in copied))
    added = connection.execute(
        store_insert(connection, tables.current)
        .from_select(
            [*tables.key, "load_number", *copied],
            new.where(*wanted, literal(1) == 1).order_by(*(staged[name] for name in tables.key)),
        )
        .on_conflict_do_nothing(),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    known = connection.execute(select(func.count()).select_from(tables.staged).where(*wanted)).scalar_one() - added
    if not known:
        return Merged(added, 0, {})
    same = and_(*(current[name] == staged[name] for name in tables.key), *wanted)
    if tables.by_month is not None and days is not None:
        # lets the planner leave out every other partition
        same = and_(same, current[tables.by_month].between(*days))
    differs = or_(
        *(
            current[name].is_distinct_from(staged[name]) if current[name].nullable else current[name] != staged[name]
            for name in tables.values
        )
    )
    old = literal(None) if tables.old is None else current[tables.old]
    found = connection.execute(select(staged[POSITION], old).join(tables.current, same & differs))
    replaced: dict[int, Any] = {row[0]: row[1] for row in found}
    if replaced:
        if judge is not None:
            _add_flags(connection, tables.staged, judge(replaced))
        _replace(connection, tables, load_number, same & differs)
    return Merged(added, known - len(replaced), replaced)


def _add_flags(connection: Connection, staged: Table, bits: Mapping[int, int]) -> None:
    for more in sorted(set(bits.values())):
        asked = unnested(connection, [str(position) for position, added in bits.items() if added == more])
        connection.execute(
            update(staged)
            .where(staged.c[POSITION].in_(select(cast(asked.c.value, Integer))))
            .values(flags=staged.c.flags.op("|")(literal(more, BigInteger)))
        )


def _replace(connection: Connection, tables: Versioned, load_number: int, changed: ColumnElement[bool]) -> None:
    current, staged = tables.current.c, tables.staged.c
    copied = (*tables.values, *tables.carried)
    version = [*tables.key, "load_number", *copied]
    connection.execute(
        insert(tables.history).from_select(
            [*version, "replaced_by"],
            select(*(current[name] for name in version), literal(load_number)).join_from(
                tables.staged, tables.current, changed
            ),
        )
    )
    new: dict[str, Column[Any]] = {name: staged[name] for name in copied}
    connection.execute(update(tables.current).where(changed).values(load_number=load_number, **new))
