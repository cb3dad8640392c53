"""Agreements: letters of authorisation, their history, links; orders made for them; what a company tells customers.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")


def upgrade() -> None:
    op.create_table(
        "agreement",
        sa.Column("number", sa.String(12), nullable=False),
        sa.Column("company_id", BIG_ID, nullable=False),
        sa.Column("duns", sa.String(13), nullable=False),
        sa.Column("company_kind", sa.String(4), nullable=False),
        sa.Column("kind", sa.String(15), nullable=False),
        sa.Column("status", sa.String(17), nullable=False),
        sa.Column("all_meters", sa.Boolean(), nullable=False),
        sa.Column("account_id", BIG_ID),
        sa.Column("customer_kind", sa.String(11), nullable=False),
        sa.Column("first_name", sa.String(60), nullable=False),
        _text("middle_initial", 1),
        sa.Column("last_name", sa.String(60), nullable=False),
        sa.Column("last_name_key", sa.String(60), nullable=False),
        _text("title", 30),
        _text("company_name", 200),
        _text("street", 200),
        _text("city", 100),
        _text("state", 2),
        _text("zip", 10),
        _text("phone", 30),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(254), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("requestor_id", sa.String(64), nullable=False),
        sa.Column("contact_name", sa.String(120), nullable=False),
        _text("contact_phone", 30),
        sa.Column("contact_email", sa.String(254), nullable=False),
        sa.Column("comments", sa.Text(), nullable=False, server_default=""),
        sa.Column("attested_at", MOMENT, nullable=False),
        sa.Column("attested_by", sa.String(64)),
        sa.Column("attested_from", sa.String(45)),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.Column("report", sa.String(10)),
        sa.Column("report_format", sa.String(4)),
        sa.Column("report_period", sa.String(3)),
        sa.Column("months", sa.SmallInteger()),
        sa.Column("device_mac", sa.String(16)),
        sa.Column("removal_request", sa.String(64)),
        sa.Column("initiated_at", MOMENT, nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("resent", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("accepted_at", MOMENT),
        sa.Column("accepted_on", sa.Date()),
        sa.Column("end_day", sa.Date()),
        sa.Column("asked_end_day", sa.Date()),
        sa.Column("announced_end", sa.Date()),
        sa.Column("order_number", BIG_ID),
        sa.Column("device_state", sa.String(30)),
        sa.Column("ended_at", MOMENT),
        sa.CheckConstraint(
            "kind IN ('one_time', 'ongoing', 'device', 'device_services', 'removal')", name="ck_agreement_kind"
        ),
        sa.CheckConstraint(
            "status IN ('Pending', 'Active', 'Extension Pending', 'Frozen', 'Complete', 'Rejected', 'Not Accepted',"
            " 'Expired', 'Terminated', 'Cancelled')",
            name="ck_agreement_status",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_agreement_company_id"),
        sa.PrimaryKeyConstraint("number", name="pk_agreement"),
    )
    op.create_index("ix_agreement_company", "agreement", ["company_id", "initiated_at"])
    op.create_index("ix_agreement_account", "agreement", ["account_id"])
    op.create_index("ix_agreement_email_key", "agreement", ["email_key"])
    op.create_index("ix_agreement_status_expires_on", "agreement", ["status", "expires_on"])
    op.create_index("ix_agreement_status_end_day", "agreement", ["status", "end_day"])
    op.create_index("ix_agreement_ended_at", "agreement", ["ended_at"])

    op.create_table(
        "agreement_premise",
        sa.Column("premise_id", BIG_ID, nullable=False),
        sa.Column("number", sa.String(12), nullable=False),
        sa.Column("meter_number", sa.String(30), nullable=False),
        sa.Column("dropped_at", MOMENT),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.id"], name="fk_agreement_premise_premise_id"),
        sa.ForeignKeyConstraint(["number"], ["agreement.number"], name="fk_agreement_premise_number"),
        sa.PrimaryKeyConstraint("premise_id", "number", name="pk_agreement_premise"),
    )
    op.create_index("ix_agreement_premise_number", "agreement_premise", ["number"])

    op.create_table(
        "agreement_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("last", BIG_ID, nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_agreement_day"),
    )
    op.create_table(
        "agreement_history",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("number", sa.String(12), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("act", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("from_status", sa.String(17)),
        sa.Column("to_status", sa.String(17), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["agreement.number"], name="fk_agreement_history_number"),
        sa.PrimaryKeyConstraint("id", name="pk_agreement_history"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_agreement_history_number", "agreement_history", ["number"])
    op.create_table(
        "invitation_link",
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("number", sa.String(12), nullable=False),
        sa.Column("purpose", sa.String(6), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.CheckConstraint("purpose IN ('accept', 'reject', 'disown')", name="ck_invitation_link_purpose"),
        sa.ForeignKeyConstraint(["number"], ["agreement.number"], name="fk_invitation_link_number"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_invitation_link"),
    )
    op.create_index("ix_invitation_link_number", "invitation_link", ["number"])

    op.create_index("ix_grants_source", "grants", ["source"])
    op.create_index("ix_grants_ended", "grants", ["company_id", "ended_at"])
    op.add_column("report_order", sa.Column("agreement", sa.String(12)))
    op.create_index("ix_report_order_agreement", "report_order", ["agreement"], unique=True)
    op.add_column("company", sa.Column("contact_name", sa.String(120)))
    op.add_column("company", sa.Column("contact_phone", sa.String(30)))
    op.add_column("company", sa.Column("privacy_url", sa.String(500)))


def downgrade() -> None:
    for name in ("privacy_url", "contact_phone", "contact_name"):
        op.drop_column("company", name)
    op.drop_index("ix_report_order_agreement", "report_order")
    op.drop_column("report_order", "agreement")
    op.drop_index("ix_grants_ended", "grants")
    op.drop_index("ix_grants_source", "grants")
    for table in ("invitation_link", "agreement_history", "agreement_day", "agreement_premise", "agreement"):
        op.drop_table(table)
