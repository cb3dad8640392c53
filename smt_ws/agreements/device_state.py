"""How the device of a device agreement stands, as the customer sees it (A8); the room of devices tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, update

from smt_ws.agreements.device_agreements import device_agreements
from smt_ws.agreements.tables import agreement
from smt_ws.clock import central_today
from smt_ws.hub import Hub

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
    found = device_agreements(connection, esiid=told["esiid"], company_id=told["company_id"], today=today)
    open_ones = [row.number for row in found if row.device_mac == told["eui64"] and row.ended_at is None]
    connection.execute(
        update(agreement).where(agreement.c.number.in_(open_ones)).values(device_state=told["state"][:30])
    )
    return len(open_ones)
