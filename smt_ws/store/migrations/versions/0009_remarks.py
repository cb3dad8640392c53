"""What must be known of delivered days is kept with the file that delivers them.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "order_part",
        sa.Column(
            "remarks",
            sa.LargeBinary(),
            nullable=True,
            comment="on days delivered, packed (orders.plan); NULL: none",
        ),
    )
    _comments("data, exceptions, remarks or manifest", "0 data, 1 exceptions and remarks, 2 manifest")


def downgrade() -> None:
    op.drop_column("order_part", "remarks")
    _comments("data, exceptions or manifest", "0 data, 1 exceptions, 2 manifest")


def _comments(kind: str, stage: str) -> None:
    # SQLite keeps none
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("order_part", "kind", existing_type=sa.String(10), existing_nullable=False, comment=kind)
        op.alter_column("order_part", "stage", existing_type=sa.SmallInteger(), existing_nullable=False, comment=stage)
