"""Home area network: devices, messages, and their histories.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
TABLES = (
    "han_message_status",
    "han_message_device",
    "han_message_target",
    "han_message",
    "han_device_history",
    "han_request",
    "han_device",
    "device_control",
    "tdsp_endpoint",
)
#: Message numbers are the ids of SEP events, of which a device takes the larger for the newer. Programs before this
#: hub took the seconds since 2000 for them: about 0.85 billion in 2026.
FIRST_MESSAGE = 1_000_000_001


def upgrade() -> None:
    op.create_table(
        "tdsp_endpoint",
        sa.Column("duns", sa.String(13), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("set_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["duns"], ["company_duns.duns"], name="fk_tdsp_endpoint_duns"),
        sa.PrimaryKeyConstraint("duns", name="pk_tdsp_endpoint"),
    )
    op.create_table(
        "device_control",
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("by_rep", sa.Boolean(), nullable=False),
        sa.Column("by_third_party", sa.Boolean(), nullable=False),
        sa.Column("by_tdsp", sa.Boolean(), nullable=False),
        sa.Column("set_at", MOMENT, nullable=False),
        sa.Column("set_by", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name="fk_device_control_premise_id"),
        sa.PrimaryKeyConstraint("premise_id", name="pk_device_control"),
    )
    _create_devices()
    _create_messages()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def _create_devices() -> None:
    op.create_table(
        "han_device",
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("eui64", sa.String(16), nullable=False),
        sa.Column("device_type", sa.String(10), nullable=False),
        sa.Column("install_code", sa.LargeBinary()),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("before_removal", sa.String(24)),
        sa.Column("holds_slot", sa.Boolean(), nullable=False),
        sa.Column("add_request", BIG_ID, nullable=False),
        sa.Column("remove_request", BIG_ID),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("meter_number", sa.String(30), nullable=False),
        sa.Column("tdsp_duns", sa.String(13), nullable=False),
        sa.Column("state_at", MOMENT, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name="fk_han_device_premise_id"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_han_device_company_id"),
        sa.PrimaryKeyConstraint("premise_id", "eui64", name="pk_han_device"),
    )
    held = sa.text("holds_slot")
    op.create_index(
        "ix_han_device_slot", "han_device", ["eui64"], unique=True, postgresql_where=held, sqlite_where=held
    )
    op.create_index("ix_han_device_state", "han_device", ["state", "state_at"])
    op.create_table(
        "han_request",
        sa.Column("number", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("eui64", sa.String(16), nullable=False),
        sa.Column("action", sa.String(6), nullable=False),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("duns", sa.String(13), nullable=False),
        sa.Column("trans_id", sa.String(64), nullable=False),
        sa.Column("requestor_id", sa.String(64), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("consent", sa.String(8)),
        sa.Column("meter_number", sa.String(30), nullable=False),
        sa.Column("tdsp_duns", sa.String(13), nullable=False),
        sa.Column("calling_at", MOMENT),
        sa.Column("handed_over_at", MOMENT),
        sa.CheckConstraint("action IN ('ADD', 'REMOVE')", name="ck_han_request_action"),
        sa.CheckConstraint("consent IN ('asked', 'given', 'refused')", name="ck_han_request_consent"),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name="fk_han_request_premise_id"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_han_request_company_id"),
        sa.PrimaryKeyConstraint("number", name="pk_han_request"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_han_request_device", "han_request", ["premise_id", "eui64"])
    op.create_table(
        "han_device_history",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("eui64", sa.String(16), nullable=False),
        sa.Column("entry", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("request_number", BIG_ID),
        sa.Column("event", sa.String(24), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("reason_code", sa.String(64)),
        sa.Column("reason", sa.String(500)),
        sa.Column("status_at", MOMENT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("premise_id", "eui64", "entry", name="pk_han_device_history"),
    )
    op.create_index("ix_han_device_history_request", "han_device_history", ["request_number"])


def _create_messages() -> None:
    op.create_table(
        "han_message",
        sa.Column("number", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("duns", sa.String(13), nullable=False),
        sa.Column("trans_id", sa.String(64), nullable=False),
        sa.Column("requestor_id", sa.String(64), nullable=False),
        sa.Column("category", sa.String(3), nullable=False),
        sa.Column("accepted_at", MOMENT, nullable=False),
        sa.Column("original", BIG_ID),
        sa.Column("part_of", BIG_ID),
        sa.Column("start_at", MOMENT),
        sa.Column("ends_at", MOMENT),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("premises", sa.Integer(), nullable=False),
        sa.CheckConstraint("category IN ('STM', 'CSM', 'LCE', 'CLE', 'CAL', 'PRM')", name="ck_han_message_category"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_han_message_company_id"),
        sa.PrimaryKeyConstraint("number", name="pk_han_message"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_han_message_company", "han_message", ["company_id", "accepted_at"])
    for column in ("original", "part_of", "ends_at"):
        op.create_index(f"ix_han_message_{column}", "han_message", [column])
    op.create_table(
        "han_message_target",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("message_number", BIG_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tdsp_duns", sa.String(13), nullable=False),
        sa.Column("meter_number", sa.String(30), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("meter_state", sa.String(12), nullable=False),
        sa.Column("meter_state_at", MOMENT, nullable=False),
        sa.Column("calling_at", MOMENT),
        sa.Column("handed_over_at", MOMENT),
        sa.Column("delivered_at", MOMENT),
        sa.Column("closed_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["message_number"], ["han_message.number"], name="fk_han_message_target_message_number"
        ),
        sa.PrimaryKeyConstraint("premise_id", "message_number", name="pk_han_message_target"),
    )
    op.create_index("ix_han_message_target_position", "han_message_target", ["message_number", "position"], unique=True)
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "ix_han_message_target_open",
        "han_message_target",
        ["premise_id"],
        postgresql_where=still_open,
        sqlite_where=still_open,
    )
    op.create_table(
        "han_message_device",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("message_number", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("eui64", sa.String(16), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("state_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("premise_id", "message_number", "eui64", name="pk_han_message_device"),
    )
    op.create_table(
        "han_message_status",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("message_number", BIG_ID, nullable=False),
        sa.Column("eui64", sa.String(16), nullable=False),
        sa.Column("code", sa.String(3), nullable=False),
        sa.Column("sep_status", sa.SmallInteger()),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("status_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.Column("by_hub", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_han_message_status"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_han_message_status_message", "han_message_status", ["message_number", "premise_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER SEQUENCE han_message_number_seq RESTART WITH {FIRST_MESSAGE}")
    else:
        op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('han_message', {FIRST_MESSAGE - 1})")  # noqa: S608
