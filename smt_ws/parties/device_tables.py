"""What a customer has said about who may control the devices at home (A19)."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, String, Table

from smt_ws.store.metadata import UtcDateTime, metadata

__all__ = ["device_control"]

#: No row: whoever an agreement or the settings let in. A row narrows that; it opens nothing by itself.
device_control = Table(
    "device_control",
    metadata,
    Column("premise_id", ForeignKey("premise.id"), primary_key=True),
    Column("by_rep", Boolean, nullable=False, comment="the REP of record may"),
    Column("by_third_party", Boolean, nullable=False, comment="companies with an agreement may"),
    Column("by_tdsp", Boolean, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
    Column("set_by", String(80), nullable=False),
)
