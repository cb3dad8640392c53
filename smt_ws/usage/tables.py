"""Loads and interval days.

One row is one ESI ID, channel and operating day: what arrives, is replaced and is reported. Values are packed as
little-endian int32 watt-hours (thousandths of a kWh), 92, 96 or 100 of them; ``statuses`` holds one letter an
interval (A actual, E estimated, M missing) and is NULL where all are actual.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, Index, Integer, LargeBinary, SmallInteger, String, Table, Text

from smt_ws.store.metadata import BigId, UtcDateTime, metadata

__all__ = ["interval_day", "interval_day_history", "load", "load_counter"]

#: One row: the last load number given out. Its lock makes load numbers visible in their order.
load_counter = Table(
    "load_counter",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("last_number", BigId, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

#: One file taken in is one load.
load = Table(
    "load",
    metadata,
    Column("number", BigId, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False, comment="lse, premises, meters, rep_of_record or occupancy"),
    Column("tdsp_duns", String(13), nullable=False),
    Column("file_name", String(255), nullable=False),
    Column("sha256", String(64), nullable=False, comment="of the file as it came"),
    Column("state", String(10), nullable=False, comment="loading, loaded, refused or abandoned"),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, comment="the revision time of every row it brought"),
    Column("loaded", Integer, nullable=False, server_default="0"),
    Column("replaced", Integer, nullable=False, server_default="0"),
    Column("unchanged", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("flagged", Integer, nullable=False, server_default="0"),
    Column("first_day", Date),
    Column("last_day", Date),
    Column("reason", Text, comment="why it was refused or abandoned"),
    CheckConstraint("state IN ('loading', 'loaded', 'refused', 'abandoned')", name="state"),
)
Index("ix_load_sha256", load.c.sha256)
Index("ix_load_state", load.c.state)

#: The latest version of each day. On PostgreSQL partitioned by month; a partition is made by the load that needs it.
interval_day = Table(
    "interval_day",
    metadata,
    Column("premise_id", BigId, primary_key=True, autoincrement=False),
    Column("channel", SmallInteger, primary_key=True, autoincrement=False, comment="4 consumption, 1 generation"),
    Column("operating_day", Date, primary_key=True),
    Column("load_number", BigId, nullable=False),
    Column("wh", LargeBinary, nullable=False, comment="int32 little-endian watt-hours"),
    Column("statuses", LargeBinary, comment="A, E or M an interval; NULL: all A"),
    postgresql_partition_by="RANGE (operating_day)",
)

#: Every version that was replaced, and by which load.
interval_day_history = Table(
    "interval_day_history",
    metadata,
    Column("premise_id", BigId, primary_key=True, autoincrement=False),
    Column("channel", SmallInteger, primary_key=True, autoincrement=False),
    Column("operating_day", Date, primary_key=True),
    Column("load_number", BigId, primary_key=True, autoincrement=False),
    Column("replaced_by", BigId, nullable=False, comment="the load number of the version after it"),
    Column("wh", LargeBinary, nullable=False),
    Column("statuses", LargeBinary),
    postgresql_partition_by="RANGE (operating_day)",
)
