"""What one company may have: orders in a day, and ESI IDs in orders that are not finished.

Both are settings and are told in the fault, with the moment from which the next order is taken. They are asked when an
order is accepted; requests that come at the same instant may each find the last place free.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from smt_ws.clock import CENTRAL, Clock
from smt_ws.orders.errors import OpenEsiidsError, OrdersPerDayError
from smt_ws.orders.rules import Status
from smt_ws.orders.tables import report_order

if TYPE_CHECKING:
    from smt_ws.settings import Limits

__all__ = ["require_allowance"]

#: Seconds after which a company with too much open may ask again: about what a large order's file takes.
_ASK_AGAIN = 60


def require_allowance(connection: Connection, company_id: int, *, esiids: int, limits: Limits, clock: Clock) -> None:
    """Raise `OrdersPerDayError` or `OpenEsiidsError` where the company may not have another order of *esiids* now.

    A day is one of US/Central. An order counts its ESI IDs, refused ones too, until it is finished or cancelled.
    """
    order = report_order.c
    now = clock.now()
    local = now.astimezone(CENTRAL)
    midnight = datetime(local.year, local.month, local.day, tzinfo=CENTRAL)
    placed = connection.execute(
        select(func.count())
        .select_from(report_order)
        .where(order.company_id == company_id, order.accepted_at >= midnight)
    ).scalar_one()
    if placed >= limits.orders_per_day:
        next_day = local.date() + timedelta(days=1)
        next_midnight = datetime(next_day.year, next_day.month, next_day.day, tzinfo=CENTRAL)
        raise OrdersPerDayError(
            f"{OrdersPerDayError.sentence()} The next one is taken from {next_midnight:%m/%d/%Y %H:%M %Z} on.",
            expected=f"at most {limits.orders_per_day} orders on one day",
            presented=f"order number {placed + 1} of {local:%m/%d/%Y}",
            retry_after=ceil((next_midnight - now).total_seconds()),
        )
    still_open = connection.execute(
        select(func.coalesce(func.sum(order.esiids_asked), 0)).where(
            order.company_id == company_id, order.status.in_((Status.PENDING.value, Status.IN_PROGRESS.value))
        )
    ).scalar_one()
    # A company with nothing open may always have one order, whatever it weighs.
    if still_open and still_open + esiids > limits.open_esiids:
        raise OpenEsiidsError(
            expected=f"at most {limits.open_esiids} ESI IDs in unfinished orders",
            presented=f"{esiids} beside the {still_open} of orders that are not finished",
            retry_after=_ASK_AGAIN,
        )
