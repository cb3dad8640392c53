"""Register reads, monthly bills, and flags kept with each interval day.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _key(*, version: bool) -> list[Any]:
    columns: list[Any] = [
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("channel", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("operating_day", sa.Date(), nullable=False),
        sa.Column("load_number", BIG_ID, autoincrement=False, nullable=False),
    ]
    return [*columns, sa.Column("replaced_by", BIG_ID, nullable=False)] if version else columns


def _read() -> list[Any]:
    return [
        sa.Column("start_wh", BIG_ID),
        sa.Column("stop_wh", BIG_ID),
        sa.Column("usage_wh", BIG_ID),
        sa.Column("status", sa.String(1), nullable=False),
    ]


def _bill() -> list[Any]:
    return [
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        *(sa.Column(name, BIG_ID) for name in ("actual_wh", "metered_w", "billed_w", "metered_va", "billed_va")),
    ]


def upgrade() -> None:
    for table in ("interval_day", "interval_day_history"):
        op.add_column(table, sa.Column("flags", BIG_ID, nullable=False, server_default="0"))
    op.create_table(
        "register_read",
        *_key(version=False),
        *_read(),
        sa.PrimaryKeyConstraint("premise_id", "channel", "operating_day", name="pk_register_read"),
        postgresql_partition_by="RANGE (operating_day)",
    )
    op.create_table(
        "register_read_history",
        *_key(version=True),
        *_read(),
        sa.PrimaryKeyConstraint(
            "premise_id", "channel", "operating_day", "load_number", name="pk_register_read_history"
        ),
        postgresql_partition_by="RANGE (operating_day)",
    )
    op.create_table(
        "monthly_bill",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("load_number", BIG_ID, nullable=False),
        *_bill(),
        sa.PrimaryKeyConstraint("premise_id", "first_day", name="pk_monthly_bill"),
    )
    op.create_table(
        "monthly_bill_history",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("load_number", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("replaced_by", BIG_ID, nullable=False),
        *_bill(),
        sa.PrimaryKeyConstraint("premise_id", "first_day", "load_number", name="pk_monthly_bill_history"),
    )


def downgrade() -> None:
    for table in ("monthly_bill_history", "monthly_bill", "register_read_history", "register_read"):
        op.drop_table(table)
    for table in ("interval_day_history", "interval_day"):
        op.drop_column(table, "flags")
