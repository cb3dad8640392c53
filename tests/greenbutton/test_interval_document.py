"""The interval document (R1, R2, R12, U9): valid, complete, and saying nothing that it should not."""

import dataclasses
import hmac
import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.interval_csv import IntervalDay
from greenbutton import central, dmd, interval
from greenbutton.errors import DamagedUsageError, DisorderedUsageError, NoReadingsError, UnusablePublisherError
from greenbutton.publisher import Publisher

NAMES = {"a": "http://www.w3.org/2005/Atom", "e": "http://naesb.org/espi"}
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SPRING, AUTUMN, PLAIN = date(2026, 3, 8), date(2026, 11, 1), date(2026, 7, 4)
ESIID, SOLAR = "10443720007574303", "1008901000139050014100"

Days = Callable[..., Any]


def document(days: list[Any], publisher: Publisher, **options: Any) -> bytes:
    return b"".join(interval.render(days, publisher=publisher, updated=NOW, **options))


def tree(days: list[Any], publisher: Publisher, **options: Any) -> Any:
    return etree.fromstring(document(days, publisher, **options))


def texts(root: Any, path: str) -> list[str]:
    return [str(found) for found in root.xpath(f"{path}/text()", namespaces=NAMES)]


def numbers(root: Any, path: str) -> list[int]:
    return [int(found) for found in texts(root, path)]


@pytest.fixture(scope="module")
def mixed(make_day: Days) -> list[Any]:
    """Two usage points; both daylight-saving days; a solar home; estimated, missing and large intervals."""
    holes = "M" * 3 + "E" * 2 + "A" * 86 + "M"
    return [
        make_day(SPRING, statuses=holes),
        make_day(SPRING + timedelta(days=1), wh=[20_000, 9_999, 10_000, 0] * 24),
        make_day(AUTUMN),
        make_day(SPRING, esiid=SOLAR),
        make_day(SPRING, esiid=SOLAR, channel=1, statuses="A" * 40 + "E" * 52),
        make_day(PLAIN, esiid=SOLAR, channel=1),
    ]


@pytest.mark.parametrize("one_block", [False, True])
def test_document_is_valid_against_every_edition_of_the_official_schemas_r2(
    schema: etree.XMLSchema, mixed: list[Any], publisher: Publisher, one_block: bool
) -> None:
    root = tree(mixed, publisher, one_block=one_block)
    assert schema.validate(root), schema.error_log


def test_schemas_refuse_what_is_wrong(schema: etree.XMLSchema, mixed: list[Any], publisher: Publisher) -> None:
    """The check above can fail: start before duration, as in a peer's output, is refused."""
    text = document(mixed, publisher)
    swapped = re.sub(rb"<interval>(<duration>\d+</duration>)(<start>\d+</start>)", rb"<interval>\2\1", text)
    assert swapped != text
    assert not schema.validate(etree.fromstring(swapped))


@pytest.mark.parametrize(
    ("day", "intervals", "seconds"), [(SPRING, 92, 82_800), (AUTUMN, 100, 90_000), (PLAIN, 96, 86_400)]
)
def test_daylight_saving_days_have_their_true_length_r12(
    make_day: Days, publisher: Publisher, day: date, intervals: int, seconds: int
) -> None:
    root = tree([make_day(day)], publisher)
    local_midnight = int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/Chicago")).timestamp())
    assert numbers(root, "//e:interval/e:duration") == [seconds]
    assert numbers(root, "//e:interval/e:start") == [local_midnight]
    assert numbers(root, "//e:timePeriod/e:start") == [local_midnight + 900 * index for index in range(intervals)]
    assert set(numbers(root, "//e:timePeriod/e:duration")) == {900}
    assert numbers(root, "//e:IntervalReading/e:value") == list(range(intervals))


