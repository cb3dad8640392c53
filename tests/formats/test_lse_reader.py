"""LSE in: every good record is read, every bad one is named, and none touches another (U1, U3-U5; facts section 5)."""

import io
import itertools
import random
import re
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.central_day import intervals_in
from adapters.lse import MAX_RECORDS, REJECT_CODES, LseRecord, Reject, TooManyRecordsError
from adapters.lse_read import read
from adapters.lse_record import parse_record
from adapters.lse_write import write

SEED_VALUES = """
68.29 69.17 67.99 67.99/66.81 66.52 67.11 67.11/67.11 66.52 66.81 66.82/69.47 107.73 230.76 228.11/
69.47 107.73 230.76 228.11/231.94 228.4 230.17 233.7/25.18 21.95 246.36 247.83/259.61 283.45 303.16 313.76/
325.83 336.72 350.26 354.38/358.5 30.27 361.74 366.45/365.86 369.39 369.69 368.21/371.45 39.69 367.63 369.39/
371.15 369.68 368.51 369.98/370.57 373.51 373.22 369.39/370.86 369.98 368.81 365.57/364.39 34.68 36.8 284.03/
309.64 308.76 302.88 296.1/286.68 279.91 24.29 189.55/190.43 161.59 10.68 114.79/108.9 107.14 101.55 98.61/
94.78 4.49 95.66 92.42/84.77 80.94 80.94 80.35/80.35 80.35 7.29 77.41/77.71 76.82 77.41 7.82
"""
PUBLISHED_HEADER = """00000001,1000000000000000,4,20080510000000,20080510235900,Y,N
00000002,0,0,0,,0,,900,01,1,-1,0.0,0.0,CST
00000003,UNIQUETRANID0123456789
00000004,20080519112825,M
00000030,ATTRIBUTE_VALUE_PAIRS,MRE=666666666,Sender=666666666,Receiver=183529049,REP=111111111
"""


def published_example() -> str:
    """The complete data record of the market's own presentation: row 10000001 is estimated."""
    rows = [row.split() for row in SEED_VALUES.replace("\n", "").split("/")]
    return PUBLISHED_HEADER + "".join(
        f"{10_000_000 + number}," + "".join(f"{value},{'E' if number == 1 else 'A'},," for value in row) + "\n"
        for number, row in enumerate(rows)
    )


