"""Every data rule of FB_01, 04, 05, 08 and 15: our documents keep it, and a planted violation is found under its id.

The ids are those of the Download My Data test suite; `greenbutton.dmd.RULES` says each in words.
"""

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from greenbutton import dmd, document, interval, totals
from greenbutton.errors import UnreadableDocumentError
from greenbutton.publisher import Publisher

ATOM, ESPI = "{http://www.w3.org/2005/Atom}", "{http://naesb.org/espi}"
ALL = {"FB_01", "FB_02", "FB_04", "FB_05", "FB_08", "FB_15"}
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SPRING = date(2026, 3, 8)

Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def everything(make_day: Callable[..., Any], publisher: Publisher) -> bytes:
    """A feed with all that this hub publishes: two usage points, both flows, intervals, daily, monthly, summaries."""
    days = [make_day(SPRING, channel=channel) for channel in (4, 1)]
    reads = [totals.Energy(SPRING + timedelta(days=n), SPRING + timedelta(days=n), 1000, NOW) for n in range(3)]
    bills = [
        totals.Energy(date(2026, 1, 15), date(2026, 2, 12), 812_345, NOW),
        totals.Energy(date(2026, 2, 13), date(2026, 3, 16), 700_001, NOW, estimated=True),
    ]
    points = [
        document.UsagePoint(
            esiid,
            [*interval.series(days), *totals.daily_series(reads, reads), *totals.monthly_series(bills)],
            totals.summaries(bills),
        )
        for esiid in ("10443720007574303", "1008901000139050014100")
    ]
    return b"".join(document.render(points, publisher=publisher, updated=NOW))


def entries(feed: Any, resource: str) -> list[Any]:
    return [entry for entry in feed.iter(f"{ATOM}entry") if entry.find(f"{ATOM}content/{ESPI}{resource}") is not None]


def link(entry: Any, rel: str, kind: str = "") -> Any:
    return next(found for found in entry.iter(f"{ATOM}link") if found.get("rel") == rel and kind in found.get("type"))


def drop(element: Any) -> None:
    element.getparent().remove(element)


def without_part(resource: str, part: str) -> Change:
    return lambda feed: drop(entries(feed, resource)[0].find(f"{ATOM}{part}"))


def without_link(resource: str, rel: str) -> Change:
    def change(feed: Any) -> None:
        entry = entries(feed, resource)[0]
        for found in entry.findall(f"{ATOM}link"):
            if found.get("rel") == rel:
                drop(found)

    return change


def without_value(resource: str, path: str) -> Change:
    names = "/".join(f"{ESPI}{name}" for name in path.split("/"))

    def change(feed: Any) -> None:
        content = entries(feed, resource)[0].find(f"{ATOM}content/{ESPI}{resource}")
        for found in content.findall(names):
            drop(found)

    return change


def with_value(resource: str, path: str, text: str) -> Change:
    names = "/".join(f"{ESPI}{name}" for name in path.split("/"))

    def change(feed: Any) -> None:
        for entry in entries(feed, resource):
            for found in entry.findall(f"{ATOM}content/{ESPI}{resource}/{names}"):
                found.text = text

    return change


def without_feed_part(part: str) -> Change:
    return lambda feed: drop(feed.find(f"{ATOM}{part}"))


def without_any(resource: str) -> Change:
    def change(feed: Any) -> None:
        for entry in entries(feed, resource):
            drop(entry)

    return change


def twice(resource: str) -> Change:
    return lambda feed: feed.append(copy.deepcopy(entries(feed, resource)[0]))


def other_link(resource: str, rel: str, kind: str = "") -> Change:
    return lambda feed: link(entries(feed, resource)[0], rel, kind).set("href", "https://hub.example.org/elsewhere")


def other_root(feed: Any) -> None:
    feed.tag = f"{ATOM}entry"


def same_id(feed: Any) -> None:
    first, second = entries(feed, "IntervalBlock")[:2]
    second.find(f"{ATOM}id").text = first.findtext(f"{ATOM}id")


def offset_in_date(feed: Any) -> None:
    entries(feed, "IntervalBlock")[0].find(f"{ATOM}updated").text = "2026-11-20T09:00:00-06:00"


def second_time_zone(feed: Any) -> None:
    extra = copy.deepcopy(entries(feed, "LocalTimeParameters")[0])
    link(extra, "self").set("href", "https://hub.example.org/zone/2")
    feed.append(extra)
    point = entries(feed, "UsagePoint")[0]
    related = copy.deepcopy(link(point, "related", "LocalTimeParameters"))
    related.set("href", "https://hub.example.org/zone/2")
    link(point, "related", "LocalTimeParameters").addnext(related)


def meter_reading_in_two_usage_points(feed: Any) -> None:
    first, second = entries(feed, "UsagePoint")
    link(second, "related", "MeterReading").set("href", link(first, "related", "MeterReading").get("href"))


def two_reading_types(feed: Any) -> None:
    reading = entries(feed, "MeterReading")[0]
    related = copy.deepcopy(link(reading, "related", "ReadingType"))
    related.set("href", link(entries(feed, "ReadingType")[1], "self").get("href"))
    link(reading, "related", "ReadingType").addnext(related)


