"""A25: an agreement is accepted by whom it was sent to; every door asks the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from threading import Barrier, Thread

import pytest
from agreement_market import ANA, LANTERN, Town, esiid
from sqlalchemy import select, update

from smt_ws.agreements import errors, of_account
from smt_ws.agreements.acceptance import Accepting, Door, Verdict, verdict
from smt_ws.agreements.ask import change_as_initiator
from smt_ws.agreements.begin import Wish, begin_as_customer
from smt_ws.agreements.change import Change
from smt_ws.agreements.form import Customer
from smt_ws.agreements.rules import Kind, Purpose, months_later
from smt_ws.agreements.tables import agreement_history
from smt_ws.clock import central_today
from smt_ws.parties.tables import company

ANA_AT = "ana@customer.example"


def test_by_the_rule_only_who_was_asked_and_who_has_the_link_accept():
    """Every combination: an account that was not asked never accepts without the link, and never one with a name on."""
    for door, needs_login, *facts in product(Door, *[(True, False)] * 6):
        logged_in, names_account, is_named, same_address, holds_homes = facts
        if not logged_in and (door is Door.ACCOUNT or is_named or same_address or holds_homes):
            continue
        if is_named and not names_account:
            continue
        given = verdict(Accepting(door, *facts), needs_login=needs_login)
        asked = is_named if names_account else same_address and holds_homes
        if asked:
            assert given is Verdict.TAKEN
        elif door is Door.ACCOUNT:
            assert given in (Verdict.BY_LINK_ONLY, Verdict.NOT_YOURS)
            assert (given is Verdict.BY_LINK_ONLY) == (holds_homes and not names_account)
        elif not needs_login:
            assert given is (Verdict.MARKED if logged_in and not (is_named or same_address) else Verdict.TAKEN)
        elif not logged_in:
            assert given is Verdict.LOG_IN
        else:
            assert given is (Verdict.MARKED if holds_homes and not names_account else Verdict.NOT_YOURS)


DOORS = {
    "link, one report": ("link", Kind.ONE_TIME),
    "link, ongoing": ("link", Kind.ONGOING),
    "link, device": ("link", Kind.DEVICE),
    "my agreements, one report": ("account", Kind.ONE_TIME),
    "my agreements, ongoing": ("account", Kind.ONGOING),
    "my agreements, device": ("account", Kind.DEVICE),
    "begun by the customer": ("begun", Kind.ONGOING),
}


@dataclass
class Later:
    """An account that takes its homes once the company has asked: a home that is in an account is not invited."""

    town: Town
    email: str
    homes: tuple[int, ...] = (0,)
    account: int = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.town.register(self.email)

    def through(self, door: str, invited: str, *, home: int = 0) -> str:
        how, kind = DOORS[door]
        if how == "begun":
            self.town.give_meters(self.account, *self.homes)
            wish = Wish(LANTERN, kind, (esiid(home),))
            with self.town.store.write() as connection:
                (number,) = begin_as_customer(
                    connection, self.account, wish, policy=self.town.policy, clock=self.town.clock
                )
            return number
        number, tokens = self.town.invited(home, kind=kind, customer=replace(ANA, email=invited))
        self.town.give_meters(self.account, *self.homes)
        if how == "link":
            self.town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=self.account)
        else:
            with self.town.store.write() as connection:
                of_account.accept_as_customer(
                    connection, self.account, number, policy=self.town.policy, clock=self.town.clock
                )
        return number


@pytest.mark.parametrize("door", DOORS)
def test_whom_it_was_sent_to_accepts(town: Town, door: str):
    number = Later(town, ANA_AT).through(door, ANA_AT)
    assert town.row(number).status == "Active"
    assert "other_email_address" not in accepted_how(town, number)


@pytest.mark.parametrize("door", DOORS)
def test_no_door_lets_the_companys_own_account_accept(town: Town, door: str):
    """The attack: a made-up address is invited, an account of the company's own holds the home."""
    own = "jo@mail.lantern.example"
    refusal = errors.NotInvitedError if door.startswith("my") else errors.AcceptedByInitiatorError
    with pytest.raises(refusal):
        Later(town, own).through(door, "tenant@made-up.example")
    assert all(not town.open_grants(f"112026{number:06d}") for number in range(1, 3))


@pytest.mark.parametrize("door", DOORS)
def test_an_account_with_another_address_accepts_by_the_link_alone_and_is_marked(town: Town, door: str):
    later = Later(town, "other@customer.example")
    if door.startswith("my"):
        with pytest.raises(errors.NotInvitedError):
            later.through(door, ANA_AT)
        return
    number = later.through(door, ANA_AT)
    assert town.row(number).status == "Active"
    assert accepted_how(town, number).get("other_email_address", False) == door.startswith("link")


