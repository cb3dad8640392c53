"""One order in each format: the same intervals, the same account of days, the same bytes when built again (R2, R12)."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from lxml import etree
from order_market import REP, TDSP, Market, esiid
from sqlalchemy import update
from test_order_build import build_all

from adapters.central_day import CENTRAL, interval_starts_utc, intervals_in
from adapters.lse import LseRecord
from adapters.lse_read import read
from smt_ws.orders.errors import VersionNotInFormatError
from smt_ws.orders.renderers import publisher_of
from smt_ws.orders.tables import order_part
from smt_ws.usage.tables import interval_day

SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
ESPI = "{http://naesb.org/espi}"
ATOM = "{http://www.w3.org/2005/Atom}"
#: (ESI ID, channel, start in UTC) to (Wh, status); a missing interval is not there.
Intervals = dict[tuple[str, int, datetime], tuple[int, str]]


def from_csv(content: bytes) -> Intervals:
    found: Intervals = {}
    for row in csv.DictReader(io.StringIO(content.decode())):
        if row["USAGE_KWH"]:
            channel = 4 if row["CONSUMPTION_SURPLUSGENERATION"] == "Consumption" else 1
            start = datetime.fromisoformat(row["INTERVAL_START_UTC"])
            wh = round(float(row["USAGE_KWH"]) * 1000)
            found[row["ESIID"], channel, start] = (wh, row["ESTIMATED_ACTUAL"])
    return found


def from_lse(content: bytes) -> Intervals:
    found: Intervals = {}
    for record in read(io.BytesIO(content)):
        assert isinstance(record, LseRecord), record
        assert (record.mre, record.sender, record.receiver, record.rep) == (TDSP, TDSP, REP, REP)
        statuses = (record.statuses or b"A" * len(record.values)).decode()
        for start, wh, status in zip(interval_starts_utc(record.day), record.values.tolist(), statuses, strict=True):
            if status != "M":
                found[record.esiid, record.channel, start] = (wh, status)
    return found


def from_green_button(content: bytes, whose: dict[str, str]) -> Intervals:
    """*whose*: the manifest's usage points, ESI ID to Atom id."""
    feed = etree.fromstring(content)
    named = {urn: name for name, urn in whose.items()}
    found: Intervals = {}
    name = ""
    for entry in feed.iter(f"{ATOM}entry"):
        if entry.find(f".//{ESPI}UsagePoint") is not None:
            name = named[entry.findtext(f"{ATOM}id") or ""]
        block = entry.find(f".//{ESPI}IntervalBlock")
        if block is None:
            continue
        address = entry.find(f"{ATOM}link[@rel='self']").get("href")
        channel = 4 if "/MeterReading/1/" in address else 1
        for reading in block.iter(f"{ESPI}IntervalReading"):
            start = datetime.fromtimestamp(int(reading.findtext(f".//{ESPI}start") or ""), UTC)
            status = "E" if reading.find(f".//{ESPI}quality") is not None else "A"
            found[name, channel, start] = (int(reading.findtext(f"{ESPI}value") or ""), status)
    return found


def solar_home(market: Market, *days: date) -> Intervals:
    """Home 0 with both channels, home 1 with one; every value different, some estimated, some missing."""
    market.add_premises(range(2))
    expected: Intervals = {}
    for number, (home, channel, day) in enumerate(
        ((home, channel, day) for day in days for home, channel in ((0, 4), (0, 1), (1, 4))), start=1
    ):
        count = intervals_in(day)
        values = (np.arange(count) * 3 + number * 1000).astype("<i4")
        statuses = b"A" * (count - 10) + b"EEEEM" + b"A" * 5
        market.load_days(range(home, home + 1), day, day, number=number, channel=channel, statuses=statuses)
        with market.store.write() as connection:
            connection.execute(
                update(interval_day).where(interval_day.c.load_number == number).values(wh=values.tobytes())
            )
        for start, wh, status in zip(interval_starts_utc(day), values.tolist(), statuses.decode(), strict=True):
            if status != "M":
                expected[esiid(home), channel, start] = (wh, status)
    return expected


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_r12_a_solar_homes_day_of_change_is_the_same_in_every_format(market: Market, day: date) -> None:
    days = (day - timedelta(days=1), day, day + timedelta(days=1))
    expected = solar_home(market, *days)
    asked = {"start": f"{days[0]:%m/%d/%Y}", "end": f"{days[-1]:%m/%d/%Y}"}
    numbers = {
        name: market.order([esiid(0), esiid(1)], report_format=name, **asked).order_number
        for name in ("CSV", "LSE", "XML")
    }
    build_all(market)
    files = {name: market.parts(number)[0] for name, number in numbers.items()}
    assert files["CSV"].file_name.startswith("IntervalMeterUsage")
    assert files["LSE"].file_name.startswith("IntervalMeterUsage")
    assert files["LSE"].file_name.endswith(f".LSE.{REP}.asc")
    assert files["XML"].file_name.startswith("GreenButtonInterval")
    manifests = [market.opened(name) for name in market.visible() if name.startswith("Manifest")]
    whose = next(one["usagePoints"] for one in map(json.loads, manifests) if one["format"] == "XML")
    publisher = publisher_of(market.hub.settings.green_button, REP)
    assert whose == {name: publisher.usage_point_urn(name) for name in (esiid(0), esiid(1))}

    content = {name: market.opened(part.file_name) for name, part in files.items()}
    assert esiid(0).encode() not in content["XML"]
    assert from_csv(content["CSV"]) == expected
    assert from_lse(content["LSE"]) == expected
    assert from_green_button(content["XML"], whose) == expected
    lengths = Counter(start.astimezone(CENTRAL).date() for (name, channel, start) in expected if channel == 1)
    assert lengths[day] == intervals_in(day) - 1  # one is missing
    # rows, records, readings
    every = 3 * sum(map(intervals_in, days))
    assert {name: part.records for name, part in files.items()} == {"CSV": every, "LSE": 9, "XML": every - 9}
    for number in numbers.values():
        order = market.row(number)
        assert (order.status, order.days_asked, order.days_delivered) == ("Complete", 6, 6)


