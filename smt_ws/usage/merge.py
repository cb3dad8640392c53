"""Putting a file's interval days into the store, a whole file at a time, as sets.

The days wait in a temporary table until the file has been read to its end; then each is compared with the current
version: what is new is inserted, what differs moves the old version to history and takes its place, what is the same
is left alone. All of it is in the load's one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    and_,
    case,
    exists,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.sql import ColumnElement

from smt_ws.store.dialect import copy_rows, is_postgresql
from smt_ws.usage.tables import interval_day, interval_day_history

__all__ = ["Merged", "merge", "open_staging", "stage"]

#: (position in the file, premise, channel, operating day, values, statuses)
StagedDay = tuple[int, int, int, date, bytes, bytes | None]

_staged = Table(
    "incoming_interval_day",
    MetaData(),
    Column("position", Integer, nullable=False),
    Column("premise_id", BigInteger, nullable=False),
    Column("channel", SmallInteger, nullable=False),
    Column("operating_day", Date, nullable=False),
    Column("wh", LargeBinary, nullable=False),
    Column("statuses", LargeBinary),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
_KEY = ("premise_id", "channel", "operating_day")
_VERSION = (*_KEY, "load_number", "wh", "statuses")


@dataclass(frozen=True)
class Merged:
    """What became of the staged days."""

    loaded: int
    unchanged: int
    #: Position in the file of each day that replaced another, with the statuses of the version it replaced.
    replaced: dict[int, bytes | None]


def open_staging(connection: Connection) -> None:
    """Make the waiting room: it lives as long as the transaction (on SQLite as its connection, which is as long)."""
    _staged.create(connection)


def stage(connection: Connection, days: Iterable[StagedDay]) -> None:
    """Add days to the waiting room. No two may have the same premise, channel and day."""
    copy_rows(connection, _staged, [column.name for column in _staged.columns], days)


def merge(connection: Connection, *, load_number: int, first_day: date, last_day: date) -> Merged:
    """Move the staged days, which lie between *first_day* and *last_day*, into the store as load *load_number*."""
    if is_postgresql(connection):
        # without statistics the planner would scan the month's partition for every file
        connection.execute(text(f"ANALYZE {_staged.name}"))
    current, staged = interval_day.c, _staged.c
    same_day = and_(
        *(current[name] == staged[name] for name in _KEY),
        # lets the planner leave out every other partition
        current.operating_day.between(first_day, last_day),
    )
    differs = or_(current.wh != staged.wh, current.statuses.is_distinct_from(staged.statuses))

    unchanged = 0
    replaced: dict[int, bytes | None] = {}
    old_statuses = case((differs, current.statuses), else_=None)
    for position, changed, statuses in connection.execute(
        select(staged.position, differs, old_statuses).join(interval_day, same_day)
    ):
        if changed:
            replaced[position] = statuses
        else:
            unchanged += 1
    if replaced:
        _replace(connection, load_number, same_day & differs)
    new = select(*(staged[name] for name in _KEY), literal(load_number), staged.wh, staged.statuses)
    if unchanged or replaced:
        new = new.where(~exists().where(same_day))
    added = connection.execute(
        insert(interval_day).from_select(
            _VERSION, new.order_by(staged.premise_id, staged.channel, staged.operating_day)
        ),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    return Merged(added, unchanged, replaced)


def _replace(connection: Connection, load_number: int, changed: ColumnElement[bool]) -> None:
    current, staged = interval_day.c, _staged.c
    connection.execute(
        insert(interval_day_history).from_select(
            [*_VERSION, "replaced_by"],
            select(*(current[name] for name in _VERSION), literal(load_number)).join_from(
                _staged, interval_day, changed
            ),
        )
    )
    connection.execute(
        update(interval_day).where(changed).values(load_number=load_number, wh=staged.wh, statuses=staged.statuses)
    )
