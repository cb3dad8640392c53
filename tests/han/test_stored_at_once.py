"""A message and the claim of its request in one statement on PostgreSQL: the same rows, once, or none (H5)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from han_market import HanMarket, esiid
from sqlalchemy import Connection, select, true

from smt_ws.han import errors, send
from smt_ws.han.send import Once, Sent, Submission
from smt_ws.han.tables import han_message, han_message_target
from smt_ws.store.idempotency import AlreadyClaimed, Answer, Claim, answer_once
from smt_ws.store.tables import answered_request, audit_log, outbox, outbox_target


def rows_of(message: int) -> list[tuple[Any, Any, set[str]]]:
    """Tables, what of them is *message*'s, and the columns that hold a number or a moment of its own."""
    return [
        (han_message, han_message.c.number == message, {"number"}),
        (han_message_target, han_message_target.c.message_number == message, {"message_number"}),
        (
            outbox,
            outbox.c.dedupe_key.like(f"%:{message}:%"),
            {"id", "dedupe_key", "payload", "not_before", "give_up_at"},
        ),
        (outbox_target, true(), set()),
        (audit_log, audit_log.c.object == f"han-message:{message}", {"id", "object"}),
    ]


def kept(sent: Sent) -> dict[str, Any]:
    return {"requestId": str(sent.request_id), "esiidsAsked": sent.esiids_asked}


def asked(
    market: HanMarket, numbers: range, *, trans_id: str = "t", at_once: bool = True, text: str = "Peak day"
) -> Answer:
    """A text as the face sends it: remembered, and in one statement where the store can."""

    def sent(connection: Connection, once: Once | None = None) -> Sent:
        return send.send_text(
            connection, market.rep, Submission(trans_id, "svc", [esiid(n) for n in numbers]), text=text,  # type: ignore[arg-type]
            duration_minutes=60, terms=market.terms, clock=market.clock, address="192.0.2.7", once=once,
        )  # fmt: skip

    def whole(connection: Connection, claim: Claim) -> dict[str, Any]:
        return kept(sent(connection, Once(claim, kept, "requestId")))

    return answer_once(
        market.store, company_id=market.rep.company_id, operation="SendTextMessage", trans_id=trans_id,
        body_sha256=b"\x01" * 32, now=market.clock.now(), keep=timedelta(minutes=10),
        run=lambda connection: kept(sent(connection)), at_once=whole if at_once else None,
    )  # fmt: skip


def rows(market: HanMarket, message: int) -> dict[str, list[tuple[Any, ...]]]:
    """What a message has left in every table."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with market.store.read() as connection:
        for table, its, own in rows_of(message):
            shown = [column for column in table.columns if column.name not in own]
            told = connection.execute(select(*shown).where(its).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in told]
        keyed = select(outbox.c.dedupe_key, outbox.c.payload).where(outbox.c.dedupe_key.like(f"%:{message}:%"))
        found["calls"] = sorted(
            (row.dedupe_key.replace(str(message), ""), row.payload["from"], row.payload["to"])
            for row in connection.execute(keyed)
            if row.payload["message_id"] == message
        )
    return found


@pytest.mark.parametrize("numbers", [range(1, 2), range(1, 23)])
def test_both_ways_leave_the_same_rows_h5(market: HanMarket, numbers: range) -> None:
    market.devices_put(range(1, 23))
    settings = market.hub.settings
    object.__setattr__(market.hub, "settings", settings.model_copy(
        update={"han": settings.han.model_copy(update={"targets_per_call": 8})}
    ))  # fmt: skip
    found = []
    for at_once in (True, False):
        answer = asked(market, numbers, trans_id="t", at_once=at_once)
        assert not answer.repeated
        with market.store.write() as connection:
            (remembered,) = connection.execute(select(answered_request)).all()
            connection.execute(answered_request.delete())
        assert remembered.answer == answer.content
        found.append((rows(market, int(answer.content["requestId"])), tuple(remembered)[:6]))
    assert found[0] == found[1]
    assert len(found[0][0]["han_message_target"]) == len(numbers)


def test_a_repeat_gets_the_first_answer_and_stores_nothing(market: HanMarket) -> None:
    market.devices_put(range(1, 3))
    first, again, other = (
        asked(market, range(1, 3)),
        asked(market, range(1, 3)),
        asked(market, range(1, 3), trans_id="u"),
    )
    assert (again.repeated, again.content) == (True, first.content)
    assert (other.repeated, other.content["requestId"] > first.content["requestId"]) == (False, True)
    assert market.count(han_message) == 2
    # the first answer is given even where the same could not be sent any more
    with market.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM han_device")
    assert asked(market, range(1, 3)).content == first.content
    with pytest.raises(errors.NoDeviceError):
        asked(market, range(1, 3), trans_id="v")
    market.clock.advance(timedelta(minutes=11))
    with pytest.raises(errors.NoDeviceError):
        asked(market, range(1, 3))
    assert (market.count(han_message), market.count(answered_request)) == (2, 2)


def test_of_many_equal_requests_at_once_one_is_stored(market: HanMarket) -> None:
    market.devices_put(range(1, 2))
    answers: list[Answer] = []
    begin = threading.Barrier(4)

    def ask() -> None:
        begin.wait()
        answers.append(asked(market, range(1, 2)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.content["requestId"] for answer in answers}) == 1
    assert sorted(answer.repeated for answer in answers) == [False, True, True, True]
    assert (market.count(han_message), market.count(outbox)) == (1, 1)


def test_a_claim_that_is_there_stops_the_whole_statement(market: HanMarket) -> None:
    if market.store.is_sqlite:
        pytest.skip("one statement does it all on PostgreSQL only")
    market.devices_put(range(1, 2))
    asked(market, range(1, 2))
    claim = Claim(
        market.rep.company_id, "SendTextMessage", "t", b"\x01" * 32, market.clock.now(),
        market.clock.now() + timedelta(minutes=10),
    )  # fmt: skip
    tables = [table for table, _, _ in rows_of(0)]
    before = [market.count(table) for table in tables]
    with market.store.each_alone() as connection, pytest.raises(AlreadyClaimed):
        send.send_text(
            connection, market.rep, Submission("t", "svc", [esiid(1)]), text="x", terms=market.terms,  # type: ignore[arg-type]
            clock=market.clock, once=Once(claim, kept, "requestId"),
        )  # fmt: skip
    assert [market.count(table) for table in tables] == before
