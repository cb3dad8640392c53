"""A21, BR-301: a customer lets a company in without having been asked; A19: and says who may control its devices."""

from __future__ import annotations

from datetime import date

import pytest
from agreement_market import BEACON, LANTERN, PECAN, TDSP, Town, esiid
from sqlalchemy import select, update

from smt_ws.accounts.errors import MeterNotFoundError
from smt_ws.accounts.meters import control_devices
from smt_ws.agreements import errors, of_account
from smt_ws.agreements.begin import Wish, begin_as_customer
from smt_ws.agreements.rules import Kind
from smt_ws.agreements.search import agreement_details
from smt_ws.clock import central_today
from smt_ws.parties.device_access import Control, reach
from smt_ws.parties.errors import CompanyUnknownError
from smt_ws.parties.rules import DEVICE
from smt_ws.parties.tables import company, company_duns
from smt_ws.store.tables import audit_log


@pytest.fixture
def rosa(town: Town) -> int:
    return town.register("rosa@customer.example", 0, 1)


def begun(town: Town, account_id: int, wish: Wish) -> list[str]:
    with town.store.write() as connection:
        return begin_as_customer(
            connection, account_id, wish, policy=town.policy, clock=town.clock, address="203.0.113.9"
        )


def test_it_is_in_force_at_once_and_both_are_written_to(town: Town, rosa: int):
    """BR-301: six months where nobody says; each listed meter an agreement of its own (A5)."""
    first, second = begun(town, rosa, Wish(LANTERN, Kind.ONGOING, (esiid(0), esiid(1))))
    row = town.row(first)
    assert (row.status, row.end_day, row.services) == ("Active", date(2027, 5, 19), ["energy_data"])
    assert (row.attested_by, row.attested_from) == (None, None), "nobody affirmed anything for the customer"
    assert town.open_grants(first) == {(0, "energy_data")}
    assert town.open_grants(second) == {(1, "energy_data")}
    town.post()
    assert (
        town.letters()
        == [
            ("agreement_accepted", "desk@lantern.example"),
            ("agreement_accepted_customer", "rosa@customer.example"),
        ]
        * 2
    )
    with town.store.write() as connection:
        seen = agreement_details(connection, town.callers[LANTERN], first, clock=town.clock)
        told = connection.execute(select(audit_log.c.event, audit_log.c.actor)).all()
    assert [(one.act, one.actor) for one in seen.history] == [("initiate", "CUSTOMER"), ("accept", "CUSTOMER")]
    assert {actor for event, actor in told if event.startswith("agreement:initiate")} == {f"account:{rosa}"}
    with town.store.write() as connection:
        assert of_account.terminate(connection, rosa, first, clock=town.clock).value == "Terminated"
    assert town.open_grants(first) == set()


def test_without_esiids_it_is_over_all_meters_as_they_are(town: Town, rosa: int):
    (number,) = begun(town, rosa, Wish(PECAN, Kind.DEVICE_SERVICES, months=12))
    assert town.row(number).end_day == date(2027, 11, 19)
    assert town.open_grants(number) == {(0, "device_services"), (1, "device_services")}
    town.give_meters(rosa, 4)
    with town.store.write() as connection:
        of_account.meters_changed(connection, rosa, clock=town.clock)
    assert {place for place, _ in town.open_grants(number)} == {0, 1, 4}


@pytest.mark.parametrize(
    "wish",
    [
        Wish(LANTERN, Kind.ONE_TIME),
        Wish(LANTERN, Kind.REMOVAL),
        Wish(LANTERN, Kind.ONGOING, (esiid(2),)),
        Wish(LANTERN, Kind.ONGOING, (esiid(0), esiid(0))),
        Wish(LANTERN, Kind.ONGOING, months=13),
        Wish(LANTERN, Kind.DEVICE, months=3),
        Wish(LANTERN, Kind.ONGOING, services=("device",)),
    ],
)
def test_what_cannot_be_begun(town: Town, rosa: int, wish: Wish):
    """Not somebody else's meter, not another service, not longer than a year."""
    with pytest.raises(errors.FieldError):
        begun(town, rosa, wish)
    with town.store.read() as connection:
        assert of_account.agreements_of(connection, rosa, now=town.clock.now()) == []


def test_with_whom_no_agreement_is_made(town: Town, rosa: int):
    """A TDSP, nobody, a company that is suspended (P10)."""
    with town.store.write() as connection:
        connection.execute(
            update(company)
            .where(company.c.id.in_(select(company_duns.c.company_id).where(company_duns.c.duns == BEACON)))
            .values(suspended_at=town.clock.now())
        )
    for duns in (TDSP, "999999999", BEACON):
        with pytest.raises(CompanyUnknownError):
            begun(town, rosa, Wish(duns, Kind.ONGOING))
    with pytest.raises(errors.LogInNeededError):
        begun(town, rosa + 1, Wish(LANTERN, Kind.ONGOING))


def test_a19_the_customer_keeps_control_of_the_devices_of_its_own_home(town: Town, rosa: int):
    (number,) = begun(town, rosa, Wish(LANTERN, Kind.DEVICE, (esiid(0),)))

    def refusal() -> str | None:
        with town.store.read() as connection:
            (one,) = reach(
                connection,
                town.callers[LANTERN],
                [esiid(0)],
                scope=DEVICE,
                rep_of_record_exempt=False,
                now=town.clock.now(),
            )
        return one.refusal

    assert refusal() is None
    for by_third_party, told in ((False, "CUSTOMER_KEEPS_CONTROL"), (True, None)):
        with town.store.write() as connection:
            control_devices(
                connection, rosa, esiid=esiid(0), control=Control(by_third_party=by_third_party), clock=town.clock
            )
        assert refusal() == told
    with town.store.write() as connection, pytest.raises(MeterNotFoundError):
        control_devices(connection, rosa, esiid=esiid(2), control=Control(), clock=town.clock)
    assert town.row(number).accepted_on == central_today(town.clock)
