"""R5: a move-in that a TDSP tells closes what the last occupant's agreement opened, in the load that tells of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from agreement_market import ANA, LANTERN, TDSP, Town, esiid, meter_number
from sqlalchemy import select, update

from smt_ws.accounts.meters import release_moved_out
from smt_ws.agreements import errors, of_account
from smt_ws.agreements.change import Change
from smt_ws.agreements.device_state import device_moved
from smt_ws.agreements.form import Customer, ListedMeter
from smt_ws.agreements.lifecycle import pass_night
from smt_ws.agreements.removal import ask_removal
from smt_ws.agreements.rules import Kind, Purpose
from smt_ws.clock import central_today
from smt_ws.parties.access import authorise
from smt_ws.parties.account_tables import account_meter
from smt_ws.parties.tables import grants
from smt_ws.store.audit import Event
from smt_ws.store.tables import audit_log
from smt_ws.usage.load import load_file

ROSA = Customer(registered=True, email="rosa@customer.example")
CODE = Customer(registered=True, authorization_code="k7qf-3mxp-9trw")

Moves = Callable[..., None]


@pytest.fixture
def told(town: Town, tmp_path: Path) -> Moves:
    """Load a TDSP's occupancy file: pairs of a home and a day of moving in."""
    numbers = count()

    def tell(*moves: tuple[int, date]) -> None:
        path = tmp_path / f"occupancy-{next(numbers)}.csv"
        rows = [f"{esiid(home)},{day}" for home, day in moves]
        path.write_text("\n".join(["ESIID,MOVE_IN_DATE", *rows, ""]))
        activity = load_file(town.store, path, clock=town.clock, tdsp_duns=TDSP)
        assert (activity.outcome, activity.tally.rejected) == ("loaded", 0), activity

    return tell


@pytest.fixture
def rosa(town: Town) -> int:
    return town.register("rosa@customer.example", 0, 1)


def accepted(town: Town, *homes: int, account_id: int | None = None, **more: object) -> str:
    number, tokens = town.invited(*homes, **more)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=account_id)
    return number


def days_open(town: Town, home: int, first: date, last: date) -> list[tuple[date, date]]:
    """What the third party sees of a home's days, as every order asks it."""
    caller = town.callers[LANTERN]
    with town.store.read() as connection:
        access = authorise(
            connection,
            company_id=caller.company_id,
            kind=caller.kind,
            duns_numbers=caller.duns_numbers,
            esiids=[esiid(home)],
            first_day=first,
            last_day=last,
            now=town.clock.now(),
        )
    return [(row["first_day"].item(), row["last_day"].item()) for row in access.slices]


def night(town: Town):
    return pass_night(town.store, clock=town.clock, keep_years=3)


def test_a_move_in_told_before_its_day_closes_the_agreement_at_that_midnight(town: Town, rosa: int, told: Moves):
    """No night's work in between: the load has set the end; the days before the move stay the customer's own."""
    number = accepted(town, 0, kind=Kind.ONGOING, customer=ROSA, account_id=rosa, history_months=1)
    told((0, date(2026, 12, 1)))
    with town.store.read() as connection:
        (line,) = connection.execute(select(audit_log).where(audit_log.c.event == Event.GRANTS_CUT.value))
    assert (line.actor, line.details) == ("hub:load", {"grants": 1}), "P7"
    assert line.object.startswith("load:")
    november, december = date(2026, 11, 1), date(2026, 12, 31)
    assert days_open(town, 0, november, december) == [(november, date(2026, 11, 30))]
    assert town.open_grants(number, at=datetime(2026, 12, 1, 5, 59, tzinfo=UTC)) == {(0, "energy_data")}
    assert town.open_grants(number, at=datetime(2026, 12, 1, 6, 0, tzinfo=UTC)) == set(), "midnight in Texas"
    town.clock.moment = datetime(2026, 12, 1, 6, 0, tzinfo=UTC)
    assert days_open(town, 0, november, december) == []
    assert town.row(number).status == "Active", "the night has not been"
    assert night(town).moved_out == 1
    assert town.row(number).status == "Terminated"


def test_a_move_in_told_late_closes_the_agreement_at_once(town: Town, rosa: int, told: Moves):
    number = accepted(town, 0, kind=Kind.DEVICE, customer=ROSA, account_id=rosa)
    data = accepted(town, 0, kind=Kind.ONGOING, customer=ROSA, account_id=rosa)
    other = accepted(town, 1, kind=Kind.ONGOING, customer=ROSA, account_id=rosa)
    town.later(days=12)
    told((0, date(2026, 11, 25)))
    assert town.open_grants(number) == town.open_grants(data) == set()
    assert days_open(town, 0, date(2026, 10, 1), date(2026, 12, 31)) == []
    assert town.open_grants(other) == {(1, "energy_data")}
    with town.store.read() as connection:
        (ended,) = connection.scalars(select(grants.c.ended_at).where(grants.c.source == f"agreement:{data}"))
    assert ended == town.clock.now(), "not before: orders that were accepted since look for what has ended since"


