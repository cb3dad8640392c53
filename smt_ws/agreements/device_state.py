"""How the device of a device agreement stands, as the customer sees it (A8); the room of devices tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, select, update

from smt_ws.agreements.granting import moved_in_since
from smt_ws.agreements.rules import Kind
from smt_ws.agreements.tables import agreement, agreement_premise
from smt_ws.clock import central_today
from smt_ws.hub import Hub
from smt_ws.parties.tables import premise

__all__ = ["DEVICE_MOVED", "DeviceMoved", "device_moved"]

#: The outbox's kind by which a device's state is told; `DeviceMoved` is its handler.
DEVICE_MOVED: Final = "agreement.device_moved"


@dataclass(frozen=True)
class DeviceMoved:
    """The outbox handler of kind `DEVICE_MOVED`."""

    hub: Hub

    def __call__(self, payload: Mapping[str, Any]) -> None:
        """Note the state."""
        with self.hub.store.write() as connection:
            device_moved(connection, payload, today=central_today(self.hub.clock))


def device_moved(connection: Connection, told: Mapping[str, Any], *, today: date) -> int:
    """Note ``state`` of the device ``eui64`` at ``esiid`` in ``company_id``'s device agreements; returns how many.

    What becomes of the device once an agreement has ended, or somebody else has moved in, is no part of it (A31).
    """
    rows = connection.execute(
        select(agreement, agreement_premise.c.premise_id)
        .join(agreement_premise, agreement_premise.c.number == agreement.c.number)
        .join(premise, premise.c.id == agreement_premise.c.premise_id)
        .where(
            premise.c.esiid == told["esiid"],
            agreement_premise.c.dropped_at.is_(None),
            agreement.c.company_id == told["company_id"],
            agreement.c.kind == Kind.DEVICE.value,
            agreement.c.device_mac == told["eui64"],
            agreement.c.accepted_at.is_not(None),
            agreement.c.ended_at.is_(None),
        )
    ).all()
    # by night the agreement is ended, too
    there = [
        row.number
        for row in rows
        if row.premise_id not in moved_in_since(connection, row, agreed_on=row.accepted_on, today=today)
    ]
    connection.execute(update(agreement).where(agreement.c.number.in_(there)).values(device_state=told["state"][:30]))
    return len(there)
