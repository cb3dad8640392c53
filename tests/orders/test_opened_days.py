"""Changes of access are news: nothing is left out, in any order of loads, switches and grants (R15)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from order_market import OTHER_REP, REP, TDSP, Market, Who, esiid, open_market
from sqlalchemy import insert, select, update
from test_order_build import build_all
from test_posting import post as post_intervals

from adapters.market_csv import RepOfRecordRow
from smt_ws.clock import FixedClock
from smt_ws.orders import plan
from smt_ws.orders.place import DATA
from smt_ws.orders.posting import post_daily
from smt_ws.orders.since import ChangesRequest, PlacedChanges, request_changes
from smt_ws.orders.tables import report_order, subscription
from smt_ws.parties import premises
from smt_ws.parties.access import SLICE, authorise
from smt_ws.parties.tables import grants
from smt_ws.store.engine import Store
from smt_ws.usage.loads import snapshot, take_number
from smt_ws.usage.read import read_days
from smt_ws.usage.tables import interval_day, load

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]
NO_END = None
#: (premise, day)
Seen = frozenset[tuple[int, date]]


@pytest.fixture
def busy(store: Store, store_url: str, tmp_path: Path, clock: FixedClock) -> Market:
    """A market whose companies may ask as often as they like."""
    return open_market(store, store_url, tmp_path, clock, days_per_part=4, orders_per_day=1_000_000)


def number_of(market: Market) -> int:
    with market.store.write() as connection:
        return take_number(connection)


def note_load(market: Market, number: int, state: str = "loaded") -> None:
    with market.store.write() as connection:
        connection.execute(
            insert(load).values(
                number=number, kind="rep_of_record", tdsp_duns=TDSP, file_name="f", sha256=f"{number:064x}",
                state=state, started_at=market.hub.clock.now(),
            )
        )  # fmt: skip


def switch(market: Market, home: int, duns: str, first: date, last: date | None = NO_END) -> int:
    """The market tells that *duns* is the REP of record from *first* on; a switch without a place is refused."""
    number = number_of(market)
    row = RepOfRecordRow(1, esiid(home), duns, first, last)
    with market.store.write() as connection:
        premises.apply_reps_of_record(connection, [row], load_number=number, tdsp_duns=TDSP)
    note_load(market, number)
    return number


def grant(market: Market, home: int, who: Who, first: date, last: date | None, key: int) -> None:
    """What `smt_ws.agreements.granting` writes: a grant since a mark of its own."""
    now = market.hub.clock.now()
    with market.store.write() as connection:
        connection.execute(
            insert(grants).values(
                premise_id=market.premises[esiid(home)], id=key, company_id=who.company_id, scope="energy_data",
                from_day=first, to_day=last, granted_at=now, source=f"agreement:{key}",
                load_number=take_number(connection),
            )
        )  # fmt: skip


def changes(market: Market, who: Who, mark: int, **more: str) -> PlacedChanges:
    with market.store.write() as connection:
        return request_changes(
            connection,
            who,  # type: ignore[arg-type]
            ChangesRequest("t", "svc", mark, more.pop("report_format", "CSV"), **more),
            limits=market.hub.settings.limits,
            clock=market.hub.clock,
        )


def held(market: Market, number: int) -> Iterator[tuple[bool, int, date, int, int]]:
    """What the parts of an order hold: opened, premise, day, channel, load that brought the version."""
    order = market.row(number)
    for part in market.parts(number):
        if part.kind != DATA:
            continue
        slices = plan.unpack_slices(part.slices).rows.astype(SLICE)
        with market.store.read() as connection:
            stored = read_days(
                connection,
                slices=slices,
                channels=(1, 4),
                as_of=order.as_of_load,
                after=None if part.opened else order.from_load,
            )
            found = [row for chunk in [slices] for row in stored._rows(chunk)]
        for position, day, channel, version, *_ in found:
            yield part.opened, int(slices["premise_id"][position]), date.fromordinal(day + 719163), channel, version


@dataclass
class Reader:
    """A company that asks mark after mark, or is posted to, and what it has been given."""

    who: Who
    posted: bool
    mark: int
    given: dict[tuple[int, date, int], int] = field(default_factory=dict)
    #: What it could see, with the number that had been taken by then.
    seen: list[tuple[int, Seen]] = field(default_factory=list)

    def visible(self, market: Market, homes: list[int]) -> Seen:
        now = market.hub.clock.now()
        with market.store.read() as connection:
            access = authorise(
                connection, company_id=self.who.company_id, kind="REP", duns_numbers=self.who.duns_numbers,
                esiids=[esiid(home) for home in homes], first_day=DAYS[0], last_day=DAYS[-1], now=now,
            )  # fmt: skip
        return frozenset(
            (int(row["premise_id"]), row["first_day"].item() + timedelta(days=n))
            for row in access.slices
            for n in range((row["last_day"] - row["first_day"]).astype(int) + 1)
        )

    def take(self, market: Market, number: int, mark: int, ours: set[int]) -> None:
        """Check an answer against what the company could see, and keep it."""
        at_mark = [seen for taken, seen in self.seen if taken <= mark][-1]
        meanwhile = [seen for taken, seen in self.seen if self.mark <= taken <= mark]
        before = [seen for taken, seen in self.seen if taken <= self.mark][-1:]
        throughout = frozenset.intersection(*before, *meanwhile, at_mark, self.seen[-1][1])
        once: set[tuple[int, date, int]] = set()
        for opened, premise_id, day, channel, version in held(market, number):
            if premise_id not in ours:
                continue
            assert (premise_id, day, channel) not in once, "twice in one answer"
            once.add((premise_id, day, channel))
            assert (premise_id, day) in at_mark, "given without access"
            if opened:
                assert (premise_id, day) not in throughout, "opened, and was open all the time"
            else:
                assert version > self.mark, "given again"
            self.given[premise_id, day, channel] = version
        self.mark = mark


class Street:
    """Three homes of an example: the third is loaded by a slow load alone."""

    def __init__(self, market: Market, readers: list[Reader]) -> None:
        self.market, self.readers = market, readers
        begin = len(market.premises)
        self.homes = list(range(begin, begin + 3))
        market.add_premises(range(begin, begin + 3), served_to=DAYS[1])
        self.ours = {market.premises[esiid(home)] for home in self.homes}
        self.slow: int | None = None
        self.granted: dict[tuple[int, int], int] = {}
        self.note()

    def note(self) -> None:
        with self.market.store.write() as connection:
            taken = take_number(connection)
        for reader in self.readers:
            reader.seen.append((taken, reader.visible(self.market, self.homes)))

    def do(self, step: tuple[Any, ...], keys: Iterator[int]) -> None:
        market, (what, home, a, b, n) = self.market, step
        first, last = DAYS[min(a, b)], DAYS[max(a, b)]
        who = self.readers[n].who
        if what == "load":
            number = number_of(market)
            market.load_days(
                range(self.homes[home], self.homes[home] + 1), first, last, number=number, channel=(4, 1)[n]
            )
        elif what == "switch":
            switch(market, self.homes[home], who.duns, first, (NO_END, last)[b % 2])
        elif what == "grant" and (home, n) not in self.granted:
            self.granted[home, n] = key = next(keys)
            grant(market, self.homes[home], who, first, (NO_END, last)[b % 2], key)
        elif what == "end" and (key := self.granted.pop((home, n), 0)):
            with market.store.write() as connection:
                connection.execute(update(grants).where(grants.c.id == key).values(ended_at=market.hub.clock.now()))
        elif what == "slow" and self.slow is None:
            self.slow = number_of(market)
            note_load(market, self.slow, "loading")
        elif what == "slow":
            self.finish()
        elif what == "ask":
            self.ask(self.readers[n])
            return
        else:
            return
        market.hub.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
        self.note()

    def finish(self) -> None:
        if self.slow is None:
            return
        with self.market.store.write() as connection:
            connection.execute(load.delete().where(load.c.number == self.slow))
        home = self.homes[2]
        self.market.load_days(range(home, home + 1), DAYS[0], DAYS[-1], number=self.slow)
        self.slow = None

    def ask(self, reader: Reader) -> None:
        if reader.posted:
            post(self.market, reader, self.ours)
        else:
            ordered = changes(self.market, reader.who, reader.mark)
            reader.take(self.market, ordered.order_number, ordered.load_mark, self.ours)


def post(market: Market, reader: Reader, ours: set[int]) -> None:
    """A posting to everybody, of which the reader takes its own."""
    with market.store.read() as connection:
        last = connection.scalar(select(report_order.c.number).order_by(report_order.c.number.desc()).limit(1)) or 0
        mark = snapshot(connection)
        day = connection.scalar(select(subscription.c.posted_day).order_by(subscription.c.posted_day.desc()).limit(1))
    for_date = (day or date(2026, 11, 20)) + timedelta(days=1)
    post_daily(market.store, for_date=for_date, clock=market.hub.clock, limits=market.hub.settings.limits)
    with market.store.read() as connection:
        number = connection.scalar(
            select(report_order.c.number).where(
                report_order.c.number > last,
                report_order.c.duns == reader.who.duns,
                report_order.c.report == "interval",
            )
        )
    if number is None:
        reader.mark = mark
    else:
        reader.take(market, number, mark, ours)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["load", "load", "load", "switch", "switch", "grant", "end", "slow", "ask", "ask"]),
        st.integers(0, 1),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 1),
    ),
    min_size=3,
    max_size=14,
)
_KEYS = itertools.count(1)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_mark_after_mark_everything_is_given_once(busy: Market, steps: list[tuple[Any, ...]]) -> None:
    """R13, R15: what a company has been given is what it may see, each day's latest version, by posting or by order.

    One REP asks for changes, the other has the daily posting; a slow load holds the mark back while others go on.
    """
    market = busy
    with market.store.write() as connection:
        begin = take_number(connection)
    readers = [Reader(market.rep, posted=False, mark=begin), Reader(market.other, posted=True, mark=begin)]
    street = Street(market, readers)
    # what earlier examples left is posted before this one begins
    post(market, replace(readers[1], seen=[(0, frozenset())]), set())
    with market.store.read() as connection:
        readers[0].mark = readers[1].mark = snapshot(connection)
    for step in steps:
        street.do(step, _KEYS)
    street.finish()
    street.note()
    for reader in readers:
        street.ask(reader)
        visible = reader.seen[-1][1]
        with market.store.read() as connection:
            stored = connection.execute(
                select(interval_day).where(
                    interval_day.c.premise_id.in_(street.ours), interval_day.c.operating_day >= FIRST
                )
            ).all()
        due = {
            (row.premise_id, row.operating_day, row.channel): row.load_number
            for row in stored
            if (row.premise_id, row.operating_day) in visible
        }
        given_now = {key: version for key, version in reader.given.items() if key[:2] in visible}
        assert given_now == due
        # the next time there is nothing
        reader.given.clear()
        street.ask(reader)
        assert reader.given == {}


def begun(market: Market) -> int:
    with market.store.read() as connection:
        return snapshot(connection)


def days_of(market: Market, number: int) -> dict[bool, list[int]]:
    """The days (of the month) in an order's files, by whether they were opened."""
    found: dict[bool, set[int]] = {}
    for opened, _, day, _, _ in held(market, number):
        found.setdefault(opened, set()).add(day.day)
    return {opened: sorted(days) for opened, days in found.items()}


