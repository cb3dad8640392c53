"""Agreements in force: log-in, change, extension, end, all meters, nights (A3, A8, A12, A15, A16; 002 P2-P4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from agreement_market import ANA, BEACON, LANTERN, Town, esiid, meter_number
from sqlalchemy import func, insert, select, update

from smt_ws.agreements import errors, of_account
from smt_ws.agreements.ask import change_as_initiator, end_several
from smt_ws.agreements.change import Change
from smt_ws.agreements.form import Customer, ListedMeter
from smt_ws.agreements.lifecycle import pass_night
from smt_ws.agreements.respond import Outcome
from smt_ws.agreements.rules import Act, Kind, Purpose, Status
from smt_ws.agreements.tables import agreement, agreement_history, invitation_link
from smt_ws.parties.account_tables import account_meter
from smt_ws.parties.tables import grants, occupancy
from smt_ws.store.audit import Event
from smt_ws.store.tables import audit_log

ROSA = Customer(registered=True, email="Rosa@Customer.example")


def night(town: Town, **more):
    return pass_night(town.store, clock=town.clock, keep_years=town.policy.keep_years, **more)


def changed(town: Town, number: str, by: str = LANTERN, **change):
    with town.store.write() as connection:
        return change_as_initiator(
            connection, town.callers[by], number, Change(**change), policy=town.policy, clock=town.clock
        )


def as_customer(town: Town, act, *arguments, **more):
    if act is of_account.accept_as_customer:
        more["policy"] = town.policy
    with town.store.write() as connection:
        return act(connection, *arguments, clock=town.clock, **more)


@pytest.fixture
def rosa(town: Town) -> int:
    return town.register("rosa@customer.example", 0, 1)


def ongoing(town: Town, rosa: int, **more) -> str:
    """An agreement with Rosa that she has accepted."""
    number, tokens = town.invited(0, kind=Kind.ONGOING, customer=ROSA, **more)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    return number


def test_an_ongoing_agreement_is_accepted_by_the_customer_it_names_logged_in(town: Town, rosa: int):
    """A9, 002 P2; A12: six months where nobody says."""
    stranger = town.register("stranger@customer.example", 2, code="ANOTHERCODE2")
    number, tokens = town.invited(0, kind=Kind.ONGOING, customer=ROSA)
    seen = town.look(tokens[Purpose.ACCEPT])
    assert (seen.needs_login, seen.registered) == (True, True)
    for nobody in (None, stranger):
        with pytest.raises(errors.LogInNeededError):
            town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=nobody)
    assert town.look(tokens[Purpose.ACCEPT]).outcome is Outcome.OPEN, "a refused answer uses no link up"
    assert town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa).status is Status.ACTIVE
    assert town.row(number).end_day == date(2027, 5, 19)
    assert town.open_grants(number) == {(0, "energy_data")}
    assert town.posted[0]["to"] == "rosa@customer.example"


def test_who_registers_after_the_invitation_finds_it_and_accepts_it(town: Town):
    """A9, FR-15: registration is pre-filled; the invitation then is in My agreements."""
    number, tokens = town.invited(0, kind=Kind.ONGOING)
    ana = town.register("ana@customer.example", 0)
    with town.store.read() as connection:
        (mine,) = of_account.agreements_of(connection, ana, now=town.clock.now())
    assert (mine.number, mine.acts) == (number, (Act.ACCEPT, Act.REJECT, Act.DISOWN))
    assert as_customer(town, of_account.accept_as_customer, ana, number) is Status.ACTIVE
    assert town.row(number).account_id == ana
    assert town.look(tokens[Purpose.ACCEPT]).outcome is Outcome.CHANGED


def test_what_was_accepted_without_an_account_is_listed_after_registering(town: Town):
    """A29: by address and home; it can be ended there, and stays listed when the customer moves."""
    number, tokens = town.invited(0)
    others, _tokens = town.invited(0, by=BEACON, customer=replace(ANA, email="tenant@customer.example"))
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    elsewhere = town.register("ana@customer.example", 1)

    def listed(account_id: int) -> dict[str, tuple[Act, ...]]:
        with town.store.read() as connection:
            rows = of_account.agreements_of(connection, account_id, now=town.clock.now())
            return {row.number: row.acts for row in rows}

    assert listed(elsewhere) == {}, "the address alone is not enough"
    rosa = town.register("rosa@customer.example", 0, code="ANOTHERCODE2")
    assert listed(rosa) == {others: (Act.REJECT, Act.DISOWN)}, "nor is the home; of what is asked she may say no"
    with town.store.write() as connection:
        connection.execute(update(account_meter).where(account_meter.c.account_id == rosa).values(in_force=False))
    town.give_meters(elsewhere, 0)
    assert listed(elsewhere)[number] == (Act.DISOWN, Act.TERMINATE)
    with town.store.write() as connection:
        connection.execute(update(account_meter).where(account_meter.c.account_id == elsewhere).values(in_force=False))
    assert set(listed(elsewhere)) == {number}
    assert as_customer(town, of_account.terminate, elsewhere, number) is Status.TERMINATED
    assert town.open_grants(number) == set()


def test_anothers_agreement_does_not_exist_for_a_customer(town: Town, rosa: int):
    stranger = town.register("stranger@customer.example", 2, code="ANOTHERCODE2")
    number = ongoing(town, rosa)
    with town.store.read() as connection:
        assert of_account.agreements_of(connection, stranger, now=town.clock.now()) == []
    for act in (of_account.accept_as_customer, of_account.reject_as_customer, of_account.terminate):
        with pytest.raises(errors.AgreementUnknownError):
            as_customer(town, act, stranger, number)


def test_the_customer_extends_to_a_year_from_today_and_no_further(town: Town, rosa: int):
    """A12; 002 P3.3: end date from today to one year from today; both are written to (P3.5, P3.6)."""
    number = ongoing(town, rosa)
    for wrong in (date(2026, 11, 19), date(2027, 11, 21)):
        with pytest.raises(errors.EndDateError):
            as_customer(town, of_account.change_end_date, rosa, number, wrong)
    as_customer(town, of_account.change_end_date, rosa, number, date(2027, 11, 20))
    assert town.row(number).end_day == date(2027, 11, 20)
    town.post()
    assert town.letters()[-2:] == [
        ("agreement_changed", "rosa@customer.example"),
        ("agreement_changed", "desk@lantern.example"),
    ]
    assert town.open_grants(number, at=datetime(2027, 11, 21, 5, 59, tzinfo=UTC)) == {(0, "energy_data")}
    assert town.open_grants(number, at=datetime(2027, 11, 21, 6, 0, tzinfo=UTC)) == set(), "midnight in Texas"


def test_services_are_switched_by_the_customer_and_only_narrowed_by_the_initiator(town: Town, rosa: int):
    """002 P3.3.4: "allow access to energy data", "allow HAN services"; A12."""
    number = ongoing(town, rosa, services=("energy_data", "device_services"))
    assert town.open_grants(number) == {(0, "energy_data"), (0, "device_services")}
    changed(town, number, services=["device_services"])
    assert town.open_grants(number) == {(0, "device_services")}
    with pytest.raises(errors.WideningNeedsCustomerError):
        changed(town, number, services=["energy_data", "device_services"])
    for nonsense in ([], ["device"], ["energy_data", "gossip"]):
        with pytest.raises(errors.NothingToChangeError):
            as_customer(town, of_account.change_as_customer, rosa, number, Change(services=nonsense))
    as_customer(town, of_account.change_as_customer, rosa, number, Change(services=["energy_data"]))
    assert town.open_grants(number) == {(0, "energy_data")}


def test_an_extension_is_asked_for_and_changes_nothing_until_it_is_accepted(town: Town, rosa: int):
    """A8: Extension Pending. Accepted, rejected, lapsed: the agreement goes on either way."""
    number = ongoing(town, rosa)
    town.post()
    row = changed(town, number, end_day=date(2027, 11, 20))
    assert (row.status, row.end_day, row.asked_end_day) == ("Extension Pending", date(2027, 5, 19), date(2027, 11, 20))
    assert town.open_grants(number) == {(0, "energy_data")}
    town.post()
    tokens = town.tokens()
    assert town.posted[-1]["facts"]["extension"]
    town.answer(Purpose.REJECT, tokens[Purpose.REJECT])
    assert (town.row(number).status, town.row(number).end_day) == ("Active", date(2027, 5, 19))
    changed(town, number, end_day=date(2027, 11, 20))
    town.later(days=31)
    assert night(town).extensions_lapsed == 1
    assert (town.row(number).status, town.row(number).asked_end_day) == ("Active", None)
    changed(town, number, end_day=date(2027, 12, 1))
    town.post()
    town.answer(Purpose.ACCEPT, town.tokens()[Purpose.ACCEPT], account_id=rosa)
    assert (town.row(number).status, town.row(number).end_day) == ("Active", date(2027, 12, 1))
    assert town.open_grants(number, at=datetime(2027, 12, 1, 12, tzinfo=UTC)) == {(0, "energy_data")}
    with pytest.raises(errors.EndDateError):
        changed(town, number, end_day=date(2028, 12, 1))


def test_ended_by_either_side_access_is_gone_in_the_same_moment(town: Town, rosa: int):
    """A12; 002 P4: terminated by the customer, cancelled by the third party; nobody accepts afterwards."""
    number = ongoing(town, rosa)
    assert as_customer(town, of_account.terminate, rosa, number) is Status.TERMINATED
    assert town.open_grants(number) == set()
    with pytest.raises(errors.AgreementStateError):
        as_customer(town, of_account.accept_as_customer, rosa, number)
    second = ongoing(town, rosa)
    pending, tokens = town.invited(2)
    with town.store.write() as connection:
        results = end_several(
            connection, town.callers[LANTERN], [second, number, pending, "112026999999"], clock=town.clock
        )
        others = end_several(connection, town.callers[BEACON], [second], clock=town.clock)
    codes = [(one.number, one.status, one.code) for one in results]
    assert codes == [
        (second, Status.CANCELLED, None),
        (number, None, "AGREEMENT_STATE"),
        (pending, Status.CANCELLED, None),
        ("112026999999", None, "AGREEMENT_UNKNOWN"),
    ]
    assert [one.code for one in others] == ["AGREEMENT_UNKNOWN"]
    assert town.open_grants(second) == set()
    assert town.look(tokens[Purpose.ACCEPT]).outcome is Outcome.CHANGED


def test_all_meters_are_those_that_the_account_has_at_any_time(town: Town, rosa: int):
    """A3: one agreement; grants follow the account's meters, at once and, at the latest, in the night."""
    code = Customer(registered=True, authorization_code="k7qf-3mxp-9trw")
    number, tokens = town.invited(kind=Kind.ONGOING, customer=code, all_meters=True, meters=())
    assert town.row(number).email == "rosa@customer.example"
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    assert town.open_grants(number) == {(0, "energy_data"), (1, "energy_data")}
    town.give_meters(rosa, 3)
    assert as_customer(town, of_account.meters_changed, rosa) == 1
    assert {place for place, _ in town.open_grants(number)} == {0, 1, 3}
    with town.store.write() as connection:
        connection.execute(
            update(account_meter).where(account_meter.c.premise_id == town.premises[0]).values(in_force=False)
        )
    town.later(hours=1)
    assert night(town).followed == 1
    assert {place for place, _ in town.open_grants(number)} == {1, 3}
    assert night(town).followed == 0
    changed(town, number, drop_esiids=[esiid(3)])
    assert {place for place, _ in town.open_grants(number)} == {1}
    assert night(town).followed == 0, "what was dropped does not come back"
    with pytest.raises(errors.EsiidNotInAgreementError):
        changed(town, number, drop_esiids=[esiid(3)])
    with pytest.raises(errors.NothingToChangeError):
        changed(town, number, drop_esiids=[esiid(1)])


