"""What loads brought, and who may see it: from the data to the companies, for all of them in one statement (R8, R13).

Set-based throughout: a day of 2.5 million premises is one pass over what those loads brought, and comes back as arrays.
Which rows that are is found by their load numbers, and by the days that the loads say they held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Select,
    Subquery,
    Table,
    and_,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy import cast as sql_cast

from smt_ws.parties.tables import premise
from smt_ws.store.dialect import is_postgresql, sent_integers
from smt_ws.usage.register_usage import tells_usage
from smt_ws.usage.tables import interval_day, interval_day_history, load, register_read, register_read_history

__all__ = ["DAILY_READS", "DAY_BITS", "INTERVALS", "ChangedDays", "Measured", "changed_days", "load_before"]

#: Premises whose days come together, by their keys: a few MB for a day, and never near PostgreSQL's largest value.
_PREMISES_AT_ONCE: Final = 131_072
#: A day of one channel of a premise as one number that sorts as they do: premise, day since 1970, channel.
DAY_BITS: Final = 17
_CHANNEL_BITS: Final = 3


class Measured(NamedTuple):
    """A kind of data: where its current versions are, and those that were replaced."""

    current: Table
    history: Table
    #: Whether intervals are news too, on the days of which this tells no usage: their sum stands for it (R15).
    else_summed: bool = False


INTERVALS = Measured(interval_day, interval_day_history)
DAILY_READS = Measured(register_read, register_read_history, else_summed=True)


@dataclass(frozen=True, slots=True, eq=False)
class ChangedDays:
    """Days of one channel each that the loads brought, of one TDSP's premises, and a company that may see them.

    In the order of premise, day and channel. A day seen twice over (by service and by agreement) is there twice.
    """

    duns: str
    tdsp_duns: str
    premise_id: NDArray[np.int64]
    #: Days since 1970-01-01.
    day: NDArray[np.int64]
    channel: NDArray[np.int64]
    esiid: Sequence[str]

    def __len__(self) -> int:
        """How many."""
        return len(self.day)


def changed_days(
    connection: Connection,
    seen: Subquery,
    *,
    after: int,
    as_of: int,
    channels: Sequence[int],
    measured: Measured = INTERVALS,
    from_day: date | None = None,
    most: int | None = None,
) -> Iterator[ChangedDays]:
    """Yield what the loads after *after* up to *as_of* brought or corrected, as of *as_of*, for those who may see it.

    *seen* is `smt_ws.parties.seen.days_seen`. In the order of DUNS number, TDSP and premises; what is one company's of
    one TDSP may come in several pieces. Of *measured* that is else summed, intervals are news where no register read
    tells the usage of their day as of *as_of*. Nothing before *from_day*; at most *most* days, whichever they are. One
    statement, streamed: the whole is never in memory.
    """
    found = _question(
        connection,
        seen,
        after=after,
        as_of=as_of,
        channels=channels,
        measured=measured,
        from_day=from_day,
        most=most,
    ).subquery("found")
    pieces = _postgresql if is_postgresql(connection) else _sqlite
    yield from pieces(connection, found)


def _postgresql(connection: Connection, found: Subquery) -> Iterator[ChangedDays]:
    # For the rest of this transaction: all rows are wanted, and compiling would take longer than it saves.
    settings = {"cursor_tuple_fraction": "1", "work_mem": "128MB", "jit": "off"}
    connection.execute(select(*(func.set_config(name, value, literal(True)) for name, value in settings.items())))
    # Digits need no language's order, and byte order is the cheapest.
    group: tuple[ColumnElement[Any], ...] = (
        found.c.duns.collate("C"),
        found.c.tdsp_duns.collate("C"),
        found.c.piece,
    )
    # Both lists are put together from the same rows in the same order.
    keys = func.array_send(func.array_agg(found.c.key), type_=LargeBinary)
    question = select(*group, keys, func.string_agg(found.c.esiid, "\n")).group_by(*group).order_by(*group)
    rows: Any = connection.execute(question, execution_options={"yield_per": 8})
    for duns, tdsp_duns, _, sent, names in rows:
        yield _piece(duns, tdsp_duns, sent_integers(sent), names.split("\n"))


def _sqlite(connection: Connection, found: Subquery) -> Iterator[ChangedDays]:
    columns = (found.c.duns, found.c.tdsp_duns, found.c.piece, found.c.key, found.c.esiid)
    rows = connection.execute(select(*columns).order_by(*columns[:4]), execution_options={"stream_results": True})
    for (duns, tdsp_duns, _), of_one in groupby(rows, key=lambda row: row[:3]):
        keys, names = zip(*(row[3:] for row in of_one), strict=True)
        yield _piece(duns, tdsp_duns, np.array(keys, np.int64), names)


def _piece(duns: str, tdsp_duns: str, keys: NDArray[np.int64], names: Sequence[str]) -> ChangedDays:
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, names = keys[order], [names[place] for place in order.tolist()]
    day = keys >> _CHANNEL_BITS & ((1 << DAY_BITS) - 1)
    channel = keys & ((1 << _CHANNEL_BITS) - 1)
    return ChangedDays(duns, tdsp_duns, keys >> DAY_BITS + _CHANNEL_BITS, day, channel, names)


def _question(
    connection: Connection,
    seen: Subquery,
    *,
    after: int,
    as_of: int,
    channels: Sequence[int],
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

    def loaded(table: Table) -> list[ColumnElement[bool]]:
        # The days are said of each table: partitions beyond them are not looked at.
        row = table.c
        bounds = [row.channel.in_(channels), row.load_number <= as_of]
        if first is not None:
            bounds.append(row.operating_day >= first)
        if last is not None:
            bounds.append(row.operating_day <= last)
        return bounds

    def versions(kind: Measured) -> list[tuple[Table, list[ColumnElement[bool]]]]:
        # A version that a later load replaced was the one to be read as of the load.
        return [(kind.current, []), (kind.history, [kind.history.c.replaced_by > as_of])]

    def brought(kind: Measured, *more: Callable[[Table], ColumnElement[bool]]) -> list[Select[Any]]:
        return [
            select(table.c.premise_id, table.c.operating_day, table.c.channel).where(
                *loaded(table), table.c.load_number > after, *then, *(one(table) for one in more)
            )
            for table, then in versions(kind)
        ]

    def untold(day: Table) -> ColumnElement[bool]:
        """No register read tells the usage of a day of intervals."""
        return and_(
            *(
                ~exists().where(
                    *(table.c[name] == day.c[name] for name in ("premise_id", "operating_day", "channel")),
                    *loaded(table),
                    *then,
                    tells_usage(table),
                )
                for table, then in versions(measured)
            )
        )

    news = brought(measured)
    if measured.else_summed:
        news += brought(INTERVALS, untold)
    changed = union_all(*news).subquery("changed")
    day: ColumnElement[Any] = changed.c.operating_day
    if is_postgresql(connection):
        number: ColumnElement[int] = day.op("-", return_type=Integer())(literal_column("DATE '1970-01-01'"))
    else:
        number = sql_cast(func.julianday(day) - 2440587.5, Integer)
    above_day, above_channel = (
        literal_column(str(1 << bits), BigInteger) for bits in (DAY_BITS + _CHANNEL_BITS, _CHANNEL_BITS)
    )
    key = changed.c.premise_id * above_day + number * above_channel + changed.c.channel
    piece = changed.c.premise_id.op("/", return_type=BigInteger())(literal_column(str(_PREMISES_AT_ONCE)))
    return (
        select(
            seen.c.duns,
            premise.c.tdsp_duns,
            piece.label("piece"),
            key.label("key"),
            premise.c.esiid,
        )
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
        .limit(most)
    )


def load_before(connection: Connection, moment: Any) -> int:
    """The highest number of a load that was finished before *moment*; 0 where there is none."""
    highest = select(func.coalesce(func.max(load.c.number), 0)).where(load.c.finished_at < moment)
    return int(connection.execute(highest).scalar_one())
