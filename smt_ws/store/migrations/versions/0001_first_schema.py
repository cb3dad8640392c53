"""The first schema: parties, usage, orders, outbox, first answers, audit log.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: Tables in the order in which they can be dropped.
TABLES = (
    "order_part",
    "report_order",
    "rep_of_record",
    "occupancy",
    "meter",
    "grants",
    "company_duns",
    "company_certificate",
    "premise",
    "outbox",
    "load_counter",
    "load",
    "job_run",
    "interval_day_history",
    "interval_day",
    "company",
    "audit_log",
    "answered_request",
)


def upgrade() -> None:
    _create_tables()
    op.execute("INSERT INTO load_counter (id, last_number) VALUES (1, 0)")
    # Order numbers are read aloud on the telephone: they start where they look like numbers.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER SEQUENCE report_order_number_seq RESTART WITH 100001")
        op.execute(
            "CREATE FUNCTION audit_log_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_append_only()"
        )
    else:
        op.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('report_order', 100000)")
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_log_no_{action.lower()} BEFORE {action} ON audit_log "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_log_append_only()")


def _create_tables() -> None:
    op.create_table(
        "answered_request",
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("operation", sa.String(length=60), nullable=False),
        sa.Column("trans_id", sa.String(length=64), nullable=False),
        sa.Column(
            "body_sha256", sa.LargeBinary(length=32), nullable=False, comment="exclusive C14N of the Body's child"
        ),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "operation", "trans_id", "body_sha256", name=op.f("pk_answered_request")),
    )
    op.create_index(op.f("ix_answered_request_expires_at"), "answered_request", ["expires_at"], unique=False)
    op.create_table(
        "audit_log",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False, comment="subject:action:outcome"),
        sa.Column("actor", sa.String(length=80), nullable=False, comment="company:ID, operator:NAME or hub:PROCESS"),
        sa.Column("certificate_sha256", sa.String(length=64), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True, comment="source IP address"),
        sa.Column("object", sa.String(length=120), nullable=True, comment="what it was about, e.g. order:100017"),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"], unique=False)
    op.create_table(
        "company",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("legal_name", sa.String(length=200), nullable=False),
        sa.Column(
            "kind", sa.String(length=4), nullable=False, comment="REP, CSP (third party), TDSP or REG (regulator)"
        ),
        sa.Column("email", sa.String(length=254), nullable=False, comment="where notices go"),
        sa.Column(
            "csv_profile", sa.String(length=10), server_default="standard", nullable=False, comment="standard or smt"
        ),
        sa.Column(
            "openpgp_certificate",
            sa.Text(),
            nullable=True,
            comment="armoured public key that results are encrypted to (P4)",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "suspended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="from then on nothing is done for it (P10)",
        ),
        sa.CheckConstraint("csv_profile IN ('standard', 'smt')", name=op.f("ck_company_csv_profile")),
        sa.CheckConstraint("kind IN ('REP', 'CSP', 'TDSP', 'REG')", name=op.f("ck_company_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company")),
    )
    op.create_table(
        "interval_day",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column(
            "channel", sa.SmallInteger(), autoincrement=False, nullable=False, comment="4 consumption, 1 generation"
        ),
        sa.Column("operating_day", sa.Date(), nullable=False),
        sa.Column("load_number", BIG_ID, nullable=False),
        sa.Column("wh", sa.LargeBinary(), nullable=False, comment="int32 little-endian watt-hours"),
        sa.Column("statuses", sa.LargeBinary(), nullable=True, comment="A, E or M an interval; NULL: all A"),
        sa.PrimaryKeyConstraint("premise_id", "channel", "operating_day", name=op.f("pk_interval_day")),
        postgresql_partition_by="RANGE (operating_day)",
    )
    op.create_table(
        "interval_day_history",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("channel", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("operating_day", sa.Date(), nullable=False),
        sa.Column("load_number", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("replaced_by", BIG_ID, nullable=False, comment="the load number of the version after it"),
        sa.Column("wh", sa.LargeBinary(), nullable=False),
        sa.Column("statuses", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint(
            "premise_id", "channel", "operating_day", "load_number", name=op.f("pk_interval_day_history")
        ),
        postgresql_partition_by="RANGE (operating_day)",
    )
    op.create_table(
        "job_run",
        sa.Column("job", sa.String(length=60), nullable=False),
        sa.Column("for_date", sa.Date(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job", "for_date", name=op.f("pk_job_run")),
    )
    op.create_table(
        "load",
        sa.Column("number", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False, comment="lse, or the layout of a market CSV"),
        sa.Column("tdsp_duns", sa.String(length=13), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the file as it came"),
        sa.Column("state", sa.String(length=10), nullable=False, comment="loading, loaded, refused or abandoned"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the revision time of every row it brought",
        ),
        sa.Column("loaded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("replaced", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unchanged", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejected", sa.Integer(), server_default="0", nullable=False),
        sa.Column("flagged", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was refused or abandoned"),
        sa.CheckConstraint("state IN ('loading', 'loaded', 'refused', 'abandoned')", name=op.f("ck_load_state")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_load")),
    )
    op.create_index("ix_load_sha256", "load", ["sha256"], unique=False)
    op.create_index("ix_load_state", "load", ["state"], unique=False)
    op.create_table(
        "load_counter",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last_number", BIG_ID, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_load_counter_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load_counter")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False, comment="which handler carries it out, e.g. email"),
        sa.Column("dedupe_key", sa.String(length=120), nullable=False, comment="the same effect is queued once"),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False, comment="real time of the next try"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "lease_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="claimed by a worker until then (real time)",
        ),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "dead_at", sa.DateTime(timezone=True), nullable=True, comment="given up: visible until retried by hand"
        ),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_dedupe_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("done_at IS NULL AND dead_at IS NULL"),
    )
    op.create_table(
        "premise",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("esiid", sa.String(length=64), nullable=False),
        sa.Column("tdsp_duns", sa.String(length=13), nullable=False, comment="whose wires"),
        sa.Column("service_address", sa.String(length=200), nullable=True),
        sa.Column("city", sa.String(length=100), nullable=True),
        sa.Column("state", sa.String(length=2), nullable=True),
        sa.Column("zip", sa.String(length=10), nullable=True),
        sa.Column("premise_type", sa.String(length=30), nullable=True),
        sa.Column("status", sa.String(length=20), server_default="Active", nullable=False),
        sa.Column("load_number", BIG_ID, nullable=False, comment="the load that last said this"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_premise")),
        sa.UniqueConstraint("esiid", name=op.f("uq_premise_esiid")),
    )
    op.create_index(op.f("ix_premise_tdsp_duns"), "premise", ["tdsp_duns"], unique=False)
    op.create_table(
        "company_certificate",
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="lower-case hex fingerprint of the DER"),
        sa.Column("for_tls", sa.Boolean(), nullable=False),
        sa.Column("for_signing", sa.Boolean(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="RFC 4514"),
        sa.Column("issuer", sa.Text(), nullable=False, comment="RFC 4514"),
        sa.Column("serial", sa.String(length=60), nullable=False, comment="decimal"),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_certificate_company_id")),
        sa.PrimaryKeyConstraint("company_id", "sha256", name=op.f("pk_company_certificate")),
    )
    op.create_index("ix_company_certificate_issuer_serial", "company_certificate", ["issuer", "serial"], unique=False)
    op.create_index("ix_company_certificate_sha256", "company_certificate", ["sha256"], unique=False)
    op.create_table(
        "company_duns",
        sa.Column(
            "duns", sa.String(length=13), nullable=False, comment="9 or 13 digits, as text: leading zeros matter"
        ),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column(
            "ftps_password_hash",
            sa.String(length=200),
            nullable=True,
            comment="argon2id; none means that the folder cannot be entered",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_duns_company_id")),
        sa.PrimaryKeyConstraint("duns", name=op.f("pk_company_duns")),
    )
    op.create_index(op.f("ix_company_duns_company_id"), "company_duns", ["company_id"], unique=False)
    op.create_table(
        "grants",
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("scope", sa.String(length=30), nullable=False, comment="energy_data, device or device_services"),
        sa.Column("from_day", sa.Date(), nullable=False, comment="first operating day it opens"),
        sa.Column("to_day", sa.Date(), nullable=True, comment="last operating day it opens; none: no end"),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="from this moment it opens nothing"),
        sa.Column("source", sa.String(length=60), nullable=False, comment="the agreement, e.g. agreement:112226000001"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_grants_company_id")),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name=op.f("fk_grants_premise_id")),
        sa.PrimaryKeyConstraint("premise_id", "id", name=op.f("pk_grants")),
    )
    op.create_index("ix_grants_company", "grants", ["company_id", "scope", "premise_id"], unique=False)
    op.create_table(
        "meter",
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("meter_number", sa.String(length=30), nullable=False),
        sa.Column("installed_on", sa.Date(), nullable=False),
        sa.Column(
            "provisioned_on", sa.Date(), nullable=True, comment="from this day its data is the market's; none: not yet"
        ),
        sa.Column("removed_on", sa.Date(), nullable=True, comment="the last day it measured; none: still there"),
        sa.Column("load_number", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name=op.f("fk_meter_premise_id")),
        sa.PrimaryKeyConstraint("premise_id", "meter_number", "installed_on", name=op.f("pk_meter")),
    )
    op.create_index("ix_meter_meter_number", "meter", ["meter_number"], unique=False)
    op.create_table(
        "occupancy",
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("move_in_day", sa.Date(), nullable=False),
        sa.Column("move_out_day", sa.Date(), nullable=True, comment="the last day; none: still there"),
        sa.Column("load_number", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name=op.f("fk_occupancy_premise_id")),
        sa.PrimaryKeyConstraint("premise_id", "move_in_day", name=op.f("pk_occupancy")),
    )
    op.create_table(
        "rep_of_record",
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("to_day", sa.Date(), nullable=True, comment="the last day served; none: still serving"),
        sa.Column("duns", sa.String(length=13), nullable=False),
        sa.Column("load_number", BIG_ID, nullable=False),
        sa.CheckConstraint("to_day IS NULL OR to_day >= from_day", name=op.f("ck_rep_of_record_days")),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name=op.f("fk_rep_of_record_premise_id")),
        sa.PrimaryKeyConstraint("premise_id", "from_day", name=op.f("pk_rep_of_record")),
    )
    op.create_index("ix_rep_of_record_duns", "rep_of_record", ["duns", "premise_id"], unique=False)
    op.create_table(
        "report_order",
        sa.Column("number", BIG_ID, autoincrement=True, nullable=False, comment="the correlationId"),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("duns", sa.String(length=13), nullable=False, comment="whose folder the files go to"),
        sa.Column("trans_id", sa.String(length=64), nullable=False),
        sa.Column("requestor_id", sa.String(length=64), nullable=False),
        sa.Column("service_type", sa.String(length=12), server_default="ADHOC", nullable=False),
        sa.Column("report", sa.String(length=10), nullable=False, comment="interval"),
        sa.Column("format", sa.String(length=4), nullable=False, comment="CSV, XML or LSE"),
        sa.Column("csv_profile", sa.String(length=10), nullable=False),
        sa.Column("version", sa.String(length=1), nullable=False, comment="L latest, A all versions"),
        sa.Column("reading_type", sa.String(length=1), nullable=False, comment="C consumption, G generation, A both"),
        sa.Column("delivery_mode", sa.String(length=3), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("as_of_load", BIG_ID, nullable=False, comment="reads the store as of this load number"),
        sa.Column("status", sa.String(length=30), nullable=False),
        sa.Column("esiids_asked", sa.Integer(), nullable=False),
        sa.Column("days_asked", BIG_ID, nullable=False, comment="ESI-ID-days; asked = delivered + excepted"),
        sa.Column("days_delivered", BIG_ID, server_default="0", nullable=False),
        sa.Column("days_excepted", BIG_ID, server_default="0", nullable=False),
        sa.Column(
            "exceptions", sa.LargeBinary(), nullable=False, comment="refused at acceptance, packed (orders.plan)"
        ),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True, comment="its files are removed then"),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('Pending', 'In Progress', 'Complete', 'Complete with exceptions', 'Failed', 'Cancelled',"
            " 'Expired')",
            name=op.f("ck_report_order_status"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_report_order_company_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_report_order")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_report_order_company", "report_order", ["company_id", "accepted_at"], unique=False)
    op.create_index("ix_report_order_status", "report_order", ["status", "expires_at"], unique=False)
    op.create_table(
        "order_part",
        sa.Column("order_number", BIG_ID, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False, comment="data, exceptions or manifest"),
        sa.Column("stage", sa.SmallInteger(), nullable=False, comment="0 data, 1 exceptions, 2 manifest"),
        sa.Column("company_id", BIG_ID, nullable=False, comment="for fairness between companies"),
        sa.Column("file_name", sa.String(length=200), nullable=False, comment="fixed when planned"),
        sa.Column(
            "planned_at", sa.DateTime(timezone=True), nullable=False, comment="fixed when planned: the zip's time stamp"
        ),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column(
            "slices", sa.LargeBinary(), nullable=False, comment="ESI IDs and days of this part, packed (orders.plan)"
        ),
        sa.Column("days_planned", sa.Integer(), nullable=False),
        sa.Column("esiids", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False, comment="goes up with every claim"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True, comment="real time"),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False, comment="real time of the next try"),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "missing",
            sa.LargeBinary(),
            nullable=True,
            comment="days planned but not in the store, packed (orders.plan)",
        ),
        sa.Column("days_delivered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("records", BIG_ID, nullable=True, comment="rows in the plain file"),
        sa.Column("plain_size", BIG_ID, nullable=True),
        sa.Column("plain_sha256", sa.String(length=64), nullable=True),
        sa.Column("size", BIG_ID, nullable=True, comment="of the file as delivered"),
        sa.Column("sha256", sa.String(length=64), nullable=True, comment="of the file as delivered"),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'building', 'published', 'empty', 'failed', 'cancelled', 'expired')",
            name=op.f("ck_order_part_state"),
        ),
        sa.ForeignKeyConstraint(["order_number"], ["report_order.number"], name=op.f("fk_order_part_order_number")),
        sa.PrimaryKeyConstraint("order_number", "part", name=op.f("pk_order_part")),
    )
    op.create_index("ix_order_part_open", "order_part", ["state", "not_before", "days_planned"], unique=False)
