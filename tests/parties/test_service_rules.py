"""R5: which operating days of a premise a company may see, and the reason for each of the others."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_ws.parties import rules
from smt_ws.parties.rules import DayRange, Reason, Refusal, served

JUNE_1 = date(2026, 6, 1)


def june(first: int, last: int | None = None) -> DayRange:
    return DayRange(date(2026, 6, first), None if last is None else date(2026, 6, last))


WHOLE_JUNE = june(1, 30)

CASES = {
    "one open spell over the whole range": ([DayRange(date(2020, 1, 1))], [], [WHOLE_JUNE], []),
    "nothing at all": ([], [], [], [Refusal(*june(1, 30), Reason.NO_AGREEMENT)]),
    "served from the 10th": ([june(10)], [], [june(10, 30)], [Refusal(*june(1, 9), Reason.BEFORE_SERVICE)]),
    "served until the 10th": (
        [DayRange(date(2020, 1, 1), date(2026, 6, 10))],
        [],
        [june(1, 10)],
        [Refusal(*june(11, 30), Reason.AFTER_SERVICE)],
    ),
    "came back": (
        [june(3, 5), june(20, 25)],
        [],
        [june(3, 5), june(20, 25)],
        [
            Refusal(*june(1, 2), Reason.BEFORE_SERVICE),
            Refusal(*june(6, 19), Reason.NOT_YOUR_SERVICE),
            Refusal(*june(26, 30), Reason.AFTER_SERVICE),
        ],
    ),
    "served only later": (
        [DayRange(date(2026, 7, 1))],
        [],
        [],
        [Refusal(*june(1, 30), Reason.BEFORE_SERVICE)],
    ),
    "served only earlier": (
        [DayRange(date(2026, 1, 1), date(2026, 5, 31))],
        [],
        [],
        [Refusal(*june(1, 30), Reason.AFTER_SERVICE)],
    ),
    "an agreement opens a part": (
        [],
        [june(5, 8)],
        [june(5, 8)],
        [Refusal(*june(1, 4), Reason.NO_AGREEMENT), Refusal(*june(9, 30), Reason.NO_AGREEMENT)],
    ),
    "an agreement reaches back before the service": (
        [june(15)],
        [june(10, 14)],
        [june(10, 30)],
        [Refusal(*june(1, 9), Reason.BEFORE_SERVICE)],
    ),
    "two spells that touch are one slice": ([june(1, 9), june(10)], [], [WHOLE_JUNE], []),
}


@pytest.mark.parametrize(("spells", "grants", "slices", "refusals"), CASES.values(), ids=CASES.keys())
def test_a_rep_sees_the_days_it_served_and_the_days_that_agreements_open_r5(spells, grants, slices, refusals):
    assert served(WHOLE_JUNE, spells, grants) == (slices, refusals)


DAYS = st.integers(-5, 45).map(lambda n: JUNE_1 + timedelta(days=n))
RANGES = st.builds(lambda a, b: DayRange(a, None if b is None else max(a, b)), DAYS, st.one_of(st.none(), DAYS))


@given(
    wanted=st.tuples(DAYS, DAYS).map(sorted), spells=st.lists(RANGES, max_size=4), grants=st.lists(RANGES, max_size=3)
)
def test_every_day_is_in_exactly_one_slice_or_refusal_and_rightly_r5(wanted, spells, grants):
    first, last = wanted
    slices, refusals = served(DayRange(first, last), spells, grants)

    for rows in (slices, refusals):
        for one, next_ in pairwise(rows):
            assert one.last < next_.first, "ordered and disjoint"
    day = first
    while day <= last:
        within = [row for row in [*slices, *refusals] if row.first <= day <= row.last]
        assert len(within) == 1
        seen = any(r.first <= day and (r.last is None or day <= r.last) for r in [*spells, *grants])
        assert isinstance(within[0], DayRange) == seen
        if not seen:
            earlier, later = any(s.first <= day for s in spells), any(s.first > day for s in spells)
            expected = {
                (False, False): Reason.NO_AGREEMENT,
                (False, True): Reason.BEFORE_SERVICE,
                (True, False): Reason.AFTER_SERVICE,
                (True, True): Reason.NOT_YOUR_SERVICE,
            }[earlier, later]
            assert within[0].code is expected
        day += timedelta(days=1)
    assert all(first <= row.first <= row.last <= last for row in [*slices, *refusals])


def test_the_calendars_last_day_is_no_obstacle_r5():
    wanted = DayRange(date(9999, 12, 30), date.max)
    assert served(wanted, [DayRange(date(2020, 1, 1))], [DayRange(date.max)]) == ([wanted], [])


def test_every_reason_has_a_sentence_and_a_number_that_fits_one_byte():
    assert set(rules.REASONS) == set(Reason)
    assert len(rules.REASON_CODES) < 256
    for sentence in rules.REASONS.values():
        assert sentence.endswith(".")
        assert not set(sentence) & set('"\r\n'), "it stands between quotes in a CSV field"


def test_the_numbers_of_the_reasons_never_change():
    # They are stored with orders: append, never insert or reorder.
    assert [str(code) for code in rules.REASON_CODES[:14]] == [
        "ESIID_MALFORMED", "ESIID_REPEATED", "ESIID_UNKNOWN", "NO_AGREEMENT", "BEFORE_SERVICE", "AFTER_SERVICE",
        "NOT_YOUR_SERVICE", "NOT_YOUR_PREMISE", "NO_STATED_REASON", "NOT_YET_DUE", "LATE_AT_TDSP",
        "NOT_PROVISIONED", "GAP", "NO_GENERATION_CHANNEL",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["123456789", "0000000000000", "1039940674000"])
def test_duns_numbers_have_9_or_13_digits(text):
    assert rules.is_duns(text)


@pytest.mark.parametrize(
    "text", ["", "12345678", "1234567890", "12345678901234", "12345678a", "123456789\n", "١٢٣٤٥٦٧٨٩"]
)
def test_anything_else_is_no_duns_number(text):
    assert not rules.is_duns(text)


GOOD = "10443720001234567"


@pytest.mark.parametrize(
    ("esiids", "malformed"),
    [
        ([], []),
        ([""], [0]),
        ([GOOD, GOOD + "00001"], []),
        ([GOOD, "1044372000123456", GOOD + "0", GOOD + "000001", GOOD[:-1] + "x"], [1, 2, 3, 4]),
        ([f"{GOOD}\n{GOOD}", GOOD], [0]),
        ([GOOD + "\n", GOOD], [0]),
        ([GOOD, "١" * 17], [1]),
    ],
)
def test_an_esiid_has_17_or_22_digits_and_the_malformed_are_found_in_a_list(esiids, malformed):
    assert rules.malformed_esiids(esiids) == malformed
    assert [i for i, e in enumerate(esiids) if not rules.is_esiid(e)] == malformed


def test_a_sandbox_may_take_1_to_64_letters_and_digits():
    esiids = ["1044372000123456", "aZ9", "", "x" * 64, "x" * 65, "a-b", "a\nb", "é"]
    assert rules.malformed_esiids(esiids, allow_test=True) == [2, 4, 5, 6, 7]
    assert rules.malformed_esiids(esiids[:2], allow_test=True) == []
    assert rules.malformed_esiids(esiids[:2]) == [0, 1]


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=8))
def test_a_repeated_esiid_is_answered_at_its_first_place(esiids):
    assert rules.repeated_esiids(esiids) == [i for i, e in enumerate(esiids) if e in esiids[:i]]


@pytest.mark.parametrize(
    ("kind", "said", "acts_as"),
    [
        ("REP", "REP", "REP"), ("REP", "ROR", "REP"), ("REP", "CSP", "CSP"), ("REP", "TDSP", None),
        ("REP", "REG", None),
        ("CSP", "CSP", "CSP"), ("CSP", "REP", None), ("CSP", "ROR", None), ("CSP", "TDSP", None), ("CSP", "REG", None),
        ("TDSP", "TDSP", "TDSP"), ("TDSP", "REP", None), ("REG", "REG", "REG"), ("REG", "REP", None),
        ("REP", "rep", None), ("REP", "", None), ("TDSP", None, "TDSP"),
    ],
)  # fmt: skip
def test_a_company_acts_as_what_it_is_and_a_rep_as_a_third_party_too_p6(kind, said, acts_as):
    assert rules.acting_kind(kind, said) == acts_as


SPELLS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 4), st.booleans()).map(
        lambda one: DayRange(date(2026, 6, one[0]), None if one[2] else date(2026, 6, one[0] + one[1]))
    ),
    max_size=4,
)


@given(now=SPELLS, then=SPELLS)
def test_what_is_opened_is_what_was_not_seen_before_r15(now, then):
    """Ordered, disjoint and merged; counted day by day it is the difference of the two."""
    found = rules.opened(now, then)

    def within(spells, day):
        return any(spell.first <= day and (spell.last is None or day <= spell.last) for spell in spells)

    for day in [*(date(2026, 6, n) for n in range(1, 30)), date.max]:
        assert within(found, day) == (within(now, day) and not within(then, day))
    for one, following in pairwise(found):
        assert one.last is not None
        assert one.last + timedelta(days=1) < following.first
