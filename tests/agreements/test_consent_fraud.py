"""Whoever asks could answer for the customer: what stands against it (A4, A23), and two people clicking at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from agreement_market import ANA, BEACON, LANTERN, PECAN, Town, esiid, meter_number
from sqlalchemy import Engine, event, select, update

from jobs.agreements import agreements_by_night
from smt_ws.agreements import errors, guesses
from smt_ws.agreements.end import release_agreement, terminate_agreement
from smt_ws.agreements.form import Customer, ListedMeter
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.patterns import patterns
from smt_ws.agreements.reports import order_moved
from smt_ws.agreements.respond import Outcome
from smt_ws.agreements.rules import Actor, Kind, Purpose, Status
from smt_ws.notices.carry import letter
from smt_ws.notices.queue import EMAIL
from smt_ws.parties.tables import meter
from smt_ws.store.tables import audit_log, outbox

ROSA = Customer(registered=True, email="rosa@customer.example")


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that run meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_refusal_tells_nothing_and_costs_the_same_whatever_was_wrong(town: Town):
    """A4, FR-3: one text, that of document 003; the same statements, so that time tells nothing either."""
    town.register("rosa@customer.example", 0)
    with town.store.write() as connection:
        connection.execute(update(meter).where(meter.c.meter_number == meter_number(4)).values(provisioned_on=None))
    good = ListedMeter(esiid(1), meter_number(1))
    wrong: list[dict[str, Any]] = [
        {"meters": (replace(good, meter_number=meter_number(2)),)},  # the meter of another home
        {"meters": (replace(good, meter_number="M99999999"),)},  # no meter
        {"meters": (replace(good, esiid="10443720999999999"),)},  # no home
        {"meters": (ListedMeter(esiid(0), meter_number(0)),)},  # of somebody who is registered
        {"meters": (ListedMeter(esiid(4), meter_number(4)),)},  # not provisioned yet
        {"meters": (good,), "customer": ROSA},  # not hers
        {"meters": (good,), "customer": Customer(registered=True, email="nobody@customer.example")},
        {"meters": (good,), "customer": Customer(registered=True, authorization_code="WRONGCODE234")},
    ]
    told, work = set(), set()
    for case in wrong:
        with counted(town.store.engine) as statements, pytest.raises(errors.CustomerUnconfirmedError) as refused:
            town.invite(**case)
        told.add((str(refused.value), refused.value.presented, refused.value.expected))
        by_what = "code" if "customer" in case and case["customer"].authorization_code else "address"
        # a customer is looked for by the one or the other: that difference is in the question, not in the answer
        work.add((by_what, tuple(statements)))
    assert len(told) == 1
    assert len(work) == 2
    text = str(refused.value)
    assert text.startswith("Your 3rd Party Agreement request cannot be completed at this time due to one of")
    assert "until up to 60 days after installation of the Smart Meter" in text


def test_who_guesses_has_to_wait(town: Town, monkeypatch: pytest.MonkeyPatch):
    """A23: refusals are counted by company and hour; then nothing is checked, the right request neither."""
    moment = datetime(2026, 11, 20, 15, 59, tzinfo=UTC)
    monkeypatch.setattr(guesses, "real_now", lambda: moment)
    policy = town.policy.model_copy(update={"unconfirmed_an_hour": 2})
    town.hub = replace(town.hub, settings=town.hub.settings.model_copy(update={"agreements": policy}))
    wrong = (ListedMeter(esiid(0), meter_number(1)),)
    for _ in range(2):
        with pytest.raises(errors.CustomerUnconfirmedError):
            town.invite(meters=wrong)
        with town.store.write() as connection:
            guesses.note_guess(connection, town.callers[LANTERN].company_id)
    for meters in (wrong, (ListedMeter(esiid(0), meter_number(0)),)):
        with pytest.raises(errors.TooManyUnconfirmedError) as refused:
            town.invite(meters=meters)
    assert refused.value.expected == "again from 10:00 CST on"
    town.invite(0, by=BEACON)
    moment += timedelta(minutes=1)
    town.invite(0)


def test_a_registered_customers_meter_may_be_left_out(town: Town):
    """000: ESI ID and code, or address, are enough for a registered customer."""
    town.register("rosa@customer.example", 0)
    (made,) = town.invite(customer=ROSA, meters=(ListedMeter(esiid(0)),))
    assert made.meter_number == meter_number(0)


def test_the_initiators_own_addresses_are_refused(town: Town):
    """A23: the domains of the company and of the contact that it names."""
    for address in ("me@lantern.example", "me@mail.lantern.example"):
        with pytest.raises(errors.OwnMailDomainError):
            town.invite(0, customer=replace(ANA, email=address))
    with pytest.raises(errors.OwnMailDomainError):
        town.invite(0, contact_email="jim@partner.example", customer=replace(ANA, email="ana@partner.example"))
    town.register("jo@lantern.example", 1)
    code = Customer(registered=True, authorization_code="K7QF3MXP9TRW")
    with pytest.raises(errors.CustomerUnconfirmedError):
        town.invite(1, customer=code)
    town.invite(0, by=BEACON, customer=replace(ANA, email="me@lantern.example"))


def test_one_address_cannot_stand_for_many_homes(town: Town):
    """A23: capped over all companies; a registered customer's own meters are not counted."""
    policy = town.policy.model_copy(update={"esiids_per_customer": 3})
    town.hub = replace(town.hub, settings=town.hub.settings.model_copy(update={"agreements": policy}))
    town.invite(0, 1)
    town.invite(2, by=BEACON)
    town.invite(2, kind=Kind.ONGOING)
    with pytest.raises(errors.CustomerAddressLimitError):
        town.invite(3, by=BEACON, customer=replace(ANA, email="ANA@customer.example"))
    town.invite(3, customer=replace(ANA, email="other@customer.example"))


