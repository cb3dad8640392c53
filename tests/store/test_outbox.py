"""Side effects are carried out at least once, retried with a pause, and given up visibly."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from smt_ws.clock import real_now
from smt_ws.store.breaker import Policy
from smt_ws.store.outbox import claim, deliver_due, enqueue, forget_done, retry, waiting
from smt_ws.store.tables import outbox


def queue(store, clock, *keys, kind="email"):
    with store.write() as connection:
        for key in keys:
            enqueue(connection, kind=kind, key=key, payload={"key": key}, now=clock.now())


def make_due(store):
    with store.write() as connection:
        connection.execute(update(outbox).values(not_before=real_now() - timedelta(seconds=1)))


def open_effects(store, **only):
    with store.read() as connection:
        return waiting(connection, **only)


def test_what_is_queued_is_carried_out_once(store, clock):
    done = []
    queue(store, clock, "a", "b", "a")
    assert deliver_due(store, {"email": lambda payload: done.append(payload["key"])}) == 2
    assert deliver_due(store, {"email": lambda payload: done.append(payload["key"])}) == 0
    assert sorted(done) == ["a", "b"]
    assert open_effects(store) == []


def test_a_rolled_back_decision_has_no_effect(store, clock):
    def decide_and_fail():
        with store.write() as connection:
            enqueue(connection, kind="email", key="a", payload={}, now=clock.now())
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError):
        decide_and_fail()
    assert open_effects(store) == []


@pytest.mark.usefixtures("long_pauses")
def test_a_failure_is_tried_again_later_and_its_reason_kept(store, clock):
    def down(_payload):
        raise ConnectionError("mail server down")

    queue(store, clock, "a")
    assert deliver_due(store, {"email": down}) == 0
    (effect,) = open_effects(store)
    assert (effect.attempts, effect.dead, effect.last_error) == (1, False, "ConnectionError: mail server down")
    make_due(store)
    assert deliver_due(store, {"email": lambda _payload: None}) == 1


def test_after_its_last_try_it_is_a_dead_letter_until_somebody_retries_it(store, clock):
    def down(_payload):
        raise ConnectionError("down")

    queue(store, clock, "a")
    for _ in range(3):
        make_due(store)
        deliver_due(store, {"email": down}, attempts=3)
    make_due(store)
    assert deliver_due(store, {"email": lambda _payload: None}) == 0
    (dead,) = open_effects(store, dead_only=True)
    assert dead.dead
    assert dead.attempts == 3
    assert retry(store, dead.id, actor="operator:me", clock=clock)
    assert deliver_due(store, {"email": lambda _payload: None}) == 1
    assert not retry(store, dead.id, actor="operator:me", clock=clock)


def test_an_effect_whose_worker_died_comes_back_when_its_lease_ends(store, clock):
    queue(store, clock, "a")
    assert claim(store, {"email": lambda _payload: None}, policy=Policy()) is not None  # the worker dies here
    assert deliver_due(store, {"email": lambda _payload: None}) == 0
    with store.write() as connection:
        connection.execute(update(outbox).values(lease_until=real_now() - timedelta(seconds=1)))
    assert deliver_due(store, {"email": lambda _payload: None}) == 1


def test_two_workers_never_hold_the_same_effect(store, clock):
    queue(store, clock, *(str(n) for n in range(60)))
    done = []
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: deliver_due(store, {"email": lambda p: done.append(p["key"])}, limit=7), range(16)))
    assert sorted(done, key=int) == [str(n) for n in range(60)]


def test_only_what_was_carried_out_long_ago_is_forgotten(store, clock):
    queue(store, clock, *(str(n) for n in range(25)))
    assert deliver_due(store, {"email": lambda _payload: None}, limit=25) == 25
    queue(store, clock, "open")
    assert forget_done(store, real_now() - timedelta(days=1)) == 0
    assert forget_done(store, real_now() + timedelta(seconds=1), batch=10) == 25
    assert [effect.key for effect in open_effects(store)] == ["open"]
