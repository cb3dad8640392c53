"""Rules of agreements: the whole table of moves, a machine that can go nowhere else, days, numbers (A6-A17, A23)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from smt_ws.agreements import rules
from smt_ws.agreements.rules import FINAL, IN_FORCE, INVITING, KINDS, Act, Actor, Kind, Status, after
from smt_ws.store.audit import Event

DAYS = st.dates(date(2020, 1, 1), date(2040, 12, 31))


def test_what_is_final_is_final():
    """BR-6, BR-7: Not Accepted and Complete cannot be revived; A8: nor the others."""
    ends = {"COMPLETE", "REJECTED", "NOT_ACCEPTED", "EXPIRED", "TERMINATED", "CANCELLED"}
    assert {status.name for status in FINAL} == ends
    for kind, status, act, actor in product(Kind, FINAL, Act, Actor):
        assert after(kind, status, act, actor) is None


def test_the_whole_table():
    """Every act of everybody in every status, of a kind for which all make sense: what is not listed cannot be done."""
    allowed = {
        (status.name, act.name, actor.name): then.name
        for status, act, actor in product(Status, Act, Actor)
        if (then := after(Kind.ONGOING, status, act, actor)) is not None
    }
    ends = {"Expired": "EXPIRED", "Terminated": "TERMINATED", "Cancelled": "CANCELLED"}
    assert allowed == {
        ("PENDING", "RESEND", "INITIATOR"): "PENDING",
        ("PENDING", "ACCEPT", "CUSTOMER"): "ACTIVE",
        ("PENDING", "REJECT", "CUSTOMER"): "REJECTED",
        ("PENDING", "DISOWN", "CUSTOMER"): "REJECTED",
        ("PENDING", "CANCEL", "INITIATOR"): ends["Cancelled"],
        ("PENDING", "LAPSE", "HUB"): "NOT_ACCEPTED",
        ("PENDING", "TERMINATE", "OPERATOR"): ends["Terminated"],
        ("ACTIVE", "CHANGE", "CUSTOMER"): "ACTIVE",
        ("ACTIVE", "CHANGE", "INITIATOR"): "ACTIVE",
        ("ACTIVE", "ASK_EXTENSION", "INITIATOR"): "EXTENSION_PENDING",
        ("ACTIVE", "DISOWN", "CUSTOMER"): "FROZEN",
        ("ACTIVE", "TERMINATE", "CUSTOMER"): ends["Terminated"],
        ("ACTIVE", "TERMINATE", "OPERATOR"): ends["Terminated"],
        ("ACTIVE", "CANCEL", "INITIATOR"): ends["Cancelled"],
        ("ACTIVE", "ANNOUNCE", "HUB"): "ACTIVE",
        ("ACTIVE", "EXPIRE", "HUB"): ends["Expired"],
        ("ACTIVE", "MOVE_OUT", "HUB"): ends["Terminated"],
        ("EXTENSION_PENDING", "RESEND", "INITIATOR"): "EXTENSION_PENDING",
        ("EXTENSION_PENDING", "ACCEPT", "CUSTOMER"): "ACTIVE",
        ("EXTENSION_PENDING", "REJECT", "CUSTOMER"): "ACTIVE",
        ("EXTENSION_PENDING", "LAPSE", "HUB"): "ACTIVE",
        ("EXTENSION_PENDING", "WITHDRAW_EXTENSION", "INITIATOR"): "ACTIVE",
        ("EXTENSION_PENDING", "CHANGE", "CUSTOMER"): "ACTIVE",
        ("EXTENSION_PENDING", "DISOWN", "CUSTOMER"): "FROZEN",
        ("EXTENSION_PENDING", "TERMINATE", "CUSTOMER"): ends["Terminated"],
        ("EXTENSION_PENDING", "TERMINATE", "OPERATOR"): ends["Terminated"],
        ("EXTENSION_PENDING", "CANCEL", "INITIATOR"): ends["Cancelled"],
        ("EXTENSION_PENDING", "ANNOUNCE", "HUB"): "EXTENSION_PENDING",
        ("EXTENSION_PENDING", "EXPIRE", "HUB"): ends["Expired"],
        ("EXTENSION_PENDING", "MOVE_OUT", "HUB"): ends["Terminated"],
        ("FROZEN", "RELEASE", "OPERATOR"): "ACTIVE",
        ("FROZEN", "TERMINATE", "OPERATOR"): ends["Terminated"],
        ("FROZEN", "TERMINATE", "CUSTOMER"): ends["Terminated"],
        ("FROZEN", "CANCEL", "INITIATOR"): ends["Cancelled"],
        ("FROZEN", "EXPIRE", "HUB"): ends["Expired"],
        ("FROZEN", "MOVE_OUT", "HUB"): ends["Terminated"],
    }


NO_END = {Act.ASK_EXTENSION, Act.WITHDRAW_EXTENSION, Act.ANNOUNCE, Act.EXPIRE}


@pytest.mark.parametrize(
    ("kind", "cannot"),
    [
        (Kind.ONE_TIME, NO_END | {Act.CHANGE}),
        (Kind.ONGOING, {Act.COMPLETE}),
        (Kind.DEVICE_SERVICES, {Act.COMPLETE}),
        (Kind.DEVICE, NO_END | {Act.COMPLETE}),
        (Kind.REMOVAL, NO_END | {Act.COMPLETE, Act.CHANGE, Act.TERMINATE}),
    ],
)
def test_what_makes_no_sense_for_a_kind(kind: Kind, cannot: set[Act]):
    """A11: a one-time agreement ends with its report; A12: an ongoing one with its last day; devices stay."""
    everything = {act for _status, act, _actor in rules.MOVES}
    can = {act for status, act, actor in product(Status, Act, Actor) if after(kind, status, act, actor) is not None}
    assert can == everything - cannot


def test_who_logs_in_and_where_an_acceptance_leads():
    """A9, A11, A21."""
    assert {kind for kind in Kind if KINDS[kind].needs_login} == {Kind.ONGOING, Kind.DEVICE, Kind.DEVICE_SERVICES}
    accepted = {kind: after(kind, Status.PENDING, Act.ACCEPT, Actor.CUSTOMER) for kind in Kind}
    assert accepted.pop(Kind.REMOVAL) is Status.COMPLETE
    assert set(accepted.values()) == {Status.ACTIVE}


def test_every_act_has_a_line_in_the_audit_log():
    """P7, 002: whatever is done to an agreement is an event of the log."""
    assert {Event(f"agreement:{act.value}:done").name for act in Act} <= set(Event.__members__)


def test_every_service_belongs_to_a_kind():
    assert {service for kind in Kind for service in KINDS[kind].services} == set(rules.SERVICES)


class AnAgreement(RuleBasedStateMachine):
    """Anybody tries anything in any order: access is open only between a customer's yes and the first end."""

    def __init__(self) -> None:
        super().__init__()
        self.kind: Kind | None = None
        self.status = Status.PENDING
        self.accepted = False
        self.ended_as: Status | None = None

    @precondition(lambda self: self.kind is None)
    @rule(kind=st.sampled_from(Kind))
    def begin(self, kind: Kind) -> None:
        self.kind = kind

    @precondition(lambda self: self.kind is not None)
    @rule(act=st.sampled_from(Act), actor=st.sampled_from(Actor))
    def attempt(self, act: Act, actor: Actor) -> None:
        assert self.kind is not None
        then = after(self.kind, self.status, act, actor)
        if then is None:
            return
        assert self.ended_as is None, "something was done to an agreement that had ended"
        if self.status is Status.PENDING and then in {*IN_FORCE, Status.COMPLETE}:
            assert (act, actor) == (Act.ACCEPT, Actor.CUSTOMER)
            self.accepted = True
        if then is Status.FROZEN:
            assert actor is Actor.CUSTOMER
        self.status = then
        if then in FINAL:
            self.ended_as = then

    @invariant()
    def nothing_is_open_without_consent(self) -> None:
        if self.status in {*IN_FORCE, Status.COMPLETE, Status.EXPIRED, Status.FROZEN}:
            assert self.accepted

    @invariant()
    def everybody_can_get_out(self) -> None:
        if self.kind is not None and self.status not in FINAL:
            offered = rules.acts_open_to(self.kind, self.status, Actor.INITIATOR)
            assert Act.CANCEL in offered
            if self.status in INVITING:
                assert Act.REJECT in rules.acts_open_to(self.kind, self.status, Actor.CUSTOMER)


