"""The posting of daily reads follows the rule of the report that is ordered: a read, else the sum of the day (R15)."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from order_market import REP, TDSP, Market, esiid, open_market
from sqlalchemy import insert, select, update
from test_posting import build_all, data_parts, opened, orders, post, subscriptions

from adapters.central_day import intervals_in
from adapters.daily_csv import DailyRead
from smt_ws.clock import FixedClock
from smt_ws.orders import plan
from smt_ws.orders.place import DATA
from smt_ws.parties.access import SLICE
from smt_ws.store.engine import Store
from smt_ws.usage.loads import snapshot
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.read_daily import read_daily
from smt_ws.usage.tables import load, register_read, register_read_history

FIRST = date(2026, 11, 16)
DAYS = [FIRST + timedelta(days=n) for n in range(3)]
CHANNELS = (1, 4)


@dataclass
class Town:
    """Homes whose interval days and register reads come load by load, and are posted."""

    market: Market
    homes: range
    loads: int
    #: What postings gave last of each day of a channel.
    given: dict[tuple[str, date, int], DailyRead] = field(default_factory=dict)
    posted_on: date = date(2026, 11, 20)
    mark: int = 0

    def intervals(self, home: int, day: date, channel: int, wh: int, missing: int = 0) -> None:
        statuses = b"M" * missing + b"A" * (intervals_in(day) - missing) if missing else None
        self.loads += 1
        self.market.load_days(
            range(home, home + 1), day, day, number=self.loads, channel=channel, wh=wh, statuses=statuses
        )
        self._days(day)

    def read(self, home: int, day: date, channel: int, start: int | None, stop: int | None, usage: int | None) -> None:
        ensure_months(self.market.store, [day])
        self.loads += 1
        now = self.market.hub.clock.now()
        key = self.market.premises[esiid(home)]
        of = register_read.c
        here = (of.premise_id == key, of.operating_day == day, of.channel == channel)
        with self.market.store.write() as connection:
            connection.execute(
                insert(load).values(
                    number=self.loads, kind="register_reads", tdsp_duns=TDSP, file_name=f"{self.loads}.csv",
                    sha256=f"{self.loads:064x}", state="loaded", started_at=now, finished_at=now,
                )
            )  # fmt: skip
            for row in connection.execute(select(register_read).where(*here)).all():
                connection.execute(insert(register_read_history).values(replaced_by=self.loads, **row._asdict()))
            connection.execute(register_read.delete().where(*here))
            connection.execute(
                insert(register_read).values(
                    premise_id=key, channel=channel, operating_day=day, load_number=self.loads,
                    start_wh=start, stop_wh=stop, usage_wh=usage, status="A",
                )
            )  # fmt: skip
        self._days(day)

    def _days(self, day: date) -> None:
        with self.market.store.write() as connection:
            connection.execute(update(load).where(load.c.number == self.loads).values(first_day=day, last_day=day))

    def post(self) -> set[tuple[str, date, int]]:
        """Post, and return what the files for our homes give."""
        self.posted_on += timedelta(days=1)
        before = {order.number for order in orders(self.market)}
        post(self.market, self.posted_on, of="DAILY")
        with self.market.store.read() as connection:
            self.mark = snapshot(connection)
        names = {esiid(home) for home in self.homes}
        now: dict[tuple[str, date, int], DailyRead] = {}
        for order in orders(self.market):
            if order.number in before or order.report != "daily":
                continue
            for part in self.market.parts(order.number):
                if part.kind == DATA:
                    slices = plan.unpack_slices(part.slices).rows.astype(SLICE)
                    with self.market.store.read() as connection:
                        rows = list(read_daily(connection, slices=slices, channels=CHANNELS, as_of=order.as_of_load))
                    keys = [(row.esiid, row.day, row.channel) for row in rows]
                    assert len(keys) == len(set(keys)), "twice in one file"
                    assert not now.keys() & set(keys), "in two files"
                    now |= {key: row for key, row in zip(keys, rows, strict=True) if row.esiid in names}
        self.given |= now
        return set(now)

    def ordered(self) -> dict[tuple[str, date, int], DailyRead]:
        """What an order of all days gives, as of the last posting's mark."""
        premises = [self.market.premises[esiid(home)] for home in self.homes]
        slices = np.array([(place, key, DAYS[0], DAYS[-1]) for place, key in enumerate(premises)], SLICE)
        with self.market.store.read() as connection:
            rows = list(read_daily(connection, slices=slices, channels=CHANNELS, as_of=self.mark))
        return {(row.esiid, row.day, row.channel): row for row in rows}


