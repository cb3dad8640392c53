"""What must be known of delivered data is told beside it: flagged days (U5), bills that differ from intervals (U10)."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_market import Market, esiid
from sqlalchemy import update
from test_order_build import build_all
from test_order_daily_monthly import add_bill, add_load
from test_posting import post
from test_subscriptions import changes

from smt_ws.orders import plan
from smt_ws.orders.remarks import HEADER, count_remarks
from smt_ws.usage.remarks import CODES, REMARKS, of_days
from smt_ws.usage.rules import FLAG_BITS, flags_of, rules_in
from smt_ws.usage.tables import interval_day, interval_day_history

DAY = timedelta(days=1)
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 10)


def flag(market: Market, home: int, first: date, last: date, *codes: str, channel: int = 4) -> None:
    """As a load would have flagged the days that are there now."""
    with market.store.write() as connection:
        flagged = connection.execute(
            update(interval_day)
            .where(
                interval_day.c.premise_id == market.premises[esiid(home)],
                interval_day.c.channel == channel,
                interval_day.c.operating_day.between(first, last),
            )
            .values(flags=flags_of(codes))
        )
    assert flagged.rowcount == (last - first).days + 1


def remarks_of(market: Market, number: int) -> list[list[str]]:
    """The rows of the order's remarks, which its manifest and its parts must agree with."""
    (part,) = [part for part in market.parts(number) if part.kind == "remarks"]
    (last,) = [part for part in market.parts(number) if part.kind == "manifest"]
    manifest = json.loads(market.opened(last.file_name))
    named = [one for one in manifest["files"] if one["kind"] == "remarks"]
    if part.state == "empty":
        assert (named, manifest["remarks"], part.file_name in market.visible()) == ([], [], False)
        return []
    assert part.state == "published"
    header, *rows = csv.reader(io.StringIO(market.opened(part.file_name).decode()))
    assert tuple(header) == HEADER
    assert len(rows) == part.records == named[0]["records"]
    days = {
        (row[4], row[0], day)
        for row in rows
        for day in range(plan.day_number(written(row[1])), plan.day_number(written(row[2])) + 1)
    }
    told = {one["code"]: one["esiidDays"] for one in manifest["remarks"]}
    assert told == dict(sorted(Counter(code for code, *_ in days).items()))
    assert [one["remark"] for one in manifest["remarks"]] == [REMARKS[code] for code in told]
    assert all(row[5].startswith(REMARKS[row[4]]) for row in rows)
    return rows


def written(text: str) -> date:
    month, day, year = map(int, text.split("/"))
    return date(year, month, day)


def ordered(market: Market, homes: range, **more: str) -> int:
    number = market.order([esiid(home) for home in homes], **more).order_number
    build_all(market)
    return number


@pytest.mark.parametrize("report_format", ["CSV", "LSE", "XML"])
def test_u5_flagged_days_are_delivered_and_told_in_every_format(market: Market, report_format: str) -> None:
    market.add_premises(range(12))
    market.load_days(range(12), FIRST, LAST, number=1)
    market.load_days(range(2), FIRST, LAST, number=2, channel=1)
    flag(market, 0, FIRST + DAY, FIRST + 2 * DAY, "SPIKE")
    flag(market, 0, FIRST + 4 * DAY, FIRST + 4 * DAY, "SPIKE", "MISSING_INTERVALS")
    flag(market, 1, FIRST, FIRST, "SUM_CHECK", channel=1)
    flag(market, 1, FIRST, FIRST + DAY, "SUM_CHECK")
    flag(market, 11, FIRST, LAST, "LOW_USAGE")
    number = ordered(market, range(11, -1, -1), report_format=report_format, reading_type="A")
    assert len([part for part in market.parts(number) if part.kind == "data"]) > 2, "they come from several parts"
    assert [row[:5] for row in remarks_of(market, number)] == [
        [esiid(11), "11/01/2026", "11/10/2026", "4", "LOW_USAGE"],
        [esiid(1), "11/01/2026", "11/01/2026", "1", "SUM_CHECK"],
        [esiid(1), "11/01/2026", "11/02/2026", "4", "SUM_CHECK"],
        [esiid(0), "11/02/2026", "11/03/2026", "4", "SPIKE"],
        [esiid(0), "11/05/2026", "11/05/2026", "4", "MISSING_INTERVALS"],
        [esiid(0), "11/05/2026", "11/05/2026", "4", "SPIKE"],
    ]
    order = market.row(number)
    assert (order.status, order.days_delivered) == ("Complete", 120)


