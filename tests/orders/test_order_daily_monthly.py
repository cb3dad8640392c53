"""Daily reads and monthly billing as orders: what they hold, what they leave out and why (R1, R2, R4, U6, U9, U10)."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from lxml import etree
from order_market import TDSP, Market, esiid
from sqlalchemy import insert, update
from test_order_build import build_all

from adapters.central_day import intervals_in, midnight_utc
from greenbutton import dmd
from smt_ws.orders.errors import BeyondHistoryError, FormatNotAvailableError, VersionNotInFormatError
from smt_ws.orders.renderers import RENDERERS
from smt_ws.orders.tables import order_part
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.tables import (
    load,
    monthly_bill,
    monthly_bill_history,
    register_read,
    register_read_history,
)

ESPI = "{http://naesb.org/espi}"
DAY = timedelta(days=1)


def add_load(market: Market, number: int) -> None:
    with market.store.write() as connection:
        connection.execute(
            insert(load).values(
                number=number,
                kind="reads",
                tdsp_duns=TDSP,
                file_name=f"{number}.csv",
                sha256=f"{number:064x}",
                state="loaded",
                started_at=market.hub.clock.now(),
                finished_at=market.hub.clock.now(),
            )
        )


def add_read(
    market: Market, home: int, day: date, *, number: int, replaced_by: int | None = None, **values: Any
) -> None:
    ensure_months(market.store, [day])
    table = register_read if replaced_by is None else register_read_history
    more = {} if replaced_by is None else {"replaced_by": replaced_by}
    row = {"channel": 4, "start_wh": None, "stop_wh": None, "usage_wh": None, "status": "A"} | values | more
    with market.store.write() as connection:
        connection.execute(
            insert(table).values(premise_id=market.premises[esiid(home)], operating_day=day, load_number=number, **row)
        )


def add_bill(
    market: Market, home: int, first: date, last: date, *, number: int, replaced_by: int | None = None, **values: Any
) -> None:
    table = monthly_bill if replaced_by is None else monthly_bill_history
    more = {} if replaced_by is None else {"replaced_by": replaced_by}
    with market.store.write() as connection:
        connection.execute(
            insert(table).values(
                premise_id=market.premises[esiid(home)],
                first_day=first,
                last_day=last,
                load_number=number,
                **({"cancelled": False} | values | more),
            )
        )


def ordered(market: Market, *esiids: str, **more: str) -> int:
    number = market.order(list(esiids), **more).order_number
    build_all(market)
    return number


def rows_of(market: Market, number: int) -> list[list[str]]:
    part = market.parts(number)[0]
    rows = list(csv.reader(io.StringIO(market.opened(part.file_name).decode())))
    assert len(rows) - 1 == part.records
    return rows


def exceptions_of(market: Market, number: int) -> list[list[str]]:
    from smt_ws.orders.finish import all_exceptions
    from smt_ws.orders.plan import day_of

    with market.store.read() as connection:
        found = all_exceptions(connection, number)
    return [
        [
            found.esiids[row["esiid"]],
            f"{day_of(row['first_day'])}",
            f"{day_of(row['last_day'])}",
            found.codes[row["code"]],
        ]
        for row in found.rows
    ]


def days_of(market: Market, number: int) -> tuple[int, int, int]:
    order = market.row(number)
    assert order.days_asked == order.days_delivered + order.days_excepted
    return order.days_asked, order.days_delivered, order.days_excepted


@pytest.fixture
def reads(market: Market) -> Market:
    """Home 0: a register read, one that is corrected, sums of intervals, days that nothing tells. Home 1: nothing."""
    market.add_premises(range(2))
    add_load(market, 1)
    add_load(market, 2)
    first = date(2026, 10, 31)
    add_read(market, 0, first, number=1, start_wh=1_000_000, stop_wh=1_012_345, usage_wh=12_345)
    add_read(market, 0, first, number=1, channel=1, start_wh=5, stop_wh=1_005, status="E")
    add_read(market, 0, first + DAY, number=1, replaced_by=2, start_wh=0, stop_wh=9, usage_wh=9)
    add_read(market, 0, first + DAY, number=2, start_wh=1_012_345, stop_wh=1_020_000, usage_wh=7_000)
    # An empty read: the intervals tell, 96 of 250 Wh.
    add_read(market, 0, first + 2 * DAY, number=2)
    market.load_days(range(1), first + 2 * DAY, first + 2 * DAY, number=3, statuses=b"A" * 95 + b"E")
    market.load_days(range(1), first + DAY, first + DAY, number=4, channel=1, wh=10)
    market.load_days(range(1), first + 3 * DAY, first + 3 * DAY, number=5, statuses=b"A" * 95 + b"M")
    market.load_days(range(1), first + 5 * DAY, first + 5 * DAY, number=6)
    return market


def test_daily_reads_are_register_reads_and_else_sums_that_say_so(reads: Market) -> None:
    number = ordered(reads, esiid(0), esiid(1), report="daily", start="10/31/2026", end="11/05/2026")
    assert reads.parts(number)[0].file_name.startswith("DailyMeterUsage")
    revised = "11/20/2026 09:00:00"
    header, *rows = rows_of(reads, number)
    assert header[:6] == ["ESIID", "READ_DATE", "REVISION_DATE", "START_READING", "END_READING", "USAGE_KWH"]
    assert header[6:] == ["ESTIMATED_ACTUAL", "CONSUMPTION_SURPLUSGENERATION"]
    assert rows == [
        [esiid(0), "10/31/2026", revised, "0.005", "1.005", "1.000", "E", "Surplus Generation"],
        [esiid(0), "10/31/2026", revised, "1000.000", "1012.345", "12.345", "A", "Consumption"],
        [esiid(0), "11/01/2026", revised, "", "", "1.000", "A", "Surplus Generation"],
        [esiid(0), "11/01/2026", revised, "1012.345", "1020.000", "7.000", "A", "Consumption"],
        [esiid(0), "11/02/2026", revised, "", "", "24.000", "E", "Consumption"],
        [esiid(0), "11/05/2026", revised, "", "", "24.000", "A", "Consumption"],
    ]
    assert exceptions_of(reads, number) == [
        [esiid(0), "2026-11-03", "2026-11-03", "INTERVALS_MISSING"],
        [esiid(0), "2026-11-04", "2026-11-04", "GAP"],
        [esiid(1), "2026-10-31", "2026-11-05", "NOT_DELIVERED"],
    ]
    assert days_of(reads, number) == (12, 4, 8)


def test_u3_daily_reads_of_all_versions_and_as_of_a_load(reads: Market) -> None:
    asked = {"report": "daily", "start": "11/01/2026", "end": "11/01/2026", "reading_type": "C"}
    number = ordered(reads, esiid(0), version="A", **asked)
    assert [row[5] for row in rows_of(reads, number)[1:]] == ["0.009", "7.000"]
    number = ordered(reads, esiid(0), **asked)
    assert [row[5] for row in rows_of(reads, number)[1:]] == ["7.000"]


def test_daily_green_button_has_the_same_totals_on_days_of_25_and_24_hours_r12(reads: Market) -> None:
    number = ordered(
        reads, esiid(0), esiid(1), report="daily", report_format="XML", start="10/31/2026", end="11/05/2026"
    )
    part = reads.parts(number)[0]
    assert part.file_name.startswith("GreenButtonDaily")
    feed = etree.fromstring(reads.opened(part.file_name))
    found = [
        tuple(int(reading.findtext(f".//{ESPI}{name}") or "") for name in ("start", "duration", "value"))
        for reading in feed.iter(f"{ESPI}IntervalReading")
    ]
    assert part.records == len(found) == 6

    def midnight(day: date) -> int:
        return int(midnight_utc(day).timestamp())

    delivered = {
        date(2026, 10, 31): 12_345,
        date(2026, 11, 1): 7_000,
        date(2026, 11, 2): 24_000,
        date(2026, 11, 5): 24_000,
    }
    received = {date(2026, 10, 31): 1_000, date(2026, 11, 1): 1_000}
    assert found == [
        (midnight(day), intervals_in(day) * 900, wh) for each in (delivered, received) for day, wh in each.items()
    ]
    assert days_of(reads, number) == (12, 4, 8)


def test_a_change_of_intervals_does_not_replace_a_register_read_in_changes(reads: Market) -> None:
    """R13: only what is new, and what is new is what the whole report would say."""
    from smt_ws.parties.access import SLICE
    from smt_ws.usage.read_daily import read_daily

    day = date(2026, 10, 31)
    reads.load_days(range(1), day, day, number=7)
    slices = np.array([(0, reads.premises[esiid(0)], day, day + 5 * DAY)], SLICE)
    with reads.store.read() as connection:
        found = list(read_daily(connection, slices=slices, channels=(4,), as_of=7, after=5))
    assert [(read.day, read.usage_wh) for read in found] == [(day + 5 * DAY, 24_000)]


@pytest.fixture
def bills(market: Market) -> Market:
    market.add_premises(range(3))
    for number in (1, 2, 3):
        add_load(market, number)
    add_bill(market, 0, date(2026, 7, 15), date(2026, 8, 14), number=1, actual_wh=900_000)
    add_bill(market, 0, date(2026, 8, 15), date(2026, 9, 14), number=1, actual_wh=1_074_000, metered_w=6_200)
    add_bill(market, 0, date(2026, 9, 15), date(2026, 10, 14), number=1, replaced_by=2, actual_wh=800_000)
    add_bill(market, 0, date(2026, 9, 15), date(2026, 10, 14), number=2, actual_wh=810_500, billed_va=7)
    add_bill(market, 1, date(2026, 9, 1), date(2026, 9, 30), number=1, replaced_by=3, actual_wh=5_000)
    add_bill(market, 1, date(2026, 9, 1), date(2026, 9, 30), number=3, cancelled=True)
    return market


BILLED = {"report": "monthly", "reading_type": "C", "start": "08/01/2026", "end": "10/31/2026"}


def test_monthly_billing_tells_whole_bills_and_why_the_other_days_are_not_there(bills: Market) -> None:
    number = ordered(bills, esiid(0), esiid(1), **BILLED)
    assert bills.parts(number)[0].file_name.startswith("MonthlyBilling")
    revised = "11/20/2026 09:00:00"
    header, *rows = rows_of(bills, number)
    assert header[:5] == ["ESIID", "START_DATE", "END_DATE", "REVISION_DATE", "ACTUAL_KWH"]
    assert header[5:] == ["METERED_KW", "BILLED_KW", "METERED_KVA", "BILLED_KVA"]
    assert rows == [
        [esiid(0), "08/15/2026", "09/14/2026", revised, "1074.000", "6.200", "", "", ""],
        [esiid(0), "09/15/2026", "10/14/2026", revised, "810.500", "", "", "", "0.007"],
    ]
    assert exceptions_of(bills, number) == [
        [esiid(0), "2026-08-01", "2026-08-14", "BILL_REACHES_BEYOND"],
        [esiid(0), "2026-10-15", "2026-10-31", "NOT_BILLED"],
        [esiid(1), "2026-08-01", "2026-10-31", "NOT_BILLED"],
    ]
    assert days_of(bills, number) == (184, 61, 123)


def test_u10_all_versions_of_a_bill_a_cancellation_among_them(bills: Market) -> None:
    number = ordered(bills, esiid(0), esiid(1), version="A", **BILLED)
    assert [(row[0], row[1], row[4]) for row in rows_of(bills, number)[1:]] == [
        (esiid(0), "08/15/2026", "1074.000"),
        (esiid(0), "09/15/2026", "800.000"),
        (esiid(0), "09/15/2026", "810.500"),
        (esiid(1), "09/01/2026", "5.000"),
        (esiid(1), "09/01/2026", ""),
    ]
    assert days_of(bills, number) == (184, 61 + 30, 93)


def test_r5_a_bill_that_holds_days_of_another_rep_is_not_told(bills: Market) -> None:
    bills.add_premises(range(9, 10), served_from=date(2026, 9, 20))
    add_bill(bills, 9, date(2026, 9, 15), date(2026, 10, 14), number=2, actual_wh=1)
    number = ordered(bills, esiid(9), **BILLED)
    assert bills.parts(number)[0].state == "empty"
    assert [row[1:] for row in exceptions_of(bills, number)] == [
        ["2026-08-01", "2026-09-19", "BEFORE_SERVICE"],
        ["2026-09-20", "2026-10-14", "BILL_REACHES_BEYOND"],
        ["2026-10-15", "2026-10-31", "NOT_BILLED"],
    ]


def test_of_two_bills_that_overlap_the_later_loaded_one_stands(bills: Market) -> None:
    add_bill(bills, 0, date(2026, 9, 10), date(2026, 9, 20), number=3, actual_wh=77_000)
    for report_format in ("CSV", "XML"):
        number = ordered(bills, esiid(0), report_format=report_format, **BILLED)
        assert days_of(bills, number) == (92, 11, 81)


def test_monthly_green_button_has_energy_and_a_summary_for_each_bill(bills: Market) -> None:
    add_bill(bills, 2, date(2026, 9, 1), date(2026, 9, 30), number=1, metered_w=5)  # demand alone
    number = ordered(bills, esiid(0), esiid(2), report_format="XML", **BILLED)
    part = bills.parts(number)[0]
    assert part.file_name.startswith("GreenButtonMonthly")
    feed = etree.fromstring(bills.opened(part.file_name))
    values = [int(one.findtext(f"{ESPI}value") or "") for one in feed.iter(f"{ESPI}IntervalReading")]
    billed = [
        int(one.findtext(f"{ESPI}overallConsumptionLastPeriod/{ESPI}value") or "")
        for one in feed.iter(f"{ESPI}UsageSummary")
    ]
    assert values == billed == [1_074_000, 810_500]
    assert part.records == 2
    assert days_of(bills, number) == (184, 61, 123)


def test_what_orders_deliver_keeps_the_rules_of_download_my_data(reads: Market) -> None:
    """The same checker that holds the library's documents, on files made from the store."""
    add_bill(reads, 0, date(2026, 11, 1), date(2026, 11, 5), number=2, actual_wh=70_000)
    for report in ("interval", "daily", "monthly"):
        more = {"report": report, "report_format": "XML", "start": "10/31/2026", "end": "11/05/2026"}
        part = reads.parts(ordered(reads, esiid(0), **more))[0]
        content = reads.opened(part.file_name)
        claimed = dmd.INTERVAL_BLOCKS | {"interval": {"FB_08"}, "daily": set(), "monthly": {"FB_15"}}[report]
        assert dmd.check(content, claimed=claimed) == [], report


