"""The last day that a TDSP's loads reach is found without going through all of them.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_load_last_day", "load", ["tdsp_duns", "last_day"])


def downgrade() -> None:
    op.drop_index("ix_load_last_day", "load")
