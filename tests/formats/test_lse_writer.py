"""LSE out: the published layout, and what is written is what is read again (R2, R8, R12; facts section 5)."""

import io
import random
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_interval_csv import stored_days

from adapters.central_day import CENTRAL, intervals_in
from adapters.interval_csv import IntervalDay
from adapters.lse import LseRecord, TooManyRecordsError, file_name
from adapters.lse_read import read
from adapters.lse_write import Companies, UnwritableRecordError, render, write

DAY = date(2026, 7, 4)


def written(records: list[LseRecord]) -> bytes:
    stream = io.BytesIO()
    assert write(records, stream) == len(records)
    return stream.getvalue()


def plain_record(day: date = DAY) -> LseRecord:
    return LseRecord(1, "10443720007574303", 4, day, np.arange(intervals_in(day), dtype=np.int32))


def test_the_layout_is_the_published_one_with_every_row_and_comma() -> None:
    values = np.arange(96, dtype=np.int32) * 10 + 68_290
    record = LseRecord(
        *(1, "1000000000000000", 4, date(2008, 5, 10), values, b"AEM" + b"A" * 93),
        *(Decimal("24000.915"), Decimal("24002.5"), "UNIQUETRANID0123456789", datetime(2008, 5, 19, 11, 28, 25), "M"),
        *("666666666", "666666666", "183529049", "111111111"),
    )
    lines = written([record]).decode().split("\n")
    assert lines[:7] == [
        "00000001,1000000000000000,4,20080510000000,20080510235900,Y,N",
        "00000002,24000.915,24002.5,0,,0,,900,01,1,-1,0.0,0.0,CST",
        "00000003,UNIQUETRANID0123456789",
        "00000004,20080519112825,M",
        "00000030,ATTRIBUTE_VALUE_PAIRS,MRE=666666666,Sender=666666666,Receiver=183529049,REP=111111111",
        "10000000,68.29,A,,68.3,E,,,,,68.32,A,,",
        "10000001,68.33,A,,68.34,A,,68.35,A,,68.36,A,,",
    ]
    assert len(lines) == 5 + 24 + 1
    assert lines[-1] == ""
    assert all(len(line.split(",")) == 14 for line in lines[5:-1])


@pytest.mark.parametrize(("day", "rows"), [(date(2026, 3, 8), 23), (DAY, 24), (date(2026, 11, 1), 25)])
def test_r12_the_rows_follow_the_length_of_the_day(day: date, rows: int) -> None:
    assert written([plain_record(day)]).count(b"\n1000") == rows


@st.composite
def records(draw: st.DrawFn) -> LseRecord:
    day = draw(
        st.one_of(st.sampled_from([date(2026, 3, 8), date(2026, 11, 1)]), st.dates(date(2008, 1, 1), date(2035, 1, 1)))
    )
    seeded = random.Random(draw(st.integers(0, 2**32)))
    top = draw(st.sampled_from([0, 9_999, 99_999, 10_000_000, 2**31 - 1]))
    count = intervals_in(day)
    letters = "".join(seeded.choices(draw(st.sampled_from(["A", "AE", "AEM", "M"])), k=count))
    values = np.array([0 if letter == "M" else seeded.randint(0, top) for letter in letters], np.int32)
    duns = st.none() | st.from_regex(r"[0-9]{9}([0-9]{4})?", fullmatch=True)
    reading = st.none() | st.decimals(0, 10**7, places=3)
    return LseRecord(
        line=1,
        esiid=draw(st.from_regex(r"[0-9]{17}([0-9]{5})?|[A-Z0-9]{1,64}", fullmatch=True)),
        channel=draw(st.sampled_from([1, 4])),
        day=day,
        values=values,
        statuses=letters.encode() if set(letters) != {"A"} else None,
        start_reading=draw(reading),
        stop_reading=draw(reading),
        transaction_id=draw(st.from_regex(r"[A-Za-z0-9-]{0,40}", fullmatch=True)),
        created=draw(st.none() | st.datetimes(datetime(2008, 1, 1), datetime(2035, 1, 1))),
        origin=draw(st.sampled_from("MPCS")),
        mre=draw(duns),
        sender=draw(duns),
        receiver=draw(duns),
        rep=draw(duns),
    )


def facts(record: LseRecord) -> tuple[object, ...]:
    created = record.created.replace(microsecond=0) if record.created else None
    return (
        *(record.esiid, record.channel, record.day, record.values.tolist(), record.statuses, record.start_reading),
        *(record.stop_reading, record.transaction_id, created, record.origin, record.mre, record.sender),
        *(record.receiver, record.rep),
    )


