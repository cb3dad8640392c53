"""Daily and monthly energy and usage summaries (R1, R2, R12, U10)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from greenbutton import document, totals
from greenbutton.errors import DamagedUsageError, DisorderedUsageError, NoReadingsError
from greenbutton.publisher import Publisher

NAMES = {"a": "http://www.w3.org/2005/Atom", "e": "http://naesb.org/espi"}
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def tree(publisher: Publisher, *series: document.Series, summaries: Any = ()) -> Any:
    point = document.UsagePoint("10443720007574303", series, summaries)
    return etree.fromstring(b"".join(document.render([point], publisher=publisher, updated=NOW)))


def numbers(root: Any, path: str) -> list[int]:
    return [int(found) for found in root.xpath(f"{path}/text()", namespaces=NAMES)]


def daily(first: date, count: int, **change: Any) -> list[totals.Energy]:
    days = [first + timedelta(days=n) for n in range(count)]
    return [totals.Energy(day, day, 1000 + n, NOW, **change) for n, day in enumerate(days)]


@pytest.mark.parametrize(
    ("month", "days", "seconds", "odd"),
    [(date(2026, 3, 1), 31, 2_674_800, 82_800), (date(2026, 11, 1), 30, 2_595_600, 90_000)],
)
def test_daily_energy_of_daylight_saving_months_has_true_durations_r12(
    publisher: Publisher, month: date, days: int, seconds: int, odd: int
) -> None:
    root = tree(publisher, *totals.daily_series(daily(month, days)))
    assert numbers(root, "//e:interval/e:duration") == [seconds]
    lengths = numbers(root, "//e:timePeriod/e:duration")
    assert sorted(set(lengths)) == sorted({86_400, odd})
    assert lengths.count(odd) == 1
    assert numbers(root, "//e:IntervalReading/e:value") == [1000 + n for n in range(days)]
    assert numbers(root, "//e:intervalLength") == [86_400]


def test_daily_energy_has_one_block_a_calendar_month_and_only_what_is_there(publisher: Publisher) -> None:
    reads = [*daily(date(2026, 1, 30), 4), *daily(date(2026, 3, 10), 2)]
    root = tree(publisher, *totals.daily_series(reads))
    titles = root.xpath("//a:entry[a:content/e:IntervalBlock]/a:title/text()", namespaces=NAMES)
    assert titles == ["2026-01", "2026-02", "2026-03"]
    assert numbers(root, "//e:interval/e:duration") == [172_800] * 3


def test_monthly_energy_has_one_block_a_year_and_follows_the_billing_periods(publisher: Publisher) -> None:
    bills = [
        totals.Energy(date(2025, 12, 12), date(2026, 1, 14), 900_000, NOW),
        totals.Energy(date(2026, 1, 15), date(2026, 2, 12), 812_345, NOW, estimated=True),
    ]
    root = tree(publisher, *totals.monthly_series(bills, bills[:1]))
    assert numbers(root, "//e:flowDirection") == [1, 19]
    assert numbers(root, "//e:timePeriod/e:duration") == [34 * 86_400, 29 * 86_400, 34 * 86_400]
    assert numbers(root, "//e:IntervalReading/e:value") == [900_000, 812_345, 900_000]
    assert numbers(root, "//e:IntervalReading/e:ReadingQuality/e:quality") == [8]


def test_usage_summary_tells_energy_period_quality_and_when_billed_and_no_money_u10(publisher: Publisher) -> None:
    bills = [totals.Energy(date(2026, 2, 1), date(2026, 2, 28), 812_345, NOW, estimated=True)]
    root = tree(publisher, summaries=totals.summaries(bills))
    assert numbers(root, "//e:billingPeriod/e:start") == [1_769_925_600]
    assert numbers(root, "//e:billingPeriod/e:duration") == [2_419_200]
    assert numbers(root, "//e:overallConsumptionLastPeriod/e:value") == [812_345]
    assert numbers(root, "//e:qualityOfReading") == [8]
    assert numbers(root, "//e:statusTimeStamp") == [int(NOW.timestamp())]
    assert not root.xpath(
        "//*[contains(local-name(), 'cost') or contains(local-name(), 'bill')][text()]", namespaces=NAMES
    )


def test_two_series_or_summaries_of_one_address_are_refused_d021_d086() -> None:
    reads = daily(date(2026, 2, 1), 2)
    with pytest.raises(DisorderedUsageError, match="two of one kind"):
        document.UsagePoint("1", [*totals.daily_series(reads), *totals.daily_series(reads)])
    with pytest.raises(DisorderedUsageError, match="two of one kind"):
        document.UsagePoint("1", (), totals.summaries(reads) * 2)


def test_a_usage_point_with_nothing_is_left_out(publisher: Publisher) -> None:
    assert totals.daily_series([]) == totals.monthly_series([]) == totals.summaries([]) == []
    with pytest.raises(NoReadingsError):
        tree(publisher)


@pytest.mark.parametrize(
    ("first", "last", "wh"),
    [
        (date(2026, 2, 2), date(2026, 2, 1), 1),
        (date(2026, 2, 1), date(2026, 2, 1), -1),
        (date(2026, 2, 1), date(2026, 2, 1), 2**47),
    ],
)
def test_damaged_energy_is_refused(first: date, last: date, wh: int) -> None:
    with pytest.raises(DamagedUsageError, match=str(first)):
        totals.Energy(first, last, wh, NOW)


def test_a_daily_read_of_two_days_is_refused() -> None:
    with pytest.raises(DamagedUsageError, match="of one day"):
        totals.daily_series([totals.Energy(date(2026, 2, 1), date(2026, 2, 2), 1, NOW)])


@pytest.mark.parametrize("series", [totals.daily_series, totals.monthly_series, totals.summaries])
def test_overlapping_or_descending_periods_are_refused_d145(series: Any) -> None:
    with pytest.raises(DisorderedUsageError, match="comes after"):
        series([*daily(date(2026, 2, 1), 2), *daily(date(2026, 2, 2), 1)])


@settings(max_examples=50, deadline=None)
@given(
    days=st.dictionaries(
        st.dates(date(2008, 1, 1), date(2037, 12, 30)), st.tuples(st.integers(0, 2**47 - 1), st.booleans()), min_size=1
    )
)
def test_what_is_read_back_of_daily_energy_is_what_went_in(
    publisher: Publisher, days: dict[date, tuple[int, bool]]
) -> None:
    energies = [totals.Energy(day, day, wh, NOW, estimated) for day, (wh, estimated) in sorted(days.items())]
    root = tree(publisher, *totals.daily_series(energies))
    found = [
        (
            int(reading.findtext("e:timePeriod/e:start", namespaces=NAMES)),
            int(reading.findtext("e:timePeriod/e:duration", namespaces=NAMES)),
            int(reading.findtext("e:value", namespaces=NAMES)),
            reading.find("e:ReadingQuality", NAMES) is not None,
        )
        for reading in root.iter("{http://naesb.org/espi}IntervalReading")
    ]
    assert found == [(energy.start, energy.duration, energy.wh, energy.estimated) for energy in energies]