def same_reading_type_twice(feed: Any) -> None:
    related = link(entries(feed, "MeterReading")[0], "related", "ReadingType")
    related.addnext(copy.deepcopy(related))


def block_under_two_meter_readings(feed: Any) -> None:
    first, second = entries(feed, "MeterReading")[:2]
    link(second, "related", "IntervalBlock").set("href", link(first, "related", "IntervalBlock").get("href"))


def blocks_of_first_meter_reading_gone(feed: Any) -> None:
    address = link(entries(feed, "MeterReading")[0], "related", "IntervalBlock").get("href")
    for entry in entries(feed, "IntervalBlock"):
        if link(entry, "up").get("href") == address:
            drop(entry)


def meter_reading_outside_content(feed: Any) -> None:
    content = entries(feed, "MeterReading")[0].find(f"{ATOM}content")
    content.tag = f"{ATOM}summary"


def same_reading_start_twice(feed: Any) -> None:
    starts = list(entries(feed, "IntervalBlock")[0].iter(f"{ESPI}timePeriod"))
    starts[1].find(f"{ESPI}start").text = starts[0].findtext(f"{ESPI}start")


def same_block_start_twice(feed: Any) -> None:
    extra = copy.deepcopy(entries(feed, "IntervalBlock")[0])
    extra.find(f"{ATOM}id").text = "urn:uuid:00000000-0000-5000-8000-000000000000"
    link(extra, "self").set("href", "https://hub.example.org/block")
    feed.append(extra)


def summary_of_two_usage_points(feed: Any) -> None:
    first, second = entries(feed, "UsagePoint")
    link(second, "related", "UsageSummary").set("href", link(first, "related", "UsageSummary").get("href"))


def current_period_without(part: str) -> Change:
    def change(feed: Any) -> None:
        summary = entries(feed, "UsageSummary")[0].find(f"{ATOM}content/{ESPI}UsageSummary")
        current = etree.Element(f"{ESPI}currentBillingPeriodOverAllConsumption")
        for name, text in {"powerOfTenMultiplier": "0", "timeStamp": "1772949600", "uom": "72", "value": "1"}.items():
            if name != part:
                etree.SubElement(current, f"{ESPI}{name}").text = text
        summary.find(f"{ESPI}overallConsumptionLastPeriod").addnext(current)

    return change


def entry_rules(resource: str, ids: str) -> list[tuple[str, Change]]:
    """The seven rules on the Atom side of an entry: id, title, self, up, published, updated, self unique."""
    changes = [
        without_part(resource, "id"),
        without_part(resource, "title"),
        without_link(resource, "self"),
        without_link(resource, "up"),
        without_part(resource, "published"),
        without_part(resource, "updated"),
        twice(resource),
    ]
    return list(zip(ids.split(), changes, strict=True))


PLANTED: list[tuple[str, Change]] = [
    ("D000", other_root),
    ("D001", without_feed_part("id")),
    ("D002", without_feed_part("title")),
    ("D003", without_feed_part("updated")),
    ("D004", same_id),
    ("D136", without_any("LocalTimeParameters")),
    ("D006", without_any("UsagePoint")),
    *entry_rules("LocalTimeParameters", "D138 D137 D139 D140 D141 D142 D143"),
    *entry_rules("UsagePoint", "D011 D012 D013 D015 D009 D010 D014"),
    ("D008", without_value("UsagePoint", "ServiceCategory/kind")),
    ("D008", with_value("UsagePoint", "ServiceCategory/kind", "")),
    ("D016", without_link("UsagePoint", "related")),
    ("D007", other_link("UsagePoint", "related", "LocalTimeParameters")),
    ("D007", second_time_zone),
    ("D135", other_link("LocalTimeParameters", "self")),
    ("FDFTP008", offset_in_date),
    ("D027", without_any("MeterReading")),
    ("D032", without_any("IntervalBlock")),
    ("D049", without_any("ReadingType")),
    *entry_rules("MeterReading", "D018 D019 D020 D022 D029 D030 D021"),
    *entry_rules("ReadingType", "D048 D050 D051 D053 D069 D070 D052"),
    *entry_rules("IntervalBlock", "D031 D033 D034 D036 D040 D041 D035"),
    ("D028", meter_reading_outside_content),
    ("D023", other_link("MeterReading", "up")),
    ("D023", meter_reading_in_two_usage_points),
    ("D024", other_link("MeterReading", "related", "ReadingType")),
    ("D024", two_reading_types),
    ("D054", same_reading_type_twice),
    ("D054", other_link("MeterReading", "related", "ReadingType")),
    ("D025", other_link("MeterReading", "related", "IntervalBlock")),
    ("D026", blocks_of_first_meter_reading_gone),
    ("D037", other_link("IntervalBlock", "up")),
    ("D037", block_under_two_meter_readings),
    ("D038", without_value("IntervalBlock", "interval/duration")),
    ("D038", without_value("IntervalBlock", "interval")),
    ("D039", without_value("IntervalBlock", "interval/start")),
    ("D042", with_value("IntervalBlock", "interval/start", "1772949601")),
    ("D044", without_value("IntervalBlock", "IntervalReading/timePeriod")),
    ("D044", without_value("IntervalBlock", "IntervalReading")),
    ("D045", without_value("IntervalBlock", "IntervalReading/timePeriod")),
    ("D046", without_value("IntervalBlock", "IntervalReading/value")),
    ("D062", without_value("ReadingType", "intervalLength")),
    ("D063", without_value("ReadingType", "kind")),
    ("D065", without_value("ReadingType", "powerOfTenMultiplier")),
    ("D068", without_value("ReadingType", "uom")),
    ("D145", same_reading_start_twice),
    ("D146", same_block_start_twice),
    ("D064", without_value("ReadingType", "phase")),
    ("D078", with_value("ReadingType", "uom", "71")),
    ("D078", with_value("ReadingType", "flowDirection", "19")),
    ("D078", with_value("UsagePoint", "ServiceCategory/kind", "1")),
    ("D076", with_value("ReadingType", "flowDirection", "1")),
    ("D076", with_value("ReadingType", "accumulationBehaviour", "1")),
    ("D083", without_any("UsageSummary")),
    *entry_rules("UsageSummary", "D082 D084 D085 D087 D101 D102 D086"),
    ("D088", other_link("UsageSummary", "up")),
    ("D088", summary_of_two_usage_points),
    ("D089", without_value("UsageSummary", "billingPeriod/duration")),
    ("D090", without_value("UsageSummary", "billingPeriod/start")),
    ("D081", without_value("UsageSummary", "overallConsumptionLastPeriod")),
    ("D099", without_value("UsageSummary", "qualityOfReading")),
    ("D100", without_value("UsageSummary", "statusTimeStamp")),
    ("D095", current_period_without("powerOfTenMultiplier")),
    ("D096", current_period_without("timeStamp")),
    ("D097", current_period_without("uom")),
    ("D098", current_period_without("value")),
]


