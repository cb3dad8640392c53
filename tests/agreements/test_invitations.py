"""From a third party's request to the customer's answer by link: A1-A7, A9-A11, A13, A14 (001 P1.3-P2.9)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from agreement_market import ANA, BEACON, LANTERN, Town, esiid, meter_number
from sqlalchemy import select, update

from smt_ws.agreements import errors
from smt_ws.agreements.form import ListedMeter
from smt_ws.agreements.resend import resend_invitation
from smt_ws.agreements.respond import Outcome
from smt_ws.agreements.rules import Kind, Purpose, Status
from smt_ws.agreements.tables import invitation_link
from smt_ws.parties.tables import company
from smt_ws.store.tables import outbox


def resend(town: Town, number: str, by: str = LANTERN):
    with town.store.write() as connection:
        return resend_invitation(connection, town.callers[by], number, policy=town.policy, clock=town.clock)


def test_an_invitation_is_stored_and_written_to_both(town: Town):
    """001 P1.5-P1.8; A17: numbers count within the day; A2: the attestation is kept."""
    first, second = town.invite(0, 1, address="198.51.100.7")
    assert (first.number, second.number) == ("112026000001", "112026000002")
    row = town.row(first.number)
    assert (row.status, row.kind, row.report_period) == ("Pending", "one_time", "3m")
    assert (row.attested_at, row.attested_by, row.attested_from) == (town.clock.now(), "cd" * 32, "198.51.100.7")
    assert (row.contact_name, row.contact_email) == ("Lantern Savings", "desk@lantern.example")
    town.post()
    assert (
        town.letters()
        == [
            ("agreement_invitation", "ana@customer.example"),
            ("agreement_initiated", "desk@lantern.example"),
        ]
        * 2
    )
    facts = town.posted[0]["facts"]
    assert facts["esiids"] == ["XXXXXXXXXX0000000"]
    assert (facts["customer_name"], facts["expires_on"], facts["company"]) == (
        "Ana B García",
        "2026-12-20",
        "Lantern Savings",
    )
    assert town.posted[0]["language"] == "es"
    assert town.posted[1]["language"] == "en"
    assert town.posted[1]["facts"]["accept_url"] is None


def test_links_are_of_256_bits_hashed_at_rest_and_not_in_the_outbox(town: Town):
    """A9: unguessable. The store never holds a token that would open anything."""
    _number, tokens = town.invited(0)
    assert len(set(tokens.values())) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens.values())
    with town.store.read() as connection:
        stored = connection.scalars(select(invitation_link.c.token_sha256)).all()
        waiting = str(connection.scalars(select(outbox.c.payload)).all())
    assert {sha256(token.encode()).digest() for token in tokens.values()} == set(stored)
    assert not any(token in waiting for token in tokens.values())


def test_looking_changes_nothing(town: Town):
    """A9: a scanner that opens every link of a mail accepts nothing."""
    number, tokens = town.invited(0)
    for _ in range(2):
        for purpose, token in tokens.items():
            seen = town.look(token)
            assert (seen.outcome, seen.purpose, seen.number) == (Outcome.OPEN, purpose, number)
    assert (seen.kind, seen.needs_login, seen.registered) == (Kind.ONE_TIME, False, False)
    invited = town.look(tokens[Purpose.ACCEPT])
    assert invited.prefill["esiid"] == esiid(0)[-6:], "no more of it than the e-mail shows (A14)"
    assert invited.prefill["last_name"] == "García"
    # "I did not ask for this" is also with whoever holds the home, and does not say who was invited.
    disowning = town.look(tokens[Purpose.DISOWN])
    assert (disowning.prefill, disowning.facts["customer_name"], disowning.facts["customer_email"]) == ({}, "", None)
    assert town.row(number).status == "Pending"


def test_a_company_that_cannot_be_called_does_not_ask_a14(town: Town):
    """The telephone number is the request's or the profile's."""
    with town.store.write() as connection:
        connection.execute(update(company).values(contact_phone=None))
    with pytest.raises(errors.FieldError, match="contactPhone"):
        town.invite(0)
    number, _tokens = town.invited(0, contact_phone="214-555-0111")
    assert town.row(number).contact_phone == "214-555-0111"


def test_accepting_a_one_time_agreement_opens_the_report_and_orders_it(town: Town):
    """A11: no log-in; Active; one order, for the days back from the acceptance; both sides are written to."""
    number, tokens = town.invited(0)
    decided = town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    assert (decided.number, decided.status) == (number, Status.ACTIVE)
    assert town.open_grants(number) == {(0, "report")}
    with town.store.read() as connection:
        (order,) = connection.scalars(select(outbox.c.payload).where(outbox.c.kind == "order.agreed"))
    assert (order["first_day"], order["last_day"], order["esiids"]) == ("2026-08-20", "2026-11-19", [esiid(0)])
    town.post()
    assert [name for name, _to in town.letters()[2:]] == ["agreement_accepted", "agreement_accepted_customer"]
    assert town.history(number) == [("initiate", None, "Pending"), ("accept", "Pending", "Active")]


def test_rejecting(town: Town):
    """EM205; BR-6: nothing leads on from there."""
    number, tokens = town.invited(0)
    assert town.answer(Purpose.REJECT, tokens[Purpose.REJECT]).status is Status.REJECTED
    assert town.look(tokens[Purpose.ACCEPT]).outcome is Outcome.CHANGED
    assert town.look(tokens[Purpose.REJECT]).outcome is Outcome.USED
    with pytest.raises(errors.InvitationNotOpenError):
        town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    assert town.open_grants(number) == set()
    town.post()
    assert [name for name, _to in town.letters()[2:]] == ["agreement_rejected", "agreement_rejected_customer"]


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "é" * 50, "a" * 10_000])
def test_a_guessed_link_is_worth_nothing(town: Town, token: str):
    town.invited(0)
    assert town.look(token).outcome is Outcome.UNKNOWN
    with pytest.raises(errors.InvitationNotOpenError):
        town.answer(Purpose.ACCEPT, token)


def test_a_link_does_only_what_it_is_for(town: Town):
    """A9: a link to reject or to disown does not accept; the page behind the one to accept can reject too."""
    number, tokens = town.invited(0)
    for purpose, other in (
        (Purpose.ACCEPT, Purpose.REJECT),
        (Purpose.ACCEPT, Purpose.DISOWN),
        (Purpose.REJECT, Purpose.DISOWN),
        (Purpose.DISOWN, Purpose.ACCEPT),
    ):
        with pytest.raises(errors.InvitationNotOpenError):
            town.answer(purpose, tokens[other])
    assert town.row(number).status == "Pending"
    assert town.answer(Purpose.REJECT, tokens[Purpose.ACCEPT]).status is Status.REJECTED


def test_a_late_answer_is_told_that_the_invitation_has_expired(town: Town):
    """FR-13, BR-4, BR-8: thirty days; through the last day, whether or not the nightly job has run."""
    _number, tokens = town.invited(0)
    town.later(days=30, hours=14, minutes=59)  # 20 December 2026, 23:59 in Texas
    assert town.look(tokens[Purpose.ACCEPT]).outcome is Outcome.OPEN
    town.later(minutes=1)
    assert town.look(tokens[Purpose.ACCEPT]).outcome is Outcome.EXPIRED
    with pytest.raises(errors.InvitationNotOpenError) as refused:
        town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    assert refused.value.presented == "EXPIRED"


def test_a_resent_invitation_revokes_the_earlier_links_and_is_sent_once(town: Town):
    """A13, FR-16, EM202: once; and the time to answer does not begin anew."""
    number, old = town.invited(0)
    town.later(days=10)
    row = resend(town, number)
    assert (row.status, row.resent, row.expires_on.isoformat()) == ("Pending", 1, "2026-12-20")
    town.post()
    new = town.tokens("agreement_invitation_resent")
    assert town.look(old[Purpose.ACCEPT]).outcome is Outcome.CHANGED
    assert town.look(old[Purpose.DISOWN]).outcome is Outcome.OPEN
    with pytest.raises(errors.ResendLimitError):
        resend(town, number)
    assert town.row(number).resent == 1
    assert town.look(new[Purpose.ACCEPT]).outcome is Outcome.OPEN, "a refused resend revokes nothing"
    with pytest.raises(errors.AgreementUnknownError):
        resend(town, number, by=BEACON)
    town.answer(Purpose.ACCEPT, new[Purpose.ACCEPT])
    with pytest.raises(errors.AgreementStateError):
        resend(town, number)


def test_an_invitation_taken_back_is_not_sent_any_more(town: Town):
    """The letter waits in the outbox while the mail server is down; meanwhile the agreement is answered or ended."""
    (made,) = town.invite(0)
    with town.store.write() as connection:
        from smt_ws.agreements.end import cancel_agreement
        from smt_ws.agreements.moving import find_agreement

        cancel_agreement(connection, find_agreement(connection, made.number), who="company:1", clock=town.clock)
    town.post()
    assert town.letters() == [
        ("agreement_initiated", "desk@lantern.example"),
        ("agreement_cancelled", "ana@customer.example"),
        ("agreement_cancelled", "desk@lantern.example"),
    ]


def test_several_meters_and_devices_become_agreements_of_their_own(town: Town):
    """A5, FR-12."""
    meters = (
        ListedMeter(esiid(0), meter_number(0), ("00:0D:6F:00:00:A1:B2:C3", "000d6f0000a1b2c4")),
        ListedMeter(esiid(1), meter_number(1)),
    )
    made = town.invite(kind=Kind.DEVICE, meters=meters)
    assert [(one.esiid, one.device_mac) for one in made] == [
        (esiid(0), "000D6F0000A1B2C3"),
        (esiid(0), "000D6F0000A1B2C4"),
        (esiid(1), None),
    ]
    town.post()
    assert town.posted[0]["facts"]["devices"] == ["XXXXXXXXXXX1B2C3"]


def test_a_fourth_one_time_agreement_in_a_year_is_refused_whatever_became_of_the_others(town: Town):
    """A6, BR-10: initiated ones count, by ESI ID and third party, in any 365 days."""
    for purpose in (Purpose.ACCEPT, Purpose.REJECT, Purpose.DISOWN):
        _number, tokens = town.invited(0)
        town.answer(purpose, tokens[purpose])
        town.later(days=1)
    with pytest.raises(errors.OneTimeLimitError):
        town.invite(0)
    with pytest.raises(errors.OneTimeLimitError):
        town.invite(1, 0)
    town.invite(1)
    town.invite(0, by=BEACON)
    town.invite(0, kind=Kind.ONGOING)
    town.later(days=362, minutes=1)  # a year after the first
    town.invite(0)


def test_nothing_of_a_refused_request_remains(town: Town):
    """One bad meter of two: no agreement, no letter, no number used up."""
    with pytest.raises(errors.CustomerUnconfirmedError):
        town.invite(meters=(ListedMeter(esiid(0), meter_number(0)), ListedMeter(esiid(1), meter_number(2))))
    town.post()
    assert town.letters() == []
    assert town.invite(0)[0].number == "112026000001"


def test_html_and_line_breaks_in_names_are_kept_as_text_and_refused_in_addresses(town: Town):
    """Bad input of the issue: HTML in names and comments; header injection in addresses."""
    evil = replace(ANA, last_name="<script>alert(1)</script>")
    (made,) = town.invite(0, customer=evil, comments="<b>now</b>\nsecond line")
    town.post()
    assert town.posted[0]["facts"]["customer_name"].endswith("<script>alert(1)</script>")
    assert town.row(made.number).comments == "<b>now</b>\nsecond line"
    for address in (
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example, c@d.example",
        "<a@b.example>",
        "a@b",
        "@b.example",
    ):
        with pytest.raises(errors.FieldError):
            town.invite(1, customer=replace(ANA, email=address))
        with pytest.raises(errors.FieldError):
            town.invite(1, contact_email=address)
    for field_name in ("first_name", "last_name", "street"):
        with pytest.raises(errors.FieldError):
            town.invite(1, customer=replace(ANA, **{field_name: "two\nlines"}))


def test_the_invitation_is_gone_with_its_link_after_the_hour_the_disown_link_ends(town: Town):
    number, tokens = town.invited(0)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    town.clock.advance(timedelta(days=401))
    assert town.look(tokens[Purpose.DISOWN]).outcome is Outcome.CHANGED
    assert town.row(number).status == "Active"
