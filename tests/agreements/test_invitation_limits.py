"""A26, A23: one invitation at a time for the same, so many e-mails a day, so many homes an address; also at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from agreement_market import ANA, BEACON, LANTERN, Town, esiid, meter_number
from sqlalchemy import func, select

from smt_ws.accounts.attempts import forget_attempts
from smt_ws.agreements import email_limits, errors
from smt_ws.agreements.ask import change_as_initiator, end_several
from smt_ws.agreements.change import Change
from smt_ws.agreements.form import Customer, ListedMeter
from smt_ws.agreements.removal import ask_removal
from smt_ws.agreements.resend import resend_invitation
from smt_ws.agreements.rules import Kind, Purpose
from smt_ws.agreements.tables import agreement
from smt_ws.store.tables import outbox

DISPLAY, SPEAKER = "00:0D:6F:00:0A:BC:DE:F0", "00:0D:6F:00:0A:BC:DE:F1"


@pytest.fixture(autouse=True)
def one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """No midnight comes to pass within a test."""
    moment = email_limits.real_now()
    monkeypatch.setattr(email_limits, "real_now", lambda: moment)


def limited(town: Town, **policy: int) -> Town:
    changed = town.policy.model_copy(update=policy)
    town.hub = replace(town.hub, settings=town.hub.settings.model_copy(update={"agreements": changed}))
    return town


def made(town: Town) -> int:
    with town.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(agreement)) or 0


def letters_queued(town: Town) -> int:
    with town.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(outbox)) or 0


def at_once(*acts: Callable[[], Any]) -> list[str]:
    """Do all of *acts* in the same moment; what became of each: ``done``, or the code of its refusal."""
    start, told = Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        start.wait(timeout=180)
        try:
            act()
            told.append("done")
        except (errors.InvitationPendingError, errors.EmailLimitError, errors.CustomerAddressLimitError) as error:
            told.append(error.code)

    threads = [Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
    return sorted(told)


def devices(*macs: str) -> dict[str, Any]:
    return {"kind": Kind.DEVICE, "meters": (ListedMeter(esiid(0), meter_number(0), macs),)}


def test_the_same_is_asked_once_until_it_is_answered(town: Town):
    first, tokens = town.invited(0)
    with pytest.raises(errors.InvitationPendingError) as refused:
        town.invite(0)
    assert refused.value.presented == f"{esiid(0)}: agreement {first}"
    with pytest.raises(errors.InvitationPendingError):
        town.invite(1, 0, report_period="1m")
    assert made(town) == 1, "of a list with one that waits nothing is asked"
    town.invite(0, kind=Kind.ONGOING)
    town.invite(0, by=BEACON)
    town.invite(1)
    town.answer(Purpose.REJECT, tokens[Purpose.REJECT])
    town.invite(0)


def test_each_device_is_asked_for_once(town: Town):
    town.invite(**devices(DISPLAY))
    with pytest.raises(errors.InvitationPendingError):
        town.invite(**devices(DISPLAY.lower().replace(":", "")))
    with pytest.raises(errors.InvitationPendingError):
        town.invite(**devices(SPEAKER, DISPLAY))
    town.invite(**devices(SPEAKER))
    elsewhere = ListedMeter(esiid(1), meter_number(1), (DISPLAY,))
    town.invite(kind=Kind.DEVICE, meters=(elsewhere,))
    town.invite(**devices())
    with pytest.raises(errors.InvitationPendingError):
        town.invite(**devices())


def test_an_invitation_over_all_meters_is_one_for_each_of_them(town: Town):
    town.register("rosa@customer.example", 0, 1)
    rosa = Customer(registered=True, email="rosa@customer.example")
    whole = {"kind": Kind.ONGOING, "customer": rosa, "all_meters": True}
    town.invite(meters=(ListedMeter(esiid(0)),), **whole)
    with pytest.raises(errors.InvitationPendingError):
        town.invite(meters=(ListedMeter(esiid(0)),), **whole)
    with pytest.raises(errors.InvitationPendingError):
        town.invite(meters=(ListedMeter(esiid(0)),), kind=Kind.ONGOING, customer=rosa)


def test_an_invitation_whose_days_are_over_stands_in_nobodys_way(town: Town):
    """The night has not been yet."""
    town.invite(0)
    town.later(days=31)
    town.invite(0)


def test_of_requests_at_once_for_the_same_one_is_taken(town: Town):
    assert at_once(*[lambda: town.invite(0)] * 3) == ["INVITATION_PENDING", "INVITATION_PENDING", "done"]
    assert made(town) == 1


def test_one_address_gets_so_many_emails_a_day_from_all_companies(town: Town, monkeypatch: pytest.MonkeyPatch):
    """75 e-mails left for one address in seconds; what is refused is neither stored, nor sent, nor counted."""
    moment = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    monkeypatch.setattr(email_limits, "real_now", lambda: moment)
    limited(town, emails_to_address_a_day=3)
    town.invite(0, 1)
    queued = letters_queued(town)
    for _ in range(2):
        with pytest.raises(errors.EmailLimitError) as refused:
            town.invite(2, 3, by=BEACON, customer=replace(ANA, email="ANA@customer.example"))
        assert refused.value.presented == "4 e-mails to the customer's address today"
        assert refused.value.expected == "up to 3; again from 11/21/2026 on"
    assert (made(town), letters_queued(town)) == (2, queued)
    town.invite(2, by=BEACON)
    with pytest.raises(errors.EmailLimitError):
        town.invite(3)
    town.invite(3, customer=replace(ANA, email="other@customer.example"))
    moment = datetime(2026, 11, 21, 5, 59, tzinfo=UTC)
    with pytest.raises(errors.EmailLimitError):
        town.invite(4)
    moment += timedelta(minutes=1)  # midnight in Texas
    town.invite(4)


def test_one_company_causes_so_many_emails_a_day(town: Town):
    limited(town, emails_of_company_a_day=2)
    for home in range(2):
        town.invite(home, customer=replace(ANA, email=f"customer{home}@customer.example"))
    with pytest.raises(errors.EmailLimitError) as refused:
        town.invite(2, customer=replace(ANA, email="customer2@customer.example"))
    assert refused.value.presented == "3 e-mails of yours today"
    town.invite(2, by=BEACON)


def test_everything_that_a_company_has_sent_to_a_customer_counts_and_ending_is_always_let(town: Town):
    """Sent again, extended, narrowed: each is one; an agreement is ended however many there were."""
    rosa = town.register("rosa@customer.example", 0)
    customer = Customer(registered=True, email="rosa@customer.example")
    number, tokens = town.invited(0, kind=Kind.ONGOING, customer=customer)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    (waiting,) = town.invite(0, customer=customer)
    limited(town, emails_to_address_a_day=4)

    def resend() -> None:
        with town.store.write() as connection:
            resend_invitation(connection, town.callers[LANTERN], waiting.number, policy=town.policy, clock=town.clock)

    def until(day: date) -> Callable[[], None]:
        def change() -> None:
            with town.store.write() as connection:
                change_as_initiator(
                    connection,
                    town.callers[LANTERN],
                    number,
                    Change(end_day=day),
                    policy=town.policy,
                    clock=town.clock,
                )

        return change

    until(date(2027, 5, 1))()
    resend_later = limited(town, emails_to_address_a_day=3)
    for act in (resend, until(date(2027, 4, 1)), until(date(2027, 11, 1))):
        with pytest.raises(errors.EmailLimitError):
            act()
    assert (resend_later.row(number).end_day, resend_later.row(waiting.number).resent) == (date(2027, 5, 1), 0)
    limited(town, emails_to_address_a_day=5)
    resend()
    until(date(2027, 11, 1))()
    limited(town, emails_to_address_a_day=1)
    with town.store.write() as connection:
        ended = end_several(connection, town.callers[LANTERN], [number, waiting.number], clock=town.clock)
    assert [one.code for one in ended] == [None, None]


def test_of_requests_at_once_no_more_leave_than_a_day_allows(town: Town):
    limited(town, emails_to_address_a_day=2)
    acts = [lambda home=home, by=by: town.invite(home, by=by) for home in range(2) for by in (LANTERN, BEACON)]
    assert at_once(*acts) == ["EMAIL_LIMIT", "EMAIL_LIMIT", "done", "done"]
    assert made(town) == 2


def test_a_removal_nobody_can_be_asked_about_today_is_told_so(town: Town):
    """The device stays, and its company learns why nobody was asked; a customer's no is something else."""
    rosa = town.register("rosa@customer.example", 0)
    customer = Customer(registered=True, email="rosa@customer.example")
    _number, tokens = town.invited(
        kind=Kind.DEVICE, customer=customer, meters=(ListedMeter(esiid(0), meter_number(0), (DISPLAY,)),)
    )
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    asked = {"company_id": town.callers[LANTERN].company_id, "esiid": esiid(0), "eui64": DISPLAY.replace(":", "")}
    limited(town, emails_to_address_a_day=1)
    with town.store.write() as connection:
        assert ask_removal(connection, asked | {"request_id": 7}, policy=town.policy, clock=town.clock) is None
        told = connection.scalars(select(outbox.c.payload).where(outbox.c.kind == "han.removal_decided")).one()
    assert (told["request_id"], told["accepted"]) == (7, False)
    assert told["why"] == "the customer was not asked: 2 e-mails to the customer's address today"


