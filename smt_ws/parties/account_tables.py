"""Customers' accounts: who registered, for which meters, their sessions and links. Moments are UTC."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    false,
)

from smt_ws.store.metadata import BigId, UtcDateTime, metadata

__all__ = ["account", "account_link", "account_meter", "account_session", "attempt"]

#: One registration. Until its e-mail address is confirmed it names nobody: anyone may have typed that address.
account = Table(
    "account",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("email", String(254), nullable=False, comment="as the customer wrote it; notices go there"),
    Column("email_key", String(254), nullable=False, comment="the address in lower case: addresses are compared so"),
    Column("password_hash", String(200), nullable=False, comment="argon2id"),
    Column("kind", String(11), nullable=False, comment="residential or business"),
    Column("first_name", String(60), nullable=False),
    Column("middle_initial", String(1), nullable=False, server_default=""),
    Column("last_name", String(60), nullable=False),
    Column("company_name", String(200), nullable=False, server_default=""),
    Column("phone", String(30), nullable=False, server_default=""),
    Column("language", String(2), nullable=False, comment="en or es"),
    Column(
        "authorization_code", String(12), nullable=False, unique=True, comment="names the customer to a company: A3"
    ),
    Column("created_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime, comment="the e-mail address is the customer's; none: not yet"),
    CheckConstraint("kind IN ('residential', 'business')", name="kind"),
    CheckConstraint("language IN ('en', 'es')", name="language"),
    sqlite_autoincrement=True,
)
#: One confirmed account an address.
Index(
    "ix_account_confirmed",
    account.c.email_key,
    unique=True,
    postgresql_where=account.c.confirmed_at.is_not(None),
    sqlite_where=account.c.confirmed_at.is_not(None),
)

#: The meters of an account; while in force, a premise belongs to one confirmed account (A4).
account_meter = Table(
    "account_meter",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("meter_number", String(30), nullable=False, comment="as its TDSP names it"),
    Column("added_on", Date, nullable=False, comment="US Central; who moves in later is somebody else"),
    Column("in_force", Boolean, nullable=False, server_default=false(), comment="from the account's confirmation on"),
    Column("devices_asked_on", Date, comment="when its customer was asked about an earlier occupant's devices (A31)"),
)
Index("ix_account_meter_account_id", account_meter.c.account_id)
Index(
    "ix_account_meter_in_force",
    account_meter.c.premise_id,
    unique=True,
    postgresql_where=account_meter.c.in_force,
    sqlite_where=account_meter.c.in_force,
)

#: Who is logged in: a browser holds the token, the hub its SHA-256. Security time, never the sandbox's.
account_session = Table(
    "account_session",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

#: A single-use link in an e-mail to a customer, about the account itself.
account_link = Table(
    "account_link",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("purpose", String(7), nullable=False, comment="confirm or reset"),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    CheckConstraint("purpose IN ('confirm', 'reset')", name="purpose"),
)

#: How often something was tried in a window of time: what rate limits count, over all processes.
attempt = Table(
    "attempt",
    metadata,
    Column("what", String(20), primary_key=True, comment="what is limited, e.g. log_in"),
    Column("who_sha256", LargeBinary(32), primary_key=True, comment="of the source address or e-mail address"),
    Column("window_start", UtcDateTime, primary_key=True),
    Column("count", Integer, nullable=False),
)
