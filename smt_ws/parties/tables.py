"""Companies and premises. All days are operating days (US Central); a range includes both its ends.

What TDSPs tell (premises, meters, occupancy, REPs of record) has versions: a row names the load that last said it, and
what a load replaced is in the table's history with that load's number, so that it can be read as of any load.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
)

from smt_ws.store.metadata import BigId, UtcDateTime, metadata

__all__ = [
    "HISTORY",
    "certificate_warning",
    "company",
    "company_certificate",
    "company_duns",
    "generation_told",
    "grants",
    "grants_history",
    "meter",
    "meter_history",
    "occupancy",
    "occupancy_history",
    "premise",
    "premise_history",
    "rep_of_record",
    "rep_of_record_history",
]

company = Table(
    "company",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("legal_name", String(200), nullable=False),
    Column("kind", String(4), nullable=False, comment="REP, CSP (third party), TDSP or REG (regulator)"),
    Column("email", String(254), nullable=False, comment="where notices go"),
    Column("csv_profile", String(10), nullable=False, server_default="standard", comment="standard or smt"),
    Column("openpgp_certificate", Text, comment="armoured public key that results are encrypted to (P4)"),
    Column("contact_name", String(120), comment="whom customers may ask: in its invitations (P8)"),
    Column("contact_phone", String(30)),
    Column("privacy_url", String(500), comment="its privacy policy; none: invitations say so"),
    Column(
        "history_months",
        SmallInteger,
        nullable=False,
        server_default="0",
        comment="past usage that it asks for where a request does not say (A24)",
    ),
    Column("created_at", UtcDateTime, nullable=False),
    Column("suspended_at", UtcDateTime, comment="from then on nothing is done for it (P10)"),
    Column("callback_url", String(500), comment="where its RequesterCallback is served; none: it has none (R10)"),
    Column(
        "allowed_networks",
        JSON,
        nullable=False,
        server_default="[]",
        comment="IP networks that it may call from, as text; none: any (P3)",
    ),
    CheckConstraint("kind IN ('REP', 'CSP', 'TDSP', 'REG')", name="kind"),
    CheckConstraint("csv_profile IN ('standard', 'smt')", name="csv_profile"),
)

#: A company has one or more DUNS numbers; folders and daily files belong to a DUNS, certificates to the company (P0).
company_duns = Table(
    "company_duns",
    metadata,
    Column("duns", String(13), primary_key=True, comment="9 or 13 digits, as text: leading zeros matter"),
    Column("company_id", ForeignKey("company.id"), nullable=False, index=True),
    Column("ftps_password_hash", String(200), comment="argon2id; none means that the folder cannot be entered"),
    Column("created_at", UtcDateTime, nullable=False),
)

#: Several companies may register the same certificate: a service provider's, acting for each of them (P0).
company_certificate = Table(
    "company_certificate",
    metadata,
    Column("company_id", ForeignKey("company.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True, comment="lower-case hex fingerprint of the DER"),
    Column("for_tls", Boolean, nullable=False),
    Column("for_signing", Boolean, nullable=False),
    Column("pem", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="RFC 4514"),
    Column("issuer", Text, nullable=False, comment="RFC 4514"),
    Column("serial", String(60), nullable=False, comment="decimal"),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),
)
Index("ix_company_certificate_sha256", company_certificate.c.sha256)
Index("ix_company_certificate_issuer_serial", company_certificate.c.issuer, company_certificate.c.serial)

#: Which warnings that a certificate is about to end have been sent: each once.
certificate_warning = Table(
    "certificate_warning",
    metadata,
    Column("holder", String(80), primary_key=True, comment="company:ID, or hub:SETTING for the hub's own"),
    Column("sha256", String(64), primary_key=True, comment="lower-case hex; of an OpenPGP key its own fingerprint"),
    Column("days", Integer, primary_key=True, autoincrement=False, comment="so many days before its end, or fewer"),
    Column("warned_at", UtcDateTime, nullable=False, comment="real time"),
)


def _history_of(table: Table) -> Table:
    """The versions of *table*'s rows that loads have replaced: its columns, and ``replaced_by``."""
    key = {*table.primary_key.columns.keys(), "load_number"}
    return Table(
        f"{table.name}_history",
        metadata,
        *(
            Column(one.name, one.type, primary_key=one.name in key, autoincrement=False, nullable=one.nullable)
            for one in table.columns
        ),
        Column("replaced_by", BigId, nullable=False, comment="the load number of the version after it"),
    )


