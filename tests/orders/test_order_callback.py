"""A requester that serves RequesterCallback is told how its order ended (R10)."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import zeep
from lxml import etree
from order_market import Market, esiid
from sqlalchemy import select, update

from smt_ws.notices.call_back import CONTRACT
from smt_ws.orders import claim
from smt_ws.orders.work import build_next
from smt_ws.parties.tables import company
from smt_ws.store.tables import outbox

URL = "https://hooks.rep.example/soap/RequesterCallback"


@pytest.fixture
def market(market: Market) -> Market:
    market.add_premises(range(12))
    market.load_days(range(12), date(2026, 11, 1), date(2026, 11, 9), number=1)
    with market.store.write() as connection:
        connection.execute(update(company).where(company.c.id == market.rep.company_id).values(callback_url=URL))
    return market


def callbacks(market: Market) -> list:
    with market.store.read() as connection:
        return connection.execute(select(outbox).where(outbox.c.kind == "callback")).all()


def as_written(payload: dict) -> etree._Element:
    """The call as it will go out, held against the published contract."""
    client = zeep.Client(str(CONTRACT))
    message = client.create_message(client.service, payload["operation"], trans_id=payload["key"], **payload["fields"])
    body = next(iter(next(iter(message.iter("{*}Body")))))
    schema = etree.XMLSchema(etree.parse(Path(CONTRACT).parents[1] / "xsd" / "RequesterCallback.xsd"))
    schema.assertValid(body)
    return body


def test_the_end_of_an_order_is_told_with_its_figures(market: Market) -> None:
    number = market.order([*(esiid(n) for n in range(12)), "nonsense"]).order_number
    market.order([esiid(0)], who=market.other)
    while build_next(market.hub, worker="w"):
        pass
    (row,) = callbacks(market)
    assert row.target == f"callback:{market.rep.company_id}"
    body = as_written(row.payload)
    told = {etree.QName(child).localname: child.text for child in body}
    assert told.pop("happenedAt")
    assert told.pop("expiresAt") == "2026-11-30T15:00:00+00:00"
    assert told == {
        "trans_id": f"order:{number}:ready",
        "dunsNumber": market.rep.duns,
        "correlationId": str(number),
        "status": "COMPLETE_WITH_EXCEPTIONS",
        "fileCount": str(len(market.visible())),
        "esiidDaysAsked": "130",
        "esiidDaysDelivered": "108",
        "esiidDaysExcepted": "22",
    }


def test_an_order_that_failed_is_told_too(market: Market) -> None:
    number = market.order([esiid(n) for n in range(12)]).order_number
    assert build_next(market.hub, worker="w")
    mine = claim.claim_part(
        market.store,
        worker="w",
        lease=timedelta(seconds=60),
        attempts=3,
        clock=market.hub.clock,
        keep=timedelta(days=10),
    )
    assert mine is not None
    assert claim.failed(
        market.store, mine, "broken", attempts=1, clock=market.hub.clock, keep=timedelta(days=10), final=True
    )
    (row,) = callbacks(market)
    as_written(row.payload)
    fields = row.payload["fields"]
    assert (row.payload["key"], fields["status"], fields["fileCount"]) == (f"order:{number}:failed", "FAILED", 1)
    assert (fields["esiidDaysAsked"], fields["esiidDaysDelivered"], fields["esiidDaysExcepted"]) == (120, 45, 5)
