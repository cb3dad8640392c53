"""How the order of a one-time agreement stands, passed on to the agreement by the outbox (A11)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from smt_ws.store.outbox import enqueue

__all__ = ["AGREEMENT_ORDER", "tell_agreement"]

#: The outbox's kind; agreements carry it out.
AGREEMENT_ORDER: Final = "agreement.order_moved"


def tell_agreement(connection: Connection, order: Any, *, now: datetime, status: str | None = None) -> None:
    """Tell the agreement of the row *order*, where it has one, that the order stands as *status* says."""
    if order.agreement is None:
        return
    stands = status or order.status
    enqueue(
        connection,
        kind=AGREEMENT_ORDER,
        key=f"agreement:{order.agreement}:order:{stands}",
        payload={"agreement": order.agreement, "order_number": order.number, "status": stands},
        now=now,
    )
