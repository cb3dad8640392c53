"""What each TDSP means by the end date of its bills.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bill_end_day",
        sa.Column("tdsp_duns", sa.String(13), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_day", sa.String(10), nullable=False),
        sa.CheckConstraint("end_day IN ('INCLUSIVE', 'SHARED')", name=op.f("ck_bill_end_day_end_day")),
        sa.ForeignKeyConstraint(["tdsp_duns"], ["company_duns.duns"], name="fk_bill_end_day_tdsp_duns"),
        sa.PrimaryKeyConstraint("tdsp_duns", "since", name="pk_bill_end_day"),
    )


def downgrade() -> None:
    op.drop_table("bill_end_day")
