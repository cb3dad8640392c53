"""How the device of a device agreement stands, as the customer sees it (A8); the room of devices tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select, update

from smt_ws.agreements.rules import Kind
from smt_ws.agreements.tables import agreement, agreement_premise
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
            device_moved(connection, payload)


def device_moved(connection: Connection, told: Mapping[str, Any]) -> int:
    """Note ``state`` of the device ``eui64`` at ``esiid`` in ``company_id``'s device agreements; returns how many."""
    about = (
        select(agreement_premise.c.number)
        .join(premise, premise.c.id == agreement_premise.c.premise_id)
        .where(premise.c.esiid == told["esiid"])
    )
    noted = connection.execute(
        update(agreement)
        .where(
            agreement.c.number.in_(about),
            agreement.c.company_id == told["company_id"],
            agreement.c.kind == Kind.DEVICE.value,
            agreement.c.device_mac == told["eui64"],
            agreement.c.accepted_at.is_not(None),
            # what becomes of a device after that is no part of the agreement (A31)
            agreement.c.ended_at.is_(None),
        )
        .values(device_state=told["state"][:30])
    )
    return noted.rowcount
