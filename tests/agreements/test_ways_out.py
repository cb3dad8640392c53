"""Advice in an exception works: whoever follows it gets the day (R5, A1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pytest
from agreement_market import LANTERN, PECAN, TDSP, Town, esiid
from sqlalchemy import delete, insert, update

from adapters.central_day import intervals_in
from smt_ws.agreements import errors
from smt_ws.agreements.form import Customer
from smt_ws.agreements.rules import Kind, Purpose
from smt_ws.clock import central_today
from smt_ws.orders.inline import answer_inline
from smt_ws.orders.place import UsageRequest
from smt_ws.parties.errors import StatedReasonMissingError
from smt_ws.parties.rules import REASONS, Reason
from smt_ws.parties.tables import rep_of_record
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.tables import interval_day, load, monthly_bill

DAY = date(2026, 11, 10)


@dataclass
class Street:
    """Homes of the town, and what a company is answered for one of them."""

    town: Town
    loads: int = 0

    def serve(self, home: int, *spells: tuple[date, date | None], duns: str = PECAN) -> None:
        of = rep_of_record
        with self.town.store.write() as connection:
            connection.execute(delete(of).where(of.c.premise_id == self.town.premises[home]))
            for first, last in spells:
                connection.execute(
                    insert(of).values(
                        premise_id=self.town.premises[home], from_day=first, to_day=last, duns=duns, load_number=0
                    )
                )

    def measure(self, home: int, *days: date, statuses: bytes | None = None) -> None:
        ensure_months(self.town.store, days)
        number = self._load()
        with self.town.store.write() as connection:
            connection.execute(
                insert(interval_day),
                [
                    {
                        "premise_id": self.town.premises[home],
                        "channel": 4,
                        "operating_day": day,
                        "load_number": number,
                        "wh": np.full(intervals_in(day), 250, "<i4").tobytes(),
                        "statuses": statuses,
                    }
                    for day in days
                ],
            )

    def bill(self, home: int, first: date, last: date) -> None:
        number = self._load()
        with self.town.store.write() as connection:
            connection.execute(
                insert(monthly_bill).values(
                    premise_id=self.town.premises[home],
                    first_day=first,
                    last_day=last,
                    load_number=number,
                    cancelled=False,
                    actual_wh=1000,
                )
            )

    def _load(self) -> int:
        self.loads += 1
        now = self.town.clock.now()
        with self.town.store.write() as connection:
            connection.execute(
                insert(load).values(
                    number=self.loads,
                    kind="lse",
                    tdsp_duns=TDSP,
                    file_name=f"{self.loads}.lse",
                    sha256=f"{self.loads:064x}",
                    state="loaded",
                    started_at=now,
                    finished_at=now,
                )
            )
        return self.loads

    def told(self, name: str, first: date = DAY, last: date | None = None, *, by: str = PECAN, **more: str) -> set[str]:
        """The codes of the days that are not in the answer; none: all of them are."""
        return self.answered(name, first, last, by=by, **more)[0]

    def answered(
        self, name: str, first: date, last: date | None, *, by: str = PECAN, **more: str
    ) -> tuple[set[str], list[str]]:
        """The codes of what is not in the answer, and the lines of what is, without the header."""
        request = UsageRequest(
            trans_id="t-1",
            requestor_id="svc",
            start_date=f"{first:%m/%d/%Y}",
            end_date=f"{last or first:%m/%d/%Y}",
            esiids=[name],
            delivery_mode="API",
            report_format="CSV",
            **more,
        )
        answer = answer_inline(self.town.hub, self.town.callers[by], request)
        assert {one.reason for one in answer.exceptions} == {REASONS[Reason(one.code)] for one in answer.exceptions}
        return {one.code for one in answer.exceptions}, answer.content.decode().splitlines()[1:]

    def agree(self, home: int, *, by: str = PECAN) -> None:
        """An ongoing agreement with three months of past usage: what the company orders itself is opened (A24)."""
        account_id = self.town.register("rosa@customer.example", home)
        customer = Customer(registered=True, email="rosa@customer.example")
        _number, tokens = self.town.invited(home, by=by, kind=Kind.ONGOING, customer=customer, history_months=3)
        self.town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=account_id)


@pytest.fixture
def street(town: Town) -> Street:
    return Street(town)


def correct_it(street: Street) -> None:
    street.measure(0, DAY)
    assert street.told(esiid(0)[:-1]) == {"ESIID_MALFORMED"}
    assert street.told(esiid(0)) == set()


def announce_it(street: Street) -> None:
    home = len(street.town.premises)
    assert street.told(esiid(home)) == {"ESIID_UNKNOWN"}
    street.town.add_homes(1)
    street.measure(home, DAY)
    assert street.told(esiid(home)) == set()


def let_the_customer_agree(street: Street) -> None:
    street.measure(0, DAY)
    assert street.told(esiid(0), by=LANTERN) == {"NO_AGREEMENT"}
    street.agree(0, by=LANTERN)
    assert street.told(esiid(0), by=LANTERN) == set()


def ask_for_days_before_the_service(street: Street) -> None:
    street.serve(0, (DAY + timedelta(days=1), None))
    street.measure(0, DAY)
    assert street.told(esiid(0)) == {"BEFORE_SERVICE"}
    street.agree(0)
    assert street.told(esiid(0)) == set()


def ask_for_days_after_the_service(street: Street) -> None:
    street.serve(0, (date(2020, 1, 1), DAY - timedelta(days=1)))
    street.measure(0, DAY)
    assert street.told(esiid(0)) == {"AFTER_SERVICE"}
    street.agree(0)
    assert street.told(esiid(0)) == set()


def ask_for_days_between_two_services(street: Street) -> None:
    street.serve(0, (date(2020, 1, 1), DAY - timedelta(days=1)), (DAY + timedelta(days=1), None))
    street.measure(0, DAY)
    assert street.told(esiid(0)) == {"NOT_YOUR_SERVICE"}
    street.agree(0)
    assert street.told(esiid(0)) == set()


def state_the_reason(street: Street) -> None:
    street.measure(0, DAY)
    street.town.callers[LANTERN] = replace(street.town.callers[LANTERN], kind="REG")
    with pytest.raises(StatedReasonMissingError):
        street.told(esiid(0), by=LANTERN)
    assert street.told(esiid(0), by=LANTERN, reason="Complaint 26-1042") == set()


def ask_again_in_two_days(street: Street) -> None:
    yesterday = central_today(street.town.clock) - timedelta(days=1)
    assert street.told(esiid(0), yesterday) == {"NOT_YET_DUE"}
    street.town.later(days=2)
    assert street.told(esiid(0), yesterday) == {"LATE_AT_TDSP"}
    street.measure(0, yesterday)
    assert street.told(esiid(0), yesterday) == set()


def ask_the_tdsp_of_a_late_day(street: Street) -> None:
    assert street.told(esiid(0)) == {"LATE_AT_TDSP"}
    street.measure(0, DAY)
    assert street.told(esiid(0)) == set()


def ask_the_tdsp_of_a_gap(street: Street) -> None:
    street.measure(0, DAY - timedelta(days=1), DAY + timedelta(days=1))
    assert street.told(esiid(0)) == {"GAP"}
    street.measure(0, DAY)
    assert street.told(esiid(0)) == set()


def ask_the_tdsp_of_an_overdue_day(street: Street) -> None:
    street.town.later(days=20)
    assert street.told(esiid(0)) == {"NOT_DELIVERED"}
    street.measure(0, DAY)
    assert street.told(esiid(0)) == set()


def ask_the_tdsp_of_an_empty_day(street: Street) -> None:
    street.measure(0, DAY, statuses=b"M" * 96)
    assert street.told(esiid(0)) == {"DELIVERED_EMPTY"}
    with street.town.store.write() as connection:
        connection.execute(update(interval_day).values(statuses=None))
    assert street.told(esiid(0)) == set()


def ask_for_consumption(street: Street) -> None:
    street.measure(0, DAY)
    assert street.told(esiid(0), reading_type="G") == {"NO_GENERATION_CHANNEL"}
    assert street.told(esiid(0), reading_type="C") == set()


def ask_later_for_the_bill(street: Street) -> None:
    first, last = date(2026, 9, 1), date(2026, 9, 30)
    assert street.told(esiid(0), first, last, report="monthly") == {"NOT_BILLED"}
    street.bill(0, first, last)
    assert street.told(esiid(0), first, last, report="monthly") == set()


def ask_for_all_of_the_bill(street: Street) -> None:
    first, last = date(2026, 9, 1), date(2026, 9, 30)
    street.bill(0, first, last)
    assert "BILL_REACHES_BEYOND" in street.told(esiid(0), first, last - timedelta(days=1), report="monthly")
    assert street.told(esiid(0), first, last, report="monthly") == set()


def ask_for_both_bills(street: Street) -> None:
    first, last = date(2026, 9, 1), date(2026, 10, 15)
    street.bill(0, first, date(2026, 9, 30))
    street.bill(0, date(2026, 9, 16), last)
    assert street.told(esiid(0), first, last, report="monthly") == {"BILL_SUPERSEDED"}
    codes, bills = street.answered(esiid(0), first, last, report="monthly", version="A")
    assert codes == set()
    assert [bill.split(",")[1:3] for bill in bills] == [["09/01/2026", "09/30/2026"], ["09/16/2026", "10/15/2026"]]


WAYS: dict[Reason, Callable[[Street], None]] = {
    Reason.ESIID_MALFORMED: correct_it,
    Reason.ESIID_UNKNOWN: announce_it,
    Reason.NO_AGREEMENT: let_the_customer_agree,
    Reason.BEFORE_SERVICE: ask_for_days_before_the_service,
    Reason.AFTER_SERVICE: ask_for_days_after_the_service,
    Reason.NOT_YOUR_SERVICE: ask_for_days_between_two_services,
    Reason.NO_STATED_REASON: state_the_reason,
    Reason.NOT_YET_DUE: ask_again_in_two_days,
    Reason.LATE_AT_TDSP: ask_the_tdsp_of_a_late_day,
    Reason.GAP: ask_the_tdsp_of_a_gap,
    Reason.NOT_DELIVERED: ask_the_tdsp_of_an_overdue_day,
    Reason.DELIVERED_EMPTY: ask_the_tdsp_of_an_empty_day,
    Reason.NO_GENERATION_CHANNEL: ask_for_consumption,
    Reason.NOT_BILLED: ask_later_for_the_bill,
    Reason.BILL_REACHES_BEYOND: ask_for_all_of_the_bill,
    Reason.BILL_SUPERSEDED: ask_for_both_bills,
}


@pytest.mark.parametrize("reason", WAYS, ids=lambda reason: reason.value)
def test_the_way_out_that_a_reason_names_works(street: Street, reason: Reason) -> None:
    """R5: the reason is told, its advice is followed, and the day is in the answer."""
    WAYS[reason](street)


@pytest.mark.parametrize("reason", [one for one in Reason if one not in WAYS], ids=lambda reason: reason.value)
def test_any_other_reason_names_no_way_out(reason: Reason) -> None:
    """A new sentence that gives advice has to be walked above."""
    assert not re.search(r"\b(ask|correct|check|could|can|state it)\b", REASONS[reason], re.IGNORECASE)


def test_a_rep_asks_only_for_days_that_it_does_not_serve(street: Street) -> None:
    """A1: what an agreement would open and the REP serves already is refused with the days that could be asked for."""
    street.serve(0, (date(2026, 9, 1), None))
    with pytest.raises(errors.CustomerServedError) as refused:
        street.town.invite(0, by=PECAN, report_period="1m")
    assert (refused.value.presented, refused.value.expected) == (
        esiid(0),
        "a day you do not serve from 10/20/2026 to 11/19/2026",
    )
    street.town.invite(0, by=PECAN, report_period="3m")
    # two services that touch are one; a day between them is asked for
    street.serve(1, (date(2020, 1, 1), date(2026, 10, 31)), (date(2026, 11, 1), None))
    with pytest.raises(errors.CustomerServedError):
        street.town.invite(1, by=PECAN, report_period="13m")
    street.serve(1, (date(2020, 1, 1), date(2026, 10, 30)), (date(2026, 11, 1), None))
    street.town.invite(1, by=PECAN, report_period="13m")
    # one that ends while an ongoing agreement would last
    street.serve(2, (date(2020, 1, 1), date(2026, 12, 31)))
    street.town.invite(2, by=PECAN, kind=Kind.ONGOING)


def test_one_served_home_of_a_list_refuses_the_list_and_is_named(street: Street) -> None:
    street.serve(0, (date(2026, 11, 1), None))
    with pytest.raises(errors.CustomerServedError) as refused:
        street.town.invite(0, 1, by=PECAN)
    assert refused.value.presented == esiid(1)


def test_messages_alone_are_asked_for_by_the_rep_of_record(street: Street) -> None:
    """H8: a REP asks for messages to devices whom it serves."""
    street.town.invite(0, by=PECAN, kind=Kind.ONGOING, services=("device_services",))
    with pytest.raises(errors.CustomerServedError):
        street.town.invite(0, by=PECAN, kind=Kind.ONGOING, services=("energy_data", "device_services"))