@pytest.mark.parametrize("year", range(2007, 2038))
def test_local_time_parameters_say_what_the_time_zone_database_says_r12(year: int) -> None:
    """Read the rules' bits as espi.xsd describes them and compare with the zone's own changes of the year."""
    zone = ZoneInfo("America/Chicago")

    def change(rule: str) -> datetime:
        bits = int(rule, 16)
        month, operator, on, weekday, hour = (
            bits >> 28,
            bits >> 25 & 7,
            bits >> 20 & 31,
            bits >> 17 & 7,
            bits >> 12 & 31,
        )
        assert (on, bits & 0xFFF) == (0, 0)
        first = date(year, month, 1)
        found = first + timedelta(days=(weekday - first.isoweekday()) % 7 + 7 * (operator - 2))
        return datetime(found.year, found.month, found.day, hour)

    standard, daylight = timedelta(seconds=central.TZ_OFFSET), timedelta(seconds=central.TZ_OFFSET + central.DST_OFFSET)
    second = timedelta(seconds=1)
    for rule, before, after in [
        (central.DST_START_RULE, standard, daylight),
        (central.DST_END_RULE, daylight, standard),
    ]:
        instant = (change(rule) - before).replace(tzinfo=UTC)
        assert (instant - second).astimezone(zone).utcoffset() == before
        assert instant.astimezone(zone).utcoffset() == after
    assert (central.DST_START_RULE, central.DST_END_RULE) == ("360E2000", "B40E2000")


def test_estimated_intervals_carry_quality_8_and_actual_ones_none(make_day: Days, publisher: Publisher) -> None:
    root = tree([make_day(PLAIN, statuses="A" * 10 + "EE" + "A" * 84)], publisher)
    marked = root.xpath("//e:IntervalReading[e:ReadingQuality/e:quality = 8]/e:value/text()", namespaces=NAMES)
    assert marked == ["10", "11"]
    assert len(root.xpath("//e:ReadingQuality", namespaces=NAMES)) == 2
    assert numbers(root, "//e:ReadingType/e:defaultQuality") == [17]


def test_missing_intervals_are_left_out_and_never_zero(make_day: Days, publisher: Publisher) -> None:
    root = tree([make_day(PLAIN, statuses="A" * 5 + "M" * 2 + "A" * 88 + "M")], publisher)
    assert numbers(root, "//e:IntervalReading/e:value") == [*range(5), *range(7, 95)]
    assert numbers(root, "//e:interval/e:duration") == [86_400]


def test_a_value_under_a_missing_status_is_ignored(make_day: Days, publisher: Publisher) -> None:
    root = tree([make_day(PLAIN, wh=[-1] + [7] * 95, statuses="M" + "A" * 95)], publisher)
    assert numbers(root, "//e:IntervalReading/e:value") == [7] * 95


def test_a_block_whose_first_intervals_are_missing_starts_with_its_first_reading_d042(
    make_day: Days, publisher: Publisher
) -> None:
    root = tree([make_day(PLAIN, statuses="M" * 4 + "A" * 92)], publisher)
    assert numbers(root, "//e:interval/e:duration") == [82_800]
    assert numbers(root, "//e:interval/e:start") == [central.midnight(PLAIN) + 3600]


def test_days_series_and_usage_points_without_readings_are_left_out(make_day: Days, publisher: Publisher) -> None:
    root = tree(
        [
            make_day(PLAIN, esiid="1", statuses="M" * 96),
            make_day(PLAIN, esiid="2", statuses="M" * 96),
            make_day(PLAIN + timedelta(days=1), esiid="2"),
            make_day(PLAIN, esiid="2", channel=1, statuses="M" * 96),
        ],
        publisher,
    )
    assert texts(root, "//a:entry[a:content/e:IntervalBlock]/a:title") == ["2026-07-05"]
    assert len(root.xpath("//e:UsagePoint", namespaces=NAMES)) == 1
    assert len(root.xpath("//e:MeterReading", namespaces=NAMES)) == 1


def test_delivered_and_received_energy_are_apart_u9(make_day: Days, publisher: Publisher) -> None:
    root = tree([make_day(PLAIN, wh=[5] * 96), make_day(PLAIN, wh=[3] * 96, channel=1)], publisher)
    totals = {}
    for reading in root.xpath("//a:entry[a:content/e:MeterReading]", namespaces=NAMES):
        related = reading.xpath("a:link[@rel='related']/@href", namespaces=NAMES)
        same = "[a:link[@rel='{}'][@href='{}']]"
        (flow,) = numbers(root, f"//a:entry{same.format('self', related[1])}//e:flowDirection")
        totals[flow] = sum(numbers(root, f"//a:entry{same.format('up', related[0])}//e:value"))
    assert totals == {1: 480, 19: 288}
    assert len(root.xpath("//e:UsagePoint", namespaces=NAMES)) == 1


