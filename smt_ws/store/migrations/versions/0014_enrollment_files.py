"""Daily enrollment files that are out.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "enrollment_file",
        sa.Column("for_date", sa.Date(), nullable=False),
        sa.Column("duns", sa.String(13), nullable=False, comment="empty: every file of the date is out"),
        sa.Column("rows", BIG_ID, nullable=False, server_default="0"),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("for_date", "duns", name="pk_enrollment_file"),
    )


def downgrade() -> None:
    op.drop_table("enrollment_file")
