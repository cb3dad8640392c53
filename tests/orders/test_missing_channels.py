"""Every face says the same of one market: which days and channels are there, which are missing, and why (U7, U9)."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from order_market import REP, TDSP, Market, esiid
from sqlalchemy import select
from test_order_build import build_all
from test_posting import post
from test_remarks import remarks_of, written
from test_subscriptions import changes

from smt_ws.orders import plan
from smt_ws.orders.finish import all_exceptions
from smt_ws.orders.inline import answer_inline
from smt_ws.orders.missing_usage import missing_usage
from smt_ws.orders.place import UsageRequest
from smt_ws.orders.tables import report_order
from smt_ws.usage.completeness import survey
from smt_ws.usage.trace import trace

DAY = timedelta(days=1)
FIRST = date(2026, 11, 4)
LAST = FIRST + 4 * DAY
EMPTY = b"M" * 96
PLAIN, BLANK, PANELS, NO_USE, GAPPY, NEW_PANELS, DARK = range(7)

Days = dict[tuple[str, int], str]

#: What everybody must say: days that are missing with their reasons, and channels missing of days that are there.
MISSING: Days = {
    (esiid(BLANK), 2): "DELIVERED_EMPTY",
    (esiid(GAPPY), 2): "GAP",
    (esiid(GAPPY), 4): "NOT_DELIVERED",
    (esiid(DARK), 1): "DELIVERED_EMPTY",
}
CHANNELS = {
    *((esiid(PANELS), day, 1) for day in (1, 2, 3, 4)),
    (esiid(NO_USE), 1, 4),
    (esiid(NEW_PANELS), 3, 1),
}


def fill(market: Market) -> None:
    """Homes with panels lack generation, consumption or both; others are whole, lack days, or have empty ones."""
    market.add_premises(range(7))

    def load(home: int, number: int, days: set[int], **more: object) -> None:
        for n in sorted(days):
            day = FIRST + n * DAY
            market.load_days(range(home, home + 1), day, day, number=number * 10 + n, **more)  # type: ignore[arg-type]

    every = set(range(5))
    load(PLAIN, 1, every)
    load(BLANK, 2, every - {2})
    load(BLANK, 3, {2}, statuses=EMPTY, wh=0)
    load(PANELS, 4, every)
    load(PANELS, 5, {0}, channel=1)
    load(PANELS, 6, {4}, channel=1, statuses=EMPTY, wh=0)
    load(NO_USE, 7, every - {1})
    load(NO_USE, 8, every, channel=1)
    load(GAPPY, 9, every - {2, 4})
    load(NEW_PANELS, 10, every)
    load(NEW_PANELS, 11, {2, 4}, channel=1)
    load(DARK, 12, every - {1})
    load(DARK, 13, every - {1}, channel=1)
    load(DARK, 14, {1}, statuses=EMPTY, wh=0)
    load(DARK, 15, {1}, channel=1, statuses=EMPTY, wh=0)


def of_exceptions(exceptions: plan.Exceptions) -> Days:
    return {
        (exceptions.esiids[home], (plan.day_of(day) - FIRST).days): exceptions.codes[code]
        for home, first, last, code in exceptions.rows.tolist()
        for day in range(first, last + 1)
    }


def of_remarks(rows: list[list[str]]) -> set[tuple[str, int, int]]:
    return {
        (row[0], n, int(row[3]))
        for row in rows
        if row[4] == "CHANNEL_MISSING"
        for n in range((written(row[1]) - FIRST).days, (written(row[2]) - FIRST).days + 1)
    }


@pytest.mark.parametrize(
    ("report", "report_format"),
    [("interval", "CSV"), ("interval", "LSE"), ("interval", "XML"), ("daily", "CSV"), ("daily", "XML")],
)
def test_orders_in_every_format_say_which_days_and_which_channels_are_missing(
    market: Market, report: str, report_format: str
) -> None:
    fill(market)
    homes = [esiid(n) for n in range(7)]
    asked = {"report": report, "report_format": report_format}
    number = market.order(homes, f"{FIRST:%m/%d/%Y}", f"{LAST:%m/%d/%Y}", **asked).order_number
    build_all(market)
    with market.store.read() as connection:
        assert of_exceptions(all_exceptions(connection, number)) == MISSING
    assert of_remarks(remarks_of(market, number)) == CHANNELS
    assert market.row(number).days_delivered == 35 - len(MISSING)
    # one ESI ID at once says what the order says of it
    for home in homes:
        request = UsageRequest(
            trans_id="t-1",
            requestor_id="svc",
            start_date=f"{FIRST:%m/%d/%Y}",
            end_date=f"{LAST:%m/%d/%Y}",
            esiids=[home],
            delivery_mode="API",
            **asked,
        )
        answer = answer_inline(market.hub, market.rep, request)  # type: ignore[arg-type]
        told = {
            (home, (one.first - FIRST).days + n): one.code
            for one in answer.exceptions
            for n in range((one.last - one.first).days + 1)
        }
        assert told == {key: code for key, code in MISSING.items() if key[0] == home}
        remarked = {
            (home, (one.first - FIRST).days + n, one.channel)
            for one in answer.remarks
            if one.code == "CHANNEL_MISSING"
            for n in range((one.last - one.first).days + 1)
        }
        assert remarked == {one for one in CHANNELS if one[0] == home}


def test_missing_usage_completeness_and_trace_say_the_same(market: Market) -> None:
    fill(market)
    homes = [esiid(n) for n in range(7)]
    with market.store.read() as connection:
        found = missing_usage(
            connection,
            market.rep,  # type: ignore[arg-type]
            start_date=f"{FIRST:%m/%d/%Y}",
            end_date=f"{LAST:%m/%d/%Y}",
            esiids=homes,
            limits=market.hub.settings.limits,
            clock=market.hub.clock,
        )
    spans = [(one, one.first_day, one.last_day) for one in (*found.missing, *found.channels)]
    days = [(one, (first - FIRST).days + n) for one, first, last in spans for n in range((last - first).days + 1)]
    assert {(one.esiid, n): one.code for one, n in days if one in found.missing} == MISSING
    assert {(one.esiid, n, one.channel) for one, n in days if one in found.channels} == CHANNELS  # type: ignore[union-attr]
    assert found.days_present == 35 - len(MISSING)

    seen = survey(market.store, first_day=FIRST, last_day=LAST)
    spells = {(s.esiid, (s.first_day - FIRST).days + n, s.channel) for s in seen for n in range(s.days)}
    assert {(home, n) for home, n, channel in spells if channel is None} == set(MISSING)
    assert {one for one in spells if one[2] is not None} == CHANNELS
    for n in range(5):
        day = seen.days[TDSP, FIRST + n * DAY]
        assert (day.provisioned, day.without_data) == (7, sum(key[1] == n for key in MISSING))
        assert day.without_channel == sum(key[1] == n for key in CHANNELS)

    with market.store.read() as connection:
        for home in homes:
            for n in range(5):
                traced = trace(connection, home, FIRST + n * DAY)
                assert traced is not None
                there = {one.channel for one in traced.days if one.sum_wh is not None}
                assert (not there) == ((home, n) in MISSING)
                assert all((home, n, channel) not in CHANNELS for channel in there)


def test_postings_leave_out_days_without_a_value_and_tell_missing_channels(market: Market) -> None:
    fill(market)
    assert post(market).orders
    build_all(market)
    with market.store.read() as connection:
        (number,) = connection.scalars(select(report_order.c.number).where(report_order.c.duns == REP))
    with market.store.read() as connection:
        excepted = of_exceptions(all_exceptions(connection, number))
    # what no load brought is not news
    assert excepted == {key: code for key, code in MISSING.items() if code == "DELIVERED_EMPTY"}
    (part,) = [part for part in market.parts(number) if part.kind == "remarks"]
    folder = market.folder.parent / "daily"
    assert (folder / part.file_name).exists()


def test_a_channel_that_an_earlier_load_brought_is_not_missing_of_what_is_new_r13(market: Market) -> None:
    fill(market)
    market.load_days(range(NO_USE, NO_USE + 1), FIRST, FIRST + DAY, number=900, wh=9, channel=1)
    number = changes(market, 899).order_number
    build_all(market)
    assert of_remarks(remarks_of(market, number)) == {(esiid(NO_USE), 1, 4)}


def test_daily_sums_say_which_channel_has_none_u9(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), FIRST, LAST, number=1)
    market.load_days(range(1), FIRST, LAST, number=2, channel=1)
    market.load_days(range(1), FIRST, FIRST, number=3, channel=1, statuses=b"A" + b"M" * 95)
    number = market.order([esiid(0)], f"{FIRST:%m/%d/%Y}", f"{LAST:%m/%d/%Y}", report="daily").order_number
    build_all(market)
    assert [row[:5] for row in remarks_of(market, number)] == [
        [esiid(0), "11/04/2026", "11/04/2026", "1", "CHANNEL_INCOMPLETE"]
    ]


def test_every_version_of_a_day_that_was_emptied_is_given_u3(market: Market) -> None:
    """With version A an empty version stands beside the one that had values; the latest alone is not there."""
    market.add_premises(range(1))
    market.load_days(range(1), FIRST, FIRST, number=1)
    market.load_days(range(1), FIRST, FIRST, number=2, statuses=EMPTY, wh=0)
    asked = ([esiid(0)], f"{FIRST:%m/%d/%Y}", f"{FIRST:%m/%d/%Y}")
    latest, versions = market.order(*asked).order_number, market.order(*asked, version="A").order_number
    build_all(market)
    assert (market.row(latest).days_delivered, market.row(latest).days_excepted) == (0, 1)
    assert (market.row(versions).days_delivered, market.row(versions).days_excepted) == (1, 0)
    (part,) = [part for part in market.parts(versions) if part.kind == "data"]
    rows = list(csv.reader(io.StringIO(market.opened(part.file_name).decode())))
    assert len(rows) == 1 + 2 * 96