premise = Table(
    "premise",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("esiid", String(64), nullable=False, unique=True),
    Column("tdsp_duns", String(13), nullable=False, index=True, comment="whose wires"),
    Column("service_address", String(200)),
    Column("city", String(100)),
    Column("state", String(2)),
    Column("zip", String(10)),
    Column("premise_type", String(30)),
    Column("status", String(20), nullable=False, server_default="Active"),
    Column("load_number", BigId, nullable=False, comment="the load that last said this"),
    Column("attributes", JSON, nullable=False, server_default="{}", comment="what else its TDSP says of it, by name"),
)
premise_history = _history_of(premise)

#: One row a meter and its stay at a premise: an exchange ends one row and begins another (U8).
meter = Table(
    "meter",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("meter_number", String(30), primary_key=True),
    Column("installed_on", Date, primary_key=True),
    Column("provisioned_on", Date, comment="from this day its data is the market's; none: not yet"),
    Column("removed_on", Date, comment="the last day it measured; none: still there"),
    Column("load_number", BigId, nullable=False),
    Column("attributes", JSON, nullable=False, server_default="{}", comment="what else its TDSP says of it, by name"),
)
Index("ix_meter_meter_number", meter.c.meter_number)
meter_history = _history_of(meter)

#: Since when a premise measures surplus generation: what its TDSP's premise file says, and the first days delivered.
#: Rows are only ever added: what was known as of a load is in those up to its number (U9).
generation_told = Table(
    "generation_told",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("load_number", BigId, primary_key=True, autoincrement=False),
    Column("by_record", Boolean, nullable=False, comment="true: first_day is the earliest day delivered so far"),
    Column("first_day", Date, comment="none: the premise file does not say"),
    Column("last_day", Date, comment="the last day; none: it goes on"),
)

#: Who lives there: nobody sees a previous occupant's days through a present customer (R5).
occupancy = Table(
    "occupancy",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("move_in_day", Date, primary_key=True),
    Column("move_out_day", Date, comment="the last day; none: still there"),
    Column("load_number", BigId, nullable=False),
)
occupancy_history = _history_of(occupancy)

rep_of_record = Table(
    "rep_of_record",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("from_day", Date, primary_key=True),
    Column("to_day", Date, comment="the last day served; none: still serving"),
    Column("duns", String(13), nullable=False),
    Column("load_number", BigId, nullable=False),
    CheckConstraint("to_day IS NULL OR to_day >= from_day", name="days"),
)
Index("ix_rep_of_record_duns", rep_of_record.c.duns, rep_of_record.c.premise_id)
#: Changes of REP since a load are news (R15).
Index("ix_rep_of_record_load_number", rep_of_record.c.load_number)
rep_of_record_history = _history_of(rep_of_record)
Index("ix_rep_of_record_history_replaced_by", rep_of_record_history.c.replaced_by)

#: What agreements let a company see or do; written by agreements, read by ``parties.access`` alone.
grants = Table(
    "grants",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("id", BigId, primary_key=True),
    Column("company_id", ForeignKey("company.id"), nullable=False),
    Column("scope", String(30), nullable=False, comment="energy_data, report, device or device_services"),
    Column("from_day", Date, nullable=False, comment="first operating day it opens"),
    Column("to_day", Date, comment="last operating day it opens; none: no end"),
    Column("granted_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="from this moment it opens nothing"),
    Column("source", String(60), nullable=False, comment="the agreement, e.g. agreement:112226000001"),
    Column("load_number", BigId, nullable=False, server_default="0", comment="since this mark it opens these days"),
)
Index("ix_grants_load_number", grants.c.load_number)
grants_history = _history_of(grants)
Index("ix_grants_company", grants.c.company_id, grants.c.scope, grants.c.premise_id)
Index("ix_grants_source", grants.c.source)
#: What ended since an order was accepted: parts not yet published drop it.
Index("ix_grants_ended", grants.c.company_id, grants.c.ended_at)

#: Where the replaced rows of each table are.
HISTORY: Final[Mapping[str, Table]] = MappingProxyType(
    {
        premise.name: premise_history,
        meter.name: meter_history,
        occupancy.name: occupancy_history,
        rep_of_record.name: rep_of_record_history,
        grants.name: grants_history,
    }
)