def record_text(
    esiid: str = "10443720007574303",
    day: date = date(2026, 7, 4),
    values: list[str] | None = None,
    statuses: str | None = None,
    *,
    intervals: int | None = None,
    channel: int = 4,
    transaction: str = "T1",
) -> str:
    count = intervals if intervals is not None else intervals_in(day)
    cells = values or [f"0.{index:03}" for index in range(count)]
    letters = statuses or "A" * count
    return (
        f"00000001,{esiid},{channel},{day:%Y%m%d}000000,{day:%Y%m%d}235900,Y,N\n"
        "00000002,24000.915,24038.5,0,,0,,900,01,1,-1,0.0,0.0,CST\n"
        f"00000003,{transaction}\n"
        "00000004,20260705112825,M\n"
        "00000030,ATTRIBUTE_VALUE_PAIRS,MRE=1039940674000,Sender=1039940674000,Receiver=183529049,REP=111111111\n"
    ) + "".join(
        f"{10_000_000 + row},"
        + "".join(f"{cells[i]},{letters[i].strip('-')},," for i in range(4 * row, 4 * row + 4))
        + "\n"
        for row in range(count // 4)
    )


def read_all(text: str | bytes) -> list[LseRecord | Reject]:
    return list(read(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


def read_one(text: str | bytes) -> LseRecord:
    (record,) = read_all(text)
    assert isinstance(record, LseRecord), record
    return record


def facts(item: LseRecord | Reject) -> tuple[object, ...]:
    """Everything that an item says, comparable."""
    if isinstance(item, Reject):
        return (item.line, item.esiid, item.day, item.code, item.reason)
    return (
        *(item.line, item.esiid, item.channel, item.day, item.values.tolist(), item.statuses, item.start_reading),
        *(item.stop_reading, item.transaction_id, item.created, item.origin, item.mre, item.sender, item.receiver),
        *(item.rep, item.rounded, item.values.dtype.str, item.values.flags.writeable),
    )


def test_u1_the_published_example_record_is_read_whole() -> None:
    record = read_one(published_example())
    assert (record.line, record.esiid, record.channel, record.day) == (1, "1000000000000000", 4, date(2008, 5, 10))
    assert record.values[[0, 1, 21, 95]].tolist() == [68_290, 69_170, 228_400, 7_820]
    assert record.statuses == b"AAAA" + b"EEEE" + b"A" * 88
    assert (record.start_reading, record.stop_reading) == (Decimal(0), Decimal(0))
    assert (record.transaction_id, record.origin) == ("UNIQUETRANID0123456789", "M")
    assert record.created == datetime(2008, 5, 19, 11, 28, 25)
    assert (record.mre, record.sender, record.receiver, record.rep) == (
        "666666666",
        "666666666",
        "183529049",
        "111111111",
    )
    assert record.rounded == ()


def test_the_published_example_is_written_again_byte_for_byte() -> None:
    stream = io.BytesIO()
    write([read_one(published_example())], stream)
    assert stream.getvalue().decode() == published_example()


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 8), 92), (date(2026, 11, 1), 100), (date(2026, 7, 4), 96)])
def test_r12_a_record_has_the_intervals_of_its_operating_day(day: date, count: int) -> None:
    record = read_one(record_text(day=day))
    assert record.values.tolist() == list(range(count))
    assert record.statuses is None


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 8), 96), (date(2026, 11, 1), 96), (date(2026, 7, 4), 92)])
def test_u5_a_wrong_interval_count_is_rejected(day: date, count: int) -> None:
    (reject,) = read_all(record_text(day=day, intervals=count))
    assert isinstance(reject, Reject)
    assert (reject.code, reject.day, reject.esiid) == ("INTERVAL_COUNT", day, "10443720007574303")
    assert reject.line == 5 + count // 4
    assert str(intervals_in(day)) in reject.reason


def test_u9_both_channels_are_kept_apart() -> None:
    items = read_all(record_text(channel=4) + record_text(channel=1))
    assert [item.channel for item in items if isinstance(item, LseRecord)] == [4, 1]


@pytest.mark.parametrize("status", ["A", "E", "-"])
def test_u5_an_empty_value_is_missing_never_a_silent_zero(status: str) -> None:
    values = ["0.500"] * 96
    values[7] = ""
    record = read_one(record_text(values=values, statuses="A" * 7 + status + "A" * 88))
    assert record.statuses == b"A" * 7 + b"M" + b"A" * 88
    assert record.values[6:9].tolist() == [500, 0, 500]


