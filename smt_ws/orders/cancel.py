"""Cancelling an order, at any moment before it is finished (R6)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import OperationalError

from smt_ws.clock import Clock
from smt_ws.orders.errors import OrderFinishedError, OrderHeldError, OrderUnknownError
from smt_ws.orders.finish import all_exceptions, close, delivered_so_far
from smt_ws.orders.rules import LARGEST_NUMBER, ORDER_MOVES, PartState, Status
from smt_ws.orders.tables import order_part, report_order
from smt_ws.store import audit
from smt_ws.store.dialect import lock_timed_out, wait_for_locks_at_most

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller

__all__ = ["cancel_order"]

#: How long a thread of the endpoint waits for a worker that is recording a part.
PATIENCE = timedelta(seconds=5)


def cancel_order(
    connection: Connection,
    caller: Caller,
    order_number: int,
    *,
    clock: Clock,
    keep: timedelta,
    address: str | None = None,
) -> Status:
    """Cancel the caller's order and return its status: parts not yet published never will be.

    Files already delivered stay for *keep*. A worker in the middle of a part finds out when it renews its lease or
    wants to publish. Raises `OrderUnknownError` (also for another company's order: the two look the same),
    `OrderFinishedError`, and `OrderHeldError` where a worker was stopped while it recorded a part.
    """
    mine = (report_order.c.number == order_number, report_order.c.company_id == caller.company_id)
    if order_number > LARGEST_NUMBER or connection.execute(select(report_order.c.number).where(*mine)).first() is None:
        raise OrderUnknownError(presented=str(order_number))
    of_order = order_part.c.order_number == order_number
    # Parts before the order, as everywhere: a worker that is publishing this moment goes first.
    parts = select(order_part.c.part).where(of_order).order_by(order_part.c.part).with_for_update()
    wait_for_locks_at_most(connection, PATIENCE)
    try:
        connection.execute(parts).all()
        order = connection.execute(select(report_order).where(*mine).with_for_update()).one()
    except OperationalError as error:
        if lock_timed_out(error):
            raise OrderHeldError from error
        raise
    status = Status(order.status)
    if Status.CANCELLED not in ORDER_MOVES[status]:
        raise OrderFinishedError(
            f"{OrderFinishedError.sentence()} Order {order_number} is {status.value}.",
            expected=f"{Status.PENDING.value} or {Status.IN_PROGRESS.value}",
            presented=status.value,
        )
    cancelled = connection.execute(
        update(order_part)
        .where(of_order, order_part.c.state.in_((PartState.PLANNED.value, PartState.BUILDING.value)))
        .values(state=PartState.CANCELLED.value, claimed_by=None)
    ).rowcount
    now = clock.now()
    close(
        connection,
        order,
        Status.CANCELLED,
        now=now,
        keep=keep,
        days_delivered=delivered_so_far(connection, order_number),
        days_excepted=all_exceptions(connection, order_number).days,
    )
    audit.record(
        connection,
        audit.Event.ORDER_CANCELLED,
        actor=f"company:{caller.company_id}",
        at=now,
        object=f"order:{order_number}",
        details={"parts_cancelled": cancelled},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return Status.CANCELLED