def test_a_change_of_rep_told_late_is_news_once_and_marked_as_opened_r15(busy: Market) -> None:
    market = busy
    market.add_premises(range(1))
    market.load_days(range(1), DAYS[0], DAYS[5], number=number_of(market))
    mark = begun(market)
    assert changes(market, market.other, mark).esiid_days == 0
    switch(market, 0, OTHER_REP, DAYS[3])
    market.load_days(range(1), DAYS[5], DAYS[5], number=number_of(market), wh=260)
    told = changes(market, market.other, mark)
    assert days_of(market, told.order_number) == {True: [4, 5, 6]}
    assert changes(market, market.other, told.load_mark).esiid_days == 0
    # the REP that lost them is told of nothing
    assert changes(market, market.rep, mark).esiid_days == 0
    build_all(market)
    part = market.parts(told.order_number)[0]
    assert (part.state, part.days_delivered) == ("published", 3)
    market.load_days(range(1), DAYS[4], DAYS[4], number=number_of(market), wh=270)
    assert days_of(market, changes(market, market.other, told.load_mark).order_number) == {False: [5]}


def test_the_manifest_says_which_files_hold_opened_days_r15(busy: Market) -> None:
    market = busy
    market.add_premises(range(2), served_from=DAYS[3])
    market.load_days(range(2), DAYS[0], DAYS[5], number=number_of(market))
    mark = begun(market)
    grant(market, 0, market.rep, DAYS[1], DAYS[1], 1)
    market.load_days(range(1, 2), DAYS[5], DAYS[5], number=number_of(market), wh=260)
    told = changes(market, market.rep, mark)
    build_all(market)
    data = [file for file in market.manifest()["files"] if file["kind"] == "data"]
    assert [(file["given"], file["firstDay"], file["lastDay"]) for file in data] == [
        ("CHANGED", "2026-11-06", "2026-11-06"),
        ("OPENED", "2026-11-02", "2026-11-02"),
    ]
    assert told.esiid_days == 2
    assert market.row(told.order_number).status == "Complete"


