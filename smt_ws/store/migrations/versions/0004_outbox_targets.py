"""The outbox knows whom an effect is for, and how each target is doing; a company may have its own callback address.

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

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("outbox", sa.Column("target", sa.String(120)))
    op.add_column("outbox", sa.Column("give_up_at", MOMENT))
    still_open = sa.text("done_at IS NULL AND dead_at IS NULL")
    op.drop_index("ix_outbox_open", "outbox")
    for name, columns in (("ix_outbox_open", ["not_before"]), ("ix_outbox_target", ["target", "not_before"])):
        op.create_index(name, "outbox", columns, postgresql_where=still_open, sqlite_where=still_open)
    op.create_table(
        "outbox_target",
        sa.Column("target", sa.String(120), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("open_until", MOMENT),
        sa.Column("failing_since", MOMENT),
        sa.Column("paused_at", MOMENT),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("target", name="pk_outbox_target"),
    )
    op.add_column("company", sa.Column("callback_url", sa.String(500)))


def downgrade() -> None:
    op.drop_column("company", "callback_url")
    op.drop_table("outbox_target")
    op.drop_index("ix_outbox_target", "outbox")
    op.drop_index("ix_outbox_open", "outbox")
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["not_before"],
        postgresql_where=sa.text("done_at IS NULL AND dead_at IS NULL"),
    )
    for name in ("give_up_at", "target"):
        op.drop_column("outbox", name)