def test_our_document_keeps_every_rule(everything: bytes) -> None:
    assert dmd.check(everything, claimed=ALL) == []


def test_our_document_with_all_series_is_valid(schema: etree.XMLSchema, everything: bytes) -> None:
    assert schema.validate(etree.fromstring(everything)), schema.error_log


@pytest.mark.parametrize("one_block", [False, True])
def test_an_interval_document_alone_keeps_the_rules_that_it_claims(
    make_day: Callable[..., Any], publisher: Publisher, one_block: bool
) -> None:
    holes = "M" * 7 + "A" * 80 + "M" * 5
    days = [make_day(SPRING, statuses=holes), make_day(SPRING + timedelta(days=1))]
    text = b"".join(interval.render(days, publisher=publisher, updated=NOW, one_block=one_block))
    assert dmd.check(text) == []
    assert {found.rule for found in dmd.check(text, claimed=ALL)} == {"D076", "D083"}


@pytest.mark.parametrize(("rule", "plant"), PLANTED, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(PLANTED)])
def test_a_planted_violation_is_found_under_its_id(everything: bytes, rule: str, plant: Change) -> None:
    feed = etree.fromstring(everything)
    plant(feed)
    assert rule in {found.rule for found in dmd.check(etree.tostring(feed), claimed=ALL)}


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _ in PLANTED} == set(dmd.RULES)


def test_only_claimed_function_blocks_are_held_against_a_document(everything: bytes) -> None:
    feed = etree.fromstring(everything)
    without_any("UsageSummary")(feed)
    assert dmd.check(etree.tostring(feed), claimed=ALL - {"FB_15"}) == []


@pytest.mark.parametrize(
    ("sample", "rules"),
    [
        ("sdk_15minLP_15Days.xml", set()),
        ("sdk_1dayLP_365Days.xml", set()),
        ("openespi_test_usage_data.xml", set()),
        ("gba_TestGBDataOneYearDailyBinnedMonthly.xml", set()),
        ("sdk_BatchFeedThreeUsagePoints_M.xml", {"D136", "D007", "D062"}),
        ("sce_bulk_verdigris.xml", {"D021", "D024", "D035", "D052", "D054"}),
    ],
)
def test_published_samples_pass_and_fail_as_the_published_rules_say(espi: Any, sample: str, rules: set[str]) -> None:
    found = {finding.rule for finding in dmd.check((espi / "samples" / sample).read_bytes())}
    assert rules <= found if rules else not found


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<feed",
        b'<!DOCTYPE feed><feed xmlns="http://www.w3.org/2005/Atom"/>',
        b'<!DOCTYPE feed [<!ENTITY a "b">]><feed xmlns="http://www.w3.org/2005/Atom">&a;</feed>',
        b'<!DOCTYPE feed SYSTEM "file:///etc/passwd"><feed xmlns="http://www.w3.org/2005/Atom"/>',
        b"<a>" * 300 + b"</a>" * 300,
    ],
)
def test_hostile_or_broken_documents_are_refused(text: bytes) -> None:
    with pytest.raises(UnreadableDocumentError):
        dmd.check(text)
