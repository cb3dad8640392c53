"""Where the figures of one ESI ID and operating day come from: files, loads, versions, flags, and the three sums.

Intervals, register and bill often differ in this market (estimation, reads that are not at midnight, bills that are
not profiled again): they are shown side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, literal, select, union_all

from smt_ws.parties.tables import meter, premise, rep_of_record
from smt_ws.usage.bill_end_days import with_shared_days
from smt_ws.usage.bill_periods import EndDay, last_covered
from smt_ws.usage.presence import has_value
from smt_ws.usage.rules import rules_in
from smt_ws.usage.tables import (
    interval_day,
    interval_day_history,
    load,
    monthly_bill,
    monthly_bill_history,
    register_read,
    register_read_history,
)

__all__ = ["BillVersion", "DayVersion", "Origin", "Place", "ReadVersion", "Trace", "trace"]


@dataclass(frozen=True)
class Origin:
    """The load that brought a version."""

    load_number: int
    #: ``lse``, ``register_reads`` or ``monthly_bills``.
    kind: str
    tdsp_duns: str
    file_name: str
    #: Of the file as it came, lower-case hex: the activity report is named after its first 12 digits.
    sha256: str
    loaded_at: datetime
    #: The load that replaced it; None: it is the latest.
    replaced_by: int | None


@dataclass(frozen=True)
class DayVersion:
    """One version of the intervals of one channel; Wh."""

    channel: int
    origin: Origin
    intervals: int
    actual: int
    estimated: int
    missing: int
    #: Of the intervals that have a value; None where none has.
    sum_wh: int | None
    flags: tuple[str, ...]
    #: Little-endian int32 Wh; a letter an interval, None where all are A: as stored.
    values: bytes
    statuses: bytes | None


@dataclass(frozen=True)
class ReadVersion:
    """One version of the register reads of one channel; Wh."""

    channel: int
    origin: Origin
    start_wh: int | None
    stop_wh: int | None
    usage_wh: int | None
    status: str


@dataclass(frozen=True)
class BillVersion:
    """One version of the bill whose period holds the day, and what else the store has of that period; Wh."""

    #: As it was sent.
    first_day: date
    last_day: date
    #: The last day of the period, as its TDSP means its end date now.
    last_covered: date
    origin: Origin
    cancelled: bool
    actual_wh: int | None
    #: Sum of the latest consumption intervals of the period, how many of its days have one, and how many of these
    #: days lack others.
    interval_wh: int
    interval_days: int
    partial_days: int
    #: The same by register reads.
    register_wh: int
    register_days: int


@dataclass(frozen=True)
class Place:
    """The premise, and who and what was there on the day."""

    premise_id: int
    esiid: str
    tdsp_duns: str
    status: str
    premise_type: str | None
    rep_duns: tuple[str, ...]
    #: (meter number, installed, provisioned, removed)
    meters: tuple[tuple[str, date, date | None, date | None], ...]


@dataclass(frozen=True)
class Trace:
    """All that the store knows of one ESI ID and day; consumption first, of each channel the first version first."""

    place: Place
    day: date
    days: tuple[DayVersion, ...]
    reads: tuple[ReadVersion, ...]
    bills: tuple[BillVersion, ...]


def trace(connection: Connection, esiid: str, day: date) -> Trace | None:
    """Trace one operating day; None where no premise has the ESI ID."""
    found = connection.execute(select(premise).where(premise.c.esiid == esiid)).first()
    if found is None:
        return None
    return Trace(
        place=_place(connection, found, day),
        day=day,
        days=tuple(map(_day_version, _versions(connection, interval_day, interval_day_history, found.id, day))),
        reads=tuple(
            ReadVersion(row.channel, _origin(row), row.start_wh, row.stop_wh, row.usage_wh, row.status)
            for row in _versions(connection, register_read, register_read_history, found.id, day)
        ),
        bills=tuple(_bills(connection, found.id, day)),
    )


def _place(connection: Connection, found: Any, day: date) -> Place:
    served = (rep_of_record.c.from_day <= day) & (rep_of_record.c.to_day.is_(None) | (rep_of_record.c.to_day >= day))
    hung = (meter.c.installed_on <= day) & (meter.c.removed_on.is_(None) | (meter.c.removed_on >= day))
    reps = connection.scalars(select(rep_of_record.c.duns).where(rep_of_record.c.premise_id == found.id, served))
    meters = connection.execute(
        select(meter.c.meter_number, meter.c.installed_on, meter.c.provisioned_on, meter.c.removed_on)
        .where(meter.c.premise_id == found.id, hung)
        .order_by(meter.c.installed_on)
    )
    return Place(
        found.id, found.esiid, found.tdsp_duns, found.status, found.premise_type, tuple(reps), tuple(map(tuple, meters))
    )


#: What is told of the load of a version.
_ORIGIN = (load.c.kind, load.c.tdsp_duns, load.c.file_name, load.c.sha256, load.c.finished_at)


def _versions(connection: Connection, current: Table, history: Table, premise_id: int, day: date) -> Iterable[Any]:
    """Rows of both tables for the day, with what is to be told of their load; oldest first."""
    names = [column.name for column in current.columns]
    both = union_all(
        *(
            select(*(table.c[name] for name in names), replaced_by.label("replaced_by")).where(
                table.c.premise_id == premise_id, table.c.operating_day == day
            )
            for table, replaced_by in ((history, history.c.replaced_by), (current, literal(None)))
        )
    ).subquery("versions")
    return connection.execute(
        select(both, *_ORIGIN)
        .join(load, load.c.number == both.c.load_number)
        .order_by(both.c.channel.desc(), both.c.load_number)
    )


def _origin(row: Any) -> Origin:
    return Origin(row.load_number, row.kind, row.tdsp_duns, row.file_name, row.sha256, row.finished_at, row.replaced_by)


def _day_version(row: Any) -> DayVersion:
    values = np.frombuffer(row.wh, "<i4")
    statuses = row.statuses if row.statuses is not None else b"A" * len(values)
    return DayVersion(
        channel=row.channel,
        origin=_origin(row),
        intervals=len(values),
        actual=statuses.count(b"A"),
        estimated=statuses.count(b"E"),
        missing=statuses.count(b"M"),
        sum_wh=int(values.sum(dtype=np.int64)) if has_value(row.statuses) else None,
        flags=rules_in(row.flags),
        values=row.wh,
        statuses=row.statuses,
    )


def _bills(connection: Connection, premise_id: int, day: date) -> Iterable[BillVersion]:
    names = [column.name for column in monthly_bill.columns]
    both = union_all(
        *(
            select(*(table.c[name] for name in names), replaced_by.label("replaced_by")).where(
                table.c.premise_id == premise_id, table.c.first_day <= day, table.c.last_day >= day
            )
            for table, replaced_by in (
                (monthly_bill_history, monthly_bill_history.c.replaced_by),
                (monthly_bill, literal(None)),
            )
        )
    ).subquery("versions")
    rows = connection.execute(
        select(both, *_ORIGIN)
        .join(load, load.c.number == both.c.load_number)
        .order_by(both.c.first_day, both.c.load_number)
    ).all()
    shared = with_shared_days(connection)
    for row in rows:
        last = last_covered(row.first_day, row.last_day, EndDay.SHARED if row.tdsp_duns in shared else EndDay.INCLUSIVE)
        if last < day:
            continue
        period = (row.first_day, last)
        days = [
            (wh, statuses)
            for wh, statuses in connection.execute(_of_period(interval_day, ("wh", "statuses"), premise_id, *period))
            if has_value(statuses)
        ]
        usage = [
            wh
            for wh in connection.scalars(_of_period(register_read, ("usage_wh",), premise_id, *period))
            if wh is not None
        ]
        yield BillVersion(
            row.first_day,
            row.last_day,
            last,
            origin=_origin(row),
            cancelled=row.cancelled,
            actual_wh=row.actual_wh,
            interval_wh=sum(int(np.frombuffer(wh, "<i4").sum(dtype=np.int64)) for wh, _ in days),
            interval_days=len(days),
            partial_days=sum(statuses is not None and b"M" in statuses for _, statuses in days),
            register_wh=sum(usage),
            register_days=len(usage),
        )


def _of_period(table: Table, columns: Sequence[str], premise_id: int, first: date, last: date) -> Any:
    return select(*(table.c[name] for name in columns)).where(
        table.c.premise_id == premise_id, table.c.channel == 4, table.c.operating_day.between(first, last)
    )
