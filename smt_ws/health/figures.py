"""What the store says of the hub's state: asked at each look, so it is right with any number of processes.

Business time and real time are kept apart: an order waits in business time, an effect is due in real time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, func, select

from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.orders.rules import PartState, Status
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.tables import company
from smt_ws.store import audit_chain
from smt_ws.store.heartbeat import CLOCK, last_beat
from smt_ws.store.tables import audit_link, audit_log, outbox

__all__ = ["Figures", "look"]

_UNFINISHED: Final = (PartState.PLANNED.value, PartState.BUILDING.value, PartState.FAILED.value)


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the store. Ages are in seconds; None: there is nothing of which the age could be told."""

    #: Orders by status.
    orders: Mapping[str, int]
    #: Parts that are not finished, and those that failed, by state.
    parts: Mapping[str, int]
    #: How long the oldest order has waited that nobody has begun.
    oldest_pending: float | None
    #: Effects that wait, by kind.
    outbox_waiting: Mapping[str, int]
    #: How long the effect has been due that has been due longest.
    oldest_due: float | None
    #: Effects that were given up, by kind.
    dead_letters: Mapping[str, int]
    #: Since the elected scheduler's last sign of life, and who it was, as ``host:pid``.
    clock_silent: float | None
    clock_holder: str | None
    audit_sealed: int
    audit_unsealed: int


def look(hub: Hub) -> Figures:
    """Ask the store, in one snapshot. Raises what SQLAlchemy raises where it cannot be reached."""
    now, business_now = real_now(), hub.clock.now()
    waiting = outbox.c.done_at.is_(None) & outbox.c.dead_at.is_(None)
    with hub.store.read() as connection:
        pending = connection.scalar(
            select(func.min(report_order.c.accepted_at))
            .join(company, company.c.id == report_order.c.company_id)
            # a suspended company's orders wait for as long as it is suspended (P10)
            .where(report_order.c.status == Status.PENDING.value, company.c.suspended_at.is_(None))
        )
        due = connection.scalar(select(func.min(outbox.c.not_before)).where(waiting))
        beat = last_beat(connection, CLOCK)
        return Figures(
            orders=dict.fromkeys(Status, 0) | _counted(connection, report_order.c.status),
            parts=dict.fromkeys(_UNFINISHED, 0)
            | _counted(connection, order_part.c.state, order_part.c.state.in_(_UNFINISHED)),
            oldest_pending=_seconds(pending, business_now),
            outbox_waiting=_counted(connection, outbox.c.kind, waiting),
            oldest_due=_seconds(due, now),
            dead_letters=_counted(connection, outbox.c.kind, outbox.c.dead_at.is_not(None)),
            clock_silent=None if beat is None else _seconds(beat[0], now),
            clock_holder=None if beat is None else beat[1],
            audit_sealed=audit_chain.head(connection).position,
            audit_unsealed=_unsealed(connection),
        )


def _counted(connection: Connection, by: Column[str], where: ColumnElement[bool] | None = None) -> dict[str, int]:
    asked = select(by, func.count()).group_by(by)
    return {row[0]: row[1] for row in connection.execute(asked if where is None else asked.where(where))}


def _seconds(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())


def _unsealed(connection: Connection) -> int:
    # Counted from the last sealed number on: lines committed late are few, and soon sealed.
    sealed = select(func.coalesce(func.max(audit_link.c.audit_id), 0)).scalar_subquery()
    return connection.scalar(select(func.count()).where(audit_log.c.id > sealed)) or 0
