"""How long orders wait for each other, measured: workers in simulated time take turns as the real ones do.

Only time is simulated. What is next is asked of the rule that the workers ask (`smt_ws.orders.rules.turns`).
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from order_market import esiid

from smt_ws.orders import claim
from smt_ws.orders.rules import LONGEST_WAIT, Stage, turns

START = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
#: Seconds that a full file of 50,000 ESI-ID-days takes a worker, and those around it; a small order's file.
FULL, SMALL = 10.0, 0.2
LEASE = timedelta(seconds=10)
SMALL_DAYS = 3_000


@dataclass
class Order:
    number: int
    company: int
    placed: float
    days: int
    #: Seconds of each part, by stage: data, exceptions, manifest.
    stages: list[list[float]]
    done: float | None = None
    waiting: list[list[float]] = field(default_factory=list)
    in_hand: list[int] = field(default_factory=list)
    served: list[float | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = [list(stage) for stage in self.stages]
        self.in_hand = [0 for _ in self.stages]
        self.served = [None for _ in self.stages]

    @property
    def latency(self) -> float:
        assert self.done is not None, self.number
        return self.done - self.placed


def large(number: int, company: int, placed: float, files: int) -> Order:
    return Order(number, company, placed, files * 50_000, [[FULL] * files, [SMALL], [SMALL]])


def small(number: int, company: int, placed: float) -> Order:
    return Order(number, company, placed, 31, [[SMALL], [SMALL], [SMALL]])


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run(orders: list[Order], workers: int, small_workers: int = 0) -> None:
    """Let workers do all *orders* in simulated time; sets when each was done."""
    kinds = [False] * workers + [True] * small_workers
    events: list[tuple[float, int, str, tuple[int, int, int] | None]] = []
    for position, order in enumerate(sorted(orders, key=lambda one: one.placed)):
        heapq.heappush(events, (order.placed, position, "placed", None))
    by_number = {order.number: order for order in orders}
    idle = set(range(len(kinds)))
    count = len(orders)
    while events:
        now, _, kind, what = heapq.heappop(events)
        if kind == "done":
            assert what is not None
            worker, number, stage = what
            order = by_number[number]
            order.in_hand[stage] -= 1
            idle.add(worker)
            if not any(order.waiting) and not any(order.in_hand):
                order.done = now
        for worker in sorted(idle):
            taken = take(orders, now, small_only=kinds[worker])
            if taken is None:
                continue
            order, stage = taken
            seconds = order.waiting[stage].pop()
            order.in_hand[stage] += 1
            order.served[stage] = now
            idle.discard(worker)
            count += 1
            heapq.heappush(events, (now + seconds, count, "done", (worker, order.number, stage)))


def take(orders: list[Order], now: float, *, small_only: bool) -> tuple[Order, int] | None:
    known = {order.number: order for order in orders if order.placed <= now and order.done is None}
    stages = [
        Stage(
            number,
            stage,
            order.company,
            order.days,
            None if (served := order.served[stage]) is None else at(served) + LEASE,
            len(order.waiting[stage]) + order.in_hand[stage],
            len(order.waiting[stage]),
            at(order.placed),
        )
        for number, order in known.items()
        if not small_only or order.days <= SMALL_DAYS
        for stage in range(3)
    ]
    for number, stage in turns(stages, now=at(now)):
        return known[number], stage
    return None


def worst(orders: list[Order]) -> float:
    return max(order.latency for order in orders)


def test_a_small_order_waits_for_the_files_in_hand_of_another_companys_large_one_not_for_the_order():
    """Two workers, no third for small orders: 300 files of 10 s take 1,500 s, a small order some of them."""
    bulk = large(1, 1, 0, 300)
    others = [small(10 + n, 2, 50 + 37.3 * n) for n in range(20)]
    run([bulk, *others], workers=2)
    assert worst(others) <= 3 * FULL + 1
    assert bulk.latency <= 300 * FULL / 2 + 20 * 3 * SMALL + FULL


def test_with_a_worker_for_small_orders_they_wait_for_no_file_of_a_large_one():
    bulk = [large(1, 1, 0, 300), large(2, 3, 5, 100)]
    others = [small(10 + n, 1 + n % 3, 50 + 37.3 * n) for n in range(20)]
    run([*bulk, *others], workers=2, small_workers=1)
    assert worst(others) <= 1.0


def test_orders_of_one_size_get_the_same_whatever_their_number():
    """One company places one, another ten: the one does not wait for the ten."""
    alone = large(1, 1, 0.5, 10)
    many = [large(10 + n, 2, 0, 10) for n in range(10)]
    run([alone, *many], workers=2)
    # half of both workers until it is done
    assert alone.latency <= 10 * FULL + 2 * FULL
    assert worst(many) <= 110 * FULL / 2 + 2 * FULL


def test_a_stream_of_small_orders_does_not_starve_the_same_companys_large_one():
    bulk = large(1, 1, 0, 2)
    # more work than one worker can do
    stream = [small(10 + n, 1, 0.55 * n) for n in range(650)]
    run([bulk, *stream], workers=1)
    # four turns, and those of small ones that wait as long
    assert bulk.latency <= 5 * (LONGEST_WAIT + LEASE).total_seconds()
    assert bulk.done < 650 * 0.55


@pytest.mark.parametrize("seed", range(5))
def test_no_worker_is_idle_while_there_is_something_to_do_and_every_order_ends(seed):
    chance = random.Random(seed)
    orders = [
        large(n, chance.randrange(4), chance.uniform(0, 300), chance.randrange(1, 12))
        if chance.random() < 0.3
        else small(n, chance.randrange(4), chance.uniform(0, 300))
        for n in range(60)
    ]
    work = sum(sum(stage) for order in orders for stage in order.stages)
    run(orders, workers=3)
    # a stage waits for the one below it: each worker may wait once for a last file
    assert max(order.done or 0 for order in orders) <= 300 + work / 3 + 3 * FULL


def test_a_worker_for_small_orders_leaves_large_ones_to_others(market):
    market.add_premises(range(40))
    market.order([esiid(n) for n in range(40)])

    def taken(most_days):
        return claim.claim_part(
            market.store,
            worker="w",
            lease=timedelta(seconds=60),
            attempts=3,
            clock=market.hub.clock,
            keep=timedelta(days=10),
            most_days=most_days,
        )

    assert taken(399) is None
    mine = market.order([esiid(0)]).order_number
    first = taken(399)
    assert first is not None
    assert first.order_number == mine
    assert taken(400) is not None
