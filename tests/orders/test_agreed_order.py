"""The order of a one-time agreement (A11): placed once, told to its agreement, never for days that are not kept."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from order_market import REP, Market, esiid
from sqlalchemy import func, select

from smt_ws.orders.agreed import PlaceAgreed
from smt_ws.orders.cancel import cancel_order
from smt_ws.orders.tables import report_order
from smt_ws.orders.work import build_next
from smt_ws.store.tables import outbox

NUMBER = "112026000001"


@pytest.fixture
def served(market: Market) -> Market:
    market.add_premises(range(2))
    market.load_days(range(2), date(2026, 11, 1), date(2026, 11, 19), number=1)
    return market


def agreed(market: Market, number: str = NUMBER, **more: str) -> dict[str, object]:
    return {
        "agreement": number,
        "company_id": market.rep.company_id,
        "kind": "REP",
        "duns": REP,
        "requestor_id": "svc",
        "report": "interval",
        "format": "CSV",
        "first_day": "2026-11-01",
        "last_day": "2026-11-19",
        "esiids": [esiid(0), esiid(1)],
    } | more


def told(market: Market) -> list[tuple[str, str]]:
    with market.store.read() as connection:
        rows = connection.scalars(
            select(outbox.c.payload).where(outbox.c.kind == "agreement.order_moved").order_by(outbox.c.id)
        )
        return [(row["agreement"], row["status"]) for row in rows]


def test_it_is_placed_once_and_the_agreement_hears_of_its_end(served: Market):
    place = PlaceAgreed(served.hub)
    place(agreed(served))
    place(agreed(served))
    with served.store.read() as connection:
        (number,) = connection.scalars(select(report_order.c.number))
    while build_next(served.hub, worker="w"):
        pass
    order = served.row(number)
    assert (order.agreement, order.status, order.days_delivered) == (NUMBER, "Complete", 38)
    assert told(served) == [(NUMBER, "Pending"), (NUMBER, "Complete")]


def test_days_that_are_no_longer_kept_are_left_out(served: Market):
    """R4: counted from the acceptance; where the order comes later its first days may be gone."""
    PlaceAgreed(served.hub)(agreed(served, kind="CSP", first_day="2025-10-18"))
    with served.store.read() as connection:
        first = connection.scalar(select(report_order.c.first_day))
    assert first == date(2025, 10, 20)


def test_ordinary_orders_tell_nobody_and_a_cancelled_one_tells(served: Market):
    served.order([esiid(0)])
    PlaceAgreed(served.hub)(agreed(served))
    with served.store.write() as connection:
        number = connection.scalar(select(func.max(report_order.c.number)))
        keep = timedelta(days=10)
        cancel_order(connection, served.rep, number, clock=served.hub.clock, keep=keep)  # type: ignore[arg-type]
    while build_next(served.hub, worker="w"):
        pass
    assert told(served) == [(NUMBER, "Pending"), (NUMBER, "Cancelled")]