@pytest.mark.parametrize(
    ("report", "report_format"), [("daily", "CSV"), ("daily", "XML"), ("monthly", "CSV"), ("monthly", "XML")]
)
def test_a_part_of_any_report_is_built_again_to_the_same_bytes(market: Market, report: str, report_format: str) -> None:
    market.add_premises(range(1))
    add_load(market, 1)
    add_read(market, 0, date(2026, 10, 2), number=1, usage_wh=5)
    add_bill(market, 0, date(2026, 10, 2), date(2026, 10, 31), number=1, actual_wh=5)
    number = ordered(market, esiid(0), report=report, report_format=report_format, start="10/01/2026", end="10/31/2026")
    before = market.parts(number)[0]
    assert before.records == 1
    market.hub.clock.advance(30 * DAY)  # type: ignore[attr-defined]
    add_load(market, 9)
    add_read(market, 0, date(2026, 10, 3), number=9, usage_wh=5)
    add_bill(market, 0, date(2026, 10, 1), date(2026, 10, 1), number=9, actual_wh=5)
    with market.store.write() as connection:
        connection.execute(update(order_part).where(order_part.c.kind == "data").values(state="planned"))
        connection.exec_driver_sql("UPDATE report_order SET status = 'In Progress'")
    build_all(market)
    after = market.parts(number)[0]
    assert (after.plain_sha256, after.missing) == (before.plain_sha256, before.missing)