def test_i_did_not_ask_for_this_freezes_an_agreement_in_force(town: Town):
    """A23: access stops at once, the operator is told and decides; the link works after the acceptance."""
    number, tokens = town.invited(0, address="198.51.100.7")
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], address="198.51.100.7")
    assert town.open_grants(number)
    assert town.answer(Purpose.DISOWN, tokens[Purpose.DISOWN]).status is Status.FROZEN
    assert town.open_grants(number) == set()
    assert town.look(tokens[Purpose.DISOWN]).outcome is Outcome.USED
    town.post()
    assert town.letters()[-1] == ("agreement_disowned", town.hub.settings.support_contact)
    with town.store.read() as connection:
        lines = connection.scalars(
            select(audit_log.c.details).where(audit_log.c.event == "agreement:accept:done")
        ).all()
    assert lines[0]["same_address_as_initiator"], "the pattern is in the log"
    with town.store.write() as connection:
        release_agreement(connection, find_agreement(connection, number), who="operator:jo", clock=town.clock)
    assert town.open_grants(number) == {(0, "report")}
    with town.store.write() as connection:
        row = find_agreement(connection, number)
        terminate_agreement(connection, row, actor=Actor.OPERATOR, who="operator:jo", clock=town.clock)
    assert town.open_grants(number) == set()


def test_a_report_that_was_sent_can_still_be_disowned(town: Town):
    """A23, BR-7: Complete stays Complete; the letter that tells of the report has the link, the operator is told."""
    number, tokens = town.invited(0)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    with town.store.write() as connection:
        order_moved(connection, {"agreement": number, "order_number": 100001, "status": "Complete"}, clock=town.clock)
    town.post()
    told = town.tokens("agreement_completed_customer")
    assert set(told) == {Purpose.DISOWN}
    town.later(days=3)
    assert town.look(told[Purpose.DISOWN]).outcome is Outcome.OPEN
    assert town.answer(Purpose.DISOWN, told[Purpose.DISOWN]).status is Status.COMPLETE
    assert town.look(told[Purpose.DISOWN]).outcome is Outcome.USED
    assert town.history(number)[-1] == ("disown", "Complete", "Complete")
    town.post()
    assert town.letters()[-1] == ("agreement_disowned", town.hub.settings.support_contact)
    with town.store.read() as connection:
        (company,) = patterns(connection, since=town.clock.now() - timedelta(days=30))
        lines = connection.scalars(select(audit_log.c.event).where(audit_log.c.event == "agreement:disown:done")).all()
    assert (company.disowned, len(lines)) == (1, 1)
    # What was never accepted and is over is nobody's any more.
    number, tokens = town.invited(1)
    town.answer(Purpose.REJECT, tokens[Purpose.REJECT])
    assert town.look(tokens[Purpose.DISOWN]).outcome is Outcome.CHANGED


def test_disowning_an_invitation_rejects_it(town: Town):
    number, tokens = town.invited(0)
    assert town.answer(Purpose.DISOWN, tokens[Purpose.DISOWN]).status is Status.REJECTED
    town.post()
    assert ("agreement_disowned", town.hub.settings.support_contact) in town.letters()
    assert town.look(tokens[Purpose.ACCEPT]).outcome is Outcome.CHANGED
    assert town.row(number).status == "Rejected"


