"""When each customer was asked about the devices of an earlier occupant: once, also if the move-in is told late (A31).

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account_meter", sa.Column("devices_asked_on", sa.Date()))


def downgrade() -> None:
    op.drop_column("account_meter", "devices_asked_on")