@pytest.mark.parametrize(
    ("text", "wh", "rounded"),
    [
        ("0", 0, False),
        ("12", 12_000, False),
        ("12.", 12_000, False),
        (".5", 500, False),
        ("0.0005", 0, True),
        ("0.0015", 2, True),
        ("0.0025", 2, True),
        ("0.0026", 3, True),
        ("0.00251", 3, True),
        ("1.2340", 1234, False),
        ("0.000001", 0, True),
        ("123456.7", 123_456_700, False),
        ("2147483.647", 2_147_483_647, False),
        ("00000000000000012.500", 12_500, False),
    ],
)
def test_values_are_exact_wh_and_a_fourth_decimal_is_rounded_half_to_even(text: str, wh: int, rounded: bool) -> None:
    record = read_one(record_text(values=["1.000"] * 3 + [text] + ["1.000"] * 92))
    assert record.values[2:5].tolist() == [1000, wh, 1000]
    assert record.rounded == ((3,) if rounded else ())


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("00000001,10443720007574303", "00000001,1044 372", "ESIID_FORMAT", 1),
        ("00000001,10443720007574303", "00000001," + "9" * 65, "ESIID_FORMAT", 1),
        ("00000001,10443720007574303", "00000001,", "ESIID_FORMAT", 1),
        (",4,2026", ",2,2026", "CHANNEL", 1),
        ("20260704000000", "20260704001500", "OPERATING_DAY", 1),
        ("20260704000000", "20260231000000", "OPERATING_DAY", 1),
        ("20260704235900", "20260705000000", "OPERATING_DAY", 1),
        (",Y,N\n", ",N,N\n", "DST_FLAG", 1),
        (",Y,N\n", ",Y,Y\n", "NOT_VALIDATED", 1),
        (",Y,N\n", ",Y,N,X\n", "HEADER_ROW", 1),
        ("24000.915", "-1", "REGISTER_READ", 2),
        ("24000.915", "NaN", "REGISTER_READ", 2),
        ("24000.915", "2_4", "REGISTER_READ", 2),
        (",900,", ",1800,", "INTERVAL_LENGTH", 2),
        (",01,1,", ",03,1,", "UNIT", 2),
        ("CST", "MST", "TIME_ZONE", 2),
        ("00000003,T1\n", "", "HEADER_ROW", 3),
        ("00000004,", "00000003,", "HEADER_ROW", 4),
        ("20260705112825", "20261305112825", "CREATED", 4),
        ("20260705112825", "2026-07-05", "CREATED", 4),
        ("112825,M", "112825,MM", "ORIGIN", 4),
        ("10000003,", "10000004,", "DETAIL_ROW", 9),
        ("10000000,0.000,A,,", "10000000,0.000,A,", "DETAIL_ROW", 6),
        ("10000000,0.000,A,,", "10000000,0.000,A,,,", "DETAIL_ROW", 6),
        ("0.005,A", "0.005,X", "STATUS", 7),
        ("0.005,A", "0.005,", "STATUS", 7),
        ("0.005,A", ",X", "STATUS", 7),
        ("0.005,A", "0.005,M", "STATUS", 7),
        ("0.005,A", "-0.005,A", "NEGATIVE_VALUE", 7),
        ("0.005,A", "zero,A", "VALUE_FORMAT", 7),
        ("0.005,A", "1e3,A", "VALUE_FORMAT", 7),
        ("0.005,A", "0.0.5,A", "VALUE_FORMAT", 7),
        ("0.005,A", "1..5,A", "VALUE_FORMAT", 7),
        ("0.005,A", ".,A", "VALUE_FORMAT", 7),
        ("0.005,A", "0x5,A", "VALUE_FORMAT", 7),
        ("0.005,A", "+5,A", "VALUE_FORMAT", 7),
        ("0.005,A", "1_0,A", "VALUE_FORMAT", 7),
        ("0.005,A", "2147483.648,A", "VALUE_TOO_LARGE", 7),
        ("0.005,A", "9999999,A", "VALUE_TOO_LARGE", 7),
        ("0.005,A", "0.0\xe95,A", "ENCODING", 7),
        ("T1", "T\x001", "ENCODING", 3),
    ],
)
def test_u4_u5_each_fault_has_its_code_and_line_and_loses_no_good_record(
    old: str, new: str, code: str, line: int
) -> None:
    good, bad = record_text(), record_text().replace(old, new, 1)
    assert bad != good
    before, reject, after = read_all(good + bad + good)
    assert isinstance(before, LseRecord)
    assert isinstance(after, LseRecord)
    assert isinstance(reject, Reject)
    assert (reject.code, reject.line) == (code, 29 + line)
    assert code in REJECT_CODES
    assert after.line == 29 + bad.count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n", "\r\n"),
        (",,\n", ",\n"),
        (",,\n", "\n"),
        (",,\n", ",, \n"),
        (",0.0,0.0,CST", ""),
        ("20260704235900", "20260704235959"),
        ("CST", "cst"),
        ("00000030,", "00000031,SOMETHING,ELSE\n00000030,"),
        ("\n10000005", "\n\n10000005"),
        ("0.005,A", " 0.005 , A "),
        ("24000.915,24038.5", ","),
        ("00000003,T1", "00000003,"),
        ("20260705112825", ""),
    ],
)
def test_real_files_differ_in_small_things_and_are_read(old: str, new: str) -> None:
    changed = record_text().replace(old, new)
    first, second = read_all(changed + changed)
    assert isinstance(first, LseRecord), first
    assert isinstance(second, LseRecord)
    assert first.values.tolist() == second.values.tolist() == list(range(96))


