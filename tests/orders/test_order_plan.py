"""Packed lists and the cutting of orders into files (R7, interfaces section 2: parts)."""

from __future__ import annotations

from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smt_ws.orders import plan
from smt_ws.orders.errors import PackedUnreadableError

ESIIDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
DAY = st.integers(-1000, 60_000)


@st.composite
def slices(draw: st.DrawFn, longest: int = 60) -> plan.Slices:
    esiids = draw(st.lists(ESIIDS, max_size=12))
    rows = []
    for index in range(len(esiids)):
        day = draw(st.integers(15_000, 20_000))
        for _ in range(draw(st.integers(0, 3))):
            last = day + draw(st.integers(0, longest - 1))
            rows.append((index, 1000 + index, day, last))
            day = last + draw(st.integers(2, 9))
    return plan.Slices(esiids, np.arange(len(esiids), dtype=np.uint32), np.array(rows, plan.SLICE))


@st.composite
def exceptions(draw: st.DrawFn) -> plan.Exceptions:
    codes = ["GAP", "NO_AGREEMENT", "ESIID_UNKNOWN"]
    count = draw(st.integers(0, 8))
    positions = sorted(draw(st.sets(st.integers(0, 40), min_size=count, max_size=count)))
    rows = []
    for index in range(count):
        day = draw(st.integers(15_000, 15_050))
        for _ in range(draw(st.integers(1, 4))):
            last = day + draw(st.integers(0, 3))
            rows.append((index, day, last, draw(st.integers(0, 2))))
            day = last + draw(st.integers(1, 3))
    return plan.Exceptions(
        [f"esiid-{position}" for position in positions],
        np.array(positions, np.uint32),
        np.array(rows, plan.EXCEPTION),
        codes,
    )


def days_of(of: plan.Slices | plan.Exceptions) -> Counter[tuple[int, str, int, str]]:
    counted: Counter[tuple[int, str, int, str]] = Counter()
    for row in of.rows:
        code = of.codes[row["code"]] if isinstance(of, plan.Exceptions) else ""
        for day in range(row["first_day"], row["last_day"] + 1):
            counted[int(of.positions[row["esiid"]]), of.esiids[row["esiid"]], day, code] += 1
    return counted


@given(slices())
@settings(deadline=None)
def test_slices_come_back_as_they_were_packed(before: plan.Slices) -> None:
    after = plan.unpack_slices(plan.pack_slices(before))
    assert list(after.esiids) == list(before.esiids)
    assert (after.positions == before.positions).all()
    assert (after.rows == before.rows).all()
    assert after.days == before.days


@given(st.lists(ESIIDS, max_size=9), st.lists(st.tuples(DAY, DAY), max_size=9), st.lists(ESIIDS, max_size=4))
@settings(deadline=None)
def test_exceptions_come_back_as_they_were_packed(
    esiids: list[str], ranges: list[tuple[int, int]], codes: list[str]
) -> None:
    rows = np.array([(i % 7, a, b, i) for i, (a, b) in enumerate(ranges)], plan.EXCEPTION)
    before = plan.Exceptions(esiids, np.arange(len(esiids), dtype=np.uint32) * 3, rows, codes)
    after = plan.unpack_exceptions(plan.pack_exceptions(before))
    assert (list(after.esiids), list(after.codes)) == (esiids, codes)
    assert (after.positions == before.positions).all()
    assert (after.rows == before.rows).all()


@pytest.mark.parametrize("packed", [b"", b"\x02rest", b"\x01", b"\x01" + bytes(10) + b"not deflated"])
def test_what_cannot_be_read_is_said_to_be_so(packed: bytes) -> None:
    with pytest.raises(PackedUnreadableError):
        plan.unpack_slices(packed)


@given(slices(longest=25), st.integers(1, 90), st.sampled_from([1, 2]))
@settings(max_examples=150, deadline=None)
def test_parts_hold_every_day_once_and_no_more_than_they_may(whole: plan.Slices, most: int, weight: int) -> None:
    parts = plan.cut(whole, most=most, records_per_day=weight)
    assert sum((days_of(part) for part in parts), Counter()) == days_of(whole)
    assert all(0 < part.days <= max(1, most // weight) for part in parts)
    for part in parts:
        assert len(part.esiids) == len(set(part.rows["esiid"].tolist()))
        assert (np.diff(part.rows["esiid"].astype(int)) >= 0).all()


@given(slices(longest=20))
@settings(deadline=None)
def test_an_esiid_stays_in_one_file_where_it_fits(whole: plan.Slices) -> None:
    parts = plan.cut(whole, most=80)  # an ESI ID here has at most 3 × 20 days
    seen = [position for part in parts for position in part.positions.tolist()]
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)


def test_files_are_filled_as_far_as_they_go() -> None:
    rows = np.array([(i, i, 0, 30) for i in range(5000)], plan.SLICE)
    parts = plan.cut(plan.Slices([str(i) for i in range(5000)], np.arange(5000, dtype=np.uint32), rows), most=50_000)
    assert [part.days for part in parts] == [1612 * 31, 1612 * 31, 1612 * 31, 164 * 31]


def test_nothing_to_deliver_is_no_part() -> None:
    assert plan.cut(plan.Slices([], np.empty(0, np.uint32), np.empty(0, plan.SLICE)), most=10) == []


@given(st.lists(exceptions(), max_size=3))
@settings(max_examples=150, deadline=None)
def test_merged_exceptions_hold_the_same_days_in_the_fewest_ranges(several: list[plan.Exceptions]) -> None:
    for shift, one in enumerate(several):  # lists that are merged never speak of the same day twice
        one.rows["first_day"] += 1000 * shift
        one.rows["last_day"] += 1000 * shift
    merged = plan.merge(several)
    assert days_of(merged) == sum((days_of(one) for one in several), Counter())
    keys = [(int(merged.positions[row["esiid"]]), int(row["first_day"])) for row in merged.rows]
    assert keys == sorted(keys)
    for before, after in zip(merged.rows, merged.rows[1:], strict=False):
        same = before["esiid"] == after["esiid"] and before["code"] == after["code"]
        assert not (same and after["first_day"] == before["last_day"] + 1)
    assert sum(merged.by_code().values()) == merged.days


def test_compacting_keeps_the_place_in_the_request() -> None:
    rows = np.array(
        [(7, "2026-01-01", "2026-01-31", 2), (9, "2026-01-05", "2026-01-05", 0)],
        [("esiid", "<i4"), ("first_day", "<M8[D]"), ("last_day", "<M8[D]"), ("code", "u1")],
    )
    compacted = plan.compact([str(i) for i in range(10)], rows, ("ONE", "TWO", "THREE"))
    assert list(compacted.esiids) == ["7", "9"]
    assert compacted.positions.tolist() == [7, 9]
    assert compacted.by_code() == {"ONE": 1, "THREE": 31}
    assert plan.day_of(compacted.rows[0]["first_day"]) == date(2026, 1, 1)
