"""Devices and messages of the home area network, and everything that ever became of them (H1-H10).

A device stands at one premise under its EUI-64; a message goes to premises, because SEP 1.0 addresses the devices of a
meter and not a device. Histories and the log are only ever added to.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
)

from smt_ws.store.metadata import BigId, UtcDateTime, metadata

__all__ = [
    "han_device",
    "han_device_history",
    "han_message",
    "han_message_device",
    "han_message_status",
    "han_message_target",
    "han_request",
    "tdsp_endpoint",
]

#: Where a TDSP serves ``TDSPHan``.
tdsp_endpoint = Table(
    "tdsp_endpoint",
    metadata,
    Column("duns", ForeignKey("company_duns.duns"), primary_key=True),
    Column("url", String(500), nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)

#: A device and how it stands (`smt_ws.han.rules.DeviceState`). A device that is added again goes on in the same row.
han_device = Table(
    "han_device",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("eui64", String(16), primary_key=True, comment="16 upper-case hex digits"),
    Column("device_type", String(10), nullable=False),
    Column("install_code", LargeBinary, comment="sealed (han.secrets); none: destroyed"),
    Column("state", String(24), nullable=False, comment="as the customer sees it"),
    Column("before_removal", String(24), comment="with an open removal: the state that it goes back to"),
    Column("holds_slot", Boolean, nullable=False),
    Column("add_request", BigId, nullable=False, comment="the latest one"),
    Column("remove_request", BigId, comment="the latest one since it was added"),
    Column("company_id", ForeignKey("company.id"), nullable=False, comment="who asked to add it"),
    Column("meter_number", String(30), nullable=False),
    Column("tdsp_duns", String(13), nullable=False),
    Column("state_at", UtcDateTime, nullable=False, comment="since when it stands so, by the hub's clock"),
    Column("entries", Integer, nullable=False, comment="rows of its history"),
    Column("added_on", Date, comment="operating day on which the latest add was asked for"),
    Column("confirmed_on", Date, comment="an operating day on which the later occupant who kept it was there (A31)"),
)
#: A device holds a slot at one premise at a time, whoever asks at the same moment.
Index(
    "ix_han_device_slot",
    han_device.c.eui64,
    unique=True,
    postgresql_where=han_device.c.holds_slot,
    sqlite_where=han_device.c.holds_slot,
)
Index("ix_han_device_state", han_device.c.state, han_device.c.state_at)

#: What somebody asked to be done with a device; the number is the request id.
han_request = Table(
    "han_request",
    metadata,
    Column("number", BigId, primary_key=True, autoincrement=True),
    Column("premise_id", ForeignKey("premise.id"), nullable=False),
    Column("eui64", String(16), nullable=False),
    Column("action", String(6), nullable=False, comment="ADD or REMOVE"),
    Column("company_id", ForeignKey("company.id"), nullable=False, comment="who asked; else who had added it"),
    Column("duns", String(13), nullable=False),
    Column("account_id", BigId, comment="the customer who asked (A31); none: the company did"),
    Column("trans_id", String(64), nullable=False),
    Column("requestor_id", String(64), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("consent", String(8), comment="a removal that the customer must agree to: asked, given or refused (A21)"),
    Column("meter_number", String(30), nullable=False),
    Column("tdsp_duns", String(13), nullable=False),
    Column("calling_at", UtcDateTime, comment="when the TDSP was first called"),
    Column("handed_over_at", UtcDateTime, comment="when the TDSP took it"),
    CheckConstraint("action IN ('ADD', 'REMOVE')", name="action"),
    CheckConstraint("consent IN ('asked', 'given', 'refused')", name="consent"),
    sqlite_autoincrement=True,
)
Index("ix_han_request_device", han_request.c.premise_id, han_request.c.eui64)

#: Everything that was asked or told of a device, applied or only noted, with both times (H9).
han_device_history = Table(
    "han_device_history",
    metadata,
    Column("premise_id", BigId, primary_key=True),
    Column("eui64", String(16), primary_key=True),
    Column("entry", Integer, primary_key=True, autoincrement=False, comment="counted from 1"),
    Column("request_number", BigId, comment="none: a meter exchange"),
    Column("event", String(24), nullable=False, comment="han.rules.DeviceEvent"),
    Column("state", String(24), nullable=False, comment="after it"),
    Column("applied", Boolean, nullable=False, comment="false: late or out of order, noted only"),
    Column("actor", String(80), nullable=False, comment="company:ID, tdsp:DUNS, customer or hub:PROCESS"),
    Column("reason_code", String(64)),
    Column("reason", String(500)),
    Column("status_at", UtcDateTime, nullable=False, comment="when it was so, as its actor says"),
    Column("at", UtcDateTime, nullable=False, comment="when the hub heard of it"),
)
Index("ix_han_device_history_request", han_device_history.c.request_number)

#: A message: SEP 1.0 fields, or what it cancels. The number is the request id and, for devices, the event's id.
han_message = Table(
    "han_message",
    metadata,
    Column("number", BigId, primary_key=True, autoincrement=True),
    Column("company_id", ForeignKey("company.id"), nullable=False),
    Column("duns", String(13), nullable=False),
    Column("trans_id", String(64), nullable=False),
    Column("requestor_id", String(64), nullable=False),
    Column("category", String(3), nullable=False, comment="STM, CSM, LCE, CLE, CAL or PRM"),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("original", BigId, comment="CSM, CLE: the message it cancels"),
    Column("part_of", BigId, comment="CLE: the CAL it was made for"),
    Column("start_at", UtcDateTime, comment="none: on arrival"),
    Column("ends_at", UtcDateTime, comment="none: until another one replaces it"),
    Column("fields", JSON, nullable=False, comment="in the units of SEP 1.0 (han.rules)"),
    Column("premises", Integer, nullable=False),
    CheckConstraint("category IN ('STM', 'CSM', 'LCE', 'CLE', 'CAL', 'PRM')", name="category"),
    sqlite_autoincrement=True,
)
Index("ix_han_message_company", han_message.c.company_id, han_message.c.accepted_at)
Index("ix_han_message_original", han_message.c.original)
Index("ix_han_message_part_of", han_message.c.part_of)
Index("ix_han_message_ends_at", han_message.c.ends_at)

#: A message at one premise, and how far it has come (`smt_ws.han.rules.MessageState`).
han_message_target = Table(
    "han_message_target",
    metadata,
    Column("premise_id", BigId, primary_key=True),
    Column("message_number", ForeignKey("han_message.number"), primary_key=True),
    Column("position", Integer, nullable=False, comment="within the message, from 0; those of a TDSP stand together"),
    Column("tdsp_duns", String(13), nullable=False),
    Column("meter_number", String(30), nullable=False),
    Column("state", String(12), nullable=False, comment="of the premise: what its devices' states add up to"),
    Column("meter_state", String(12), nullable=False, comment="what was told of the meter, not of a device"),
    Column("meter_state_at", UtcDateTime, nullable=False),
    Column("calling_at", UtcDateTime, comment="when the TDSP was first called"),
    Column("handed_over_at", UtcDateTime, comment="RQA: when the TDSP took it"),
    Column("delivered_at", UtcDateTime, comment="when the hub first heard that it had arrived"),
    Column("closed_at", UtcDateTime, comment="from then on no answer is waited for"),
)
Index(
    "ix_han_message_target_open",
    han_message_target.c.premise_id,
    postgresql_where=han_message_target.c.closed_at.is_(None),
    sqlite_where=han_message_target.c.closed_at.is_(None),
)
Index("ix_han_message_target_position", han_message_target.c.message_number, han_message_target.c.position, unique=True)

#: A message at one device, where statuses name the device.
han_message_device = Table(
    "han_message_device",
    metadata,
    Column("premise_id", BigId, primary_key=True),
    Column("message_number", BigId, primary_key=True),
    Column("eui64", String(16), primary_key=True),
    Column("state", String(12), nullable=False),
    Column("state_at", UtcDateTime, nullable=False, comment="as the TDSP says"),
)

#: The message log (H6): a row a status. The id is the MessageStatusID.
han_message_status = Table(
    "han_message_status",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("premise_id", BigId, nullable=False),
    Column("message_number", BigId, nullable=False),
    Column("eui64", String(16), nullable=False, comment="empty: told of the meter"),
    Column("code", String(3), nullable=False, comment="RQA, ACK, PEN, STR, CON, OPT or FLR"),
    Column("sep_status", SmallInteger, comment="the device's own event status"),
    Column("description", String(200), nullable=False),
    Column("status_at", UtcDateTime, nullable=False, comment="when it was so, as the TDSP says"),
    Column("received_at", UtcDateTime, nullable=False),
    Column("applied", Boolean, nullable=False, comment="false: late or out of order, noted only"),
    Column("by_hub", Boolean, nullable=False, comment="the hub's own: handed over, or no answer came"),
    sqlite_autoincrement=True,
)
Index("ix_han_message_status_message", han_message_status.c.message_number, han_message_status.c.premise_id)