def test_removals_and_requests_at_once_wait_for_each_other_in_one_order(town: Town):
    """Numbers before counts, in both: the other way round PostgreSQL would end one of them."""
    rosa = town.register("rosa@customer.example", 0)
    customer = Customer(registered=True, email="rosa@customer.example")
    _number, tokens = town.invited(
        kind=Kind.DEVICE, customer=customer, meters=(ListedMeter(esiid(0), meter_number(0), (DISPLAY,)),)
    )
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    asked = {"company_id": town.callers[LANTERN].company_id, "esiid": esiid(0), "eui64": DISPLAY.replace(":", "")}

    def remove(request: int) -> None:
        with town.store.write() as connection:
            ask_removal(connection, asked | {"request_id": request}, policy=town.policy, clock=town.clock)

    acts = [lambda home=home: town.invite(home, customer=ANA) for home in range(1, 5)]
    acts += [lambda request=request: remove(request) for request in range(1, 5)]
    assert at_once(*acts) == ["done"] * 8


def test_counts_of_a_day_outlive_the_hours_of_other_counts(town: Town):
    """The table is cleaned every night; a day's count is still needed then."""
    limited(town, emails_to_address_a_day=1)
    town.invite(0)
    assert forget_attempts(town.store) == 0
    with pytest.raises(errors.EmailLimitError):
        town.invite(1)


def test_of_two_companies_at_once_one_names_a_home_too_many(town: Town):
    """A23: the cap of homes an address holds over all companies, however they race."""
    limited(town, esiids_per_customer=2)
    town.invite(0)
    told = at_once(lambda: town.invite(1, by=BEACON), lambda: town.invite(2))
    assert told == ["CUSTOMER_ADDRESS_LIMIT", "done"]


def test_an_accepted_invitation_counts_among_the_homes_of_its_address(town: Town):
    """Accepting notes the account; the address has been named for that home all the same."""
    limited(town, esiids_per_customer=1)
    _number, tokens = town.invited(0, kind=Kind.ONGOING)
    ana = town.register("ana@customer.example", 0)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=ana)
    with pytest.raises(errors.CustomerAddressLimitError):
        town.invite(1)
