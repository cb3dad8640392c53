"""Limits of one company: orders in a day, and ESI IDs in orders that are not finished.

Both are settings and stand in the fault, with the moment from which the next order is taken. An order is held against
them before anything is done for it, and once more when it is written: requests that come at the same instant may each
have found the last place free.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, func, select

from smt_ws.clock import CENTRAL, Clock
from smt_ws.orders.errors import OpenEsiidsError, OrdersPerDayError
from smt_ws.orders.rules import Status
from smt_ws.orders.tables import report_order
from smt_ws.store.dialect import lock_until_commit

if TYPE_CHECKING:
    from smt_ws.settings import Limits

__all__ = ["confirm_allowance", "require_allowance"]

#: Seconds after which a company with too much open may ask again: about what a large order's file takes.
_ASK_AGAIN = 60


#: Orders of one company that may be accepted at the same instant. Further from a limit than these nobody waits.
_AT_ONCE: Final = 100


def require_allowance(connection: Connection, company_id: int, *, esiids: int, limits: Limits, clock: Clock) -> bool:
    """Return whether a limit is so near that an order of *esiids* must be confirmed when it is written.

    A day is one of US/Central. An order counts its ESI IDs, refused ones too, until it is finished or cancelled.
    Raises `OrdersPerDayError` or `OpenEsiidsError` where the company may not have another order now.
    """
    placed, still_open = _orders_today(connection, company_id, clock), _open_esiids(connection, company_id)
    _hold_to(limits, clock, placed, still_open, esiids)
    return placed + _AT_ONCE > limits.orders_per_day or still_open + _AT_ONCE * esiids > limits.open_esiids


def confirm_allowance(
    connection: Connection, company_id: int, *, esiids: int | None, limits: Limits, clock: Clock
) -> None:
    """Hold the order that this transaction has written, of *esiids*, against the limits once more.

    Orders of one company are confirmed one after the other: each sees those committed before it. *esiids* None: only
    the orders of the day are counted. Raises as `require_allowance`; the caller's transaction must then end.
    """
    lock_until_commit(connection, f"orders of company {company_id}")
    others = 0 if esiids is None else _open_esiids(connection, company_id) - esiids
    _hold_to(limits, clock, _orders_today(connection, company_id, clock) - 1, others, esiids or 0)


def _orders_today(connection: Connection, company_id: int, clock: Clock) -> int:
    local = clock.now().astimezone(CENTRAL)
    midnight = datetime(local.year, local.month, local.day, tzinfo=CENTRAL)
    order = report_order.c
    return connection.execute(
        select(func.count())
        .select_from(report_order)
        .where(order.company_id == company_id, order.accepted_at >= midnight)
    ).scalar_one()


def _open_esiids(connection: Connection, company_id: int) -> int:
    order = report_order.c
    unfinished = (Status.PENDING.value, Status.IN_PROGRESS.value)
    found: int = connection.execute(
        select(func.coalesce(func.sum(order.esiids_asked), 0)).where(
            order.company_id == company_id, order.status.in_(unfinished)
        )
    ).scalar_one()
    return found


def _hold_to(limits: Limits, clock: Clock, placed: int, still_open: int, esiids: int) -> None:
    now = clock.now()
    local = now.astimezone(CENTRAL)
    if placed >= limits.orders_per_day:
        next_day = local.date() + timedelta(days=1)
        next_midnight = datetime(next_day.year, next_day.month, next_day.day, tzinfo=CENTRAL)
        raise OrdersPerDayError(
            f"{OrdersPerDayError.sentence()} The next one is taken from {next_midnight:%m/%d/%Y %H:%M %Z} on.",
            expected=f"at most {limits.orders_per_day} orders on one day",
            presented=f"order number {placed + 1} of {local:%m/%d/%Y}",
            retry_after=ceil((next_midnight - now).total_seconds()),
        )
    # A company with nothing open may always have one order, whatever it weighs.
    if still_open and still_open + esiids > limits.open_esiids:
        raise OpenEsiidsError(
            expected=f"at most {limits.open_esiids} ESI IDs in unfinished orders",
            presented=f"{esiids} beside the {still_open} of orders that are not finished",
            retry_after=_ASK_AGAIN,
        )