def test_who_may_ask(town: Town):
    """A1, A2: third parties, and REPs for customers they do not serve; with the customer's permission affirmed."""
    with pytest.raises(errors.AttestationMissingError):
        town.invite(0, permitted=False)
    with pytest.raises(errors.CustomerServedError):
        town.invite(0, by=PECAN)
    town.invite(0, by=PECAN, kind=Kind.DEVICE)
    for kind in ("TDSP", "REG"):
        town.callers[kind] = replace(town.callers[LANTERN], kind=kind)
        with pytest.raises(errors.InitiatorNotAllowedError):
            town.invite(0, by=kind)


def test_of_two_who_click_at_once_one_decides(town: Town):
    """Accept and reject in the same moment, on either store: one is done, the other is told that it is too late."""
    number, tokens = town.invited(0)
    told: list[str] = []
    start = Barrier(2)

    def click(purpose: Purpose) -> None:
        start.wait(timeout=180)
        try:
            told.append(town.answer(purpose, tokens[purpose]).status.value)
        except errors.InvitationNotOpenError as error:
            told.append(str(error.presented))

    clicks = [Thread(target=click, args=(purpose,)) for purpose in (Purpose.ACCEPT, Purpose.REJECT)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join(timeout=180)
    status = town.row(number).status
    assert sorted(told) == sorted([status, Outcome.CHANGED.value])
    assert [act for act, _was, _then in town.history(number)] in (["initiate", "accept"], ["initiate", "reject"])
    with town.store.read() as connection:
        orders = connection.scalars(select(outbox.c.id).where(outbox.c.kind == "order.agreed")).all()
    assert len(orders) == (1 if status == "Active" else 0)


def test_the_operator_is_told_of_accounts_that_collect_homes(town: Town):
    """A25: past the setting, once a week while it lasts; of an account by number alone."""
    policy = town.policy.model_copy(update={"collected_homes_alarm": 2})
    town.hub = replace(town.hub, settings=town.hub.settings.model_copy(update={"agreements": policy}))
    rosa = town.register("rosa@customer.example", 0, 1)

    def told() -> list[dict[str, Any]]:
        agreements_by_night(town.hub, date(2026, 11, 20))
        with town.store.read() as connection:
            rows = connection.scalars(select(outbox.c.payload).where(outbox.c.kind == EMAIL).order_by(outbox.c.id))
            return [row for row in rows if row["message"] == "homes_collected"]

    assert told() == []
    town.give_meters(rosa, 2)
    for _ in range(2):
        (first,) = told()
    assert first["to"] == town.hub.settings.operator_address
    assert first["facts"] == {"account": rosa, "days": 30, "homes": 3, "companies": 0}
    written = letter(first, sender="Hub <hub@hub.example>", support_contact="help@hub.example")
    for text in (written.text, written.html or ""):
        assert "has added 3 homes" in " ".join(text.split())
        assert "customer.example" not in text
    town.later(days=31)
    assert len(told()) == 1, "it is over"


def test_the_operator_is_written_to_about_a_pattern_once_a_week_while_it_lasts(town: Town):
    """A23: disowned, accepted from the asker's own address, guessed: whichever it is, the letter says how often."""

    def told() -> list[dict[str, Any]]:
        agreements_by_night(town.hub, date(2026, 11, 20))
        with town.store.read() as connection:
            rows = connection.scalars(select(outbox.c.payload).where(outbox.c.kind == EMAIL).order_by(outbox.c.id))
            return [row for row in rows if row["message"] == "consent_suspicious"]

    for home in range(2):
        _number, tokens = town.invited(home)
        town.answer(Purpose.DISOWN, tokens[Purpose.DISOWN])
    town.invited(2, by=BEACON)
    assert told() == []
    _number, tokens = town.invited(3)
    town.answer(Purpose.DISOWN, tokens[Purpose.DISOWN])
    for _ in range(2):
        (first,) = told()
    assert first["to"] == town.hub.settings.operator_address
    assert (first["facts"]["company"], first["facts"]["initiated"], first["facts"]["disowned"]) == (
        "Lantern Savings", 3, 3,
    )  # fmt: skip
    written = letter(first, sender="Hub <hub@hub.example>", support_contact="help@hub.example")
    for text in (written.text, written.html or ""):
        assert "Lantern Savings" in text
        assert "smt-ws agreement list --status Frozen" in text
    town.later(days=7)
    assert len(told()) == 2
    town.later(days=30)
    assert len(told()) == 2, "it is over"
