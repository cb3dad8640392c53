"""Premises, meters, occupancy and REPs of record keep what was replaced, and days the flags they had, by load.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
#: Key and other columns of each table; ``load_number`` and ``replaced_by`` come between.
TABLES: Final[dict[str, tuple[list[tuple[str, Any]], list[tuple[str, Any, bool]]]]] = {
    "premise": (
        [("id", BIG_ID)],
        [
            ("esiid", sa.String(64), False),
            ("tdsp_duns", sa.String(13), False),
            ("service_address", sa.String(200), True),
            ("city", sa.String(100), True),
            ("state", sa.String(2), True),
            ("zip", sa.String(10), True),
            ("premise_type", sa.String(30), True),
            ("status", sa.String(20), False),
            ("attributes", sa.JSON(), False),
        ],
    ),
    "meter": (
        [("premise_id", BIG_ID), ("meter_number", sa.String(30)), ("installed_on", sa.Date())],
        [("provisioned_on", sa.Date(), True), ("removed_on", sa.Date(), True), ("attributes", sa.JSON(), False)],
    ),
    "occupancy": ([("premise_id", BIG_ID), ("move_in_day", sa.Date())], [("move_out_day", sa.Date(), True)]),
    "rep_of_record": (
        [("premise_id", BIG_ID), ("from_day", sa.Date())],
        [("to_day", sa.Date(), True), ("duns", sa.String(13), False)],
    ),
}


def upgrade() -> None:
    for table, (key, others) in TABLES.items():
        names = [*(name for name, _ in key), "load_number"]
        op.create_table(
            f"{table}_history",
            *(sa.Column(name, kind, autoincrement=False, nullable=False) for name, kind in key),
            sa.Column("load_number", BIG_ID, autoincrement=False, nullable=False),
            *(sa.Column(name, kind, nullable=nullable) for name, kind, nullable in others),
            sa.Column("replaced_by", BIG_ID, nullable=False, comment="the load number of the version after it"),
            sa.PrimaryKeyConstraint(*names, name=f"pk_{table}_history"),
        )
        # What was replaced until now is not known. An order that is still open goes on reading rows told later than
        # its load as it did when it was accepted: as they stand today.
        columns = ", ".join([*(name for name, _ in key), *(name for name, _, _ in others)])
        op.execute(
            f"INSERT INTO {table}_history ({columns}, load_number, replaced_by)"  # noqa: S608 — names from above
            f" SELECT {columns}, 0, load_number FROM {table} WHERE load_number >"
            " (SELECT min(as_of_load) FROM report_order WHERE status IN ('Pending', 'In Progress'))"
        )
    op.create_table(
        "interval_day_flags_history",
        sa.Column("premise_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("channel", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("operating_day", sa.Date(), nullable=False),
        sa.Column("load_number", BIG_ID, autoincrement=False, nullable=False, comment="of the day's version"),
        sa.Column("replaced_by", BIG_ID, autoincrement=False, nullable=False, comment="the load that judged it anew"),
        sa.Column("flags", BIG_ID, nullable=False, comment="until then"),
        sa.PrimaryKeyConstraint(
            "premise_id",
            "channel",
            "operating_day",
            "load_number",
            "replaced_by",
            name="pk_interval_day_flags_history",
        ),
    )
    op.create_index("ix_interval_day_flags_history_replaced_by", "interval_day_flags_history", ["replaced_by"])


def downgrade() -> None:
    op.drop_table("interval_day_flags_history")
    for table in reversed(TABLES):
        op.drop_table(f"{table}_history")