def test_u5_where_nothing_is_flagged_there_are_no_remarks(market: Market) -> None:
    market.add_premises(range(2))
    market.load_days(range(2), FIRST, LAST, number=1)
    assert remarks_of(market, ordered(market, range(2))) == []


def test_r5_what_is_not_delivered_has_no_remark(market: Market) -> None:
    """Days of another REP, the other channel, a day without a value."""
    market.add_premises(range(1), served_from=FIRST + 5 * DAY)
    market.load_days(range(1), FIRST, LAST, number=1)
    market.load_days(range(1), LAST, LAST, number=2, statuses=b"M" * 96)
    market.load_days(range(1), LAST, LAST, number=3, channel=1)
    flag(market, 0, FIRST, FIRST + 4 * DAY, "SPIKE")
    flag(market, 0, LAST, LAST, "MISSING_INTERVALS")
    assert remarks_of(market, ordered(market, range(1), reading_type="G")) == []
    for report_format in ("CSV", "LSE", "XML"):
        assert remarks_of(market, ordered(market, range(1), reading_type="C", report_format=report_format)) == []


def test_u3_flags_are_those_of_the_versions_that_the_order_delivers(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), FIRST, LAST, number=1)
    flag(market, 0, FIRST, FIRST, "ZERO_DAY")
    before = market.order([esiid(0)]).order_number
    market.load_days(range(1), FIRST, FIRST + DAY, number=2)
    flag(market, 0, FIRST + DAY, FIRST + DAY, "ESTIMATE_REPLACES_ACTUAL")
    build_all(market)
    was = ["11/01/2026", "11/01/2026", "4", "ZERO_DAY"]
    became = ["11/02/2026", "11/02/2026", "4", "ESTIMATE_REPLACES_ACTUAL"]
    assert [row[1:5] for row in remarks_of(market, before)] == [was]
    assert [row[1:5] for row in remarks_of(market, ordered(market, range(1)))] == [became]
    assert [row[1:5] for row in remarks_of(market, ordered(market, range(1), version="A"))] == [was, became]
    with market.store.read() as connection:
        assert connection.execute(interval_day_history.select()).all(), "the version before is history"


MONTHLY = {"report": "monthly", "reading_type": "C", "start": "08/01/2026", "end": "10/31/2026"}
#: 31 days of 96 intervals of 250 Wh.
AUGUST, AUGUST_WH = (date(2026, 8, 1), date(2026, 8, 31)), 31 * 96 * 250


@pytest.fixture
def billed(market: Market) -> Market:
    """Homes 0 to 7 with the intervals of August and September, billed for August."""
    market.add_premises(range(8))
    market.load_days(range(8), AUGUST[0], date(2026, 9, 30), number=1)
    add_load(market, 2)
    return market


@pytest.mark.parametrize("report_format", ["CSV", "XML"])
def test_u10_a_bill_that_differs_from_its_intervals_is_told_with_both_figures(
    billed: Market, report_format: str
) -> None:
    for home, difference in enumerate((0, 500, -500, 501, -501)):
        add_bill(billed, home, *AUGUST, number=2, actual_wh=AUGUST_WH + difference)
    add_bill(billed, 0, date(2026, 9, 1), date(2026, 9, 30), number=2, actual_wh=1_000_000)
    number = ordered(billed, range(8), report_format=report_format, **MONTHLY)
    assert [[*row[:5], row[5].removeprefix(REMARKS["BILL_DIFFERS"])] for row in remarks_of(billed, number)] == [
        [esiid(home), first, last, "4", "BILL_DIFFERS", f" Billed {bill} kWh, intervals {intervals} kWh."]
        for home, first, last, bill, intervals in (
            (0, "09/01/2026", "09/30/2026", "1000.000", "720.000"),
            (3, "08/01/2026", "08/31/2026", "744.501", "744.000"),
            (4, "08/01/2026", "08/31/2026", "743.499", "744.000"),
        )
    ]