@pytest.mark.parametrize("door", DOORS)
def test_every_door_counts_the_homes_that_one_account_accepts_for(town: Town, door: str):
    """A23 again: a second home is one too many here; another agreement for the first is not."""
    policy = town.policy.model_copy(update={"esiids_per_customer": 1})
    town.hub = replace(town.hub, settings=town.hub.settings.model_copy(update={"agreements": policy}))
    later = Later(town, ANA_AT)
    town.give_meters(later.account, 0)
    for kind in (Kind.ONGOING, Kind.DEVICE):
        with town.store.write() as connection:
            begin_as_customer(
                connection, later.account, Wish(LANTERN, kind, (esiid(0),)), policy=policy, clock=town.clock
            )
    later.homes = (1,)
    with pytest.raises(errors.AcceptedHomesLimitError) as refused:
        later.through(door, ANA_AT, home=1)
    assert (refused.value.presented, refused.value.expected) == ("2", "up to 1 ESI IDs")


@pytest.mark.parametrize("how", ["link", "my agreements"])
def test_an_extension_asks_again(town: Town, how: str):
    """The company has another address by now, in the domain of the account: that would have been refused at first."""
    rosa = town.register("rosa@partner.example", 0)
    code = Customer(registered=True, authorization_code="K7QF3MXP9TRW")
    number, tokens = town.invited(0, kind=Kind.ONGOING, customer=code)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    with town.store.write() as connection:
        later = months_later(central_today(town.clock), 12)
        change_as_initiator(
            connection, town.callers[LANTERN], number, Change(end_day=later), policy=town.policy, clock=town.clock
        )
        connection.execute(
            update(company).where(company.c.id == town.callers[LANTERN].company_id).values(email="desk@partner.example")
        )
    town.post()

    def accept() -> None:
        if how == "link":
            town.answer(Purpose.ACCEPT, town.tokens()[Purpose.ACCEPT], account_id=rosa)
        with town.store.write() as connection:
            of_account.accept_as_customer(connection, rosa, number, policy=town.policy, clock=town.clock)

    with pytest.raises(errors.AcceptedByInitiatorError):
        accept()
    assert town.row(number).status == "Extension Pending"


def test_a_business_accepts_for_more_homes_than_a_person(town: Town):
    policy = town.policy.model_copy(update={"esiids_per_customer": 1, "esiids_per_business": 3})
    shop = town.register("shop@customer.example", 0, 1, 2, 3, kind="business")
    with town.store.write() as connection:
        wish = Wish(LANTERN, Kind.ONGOING, (esiid(0), esiid(1), esiid(2)))
        assert len(begin_as_customer(connection, shop, wish, policy=policy, clock=town.clock)) == 3
    with town.store.write() as connection, pytest.raises(errors.AcceptedHomesLimitError):
        begin_as_customer(connection, shop, Wish(LANTERN, Kind.ONGOING, (esiid(3),)), policy=policy, clock=town.clock)


def test_of_two_acceptances_at_once_one_is_one_home_too_many(town: Town):
    policy = town.policy.model_copy(update={"esiids_per_customer": 1})
    ana = town.register(ANA_AT, 0, 1)
    start = Barrier(2)
    told: list[str] = []

    def accept(home: int) -> None:
        start.wait(timeout=180)
        try:
            with town.store.write() as connection:
                wish = Wish(LANTERN, Kind.ONGOING, (esiid(home),))
                begin_as_customer(connection, ana, wish, policy=policy, clock=town.clock)
            told.append("accepted")
        except errors.AcceptedHomesLimitError as error:
            told.append(error.code)

    threads = [Thread(target=accept, args=(home,)) for home in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
    assert sorted(told) == ["ACCEPTED_HOMES_LIMIT", "accepted"]


def test_who_holds_the_home_hears_of_every_acceptance_and_can_stop_it(town: Town):
    """Invited before the home was in an account, accepted by the link after it was: the account's owner is told."""
    number, tokens = town.invited(0)
    town.register("rosa@customer.example", 0)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    town.post()
    assert town.letters()[2:] == [
        ("agreement_accepted", "desk@lantern.example"),
        ("agreement_accepted_customer", ANA_AT),
        ("agreement_accepted_home", "rosa@customer.example"),
    ]
    facts = town.posted[-1]["facts"]
    assert (facts["customer_name"], facts["service_addresses"], facts["customer_email"]) == ("", [], None)
    assert (facts["comments"], facts["accept_url"]) == (None, None)
    told = town.tokens("agreement_accepted_home")
    assert town.answer(Purpose.DISOWN, told[Purpose.DISOWN]).status.value == "Frozen"
    assert town.open_grants(number) == set()


def accepted_how(town: Town, number: str) -> dict[str, object]:
    with town.store.read() as connection:
        found = connection.scalars(
            select(agreement_history.c.details).where(
                agreement_history.c.number == number, agreement_history.c.act == "accept"
            )
        )
        return dict(found.one())
