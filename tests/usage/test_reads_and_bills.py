"""Register reads and monthly bills are loads like any other: numbered, versioned, reported (U3, U4, U6, U10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_market import OTHER, add_premises, day_of, esiid
from sqlalchemy import select

from adapters.usage_csv import MonthlyBillRow
from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store
from smt_ws.usage.bills import Bill, after
from smt_ws.usage.load import load_file
from smt_ws.usage.rules import rules_in
from smt_ws.usage.tables import interval_day, monthly_bill, monthly_bill_history, register_read, register_read_history

DAY = date(2026, 11, 10)
READS = "ESIID,READ_DATE,CHANNEL,START_READING,END_READING,USAGE_KWH,STATUS\n"
BILLS = "ESIID,START_DATE,END_DATE,ACTUAL_KWH,METERED_KW,BILLED_KW,METERED_KVA,BILLED_KVA,ACTION\n"
LseFile = Callable[..., Path]


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.csv"
    path.write_text(text)
    return path


def rows(store: Store, table: object, *names: str) -> list[tuple[object, ...]]:
    with store.read() as connection:
        columns = [table.c[name] for name in names]
        return [tuple(row) for row in connection.execute(select(*columns).order_by(*table.primary_key))]


def test_register_reads_are_loaded_and_a_later_file_replaces(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    one, two, _ = add_premises(store, 3)
    text = READS + f"{esiid(1)},{DAY},,100.5,124.25,,A\n{esiid(2)},{DAY},1,,,7.125,E\n"
    first = load_file(store, file(tmp_path, "a", text), clock=clock)
    assert (first.kind, first.outcome, first.tally.loaded, first.findings) == ("register_reads", "loaded", 2, ())
    names = ("premise_id", "channel", "operating_day", "start_wh", "stop_wh", "usage_wh", "status")
    assert rows(store, register_read, *names) == [
        (one, 4, DAY, 100_500, 124_250, 23_750, "A"),
        (two, 1, DAY, None, None, 7_125, "E"),
    ]
    second = load_file(store, file(tmp_path, "b", text.replace(",E\n", ",A\n").replace("124.25", "124.5")), clock=clock)
    assert (second.tally.replaced, second.tally.unchanged) == (2, 0)
    assert rows(store, register_read_history, "premise_id", "status", "load_number", "replaced_by") == [
        (one, "A", first.load_number, second.load_number),
        (two, "E", first.load_number, second.load_number),
    ]
    assert load_file(store, file(tmp_path, "c", text), clock=clock).outcome == "repeated"


def test_bad_register_reads_are_rejected_with_their_lines(
    store: Store, clock: FixedClock, tmp_path: Path, lse_file: LseFile
) -> None:
    add_premises(store, 2)
    add_premises(store, 1, first=50, tdsp=OTHER)
    load_file(store, lse_file("a", day_of(1, DAY)), clock=clock)
    text = READS + "".join(
        f"{line}\n"
        for line in (
            f"{esiid(1)},{DAY},4,100,150,,A",  # intervals say 24 kWh
            f"{esiid(1)},{DAY},4,100,124,,A",
            f"{esiid(99)},{DAY},4,1,2,,A",
            f"{esiid(50)},{DAY},4,1,2,,A",
            f"{esiid(2)},{DAY},4,,,,A",
            f"{esiid(2)},2026-11-20,4,1,2,,A",
            f"{esiid(2)},2025-12-31,4,1,2,,A",
            f"{esiid(2)},{DAY},4,9,2,,A",
            f"{esiid(2)},2026-11-11,4,1,-2,,A",
            f"{esiid(2)},2026-11-11,4,1,2.0001,,A",
        )
    )
    activity = load_file(store, file(tmp_path, "r", text), clock=clock)
    assert [(f.line, f.rule, f.severity.value) for f in activity.findings] == [
        (2, "SUM_CHECK", "flag"),
        (3, "DUPLICATE_IN_FILE", "reject"),
        (4, "ESIID_UNKNOWN", "reject"),
        (5, "WRONG_TDSP", "reject"),
        (6, "NO_READING", "reject"),
        (7, "DAY_NOT_OVER", "reject"),
        (8, "NO_METER", "reject"),
        (9, "REGISTER_READS", "flag"),
        (10, "BAD_VALUE", "reject"),
        (11, "BAD_VALUE", "reject"),
    ]
    assert (activity.tally.loaded, activity.tally.rejected, activity.tally.flagged, activity.records) == (2, 8, 2, 10)
    assert [rules_in(bits) for (bits,) in rows(store, interval_day, "flags")] == [("SUM_CHECK",)], "the day keeps it"


def test_u5_intervals_that_come_after_the_read_are_checked_against_it(
    store: Store, clock: FixedClock, tmp_path: Path, lse_file: LseFile
) -> None:
    add_premises(store, 3)
    text = READS + f"{esiid(1)},{DAY},,100,150,,A\n{esiid(2)},{DAY},,100,124,,A\n{esiid(3)},{DAY},1,100,150,,A\n"
    load_file(store, file(tmp_path, "r", text), clock=clock)
    activity = load_file(store, lse_file("a", *(day_of(n, DAY) for n in (1, 2, 3))), clock=clock)
    assert [(f.rule, f.esiid) for f in activity.findings] == [("SUM_CHECK", esiid(1))]


def test_a_bill_is_cancelled_and_billed_again_and_every_version_is_kept(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    (one,) = add_premises(store, 1)
    period = f"{esiid(1)},2026-10-12,2026-11-10"
    first = load_file(store, file(tmp_path, "a", BILLS + f"{period},1074,6.2,6.2,,,ORIGINAL\n"), clock=clock)
    assert (first.kind, first.tally.loaded, first.findings) == ("monthly_bills", 1, ())
    cancel = load_file(store, file(tmp_path, "b", BILLS + f"{period},,,,,,CANCEL\n"), clock=clock)
    names = ("premise_id", "first_day", "last_day", "cancelled", "actual_wh", "metered_w", "billed_va", "load_number")
    start = (one, date(2026, 10, 12), DAY)
    assert rows(store, monthly_bill, *names) == [(*start, True, 1_074_000, 6_200, None, cancel.load_number)]
    both = BILLS + f"{period},1080,6.2,6.2,,,REBILL\n{period},,,,,,CANCEL\n{period},1081,6.2,6.2,,,REBILL\n"
    rebill = load_file(store, file(tmp_path, "c", both), clock=clock)
    assert (rebill.tally.replaced, rebill.records) == (3, 3)
    assert rows(store, monthly_bill, *names) == [(*start, False, 1_081_000, 6_200, None, rebill.load_number)]
    assert rows(store, monthly_bill_history, "cancelled", "actual_wh", "load_number", "replaced_by") == [
        (False, 1_074_000, first.load_number, cancel.load_number),
        (True, 1_074_000, cancel.load_number, rebill.load_number),
    ]


def test_bad_bills_are_rejected_with_their_lines(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    add_premises(store, 2)
    add_premises(store, 1, first=50, tdsp=OTHER)
    good = f"{esiid(1)},2026-10-12,2026-11-10,1074,,,,,ORIGINAL"
    lines = (
        good,
        good.replace("1074", "1075"),
        f"{esiid(2)},2026-10-12,2026-11-10,,,,,,CANCEL",
        f"{esiid(2)},2026-10-12,2026-11-10,,,,,,REBILL",
        f"{esiid(2)},2026-10-22,2026-11-20,5,,,,,ORIGINAL",
        f"{esiid(2)},2026-11-12,2026-11-10,5,,,,,ORIGINAL",
        f"{esiid(99)},2026-10-12,2026-11-10,5,,,,,ORIGINAL",
        f"{esiid(50)},2026-10-12,2026-11-10,5,,,,,ORIGINAL",
    )
    activity = load_file(store, file(tmp_path, "a", BILLS + "\n".join(lines) + "\n"), clock=clock)
    assert [(f.line, f.rule) for f in activity.findings] == [
        (3, "ALREADY_BILLED"),
        (4, "NOTHING_TO_CANCEL"),
        (5, "MISSING_VALUE"),
        (6, "DAY_NOT_OVER"),
        (7, "DATE_ORDER"),
        (8, "ESIID_UNKNOWN"),
        (9, "WRONG_TDSP"),
    ]
    assert (activity.tally.loaded, activity.tally.rejected) == (1, 7)


def bill_row(action: str, kwh: int) -> MonthlyBillRow:
    return MonthlyBillRow(2, esiid(1), date(2026, 10, 12), DAY, kwh * 1000, None, None, None, None, action)


@given(st.lists(st.tuples(st.sampled_from(["ORIGINAL", "CANCEL", "REBILL"]), st.integers(1, 3))))
def test_whatever_comes_a_standing_bill_changes_only_by_cancel_or_rebill(rows: list[tuple[str, int]]) -> None:
    held: Bill | None = None
    for action, kwh in rows:
        outcome = after(held, bill_row(action, kwh))
        if isinstance(outcome, tuple):
            assert action != "REBILL"
            continue
        if held is not None and not held.cancelled and action == "ORIGINAL":
            assert outcome == held
        assert outcome.cancelled == (action == "CANCEL")
        held = outcome


@pytest.mark.parametrize("text", ["READ_DATE,ESIID,STATUS,USAGE\n", BILLS.replace("ACTION", "DEED")])
def test_a_header_that_misses_a_column_refuses_the_file(
    store: Store, clock: FixedClock, tmp_path: Path, text: str
) -> None:
    add_premises(store, 1)
    activity = load_file(store, file(tmp_path, "a", text), clock=clock, tdsp_duns=OTHER)
    assert (activity.outcome, activity.code) == ("refused", "FILE_LAYOUT")
