"""A target that fails is left alone and holds up no other; an operator may hold one."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from smt_ws.clock import real_now
from smt_ws.store.breaker import Policy, is_half_open, pause, target_pause
from smt_ws.store.couriers import run_couriers
from smt_ws.store.outbox import Batch, Refused, carry_out, claim, deliver_due, enqueue, retry_dead, waiting
from smt_ws.store.outbox_targets import pause as hold
from smt_ws.store.outbox_targets import resume, targets
from smt_ws.store.tables import audit_log, outbox, outbox_target


def queue(store, clock, target, *keys, **more):
    with store.write() as connection:
        for key in keys:
            payload = {"key": key}
            enqueue(connection, kind="call", key=key, payload=payload, now=clock.now(), target=target, **more)


def as_if_later(store, **columns):
    """Every pause of effects and circuits is over."""
    past = real_now() - timedelta(seconds=1)
    with store.write() as connection:
        connection.execute(update(outbox).values(not_before=past, **columns))
        connection.execute(update(outbox_target).values(open_until=past).where(outbox_target.c.open_until.is_not(None)))


def try_all(store, handlers, policy, rounds=20):
    for _ in range(rounds):
        claimed = claim(store, handlers, policy=policy)
        if claimed is None:
            return
        carry_out(store, handlers, claimed, policy=policy)


def down(_payload):
    raise ConnectionError("nobody there")


@pytest.mark.parametrize(("failures", "longest"), [(1, 0), (2, 0), (3, 2), (4, 4), (5, 8), (20, 300), (5000, 300)])
def test_an_open_circuit_waits_twice_as_long_each_time_up_to_its_longest(failures, longest):
    policy = Policy(failures=3)
    assert target_pause(failures, policy, 1.0) == timedelta(seconds=longest)
    assert target_pause(failures, policy, 0.0) == timedelta(0)
    assert is_half_open(failures, policy) == (failures >= 3)


def test_the_pause_of_an_effect_grows_up_to_its_longest_with_jitter_over_all_of_it():
    policy = Policy()
    assert [pause(n, policy, 0.5).total_seconds() for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert pause(40_000, policy, 0.999) < policy.longest_pause


def test_a_circuit_opens_after_failures_in_a_row_lets_one_try_pass_and_closes(store, clock):
    policy, tried = Policy(failures=3, attempts=4), []

    def failing(payload):
        tried.append(payload["key"])
        raise TimeoutError("slow")

    queue(store, clock, "callback:1", *"abcdef")
    try_all(store, {"call": failing}, policy)
    assert tried[:3] == ["a", "b", "c"]
    (target,) = targets(store)
    assert (target.failures, target.waiting, target.dead) == (len(tried), 6, 0)
    assert target.last_error == "TimeoutError: slow"
    assert target.failing_since <= real_now()
    # each later moment lets one try pass, and the try that failed is not the next one's
    with store.write() as connection:
        connection.execute(update(outbox_target).values(open_until=real_now() - timedelta(seconds=1)))
    assert claim(store, {"call": failing}, policy=policy) is not None
    assert claim(store, {"call": failing}, policy=policy) is None
    with store.write() as connection:
        connection.execute(update(outbox).values(lease_until=None))
    # well again: the try that passes closes the circuit, and the others follow
    as_if_later(store, attempts=0)
    done = []
    try_all(store, {"call": lambda payload: done.append(payload["key"])}, policy)
    assert sorted(done) == list("abcdef")
    assert (targets(store)[0].failures, targets(store)[0].open_until) == (0, None)


def test_what_waited_for_a_target_goes_on_as_soon_as_it_is_well(store, clock):
    policy, done = Policy(failures=2), []
    queue(store, clock, "tdsp:1", *"abc")
    queue(store, clock, "tdsp:2", "d")
    try_all(store, {"call": down}, policy)
    soon, past = real_now() + timedelta(minutes=4), real_now() - timedelta(seconds=1)
    with store.write() as connection:
        connection.execute(update(outbox).values(not_before=soon))
        connection.execute(update(outbox).where(outbox.c.dedupe_key == "a").values(not_before=past))
        connection.execute(update(outbox_target).values(open_until=past))
    try_all(store, {"call": lambda payload: done.append(payload["key"])}, policy)
    assert sorted(done) == ["a", "b", "c"]


def test_an_effect_loses_no_try_while_its_target_is_down_but_is_given_up_when_patience_ends(store, clock):
    policy = Policy(attempts=2, failures=3)
    queue(store, clock, "tdsp:1", "patient")
    queue(store, clock, "tdsp:1", "impatient", patience=timedelta(0))
    for _ in range(12):
        as_if_later(store)
        try_all(store, {"call": down}, policy, rounds=2)
    with store.read() as connection:
        found = {effect.key: effect for effect in waiting(connection)}
    assert (found["patient"].attempts, found["patient"].dead) == (0, False)
    assert found["impatient"].dead
    assert retry_dead(store, target="tdsp:2", actor="operator:me", clock=clock) == 0
    assert retry_dead(store, target="tdsp:1", actor="operator:me", clock=clock) == 1
    as_if_later(store)
    try_all(store, {"call": lambda _payload: None}, policy)
    with store.read() as connection:
        assert waiting(connection) == []


def test_what_a_well_target_refuses_counts_for_the_effect_alone(store, clock):
    policy = Policy(attempts=3, failures=3)

    def choosy(payload):
        if payload["key"] == "bad":
            raise Refused("no such device")

    queue(store, clock, "tdsp:1", "bad", *(f"good-{n}" for n in range(4)))
    for _ in range(4):
        as_if_later(store)
        try_all(store, {"call": choosy}, policy)
    with store.read() as connection:
        (dead,) = waiting(connection)
    assert (dead.key, dead.dead, dead.attempts, dead.last_error) == ("bad", True, 3, "Refused: no such device")
    assert targets(store)[0].failures == 0


@pytest.mark.usefixtures("long_pauses")
def test_a_batch_takes_what_is_due_of_one_target_and_what_failed_goes_alone(store, clock):
    policy, calls = Policy(), []

    def many(payloads):
        keys = [payload["key"] for payload in payloads]
        calls.append(keys)
        return {position: Refused("poison") for position, key in enumerate(keys) if key == "b2"}

    queue(store, clock, "tdsp:1", "a1", "a2")
    queue(store, clock, "tdsp:2", "b1", "b2", "b3", "b4")
    handlers = {"call": Batch(3, many)}
    try_all(store, handlers, policy)
    assert sorted(calls) == [["a1", "a2"], ["b1", "b2", "b3"], ["b4"]]
    queue(store, clock, "tdsp:2", "b5", "b6")
    as_if_later(store)
    calls.clear()
    try_all(store, handlers, policy, rounds=2)
    assert sorted(calls) == [["b2"], ["b5", "b6"]]


def test_of_a_batch_that_fails_as_a_whole_every_effect_is_tried_again(store, clock):
    def broken(_payloads):
        raise ValueError("cannot be written")

    queue(store, clock, "tdsp:1", "a", "b", "c")
    try_all(store, {"call": Batch(10, broken)}, Policy(), rounds=1)
    with store.read() as connection:
        assert {(e.key, e.attempts, e.last_error) for e in waiting(connection)} == {
            (key, 1, "ValueError: cannot be written") for key in "abc"
        }


def test_a_kind_that_this_worker_does_not_know_waits_for_one_that_does(store, clock):
    queue(store, clock, None, "a")
    assert deliver_due(store, {"email": lambda _payload: None}) == 0
    assert deliver_due(store, {"call": lambda _payload: None}) == 1


def test_a_held_target_waits_and_the_others_go_on(store, clock):
    queue(store, clock, "tdsp:1", "a", "b")
    queue(store, clock, "tdsp:2", "c")
    hold(store, "tdsp:1", actor="operator:me", clock=clock)
    done = []
    handlers = {"call": lambda payload: done.append(payload["key"])}
    deliver_due(store, handlers)
    assert done == ["c"]
    assert {one.target: one.paused_at is not None for one in targets(store)} == {"tdsp:1": True, "tdsp:2": False}
    assert resume(store, "tdsp:1", actor="operator:me", clock=clock)
    deliver_due(store, handlers)
    assert done == ["c", "a", "b"]
    assert not resume(store, "tdsp:9", actor="operator:me", clock=clock)
    with store.read() as connection:
        events = connection.scalars(select(audit_log.c.event).order_by(audit_log.c.id)).all()
    assert events == ["outbox:pause:done", "outbox:resume:done"]


def test_resuming_a_target_that_was_left_alone_tries_it_at_once(store, clock):
    policy = Policy(failures=1)
    queue(store, clock, "tdsp:1", "a")
    try_all(store, {"call": down}, policy, rounds=1)
    resume(store, "tdsp:1", actor="operator:me", clock=clock)
    assert deliver_due(store, {"call": lambda _payload: None}) == 1


def test_a_target_that_hangs_holds_up_only_its_own(store, clock):
    """Couriers serve targets side by side, each target by one call at a time."""
    hangs, stop, done, at_once = threading.Event(), threading.Event(), [], []

    def handler(payload):
        if payload["key"].startswith("slow"):
            at_once.append(payload["key"])
            assert hangs.wait(180)
        done.append(payload["key"])

    queue(store, clock, "callback:slow", "slow-1", "slow-2")
    queue(store, clock, "callback:well", *(f"well-{n}" for n in range(5)))
    queue(store, clock, None, "own-1", "own-2")
    couriers = threading.Thread(
        target=run_couriers,
        args=(store, {"call": handler}),
        kwargs={"stop": stop, "policy": Policy(), "threads": 4, "poll_seconds": 0.05},
    )
    couriers.start()
    try:
        end = time.monotonic() + 180
        while len(done) < 7:
            assert time.monotonic() < end, done
            time.sleep(0.01)
        assert at_once == ["slow-1"]
    finally:
        stop.set()
        hangs.set()
        couriers.join(180)
    assert not couriers.is_alive()
    # what was in hand when it was told to stop is finished
    assert "slow-1" in done
