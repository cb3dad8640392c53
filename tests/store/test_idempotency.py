"""Repeats run nothing and get the first answer (interfaces: idempotency and replay)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from smt_ws.store.audit import Event, record
from smt_ws.store.idempotency import answer_once, forget_expired
from smt_ws.store.tables import answered_request, audit_log

DAY = timedelta(days=1)


def ask(store, clock, run, *, trans_id="1", body=b"\x01" * 32, company_id=7):
    return answer_once(
        store,
        company_id=company_id,
        operation="RequestIntervalData",
        trans_id=trans_id,
        body_sha256=body,
        now=clock.now(),
        keep=DAY,
        run=run,
    )


def effect(clock, answer="A"):
    def run(connection):
        record(connection, Event.ORDER_ACCEPTED, actor="company:7", at=clock.now())
        return {"correlationId": answer}

    return run


def effects(store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(audit_log)).scalar_one()


def test_a_repeat_gets_the_first_answer_and_runs_nothing(store, clock):
    first = ask(store, clock, effect(clock, "1"))
    began = clock.now()
    clock.advance(timedelta(hours=23))
    again = ask(store, clock, effect(clock, "2"))
    assert (first.content, first.repeated) == ({"correlationId": "1"}, False)
    assert (again.content, again.repeated, again.first_at) == ({"correlationId": "1"}, True, began)
    assert effects(store) == 1


@pytest.mark.parametrize("other", [{"trans_id": "2"}, {"body": b"\x02" * 32}, {"company_id": 8}])
def test_another_request_is_another_request(store, clock, other):
    ask(store, clock, effect(clock))
    assert not ask(store, clock, effect(clock), **other).repeated
    assert effects(store) == 2


def test_after_its_time_the_same_request_runs_again(store, clock):
    ask(store, clock, effect(clock, "1"))
    clock.advance(DAY)
    assert ask(store, clock, effect(clock, "2")).content == {"correlationId": "2"}
    assert effects(store) == 2


def test_a_failed_run_leaves_nothing(store, clock):
    def fails(connection):
        effect(clock)(connection)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        ask(store, clock, fails)
    assert effects(store) == 0
    assert not ask(store, clock, effect(clock)).repeated


def test_many_equal_requests_at_once_run_once(store, clock):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(store, clock, effect(clock)), range(24)))
    assert effects(store) == 1
    assert sum(not answer.repeated for answer in answers) == 1
    assert {answer.content["correlationId"] for answer in answers} == {"A"}


def test_forgetting_keeps_what_can_still_be_repeated(store, clock):
    ask(store, clock, effect(clock), trans_id="old", body=b"\x01" * 32)
    clock.advance(timedelta(hours=20))
    ask(store, clock, effect(clock), trans_id="new", body=b"\x01" * 32)
    clock.advance(timedelta(hours=5))
    assert forget_expired(store, clock.now()) == 1
    with store.read() as connection:
        assert connection.execute(select(answered_request.c.trans_id)).scalars().all() == ["new"]


def test_forgetting_works_in_bounded_batches(store, clock):
    with store.write() as connection:
        connection.execute(
            insert(answered_request),
            [
                {
                    "company_id": 1,
                    "operation": "X",
                    "trans_id": str(n),
                    "body_sha256": n.to_bytes(32, "big"),
                    "first_at": clock.now() - DAY,
                    "expires_at": clock.now(),
                    "answer": {},
                }
                for n in range(25)
            ],
        )
    assert forget_expired(store, clock.now(), batch=10) == 25
