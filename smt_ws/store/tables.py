"""Tables that belong to no one capability: the outbox, first answers, the audit log, runs of timed jobs."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, Index, Integer, LargeBinary, String, Table, Text

from smt_ws.store.metadata import BigId, UtcDateTime, metadata

__all__ = ["answered_request", "audit_link", "audit_log", "heartbeat", "job_run", "outbox"]

#: Side effects, written in the transaction that decides them and carried out afterwards, at least once.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("kind", String(40), nullable=False, comment="which handler carries it out, e.g. email"),
    Column("dedupe_key", String(120), nullable=False, unique=True, comment="the same effect is queued once"),
    Column("payload", JSON, nullable=False),
    Column("target", String(120), comment="whose server it needs, e.g. tdsp:1039940674000; none: no one's"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False, comment="real time of the next try"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_until", UtcDateTime, comment="claimed by a worker until then (real time)"),
    Column("done_at", UtcDateTime),
    Column("dead_at", UtcDateTime, comment="given up: visible until retried by hand"),
    Column("last_error", Text),
    Column("give_up_at", UtcDateTime, comment="while its target is down it is tried until then (real time)"),
    sqlite_autoincrement=True,
)
_OPEN = outbox.c.done_at.is_(None) & outbox.c.dead_at.is_(None)
Index("ix_outbox_open", outbox.c.not_before, postgresql_where=_OPEN, sqlite_where=_OPEN)
Index("ix_outbox_target", outbox.c.target, outbox.c.not_before, postgresql_where=_OPEN, sqlite_where=_OPEN)

#: How each target of the outbox is doing: its circuit (`smt_ws.store.breaker`), and whether an operator holds it.
outbox_target = Table(
    "outbox_target",
    metadata,
    Column("target", String(120), primary_key=True),
    Column("failures", Integer, nullable=False, server_default="0", comment="in a row"),
    Column("open_until", UtcDateTime, comment="nothing is tried until then (real time)"),
    Column("failing_since", UtcDateTime, comment="the first of the failures in a row (real time)"),
    Column("paused_at", UtcDateTime, comment="held by an operator since (real time)"),
    Column("last_error", Text),
)

#: The first answer to every state-changing request, given again to a repeat (interfaces: idempotency and replay).
answered_request = Table(
    "answered_request",
    metadata,
    Column("company_id", BigId, primary_key=True),
    Column("operation", String(60), primary_key=True),
    Column("trans_id", String(64), primary_key=True),
    Column("body_sha256", LargeBinary(32), primary_key=True, comment="exclusive C14N of the Body's child"),
    Column("first_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("answer", JSON, nullable=False),
)

#: Who did or saw what, from where, with which certificate, and how it ended (P7). Rows are only ever added.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("event", String(60), nullable=False, comment="subject:action:outcome"),
    Column("actor", String(80), nullable=False, comment="company:ID, operator:NAME or hub:PROCESS"),
    Column("certificate_sha256", String(64)),
    Column("address", String(45), comment="source IP address"),
    Column("object", String(120), comment="what it was about, e.g. order:100017"),
    Column("details", JSON, nullable=False),
    sqlite_autoincrement=True,
)

#: The seal of the audit log: each line, in the order of sealing, hashed together with everything before it.
audit_link = Table(
    "audit_link",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=False, comment="1, 2, 3 … without a gap"),
    Column("audit_id", BigId, nullable=False, unique=True, comment="the line of audit_log"),
    Column("sha256", LargeBinary(32), nullable=False, comment="of the link before and this line (store.audit_chain)"),
    Column("sealed_at", UtcDateTime, nullable=False, comment="real time"),
)

#: When a process of which there should always be one said that it lives.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", String(60), primary_key=True, comment="what it does, e.g. clock"),
    Column("holder", String(120), nullable=False, comment="host:pid"),
    Column("at", UtcDateTime, nullable=False, comment="real time"),
)

#: Which timed job has run for which date, so that no date is done twice.
job_run = Table(
    "job_run",
    metadata,
    Column("job", String(60), primary_key=True),
    Column("for_date", Date, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", Text),
)
