"""Statuses of messages, how they add up, superseding; every field at its bounds and one past them (H4, H5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import sep
from smt_ws.errors import HubError
from smt_ws.han import errors, field_errors, field_rules, message_rules
from smt_ws.han.field_rules import FIELDS, Schedule, check_load_control, check_price, check_schedule, check_text
from smt_ws.han.message_rules import (
    CATEGORIES,
    SEP_STATUSES,
    TIERS,
    Code,
    Event,
    MessageState,
    Told,
    closes,
    further,
    read_status,
    rolled_up,
    supersedes,
)
from smt_ws.han.rules import Refusal

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
M = MessageState
tolds = st.builds(Told, st.sampled_from(list(M)), st.integers(0, 5).map(lambda minute: NOW + timedelta(minutes=minute)))


def test_every_state_has_one_place_and_a_meaning() -> None:
    assert sorted(state for tier in TIERS for state in tier) == sorted(M)
    assert set(message_rules.STATES) == set(M)


@settings(max_examples=200, deadline=None)
@given(st.lists(tolds, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_what_statuses_add_up_to_depends_on_no_order_and_no_repeat(story, random) -> None:
    def added_up(some):
        now = Told(M.SUBMITTED, NOW)
        for told in some:
            now = further(now, told)
        return now

    shuffled = [*story, *story]
    random.shuffle(shuffled)
    assert added_up(story).state is added_up(shuffled).state
    assert added_up([*story, added_up(story)]) == added_up(story)


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ([(M.PENDING, 1), (M.ACKNOWLEDGED, 2)], M.PENDING),
        ([(M.EXPIRED, 9), (M.DELIVERED, 1)], M.DELIVERED),
        ([(M.FAILED, 1), (M.DELIVERED, 2)], M.DELIVERED),
        ([(M.DELIVERED, 1), (M.FAILED, 2)], M.FAILED),
        ([(M.STARTED, 2), (M.DELIVERED, 3)], M.STARTED),
        ([(M.STARTED, 1), (M.OPTED_OUT, 2), (M.STARTED, 3)], M.STARTED),
        ([(M.OPTED_OUT, 2), (M.STARTED, 1)], M.OPTED_OUT),
        ([(M.COMPLETED, 1), (M.OPTED_OUT, 2)], M.COMPLETED),
    ],
)
def test_which_of_two_is_further(story, state) -> None:
    now = Told(M.SUBMITTED, NOW)
    for one, minute in story:
        now = further(now, Told(one, NOW + timedelta(minutes=minute)))
    assert now.state is state


def test_statuses_of_every_category_exhaustively_h5() -> None:
    for category, code, sep_status in product(CATEGORIES, [*Code, "XYZ"], [None, *SEP_STATUSES, 0x55]):
        found = read_status(category, code, sep_status)
        if code == "XYZ":
            assert found == "UNKNOWN_STATUS"
        elif code not in CATEGORIES[category].codes:
            assert found == "STATUS_NOT_FOR_CATEGORY"
        elif sep_status == 0x55:
            assert found == "SEP_STATUS_UNKNOWN"
        elif sep_status is not None and SEP_STATUSES[sep_status].code != code:
            assert found == "SEP_STATUS_MISMATCH"
        else:
            assert isinstance(found, MessageState)
    assert read_status("LCE", "OPT", None) is M.OPTED_OUT
    assert {name for name, one in CATEGORIES.items() if Code.OPT in one.codes} == {"LCE"}
    assert read_status("CLE", "CON", 6) is M.DELIVERED
    assert read_status("LCE", "CON", 6) is M.CANCELLED


def test_the_event_statuses_are_those_of_the_codec() -> None:
    assert set(SEP_STATUSES) == {int(one) for one in sep.EventStatus}


def test_a_premise_shows_what_its_devices_add_up_to() -> None:
    assert rolled_up(M.SENT, []) is M.SENT
    assert rolled_up(M.SENT, [M.OPTED_OUT, M.STARTED]) is M.STARTED
    assert rolled_up(M.SENT, [M.FAILED, M.DELIVERED]) is M.DELIVERED
    assert rolled_up(M.SENT, [M.OPTED_OUT, M.OPTED_OUT]) is M.OPTED_OUT
    assert rolled_up(M.CANCELLED, [M.STARTED]) is M.CANCELLED
    assert all(rolled_up(M.SENT, [state]) is state for state in M)


def test_what_is_waited_for() -> None:
    for category, state in product(CATEGORIES, M):
        waits = {M.SUBMITTED, M.SENT, M.ACKNOWLEDGED, M.PENDING, M.STARTED}
        if category == "LCE":
            waits.add(M.DELIVERED)
        assert closes(category, state) == (state not in waits)


def test_superseding_takes_overlap_class_group_and_a_larger_number() -> None:
    hour = timedelta(hours=1)
    old = Event(1, "LCE", NOW, NOW + hour, 0b01, 3)
    for newer, wanted in (
        (Event(2, "LCE", NOW, NOW + hour, 0b11, 0), True),
        (Event(2, "LCE", NOW + hour, NOW + 2 * hour, 0b01, 3), False),
        (Event(2, "LCE", NOW - hour, NOW, 0b01, 3), False),
        (Event(2, "LCE", NOW, None, 0b10, 3), False),
        (Event(2, "LCE", NOW, None, 0b01, 4), False),
        (Event(2, "STM", NOW, None), False),
        (Event(1, "LCE", NOW, None, 0b01, 3), False),
    ):
        assert supersedes(newer, old) is wanted, newer
    text = Event(1, "STM", NOW, None)
    assert supersedes(Event(2, "STM", NOW + 100 * hour, None), text)
    assert not supersedes(text, Event(2, "STM", NOW, None))
    assert not supersedes(Event(2, "CLE", NOW, None), Event(1, "CLE", NOW, None))


GOOD = {
    "LCE": {"deviceClass": 1, "enrollmentGroup": 0, "durationMinutes": 60, "criticalityLevel": 1},
    "PRM": {"providerId": 1, "currency": 840, "priceTier": 0, "numberOfPriceTiers": 6, "registerTier": 0},
}


def checked(category: str, sent):
    if category == "LCE":
        return check_load_control(sent, randomize_start=False, randomize_end=True)
    return check_price(sent, price=Decimal(1), generation_price=None, rate_label="")


@pytest.mark.parametrize(("category", "field"), [(name, one) for name in GOOD for one in FIELDS[name]])
def test_every_field_at_its_bounds_and_one_past_them_h4(category: str, field) -> None:
    step = Decimal(1).scaleb(-field.decimals)
    for number, good in ((field.low, True), (field.high, True), (field.low - 1, False), (field.high + 1, False)):
        found = checked(category, GOOD[category] | {field.element: number * step})
        if good:
            assert found[field.key] == number, field.element  # type: ignore[call-overload, index]
        else:
            assert isinstance(found, Refusal)
            assert (found.code, found.element) == (field.code, field.element)
    between = checked(category, GOOD[category] | {field.element: field.low * step + step / 2})
    assert isinstance(between, Refusal)
    left_out = checked(category, {name: value for name, value in GOOD[category].items() if name != field.element})
    assert isinstance(left_out, Refusal) != field.optional
    if field.optional:
        assert left_out[field.key] is None  # type: ignore[call-overload, index]
    nan = checked(category, GOOD[category] | {field.element: Decimal("NaN")})
    assert isinstance(nan, Refusal)


def test_the_ranges_are_those_of_the_codec() -> None:
    for category, message in (("LCE", sep.LoadControlEvent), ("PRM", sep.PublishPrice), ("STM", sep.DisplayMessage)):
        for field in FIELDS[category]:
            its = message.RANGES[field.key]
            assert (field.low, field.high, field.optional) == (its.least, its.most, its.optional), field.element


def test_each_field_has_a_fault_of_its_own() -> None:
    codes = [field.code for field in {*FIELDS["LCE"], *FIELDS["PRM"]}]
    assert len(set(codes)) == len(codes) - 1  # the two durations share theirs
    for code in codes:
        error = errors.refused(Refusal(code, "element", "1", "2"))
        assert (error.code, error.expected, error.presented) == (code, "2", "1")
    for one in vars(field_errors).values():
        if isinstance(one, type) and issubclass(one, HubError) and one is not HubError:
            assert one.sentence().endswith(".")


@pytest.mark.parametrize(
    ("price", "generation", "digits", "numbers"),
    [
        ("0.1875", None, 4, (1875, None)),
        ("0.1870", "0.05", 3, (187, 50)),
        ("12", "0.00001", 5, (1200000, 1)),
        ("0", None, 0, (0, None)),
        ("4294967295", None, 0, (4294967295, None)),
        ("1E-15", None, 15, (1, None)),
    ],
)
def test_prices_are_exact(price: str, generation: str | None, digits: int, numbers) -> None:
    other = None if generation is None else Decimal(generation)
    found = check_price(GOOD["PRM"], price=Decimal(price), generation_price=other, rate_label="ONPEAK")
    assert not isinstance(found, Refusal)
    assert (found["trailing_digits"], (found["price"], found["generation_price"])) == (digits, numbers)


@pytest.mark.parametrize(
    ("price", "generation", "label"),
    [("4294967295", None, ""), ("0", "4294967294", ""), ("1", "0", "x" * 11), ("1", None, "é" * 5 + "x")],
)
def test_prices_and_labels_at_their_bounds(price: str, generation, label: str) -> None:
    other = None if generation is None else Decimal(generation)
    found = check_price(GOOD["PRM"], price=Decimal(price), generation_price=other, rate_label=label)
    assert not isinstance(found, Refusal)
    assert (found["price"], found["rate_label"]) == (int(price), label)
    frame = sep.decode(0x0700, sep.encode(sep.PublishPrice(event_id=1, **found))).message
    assert (frame.generation_price, frame.rate_label) == (None if other is None else int(other), label)


@pytest.mark.parametrize(
    ("price", "generation", "label", "code"),
    [
        ("4294967296", None, "", "PRICE_OUT_OF_RANGE"),
        ("-0.01", None, "", "PRICE_OUT_OF_RANGE"),
        ("1E-16", None, "", "PRICE_OUT_OF_RANGE"),
        ("NaN", None, "", "PRICE_OUT_OF_RANGE"),
        ("1", "4294967295", "", "GENERATION_PRICE_OUT_OF_RANGE"),
        ("1", "-1", "", "GENERATION_PRICE_OUT_OF_RANGE"),
        ("1", None, "x" * 12, "RATE_LABEL_TOO_LONG"),
        ("1", None, "é" * 6, "RATE_LABEL_TOO_LONG"),
    ],
)
def test_prices_and_labels_that_cannot_be_sent(price: str, generation, label: str, code: str) -> None:
    other = None if generation is None else Decimal(generation)
    found = check_price(GOOD["PRM"], price=Decimal(price), generation_price=other, rate_label=label)
    assert isinstance(found, Refusal)
    assert found.code == code


def test_the_register_tier_is_at_most_the_number_of_tiers() -> None:
    found = check_price(
        GOOD["PRM"] | {"numberOfPriceTiers": 2, "registerTier": 3},
        price=Decimal(1),
        generation_price=None,
        rate_label="",
    )
    assert isinstance(found, Refusal)
    assert found.code == "REGISTER_TIER_OUT_OF_RANGE"


def text(content: str, **other):
    return check_text(
        content,
        **({"priority": "LOW", "confirmation_required": False, "duration_minutes": None, "most_bytes": 58} | other),
    )


def test_texts_are_counted_in_bytes_and_never_cut_h4() -> None:
    assert text("x" * 58)["text"] == "x" * 58  # type: ignore[index]
    assert text("é" * 29)["text"] == "é" * 29  # type: ignore[index]
    # 59 bytes, of which the 58th and 59th are one character
    refused = text("x" * 57 + "é")
    assert isinstance(refused, Refusal)
    assert refused.code == "MESSAGE_TOO_LONG"
    assert "the first 57 characters" in refused.expected
    assert tuple(one.name for one in sep.Importance) == field_rules.PRIORITIES


def test_a_start_is_now_or_later_and_not_too_far() -> None:
    horizon = timedelta(days=31)
    assert check_schedule(None, 60, now=NOW, horizon=horizon) == Schedule(None, NOW + timedelta(hours=1))
    assert check_schedule(None, None, now=NOW, horizon=horizon) == Schedule(None, None)
    later = NOW + timedelta(hours=2)
    assert check_schedule(later, 60, now=NOW, horizon=horizon) == Schedule(later, later + timedelta(hours=1))
    assert check_schedule(NOW - timedelta(seconds=59), 1, now=NOW, horizon=horizon) == Schedule(
        None, NOW + timedelta(minutes=1)
    )
    for start, code in (
        (NOW - timedelta(seconds=61), "START_IN_PAST"),
        (NOW + horizon + timedelta(seconds=1), "START_TOO_FAR"),
        (later.replace(tzinfo=None), "START_WITHOUT_ZONE"),
    ):
        found = check_schedule(start, 60, now=NOW, horizon=horizon)
        assert isinstance(found, Refusal)
        assert found.code == code