@pytest.fixture
def busy(store: Store, store_url: str, tmp_path: Path, clock: FixedClock) -> Market:
    return open_market(store, store_url, tmp_path, clock, orders_per_day=1_000_000)


def town_of(market: Market, homes: int = 2) -> Town:
    begin = len(market.premises)
    market.add_premises(range(begin, begin + homes))
    with market.store.read() as connection:
        last = snapshot(connection)
    town = Town(market, range(begin, begin + homes), last)
    # one market for all examples: nothing is posted for the same day twice
    town.posted_on = max([town.posted_on, *(row.posted_day for row in subscriptions(market) if row.posted_day)])
    return town


_EVENT = st.tuples(
    st.sampled_from(["intervals", "intervals", "gaps", "read", "read", "start and stop", "useless", "post"]),
    st.integers(0, 1),
    st.sampled_from(DAYS),
    st.sampled_from(CHANNELS),
    st.integers(1, 500),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(_EVENT, min_size=2, max_size=16))
def test_posting_after_posting_gives_what_an_order_gives_and_each_news_once_r15(
    busy: Market, events: list[tuple[str, int, date, int, int]]
) -> None:
    town = town_of(busy)
    town.post()
    touched: set[tuple[str, date]] = set()

    def take() -> None:
        given = {key[:2] for key in town.post()}
        assert given <= touched, "given again without news"
        touched.clear()
        ordered = town.ordered()
        # a day whose sum is no longer true was given while it was, and the exceptions tell of it
        assert {key: town.given[key] for key in ordered} == ordered

    for what, home, day, channel, n in events:
        number = town.homes[home]
        if what == "post":
            take()
            continue
        touched.add((esiid(number), day))
        if what == "intervals":
            town.intervals(number, day, channel, n)
        elif what == "gaps":
            town.intervals(number, day, channel, n, missing=n % 96 + 1)
        elif what == "read":
            town.read(number, day, channel, None, None, n)
        elif what == "start and stop":
            town.read(number, day, channel, 1000, 1000 + n, None)
        else:
            town.read(number, day, channel, *((None, 5, None), (7, None, None), (9, 3, None), (1, 2, -n))[n % 4])
    take()
    assert town.post() == set()


def test_a_day_without_a_read_is_posted_as_its_sum_and_again_when_the_read_comes_r15(market: Market) -> None:
    town = town_of(market, homes=1)
    (home,) = town.homes
    town.intervals(home, FIRST, 4, 250)
    town.intervals(home, DAYS[1], 4, 250, missing=3)
    post(market, date(2026, 11, 20), of="DAILY")
    build_all(market)
    town.read(home, FIRST, 4, 1000, 25500, 24500)
    post(market, date(2026, 11, 21), of="DAILY")
    build_all(market)
    # a read stands before newer intervals: no news
    town.intervals(home, FIRST, 4, 300)
    post(market, date(2026, 11, 22), of="DAILY")

    daily = [order for order in orders(market) if order.report == "daily" and order.duns == REP]
    rows = []
    for order in daily:
        (part,) = data_parts(market, order.number)
        rows += csv.DictReader(StringIO(opened(market, part)[1].decode()))
    assert [[row[name] for name in ("READ_DATE", "START_READING", "END_READING", "USAGE_KWH")] for row in rows] == [
        ["11/16/2026", "", "", "24.000"],
        ["11/16/2026", "1.000", "25.500", "24.500"],
    ]
    missing = [part.missing for order in daily for part in data_parts(market, order.number)]
    assert [plan.unpack_exceptions(one).by_code() for one in missing if one] == [{"INTERVALS_MISSING": 1}]
