"""When each device was added, and who has kept it: those of an earlier occupant are unconfirmed (A31).

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_CENTRAL = ZoneInfo("America/Chicago")
_UTC = ZoneInfo("UTC")


def upgrade() -> None:
    op.add_column("han_request", sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
    op.add_column("han_device", sa.Column("confirmed_on", sa.Date()))
    op.add_column("han_device", sa.Column("added_on", sa.Date()))
    device = sa.table(
        "han_device",
        sa.column("premise_id", sa.BigInteger()),
        sa.column("eui64", sa.String()),
        sa.column("add_request", sa.BigInteger()),
        sa.column("added_on", sa.Date()),
    )
    asked = sa.table(
        "han_request", sa.column("number", sa.BigInteger()), sa.column("asked_at", sa.DateTime(timezone=True))
    )
    connection = op.get_bind()
    rows = connection.execute(
        sa.select(device.c.premise_id, device.c.eui64, asked.c.asked_at).join(
            asked, asked.c.number == device.c.add_request
        )
    ).all()
    if rows:
        connection.execute(
            sa.update(device)
            .where(device.c.premise_id == sa.bindparam("of_premise"), device.c.eui64 == sa.bindparam("of_eui64"))
            .values(added_on=sa.bindparam("day")),
            [
                {
                    "of_premise": row.premise_id,
                    "of_eui64": row.eui64,
                    # SQLite keeps UTC without saying so
                    "day": (row.asked_at if row.asked_at.tzinfo else row.asked_at.replace(tzinfo=_UTC))
                    .astimezone(_CENTRAL)
                    .date(),
                }
                for row in rows
            ],
        )


def downgrade() -> None:
    op.drop_column("han_device", "added_on")
    op.drop_column("han_device", "confirmed_on")
    op.drop_column("han_request", "account_id")
