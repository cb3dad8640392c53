"""Interval CSV in both profiles (R2, R12, U9; facts 4.1 and 4.3)."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.central_day import intervals_in
from adapters.interval_csv import DamagedDayError, IntervalDay, Profile, header, render

SPRING, AUTUMN, SUMMER, WINTER = date(2026, 3, 8), date(2025, 11, 2), date(2026, 7, 4), date(2026, 1, 5)
LOADED = datetime(2026, 5, 7, 12, 40, 29, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def day_of(
    day: date,
    values: list[int] | None = None,
    statuses: bytes | None = None,
    *,
    channel: int = 4,
    esiid: str = "10443720007574303",
) -> IntervalDay:
    count = intervals_in(day)
    wh = np.array(values if values is not None else range(count), "<i4")
    return IntervalDay(esiid, channel, day, LOADED, wh.tobytes(), statuses)


def text(days: list[IntervalDay], profile: Profile) -> str:
    return b"".join(render(days, profile)).decode("ascii")


def plain_lines(stored: IntervalDay, profile: Profile) -> Iterator[str]:
    """The same lines, written the slow and obvious way: the second opinion."""
    central = ZoneInfo("America/Chicago")
    first = datetime(stored.day.year, stored.day.month, stored.day.day, tzinfo=central).astimezone(UTC)
    values = np.frombuffer(stored.values, "<i4").tolist()
    letters = (stored.statuses or b"A" * len(values)).decode()
    revised = stored.revised.astimezone(central).strftime("%m/%d/%Y %H:%M:%S")
    word = {4: "Consumption", 1: "Surplus Generation"}[stored.channel]
    rows = []
    for index, (wh, letter) in enumerate(zip(values, letters, strict=True)):
        start, end = first + index * QUARTER, first + (index + 1) * QUARTER
        kwh, flag = ("", "") if letter == "M" else (f"{Decimal(wh) / 1000:.3f}", letter)
        rows.append(
            (start.astimezone(central).strftime("%H:%M"), end.astimezone(central).strftime("%H:%M"), kwh, flag, start)
        )
    for index, (begin, finish, kwh, flag, instant) in enumerate(rows):
        if profile == "standard":
            lead = f"{stored.esiid},{stored.day:%m/%d/%Y},{revised}"
            yield f"{lead},{begin},{finish},{kwh},{flag},{word},{instant:%Y-%m-%dT%H:%M:%SZ}"
            continue
        shown_begin = "02:00" if len(rows) == 100 and index == 8 else begin
        shown_end = "02:00" if len(rows) in (92, 100) and index == 7 else finish
        lead = f"'{stored.esiid},{stored.day:%m/%d/%Y},{revised}"
        yield f"{lead}, {shown_begin}, {shown_end},{kwh},{flag},{word}"
        if len(rows) == 92 and index == 7:
            for gap in ("02:00, 02:15", "02:15, 02:30", "02:30, 02:45", "02:45, 03:00"):
                yield f"{lead}, {gap},,,{word}"


def test_the_headers_are_the_published_ones() -> None:
    columns = (
        b"ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,"
        b"CONSUMPTION_SURPLUSGENERATION"
    )
    assert header("smt") == columns + b"\n"
    assert header("standard") == columns + b",INTERVAL_START_UTC\n"


def test_the_smt_profile_writes_the_rows_that_smt_emits() -> None:
    days = [day_of(date(2026, 5, 6), [859, 151] + [0] * 94, esiid="1234567890")]
    assert text(days, "smt").splitlines()[:2] == [
        "'1234567890,05/06/2026,05/07/2026 07:40:29, 00:00, 00:15,0.859,A,Consumption",
        "'1234567890,05/06/2026,05/07/2026 07:40:29, 00:15, 00:30,0.151,A,Consumption",
    ]
    assert text(days, "smt").splitlines()[-1].split(",")[3:5] == [" 23:45", " 00:00"]


def test_the_standard_profile_adds_the_utc_start_and_pads_nothing() -> None:
    lines = text([day_of(SUMMER, channel=1)], "standard").splitlines()
    assert lines[0].startswith("10443720007574303,07/04/2026,05/07/2026 07:40:29,00:00,00:15,0.000,A,")
    assert lines[0].endswith(",Surplus Generation,2026-07-04T05:00:00Z")
    assert lines[95].endswith(",23:45,00:00,0.095,A,Surplus Generation,2026-07-05T04:45:00Z")


def test_r12_spring_day_smt_has_96_rows_with_four_empty_ones() -> None:
    rows = [line.split(",") for line in text([day_of(SPRING)], "smt").splitlines()]
    assert len(rows) == 96
    assert [row[3:7] for row in rows[7:13]] == [
        [" 01:45", " 02:00", "0.007", "A"],
        [" 02:00", " 02:15", "", ""],
        [" 02:15", " 02:30", "", ""],
        [" 02:30", " 02:45", "", ""],
        [" 02:45", " 03:00", "", ""],
        [" 03:00", " 03:15", "0.008", "A"],
    ]


def test_r12_autumn_day_smt_has_100_rows_with_the_odd_label() -> None:
    rows = [line.split(",") for line in text([day_of(AUTUMN)], "smt").splitlines()]
    assert len(rows) == 100
    assert [(row[3].strip(), row[4].strip()) for row in rows[7:13]] == [
        ("01:45", "02:00"),
        ("02:00", "01:15"),
        ("01:15", "01:30"),
        ("01:30", "01:45"),
        ("01:45", "02:00"),
        ("02:00", "02:15"),
    ]
    assert [row[5] for row in rows] == [f"0.{index:03}" for index in range(100)]


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (AUTUMN, 100), (SUMMER, 96), (WINTER, 96)])
def test_r12_standard_has_one_row_an_interval_and_every_instant_once(day: date, count: int) -> None:
    instants = [line.rsplit(",", 1)[1] for line in text([day_of(day)], "standard").splitlines()]
    assert len(instants) == len(set(instants)) == count
    assert instants == sorted(instants)


@pytest.mark.parametrize("profile", ["smt", "standard"])
def test_u5_a_missing_interval_keeps_its_row_and_is_never_a_zero(profile: Profile) -> None:
    statuses = b"A" * 3 + b"M" + b"E" + b"A" * 91
    rows = [line.split(",") for line in text([day_of(SUMMER, [5] * 96, statuses)], profile).splitlines()]
    assert [row[5:7] for row in rows[2:6]] == [["0.005", "A"], ["", ""], ["0.005", "E"], ["0.005", "A"]]


@pytest.mark.parametrize(
    ("wh", "kwh"),
    [
        (0, "0.000"),
        (9_999, "9.999"),
        (10_000, "10.000"),
        (12_345_678, "12345.678"),
        (10_000_000, "10000.000"),
        (2**31 - 1, "2147483.647"),
    ],
)
def test_kwh_has_three_exact_decimals_at_every_size(wh: int, kwh: str) -> None:
    rows = text([day_of(SUMMER, [wh] + [7] * 95)], "standard").splitlines()
    assert rows[0].split(",")[5] == kwh
    assert rows[1].split(",")[5] == "0.007"


@st.composite
def stored_days(draw: st.DrawFn) -> IntervalDay:
    day = draw(
        st.one_of(st.sampled_from([SPRING, AUTUMN, SUMMER, WINTER]), st.dates(date(2009, 1, 1), date(2030, 1, 1)))
    )
    seeded = random.Random(draw(st.integers(0, 2**32)))
    top = draw(st.sampled_from([9, 9_999, 10_000, 99_999, 2**31 - 1]))
    count = intervals_in(day)
    letters = draw(st.sampled_from(["A", "AE", "AM", "AEM", "M"]))
    statuses = None if letters == "A" else "".join(seeded.choices(letters, k=count)).encode()
    return IntervalDay(
        draw(st.sampled_from(["1234567890", "10443720007574303", "1008901023901266050117"])),
        draw(st.sampled_from([1, 4])),
        day,
        draw(st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))).replace(microsecond=0),
        np.array([seeded.randint(0, top) for _ in range(count)], "<i4").tobytes(),
        statuses,
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(stored_days(), max_size=6), st.sampled_from(["smt", "standard"]))
def test_any_days_in_any_order_come_out_as_the_plain_renderer_writes_them(
    days: list[IntervalDay], profile: Profile
) -> None:
    expected = "".join(f"{line}\n" for day in days for line in plain_lines(day, profile))
    assert text(days, profile) == expected


def test_days_stay_in_order_across_batches_and_mixed_channels() -> None:
    days = [
        day_of(
            date(2026, 2, 1) + timedelta(days=n // 2),
            [n] * intervals_in(date(2026, 2, 1) + timedelta(days=n // 2)),
            channel=(4, 1)[n % 2],
        )
        for n in range(150)
    ]
    for profile in ("smt", "standard"):
        assert text(days, profile) == "".join(f"{line}\n" for day in days for line in plain_lines(day, profile))


def test_no_days_give_no_lines() -> None:
    assert list(render([], "smt")) == []


@pytest.mark.parametrize(
    ("damaged", "what"),
    [
        (IntervalDay("1", 4, SPRING, LOADED, bytes(96 * 4), None), "92 intervals"),
        (IntervalDay("1", 4, SUMMER, LOADED, b"\xff" * 384, None), "negative"),
        (IntervalDay("1", 4, SUMMER, LOADED, bytes(384), b"A" * 95 + b"Z"), "letters"),
        (IntervalDay("1", 4, SUMMER, LOADED, bytes(384), b"A" * 95), "letters"),
        (IntervalDay("1", 2, SUMMER, LOADED, bytes(384), None), "channel 2"),
        (IntervalDay("1,2", 4, SUMMER, LOADED, bytes(384), None), "ESI ID"),
        (IntervalDay("1", 4, SUMMER, LOADED.replace(tzinfo=None), bytes(384), None), "time zone"),
    ],
)
def test_a_damaged_day_is_refused_not_rendered(damaged: IntervalDay, what: str) -> None:
    with pytest.raises(DamagedDayError, match=what):
        list(render([damaged], "standard"))