def test_the_customers_own_move_in_told_late_takes_the_previous_occupants_days_out(town: Town, rosa: int, told: Moves):
    number = accepted(town, 0, kind=Kind.ONGOING, customer=ROSA, account_id=rosa, history_months=12)
    first, last = date(2026, 1, 1), date(2026, 11, 30)
    assert days_open(town, 0, first, last) == [(first, last)]
    told((0, date(2025, 3, 1)), (0, date(2026, 9, 15)))
    assert days_open(town, 0, first, last) == [(date(2026, 9, 15), last)]
    assert night(town).moved_out == 0
    assert town.open_grants(number) == {(0, "energy_data")}


def test_what_a_move_in_has_closed_is_not_opened_by_a_change(town: Town, rosa: int, told: Moves):
    """Every later change of the agreement knows of the move too."""
    number = accepted(town, 0, kind=Kind.ONGOING, customer=ROSA, account_id=rosa)
    told((0, date(2026, 12, 1)))
    with town.store.write() as connection:
        of_account.change_end_date(connection, rosa, number, date(2027, 11, 1), clock=town.clock)
    assert town.open_grants(number, at=datetime(2026, 12, 1, 6, 0, tzinfo=UTC)) == set()
    assert days_open(town, 0, date(2026, 12, 1), date(2026, 12, 2)) == []


def test_an_agreement_that_is_accepted_before_a_move_that_is_known_ends_with_it(town: Town, told: Moves):
    told((3, date(2026, 11, 25)))
    number = accepted(town, 3)
    assert town.open_grants(number) == {(3, "report")}
    assert town.open_grants(number, at=datetime(2026, 11, 25, 6, 0, tzinfo=UTC)) == set()


def test_an_invitation_to_who_has_left_cannot_be_accepted_from_the_move_in_on(town: Town, told: Moves):
    number, tokens = town.invited(3)
    told((3, date(2026, 11, 21)))
    town.later(hours=14, minutes=59)
    assert town.look(tokens[Purpose.ACCEPT]).number == number
    town.later(minutes=1)
    with pytest.raises(errors.InvitationNotOpenError):
        town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])


def test_a_customer_who_moves_takes_an_agreement_over_all_meters_along(town: Town, rosa: int, told: Moves):
    """A3: the new home is in it from the day on which she adds its meter, without its previous days; it goes on."""
    number = accepted(town, kind=Kind.ONGOING, customer=CODE, all_meters=True, meters=(), account_id=rosa)
    assert {place for place, _ in town.open_grants(number)} == {0, 1}
    town.later(days=10)
    today = date(2026, 11, 30)
    told((0, today), (1, today), (4, today - timedelta(days=1)))
    assert town.open_grants(number) == set()
    town.give_meters(rosa, 4)
    with town.store.write() as connection:
        of_account.meters_changed(connection, rosa, clock=town.clock)
    assert town.open_grants(number) == {(4, "energy_data")}
    assert days_open(town, 4, date(2026, 11, 1), today) == [(today - timedelta(days=1), today)]
    for _ in range(2):
        done = night(town)
        assert (done.moved_out, town.row(number).status) == (0, "Active")
        assert town.open_grants(number) == {(4, "energy_data")}


def test_a_meter_that_came_later_stays_when_the_agreement_is_no_longer_over_all(town: Town, rosa: int, told: Moves):
    """A3, A12: one ESI ID taken out, the others go on, also a home into which the customer moved after accepting."""
    number = accepted(town, kind=Kind.ONGOING, customer=CODE, all_meters=True, meters=(), account_id=rosa)
    town.later(days=10)
    told((4, date(2026, 11, 29)))
    town.give_meters(rosa, 4)
    with town.store.write() as connection:
        of_account.meters_changed(connection, rosa, clock=town.clock)
        change = Change(drop_esiids=[esiid(1)])
        of_account.change_as_customer(connection, rosa, number, change, clock=town.clock)
    assert town.open_grants(number) == {(0, "energy_data"), (4, "energy_data")}
    assert night(town).moved_out == 0
    assert town.open_grants(number) == {(0, "energy_data"), (4, "energy_data")}
    assert days_open(town, 4, date(2026, 11, 1), date(2026, 11, 30)) == [(date(2026, 11, 29), date(2026, 11, 30))]


