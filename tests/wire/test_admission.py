"""What a busy gate takes on: bursts wait, standing queues do not, and short messages pass long ones."""

import pytest

from adapters.soap.admission import SHORT_MESSAGE, Admission
from adapters.soap.faults import HubBusy


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admission(clock):
    return Admission(queue_seconds=2.0, bytes_in_hand=10_000_000, clock=clock)


def test_a_burst_may_wait_the_whole_bound(admission, clock):
    admission.in_time(0.0)
    for waited in (0.5, 1.0, 1.5, 2.0):
        clock.now = 100.0 + waited
        admission.in_time(waited)
    with pytest.raises(HubBusy):
        admission.in_time(2.01)


def test_a_standing_queue_is_cut_to_a_tenth(admission, clock):
    admission.in_time(0.0)
    clock.now += 2.1
    for waited in (1.0, 0.21):
        with pytest.raises(HubBusy):
            admission.in_time(waited)
    admission.in_time(0.2)
    with pytest.raises(HubBusy):
        admission.in_time(1.0)
    admission.in_time(0.02)  # nobody was before this one: the queue is gone
    admission.in_time(1.0)


def test_after_a_refusal_a_queue_counts_as_standing_ten_times_as_fast_for_a_while(admission, clock):
    with pytest.raises(HubBusy):
        admission.in_time(2.5)
    admission.in_time(0.0)
    clock.now += 0.15
    admission.in_time(1.0)
    clock.now += 0.1
    with pytest.raises(HubBusy):
        admission.in_time(0.3)
    clock.now += 20.01  # the while is over: a burst may wait again
    admission.in_time(0.0)
    clock.now += 1.9
    admission.in_time(1.9)


def test_after_a_quiet_night_the_first_request_counts_as_none_in_a_queue(admission, clock):
    clock.now += 3600
    admission.in_time(0.001)
    admission.in_time(1.9)


def test_callers_are_told_different_pauses(admission):
    pauses = set()
    for _ in range(8):
        with pytest.raises(HubBusy) as told:
            admission.in_time(9.0)
        pauses.add(told.value.retry_after)
        assert f"in {told.value.retry_after} seconds" in str(told.value)
    assert pauses == {2, 3, 4, 5}


def test_long_messages_share_the_bytes_and_short_ones_pass_them(admission):
    with admission.room_for(6_000_000):
        with pytest.raises(HubBusy), admission.room_for(4_000_001):
            raise AssertionError("was let in")
        with admission.room_for(4_000_000), admission.room_for(SHORT_MESSAGE):
            pass
        with admission.room_for(4_000_000):
            pass


def test_one_message_always_fits_however_small_the_bound(clock):
    tight = Admission(queue_seconds=1, bytes_in_hand=1_000_000, clock=clock)
    with tight.room_for(8_000_000):
        with pytest.raises(HubBusy), tight.room_for(SHORT_MESSAGE + 1):
            raise AssertionError("was let in")
        with tight.room_for(SHORT_MESSAGE):
            pass


def test_room_is_given_back_by_a_request_that_fails(admission):
    with pytest.raises(ValueError, match="failed"), admission.room_for(9_000_000):
        raise ValueError("failed")
    with admission.room_for(9_000_000):
        pass
