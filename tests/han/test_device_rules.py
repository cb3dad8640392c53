"""The table of device moves, whole, and the identifiers of devices (H1-H3)."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smt_ws.han import rules
from smt_ws.han.rules import ADDING, MOVES, REMOVING, SLOT_STATES, Actor, DeviceEvent, DeviceState, Refusal, moved

E, S = DeviceEvent, DeviceState
ADD_POSTS = [event for (action, _), event in rules.TDSP_EVENTS.items() if action == "ADD"]
REMOVE_POSTS = [event for (action, _), event in rules.TDSP_EVENTS.items() if action == "REMOVE"]
#: How far an add is; success beats failure, and the first of two failures stays.
RANK = {E.ADD_TAKEN: 0, E.ADD_PENDING: 1, E.METER_READY: 2, E.ADD_REJECTED: 3, E.ADD_FAILED: 3, E.ADDED: 4}


def after(events, state=None, before=None):
    for event in events:
        found = moved(state, before, event)
        if found is not None:
            state, before = found.state, found.before_removal
    return state, before


def test_the_slots_are_those_of_h3() -> None:
    assert {state.value for state in SLOT_STATES} == {
        "Add Acknowledged", "Add Pending", "Meter Ready", "Device Added", "Remove Acknowledged", "Remove Pending",
        "Remove Failed",
    }  # fmt: skip
    assert {state.value for state in set(S) - SLOT_STATES} == {"Add Rejected", "Add Failed", "Device Removed"}


def test_every_pair_of_state_and_event_either_is_in_the_table_or_moves_nothing() -> None:
    for state, event in product([None, *S], E):
        before = S.DEVICE_ADDED if state in REMOVING else None
        found = moved(state, before, event)
        row = MOVES.get((state, event))
        if state is None:
            assert (found is None) == (event is not E.ADD_ASKED)
        elif row is None and not (state in REMOVING and event in ADD_POSTS):
            assert found == (state, before, False)
        else:
            assert found is not None
            # a removal that is open knows what it goes back to, and nothing else does
            assert (found.before_removal is not None) == (found.state in REMOVING)


def test_only_its_actor_causes_a_move_and_every_event_has_one() -> None:
    by_event = {row.event: row.actor for row in rules.ROWS}
    assert set(by_event) | rules.NOTED == set(E)
    assert {event for event, actor in by_event.items() if actor is Actor.TDSP} == {
        *rules.TDSP_EVENTS.values(), E.METER_EXCHANGED
    }  # fmt: skip
    assert {event for event, actor in by_event.items() if actor is Actor.HUB} == {
        event for _, event in rules.TIMEOUTS.values()
    }
    assert {event for event, actor in by_event.items() if actor is Actor.REQUESTER} == {E.ADD_ASKED, E.REMOVE_ASKED}


def test_every_order_of_an_adds_statuses_ends_alike_h3() -> None:
    """Exhaustive over all orders of all subsets of up to four statuses."""
    for number in range(1, 5):
        for events in permutations(ADD_POSTS, number):
            state, _ = after([E.ADD_ASKED, *events])
            best = max(RANK[event] for event in events)
            if best == 4:
                assert state is S.DEVICE_ADDED, events
            elif best == 3:
                assert state in {S.ADD_REJECTED, S.ADD_FAILED}, events
            else:
                assert state is [S.ADD_ACKNOWLEDGED, S.ADD_PENDING, S.METER_READY][best], events


def test_every_order_of_a_removals_statuses_is_success_where_one_says_so() -> None:
    for number in range(1, 6):
        for events in permutations(REMOVE_POSTS, number):
            state, _ = after([E.ADD_ASKED, E.ADDED, E.REMOVE_ASKED, *events])
            if E.REMOVED in events:
                assert state is S.DEVICE_REMOVED, events
            elif not {E.REMOVE_REJECTED, E.REMOVE_FAILED} & set(events):
                assert state in {S.REMOVE_ACKNOWLEDGED, S.REMOVE_PENDING}
            else:
                assert state in {S.DEVICE_ADDED, S.REMOVE_FAILED}


def test_a_rejected_removal_goes_back_to_whatever_was_before() -> None:
    for events, state in (
        ([E.ADD_ASKED], S.ADD_ACKNOWLEDGED),
        ([E.ADD_ASKED, E.METER_READY], S.METER_READY),
        ([E.ADD_ASKED, E.ADDED], S.DEVICE_ADDED),
    ):
        assert after([*events, E.REMOVE_ASKED, E.REMOVE_REJECTED]) == (state, None)
    # what is told of the add meanwhile counts
    assert after([E.ADD_ASKED, E.REMOVE_ASKED, E.ADDED, E.REMOVE_REJECTED]) == (S.DEVICE_ADDED, None)
    assert after([E.ADD_ASKED, E.REMOVE_ASKED, E.ADD_FAILED, E.REMOVE_REJECTED]) == (S.ADD_FAILED, None)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(list(E)), max_size=12), st.sampled_from(list(E)))
def test_over_any_sequence_nothing_impossible_is_reached(events, event) -> None:
    state, before = after(events)
    found = moved(state, before, event)
    if state is None:
        assert E.ADD_ASKED not in events
        return
    assert found is not None
    assert (found.before_removal is not None) == (found.state in REMOVING)
    if not found.applied:
        assert (found.state, found.before_removal) == (state, before)
    # only a new request brings a device back; only success or a request ends in a slot that was free
    if state not in SLOT_STATES and found.state in SLOT_STATES:
        assert event in {E.ADD_ASKED, E.ADDED}
    # the same again changes nothing more
    again = moved(found.state, found.before_removal, event)
    if found.applied and event not in {E.REMOVE_ASKED, E.REMOVE_REJECTED, E.ADD_ASKED, E.ADD_FAILED, E.ADD_REJECTED}:
        assert again is not None
        assert again.state is found.state


def test_timeouts_end_what_waits_and_nothing_else() -> None:
    assert after([E.ADD_ASKED, E.METER_READY, E.JOIN_TIMED_OUT]) == (S.ADD_FAILED, None)
    assert after([E.ADD_ASKED, E.METER_READY, E.JOIN_TIMED_OUT, E.ADDED]) == (S.DEVICE_ADDED, None)
    assert after([E.ADD_ASKED, E.JOIN_TIMED_OUT]) == (S.ADD_ACKNOWLEDGED, None)
    assert after([E.ADD_ASKED, E.ADDED, E.REMOVE_ASKED, E.REMOVE_TIMED_OUT])[0] is S.REMOVE_FAILED
    assert set(rules.TIMEOUTS) <= ADDING | REMOVING


VECTORS = [
    ("83FED3407A932B70", 0x702B),
    ("83FED3407A93972397FC", 0xFC97),
    ("83FED3407A939738C552", 0x52C5),
    ("11223344556677884AF7", 0xF74A),
    ("7A939723A5C639B269161802819B", 0x9B81),
    ("83FED3407A939723A5C639FF4C12", 0x124C),
    ("83FED3407A939723A5C639B26916D505C3B5", 0xB5C3),
    ("83FED3407A939723A5C639B269161802AEBB", 0xBBAE),
]


@pytest.mark.parametrize(("code", "crc"), VECTORS)
def test_published_installation_codes_are_taken_in_every_notation(code: str, crc: int) -> None:
    plain = bytes.fromhex(code)
    assert rules.crc16_x25(plain[:-2]) == crc
    pairs = [code[i : i + 2] for i in range(0, len(code), 2)]
    for text in (code, code.lower(), "-".join(pairs), ":".join(pairs), f" 0x{code} ", ".".join(pairs), " ".join(pairs)):
        assert rules.check_install_code(text) == plain


def test_crc_check_value() -> None:
    assert rules.crc16_x25(b"123456789") == 0x906E


@pytest.mark.parametrize("code", ["1122334455667788FFFF", "FFFED3407A939723", "83FED3407A93702B"])
def test_wrong_crcs_are_refused_without_repeating_the_code(code: str) -> None:
    refused = rules.check_install_code(code)
    assert isinstance(refused, Refusal)
    assert refused.code == "INSTALL_CODE_CRC"
    assert code not in str(refused)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([6, 8, 12, 16]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), st.data())
def test_one_wrong_digit_never_passes(plain: bytes, data) -> None:
    code = plain + rules.crc16_x25(plain).to_bytes(2, "little")
    assert rules.check_install_code(code.hex()) == code
    place = data.draw(st.integers(0, len(code) * 2 - 1))
    digit = data.draw(st.sampled_from("0123456789abcdef"))
    text = code.hex()
    changed = text[:place] + digit + text[place + 1 :]
    assert (rules.check_install_code(changed) == code) == (changed == text)
    assert rules.check_install_code(code.hex()[:-1]).code == "INSTALL_CODE_LENGTH"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["000D6F000ABCDEF0", "00:0d:6f:00:0a:bc:de:f0", "00-0D-6F-00-0A-BC-DE-F0", " 0x000d6f000abcdef0 ",
             "000D.6F00.0ABC.DEF0", "00 0D 6F 00 0A BC DE F0"]
)  # fmt: skip
def test_eui64s_in_every_notation_are_one(text: str) -> None:
    assert rules.check_eui64(text) == "000D6F000ABCDEF0"


@pytest.mark.parametrize(
    "text",
    ["", "000D6F000ABCDE", "000D6F000ABCDEF0F0", "000D6F000ABCDEFG", "0" * 16, "F" * 16, "000D6F000ABC", "０" * 16],
)
def test_what_is_no_eui64_is_refused(text: str) -> None:
    refused = rules.check_eui64(text)
    assert isinstance(refused, Refusal)
    assert refused.code == "EUI64_MALFORMED"


def test_a_masked_address_shows_its_last_five_digits_a14() -> None:
    assert rules.masked_eui64("000D6F000ABCDEF0") == "XXXXXXXXXXXCDEF0"