def test_r4_history_is_24_months_of_bills_and_48_of_daily_reads(market: Market) -> None:
    market.add_premises(range(1))
    market.order([esiid(0)], report="monthly", reading_type="C", start="11/20/2024", end="11/20/2026")
    market.order([esiid(0)], report="daily", start="11/20/2022", end="11/20/2022")
    with pytest.raises(BeyondHistoryError):
        market.order([esiid(0)], report="monthly", reading_type="C", start="11/19/2024", end="11/20/2024")
    with pytest.raises(BeyondHistoryError):
        market.order([esiid(0)], report="daily", start="11/19/2022", end="11/20/2022")


@pytest.mark.parametrize(("report", "report_format"), RENDERERS)
def test_a_file_without_a_record_is_not_made_whatever_the_report_and_format(
    market: Market, report: str, report_format: str
) -> None:
    market.add_premises(range(1))
    number = ordered(market, esiid(0), report=report, report_format=report_format, end="11/09/2026")
    part = market.parts(number)[0]
    assert (part.kind, part.state, part.records) == ("data", "empty", 0)
    assert sorted(name[:8] for name in market.visible()) == ["Exceptio", "Manifest"]
    code = "NOT_BILLED" if report == "monthly" else "NOT_DELIVERED"
    assert exceptions_of(market, number) == [[esiid(0), "2026-11-01", "2026-11-09", code]]
    assert days_of(market, number) == (9, 0, 9)


@pytest.mark.parametrize("report", ["daily", "monthly"])
def test_lse_is_for_interval_data_alone_and_green_button_for_latest_versions(market: Market, report: str) -> None:
    with pytest.raises(FormatNotAvailableError):
        market.order([esiid(0)], report=report, report_format="LSE")
    with pytest.raises(VersionNotInFormatError):
        market.order([esiid(0)], report=report, report_format="XML", version="A")
