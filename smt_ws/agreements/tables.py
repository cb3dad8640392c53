"""Agreements (letters of authorisation), what they are about, their history and the links in their letters."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from smt_ws.store.metadata import BigId, UtcDateTime, metadata

__all__ = ["agreement", "agreement_day", "agreement_history", "agreement_premise", "enrollment_file", "invitation_link"]

agreement = Table(
    "agreement",
    metadata,
    Column("number", String(12), primary_key=True, comment="MMDDYY and six digits: A17"),
    Column("company_id", ForeignKey("company.id"), nullable=False),
    Column("duns", String(13), nullable=False, comment="whose folder a report goes to"),
    Column("company_kind", String(4), nullable=False, comment="the capacity it initiated in: REP or CSP"),
    Column("kind", String(15), nullable=False),
    Column("status", String(17), nullable=False),
    Column("all_meters", Boolean, nullable=False, comment="over all meters of the account, as they are: A3"),
    Column("account_id", BigId, comment="the registered customer; none: not registered"),
    # the customer, as the initiator named it or as the account says
    Column("customer_kind", String(11), nullable=False, comment="residential or business"),
    Column("first_name", String(60), nullable=False),
    Column("middle_initial", String(1), nullable=False, server_default=""),
    Column("last_name", String(60), nullable=False),
    Column("last_name_key", String(60), nullable=False, comment="in lower case, for searching"),
    Column("title", String(30), nullable=False, server_default=""),
    Column("company_name", String(200), nullable=False, server_default=""),
    Column("street", String(200), nullable=False, server_default=""),
    Column("city", String(100), nullable=False, server_default=""),
    Column("state", String(2), nullable=False, server_default=""),
    Column("zip", String(10), nullable=False, server_default=""),
    Column("phone", String(30), nullable=False, server_default=""),
    Column("email", String(254), nullable=False, comment="where the invitation goes"),
    Column("email_key", String(254), nullable=False, comment="in lower case: addresses are compared so"),
    Column("language", String(2), nullable=False, comment="en or es"),
    # the initiator
    Column("requestor_id", String(64), nullable=False),
    Column("contact_name", String(120), nullable=False),
    Column("contact_phone", String(30), nullable=False, server_default=""),
    Column("contact_email", String(254), nullable=False),
    Column("comments", Text, nullable=False, server_default=""),
    Column("attested_at", UtcDateTime, nullable=False, comment="it affirmed that the customer permits: A2"),
    Column("attested_by", String(64), comment="fingerprint of the certificate that signed the affirmation"),
    Column("attested_from", String(45), comment="source IP address"),
    # what is asked
    Column("services", JSON, nullable=False, comment="scopes of grants"),
    Column("report", String(10), comment="one-time: interval, daily or monthly"),
    Column("report_format", String(4)),
    Column("report_period", String(3), comment="how far back: 1d, 1m … 13m"),
    Column("months", SmallInteger, comment="how long it shall last"),
    Column("history_months", SmallInteger, nullable=False, server_default="0", comment="past usage, ongoing: A24"),
    Column("device_mac", String(16), comment="EUI-64, upper case, of the one device it is about"),
    Column("removal_request", String(64), comment="removal: the request that waits for the answer"),
    # how it stands
    Column("initiated_at", UtcDateTime, nullable=False),
    Column("expires_on", Date, nullable=False, comment="last day to answer the invitation (also an extension's)"),
    Column("resent", SmallInteger, nullable=False, server_default="0"),
    Column("accepted_at", UtcDateTime),
    Column("accepted_on", Date, comment="its operating day; who moves in later has not agreed"),
    Column("end_day", Date, comment="last day in force; none: not accepted yet, or no end"),
    Column("asked_end_day", Date, comment="extension asked for: the new last day"),
    Column("announced_end", Date, comment="the end_day that was announced to both sides"),
    Column("order_number", BigId, comment="one-time: the order of its report"),
    Column("device_state", String(30), comment="device: how the device stands, as the customer sees it"),
    Column("ended_at", UtcDateTime, comment="when it came to a final status"),
    CheckConstraint("kind IN ('one_time', 'ongoing', 'device', 'device_services', 'removal')", name="kind"),
    CheckConstraint(
        "status IN ('Pending', 'Active', 'Extension Pending', 'Frozen', 'Complete', 'Rejected', 'Not Accepted',"
        " 'Expired', 'Terminated', 'Cancelled')",
        name="status",
    ),
)
Index("ix_agreement_company", agreement.c.company_id, agreement.c.initiated_at)
Index("ix_agreement_account", agreement.c.account_id)
Index("ix_agreement_email_key", agreement.c.email_key)
Index("ix_agreement_status_expires_on", agreement.c.status, agreement.c.expires_on)
Index("ix_agreement_status_end_day", agreement.c.status, agreement.c.end_day)
Index("ix_agreement_ended_at", agreement.c.ended_at)

#: The premises of an agreement: the one it names, or all of its account as they are now.
agreement_premise = Table(
    "agreement_premise",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("number", ForeignKey("agreement.number"), primary_key=True, index=True),
    Column("meter_number", String(30), nullable=False),
    Column("dropped_at", UtcDateTime, comment="taken out of the agreement"),
)

#: How many agreements a day has had: where their numbers come from (A17).
agreement_day = Table(
    "agreement_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("last", BigId, nullable=False),
)

#: Every act, in order. Rows are only added; they go with their agreement after three years (A16).
agreement_history = Table(
    "agreement_history",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("number", ForeignKey("agreement.number"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("act", String(20), nullable=False),
    Column("actor", String(80), nullable=False, comment="customer, company:ID, hub:PROCESS or operator:NAME"),
    Column("from_status", String(17), comment="none: it began"),
    Column("to_status", String(17), nullable=False),
    Column("details", JSON, nullable=False),
    sqlite_autoincrement=True,
)

#: Daily enrollment files that are out, each once; they and their rows go when their time is over.
enrollment_file = Table(
    "enrollment_file",
    metadata,
    Column("for_date", Date, primary_key=True),
    Column("duns", String(13), primary_key=True, comment="empty: every file of the date is out"),
    Column("rows", BigId, nullable=False, server_default="0"),
    Column("published_at", UtcDateTime, nullable=False),
)

#: Links in letters. The letter holds the token, the hub its SHA-256 (A9).
invitation_link = Table(
    "invitation_link",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True),
    Column("number", ForeignKey("agreement.number"), nullable=False, index=True),
    Column("purpose", String(6), nullable=False, comment="accept, reject or disown"),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime, comment="a resend or another answer has overtaken it"),
    CheckConstraint("purpose IN ('accept', 'reject', 'disown')", name="purpose"),
)
