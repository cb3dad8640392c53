"""A file's interval days and the register reads that travel with them, staged and put into the store as sets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from numpy.typing import NDArray
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
    cast,
    literal,
    select,
    update,
)

from smt_ws.store.columns import Nullable, copy_columns
from smt_ws.store.dialect import copy_rows, unnested
from smt_ws.usage.rules import flags_of
from smt_ws.usage.tables import interval_day, interval_day_history, register_read, register_read_history
from smt_ws.usage.versions import POSITION, Judge, Merged, Versioned, merge_versions

__all__ = [
    "Columns",
    "StagedRead",
    "flag_days",
    "merge_days",
    "merge_reads",
    "open_staging",
    "stage_days",
    "stage_read_columns",
    "stage_reads",
]

#: Columns of a staging table by name, ``position`` in the file among them.
Columns = Mapping[str, NDArray[Any] | Nullable]
#: (position in the file, premise, channel, operating day, start Wh, stop Wh, usage Wh, A or E)
StagedRead = tuple[int, int, int, date, int | None, int | None, int | None, str]

_KEY = ("premise_id", "channel", "operating_day")


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
    key=_KEY,
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
    key=_KEY,
    values=("start_wh", "stop_wh", "usage_wh", "status"),
    by_month="operating_day",
)


def open_staging(connection: Connection) -> None:
    """Make the waiting rooms: they live as long as the transaction (on SQLite as its connection, as long)."""
    _DAYS.staged.create(connection)
    _READS.staged.create(connection)


def stage_days(connection: Connection, days: Columns) -> None:
    """Add days to the waiting room. No two may have the same premise, channel and day."""
    copy_columns(connection, _DAYS.staged, days)


def stage_read_columns(connection: Connection, reads: Columns) -> None:
    """Add register reads to theirs, as columns. No two may have the same premise, channel and day."""
    copy_columns(connection, _READS.staged, reads)


def stage_reads(connection: Connection, reads: Iterable[StagedRead]) -> None:
    """Add register reads to theirs. No two may have the same premise, channel and day."""
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


def flag_days(connection: Connection, days: Collection[tuple[int, int, date]], rule: str) -> None:
    """Add the flag of *rule* to the latest version of stored *days*: premise, channel, operating day."""
    if not days:
        return
    bit = flags_of([rule])
    together: dict[tuple[int, date], list[str]] = {}
    for premise_id, channel, day in days:
        together.setdefault((channel, day), []).append(str(premise_id))
    for (channel, day), keys in sorted(together.items()):
        asked = unnested(connection, keys)
        connection.execute(
            update(interval_day)
            .where(
                interval_day.c.premise_id.in_(select(cast(asked.c.value, BigInteger))),
                interval_day.c.channel == channel,
                interval_day.c.operating_day == day,
            )
            .values(flags=interval_day.c.flags.op("|")(literal(bit, BigInteger)))
        )
