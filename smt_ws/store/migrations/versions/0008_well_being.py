"""A hub that tells how it is: the chained audit log, certificates through their lives.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_audit_chain()
    _create_heartbeat()
    _create_certificate_warning()
    op.add_column("company", sa.Column("allowed_networks", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    op.drop_column("company", "allowed_networks")
    op.drop_table("certificate_warning")
    op.drop_table("heartbeat")
    op.drop_table("audit_link")


def _create_audit_chain() -> None:
    op.create_table(
        "audit_link",
        sa.Column("position", BIG_ID, autoincrement=False, nullable=False, comment="1, 2, 3 … without a gap"),
        sa.Column("audit_id", BIG_ID, nullable=False, comment="the line of audit_log"),
        sa.Column(
            "sha256",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="of the link before and this line (store.audit_chain)",
        ),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_link")),
        sa.UniqueConstraint("audit_id", name=op.f("uq_audit_link_audit_id")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER audit_link_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_link "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_append_only()"
        )
    else:
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_link_no_{action.lower()} BEFORE {action} ON audit_link "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )


def _create_heartbeat() -> None:
    op.create_table(
        "heartbeat",
        sa.Column("name", sa.String(length=60), nullable=False, comment="what it does, e.g. clock"),
        sa.Column("holder", sa.String(length=120), nullable=False, comment="host:pid"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeat")),
    )


def _create_certificate_warning() -> None:
    op.create_table(
        "certificate_warning",
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("days", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("warned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder", "sha256", "days", name=op.f("pk_certificate_warning")),
    )
