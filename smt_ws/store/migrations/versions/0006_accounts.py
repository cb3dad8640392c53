"""Customer accounts, their sessions and links.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(11), nullable=False),
        sa.Column("first_name", sa.String(60), nullable=False),
        sa.Column("middle_initial", sa.String(1), nullable=False, server_default=""),
        sa.Column("last_name", sa.String(60), nullable=False),
        sa.Column("company_name", sa.String(200), nullable=False, server_default=""),
        sa.Column("phone", sa.String(30), nullable=False, server_default=""),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("authorization_code", sa.String(12), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT),
        sa.CheckConstraint("kind IN ('residential', 'business')", name="ck_account_kind"),
        sa.CheckConstraint("language IN ('en', 'es')", name="ck_account_language"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("authorization_code", name="uq_account_authorization_code"),
        sqlite_autoincrement=True,
    )
    confirmed = sa.text("confirmed_at IS NOT NULL")
    op.create_index(
        "ix_account_confirmed",
        "account",
        ["email_key"],
        unique=True,
        postgresql_where=confirmed,
        sqlite_where=confirmed,
    )
    op.create_table(
        "account_meter",
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("account_id", BIG_ID, nullable=False),
        sa.Column("meter_number", sa.String(30), nullable=False),
        sa.Column("added_on", sa.Date(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name="fk_account_meter_premise_id"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_meter_account_id"),
        sa.PrimaryKeyConstraint("premise_id", "account_id", name="pk_account_meter"),
    )
    op.create_index("ix_account_meter_account_id", "account_meter", ["account_id"])
    in_force = sa.text("in_force")
    op.create_index(
        "ix_account_meter_in_force",
        "account_meter",
        ["premise_id"],
        unique=True,
        postgresql_where=in_force,
        sqlite_where=in_force,
    )
    op.create_table(
        "account_session",
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("account_id", BIG_ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_session_account_id"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_account_session"),
    )
    op.create_index("ix_account_session_account_id", "account_session", ["account_id"])
    op.create_table(
        "account_link",
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("account_id", BIG_ID, nullable=False),
        sa.Column("purpose", sa.String(7), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT),
        sa.CheckConstraint("purpose IN ('confirm', 'reset')", name="ck_account_link_purpose"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_link_account_id"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_account_link"),
    )
    op.create_index("ix_account_link_account_id", "account_link", ["account_id"])
    op.create_table(
        "attempt",
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("who_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("window_start", MOMENT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("what", "who_sha256", "window_start", name="pk_attempt"),
    )


def downgrade() -> None:
    for table in ("attempt", "account_link", "account_session", "account_meter", "account"):
        op.drop_table(table)
