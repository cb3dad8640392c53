"""An agreement that ends takes its ESI IDs out of what is not yet published (A12): AGREEMENT_ENDED, nothing lost."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from order_market import REP, Market, esiid
from sqlalchemy import insert, update

from smt_ws.orders import build
from smt_ws.orders.work import build_next
from smt_ws.parties import companies
from smt_ws.parties.rules import ENERGY_DATA, Reason
from smt_ws.parties.tables import grants, premise

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 10)


@pytest.fixture
def granted(market: Market) -> Market:
    """Five premises that the REP serves no longer: for the first four an agreement opens November."""
    market.add_premises(range(5), served_to=date(2026, 11, 3))
    market.load_days(range(5), FIRST, LAST, number=1)
    with market.store.write() as connection:
        for number in range(4):
            connection.execute(
                insert(grants).values(
                    premise_id=market.premises[esiid(number)],
                    id=number + 1,
                    company_id=market.rep.company_id,
                    scope=ENERGY_DATA,
                    from_day=FIRST,
                    granted_at=market.hub.clock.now(),
                    source=f"agreement:{number}",
                )
            )
    return market


def end_grant(market: Market, *numbers: int) -> None:
    market.hub.clock.advance(timedelta(seconds=1))
    with market.store.write() as connection:
        connection.execute(
            update(grants)
            .where(grants.c.source.in_([f"agreement:{number}" for number in numbers]))
            .values(ended_at=market.hub.clock.now())
        )


def build_all(market: Market) -> None:
    while build_next(market.hub, worker="w"):
        pass


def test_days_of_an_ended_agreement_are_excepted_and_the_service_stays(granted: Market):
    placed = granted.order([esiid(number) for number in range(5)])
    end_grant(granted, 1)
    build_all(granted)
    order = granted.row(placed.order_number)
    assert order.status == "Complete with exceptions"
    # 4 premises x 10 days and one of 3 were planned; agreement 1 opened 7 days beyond the service
    assert (order.days_delivered, order.days_excepted) == (4 * 10 + 3 - 7, 7 + 7)
    rows = granted.opened(granted.named("Exceptions")).decode().splitlines()
    ended = [row.split(",")[:4] for row in rows if Reason.AGREEMENT_ENDED.value in row]
    assert ended == [[esiid(1), "11/04/2026", "11/10/2026", "AGREEMENT_ENDED"]]
    data = granted.opened(granted.named("IntervalMeterUsage")).decode()
    assert f"{esiid(0)},11/10/2026" in data
    assert f"{esiid(1)},11/03/2026" in data
    assert f"{esiid(1)},11/04/2026" not in data


def test_what_ended_before_the_order_was_accepted_and_was_committed_after_it_is_closed_too(granted: Market):
    """R5, A12: a file of move-ins takes its moment when it is opened, and is in the store when it is read."""
    moment = granted.hub.clock.now()
    granted.hub.clock.advance(timedelta(minutes=5))
    placed = granted.order([esiid(0), esiid(1)])
    with granted.store.write() as connection:
        connection.execute(update(grants).where(grants.c.source == "agreement:1").values(ended_at=moment))
    build_all(granted)
    order = granted.row(placed.order_number)
    assert (order.days_delivered, order.days_excepted) == (13, 7)
    exceptions = granted.opened(granted.named("Exceptions")).decode().splitlines()
    assert [row.split(",")[:4] for row in exceptions if Reason.AGREEMENT_ENDED.value in row] == [
        [esiid(1), "11/04/2026", "11/10/2026", "AGREEMENT_ENDED"]
    ]


def test_an_order_of_which_nothing_is_left_has_no_data_file(granted: Market):
    placed = granted.order([esiid(0), esiid(1)], start="11/04/2026", report_format="LSE")
    end_grant(granted, 0, 1)
    build_all(granted)
    order = granted.row(placed.order_number)
    assert (order.status, order.days_delivered, order.days_excepted) == ("Complete with exceptions", 0, 14)
    assert sorted(name[:8] for name in granted.visible()) == ["Exceptio", "Manifest"]


def test_an_agreement_that_ended_before_the_order_was_asked_is_no_agreement(granted: Market):
    end_grant(granted, 0)
    granted.order([esiid(0)])
    build_all(granted)
    assert b"NO_AGREEMENT" in granted.opened(granted.named("Exceptions")) or b"AFTER_SERVICE" in granted.opened(
        granted.named("Exceptions")
    )
    assert b"AGREEMENT_ENDED" not in granted.opened(granted.named("Exceptions"))


def test_another_agreement_keeps_the_days_open(granted: Market):
    with granted.store.write() as connection:
        row = connection.execute(premise.select().where(premise.c.esiid == esiid(0))).one()
        connection.execute(
            insert(grants).values(
                premise_id=row.id,
                id=99,
                company_id=granted.rep.company_id,
                scope=ENERGY_DATA,
                from_day=date(2026, 11, 6),
                granted_at=granted.hub.clock.now(),
                source="agreement:other",
            )
        )
    placed = granted.order([esiid(0)])
    end_grant(granted, 0)
    build_all(granted)
    order = granted.row(placed.order_number)
    assert (order.days_delivered, order.days_excepted) == (3 + 5, 2)


def test_a_company_that_is_suspended_while_its_file_is_made_gets_it_once_that_is_lifted_p10(
    granted: Market, monkeypatch
):
    placed = granted.order([esiid(0)])
    real = build.openpgp.encrypt_file

    def suspended_now(*arguments, **more):
        monkeypatch.setattr(build.openpgp, "encrypt_file", real)
        companies.suspend(granted.store, duns=REP, actor="test", clock=granted.hub.clock)
        return real(*arguments, **more)

    monkeypatch.setattr(build.openpgp, "encrypt_file", suspended_now)
    assert build_next(granted.hub, worker="w")
    assert granted.visible() == []
    assert not build_next(granted.hub, worker="w")
    (part,) = [part for part in granted.parts(placed.order_number) if part.kind == "data"]
    assert (part.state, part.attempts) == ("planned", 0)
    companies.resume(granted.store, duns=REP, actor="test", clock=granted.hub.clock)
    build_all(granted)
    assert granted.row(placed.order_number).days_delivered == 10


def test_an_agreement_that_ends_while_its_file_is_made_is_not_published(granted: Market, monkeypatch):
    placed = granted.order([esiid(0)])
    real = build.openpgp.encrypt_file

    def ends_now(*arguments, **more):
        monkeypatch.setattr(build.openpgp, "encrypt_file", real)
        end_grant(granted, 0)
        return real(*arguments, **more)

    monkeypatch.setattr(build.openpgp, "encrypt_file", ends_now)
    assert build_next(granted.hub, worker="w")
    assert granted.visible() == []
    (part,) = [part for part in granted.parts(placed.order_number) if part.kind == "data"]
    assert part.state == "planned"
    assert part.last_error.startswith("ACCESS_ENDED")
