"""Orders and their parts. The order and everything it will publish are planned in one transaction."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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
    false,
)

from smt_ws.store.metadata import BigId, UtcDateTime, metadata

__all__ = ["order_part", "report_order", "subscription"]

report_order = Table(
    "report_order",
    metadata,
    Column("number", BigId, primary_key=True, autoincrement=True, comment="the correlationId"),
    Column("company_id", ForeignKey("company.id"), nullable=False),
    Column("duns", String(13), nullable=False, comment="whose folder the files go to"),
    Column("trans_id", String(64), nullable=False),
    Column("requestor_id", String(64), nullable=False),
    Column("service_type", String(12), nullable=False, server_default="ADHOC"),
    Column("report", String(10), nullable=False, comment="interval"),
    Column("format", String(4), nullable=False, comment="CSV, XML or LSE"),
    Column("csv_profile", String(10), nullable=False),
    Column("version", String(1), nullable=False, comment="L latest, A all versions"),
    Column("reading_type", String(1), nullable=False, comment="C consumption, G generation, A both"),
    Column("delivery_mode", String(3), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("as_of_load", BigId, nullable=False, comment="reads the store as of this load number"),
    Column("status", String(30), nullable=False),
    Column("esiids_asked", Integer, nullable=False),
    Column("days_asked", BigId, nullable=False, comment="ESI-ID-days; asked = delivered + excepted"),
    Column("days_delivered", BigId, nullable=False, server_default="0"),
    Column("days_excepted", BigId, nullable=False, server_default="0"),
    Column("exceptions", LargeBinary, nullable=False, comment="refused at acceptance, packed (orders.plan)"),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    Column("expires_at", UtcDateTime, comment="its files are removed then"),
    Column("failure", Text),
    Column("folder", String(10), nullable=False, server_default="adhoc", comment="of the FTPS site: adhoc or daily"),
    Column("from_load", BigId, comment="holds only what was loaded after this load number; NULL: whatever is known"),
    Column("subscription_id", BigId, comment="the subscription it was made for"),
    Column("posting_day", Date, comment="the day for which it was made: one order a subscription and day"),
    Column(
        "left_to_order", JSON, comment="days opened too long ago to be posted: esiids, esiid_days, first_day, last_day"
    ),
    Column("agreement", String(12), comment="the one-time agreement it was made for: one order an agreement"),
    CheckConstraint(
        "status IN ('Pending', 'In Progress', 'Complete', 'Complete with exceptions', 'Failed', 'Cancelled',"
        " 'Expired')",
        name="status",
    ),
    sqlite_autoincrement=True,  # a number is never given twice
)
Index("ix_report_order_company", report_order.c.company_id, report_order.c.accepted_at)
Index("ix_report_order_status", report_order.c.status, report_order.c.expires_at)
Index("ix_report_order_posting", report_order.c.subscription_id, report_order.c.posting_day, unique=True)
Index("ix_report_order_agreement", report_order.c.agreement, unique=True)

#: One file to build. A part of stage n may be claimed when its order has no unfinished part of a lower stage.
order_part = Table(
    "order_part",
    metadata,
    Column("order_number", ForeignKey("report_order.number"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False, comment="data, exceptions, remarks or manifest"),
    Column("stage", SmallInteger, nullable=False, comment="0 data, 1 exceptions and remarks, 2 manifest"),
    Column("company_id", BigId, nullable=False, comment="for fairness between companies"),
    Column("file_name", String(200), nullable=False, comment="fixed when planned"),
    Column("planned_at", UtcDateTime, nullable=False, comment="fixed when planned: the zip's time stamp"),
    Column("state", String(10), nullable=False),
    Column("slices", LargeBinary, nullable=False, comment="ESI IDs and days of this part, packed (orders.plan)"),
    Column("days_planned", Integer, nullable=False),
    Column("esiids", Integer, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("fence", Integer, nullable=False, server_default="0", comment="goes up with every claim"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claimed_by", String(80)),
    Column("lease_until", UtcDateTime, comment="real time"),
    Column("not_before", UtcDateTime, nullable=False, comment="real time of the next try"),
    Column("last_error", Text),
    Column("missing", LargeBinary, comment="days planned but not in the store, packed (orders.plan)"),
    Column("remarks", LargeBinary, comment="on days delivered, packed (orders.plan); NULL: none"),
    Column("days_delivered", Integer, nullable=False, server_default="0"),
    Column("records", BigId, comment="rows in the plain file"),
    Column("plain_size", BigId),
    Column("plain_sha256", String(64)),
    Column("size", BigId, comment="of the file as delivered"),
    Column("sha256", String(64), comment="of the file as delivered"),
    Column("published_at", UtcDateTime),
    Column("tdsp_duns", String(13), comment="whose premises it holds, where a file is of one TDSP"),
    Column("member_name", String(200), comment="of the plain file; NULL: as file_name says"),
    Column(
        "opened", Boolean, nullable=False, server_default=false(), comment="holds days opened since from_load, whole"
    ),
    CheckConstraint(
        "state IN ('planned', 'building', 'published', 'empty', 'failed', 'cancelled', 'expired')", name="state"
    ),
)
Index("ix_order_part_open", order_part.c.state, order_part.c.not_before, order_part.c.days_planned)

#: Who gets what every day without asking (R8). One a DUNS number and kind of data is in force at a time.
subscription = Table(
    "subscription",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("company_id", ForeignKey("company.id"), nullable=False, index=True),
    Column("duns", String(13), nullable=False, comment="whose folder the files go to"),
    Column("kind", String(4), nullable=False, comment="the capacity it sees in: REP or CSP"),
    Column("data_type", String(10), nullable=False, comment="INTERVAL or DAILY"),
    Column("format", String(4), nullable=False, comment="CSV or LSE"),
    Column("by_default", Boolean, nullable=False, comment="made by the hub: every REP has it without asking"),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("posted_load", BigId, nullable=False, comment="everything up to this load number has been posted"),
    Column("posted_day", Date, comment="the day of the last posting, with or without files"),
    sqlite_autoincrement=True,
)
Index(
    "ix_subscription_in_force",
    subscription.c.duns,
    subscription.c.data_type,
    unique=True,
    postgresql_where=subscription.c.ended_at.is_(None),
    sqlite_where=subscription.c.ended_at.is_(None),
)
