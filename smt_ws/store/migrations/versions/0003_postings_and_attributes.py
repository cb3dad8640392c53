"""Subscriptions and the daily posting; what else is known of premises and meters; what a load brought, found quickly.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "subscription",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("duns", sa.String(13), nullable=False),
        sa.Column("kind", sa.String(4), nullable=False),
        sa.Column("data_type", sa.String(10), nullable=False),
        sa.Column("format", sa.String(4), nullable=False),
        sa.Column("by_default", sa.Boolean(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("posted_load", BIG_ID, nullable=False),
        sa.Column("posted_day", sa.Date()),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_subscription_company_id"),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
        sqlite_autoincrement=True,
    )
    in_force = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_subscription_in_force",
        "subscription",
        ["duns", "data_type"],
        unique=True,
        postgresql_where=in_force,
        sqlite_where=in_force,
    )
    op.create_index("ix_subscription_company_id", "subscription", ["company_id"])

    op.add_column("report_order", sa.Column("folder", sa.String(10), nullable=False, server_default="adhoc"))
    op.add_column("report_order", sa.Column("from_load", BIG_ID))
    op.add_column("report_order", sa.Column("subscription_id", BIG_ID))
    op.add_column("report_order", sa.Column("posting_day", sa.Date()))
    op.create_index("ix_report_order_posting", "report_order", ["subscription_id", "posting_day"], unique=True)
    op.add_column("order_part", sa.Column("tdsp_duns", sa.String(13)))
    op.add_column("order_part", sa.Column("member_name", sa.String(200)))

    for table in ("premise", "meter"):
        op.add_column(table, sa.Column("attributes", sa.JSON(), nullable=False, server_default="{}"))
    for table in ("interval_day", "interval_day_history", "register_read", "register_read_history"):
        op.create_index(f"ix_{table}_load_number", table, ["load_number"], postgresql_using="brin")


def downgrade() -> None:
    for table in ("interval_day", "interval_day_history", "register_read", "register_read_history"):
        op.drop_index(f"ix_{table}_load_number", table)
    for table in ("premise", "meter"):
        op.drop_column(table, "attributes")
    for name in ("member_name", "tdsp_duns"):
        op.drop_column("order_part", name)
    op.drop_index("ix_report_order_posting", "report_order")
    for name in ("posting_day", "subscription_id", "from_load", "folder"):
        op.drop_column("report_order", name)
    op.drop_table("subscription")