def test_nobody_sees_a_previous_occupants_days(town: Town, rosa: int):
    """R5: a grant begins at the move-in of the present customer."""
    with town.store.write() as connection:
        for day in (date(2021, 3, 1), date(2026, 9, 1)):
            connection.execute(insert(occupancy).values(premise_id=town.premises[0], move_in_day=day, load_number=0))
    number = ongoing(town, rosa, history_months=24)
    with town.store.read() as connection:
        (first,) = connection.scalars(select(grants.c.from_day).where(grants.c.source == f"agreement:{number}"))
    assert first == date(2026, 9, 1)


def test_who_moves_in_later_has_not_agreed(town: Town, rosa: int):
    """R5: the last occupant's agreement opens none of the next one's days, and its answer is worth nothing then."""

    def move_in(place: int, day: date) -> None:
        with town.store.write() as connection:
            connection.execute(
                insert(occupancy).values(premise_id=town.premises[place], move_in_day=day, load_number=0)
            )

    code = Customer(registered=True, authorization_code="k7qf-3mxp-9trw")
    number, tokens = town.invited(kind=Kind.ONGOING, customer=code, all_meters=True, meters=())
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    pending, tokens = town.invited(2)
    move_in(0, date(2026, 11, 21))
    move_in(2, date(2026, 11, 21))
    assert night(town).moved_out == 0, "tomorrow is not today"
    town.later(days=1)
    assert (night(town).moved_out, night(town).moved_out) == (1, 0)
    assert town.open_grants(number) == {(1, "energy_data")}
    with pytest.raises(errors.InvitationNotOpenError):
        town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    assert town.row(pending).status == "Pending"
    move_in(1, date(2026, 11, 21))
    assert night(town).moved_out == 1
    assert (town.open_grants(number), town.row(number).status) == (set(), "Terminated")
    town.post()
    assert town.letters()[-2:] == [
        ("agreement_terminated", "rosa@customer.example"),
        ("agreement_terminated", "desk@lantern.example"),
    ]