def test_channels_may_alternate_day_by_day(make_day: Days, publisher: Publisher) -> None:
    days = [make_day(PLAIN + timedelta(days=n), channel=channel) for n in range(3) for channel in (4, 1)]
    assert document(days, publisher) == document(sorted(days, key=lambda day: -day.channel), publisher)


def test_one_block_option_gives_one_block_a_series(make_day: Days, publisher: Publisher) -> None:
    days = [make_day(SPRING + timedelta(days=n)) for n in range(-1, 2)]
    root = tree(days, publisher, one_block=True)
    assert numbers(root, "//e:interval/e:duration") == [86_400 + 82_800 + 86_400]
    assert numbers(root, "//e:IntervalReading/e:value") == [*range(96), *range(92), *range(96)]
    assert texts(root, "//a:entry[a:content/e:IntervalBlock]/a:title") == ["2026-03-07--2026-03-09"]


def test_the_days_of_the_interval_csv_can_be_handed_over_unchanged(make_day: Days, publisher: Publisher) -> None:
    day = make_day(SPRING, statuses="E" * 92)
    same = IntervalDay(day.esiid, day.channel, day.day, day.revised, day.values, day.statuses)
    assert b"".join(interval.render([same], publisher=publisher, updated=NOW)) == document([day], publisher)


def test_equal_input_gives_equal_bytes(mixed: list[Any], publisher: Publisher) -> None:
    assert document(mixed, publisher) == document(mixed, publisher)


def test_ids_are_the_same_in_every_download_whatever_else_is_in_it_fdftp001(
    make_day: Days, mixed: list[Any], publisher: Publisher
) -> None:
    def ids(root: Any) -> dict[str, str]:
        addresses = root.xpath("//a:entry/a:link[@rel='self']/@href", namespaces=NAMES)
        return dict(zip(texts(root, "//a:entry/a:id"), addresses, strict=True))

    alone = ids(tree([make_day(SPRING, esiid=SOLAR, wh=[1] * 92)], publisher))
    assert alone.items() <= ids(tree(mixed, publisher)).items()
    elsewhere = Publisher("https://other.example.net/gb", publisher.namespace_secret, "another")
    assert set(ids(tree(mixed, elsewhere))) == set(ids(tree(mixed, publisher)))


def test_ids_are_unique_and_lower_case_uuids(mixed: list[Any], publisher: Publisher) -> None:
    root = tree(mixed, publisher)
    ids = texts(root, "//a:id")
    assert len(set(ids)) == len(ids) == 1 + 1 + 2 + 3 + 2 + 6
    assert all(
        re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", i) for i in ids
    )


@given(secret=st.binary(min_size=16, max_size=64), path=st.text(max_size=40))
def test_ids_are_uuids_of_version_5_as_the_standard_library_makes_them(secret: bytes, path: str) -> None:
    publisher = Publisher("https://hub", secret)
    namespace = uuid.UUID(bytes=hmac.digest(secret, b"Namespace\0", "sha256")[:16])
    assert publisher.urn(path) == uuid.uuid5(namespace, path).urn


def test_nothing_tells_the_esi_id_gb007(mixed: list[Any], publisher: Publisher) -> None:
    text = document(mixed, publisher).decode()
    for esiid in (ESIID, SOLAR):
        assert esiid not in text
        assert esiid[-7:] not in text
    assert publisher.subscription not in text


def test_another_secret_gives_other_ids_throughout(mixed: list[Any], publisher: Publisher) -> None:
    other = Publisher(publisher.base_url, b"another secret of the same kind", publisher.subscription)
    assert not set(texts(tree(mixed, publisher), "//a:id")) & set(texts(tree(mixed, other), "//a:id"))


def test_the_manifest_can_be_told_which_usage_point_is_which(make_day: Days, publisher: Publisher) -> None:
    root = tree([make_day(PLAIN)], publisher)
    assert texts(root, "//a:entry[a:content/e:UsagePoint]/a:id") == [publisher.usage_point_urn(ESIID)]