def test_u10_a_bill_is_compared_only_where_it_stands_and_every_interval_is_known(billed: Market) -> None:
    """Cancelled; rebilled; a day without data; an interval missing; no energy; intervals corrected later."""
    add_load(billed, 3)
    wrong = {"actual_wh": 1}
    add_bill(billed, 0, *AUGUST, number=2, replaced_by=3, **wrong)
    add_bill(billed, 0, *AUGUST, number=3, cancelled=True)
    add_bill(billed, 1, *AUGUST, number=2, replaced_by=3, **wrong)
    add_bill(billed, 1, *AUGUST, number=3, actual_wh=AUGUST_WH)
    add_bill(billed, 2, date(2026, 9, 1), date(2026, 10, 1), number=2, **wrong)
    billed.load_days(range(3, 4), AUGUST[0], AUGUST[0], number=4, statuses=b"A" * 95 + b"M")
    add_bill(billed, 3, *AUGUST, number=2, **wrong)
    add_bill(billed, 4, *AUGUST, number=2, metered_w=5)
    add_bill(billed, 5, *AUGUST, number=2, actual_wh=AUGUST_WH)
    before = {
        version: billed.order([esiid(home) for home in range(8)], version=version, **MONTHLY).order_number
        for version in ("L", "A")
    }
    billed.load_days(range(5, 6), AUGUST[0], AUGUST[1], number=5, wh=300)
    build_all(billed)
    for number in before.values():
        assert billed.parts(number)[0].records >= 5
        assert remarks_of(billed, number) == []
    # an order placed now reads the intervals as corrected
    (row,) = remarks_of(billed, ordered(billed, range(8), **MONTHLY))
    assert (row[0], row[4]) == (esiid(5), "BILL_DIFFERS")
    assert row[5].endswith("Billed 744.000 kWh, intervals 892.800 kWh.")


def test_u10_periods_longer_than_what_is_read_at_once_add_up_too(
    billed: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smt_ws.usage.as_of._CHUNK_DAYS", 40)
    for home in range(8):
        add_bill(billed, home, *AUGUST, number=2, actual_wh=AUGUST_WH + 1000 * (home % 2))
    told = remarks_of(billed, ordered(billed, range(8), **MONTHLY))
    assert [row[0] for row in told] == [esiid(home) for home in range(1, 8, 2)]


def test_r8_a_posting_has_the_remarks_on_what_it_brings(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), FIRST, LAST, number=1)
    flag(market, 0, FIRST, LAST, "SPIKE")
    today = market.hub.clock.now().date()
    assert post(market, today).orders
    assert build_all(market) == ["data", "exceptions", "remarks", "manifest"]
    with market.store.read() as connection:
        number = connection.exec_driver_sql("SELECT number FROM report_order").scalar_one()
        assert count_remarks(connection, number) == {"SPIKE": 10}


def test_r13_an_order_of_changes_has_the_remarks_on_what_is_new(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), FIRST, FIRST + DAY, number=1)
    flag(market, 0, FIRST, FIRST + DAY, "SPIKE")
    market.load_days(range(1), FIRST + DAY, FIRST + DAY, number=2)
    flag(market, 0, FIRST + DAY, FIRST + DAY, "ZERO_RUN")
    number = changes(market, 1).order_number
    build_all(market)
    assert [row[1:5] for row in remarks_of(market, number)] == [["11/02/2026", "11/02/2026", "4", "ZERO_RUN"]]


def test_every_rule_that_flags_has_a_remark() -> None:
    assert set(REMARKS) == {*FLAG_BITS, "BILL_DIFFERS", "CHANNEL_MISSING", "CHANNEL_INCOMPLETE"}


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(20_000, 20_006), st.sampled_from([1, 4]), st.integers(0, 2**15 - 1)),
        max_size=30,
    )
)
def test_u5_remarks_tell_each_flagged_day_once_in_the_fewest_rows(flagged: list[tuple[int, int, int, int]]) -> None:
    remarks = of_days(np.array(flagged, np.int64).reshape(-1, 4).T)
    told = [
        (row["esiid"], row["channel"], CODES[row["code"]], day)
        for row in remarks
        for day in range(row["first_day"], row["last_day"] + 1)
    ]
    expected = {(home, channel, code, day) for home, day, channel, flags in flagged for code in rules_in(flags)}
    assert len(told) == len(set(told))
    assert set(told) == expected
    assert len(remarks) == len([one for one in expected if (*one[:3], one[3] - 1) not in expected])
    keys = [(row["esiid"], row["first_day"], row["channel"], row["code"]) for row in remarks]
    assert keys == sorted(keys)
