"""Monthly partitions of the interval and register-read tables on PostgreSQL, made by the load that first needs them.

A partition is created as a table of its own and then attached: attaching, unlike ``CREATE TABLE … PARTITION OF``,
waits neither for readers nor for loads of other months that are under way. SQLite has no partitions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from sqlalchemy import Connection, text

from smt_ws.store.engine import Store
from smt_ws.usage.tables import interval_day, interval_day_history, register_read, register_read_history

__all__ = ["ensure_months", "month_after", "partition_name"]

#: Serialises the making of partitions; kept to the end of the transaction that makes them.
_LOCK = 0x736D_7477_7370_6172


_PARTITIONED = (interval_day, interval_day_history, register_read, register_read_history)


def partition_name(table: str, month: date) -> str:
    """The name of the partition that holds *month*, e.g. ``interval_day_y2026m11``."""
    return f"{table}_y{month.year:04}m{month.month:02}"


def month_after(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def ensure_months(store: Store, days: Iterable[date]) -> list[str]:
    """Make the partitions that *days* need where there are none; return the names of those made.

    In a transaction of its own, committed before it returns: safe against others who do the same, and a load that
    fails afterwards leaves at most an empty partition behind.
    """
    months = sorted({day.replace(day=1) for day in days})
    if store.is_sqlite or not months:
        return []
    wanted = {partition_name(table.name, month): (table.name, month) for table in _PARTITIONED for month in months}
    with store.read() as connection:
        if not wanted.keys() - _existing(connection):
            return []
    made: list[str] = []
    with store.write() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
        for name in sorted(wanted.keys() - _existing(connection)):
            parent, month = wanted[name]
            connection.execute(text(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)"))
            connection.execute(
                text(
                    f"ALTER TABLE {parent} ATTACH PARTITION {name}"
                    f" FOR VALUES FROM ('{month.isoformat()}') TO ('{month_after(month).isoformat()}')"
                )
            )
            made.append(name)
    return made


def _existing(connection: Connection) -> set[str]:
    rows = connection.execute(
        text(
            "SELECT child.relname FROM pg_inherits"
            " JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent"
            " WHERE parent.oid IN (SELECT to_regclass(name) FROM unnest(CAST(:parents AS text[])) name)"
        ),
        {"parents": [table.name for table in _PARTITIONED]},
    )
    return set(rows.scalars())
