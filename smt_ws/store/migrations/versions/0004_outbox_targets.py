"""The outbox knows whom an effect is for, and how each target is doing.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("target", sa.String(120)))


def downgrade() -> None:
    op.drop_column("outbox", "target")
