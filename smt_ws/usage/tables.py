"""Loads, interval days, register reads and bills.

One row is one ESI ID, channel and operating day: what arrives, is replaced and is reported. Values are packed as
little-endian int32 watt-hours (thousandths of a kWh), 92, 96 or 100 of them; ``statuses`` holds one letter an
interval (A actual, E estimated, M missing) and is NULL where all are actual.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from smt_ws.store.metadata import BigId, UtcDateTime, metadata

__all__ = [
    "bill_end_day",
    "interval_day",
    "interval_day_flags_history",
    "interval_day_history",
    "load",
    "load_counter",
    "monthly_bill",
    "monthly_bill_history",
    "register_read",
    "register_read_history",
]

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
    Column(
        "kind",
        String(20),
        nullable=False,
        comment="lse, or the layout of a market CSV",
    ),
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
Index("ix_load_last_day", load.c.tdsp_duns, load.c.last_day)

# What a load brought is found by its number: rows lie in the order of their loads, so the smallest index will do.

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
    Column("flags", BigId, nullable=False, server_default="0", comment="a bit for each rule that flagged it"),
    postgresql_partition_by="RANGE (operating_day)",
)
Index("ix_interval_day_load_number", interval_day.c.load_number, postgresql_using="brin")

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
    Column("flags", BigId, nullable=False, server_default="0"),
    postgresql_partition_by="RANGE (operating_day)",
)
Index("ix_interval_day_history_load_number", interval_day_history.c.load_number, postgresql_using="brin")

#: The flags that a version of a day had until a later load judged it anew: a register read, a correction nearby.
interval_day_flags_history = Table(
    "interval_day_flags_history",
    metadata,
    Column("premise_id", BigId, primary_key=True, autoincrement=False),
    Column("channel", SmallInteger, primary_key=True, autoincrement=False),
    Column("operating_day", Date, primary_key=True),
    Column("load_number", BigId, primary_key=True, autoincrement=False, comment="of the day's version"),
    Column("replaced_by", BigId, primary_key=True, autoincrement=False, comment="the load that judged it anew"),
    Column("flags", BigId, nullable=False, comment="until then"),
)
Index("ix_interval_day_flags_history_replaced_by", interval_day_flags_history.c.replaced_by)

#: Midnight register reads: what the meter's register said when the day began and when it ended (U6).
register_read = Table(
    "register_read",
    metadata,
    Column("premise_id", BigId, primary_key=True, autoincrement=False),
    Column("channel", SmallInteger, primary_key=True, autoincrement=False, comment="4 consumption, 1 generation"),
    Column("operating_day", Date, primary_key=True),
    Column("load_number", BigId, nullable=False),
    Column("start_wh", BigId, comment="NULL: not read"),
    Column("stop_wh", BigId, comment="NULL: not read"),
    Column("usage_wh", BigId, comment="as the TDSP says; may differ from stop - start after an exchange"),
    Column("status", String(1), nullable=False, comment="A actual or E estimated"),
    postgresql_partition_by="RANGE (operating_day)",
)
Index("ix_register_read_load_number", register_read.c.load_number, postgresql_using="brin")

register_read_history = Table(
    "register_read_history",
    metadata,
    Column("premise_id", BigId, primary_key=True, autoincrement=False),
    Column("channel", SmallInteger, primary_key=True, autoincrement=False),
    Column("operating_day", Date, primary_key=True),
    Column("load_number", BigId, primary_key=True, autoincrement=False),
    Column("replaced_by", BigId, nullable=False, comment="the load number of the version after it"),
    Column("start_wh", BigId),
    Column("stop_wh", BigId),
    Column("usage_wh", BigId),
    Column("status", String(1), nullable=False),
    postgresql_partition_by="RANGE (operating_day)",
)
Index("ix_register_read_history_load_number", register_read_history.c.load_number, postgresql_using="brin")

#: Monthly billed usage by billing period, its dates as they were sent; a rebill is a new version (U6, U10).
monthly_bill = Table(
    "monthly_bill",
    metadata,
    Column("premise_id", BigId, primary_key=True, autoincrement=False),
    Column("first_day", Date, primary_key=True),
    Column("last_day", Date, nullable=False),
    Column("load_number", BigId, nullable=False),
    Column("cancelled", Boolean, nullable=False, comment="cancelled and not billed again"),
    Column("actual_wh", BigId),
    Column("metered_w", BigId),
    Column("billed_w", BigId),
    Column("metered_va", BigId),
    Column("billed_va", BigId),
)

monthly_bill_history = Table(
    "monthly_bill_history",
    metadata,
    Column("premise_id", BigId, primary_key=True, autoincrement=False),
    Column("first_day", Date, primary_key=True),
    Column("load_number", BigId, primary_key=True, autoincrement=False),
    Column("last_day", Date, nullable=False),
    Column("replaced_by", BigId, nullable=False, comment="the load number of the version after it"),
    Column("cancelled", Boolean, nullable=False),
    Column("actual_wh", BigId),
    Column("metered_w", BigId),
    Column("billed_w", BigId),
    Column("metered_va", BigId),
    Column("billed_va", BigId),
)

#: What a TDSP means by the last day of its bills, and since when. No row: it is the last day of the period (U10).
bill_end_day = Table(
    "bill_end_day",
    metadata,
    Column("tdsp_duns", ForeignKey("company_duns.duns"), primary_key=True),
    Column("since", UtcDateTime, primary_key=True),
    Column("end_day", String(10), nullable=False),
    CheckConstraint("end_day IN ('INCLUSIVE', 'SHARED')", name="end_day"),
)
