"""A file's interval days and the register reads that travel with them, staged and put into the store as sets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)
from sqlalchemy.schema import CreateTable

from smt_ws.store.columns import Columns, copy_columns
from smt_ws.store.dialect import copy_rows
from smt_ws.usage.tables import interval_day, interval_day_history, register_read, register_read_history
from smt_ws.usage.versions import POSITION, Judge, Merged, Versioned, merge_versions

__all__ = [
    "KEY",
    "StagedRead",
    "add_days",
    "merge_days",
    "merge_reads",
    "open_staging",
    "stage_days",
    "stage_read_columns",
    "stage_reads",
]

#: (position in the file, premise, channel, operating day, start Wh, stop Wh, usage Wh, A or E)
StagedRead = tuple[int, int, int, date, int | None, int | None, int | None, str]

#: What a day and a read are known by.
KEY = ("premise_id", "channel", "operating_day")


def _staging(name: str, *values: Column[object]) -> Table:
    return Table(
        name,
        MetaData(),
        Column(POSITION, Integer, nullable=False),
        Column("premise_id", BigInteger, nullable=False),
        Column("channel", SmallInteger, nullable=False),
        Column("operating_day", Date, nullable=False),
        *values,
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


_DAYS = Versioned(
    staged=_staging(
        "incoming_interval_day",
        Column("wh", LargeBinary, nullable=False),
        Column("statuses", LargeBinary),
        Column("flags", BigInteger, nullable=False),
    ),
    current=interval_day,
    history=interval_day_history,
    key=KEY,
    values=("wh", "statuses"),
    carried=("flags",),
    by_month="operating_day",
    old="statuses",
)
_READS = Versioned(
    staged=_staging(
        "incoming_register_read",
        Column("start_wh", BigInteger),
        Column("stop_wh", BigInteger),
        Column("usage_wh", BigInteger),
        Column("status", String(1), nullable=False),
    ),
    current=register_read,
    history=register_read_history,
    key=KEY,
    values=("start_wh", "stop_wh", "usage_wh", "status"),
    by_month="operating_day",
)


def open_staging(connection: Connection) -> None:
    """Make the waiting room of register reads: it lives as long as the transaction (on SQLite as its connection)."""
    connection.execute(CreateTable(_READS.staged, if_not_exists=True))


def add_days(connection: Connection, days: Columns, *, load_number: int) -> None:
    """Put days of which the store has no version straight into it, as load *load_number*.

    They are in the order of premise, channel and day, and no two are the same. By COPY it takes half of what it takes
    through a waiting room. Raises the driver's IntegrityError where the store has one all the same.
    """
    rows = len(next(iter(days.values())))
    copy_columns(connection, interval_day, {**days, "load_number": np.full(rows, load_number)})


def stage_days(connection: Connection, days: Columns) -> None:
    """Add days to their waiting room. No two may have the same premise, channel and day."""
    connection.execute(CreateTable(_DAYS.staged, if_not_exists=True))
    copy_columns(connection, _DAYS.staged, days)


def stage_read_columns(connection: Connection, reads: Columns) -> None:
    """Add register reads to theirs, as columns. No two may have the same premise, channel and day."""
    open_staging(connection)
    copy_columns(connection, _READS.staged, reads)


def stage_reads(connection: Connection, reads: Iterable[StagedRead]) -> None:
    """Add register reads to theirs, which must be open. No two may have the same premise, channel and day."""
    copy_rows(connection, _READS.staged, [column.name for column in _READS.staged.columns], reads)


def merge_days(connection: Connection, *, load_number: int, days: tuple[date, date], judge: Judge) -> Merged:
    """Move the staged days, which lie from the first to the last of *days*, into the store as load *load_number*.

    They were staged in the order of premise, channel and day. *judge* gets the statuses of every version that is
    replaced.
    """
    return merge_versions(connection, _DAYS, load_number=load_number, days=days, judge=judge, sorted_by_key=True)


def merge_reads(connection: Connection, *, load_number: int, days: tuple[date, date]) -> Merged:
    """Move the staged register reads into the store as load *load_number*."""
    return merge_versions(connection, _READS, load_number=load_number, days=days)