def test_who_has_left_does_not_see_the_next_occupants_invitation(town: Town, rosa: int, told: Moves):
    """It is for whoever lives there now, and answered by nobody else."""
    town.later(days=5)
    told((0, date(2026, 11, 24)))
    number, _tokens = town.invited(0, customer=ANA, kind=Kind.ONGOING)
    with town.store.read() as connection:
        assert of_account.agreements_of(connection, rosa, now=town.clock.now()) == []
        held = connection.scalar(select(account_meter.c.in_force).where(account_meter.c.premise_id == town.premises[0]))
    assert held, "the account has not been told yet"
    with town.store.write() as connection, pytest.raises(errors.AgreementUnknownError):
        of_account.accept_as_customer(connection, rosa, number, policy=town.policy, clock=town.clock)
    ana = town_register_next(town)
    with town.store.read() as connection:
        assert [one.number for one in of_account.agreements_of(connection, ana, now=town.clock.now())] == [number]


def town_register_next(town: Town) -> int:
    with town.store.write() as connection:
        connection.execute(
            update(account_meter).where(account_meter.c.premise_id == town.premises[0]).values(in_force=False)
        )
    return town.register("ana@customer.example", 0, code="ANOTHERCODE2")


def test_the_same_file_again_and_homes_without_agreements_change_nothing(town: Town, rosa: int, told: Moves):
    number = accepted(town, 0, kind=Kind.ONGOING, customer=ROSA, account_id=rosa)
    with town.store.read() as connection:
        before = connection.execute(select(grants)).all()
    told((1, date(2026, 12, 1)), (2, date(2026, 12, 1)), (0, date(2024, 1, 1)))
    with town.store.read() as connection:
        assert connection.execute(select(grants)).all() == before
    assert town.open_grants(number)


MAC, OTHER_MAC = "000D6F0000A1B2C3", "000D6F0000D4E5F6"


def device_agreement(town: Town, account_id: int, email: str, mac: str) -> str:
    meters = (ListedMeter(esiid(0), meter_number(0), (mac,)),)
    customer = Customer(registered=True, email=email)
    return accepted(town, kind=Kind.DEVICE, meters=meters, customer=customer, account_id=account_id)


def removal_asked(town: Town, request: int) -> str | None:
    asked = {"company_id": town.callers[LANTERN].company_id, "esiid": esiid(0), "eui64": MAC, "request_id": request}
    with town.store.write() as connection:
        return ask_removal(connection, asked, policy=town.policy, clock=town.clock)


@pytest.mark.parametrize("by_night", [False, True])
def test_a_removal_is_asked_of_who_lives_there_and_never_of_who_has_left(
    town: Town, rosa: int, told: Moves, by_night: bool
):
    """A31, A21: also where only the earlier customer's agreement names the device."""
    device_agreement(town, rosa, "rosa@customer.example", MAC)
    first = removal_asked(town, 1)
    assert first is not None
    assert town.row(first).email == "rosa@customer.example"
    town.later(days=3)
    told((0, central_today(town.clock)))
    if by_night:
        town.later(days=1)
        night(town)
    assert removal_asked(town, 2) is None, "nobody is known to live there"
    with town.store.write() as connection:
        release_moved_out(connection, [town.premises[0]], today=central_today(town.clock))
    luis = town.register("luis@customer.example", 0, code="K7QF3MXP9TRX")
    device_agreement(town, luis, "luis@customer.example", OTHER_MAC)
    asked = removal_asked(town, 3)
    assert asked is not None
    assert town.row(asked).email == "luis@customer.example"
    town.posted.clear()
    town.post()
    to = {one["to"] for one in town.posted if one["message"] == "removal_invitation" and asked in str(one["facts"])}
    assert to == {"luis@customer.example"}


def test_an_agreement_follows_its_device_until_somebody_else_moves_in(town: Town, rosa: int, told: Moves):
    """A31: also between the move-in and the night that ends the agreement."""
    number = device_agreement(town, rosa, "rosa@customer.example", MAC)
    about = {"company_id": town.callers[LANTERN].company_id, "esiid": esiid(0), "eui64": MAC}

    def moved(state: str) -> int:
        with town.store.write() as connection:
            return device_moved(connection, about | {"state": state}, today=central_today(town.clock))

    assert moved("Device Added") == 1
    town.later(days=3)
    told((0, central_today(town.clock) + timedelta(days=1)))
    assert moved("Remove Failed") == 1, "it is hers until the day"
    town.later(days=1)
    assert moved("Device Removed") == 0
    assert town.row(number).device_state == "Remove Failed"
    assert town.row(number).status == "Active", "the night has not been"
