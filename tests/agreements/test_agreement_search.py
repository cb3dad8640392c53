"""A company finds its agreements, and all that it may see (A18, R11); removals of devices (A21); reports (A11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

import pytest
from agreement_market import ANA, BEACON, LANTERN, PECAN, Town, esiid, meter_number
from sqlalchemy import select

from smt_ws.agreements import errors
from smt_ws.agreements.device_state import device_moved
from smt_ws.agreements.form import Customer, ListedMeter
from smt_ws.agreements.lifecycle import pass_night
from smt_ws.agreements.removal import ask_removal
from smt_ws.agreements.reports import order_moved
from smt_ws.agreements.rules import Act, Kind, Purpose, Status
from smt_ws.agreements.search import Search, agreement_details, agreement_meters, search_agreements
from smt_ws.clock import central_today
from smt_ws.parties.authorized import authorized_esiids
from smt_ws.store.tables import audit_log, outbox


def found(town: Town, company: str = LANTERN, **search) -> list[str]:
    with town.store.write() as connection:
        page = search_agreements(connection, town.callers[company], Search(**search), clock=town.clock)
    return [row.number for row in page.rows]


def test_search_by_each_criterion_with_wildcards(town: Town):
    """A18: number, last name, ESI ID, meter, device; any of up to 100 items; `102*`; one's own alone."""
    first, second = (one.number for one in town.invite(0, 1))
    town.later(days=1)
    mac = "000D6F0000A1B2C3"
    meters = (ListedMeter(esiid(2), meter_number(2), (mac,)),)
    (third,) = town.invite(kind=Kind.DEVICE, meters=meters, customer=replace(ANA, last_name="O'Neil"))
    (other,) = town.invite(0, by=BEACON)
    newest = [third.number, second, first]
    assert found(town) == newest
    assert found(town, BEACON) == [other.number]
    assert found(town, PECAN) == []
    for by, items, expected in (
        ("number", ["112026*"], [second, first]),
        ("number", [first, third.number], [third.number, first]),
        ("last_name", ["garcía"], [second, first]),
        ("last_name", ["o'*"], [third.number]),
        ("esiid", [esiid(1), esiid(2)], [third.number, second]),
        ("esiid", ["10443720*"], newest),
        ("meter_number", [meter_number(0)], [first]),
        ("device_mac", ["00:0d:6f:*"], [third.number]),
        ("last_name", ["%%*", "g_rc*"], []),
    ):
        assert found(town, LANTERN, by=by, items=items) == expected, (by, items)
    assert found(town, kind=Kind.DEVICE, status=Status.PENDING) == [third.number]
    assert found(town, kind=Kind.ONE_TIME, status=Status.ACTIVE) == []


def test_a_search_that_cannot_be_understood(town: Town):
    items = [{"by": "number", "items": [item]} for item in ("*", "1*", "1*2", "")]
    for wrong in ({"by": "number"}, {"items": ["1"]}, *items):
        with pytest.raises(errors.SearchMalformedError):
            found(town, **wrong)
    with pytest.raises(errors.TooManyItemsError):
        found(town, by="number", items=["1"] * 101)


def test_pages_of_25(town: Town):
    town.add_homes(26)
    many = town.policy.model_copy(update={"esiids_per_customer": 100})
    town.hub = replace(town.hub, settings=town.hub.settings.model_copy(update={"agreements": many}))
    made = [one.number for one in town.invite(*range(27))]
    with town.store.write() as connection:
        pages = [
            search_agreements(connection, town.callers[LANTERN], Search(page=page), clock=town.clock)
            for page in (1, 2, 3)
        ]
    assert [len(page.rows) for page in pages] == [25, 2, 0]
    assert {(page.total, page.pages) for page in pages} == {(27, 2)}
    assert [row.number for page in pages for row in page.rows] == sorted(made, reverse=True)


def test_details_history_and_what_may_be_done(town: Town):
    """A20, FR-10: only what may be done now is offered; who looked is in the audit log."""
    number, tokens = town.invited(0)
    with town.store.write() as connection:
        view = agreement_details(connection, town.callers[LANTERN], number, clock=town.clock)
    assert set(view.acts) == {Act.RESEND, Act.CANCEL}
    assert list(view.meters.meters) == [(esiid(0), meter_number(0))]
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    with town.store.write() as connection:
        view = agreement_details(connection, town.callers[LANTERN], number, clock=town.clock)
        seen = [(one.act, one.actor, one.status) for one in view.history]
        assert agreement_meters(connection, town.callers[LANTERN], number).more is False
        with pytest.raises(errors.AgreementUnknownError):
            agreement_details(connection, town.callers[BEACON], number, clock=town.clock)
        with pytest.raises(errors.AgreementUnknownError):
            agreement_meters(connection, town.callers[BEACON], number)
    assert seen == [("initiate", "INITIATOR", "Pending"), ("accept", "CUSTOMER", "Active")]
    with town.store.read() as connection:
        shown = connection.scalars(select(audit_log.c.object).where(audit_log.c.event == "agreement:list:shown"))
        assert f"agreement:{number}" in shown.all()


