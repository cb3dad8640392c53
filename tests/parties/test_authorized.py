"""R11: what a company may see now is listed without naming an ESI ID, with every reason and its days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from smt_ws.parties import authorized
from smt_ws.parties.access import authorise
from smt_ws.parties.authorized import authorized_esiids
from smt_ws.parties.tables import company, grants, premise, rep_of_record
from smt_ws.store.tables import audit_log

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
KEPT_FROM = date(2022, 11, 20)
DUNS, TDSP, OTHER_TDSP = "111111111", "1039940674000", "957877905"


@dataclass(frozen=True)
class Caller:
    kind: str
    company_id: int = 1
    duns: str = DUNS
    duns_numbers: tuple[str, ...] = (DUNS, "1111111110001")
    tls_sha256: str = "ab" * 32


def esiid(n: int) -> str:
    return f"1044372{n:010}"


@pytest.fixture
def market(store):
    """Ten premises of one TDSP and two of another; two companies."""
    with store.write() as connection:
        for number in (1, 2):
            connection.execute(
                insert(company).values(id=number, legal_name="C", kind="REP", email="a@example.com", created_at=NOW)
            )
        connection.execute(
            insert(premise),
            [
                {"id": n, "esiid": esiid(n), "tdsp_duns": OTHER_TDSP if n > 10 else TDSP, "load_number": 1}
                for n in range(1, 13)
            ],
        )
    return store


def serve(store, premise_id, first, last=None, duns=DUNS):
    with store.write() as connection:
        connection.execute(
            insert(rep_of_record).values(premise_id=premise_id, from_day=first, to_day=last, duns=duns, load_number=1)
        )


def grant(store, premise_id, number, **values):
    row = {
        "premise_id": premise_id, "id": number, "company_id": 1, "scope": "energy_data", "from_day": date(2026, 6, 1),
        "granted_at": NOW - timedelta(days=1), "source": f"agreement:{number}",
    }  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(grants).values(**(row | values)))


def listed(store, kind, after=""):
    with store.write() as connection:
        return authorized_esiids(
            connection, Caller(kind), after=after, kept_from=KEPT_FROM, clock=_clock, address="192.0.2.7"
        )


class _Clock:
    def now(self) -> datetime:
        return NOW


_clock = _Clock()


def told(page):
    return [(one.esiid, one.basis, one.service, one.from_day, one.to_day, one.source) for one in page.rows]


def test_a_rep_is_told_what_it_serves_what_it_served_and_what_was_agreed(market):
    serve(market, 1, date(2024, 1, 1))
    serve(market, 2, date(2024, 1, 1), date(2026, 6, 9), duns="1111111110001")
    serve(market, 2, date(2026, 6, 10), duns="222222222")
    serve(market, 3, date(2026, 11, 21))  # from tomorrow on
    serve(market, 4, date(2019, 1, 1), date(2022, 11, 19))  # all of it is older than its history
    serve(market, 5, date(2024, 1, 1), duns="222222222")
    grant(market, 5, 7, to_day=date(2027, 5, 31))
    grant(market, 5, 8, scope="device")
    page = listed(market, "REP")
    assert told(page) == [
        (esiid(1), "SERVICE", "energy_data", date(2024, 1, 1), None, None),
        (esiid(2), "SERVICE", "energy_data", date(2024, 1, 1), date(2026, 6, 9), None),
        (esiid(5), "AGREEMENT", "device", date(2026, 6, 1), None, "agreement:8"),
        (esiid(5), "AGREEMENT", "energy_data", date(2026, 6, 1), date(2027, 5, 31), "agreement:7"),
    ]
    assert not page.more


@pytest.mark.parametrize(
    "values",
    [
        {"company_id": 2},
        {"granted_at": NOW + timedelta(seconds=1)},
        {"ended_at": NOW},
        {"from_day": date(2021, 1, 1), "to_day": date(2022, 11, 19)},
    ],
    ids=["another company's", "not yet granted", "ended", "older than the history"],
)
def test_a_grant_that_opens_nothing_is_not_listed(market, values):
    grant(market, 1, 1, **values)
    assert told(listed(market, "CSP")) == []


def test_a_third_party_is_told_of_agreements_alone_and_a_regulator_of_nothing(market):
    serve(market, 1, date(2024, 1, 1))
    grant(market, 2, 3, ended_at=NOW + timedelta(days=1))
    assert [row[:3] for row in told(listed(market, "CSP"))] == [(esiid(2), "AGREEMENT", "energy_data")]
    assert told(listed(market, "REG")) == []


def test_a_tdsp_is_told_of_its_own_premises(market):
    page = listed(market, "TDSP")
    assert told(page) == []
    with market.write() as connection:
        page = authorized_esiids(
            connection,
            Caller("TDSP", duns=OTHER_TDSP, duns_numbers=(OTHER_TDSP,)),
            kept_from=KEPT_FROM,
            clock=_clock,
        )
    assert [row[:2] for row in told(page)] == [(esiid(11), "WIRES"), (esiid(12), "WIRES")]


def test_pages_follow_each_other_without_a_gap(market, monkeypatch):
    monkeypatch.setattr(authorized, "ESIIDS_A_PAGE", 3)
    for n in range(1, 9):
        serve(market, n, date(2024, 1, 1))
        grant(market, n, n)
    found, after, pages = [], "", 0
    while True:
        page = listed(market, "REP", after)
        found += page.rows
        pages += 1
        if not page.more:
            break
        after = page.rows[-1].esiid
    assert pages == 3
    assert [one.esiid for one in found] == [esiid(n) for n in range(1, 9) for _ in range(2)]


def test_each_page_is_a_line_in_the_audit_log_p7(market):
    serve(market, 1, date(2024, 1, 1))
    listed(market, "REP")
    with market.read() as connection:
        line = connection.execute(select(audit_log)).one()
    assert (line.event, line.actor, line.address) == ("premise:authorized:shown", "company:1", "192.0.2.7")
    assert (line.details, line.certificate_sha256) == ({"told": 1}, "ab" * 32)


@pytest.mark.parametrize("kind", ["REP", "CSP"])
def test_what_is_listed_is_what_an_order_would_get(market, kind):
    """The list and `parties.access` must never disagree about an ESI ID and a day."""
    serve(market, 1, date(2024, 1, 1))
    serve(market, 2, date(2025, 1, 1), date(2026, 6, 9))
    serve(market, 3, date(2024, 1, 1), duns="222222222")
    grant(market, 3, 1, to_day=date(2026, 8, 31))
    grant(market, 4, 2, ended_at=NOW - timedelta(hours=1))
    grant(market, 6, 3, scope="device_services")
    asked = [esiid(n) for n in range(1, 13)]
    with market.read() as connection:
        access = authorise(
            connection, company_id=1, kind=kind, duns_numbers=Caller(kind).duns_numbers, esiids=asked,
            first_day=KEPT_FROM, last_day=TODAY, now=NOW,
        )  # fmt: skip
    ordered = {(asked[int(row["esiid"])], row["first_day"].item(), row["last_day"].item()) for row in access.slices}
    shown = {
        (one.esiid, max(one.from_day, KEPT_FROM), min(one.to_day or TODAY, TODAY))
        for one in listed(market, kind).rows
        if one.service == "energy_data"
    }
    assert shown == ordered
    assert shown
