"""What an agreement opens is news since the mark that its acceptance took (R15, A24)."""

from __future__ import annotations

from datetime import date

from agreement_market import LANTERN, Town
from sqlalchemy import select, update

from smt_ws.agreements.answer import disown_agreement
from smt_ws.agreements.end import release_agreement
from smt_ws.agreements.form import Customer
from smt_ws.agreements.granting import bring_in_line
from smt_ws.agreements.lifecycle import pass_night
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.rules import Kind, Purpose
from smt_ws.parties.opened import opened_since
from smt_ws.parties.tables import grants
from smt_ws.usage.loads import snapshot, take_number

ROSA = Customer(registered=True, email="rosa@customer.example")


def mark(town: Town) -> int:
    with town.store.read() as connection:
        return snapshot(connection)


def opened(town: Town, after: int) -> list[tuple[date, date]]:
    """The days that changes of access have opened to the third party since the mark."""
    caller = town.callers[LANTERN]
    with town.store.read() as connection:
        found = opened_since(
            connection,
            caller.duns_numbers,
            kind=caller.kind,
            now=town.clock.now(),
            after=after,
            as_of=snapshot(connection),
        )
    return [(row["first_day"].item(), row["last_day"].item()) for rows in found.values() for row in rows]


def accepted(town: Town) -> tuple[str, int]:
    """The number of an agreement with a month of past usage, and the mark before its customer accepted it."""
    account_id = town.register("rosa@customer.example", 0)
    # no mark is below the first
    with town.store.write() as connection:
        take_number(connection)
    number, tokens = town.invited(0, kind=Kind.ONGOING, customer=ROSA, history_months=1)
    before = mark(town)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=account_id)
    return number, before


SPELL = (date(2026, 10, 20), date(2027, 5, 19))


def test_an_accepted_agreement_is_news_once(town: Town) -> None:
    _number, before = accepted(town)
    assert opened(town, before) == [SPELL]
    assert opened(town, mark(town)) == []


def test_a_night_in_which_nothing_changes_takes_no_mark(town: Town) -> None:
    _number, before = accepted(town)
    then = mark(town)
    pass_night(town.store, clock=town.clock, keep_years=3)
    assert mark(town) == then == before + 1


def test_an_agreement_that_was_frozen_and_released_is_news_again(town: Town) -> None:
    number, before = accepted(town)
    then = mark(town)
    with town.store.write() as connection:
        disown_agreement(connection, find_agreement(connection, number), who="customer", clock=town.clock, address=None)
    assert opened(town, before) == []
    town.later(minutes=1)
    with town.store.write() as connection:
        release_agreement(connection, find_agreement(connection, number), who="operator:jo", clock=town.clock)
    assert opened(town, then) == [SPELL]
    assert opened(town, mark(town)) == []


def test_of_a_grant_that_is_widened_only_the_wider_days_are_news(town: Town) -> None:
    number, before = accepted(town)
    with town.store.write() as connection:
        connection.execute(update(grants).values(from_day=date(2026, 11, 10)))
    then = mark(town)
    assert opened(town, before) == [(date(2026, 11, 10), SPELL[1])]
    with town.store.write() as connection:
        bring_in_line(connection, find_agreement(connection, number), now=town.clock.now())
        assert connection.scalars(select(grants.c.from_day)).all() == [SPELL[0]]
    assert opened(town, then) == [(SPELL[0], date(2026, 11, 9))]
    assert opened(town, before) == [SPELL]