def test_a_day_is_given_as_of_the_mark_while_an_earlier_load_is_under_way(busy: Market) -> None:
    """R13: a switch that is done before a load with a lower number belongs to the mark after it."""
    market = busy
    market.add_premises(range(2))
    market.load_days(range(1), DAYS[0], DAYS[5], number=number_of(market))
    mark = begun(market)
    slow = number_of(market)
    note_load(market, slow, "loading")
    switch(market, 0, OTHER_REP, DAYS[3])
    market.load_days(range(1), DAYS[5], DAYS[5], number=number_of(market), wh=260)
    early = changes(market, market.other, mark)
    assert (early.load_mark, early.esiid_days) == (mark, 0)
    # and back again: what the first REP is given is whole nevertheless
    switch(market, 0, REP, DAYS[4])
    with market.store.write() as connection:
        connection.execute(update(load).where(load.c.number == slow).values(state="loaded"))
    assert days_of(market, changes(market, market.other, mark).order_number) == {True: [4]}
    assert days_of(market, changes(market, market.rep, mark).order_number) == {False: [6]}


def test_the_posting_reaches_60_days_back_and_says_what_it_leaves_to_an_order_r15(busy: Market) -> None:
    market = busy
    old, new = date(2026, 9, 20), date(2026, 9, 21)  # 61 and 60 days before the 20th of November
    market.add_premises(range(1))
    market.load_days(range(1), old, new, number=number_of(market))
    post_daily(market.store, for_date=date(2026, 11, 20), clock=market.hub.clock, limits=market.hub.settings.limits)
    switch(market, 0, OTHER_REP, date(2026, 9, 1))
    mark = begun(market)
    post_daily(market.store, for_date=date(2026, 11, 21), clock=market.hub.clock, limits=market.hub.settings.limits)
    with market.store.read() as connection:
        (order,) = connection.execute(
            select(report_order).where(report_order.c.duns == OTHER_REP, report_order.c.report == "interval")
        ).all()
    assert days_of(market, order.number) == {True: [21]}
    assert order.left_to_order == {
        "esiids": 1, "esiid_days": 1, "first_day": "2026-09-20", "last_day": "2026-09-20"
    }  # fmt: skip
    # RequestChanges gives both
    assert days_of(market, changes(market, market.other, mark - 1).order_number) == {True: [20, 21]}


def test_a_posting_that_only_leaves_days_to_an_order_is_an_order_with_a_manifest_r15(busy: Market) -> None:
    market = busy
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 9, 1), date(2026, 9, 1), number=number_of(market))
    post_intervals(market, date(2026, 11, 20))
    switch(market, 0, OTHER_REP, date(2026, 8, 1))
    posted = post_intervals(market, date(2026, 11, 21))
    assert (posted.orders, posted.files) == (1, 0)
    build_all(market)
    with market.store.read() as connection:
        order = connection.execute(select(report_order).where(report_order.c.duns == OTHER_REP)).one()
    assert order.status == "Complete"
    assert order.left_to_order["esiid_days"] == 1
