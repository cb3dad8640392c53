"""The report of a one-time agreement: its order is placed once, and the agreement hears of it (A11).

Agreements and orders do not know each other: the acceptance leaves an effect in the outbox, and so does the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, select

from smt_ws.clock import Clock, central_today
from smt_ws.hub import Hub
from smt_ws.orders.place import UsageRequest, place_order
from smt_ws.orders.renderers import MONTHLY
from smt_ws.orders.rules import MARKET_KINDS, first_day_kept
from smt_ws.orders.tables import report_order
from smt_ws.orders.tell_agreement import tell_agreement
from smt_ws.parties.identify import Caller
from smt_ws.parties.tables import company, company_duns
from smt_ws.settings import Limits

__all__ = ["ORDER_AGREED", "PlaceAgreed", "place_agreed"]

#: The outbox's kind for a report that a customer has agreed to; `PlaceAgreed` is its handler.
ORDER_AGREED: Final = "order.agreed"


@dataclass(frozen=True)
class PlaceAgreed:
    """The outbox handler of kind `ORDER_AGREED`."""

    hub: Hub

    def __call__(self, payload: Mapping[str, Any]) -> None:
        """Place the order; raises what placing raises, and the outbox tries again."""
        with self.hub.store.write() as connection:
            place_agreed(
                connection,
                payload,
                limits=self.hub.settings.limits,
                clock=self.hub.clock,
                allow_test_esiids=self.hub.settings.allow_test_esiids,
            )


def place_agreed(
    connection: Connection,
    agreed: Mapping[str, Any],
    *,
    limits: Limits,
    clock: Clock,
    allow_test_esiids: bool = False,
) -> int:
    """Place the order of the agreement that *agreed* names, unless it is there already; return its number.

    *agreed*: ``agreement``, ``company_id``, ``kind`` (its capacity), ``duns``, ``requestor_id``, ``report``,
    ``format``, ``first_day``, ``last_day`` (ISO), ``esiids``. The days were counted from the acceptance; where the
    order comes later, those that are no longer kept (R4) are left out.

    Raises what `smt_ws.orders.place.place_order` raises.
    """
    number = agreed["agreement"]
    there = connection.scalar(select(report_order.c.number).where(report_order.c.agreement == number))
    if there is not None:
        return int(there)
    report, kind = agreed["report"], agreed["kind"]
    months = limits.history_months_market if kind in MARKET_KINDS else limits.history_months_others
    if report == MONTHLY:
        months = limits.history_months_bills
    first = max(date.fromisoformat(agreed["first_day"]), first_day_kept(central_today(clock), months))
    last = date.fromisoformat(agreed["last_day"])
    placed = place_order(
        connection,
        _caller(connection, agreed["company_id"], kind, agreed["duns"]),
        UsageRequest(
            trans_id=f"agreement:{number}",
            requestor_id=agreed["requestor_id"],
            start_date=f"{first:%m/%d/%Y}",
            end_date=f"{last:%m/%d/%Y}",
            report_format=agreed["format"],
            esiids=agreed["esiids"],
            report=report,
        ),
        limits=limits,
        clock=clock,
        allow_test_esiids=allow_test_esiids,
        agreement=number,
    )
    order = connection.execute(select(report_order).where(report_order.c.number == placed.order_number)).one()
    tell_agreement(connection, order, now=clock.now())
    return placed.order_number


def _caller(connection: Connection, company_id: int, kind: str, duns: str) -> Caller:
    name = connection.execute(select(company.c.legal_name).where(company.c.id == company_id)).scalar_one()
    numbers = connection.scalars(
        select(company_duns.c.duns).where(company_duns.c.company_id == company_id).order_by(company_duns.c.duns)
    )
    # No connection of the company's is behind this: the customer's answer is.
    return Caller(company_id, name, kind, duns, tuple(numbers), tls_sha256="", signing_sha256=None)