def test_a_report_that_is_never_made_opens_nothing_for_ever(town: Town):
    """A11: the days of a one-time agreement are open until its order is done, thirty days at most."""
    number, tokens = town.invited(0)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    town.later(days=29)
    assert town.open_grants(number) == {(0, "report")}
    town.later(days=1)
    assert town.open_grants(number) == set()


def test_a_night(town: Town, rosa: int):
    """A15: Not Accepted, 30 days left told once to both, Expired; run again it finds nothing."""
    pending, tokens = town.invited(2)
    number = ongoing(town, rosa, months=3)
    assert town.row(number).end_day == date(2027, 2, 19)
    assert night(town).not_accepted == 0
    town.clock.moment = datetime(2026, 12, 21, 6, 5, tzinfo=UTC)  # five past midnight in Texas
    assert (night(town).not_accepted, night(town).not_accepted) == (1, 0)
    assert town.row(pending).status == "Not Accepted"
    assert town.look(tokens[Purpose.REJECT]).outcome is Outcome.EXPIRED
    town.clock.moment = datetime(2027, 1, 19, 6, 5, tzinfo=UTC)
    assert night(town).announced == 0
    town.clock.moment = datetime(2027, 1, 20, 6, 5, tzinfo=UTC)
    assert (night(town).announced, night(town).announced) == (1, 0)
    town.clock.moment = datetime(2027, 2, 20, 5, 55, tzinfo=UTC)
    assert night(town).expired == 0
    town.clock.moment = datetime(2027, 2, 20, 6, 0, tzinfo=UTC)
    assert town.open_grants(number) == set(), "before the night has run"
    assert (night(town).expired, town.row(number).status) == (1, "Expired")
    town.posted.clear()
    town.post()
    names = [name for name, _to in town.letters()]
    assert names[-5:] == ["agreement_not_accepted"] + ["agreement_30_days"] * 2 + ["agreement_expired"] * 2
    assert town.history(number)[-2:] == [("announce", "Active", "Active"), ("expire", "Active", "Expired")]
    with town.store.read() as connection:
        told = connection.scalars(select(audit_log.c.event).where(audit_log.c.actor == "hub:lifecycle")).all()
    assert sorted(told) == sorted([Event.AGREEMENT_LAPSED, Event.AGREEMENT_ANNOUNCED, Event.AGREEMENT_EXPIRED])


