"""A requester's whole history can be told from ReportRequestStatus alone: however an order came and ended (R6)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from order_market import Market, esiid
from sqlalchemy import select, update
from test_posting import post

from smt_ws.orders import posting, status
from smt_ws.orders.cancel import cancel_order
from smt_ws.orders.claim import claim_part, failed
from smt_ws.orders.retention import expire_due
from smt_ws.orders.rules import PartState, Status
from smt_ws.orders.status import OrderStatus, OrderSummary
from smt_ws.orders.tables import subscription
from smt_ws.orders.work import work_once
from smt_ws.serve.handlers import handlers_of
from smt_ws.store.tables import audit_log

KEEP = timedelta(days=10)
FIRST, LAST = date(2026, 11, 20), date(2026, 12, 31)


def build_all(market: Market) -> None:
    while work_once(market.hub, worker="w", handlers=handlers_of(market.hub)):
        pass


def whole_history(market: Market) -> dict[int, OrderStatus]:
    """What a client can put together: page after page of the list, and each order of it."""
    page, listed = 1, list[OrderSummary]()
    with market.store.read() as connection:
        while True:
            found = status.list_requests(connection, market.rep, from_day=FIRST, to_day=LAST, page=page)  # type: ignore[arg-type]
            listed += found.orders
            if not found.more:
                break
            page += 1
        told = {one.order_number: status.get_status(connection, market.rep, one.order_number) for one in listed}  # type: ignore[arg-type]
    for one in listed:
        assert told[one.order_number].order == one
    return told


@pytest.fixture
def lived(market: Market) -> dict[str, int]:
    """An order of every end, one still waiting, and a daily posting; name → number."""
    market.add_premises(range(12))
    market.load_days(range(12), date(2026, 11, 1), date(2026, 11, 19), number=1)
    several = [esiid(n) for n in range(12)]
    numbers = {"expired": market.order(several).order_number}
    build_all(market)
    market.hub.clock.advance(KEEP + timedelta(hours=1))  # type: ignore[attr-defined]
    assert expire_due(market.store, market.hub.settings.ftps.root, clock=market.hub.clock) == 1
    numbers["complete"] = market.order([esiid(0)], report_format="LSE", reading_type="C").order_number
    numbers["with exceptions"] = market.order([esiid(0), "nonsense"], version="A").order_number
    build_all(market)
    numbers["failed"] = market.order(several).order_number
    mine = claim_part(market.store, worker="w", lease=KEEP, attempts=3, clock=market.hub.clock, keep=KEEP)
    assert mine is not None
    assert failed(
        market.store, mine, "NO_LUCK: it was not to be", attempts=3, clock=market.hub.clock, keep=KEEP, final=True
    )
    numbers["cancelled"] = market.order(several).order_number
    assert work_once(market.hub, worker="w", handlers=handlers_of(market.hub))
    while not market.visible() or market.parts(numbers["cancelled"])[0].state != "published":
        assert work_once(market.hub, worker="w", handlers=handlers_of(market.hub))
    with market.store.write() as connection:
        cancel_order(connection, market.rep, numbers["cancelled"], clock=market.hub.clock, keep=KEEP)  # type: ignore[arg-type]
    with market.store.write() as connection:
        posting.ensure_defaults(connection, now=market.hub.clock.now())
        connection.execute(update(subscription).values(format="CSV"))
    market.load_days(range(2), date(2026, 11, 29), date(2026, 11, 29), number=2)
    post(market, date(2026, 11, 30))
    build_all(market)
    numbers["waiting"] = market.order([esiid(0)]).order_number
    return numbers


def test_every_order_is_listed_and_says_what_was_asked_how_it_ended_and_what_came(
    market: Market, lived: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "PAGE", 2)
    told = whole_history(market)
    (posted,) = set(told) - set(lived.values())
    assert {name: told[number].order.status for name, number in lived.items()} == {
        "expired": Status.EXPIRED,
        "complete": Status.COMPLETE,
        "with exceptions": Status.COMPLETE_WITH_EXCEPTIONS,
        "failed": Status.FAILED,
        "cancelled": Status.CANCELLED,
        "waiting": Status.PENDING,
    }
    for number, found in told.items():
        row, order = market.row(number), found.order
        assert (order.trans_id, order.report_format, order.version, order.reading_type) == (
            row.trans_id, row.format, row.version, row.reading_type
        )  # fmt: skip
        assert (order.first_day, order.last_day, order.days_asked) == (row.first_day, row.last_day, row.days_asked)
        assert (order.submitted_at, order.completed_at, order.expires_at) == (
            row.accepted_at, row.completed_at, row.expires_at
        )  # fmt: skip
        assert (order.load_mark, order.failure) == (row.as_of_load, row.failure)
        if order.status in {Status.COMPLETE, Status.COMPLETE_WITH_EXCEPTIONS, Status.EXPIRED}:
            assert order.days_asked == order.days_delivered + order.days_excepted
            assert sum(one.days for one in found.exceptions) == order.days_excepted
        here = [part for part in market.parts(number) if part.state != "empty"]
        assert [(one.name, one.state.value, one.size, one.sha256, one.records) for one in found.files] == [
            (part.file_name, part.state, part.size, part.sha256, part.records) for part in here
        ]
    assert told[posted].order.service_type == "SUBSCRIPTION"
    assert told[posted].order.status is Status.COMPLETE
    assert told[lived["failed"]].order.failure == "NO_LUCK: it was not to be"
    assert {one.code: one.days for one in told[lived["with exceptions"]].exceptions} == {"ESIID_MALFORMED": 10}
    # what was delivered before it was cancelled, and what never was
    cancelled = told[lived["cancelled"]].order
    assert (cancelled.days_asked, cancelled.days_delivered, cancelled.days_excepted) == (120, 50, 0)
    states = [one.state for one in told[lived["cancelled"]].files]
    assert states[0] is PartState.PUBLISHED
    assert set(states[1:]) == {PartState.CANCELLED}
    # names and hashes stay when the files are gone
    expired = told[lived["expired"]]
    assert {one.state for one in expired.files} == {PartState.EXPIRED}
    assert all(one.sha256 and one.size for one in expired.files)


def test_what_is_told_of_an_ended_order_is_audited_p7(market: Market, lived: dict[str, int]) -> None:
    with market.store.read() as connection:
        found = status.get_status(connection, market.rep, lived["with exceptions"])  # type: ignore[arg-type]
        page = status.list_requests(connection, market.rep, from_day=FIRST, to_day=LAST)  # type: ignore[arg-type]
        waiting = status.get_status(connection, market.rep, lived["waiting"])  # type: ignore[arg-type]
    assert (found.order.ended, waiting.order.ended) == (True, False)
    with market.store.write() as connection:
        status.note_seen(connection, market.rep, found, clock=market.hub.clock, address="192.0.2.7")  # type: ignore[arg-type]
        status.note_listed(connection, market.rep, page, clock=market.hub.clock, address="192.0.2.7")  # type: ignore[arg-type]
    with market.store.read() as connection:
        lines = connection.execute(
            select(audit_log).where(audit_log.c.event.like("order:%:shown")).order_by(audit_log.c.id)
        ).all()
    assert [(line.event, line.object, line.details) for line in lines] == [
        (
            "order:status:shown",
            f"order:{lived['with exceptions']}",
            {"status": "Complete with exceptions", "files": 3, "days_excepted": 10},
        ),
        ("order:list:shown", "", {"orders": 7}),
    ]
    assert {(line.actor, line.address, line.certificate_sha256) for line in lines} == {
        (f"company:{market.rep.company_id}", "192.0.2.7", "ab" * 32)
    }