def test_a_block_is_as_new_as_its_day(make_day: Days, publisher: Publisher) -> None:
    loaded = datetime(2026, 7, 5, 7, 30, 59, tzinfo=ZoneInfo("America/Chicago"))
    root = tree([make_day(PLAIN, revised=loaded)], publisher)
    assert texts(root, "//a:entry[a:content/e:IntervalBlock]/a:updated") == ["2026-07-05T12:30:59Z"]
    assert texts(root, "/a:feed/a:updated") == ["2026-11-20T15:00:00Z"]


def test_entries_come_in_the_order_that_streaming_readers_want(mixed: list[Any], publisher: Publisher) -> None:
    order = [etree.QName(content[0]).localname for content in tree(mixed, publisher).iter(f"{{{NAMES['a']}}}content")]
    assert order == [
        *("LocalTimeParameters", "UsagePoint", "MeterReading", "ReadingType"),
        *["IntervalBlock"] * 3,
        *("UsagePoint", "MeterReading", "MeterReading", "ReadingType"),
        *["IntervalBlock"] * 3,
    ]


def test_r2_readers_that_go_by_position_have_local_time_last(mixed: list[Any], publisher: Publisher) -> None:
    last = dataclasses.replace(publisher, time_last=True)

    def kinds(root: Any) -> list[str]:
        return [etree.QName(content[0]).localname for content in root.iter(f"{{{NAMES['a']}}}content")]

    usual, other = tree(mixed, publisher), tree(mixed, last)
    assert kinds(other)[:4] == ["UsagePoint", "MeterReading", "ReadingType", "IntervalBlock"]
    assert kinds(other) == [*kinds(usual)[1:], "LocalTimeParameters"]
    entries = [etree.tostring(entry) for entry in other.findall("a:entry", NAMES)]
    assert sorted(entries) == sorted(etree.tostring(entry) for entry in usual.findall("a:entry", NAMES))
    assert {found.rule for found in dmd.check(document(mixed, last))} == {
        found.rule for found in dmd.check(document(mixed, publisher))
    }


def test_layout_that_real_readers_need(mixed: list[Any], publisher: Publisher) -> None:
    """No prefixes; links self, up, related, each with a type; numeric ids of meter readings; currency (facts 5.3)."""
    text = document(mixed, publisher)
    assert not re.search(rb"</?[A-Za-z]+:|xmlns:", text)
    root = etree.fromstring(text)
    for entry in root.iter(f"{{{NAMES['a']}}}entry"):
        links = entry.findall("a:link", NAMES)
        assert [link.get("rel") for link in links] == ["self", "up"] + ["related"] * (len(links) - 2)
        assert all(link.get("type") for link in links)
    selves = root.xpath("//a:entry[a:content/e:MeterReading]/a:link[@rel='self']/@href", namespaces=NAMES)
    assert {address.rpartition("/")[2] for address in selves} == {"1", "2"}
    assert set(numbers(root, "//e:ReadingType/e:currency")) == {840}