@pytest.mark.parametrize("report_format", ["LSE", "XML"])
def test_a_part_in_any_format_is_built_again_to_the_same_bytes(market: Market, report_format: str) -> None:
    solar_home(market, AUTUMN)
    number = market.order([esiid(0), esiid(1)], end="11/01/2026", report_format=report_format).order_number
    build_all(market)
    before = market.parts(number)[0]
    market.hub.clock.advance(timedelta(days=30))  # type: ignore[attr-defined]
    market.load_days(range(2), AUTUMN, AUTUMN, number=99, wh=999)
    with market.store.write() as connection:
        connection.execute(update(order_part).where(order_part.c.kind == "data").values(state="planned"))
        connection.exec_driver_sql("UPDATE report_order SET status = 'In Progress'")
    assert build_all(market) == ["data"]
    assert market.parts(number)[0].plain_sha256 == before.plain_sha256


@pytest.mark.parametrize("report_format", ["LSE", "XML"])
def test_a_part_with_nothing_to_show_is_no_file_and_its_days_are_exceptions(market: Market, report_format: str) -> None:
    market.add_premises(range(2))
    number = market.order([esiid(0), esiid(1)], report_format=report_format).order_number
    assert build_all(market) == ["data", "exceptions", "remarks", "manifest"]
    assert [part.state for part in market.parts(number)] == ["empty", "published", "empty", "published"]
    order = market.row(number)
    assert (order.status, order.days_delivered, order.days_excepted) == ("Complete with exceptions", 0, 20)


def test_a_day_of_missing_intervals_alone_is_excepted_in_every_format(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 2), date(2026, 11, 2), number=1, statuses=b"M" * 96)
    market.load_days(range(1), date(2026, 11, 3), date(2026, 11, 3), number=2)
    delivered = {}
    for name in ("CSV", "LSE", "XML"):
        number = market.order([esiid(0)], "11/02/2026", "11/03/2026", report_format=name).order_number
        build_all(market)
        delivered[name] = (market.row(number).days_delivered, market.row(number).days_excepted)
    assert delivered == dict.fromkeys(("CSV", "LSE", "XML"), (1, 1))


@pytest.mark.parametrize("report_format", ["LSE", "XML"])
def test_u3_all_versions_are_refused_where_a_format_has_no_room_for_them(market: Market, report_format: str) -> None:
    with pytest.raises(VersionNotInFormatError, match="A with reportFormat"):
        market.order([esiid(0)], report_format=report_format, version="A")


def test_r7_an_lse_file_is_cut_by_its_records_one_a_channel(market: Market) -> None:
    market.add_premises(range(5))
    for number, channel in ((1, 4), (2, 1)):
        market.load_days(range(5), date(2026, 11, 1), date(2026, 11, 10), number=number, channel=channel)
    number = market.order([esiid(n) for n in range(5)], report_format="LSE").order_number
    build_all(market)
    # 50 records a file here
    assert [part.records for part in market.parts(number) if part.kind == "data"] == [40, 40, 20]


def test_r2_local_time_ends_the_documents_of_companies_that_the_setting_names(market: Market) -> None:
    usual = market.hub.settings.green_button
    chosen = usual.model_copy(update={"time_last_for": (REP,)})
    assert not publisher_of(usual, REP).time_last
    assert publisher_of(chosen, REP).time_last
    assert not publisher_of(chosen, "999999999").time_last
