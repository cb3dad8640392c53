"""Agreements open what their customers were shown, and no past usage that was not named (A24).

Ongoing agreements that were accepted under the old text opened up to 24 months before their acceptance. They are cut to
the day of acceptance, and both sides of each are told through the outbox.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("agreement", "past usage, ongoing: A24"),
    ("company", "past usage that it asks for where a request does not say (A24)"),
)
_CUT = """
UPDATE grants SET from_day = (SELECT accepted_on FROM agreement WHERE 'agreement\\:' || number = source)
WHERE (ended_at IS NULL OR ended_at > :now)
  AND EXISTS (SELECT 1 FROM agreement WHERE 'agreement\\:' || number = source AND kind <> 'one_time'
              AND accepted_on > from_day)
"""
#: The report of a one-time agreement is its order's alone.
_SCOPE = """
UPDATE grants SET scope = 'report'
WHERE (ended_at IS NULL OR ended_at > :now)
  AND EXISTS (SELECT 1 FROM agreement WHERE 'agreement\\:' || number = source AND kind = 'one_time')
"""
_SCOPE_BACK = "UPDATE grants SET scope = 'energy_data' WHERE scope = 'report' AND (ended_at IS NULL OR ended_at > :now)"
_TELL = """
INSERT INTO outbox (kind, dedupe_key, payload, created_at, not_before)
SELECT 'agreement.history_closed', 'agreement\\:' || number || '\\:history_closed', {payload}, :now, :now
FROM agreement
WHERE kind = 'ongoing' AND status IN ('Active', 'Extension Pending', 'Frozen')
  AND CAST(services AS TEXT) LIKE '%energy_data%'
"""
_NUMBER = """'{"number"\\: "' || number || '"}'"""


def upgrade() -> None:
    for table, comment in _COLUMNS:
        op.add_column(
            table, sa.Column("history_months", sa.SmallInteger(), nullable=False, server_default="0", comment=comment)
        )
    postgresql = op.get_bind().dialect.name == "postgresql"
    _execute(_TELL.format(payload=f"CAST({_NUMBER} AS JSON)" if postgresql else _NUMBER))
    _execute(_CUT)
    _execute(_SCOPE)


def downgrade() -> None:
    _execute(_SCOPE_BACK)
    for table, _comment in _COLUMNS:
        op.drop_column(table, "history_months")


def _execute(statement: str) -> None:
    now, connection = datetime.now(UTC), op.get_bind()
    if connection.dialect.name == "sqlite":
        now = now.replace(tzinfo=None)
    parameter = sa.bindparam("now", now, sa.DateTime(timezone=True))
    connection.execute(sa.text(statement).bindparams(parameter))
