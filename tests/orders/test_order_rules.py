"""Ad-hoc orders: states (R6), request checks (R3, R4), names of files (R7)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smt_ws.orders import errors, rules
from smt_ws.orders.rules import PartState, Refusal, Stage, Status

TODAY = date(2026, 11, 20)
GOOD = {
    "start_date": "10/01/2026",
    "end_date": "10/31/2026",
    "version": "L",
    "reading_type": "A",
    "report_format": "CSV",
    "delivery_mode": "FTP",
    "esiids": 1,
    "today": TODAY,
    "most_esiids": 50_000,
    "months": 48,
    "inline_days": 40,
    "formats": ("CSV", "LSE"),
    "versioned_formats": ("CSV",),
}

ORDER_MOVES = {
    ("Pending", "In Progress"),
    ("Pending", "Failed"),
    ("Pending", "Cancelled"),
    ("In Progress", "Complete"),
    ("In Progress", "Complete with exceptions"),
    ("In Progress", "Failed"),
    ("In Progress", "Cancelled"),
    ("Complete", "Expired"),
    ("Complete with exceptions", "Expired"),
}
PART_MOVES = {
    ("planned", "building"),
    ("planned", "cancelled"),
    ("building", "building"),
    ("building", "planned"),
    ("building", "published"),
    ("building", "empty"),
    ("building", "failed"),
    ("building", "cancelled"),
    ("published", "expired"),
}


@pytest.mark.parametrize(("before", "after"), list(product(Status, Status)))
def test_an_order_moves_only_as_r6_says(before: Status, after: Status) -> None:
    assert rules.may_move(before, after) == ((before.value, after.value) in ORDER_MOVES)


@pytest.mark.parametrize(("before", "after"), list(product(PartState, PartState)))
def test_a_part_moves_only_as_the_table_says(before: PartState, after: PartState) -> None:
    assert rules.may_move(before, after) == ((before.value, after.value) in PART_MOVES)


def test_an_order_never_moves_to_a_part_state() -> None:
    assert not rules.may_move(Status.PENDING, PartState.CANCELLED)
    assert not rules.may_move(PartState.PLANNED, Status.CANCELLED)


def test_every_status_has_a_code_that_the_contract_accepts() -> None:
    assert all(re.fullmatch("[A-Z0-9]+(_[A-Z0-9]+)*", status.name) for status in (*Status, *PartState))


def test_a_good_request_gives_its_two_days() -> None:
    assert rules.check_request(**GOOD) == (date(2026, 10, 1), date(2026, 10, 31))


@pytest.mark.parametrize(
    ("change", "code", "element"),
    [
        ({"start_date": "2026-10-01"}, "DATE_MALFORMED", "startDate"),
        ({"start_date": "02/30/2026"}, "DATE_MALFORMED", "startDate"),
        ({"end_date": "1/1/2026"}, "DATE_MALFORMED", "endDate"),
        ({"end_date": ""}, "DATE_MALFORMED", "endDate"),
        ({"end_date": "1０/31/2026"}, "DATE_MALFORMED", "endDate"),
        ({"end_date": "09/30/2026"}, "END_BEFORE_START", "endDate"),
        ({"end_date": "11/21/2026"}, "DATE_IN_FUTURE", "endDate"),
        ({"start_date": "11/19/2022"}, "BEYOND_HISTORY", "startDate"),
        ({"months": 13, "start_date": "10/19/2025"}, "BEYOND_HISTORY", "startDate"),
        ({"report_format": "XML"}, "FORMAT_NOT_AVAILABLE", "reportFormat"),
        ({"report_format": "csv"}, "FORMAT_NOT_AVAILABLE", "reportFormat"),
        ({"delivery_mode": "POST"}, "DELIVERY_MODE_NOT_AVAILABLE", "deliveryMode"),
        ({"version": "A", "report_format": "LSE"}, "VERSION_NOT_IN_FORMAT", "version"),
        ({"delivery_mode": "API", "esiids": 2}, "TOO_LARGE_FOR_ANSWER", "deliveryMode"),
        ({"delivery_mode": "API", "start_date": "09/21/2026"}, "TOO_LARGE_FOR_ANSWER", "deliveryMode"),
        ({"version": "X"}, "VERSION_UNKNOWN", "version"),
        ({"reading_type": "B"}, "READING_TYPE_UNKNOWN", "readingType"),
        ({"esiids": 0}, "NO_ESIIDS", "esiid"),
        ({"esiids": 50_001}, "TOO_MANY_ESIIDS", "esiid"),
    ],
)
def test_a_bad_request_is_refused_with_its_own_code(change: dict[str, object], code: str, element: str) -> None:
    refusal = rules.check_request(**(GOOD | change))  # type: ignore[arg-type]
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.element) == (code, element)
    error = errors.refused(code, element=element, presented=refusal.presented, expected=refusal.expected)
    assert (error.code, error.expected) == (code, refusal.expected)
    assert element in str(error)


@pytest.mark.parametrize(
    "change",
    [
        {"end_date": "11/20/2026"},  # today may be asked for; its data is not yet due
        {"start_date": "11/20/2022"},
        {"months": 13, "start_date": "10/20/2025"},
        {"esiids": 50_000},
        {"start_date": "10/31/2026"},
        {"delivery_mode": "API", "start_date": "09/22/2026"},
        {"delivery_mode": "EML"},
        {"version": "A"},
    ],
)
def test_the_limits_themselves_are_allowed_r3_r4(change: dict[str, object]) -> None:
    assert not isinstance(rules.check_request(**(GOOD | change)), Refusal)  # type: ignore[arg-type]


def test_a_history_that_would_begin_on_no_day_begins_on_the_months_last() -> None:
    assert rules.first_day_kept(date(2028, 2, 29), 48) == date(2024, 2, 29)
    assert rules.first_day_kept(date(2026, 3, 31), 13) == date(2025, 2, 28)
    assert rules.first_day_kept(date(2026, 1, 15), 13) == date(2024, 12, 15)


@given(st.dates(min_value=date(1000, 1, 1)))
@settings(deadline=None)
def test_every_day_is_read_as_it_is_written(day: date) -> None:
    assert rules.read_date(f"{day.month:02}/{day.day:02}/{day.year:04}") == day


@given(st.text(max_size=12))
@settings(deadline=None)
def test_nothing_else_is_read_as_a_day(text: str) -> None:
    day = rules.read_date(text)
    assert day is None or f"{day.month:02}/{day.day:02}/{day.year:04}" == text


def test_a_file_is_named_as_the_market_names_it() -> None:
    moment = datetime(2026, 11, 22, 10, 15, 0, 123_999, tzinfo=UTC)
    member = rules.member_name("IntervalMeterUsage", moment, "5093f4f9339e4024c89b21685ca1223b", "CSV")
    assert member == "IntervalMeterUsage202611220415001235093F4F9339E4024C89B21685CA1223B.CSV"
    name = rules.file_name(member, "1039940674000")
    assert name == member + ".1039940674000.asc"
    assert rules.member_of(name, "1039940674000") == member


def test_an_order_with_exceptions_says_so() -> None:
    assert rules.completed_status(0) is Status.COMPLETE
    assert rules.completed_status(1) is Status.COMPLETE_WITH_EXCEPTIONS


def test_a_stage_waits_for_those_below_it_and_a_company_for_its_turn() -> None:
    long_ago, just_now = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    stages = [
        # one company: a large order under way, a small one that has all its data in work, and a third
        Stage(1, 0, 1, 900, just_now, 5, 3),
        Stage(1, 1, 1, 900, None, 1, 1),
        Stage(2, 0, 1, 10, long_ago, 2, 0),
        Stage(2, 1, 1, 10, None, 1, 1),
        Stage(3, 0, 1, 10, long_ago, 0, 0),
        Stage(3, 1, 1, 10, None, 1, 1),
        # one served a while ago, one never
        Stage(4, 0, 2, 5000, long_ago, 1, 1),
        Stage(5, 0, 3, 9000, None, 1, 1),
        Stage(6, 0, 3, 9000, None, 1, 1),
    ]
    assert rules.turns(stages) == [(5, 0), (6, 0), (4, 0), (3, 1), (1, 0)]
    assert rules.turns(reversed(stages)) == rules.turns(stages)
    assert rules.turns([]) == []
