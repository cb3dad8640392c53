"""LSE in as columns: the same records as one by one, whatever the file is like (U1, U4)."""

from __future__ import annotations

import io
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lse_reader import record_text

from adapters.lse import LseRecord, Reject, TooManyRecordsError
from adapters.lse_columns import NOT_GIVEN, LseDays, reading_wh
from adapters.lse_read import read, read_batches

DAYS = (date(2026, 3, 8), date(2026, 7, 4), date(2026, 7, 5), date(2026, 11, 1))


def as_columns_have_it(record: LseRecord) -> tuple[object, ...]:
    return (
        record.line,
        record.esiid,
        record.channel,
        record.day,
        record.values.tolist(),
        record.statuses,
        reading_wh(record.start_reading),
        reading_wh(record.stop_reading),
        record.mre,
        record.sender,
        record.rounded,
    )


def rows_of(days: LseDays) -> list[tuple[object, ...]]:
    return [
        (
            int(days.line[n]),
            days.esiid[n].decode(),
            int(days.channel[n]),
            days.day[n].item(),
            days.values[n].tolist(),
            days.statuses(n),
            int(days.start_wh[n]),
            int(days.stop_wh[n]),
            days.mre[n],
            days.sender[n],
            days.rounded.get(n, ()),
        )
        for n in range(len(days))
    ]


def one_by_one(text: bytes) -> tuple[list[tuple[object, ...]], list[Reject]]:
    items = list(read(io.BytesIO(text)))
    return [as_columns_have_it(item) for item in items if isinstance(item, LseRecord)], [
        item for item in items if isinstance(item, Reject)
    ]


def in_batches(text: bytes, at_once: int) -> tuple[list[tuple[object, ...]], list[Reject]]:
    batches = list(read_batches(io.BytesIO(text), at_once=at_once))
    for batch in batches:
        assert batch.records == sum(len(days) for days in batch.days) + len(batch.rejects)
        for days in batch.days:
            assert days.line.tolist() == sorted(days.line.tolist())
            assert all(len(getattr(days, name)) == len(days) for name in LseDays.__slots__ if name != "rounded")
    rows = sorted(row for batch in batches for days in batch.days for row in rows_of(days))
    return rows, sorted((one for batch in batches for one in batch.rejects), key=lambda one: one.line)


#: What a record may be changed in: text to find and what to put there.
CHANGES = (
    ("00000002,24000.915,24038.5", "00000002,,"),
    ("00000002,24000.915,24038.5", "00000002,0,0"),
    ("00000002,24000.915,24038.5", "00000002,123456789.125,1234567890123.5"),
    ("00000002,24000.915,24038.5", "00000002,24000.9155,99999999999999999999999999999.5"),
    ("00000002,24000.915,24038.5", "00000002,x,24038.5"),
    ("00000002,24000.915,24038.5", "00000002,12345678.,.5"),
    ("REP=111111111", "REP=222222222"),
    ("MRE=1039940674000,", ""),
    ("00000004,20260705112825,M", "00000004,,M"),
    ("00000004,20260705112825,M", "00000004,20260799112825,M"),
    (",900,01,", ", 900,01,"),
    ("0.005,A", "0.0055,E"),
    ("0.006,A", ",,"),
    ("10443720007574303", "1000000000000000"),
    ("10443720007574303", "1044372000757430312345"),
    ("10443720007574303", "1044372 000757430"),
    (",Y,N", ",N,N"),
)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.tuples(st.sampled_from(DAYS), st.sampled_from([1, 4, 4, 7]), st.lists(st.sampled_from(CHANGES), max_size=2)),
        max_size=7,
    ),
    st.integers(1, 4),
)
def test_columns_hold_what_the_records_hold(
    records: list[tuple[date, int, list[tuple[str, str]]]], at_once: int
) -> None:
    text = ""
    for day, channel, changes in records:
        one = record_text(day=day, channel=channel)
        for old, new in changes:
            one = one.replace(old, new)
        text += one
    assert in_batches(text.encode(), at_once) == one_by_one(text.encode())


def test_a_reading_is_whole_watt_hours_and_none_is_not_given() -> None:
    text = record_text().replace("24000.915,24038.5", ",24038.5")
    ((row,), _) = in_batches(text.encode(), 1)
    assert row[6:8] == (NOT_GIVEN, 24_038_500)


def test_u1_too_many_records_end_a_batch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.lse_read.MAX_RECORDS", 2)
    text = "".join(record_text(esiid=f"1044372000757430{n}") for n in range(3)).encode()
    with pytest.raises(TooManyRecordsError, match="line 59"):
        list(read_batches(io.BytesIO(text), at_once=1))
