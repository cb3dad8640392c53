"""Grants have marks and versions, so that what opened since a load is known; orders tell what was opened.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from smt_ws.store.metadata import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Grants of before have opened their days for as long as anybody can tell.
    op.add_column(
        "grants",
        sa.Column(
            "load_number",
            BIG_ID,
            nullable=False,
            server_default="0",
            comment="since this mark it opens these days",
        ),
    )
    op.create_index("ix_grants_load_number", "grants", ["load_number"])
    op.create_table(
        "grants_history",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("scope", sa.String(30), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("to_day", sa.Date(), nullable=True),
        sa.Column("granted_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("load_number", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("replaced_by", BIG_ID, nullable=False, comment="the load number of the version after it"),
        sa.PrimaryKeyConstraint("premise_id", "id", "load_number", name="pk_grants_history"),
    )
    op.create_index("ix_rep_of_record_load_number", "rep_of_record", ["load_number"])
    op.create_index("ix_rep_of_record_history_replaced_by", "rep_of_record_history", ["replaced_by"])
    op.add_column(
        "order_part",
        sa.Column(
            "opened",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="holds days opened since from_load, whole",
        ),
    )
    op.add_column(
        "report_order",
        sa.Column(
            "left_to_order",
            sa.JSON(),
            nullable=True,
            comment="days opened too long ago to be posted: esiids, esiid_days, first_day, last_day",
        ),
    )


def downgrade() -> None:
    op.drop_column("report_order", "left_to_order")
    op.drop_column("order_part", "opened")
    op.drop_index("ix_rep_of_record_history_replaced_by", "rep_of_record_history")
    op.drop_index("ix_rep_of_record_load_number", "rep_of_record")
    op.drop_table("grants_history")
    op.drop_index("ix_grants_load_number", "grants")
    op.drop_column("grants", "load_number")