def test_a_record_without_row_thirty_is_read() -> None:
    text = "".join(line for line in record_text().splitlines(True) if not line.startswith("00000030"))
    record = read_one(text)
    assert (record.rep, record.values[95]) == (None, 95)


def test_empty_register_readings_are_none() -> None:
    record = read_one(record_text().replace("24000.915,24038.5", ","))
    assert (record.start_reading, record.stop_reading) == (None, None)


@pytest.mark.parametrize("lead", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\n\n"])
@pytest.mark.parametrize("tail", [b"", b"\n\n", b"\r\n \r\n", b"\x0a"])
def test_a_byte_order_mark_and_blank_lines_around_are_nothing(lead: bytes, tail: bytes) -> None:
    record = read_one(lead + record_text().encode() + tail)
    assert record.line == 1 + lead.count(b"\n")


def test_a_last_line_without_line_end_is_read() -> None:
    assert read_one(record_text().rstrip("\n")).values[95] == 95


def test_a_truncated_last_record_is_rejected() -> None:
    text = record_text()
    items = read_all(text + text[: len(text) // 2])
    assert isinstance(items[0], LseRecord)
    assert isinstance(items[1], Reject)


def test_what_stands_before_the_first_record_is_named_once() -> None:
    reject, record = read_all("Dear hub,\nhere is a file\n" + record_text())
    assert isinstance(reject, Reject)
    assert (reject.code, reject.line) == ("NOT_A_RECORD", 1)
    assert isinstance(record, LseRecord)
    assert record.line == 3


def test_a_file_that_is_something_else_is_one_reject() -> None:
    assert [item.code for item in read_all(b"\x00\xff" * 1000) if isinstance(item, Reject)] == ["NOT_A_RECORD"]
    assert read_all(b"") == []


@pytest.mark.parametrize("size", [100_000, 300_000, 1_000_000])
def test_a_record_without_end_is_rejected_without_being_held(size: int) -> None:
    endless = "00000001,10443720007574303,4," + "9" * size + "\n" + "1," * size + "\n"
    first, reject, last = read_all(record_text() + endless + record_text())
    assert isinstance(first, LseRecord)
    assert isinstance(last, LseRecord)
    assert isinstance(reject, Reject)
    assert reject.line == 30
    assert reject.esiid == "10443720007574303"
    assert last.line == 32


def test_line_numbers_hold_across_blocks() -> None:
    good = record_text()
    bad = good.replace("0.005,A", "0.005,Q")
    items = read_all((good * 400 + bad) * 3)
    assert len(items) == 1203
    rejects = [item for item in items if isinstance(item, Reject)]
    assert [reject.line for reject in rejects] == [(400 + 401 * n) * 29 + 7 for n in range(3)]
    assert all(item.line == 29 * n + 1 for n, item in enumerate(items) if isinstance(item, LseRecord))


class Trickle(io.RawIOBase):
    """A stream that gives what a socket would: a little at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self.rest, self.size = data, size

    def read(self, size: int = -1) -> bytes:
        block, self.rest = self.rest[: self.size], self.rest[self.size :]
        return block


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1499])
def test_the_size_of_the_blocks_makes_no_difference(size: int) -> None:
    text = ("\ufeff" + record_text() + record_text(channel=1).replace("0.005,A", "x,A") + record_text()).encode()
    whole = [facts(item) for item in read_all(text)]
    assert [facts(item) for item in read(Trickle(text, size))] == whole  # type: ignore[arg-type]
    assert len(whole) == 3


def test_u1_over_50000_records_the_file_is_refused() -> None:
    small = b"00000001,1,4,x,y,Y,N\n"
    assert sum(1 for _ in read(io.BytesIO(small * MAX_RECORDS))) == MAX_RECORDS
    with pytest.raises(TooManyRecordsError, match="line 50001"):
        list(read(io.BytesIO(small * (MAX_RECORDS + 1))))


VALUE = st.one_of(
    st.decimals(0, 99, places=3).map(str),
    st.decimals(0, 9999, places=4).map(str),
    st.decimals(0, 3_000_000, places=2).map(lambda value: f"{value:f}"),
    st.integers(0, 10**9).map(str),
    st.sampled_from(["", "0", "0.0005", "0.0015", ".5", "5.", ".", "..", "-1", "1e5", " 7", "12345.678", "A"]),
)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(VALUE, min_size=96, max_size=96),
    st.lists(st.sampled_from("AAAAAAAAE-"), min_size=96, max_size=96),
    st.booleans(),
)
def test_the_fast_way_and_the_plain_way_agree(values: list[str], letters: list[str], all_actual: bool) -> None:
    text = record_text(values=values, statuses="A" * 96 if all_actual else "".join(letters))
    assert facts(read_all(text)[0]) == facts(parse_record(text.encode(), 1))


def test_every_short_text_is_the_number_that_it_says_or_none() -> None:
    """All texts of up to five digits and points, and the longer ones around them."""
    texts = ["".join(text) for size in range(1, 6) for text in itertools.product("019.", repeat=size)]
    texts += [f"{lead}{text}" for lead in ("1", "12", "0", "123", ".") for text in texts[-1024:]]
    good = [text for text in texts if re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text)]
    good = [text for text in good if Decimal(text) < 2_000_000]
    good += ["1"] * (-len(good) % 96)
    records = read_all("".join(record_text(values=good[n : n + 96]) for n in range(0, len(good), 96)))
    read = np.concatenate([record.values for record in records if isinstance(record, LseRecord)])
    assert read.tolist() == [int((Decimal(text) * 1000).quantize(Decimal(1), ROUND_HALF_EVEN)) for text in good]
    bad = [*sorted(set(texts) - set(good)), "1,", "A", "-1", "1e3", "/", ":", "0x1", "1/2", "1:2"]
    records = read_all("".join(record_text(values=[text] * 96) for text in bad))
    assert {type(record) for record in records} == {Reject}


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damage_in_one_record_stays_in_it(data: st.DataObject) -> None:
    good = record_text().encode()
    at = data.draw(st.integers(0, len(good) - 1))
    size = data.draw(st.integers(0, 4))
    put = data.draw(
        st.one_of(st.binary(max_size=4), st.sampled_from([b",", b"\n", b"\r\n", b"9", b".", b"-", b"A", b"\0"]))
    )
    damaged = good[:at] + put + good[at + size :]
    if at < 9 or not damaged.endswith(b"\n"):
        damaged = good[:9] + put + good[9:]  # a record that no longer begins is part of the one before: not this test
    if not damaged.startswith(b"00000001,"):
        return
    items = read_all(good + damaged + good)
    assert len(items) == 3
    assert facts(items[0]) == facts(parse_record(good, 1))
    if not set(put) & set(b'"\r;\t\x1a'):  # these may be put right
        assert facts(items[1]) == facts(parse_record(damaged.replace(b"\r\n", b"\n"), 30))
    assert facts(items[2])[1:] == facts(items[0])[1:]


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=3000), st.booleans())
def test_no_bytes_whatever_raise_anything(noise: bytes, begun: bool) -> None:
    for item in read_all((b"00000001," if begun else b"") + noise):
        assert isinstance(item, LseRecord | Reject)


def test_values_of_a_block_can_be_stacked() -> None:
    rng = random.Random(7)
    texts = [record_text(values=[f"{rng.random() * 9:.3f}" for _ in range(96)]) for _ in range(50)]
    stacked = np.stack([item.values for item in read_all("".join(texts)) if isinstance(item, LseRecord)])
    assert stacked.shape == (50, 96)
    assert stacked.dtype == np.int32
