"""Since when a premise measures surplus generation: a missing channel can be told from one that is not there.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: Days of generation with a value, the current versions and those that were replaced: as the loads noted them since.
_DELIVERED = """
INSERT INTO generation_told (premise_id, load_number, by_record, first_day)
SELECT premise_id, min(load_number), {true}, min(operating_day)
FROM (
    SELECT premise_id, load_number, operating_day, statuses FROM interval_day WHERE channel = 1
    UNION ALL
    SELECT premise_id, load_number, operating_day, statuses FROM interval_day_history WHERE channel = 1
) d
WHERE d.statuses IS NULL OR {trimmed} <> ''
GROUP BY premise_id
"""


def upgrade() -> None:
    op.create_table(
        "generation_told",
        sa.Column(
            "premise_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.ForeignKey("premise.id", name="fk_generation_told_premise_id_premise"),
            nullable=False,
        ),
        sa.Column(
            "load_number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "by_record",
            sa.Boolean(),
            nullable=False,
            comment="true: first_day is the earliest day delivered so far",
        ),
        sa.Column("first_day", sa.Date(), comment="none: the premise file does not say"),
        sa.Column("last_day", sa.Date(), comment="the last day; none: it goes on"),
        sa.PrimaryKeyConstraint("premise_id", "load_number", name="pk_generation_told"),
    )
    postgresql = op.get_bind().dialect.name == "postgresql"
    op.execute(
        _DELIVERED.format(
            true="true" if postgresql else "1",
            trimmed="btrim(d.statuses, 'M'::bytea)" if postgresql else "trim(CAST(d.statuses AS TEXT), 'M')",
        )
    )


def downgrade() -> None:
    op.drop_table("generation_told")