TestAnAgreement = AnAgreement.TestCase
TestAnAgreement.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_numbers():
    """A17: as in 102512000233."""
    assert rules.agreement_number(date(2012, 10, 25), 233) == "102512000233"
    assert rules.is_number("102512000233")
    assert not any(
        map(rules.is_number, ("10251200023", "1025120002333", "10251200023x", "", "１０２５１２０００２３３"))
    )
    for position in (0, -1, 1_000_000):
        with pytest.raises(ValueError, match="numbers"):
            rules.agreement_number(date(2012, 10, 25), position)


@given(DAYS, st.sampled_from([3, 6, 9, 12]))
def test_an_agreement_lasts_its_months_and_no_day_more(day: date, months: int):
    """A12: 3, 6, 9 or 12 months; a year at most."""
    last = rules.end_day(day, months)
    assert day < last <= rules.months_later(day, rules.LASTS_AT_MOST)
    assert rules.months_later(day, months) == last + timedelta(days=1)


@pytest.mark.parametrize(
    ("accepted", "period", "first"),
    [
        (date(2026, 11, 20), "1d", date(2026, 11, 19)),
        (date(2026, 11, 20), "1m", date(2026, 10, 20)),
        (date(2026, 5, 31), "3m", date(2026, 2, 28)),
        (date(2028, 2, 29), "12m", date(2027, 2, 28)),
        (date(2026, 11, 20), "13m", date(2025, 10, 20)),
    ],
)
def test_how_far_a_report_goes_back(accepted: date, period: str, first: date):
    """A11: from the day of acceptance, a day or some months."""
    assert rules.first_report_day(accepted, period) == first


