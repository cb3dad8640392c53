"""Letters while the mail server is down: nothing is lost, nothing else waits for them, no token stands in the store."""

from __future__ import annotations

from typing import Any

from agreement_market import Town
from sqlalchemy import select

from smt_ws.agreements.answer import ORDER_AGREED
from smt_ws.agreements.letters import LETTER
from smt_ws.agreements.posting import Posting
from smt_ws.agreements.rules import Purpose
from smt_ws.store.outbox import deliver_due
from smt_ws.store.tables import outbox


def letters(town: Town) -> list[Any]:
    with town.store.read() as connection:
        return list(connection.execute(select(outbox).where(outbox.c.kind == LETTER).order_by(outbox.c.id)))


def test_a_mail_server_that_is_down_costs_no_letter_a_try_and_holds_up_no_report(town: Town):
    """A14, A11: the letters have the target of all mail; orders and removals have none, and go on."""
    number, tokens = town.invited(0)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    placed: list[dict[str, Any]] = []

    def down(_notice: dict[str, Any]) -> None:
        raise ConnectionError("nobody answers")

    handlers = {LETTER: Posting(town.hub, down), ORDER_AGREED: placed.append}
    for _ in range(3):
        deliver_due(town.store, handlers)
    assert [one["agreement"] for one in placed] == [number]
    waiting = [row for row in letters(town) if row.done_at is None]
    assert {row.target for row in waiting} == {"mail"}
    assert [(row.attempts, row.dead_at) for row in waiting] == [(0, None)] * 2


def test_a_letter_that_could_not_be_sent_leaves_no_link_behind_in_it(town: Town):
    """A9: a second try carries other links; neither stands in the outbox."""
    town.invite(0)
    sent: list[dict[str, Any]] = []

    def first_fails(notice: dict[str, Any]) -> None:
        sent.append(notice)
        if len(sent) == 1:
            raise ConnectionError("nobody answers")

    posting = Posting(town.hub, first_fails)
    payload = letters(town)[0].payload
    for attempt in (1, 2):
        try:
            posting(payload)
        except ConnectionError:
            assert attempt == 1
    first, second = (notice["facts"]["accept_url"] for notice in sent)
    assert first != second
    assert sent[0]["key"] == sent[1]["key"], "the Message-ID is the same: it is one letter"
    stored = str([row.payload for row in letters(town)])
    assert first.rpartition("/")[2] not in stored
    for url in (first, second):
        assert town.look(url.rpartition("/")[2]).number is not None, "nobody knows which of the two arrived"
