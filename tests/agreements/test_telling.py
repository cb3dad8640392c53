"""A27: who is told what, over every kind, status, act and actor; and that the right words leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import product

import pytest
from agreement_market import LANTERN, Town

from smt_ws.agreements.ask import change_as_initiator, end_several
from smt_ws.agreements.change import Change
from smt_ws.agreements.form import Customer
from smt_ws.agreements.lifecycle import pass_night
from smt_ws.agreements.rules import Act, Actor, Kind, Purpose, Status, after
from smt_ws.agreements.telling import OCCASIONS, Reader, occasions
from smt_ws.notices.carry import letter

C, I, H, O, S = "customer", "initiator", "holder", "operator", "support"  # noqa: E741
BOTH_OF_EXTENSION = {(C, "agreement_extension_ended"), (I, "agreement_extension_ended")}
TERMINATED = {(C, "agreement_terminated"), (I, "agreement_terminated")}
CANCELLED = {(C, "agreement_cancelled"), (I, "agreement_cancelled")}
CHANGED = {(C, "agreement_changed"), (I, "agreement_changed")}
EXPIRED = {(C, "agreement_expired"), (I, "agreement_expired")}
ANNOUNCED = {(C, "agreement_30_days"), (I, "agreement_30_days")}
DISOWNED = {(O, "agreement_disowned"), (S, "agreement_disowned")}
ACCEPTED = {(I, "agreement_accepted"), (C, "agreement_accepted_customer"), (H, "agreement_accepted_home")}
REJECTED = {(I, "agreement_rejected"), (C, "agreement_rejected_customer")}

#: By status and act. An act that may be done by several is told alike.
TOLD: dict[tuple[Status | None, Act], set[tuple[str, str]]] = {
    (None, Act.INITIATE): {(C, "agreement_invitation"), (I, "agreement_initiated")},
    (Status.PENDING, Act.RESEND): {(C, "agreement_invitation_resent")},
    (Status.PENDING, Act.ACCEPT): ACCEPTED,
    (Status.PENDING, Act.REJECT): REJECTED,
    (Status.PENDING, Act.DISOWN): DISOWNED | REJECTED,
    (Status.PENDING, Act.CANCEL): CANCELLED,
    (Status.PENDING, Act.LAPSE): {(I, "agreement_not_accepted")},
    (Status.PENDING, Act.TERMINATE): TERMINATED,
    (Status.ACTIVE, Act.CHANGE): CHANGED,
    (Status.ACTIVE, Act.ASK_EXTENSION): {(C, "agreement_invitation"), (I, "agreement_initiated")},
    (Status.ACTIVE, Act.DISOWN): DISOWNED,
    (Status.ACTIVE, Act.TERMINATE): TERMINATED,
    (Status.ACTIVE, Act.CANCEL): CANCELLED,
    (Status.ACTIVE, Act.COMPLETE): {(I, "agreement_completed"), (C, "agreement_completed_customer")},
    (Status.ACTIVE, Act.ANNOUNCE): ANNOUNCED,
    (Status.ACTIVE, Act.EXPIRE): EXPIRED,
    (Status.ACTIVE, Act.MOVE_OUT): TERMINATED,
    (Status.EXTENSION_PENDING, Act.RESEND): {(C, "agreement_invitation_resent")},
    (Status.EXTENSION_PENDING, Act.ACCEPT): ACCEPTED,
    (Status.EXTENSION_PENDING, Act.REJECT): BOTH_OF_EXTENSION,
    (Status.EXTENSION_PENDING, Act.LAPSE): BOTH_OF_EXTENSION,
    (Status.EXTENSION_PENDING, Act.WITHDRAW_EXTENSION): BOTH_OF_EXTENSION,
    (Status.EXTENSION_PENDING, Act.CHANGE): CHANGED,
    (Status.EXTENSION_PENDING, Act.DISOWN): DISOWNED,
    (Status.EXTENSION_PENDING, Act.TERMINATE): TERMINATED,
    (Status.EXTENSION_PENDING, Act.CANCEL): CANCELLED,
    (Status.EXTENSION_PENDING, Act.ANNOUNCE): ANNOUNCED,
    (Status.EXTENSION_PENDING, Act.EXPIRE): EXPIRED,
    (Status.EXTENSION_PENDING, Act.MOVE_OUT): TERMINATED,
    (Status.FROZEN, Act.RELEASE): CHANGED,
    (Status.FROZEN, Act.TERMINATE): TERMINATED,
    (Status.FROZEN, Act.CANCEL): CANCELLED,
    (Status.FROZEN, Act.EXPIRE): EXPIRED,
    (Status.FROZEN, Act.MOVE_OUT): TERMINATED,
}


def told(kind: Kind, was: Status | None, act: Act, actor: Actor) -> set[tuple[str, str]]:
    return {
        (notice.reader.value, notice.name)
        for occasion in occasions(kind, was, act, actor)
        for notice in OCCASIONS[occasion]
    }


@pytest.mark.parametrize("kind", Kind)
def test_who_is_told_what_of_everything_that_can_be_done(kind: Kind):
    done = [
        (was, act, actor) for was, act, actor in product(Status, Act, Actor) if after(kind, was, act, actor) is not None
    ]
    assert len(done) >= 12
    for was, act, actor in done:
        assert told(kind, was, act, actor) == TOLD[was, act], (was, act, actor)


def test_every_line_of_the_table_can_come_to_pass():
    possible = {
        (was, act)
        for kind, was, act, actor in product(Kind, Status, Act, Actor)
        if after(kind, was, act, actor) is not None
    }
    assert set(TOLD) - {(None, Act.INITIATE)} == possible


def test_what_is_told_of_a_new_agreement():
    """001 P1.8: also a removal request is confirmed to its initiator; what a customer begins is told as accepted."""
    for kind in Kind:
        invitation = "removal_invitation" if kind is Kind.REMOVAL else "agreement_invitation"
        expected = {(C, invitation), (I, "agreement_initiated")}
        assert told(kind, None, Act.INITIATE, Actor.INITIATOR) == expected
        assert told(kind, None, Act.INITIATE, Actor.CUSTOMER) == set()


def test_of_what_is_over_operator_and_support_hear_that_it_was_disowned():
    for was in (Status.COMPLETE, Status.EXPIRED, Status.TERMINATED, Status.CANCELLED):
        assert told(Kind.ONE_TIME, was, Act.DISOWN, Actor.CUSTOMER) == DISOWNED


def test_nobody_is_left_out_who_reads():
    assert {notice.reader for notices in OCCASIONS.values() for notice in notices} == set(Reader)


@pytest.fixture
def extended(town: Town) -> str:
    """An ongoing agreement until May 19 that the company asks to extend until November 19."""
    rosa = town.register("rosa@customer.example", 0)
    customer = Customer(registered=True, email="rosa@customer.example")
    number, tokens = town.invited(0, kind=Kind.ONGOING, customer=customer)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    asked(town, number, date(2027, 11, 19))
    town.post()
    return number


def asked(town: Town, number: str, end_day: date):
    with town.store.write() as connection:
        return change_as_initiator(
            connection, town.callers[LANTERN], number, Change(end_day=end_day), policy=town.policy, clock=town.clock
        )


def lapse(town: Town, _number: str) -> None:
    town.later(days=31)
    pass_night(town.store, clock=town.clock, keep_years=3)


def reject(town: Town, _number: str) -> None:
    town.answer(Purpose.REJECT, town.tokens()[Purpose.REJECT])


def withdraw(town: Town, number: str) -> None:
    row = asked(town, number, date(2027, 5, 19))
    assert (row.status, row.asked_end_day) == ("Active", None)


WORDS = {
    (reject, "en", C): "You have rejected Lantern Savings's request to extend your agreement",
    (reject, "en", I): "The customer Rosa Luna has rejected your request to extend the agreement",
    (reject, "es", C): "Usted ha rechazado la solicitud de Lantern Savings de prolongar su acuerdo",
    (lapse, "en", C): "Lantern Savings's request to extend your agreement for ongoing energy data was not answered in",
    (lapse, "en", I): "The customer Rosa Luna has not answered your request to extend the agreement",
    (lapse, "es", C): "La solicitud de Lantern Savings de prolongar su acuerdo (datos",
    (withdraw, "en", C): "Lantern Savings has withdrawn its request to extend your agreement",
    (withdraw, "en", I): "You have withdrawn your request to Rosa Luna to extend the agreement",
    (withdraw, "es", C): "Lantern Savings ha retirado su solicitud de prolongar el acuerdo de usted",
}
GOES_ON = {
    "en": "goes on as before: it stays in force until May 19, 2027",
    "es": "El acuerdo en sí no cambia: sigue en vigor hasta el 19 de mayo de 2027",
}


@pytest.mark.parametrize("how", [reject, lapse, withdraw])
def test_an_extension_that_is_not_given_ends_nothing_and_both_are_told_so(town: Town, extended: str, how):
    """The agreement stays Active and open until its old end; before, both read that it was rejected for good."""
    before = len(town.posted)
    how(town, extended)
    row = town.row(extended)
    assert (row.status, row.end_day, row.asked_end_day) == ("Active", date(2027, 5, 19), None)
    assert town.open_grants(extended) == {(0, "energy_data")}
    town.post()
    notices = town.posted[before:]
    assert {(one["message"], one["to"]) for one in notices if one["message"] != "agreement_30_days"} == {
        ("agreement_extension_ended", "rosa@customer.example"),
        ("agreement_extension_ended", "desk@lantern.example"),
    }
    for one in notices:
        if one["message"] != "agreement_extension_ended":
            continue
        for language in ("en", "es"):
            reader = C if one["facts"]["to_customer"] else I
            written = letter(
                one | {"language": language}, sender="Hub <hub@hub.example>", support_contact="help@hub.example"
            )
            for text in (written.text, written.html or ""):
                plain = " ".join(text.replace("&#39;", "'").split())
                assert GOES_ON[language] in plain
                assert WORDS.get((how, language, reader), "") in plain
                assert "final" not in plain.replace(GOES_ON["es"], "")


def test_a_company_that_ends_an_agreement_gets_its_own_copy(town: Town, extended: str):
    """002 P4.4, P4.5: cancelled, also while an extension is asked for; both sides are told."""
    with town.store.write() as connection:
        end_several(connection, town.callers[LANTERN], [extended], clock=town.clock)
    town.post()
    assert town.letters()[-2:] == [
        ("agreement_cancelled", "rosa@customer.example"),
        ("agreement_cancelled", "desk@lantern.example"),
    ]


def test_operator_and_support_read_what_is_disowned_each_once(town: Town, extended: str):
    """A27: two addresses where the settings name two, else one e-mail."""
    settings = town.hub.settings
    assert settings.operator_address == settings.support_contact
    town.answer(Purpose.DISOWN, town.tokens()[Purpose.DISOWN])
    town.post()
    assert town.letters()[-1] == ("agreement_disowned", settings.support_contact)
    assert [name for name, _to in town.letters()].count("agreement_disowned") == 1


def test_the_operator_reads_what_is_disowned_beside_support(town: Town):
    settings = town.hub.settings
    mail = settings.mail.model_copy(update={"operator": "operator@hub.example"})
    town.hub = replace(town.hub, settings=settings.model_copy(update={"mail": mail}))
    _number, tokens = town.invited(0)
    town.answer(Purpose.DISOWN, tokens[Purpose.DISOWN])
    town.post()
    disowned = [to for name, to in town.letters() if name == "agreement_disowned"]
    assert disowned == ["operator@hub.example", settings.support_contact]