def test_large_documents_come_in_chunks(make_day: Days, publisher: Publisher) -> None:
    days = [make_day(date(2026, 1, 1) + timedelta(days=n), wh=None) for n in range(66)]
    chunks = list(interval.render(days, publisher=publisher, updated=NOW))
    assert len(chunks) > 1
    assert max(map(len, chunks)) < 1_000_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wh": [1] * 95}, "380 bytes of values; 96 intervals of 4 bytes"),
        ({"wh": [1] * 95 + [-1]}, "a negative value"),
        ({"wh": [-1] * 96}, "a negative value"),
        ({"statuses": "A" * 95}, "statuses are not 96 letters"),
        ({"statuses": "M" * 95}, "statuses are not 96 letters"),
        ({"statuses": "A" * 95 + "X"}, "statuses are not 96 letters"),
        ({"channel": 2}, "channel 2"),
        ({"revised": datetime(2026, 7, 5)}, "without a time zone"),
    ],
)
def test_a_damaged_day_is_named_without_its_whole_esi_id(
    make_day: Days, publisher: Publisher, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(DamagedUsageError, match=words) as caught:
        document([make_day(PLAIN, **change)], publisher)
    assert ESIID not in str(caught.value)
    assert caught.value.code == "GREEN_BUTTON_DAMAGED_USAGE"


@pytest.mark.parametrize("second", [PLAIN, PLAIN - timedelta(days=1)])
def test_days_out_of_order_or_twice_are_refused_d146(make_day: Days, publisher: Publisher, second: date) -> None:
    with pytest.raises(DisorderedUsageError, match="comes after 2026-07-04"):
        document([make_day(PLAIN), make_day(second)], publisher)


def test_a_usage_point_that_comes_back_is_refused_d014(make_day: Days, publisher: Publisher) -> None:
    days = [make_day(PLAIN, esiid=esiid) for esiid in ("1", "2", "1")]
    with pytest.raises(DisorderedUsageError, match="not together"):
        document(days, publisher)


def test_a_document_without_readings_is_refused(make_day: Days, publisher: Publisher) -> None:
    for days in ([], [make_day(PLAIN, statuses="M" * 96)]):
        with pytest.raises(NoReadingsError):
            next(interval.render(days, publisher=publisher, updated=NOW))


@pytest.mark.parametrize(
    "address",
    [
        "hub.example.org",
        "ftp://hub",
        "https://hub/",
        "https://hub/a b",
        'https://hub/"',
        "https://hub/<",
        "https://hub\n",
    ],
)
def test_an_address_that_could_break_the_document_is_refused(address: str) -> None:
    with pytest.raises(UnusablePublisherError):
        Publisher(address, b"x" * 16)


def test_a_short_secret_is_refused_and_no_secret_is_shown() -> None:
    with pytest.raises(UnusablePublisherError, match="15 bytes"):
        Publisher("https://hub", b"x" * 15)
    assert "xxx" not in repr(Publisher("https://hub", b"x" * 16))


@st.composite
def some_usage(draw: st.DrawFn) -> list[tuple[date, int, list[int], str]]:
    """Days of one usage point: any date, both channels, any values, any statuses."""
    found = []
    for day in sorted(
        draw(st.sets(st.dates(date(2008, 1, 1), date(2037, 12, 30)) | st.sampled_from([SPRING, AUTUMN]), max_size=4))
    ):
        for channel in draw(st.sets(st.sampled_from([4, 1]), min_size=1)):
            count = (central.next_midnight(day) - central.midnight(day)) // 900
            high = draw(st.sampled_from([9, 9_999, 10_001, 2**31 - 1]))
            seed = draw(st.integers(0, 2**32 - 1))
            wh = np.random.default_rng(seed).integers(0, high, count, endpoint=True).tolist()
            letters = draw(st.sampled_from(["A", "AE", "AM", "AEM", "M"]))
            found.append((day, channel, wh, "".join(np.random.default_rng(seed).choice(list(letters), count))))
    return found


@settings(max_examples=40, deadline=None)
@given(usage=some_usage(), one_block=st.booleans())
def test_what_is_read_back_is_what_went_in(
    make_day: Days, publisher: Publisher, usage: list[tuple[date, int, list[int], str]], one_block: bool
) -> None:
    """Property: every interval that is not missing, its instant, its value and its quality; nothing else."""
    days = [make_day(day, wh, statuses, channel=channel) for day, channel, wh, statuses in usage]
    expected = {
        (channel, central.midnight(day) + 900 * index): (value, letter)
        for day, channel, wh, statuses in usage
        for index, (value, letter) in enumerate(zip(wh, statuses, strict=True))
        if letter != "M"
    }
    if not expected:
        with pytest.raises(NoReadingsError):
            document(days, publisher, one_block=one_block)
        return
    read = {}
    for entry in tree(days, publisher, one_block=one_block).xpath("//a:entry[.//e:IntervalBlock]", namespaces=NAMES):
        (up,) = entry.xpath("a:link[@rel='up']/@href", namespaces=NAMES)
        channel = {"1": 4, "2": 1}[up.split("/")[-2]]
        for reading in entry.iter(f"{{{NAMES['e']}}}IntervalReading"):
            start = int(reading.findtext("e:timePeriod/e:start", namespaces=NAMES))
            quality = reading.findtext("e:ReadingQuality/e:quality", namespaces=NAMES)
            assert (channel, start) not in read
            read[channel, start] = (int(reading.findtext("e:value", namespaces=NAMES)), {None: "A", "8": "E"}[quality])
    assert read == expected
