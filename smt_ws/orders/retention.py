"""Files leave the FTPS site when their time is over, and their order is Expired (R7)."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, select, update

from smt_ws.clock import Clock
from smt_ws.orders.build import delivery_folder
from smt_ws.orders.rules import COMPLETED, PartState, Status
from smt_ws.orders.tables import order_part, report_order
from smt_ws.store import audit
from smt_ws.store.engine import Store

__all__ = ["expire_due"]


def expire_due(store: Store, root: Path, *, clock: Clock) -> int:
    """Remove the files of every order whose time is over, below the FTPS site's *root*; return how many orders.

    Completed orders become Expired; failed and cancelled ones stay what they are and lose their files. A file that is
    not there is fine: clients delete what they have fetched. Files go before the row says so, one order a
    transaction, so that a crash in between is mended by the next run.
    """
    with store.read() as connection:
        due = connection.scalars(
            select(report_order.c.number)
            .where(report_order.c.expires_at <= clock.now(), report_order.c.status != Status.EXPIRED.value)
            .order_by(report_order.c.number)
        ).all()
    for number in due:
        with store.write() as connection:
            _expire(connection, number, root, clock)
    return len(due)


def _expire(connection: Connection, number: int, root: Path, clock: Clock) -> None:
    of_order = order_part.c.order_number == number
    names = connection.scalars(
        select(order_part.c.file_name).where(of_order).order_by(order_part.c.part).with_for_update()
    ).all()
    order = connection.execute(select(report_order).where(report_order.c.number == number).with_for_update()).one()
    # Every part's name, not only those published: a worker may have died between showing a file and recording it.
    folder = delivery_folder(root, order.duns, order.folder)
    for name in names:
        (folder / name).unlink(missing_ok=True)
    connection.execute(
        update(order_part)
        .where(of_order, order_part.c.state == PartState.PUBLISHED.value)
        .values(state=PartState.EXPIRED.value)
    )
    completed = Status(order.status) in COMPLETED
    connection.execute(
        update(report_order)
        .where(report_order.c.number == number)
        # Without an expiry there is nothing left to remove: the next run passes over it.
        .values({"status": Status.EXPIRED.value} if completed else {"expires_at": None})
    )
    audit.record(
        connection,
        audit.Event.ORDER_EXPIRED,
        actor="hub:jobs",
        at=clock.now(),
        object=f"order:{number}",
        details={"status": order.status},
    )