@given(DAYS, st.integers(-60, 60))
def test_months_later_is_the_same_day_or_the_months_last(day: date, months: int):
    then = rules.months_later(day, months)
    assert (then.year * 12 + then.month) - (day.year * 12 + day.month) == months
    assert then.day == day.day or (then.day < day.day and (then + timedelta(days=1)).month != then.month)


def test_a_day_is_over_at_midnight_in_texas():
    """R12: also on days of 23 and 25 hours."""
    assert rules.day_is_over(date(2026, 11, 20)) == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert rules.day_is_over(date(2026, 7, 1)) == datetime(2026, 7, 2, 5, tzinfo=UTC)
    assert rules.day_is_over(date(2026, 11, 1)) - rules.day_is_over(date(2026, 10, 31)) == timedelta(hours=25)
    assert rules.day_is_over(date(2026, 3, 8)) - rules.day_is_over(date(2026, 3, 7)) == timedelta(hours=23)


def test_masks():
    """A14: an ESI ID's last seven digits, a MAC address's last five."""
    assert rules.masked_esiid("10443720007574303") == "XXXXXXXXXX7574303"
    assert rules.masked_mac("00:0d:6f:00:00:a1:b2:c3") == "XXXXXXXXXXX1B2C3"
    assert rules.masked_esiid("123") == "123"


@pytest.mark.parametrize(
    ("address", "own", "same"),
    [
        ("me@lantern.example", "desk@lantern.example", True),
        ("me@LANTERN.example.", "desk@lantern.example", True),
        ("me@mail.lantern.example", "desk@lantern.example", True),
        ("me@lantern.example", "desk@mail.lantern.example", True),
        ("me@example", "desk@lantern.example", False),
        ("me@notlantern.example", "desk@lantern.example", False),
        ("ana@gmail.com", "lantern@gmail.com", False),
        ("Lantern+ana@gmail.com", "lantern@gmail.com", True),
        ("ana@customer.example", "", False),
    ],
)
def test_the_initiators_own_mail_domain(address: str, own: str, same: bool):
    """A23."""
    assert rules.same_mail_domain(address, [own], public=["gmail.com"]) is same
