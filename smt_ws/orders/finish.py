"""How an order ends: complete when its last part is done, failed when a part is given up.

Both run in the transaction that decides them, so that status, totals, notice and audit line are one commit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from smt_ws.notices.callbacks import announce
from smt_ws.notices.queue import notify
from smt_ws.orders import plan
from smt_ws.orders.errors import DaysDoNotAddUpError
from smt_ws.orders.rules import ORDER_MOVES, PartState, Status, completed_status
from smt_ws.orders.tables import order_part, report_order
from smt_ws.orders.tell_agreement import tell_agreement
from smt_ws.parties.tables import company
from smt_ws.store import audit

__all__ = ["all_exceptions", "close", "delivered_so_far", "fail_order", "settle"]

_OPEN = (PartState.PLANNED.value, PartState.BUILDING.value)


def all_exceptions(connection: Connection, order_number: int) -> plan.Exceptions:
    """Everything that the order does not deliver, as far as known: refused at acceptance, and missing in its parts."""
    refused = connection.execute(
        select(report_order.c.exceptions).where(report_order.c.number == order_number)
    ).scalar_one()
    missing = connection.scalars(
        select(order_part.c.missing)
        .where(order_part.c.order_number == order_number, order_part.c.missing.is_not(None))
        .order_by(order_part.c.part)
    )
    return plan.merge(plan.unpack_exceptions(packed) for packed in (refused, *missing))


def delivered_so_far(connection: Connection, order_number: int) -> int:
    """The ESI-ID-days that the order has delivered."""
    delivered = connection.execute(
        select(func.coalesce(func.sum(order_part.c.days_delivered), 0)).where(order_part.c.order_number == order_number)
    ).scalar_one()
    return int(delivered)


def settle(connection: Connection, order_number: int, *, now: datetime, keep: timedelta) -> Status | None:
    """Complete the order if none of its parts is open any more, and return its status; None where some are.

    Its files are kept for *keep* from *now* (R7). Raises `DaysDoNotAddUpError` where asked is not delivered plus
    excepted: then nothing may be committed, and the order is to fail.
    """
    order = connection.execute(
        select(report_order).where(report_order.c.number == order_number).with_for_update()
    ).one()
    totals = connection.execute(
        select(
            func.count().filter(order_part.c.state.in_(_OPEN)).label("open"),
            func.coalesce(func.sum(order_part.c.days_delivered), 0).label("delivered"),
            func.count().filter(order_part.c.state == PartState.PUBLISHED.value).label("files"),
        ).where(order_part.c.order_number == order_number)
    ).one()
    if totals.open:
        return None
    exceptions = all_exceptions(connection, order_number)
    delivered, excepted = int(totals.delivered), exceptions.days
    if delivered + excepted != order.days_asked:
        raise DaysDoNotAddUpError(
            f"order {order_number}: {DaysDoNotAddUpError.sentence()}",
            expected=f"{order.days_asked} asked",
            presented=f"{delivered} delivered, {excepted} excepted",
        )
    status = completed_status(excepted)
    close(connection, order, status, now=now, keep=keep, days_delivered=delivered, days_excepted=excepted)
    _tell(
        connection,
        order,
        "report_ready",
        key=f"order:{order_number}:ready",
        now=now,
        facts={
            "status": status.value,
            "files": int(totals.files),
            "days_delivered": delivered,
            "days_excepted": excepted,
            "expires_at": (now + keep).isoformat(),
        },
        files=_published(connection, order) if order.delivery_mode == "EML" else None,
    )
    _call(
        connection,
        order,
        status,
        key=f"order:{order_number}:ready",
        now=now,
        expires_at=now + keep,
        files=int(totals.files),
        delivered=delivered,
        excepted=excepted,
    )
    audit.record(
        connection,
        audit.Event.ORDER_COMPLETED,
        actor="hub:work",
        at=now,
        object=f"order:{order_number}",
        details={"status": status.value, "days_delivered": delivered, "days_excepted": excepted},
    )
    return status


def fail_order(
    connection: Connection, order_number: int, *, part: int, fence: int, reason: str, now: datetime, keep: timedelta
) -> bool:
    """Fail the order because of one part; the others that are open go no further, delivered files stay for *keep*.

    Returns False, and changes nothing, when the part is no longer building under *fence*.
    """
    parts = connection.execute(
        select(order_part.c.part, order_part.c.fence, order_part.c.state)
        .where(order_part.c.order_number == order_number)
        .order_by(order_part.c.part)
        .with_for_update()
    ).all()
    if not any((row.part, row.fence, row.state) == (part, fence, PartState.BUILDING.value) for row in parts):
        return False
    of_order = order_part.c.order_number == order_number
    connection.execute(
        update(order_part)
        .where(of_order, order_part.c.part == part)
        .values(state=PartState.FAILED.value, claimed_by=None, last_error=reason[:2000])
    )
    connection.execute(
        update(order_part)
        .where(of_order, order_part.c.state.in_(_OPEN))
        .values(state=PartState.CANCELLED.value, claimed_by=None)
    )
    order = connection.execute(
        select(report_order).where(report_order.c.number == order_number).with_for_update()
    ).one()
    delivered, excepted = delivered_so_far(connection, order_number), all_exceptions(connection, order_number).days
    close(
        connection,
        order,
        Status.FAILED,
        now=now,
        keep=keep,
        failure=reason[:2000],
        days_delivered=delivered,
        days_excepted=excepted,
    )
    _tell(connection, order, "report_failed", key=f"order:{order_number}:failed", now=now, facts={})
    files = connection.execute(
        select(func.count()).where(of_order, order_part.c.state == PartState.PUBLISHED.value)
    ).scalar_one()
    _call(
        connection,
        order,
        Status.FAILED,
        key=f"order:{order_number}:failed",
        now=now,
        expires_at=now + keep,
        files=files,
        delivered=delivered,
        excepted=excepted,
    )
    audit.record(
        connection,
        audit.Event.ORDER_FAILED,
        actor="hub:work",
        at=now,
        object=f"order:{order_number}",
        details={"part": part, "reason": reason[:500]},
    )
    return True


def close(connection: Connection, order: Any, status: Status, *, now: datetime, keep: timedelta, **values: Any) -> None:
    """Give the locked row *order* its last status before it expires; its files leave after *keep*."""
    assert status in ORDER_MOVES[Status(order.status)], f"{order.status} to {status}"
    connection.execute(
        update(report_order)
        .where(report_order.c.number == order.number)
        .values(status=status.value, completed_at=now, expires_at=now + keep, **values)
    )
    tell_agreement(connection, order, now=now, status=status.value)


def _call(
    connection: Connection,
    order: Any,
    status: Status,
    *,
    key: str,
    now: datetime,
    expires_at: datetime,
    files: int,
    delivered: int,
    excepted: int,
) -> None:
    announce(
        connection,
        company_id=order.company_id,
        operation="ReportReady",
        fields={
            "dunsNumber": order.duns,
            "happenedAt": now.isoformat(),
            "correlationId": str(order.number),
            "status": status.name,
            "fileCount": files,
            "esiidDaysAsked": order.days_asked,
            "esiidDaysDelivered": delivered,
            "esiidDaysExcepted": excepted,
            "expiresAt": expires_at.isoformat(),
        },
        key=key,
        now=now,
    )


def _published(connection: Connection, order: Any) -> list[str]:
    """The files of *order*, as paths below the FTPS site's folder."""
    names = connection.scalars(
        select(order_part.c.file_name)
        .where(order_part.c.order_number == order.number, order_part.c.state == PartState.PUBLISHED.value)
        .order_by(order_part.c.part)
    )
    return [f"{order.duns}/{order.folder}/{name}" for name in names]


def _tell(
    connection: Connection,
    order: Any,
    message: str,
    *,
    key: str,
    now: datetime,
    facts: dict[str, Any],
    files: list[str] | None = None,
) -> None:
    to = connection.execute(select(company.c.email).where(company.c.id == order.company_id)).scalar_one()
    shared = {
        "order_number": order.number,
        "first_day": order.first_day.isoformat(),
        "last_day": order.last_day.isoformat(),
        "report": order.report,
        "duns": order.duns,
        "folder": order.folder,
    }
    notify(connection, message, to=to, key=key, facts=shared | facts, now=now, files=files)
