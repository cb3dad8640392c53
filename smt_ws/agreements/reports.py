"""The report of a one-time agreement, as the agreement sees it: ordered, complete, or visibly not (A11, BR-7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from smt_ws.agreements.end import cancel_agreement
from smt_ws.agreements.errors import AgreementUnknownError
from smt_ws.agreements.granting import bring_in_line
from smt_ws.agreements.letters import tell
from smt_ws.agreements.moving import find_agreement, move
from smt_ws.agreements.rules import Act, Actor, Kind, Status, after
from smt_ws.agreements.tables import agreement, agreement_history
from smt_ws.clock import Clock
from smt_ws.hub import Hub

__all__ = ["ORDER_MOVED", "OrderMoved", "order_moved"]

#: The outbox's kind by which an order tells its agreement how it stands; `OrderMoved` is its handler.
ORDER_MOVED: Final = "agreement.order_moved"
#: Statuses of an order whose files are published.
_DONE: Final = ("Complete", "Complete with exceptions")
#: The status of an order that its company took back: with it goes the agreement.
_TAKEN_BACK: Final = "Cancelled"
#: What history calls news of the order that move the agreement nowhere.
_REPORT: Final = "report"


@dataclass(frozen=True)
class OrderMoved:
    """The outbox handler of kind `ORDER_MOVED`."""

    hub: Hub

    def __call__(self, payload: Mapping[str, Any]) -> None:
        """Follow the order of an agreement."""
        with self.hub.store.write() as connection:
            order_moved(connection, payload, clock=self.hub.clock)


def order_moved(connection: Connection, told: Mapping[str, Any], *, clock: Clock) -> None:
    """Follow *told*: ``agreement``, ``order_number``, ``status``. Told twice, it is the same.

    A published report completes the agreement and both sides are written to. An order that the initiator took back
    cancels it. One that failed leaves it active, with the fact in its history: somebody has to look. An agreement that
    has ended meanwhile stays as it is.
    """
    try:
        row = find_agreement(connection, told["agreement"])
    except AgreementUnknownError:
        return
    now, status = clock.now(), told["status"]
    if row.order_number != told["order_number"]:
        connection.execute(
            update(agreement).where(agreement.c.number == row.number).values(order_number=told["order_number"])
        )
    details = {"order": told["order_number"], "order_status": status}
    if status in _DONE and after(Kind(row.kind), Status(row.status), Act.COMPLETE, Actor.HUB) is not None:
        was = Status(row.status)
        row = move(
            connection,
            row,
            Act.COMPLETE,
            Actor.HUB,
            who="hub:order",
            now=now,
            details=details,
            order_number=told["order_number"],
        )
        bring_in_line(connection, row, now=now)
        tell(connection, [row], was, Act.COMPLETE, Actor.HUB, now=now)
    elif status == _TAKEN_BACK and after(Kind(row.kind), Status(row.status), Act.CANCEL, Actor.INITIATOR) is not None:
        cancel_agreement(connection, row, who=f"company:{row.company_id}", clock=clock)
    elif not _known(connection, row.number, details):
        connection.execute(
            insert(agreement_history).values(
                number=row.number,
                at=now,
                act=_REPORT,
                actor="hub:order",
                from_status=row.status,
                to_status=row.status,
                details=details,
            )
        )


def _known(connection: Connection, number: str, details: dict[str, Any]) -> bool:
    told = connection.scalars(
        select(agreement_history.c.details).where(
            agreement_history.c.number == number, agreement_history.c.act == _REPORT
        )
    )
    return details in told.all()
