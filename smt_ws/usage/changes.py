"""What loads brought, and who may see it: from the data to the companies, for all of them in one statement (R8, R13).

Set-based throughout: a day of 2.5 million premises is one pass over what those loads brought. Which rows that are is
found by their load numbers, and by the days that the loads say they held.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Subquery,
    Table,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy import cast as sql_cast

from smt_ws.parties.tables import premise
from smt_ws.store.dialect import is_postgresql
from smt_ws.usage.tables import interval_day, interval_day_history, load, register_read, register_read_history

__all__ = ["INTERVALS", "READS", "ChangedDay", "Measured", "changed_days", "load_before"]

#: Rows fetched at a time.
_AT_ONCE = 20_000


class Measured(NamedTuple):
    """A kind of data: where its current versions are, and those that were replaced."""

    current: Table
    history: Table


INTERVALS = Measured(interval_day, interval_day_history)
READS = Measured(register_read, register_read_history)


class ChangedDay(NamedTuple):
    """A day of one channel of a premise that one of the loads brought, and a company that may see it."""

    duns: str
    tdsp_duns: str
    premise_id: int
    #: Days since 1970-01-01.
    day: int
    channel: int
    esiid: str


def changed_days(
    connection: Connection,
    seen: Subquery,
    *,
    after: int,
    as_of: int,
    measured: Measured = INTERVALS,
    from_day: date | None = None,
    most: int | None = None,
) -> Iterator[ChangedDay]:
    """Yield what the loads after *after* up to *as_of* brought or corrected, as of *as_of*, for those who may see it.

    *seen* is `smt_ws.parties.seen.days_seen`. In the order of the fields of `ChangedDay`; a day that is seen twice
    over (by service and by agreement) comes twice, one after the other. Nothing before *from_day*; at most *most* rows.
    One statement, streamed: the whole is never in memory.
    """
    question = _question(connection, seen, after=after, as_of=as_of, measured=measured, from_day=from_day, most=most)
    if is_postgresql(connection):
        # For the rest of this transaction: all rows are wanted, sorted in memory; compiling would take longer.
        settings = {"cursor_tuple_fraction": "1", "work_mem": "128MB", "jit": "off"}
        connection.execute(select(*(func.set_config(name, value, literal(True)) for name, value in settings.items())))
    streamed = connection.execute(question, execution_options={"stream_results": True, "max_row_buffer": _AT_ONCE})
    for rows in streamed.partitions(_AT_ONCE):
        yield from map(ChangedDay._make, rows)


def _question(
    connection: Connection,
    seen: Subquery,
    *,
    after: int,
    as_of: int,
    measured: Measured,
    from_day: date | None,
    most: int | None,
) -> Select[Any]:
    first, last = connection.execute(
        select(func.min(load.c.first_day), func.max(load.c.last_day)).where(
            load.c.number > after, load.c.number <= as_of
        )
    ).one()
    first = max((day for day in (first, from_day) if day is not None), default=None)

    def brought(table: Table, *more: ColumnElement[bool]) -> Select[Any]:
        row = table.c
        bounds = [row.load_number > after, row.load_number <= as_of, *more]
        if first is not None:
            bounds.append(row.operating_day >= first)
        if last is not None:
            bounds.append(row.operating_day <= last)
        return select(row.premise_id, row.operating_day, row.channel).where(*bounds)

    changed = union_all(
        brought(measured.current), brought(measured.history, measured.history.c.replaced_by > as_of)
    ).subquery("changed")
    day: ColumnElement[Any] = changed.c.operating_day
    if is_postgresql(connection):
        number: ColumnElement[int] = day.op("-", return_type=Integer())(literal_column("DATE '1970-01-01'"))
        # Digits need no language's order, and byte order is the cheapest.
        order: list[ColumnElement[Any]] = [seen.c.duns.collate("C"), premise.c.tdsp_duns.collate("C")]
    else:
        number = sql_cast(func.julianday(day) - 2440587.5, Integer)
        order = [seen.c.duns, premise.c.tdsp_duns]
    return (
        select(seen.c.duns, premise.c.tdsp_duns, changed.c.premise_id, number, changed.c.channel, premise.c.esiid)
        .select_from(changed)
        .join(
            seen,
            and_(
                seen.c.premise_id == changed.c.premise_id,
                seen.c.from_day <= day,
                or_(seen.c.to_day.is_(None), seen.c.to_day >= day),
            ),
        )
        .join(premise, premise.c.id == changed.c.premise_id)
        .order_by(*order, changed.c.premise_id, day, changed.c.channel)
        .limit(most)
    )


def load_before(connection: Connection, moment: Any) -> int:
    """The highest number of a load that was finished before *moment*; 0 where there is none."""
    highest = select(func.coalesce(func.max(load.c.number), 0)).where(load.c.finished_at < moment)
    return int(connection.execute(highest).scalar_one())