def test_a_night_in_small_batches_does_all_of_it(town: Town):
    made = [town.invite(place, by=by)[0].number for place in range(5) for by in (LANTERN, BEACON)]
    town.later(days=31)
    assert night(town, batch=3).not_accepted == len(made)
    assert {town.row(number).status for number in made} == {"Not Accepted"}


def test_three_years_after_its_end_an_agreement_is_removed(town: Town):
    """A16: with its history, links and grants; until then nothing is; one in force stays."""
    number, tokens = town.invited(0)
    town.answer(Purpose.REJECT, tokens[Purpose.REJECT])
    kept, tokens = town.invited(1)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    town.clock.moment = datetime(2029, 11, 20, 12, tzinfo=UTC)
    assert night(town).removed == 0
    town.later(days=1)
    assert night(town).removed == 1
    with town.store.read() as connection:
        for table in (agreement, agreement_history, invitation_link):
            left = select(func.count()).select_from(table).where(table.c.number == number)
            assert connection.scalar(left) == 0
        assert connection.scalar(select(agreement.c.status).where(agreement.c.number == kept)) == "Active"


def test_registered_customers_are_named_and_no_more(town: Town, rosa: int):
    """A22, FR-1, FR-2: no other fields; language for residential customers who are not registered alone."""
    for wrong in (replace(ROSA, last_name="Luna"), replace(ROSA, language="es"), replace(ROSA, email="")):
        with pytest.raises(errors.FieldError):
            town.invite(0, customer=wrong)
    business = replace(ANA, kind="business", company_name="Corner Store", language="")
    town.invite(2, customer=business)
    for wrong in (replace(business, language="es"), replace(business, company_name=""), replace(ANA, kind="")):
        with pytest.raises(errors.FieldError):
            town.invite(3, customer=wrong)
    town.invite(customer=ROSA, meters=(ListedMeter(esiid(0)),))
    with pytest.raises(errors.FieldError):
        town.invite(meters=(ListedMeter(esiid(3)),))


def test_days_left_are_told_again_after_an_extension(town: Town, rosa: int):
    number = ongoing(town, rosa, months=3)
    town.clock.moment = datetime(2027, 2, 1, 12, tzinfo=UTC)
    assert night(town).announced == 1
    as_customer(town, of_account.change_end_date, rosa, number, date(2027, 6, 1))
    assert night(town).announced == 0
    town.clock.moment = datetime(2027, 5, 30, 12, tzinfo=UTC)
    assert night(town).announced == 1


def test_a_meter_without_its_leading_letter_is_the_same_meter(town: Town):
    """P9, A4."""
    (made,) = town.invite(meters=(ListedMeter(esiid(0), meter_number(0)[1:]),))
    assert made.meter_number == meter_number(0)