@settings(deadline=None, max_examples=40)
@given(st.lists(records(), max_size=5), st.sampled_from([b"\n", b"\r\n"]))
def test_what_is_written_is_read_again(given_records: list[LseRecord], line_end: bytes) -> None:
    data = written(given_records)
    again = list(read(io.BytesIO(data.replace(b"\n", line_end))))
    assert all(isinstance(item, LseRecord) for item in again), again
    assert [facts(item) for item in again if isinstance(item, LseRecord)] == [facts(item) for item in given_records]
    assert written([item for item in again if isinstance(item, LseRecord)]) == data


def named(esiid: str, day: date) -> Companies:
    """A REP of some days only; what a file names may change from record to record."""
    tdsp = "957877905" if len(esiid) == 22 else "1039940674000"
    return Companies(tdsp, tdsp, "111111111", "111111111" if day.day % 2 else None)


def as_record(day: IntervalDay) -> LseRecord:
    created = day.revised.astimezone(CENTRAL).replace(tzinfo=None)
    return LseRecord(
        line=0,
        esiid=day.esiid,
        channel=day.channel,
        day=day.day,
        values=np.frombuffer(day.values, "<i4"),
        statuses=day.statuses,
        transaction_id=f"{day.esiid}{day.channel}{day.day:%Y%m%d}{created:%Y%m%d%H%M%S}",
        created=created,
        **named(day.esiid, day.day)._asdict(),
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(stored_days(), max_size=6))
def test_stored_days_are_written_as_their_records_are(days: list[IntervalDay]) -> None:
    """R2, R8: any channels, lengths of day, statuses and sizes of values, in any order."""
    assert b"".join(render(days, named)) == written([as_record(day) for day in days])


def test_stored_days_stay_in_order_across_batches_and_sizes_of_values() -> None:
    day = IntervalDay("10443720007574303", 4, DAY, datetime(2026, 7, 5, 9, tzinfo=CENTRAL), b"", None)
    days = [
        day._replace(values=np.full(96, 10_000_000 + n if n % 7 == 0 else n, "<i4").tobytes(), channel=(4, 1)[n % 2])
        for n in range(300)
    ]
    chunks = list(render(days, named))
    assert len(chunks) > 1
    assert all(chunk.endswith(b"\n") and chunk.startswith(b"00000001,") for chunk in chunks)
    assert b"".join(chunks) == written([as_record(day) for day in days])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"values": bytes(92 * 4)}, "92 intervals"),
        ({"values": bytes(96 * 4 + 1)}, "intervals"),
        ({"values": b"\xff" * 96 * 4}, "negative"),
        ({"statuses": b"A" * 92}, "statuses"),
        ({"channel": 2}, "channel"),
        ({"esiid": "1,2"}, "ESI ID"),
    ],
)
def test_a_damaged_stored_day_is_not_written(change: dict[str, object], what: str) -> None:
    day = IntervalDay("10443720007574303", 4, DAY, datetime(2026, 7, 5, 9, tzinfo=CENTRAL), bytes(96 * 4), None)
    with pytest.raises(UnwritableRecordError, match=what):
        list(render([day._replace(**change)], named))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"values": np.zeros(92, np.int32)}, "92 intervals"),
        ({"values": np.full(96, -1, np.int32)}, "negative"),
        ({"statuses": b"A" * 92}, "statuses"),
        ({"statuses": b"X" * 96}, "statuses"),
        ({"channel": 2}, "channel"),
        ({"transaction_id": "a,b"}, "break a row"),
        ({"rep": "1\n00000001"}, "break a row"),
        ({"transaction_id": "é"}, "break a row"),
    ],
)
def test_a_record_that_would_corrupt_the_file_is_not_written(change: dict[str, object], what: str) -> None:
    with pytest.raises(UnwritableRecordError, match=what):
        written([plain_record()._replace(**change)])  # type: ignore[arg-type]


def test_u1_a_file_of_more_than_50000_records_is_not_written() -> None:
    record = plain_record()
    with pytest.raises(TooManyRecordsError):
        write((record for _ in range(50_001)), io.BytesIO())


def test_the_file_name_is_the_published_one() -> None:
    assert (
        file_name("999999999", datetime(2008, 12, 27, 11, 30, 1), 123) == "999999999IntervalData20081227113001123.lse"
    )
    assert file_name("1039940674000", datetime(2026, 1, 2, 3, 4, 5), 7).endswith("20260102030405007.lse")


@pytest.mark.parametrize(
    ("duns", "counter"), [("12345678", 0), ("12345678٣", 0), ("999999999", 1000), ("../999999", 1)]
)
def test_a_file_name_is_made_of_a_duns_number_and_three_digits(duns: str, counter: int) -> None:
    with pytest.raises(ValueError, match="digits"):
        file_name(duns, datetime(2026, 1, 1), counter)
