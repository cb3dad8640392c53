"""Parts as a work list: turns, leases, fences, tries (fairness and lost workers)."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

from order_market import Market, esiid
from sqlalchemy import update
from waiting import until

from smt_ws.clock import real_now
from smt_ws.orders import claim
from smt_ws.orders.claim import Claim
from smt_ws.orders.tables import order_part
from smt_ws.parties.tables import company, rep_of_record

KEEP = timedelta(days=10)


def take(market: Market, worker: str = "w1", seconds: float = 60, attempts: int = 3) -> Claim | None:
    return claim.claim_part(
        market.store,
        worker=worker,
        lease=timedelta(seconds=seconds),
        attempts=attempts,
        clock=market.hub.clock,
        keep=KEEP,
    )


def finish(market: Market, mine: Claim) -> None:
    with market.store.write() as connection:
        claim.hold(connection, mine)
        connection.execute(
            update(order_part)
            .where(order_part.c.order_number == mine.order_number, order_part.c.part == mine.part)
            .values(state="published")
        )


def also_serve(market: Market, number: int) -> None:
    """Give the premise to the other REP."""
    with market.store.write() as connection:
        connection.execute(
            update(rep_of_record)
            .where(rep_of_record.c.premise_id == market.premises[esiid(number)])
            .values(duns=market.other.duns)
        )


def test_a_claim_says_who_works_and_starts_the_order(market: Market) -> None:
    market.add_premises(range(1))
    number = market.order([esiid(0)]).order_number
    mine = take(market)
    assert mine is not None
    assert (mine.order_number, mine.part, mine.kind, mine.fence, mine.attempts) == (number, 1, "data", 1, 1)
    assert market.row(number).status == "In Progress"
    (part, *_) = market.parts(number)
    assert (part.state, part.claimed_by) == ("building", "w1")
    assert timedelta(seconds=50) < part.lease_until - real_now() <= timedelta(seconds=60)


def test_exceptions_and_remarks_wait_for_the_data_and_the_manifest_for_all(market: Market) -> None:
    market.add_premises(range(12))
    market.order([esiid(n) for n in range(12)])
    taken = [take(market) for _ in range(4)]
    assert [one.kind for one in taken if one] == ["data"] * 3
    for one in taken[:3]:
        assert one is not None
        assert take(market) is None
        finish(market, one)
    whole = [take(market), take(market)]
    assert [one.kind for one in whole if one] == ["exceptions", "remarks"]
    for one in whole:
        assert one is not None
        assert take(market) is None
        finish(market, one)
    manifest = take(market)
    assert manifest is not None
    assert manifest.kind == "manifest"


def test_companies_take_turns_and_a_newcomer_goes_first(market: Market) -> None:
    """A small order does not wait behind another company's large one."""
    market.add_premises(range(40))
    big = market.order([esiid(n) for n in range(40)]).order_number
    for _ in range(2):
        assert take(market) is not None
    for number in range(10):
        also_serve(market, number)
    small = market.order([esiid(n) for n in range(10)], who=market.other).order_number
    turns = [one.order_number for one in (take(market) for _ in range(4)) if one]
    assert turns == [small, big, small, big]


def test_within_a_company_the_smallest_order_goes_first(market: Market) -> None:
    market.add_premises(range(40))
    market.order([esiid(n) for n in range(40)])
    small = market.order([esiid(0)]).order_number
    mine = take(market)
    assert mine is not None
    assert mine.order_number == small


def test_nothing_is_done_for_a_suspended_company_p10(market: Market) -> None:
    market.add_premises(range(1))
    market.order([esiid(0)])
    with market.store.write() as connection:
        connection.execute(update(company).values(suspended_at=market.hub.clock.now()))
    assert take(market) is None
    with market.store.write() as connection:
        connection.execute(update(company).values(suspended_at=None))
    assert take(market) is not None


def test_workers_that_race_never_have_the_same_part(market: Market) -> None:
    market.add_premises(range(50), served_from=date(2020, 1, 1))
    market.order([esiid(n) for n in range(50)])
    taken: list[tuple[int, int]] = []

    def run(name: str) -> None:
        while (mine := take(market, name)) is not None:
            taken.append((mine.part, mine.fence))

    threads = [threading.Thread(target=run, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [(part, 1) for part in range(1, 11)]


def test_a_part_given_back_does_not_count_as_a_try(market: Market) -> None:
    market.add_premises(range(1))
    market.order([esiid(0)])
    mine = take(market)
    assert mine is not None
    claim.release(market.store, mine)
    again = take(market)
    assert again is not None
    assert (again.fence, again.attempts) == (2, 1)


def test_a_failed_try_is_due_again_after_a_pause_and_the_last_one_fails_the_order(market: Market) -> None:
    market.add_premises(range(12))
    number = market.order([esiid(n) for n in range(12)]).order_number
    for attempt in (1, 2, 3):
        with market.store.write() as connection:
            connection.execute(update(order_part).values(not_before=real_now()))
        mine = take(market)
        assert mine is not None
        assert (mine.part, mine.attempts) == (1, attempt)
        over = claim.failed(market.store, mine, f"DISK: try {attempt}", attempts=3, clock=market.hub.clock, keep=KEEP)
        assert over == (attempt == 3)
        if not over:
            part = market.parts(number)[0]
            assert (part.state, part.last_error) == ("planned", f"DISK: try {attempt}")
            assert part.not_before <= real_now() + timedelta(seconds=2**attempt)
            assert market.row(number).status == "In Progress"
    order = market.row(number)
    assert (order.status, order.failure) == ("Failed", "DISK: try 3")
    assert [part.state for part in market.parts(number)] == ["failed"] + ["cancelled"] * 5
    assert take(market) is None


def test_a_part_whose_workers_all_die_fails_its_order(market: Market) -> None:
    market.add_premises(range(1))
    number = market.order([esiid(0)]).order_number
    for _ in range(3):
        assert take(market, seconds=-1) is not None
    assert take(market) is None
    assert market.row(number).status == "Failed"
    assert "3 workers" in market.row(number).failure


def test_a_heartbeat_keeps_the_lease_while_the_worker_lives(market: Market) -> None:
    market.add_premises(range(1))
    market.order([esiid(0)])
    mine = take(market, seconds=20)
    assert mine is not None

    def lease_until() -> datetime:
        (until,) = {part.lease_until for part in market.parts(mine.order_number) if part.part == mine.part}
        return until

    # renewed four times a lease: after a second beat the first lease is of no account any more
    first = lease_until()
    with claim.heartbeat(market.store, mine, lease=timedelta(seconds=20)) as lost:
        until(lambda: lease_until() > first, "the lease is renewed")
        second = lease_until()
        until(lambda: lease_until() > second, "the lease is renewed again")
        assert take(market, "thief") is None
        assert not lost.is_set()
    with market.store.write() as connection:
        connection.execute(update(order_part).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))
    assert take(market, "heir") is not None


def test_a_heartbeat_tells_when_the_part_is_lost(market: Market) -> None:
    market.add_premises(range(1))
    market.order([esiid(0)])
    mine = take(market, seconds=-1)
    assert mine is not None
    assert take(market, "heir") is not None
    with claim.heartbeat(market.store, mine, lease=timedelta(seconds=0.4)) as lost:
        assert lost.wait(180)