def test_everything_that_a_company_may_see(town: Town):
    """R11, BR-303: by service and by agreements; a REP that calls as a third party by agreements alone."""
    number, tokens = town.invited(2, by=PECAN, kind=Kind.DEVICE)
    pecan = town.callers[PECAN]
    rosa = town.register("ana@customer.example", 2)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    with town.store.write() as connection:
        seen = partial(authorized_esiids, connection, kept_from=date(2022, 11, 20), clock=town.clock)
        whole, rest = seen(pecan), seen(pecan, after=esiid(3))
        as_csp, nothing = seen(replace(pecan, kind="CSP")), seen(town.callers[LANTERN])
    assert [(one.esiid, one.basis, one.service) for one in whole.rows if one.esiid == esiid(2)] == [
        (esiid(2), "AGREEMENT", "device"),
        (esiid(2), "SERVICE", "energy_data"),
    ]
    assert (len(whole.rows), whole.more) == (7, False)
    assert [one.esiid for one in rest.rows] == [esiid(4), esiid(5)]
    assert [(one.esiid, one.source) for one in as_csp.rows] == [(esiid(2), f"agreement:{number}")]
    assert nothing.rows == []


def test_a_removal_needs_the_customers_acceptance_and_the_request_hears_of_it(town: Town):
    """A21, BR-081.003, BR-301: an invitation to remove; the answer goes back; where nobody can be asked it is no."""
    mac = "000D6F0000A1B2C3"
    rosa = town.register("rosa@customer.example", 0)
    meters = (ListedMeter(esiid(0), meter_number(0), (mac,)),)
    customer = Customer(registered=True, email="rosa@customer.example")
    number, tokens = town.invited(kind=Kind.DEVICE, meters=meters, customer=customer)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    lantern = town.callers[LANTERN].company_id
    with town.store.write() as connection:
        assert (
            device_moved(
                connection,
                {"company_id": lantern, "esiid": esiid(0), "eui64": mac, "state": "Device Added"},
                today=central_today(town.clock),
            )
            == 1
        )
    assert town.row(number).device_state == "Device Added"
    asked = {"company_id": lantern, "esiid": esiid(0), "eui64": mac}
    numbers = []
    for request in (17, 17, 18, 19):
        with town.store.write() as connection:
            numbers.append(
                ask_removal(connection, asked | {"request_id": request}, policy=town.policy, clock=town.clock)
            )
    assert numbers[0] == numbers[1] != numbers[2]
    with town.store.write() as connection:
        nobody = asked | {"request_id": 20, "esiid": esiid(3)}
        assert ask_removal(connection, nobody, policy=town.policy, clock=town.clock) is None
    letters = [one for one in town.post() if one["message"] == "removal_invitation"]
    assert letters[0]["facts"]["devices"] == ["XXXXXXXXXXX1B2C3"]
    links = [letter["facts"] for letter in letters]
    town.answer(Purpose.ACCEPT, links[0]["accept_url"].rpartition("/")[2])
    town.answer(Purpose.REJECT, links[1]["reject_url"].rpartition("/")[2])
    assert [town.row(one).status for one in numbers[1:]] == ["Complete", "Rejected", "Pending"]
    town.later(days=31)
    pass_night(town.store, clock=town.clock, keep_years=3)
    assert town.row(numbers[3]).status == "Not Accepted"
    with town.store.read() as connection:
        told = connection.scalars(select(outbox.c.payload).where(outbox.c.kind == "han.removal_decided"))
        assert {(one["request_id"], one["accepted"]) for one in told} == {
            (17, True),
            (18, False),
            (19, False),
            (20, False),
        }
    assert town.open_grants(number) == {(0, "device")}, "the agreement itself goes on"


def test_a_published_report_completes_its_agreement_and_a_failed_one_stays_visible(town: Town):
    """A11, EM204, BR-7."""

    def moved(number: str, order: int, status: str) -> None:
        with town.store.write() as connection:
            told = {"agreement": number, "order_number": order, "status": status}
            order_moved(connection, told, clock=town.clock)

    number, tokens = town.invited(0)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    moved(number, 100001, "Pending")
    moved(number, 100001, "Pending")
    assert (town.row(number).status, town.row(number).order_number) == ("Active", 100001)
    moved(number, 100001, "Failed")
    assert town.row(number).status == "Active"
    moved(number, 100001, "Complete with exceptions")
    moved(number, 100001, "Complete with exceptions")
    assert town.row(number).status == "Complete"
    assert town.open_grants(number) == set()
    town.post()
    assert [name for name, _to in town.letters()[-2:]] == ["agreement_completed", "agreement_completed_customer"]
    acts = [act for act, _was, _then in town.history(number)]
    assert acts == ["initiate", "accept", "report", "report", "complete", "report"]
    moved("010100000001", 5, "Complete")
    second, tokens = town.invited(1)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    moved(second, 100002, "Cancelled")
    moved(second, 100002, "Cancelled")
    assert (town.row(second).status, town.open_grants(second)) == ("Cancelled", set())
