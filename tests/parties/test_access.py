"""R5 in bulk: the arrays of `parties.access` say for every asked ESI-ID-day what the rule says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from smt_ws.parties import premise_numbers, rules
from smt_ws.parties.access import authorise
from smt_ws.parties.errors import StatedReasonMissingError
from smt_ws.parties.rules import REASON_CODES, DayRange
from smt_ws.parties.stated_reason import required_reason
from smt_ws.parties.tables import company, grants, premise, rep_of_record

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
OURS, OTHERS = 1, 2
DUNS = ("111111111", "1111111110001")
TDSP = "1039940674000"


def esiid(n: int) -> str:
    return f"1044372{n:010}"


@pytest.fixture
def market(store):
    """Two companies and ten premises without anybody."""
    with store.write() as connection:
        for number, kind in ((OURS, "REP"), (OTHERS, "CSP")):
            connection.execute(
                insert(company).values(
                    id=number, legal_name=f"Company {number}", kind=kind, email="a@example.com", created_at=NOW
                )
            )
        connection.execute(
            insert(premise), [{"id": n, "esiid": esiid(n), "tdsp_duns": TDSP, "load_number": 1} for n in range(10)]
        )
    return store


def serve(connection, premise_id, first, last=None, duns=DUNS[0]):
    connection.execute(
        insert(rep_of_record).values(premise_id=premise_id, from_day=first, to_day=last, duns=duns, load_number=1)
    )


def grant(connection, premise_id, first, last=None, **values):
    number = grant.number = getattr(grant, "number", 0) + 1
    row = {"company_id": OURS, "scope": "energy_data", "granted_at": NOW - timedelta(days=1), "source": "agreement:1"}
    connection.execute(
        insert(grants).values(premise_id=premise_id, id=number, from_day=first, to_day=last, **{**row, **values})
    )


JUNE = (date(2026, 6, 1), date(2026, 6, 30))


def ask(connection, esiids, days=JUNE, kind="REP", **values):
    return authorise(
        connection,
        **{
            "company_id": OURS, "kind": kind, "duns_numbers": DUNS, "esiids": esiids,
            "first_day": days[0], "last_day": days[1], "now": NOW, **values,
        },
    )  # fmt: skip


def seen(access):
    return [(int(r["esiid"]), int(r["premise_id"]), r["first_day"].item(), r["last_day"].item()) for r in access.slices]


def refused(access):
    return [
        (int(r["esiid"]), r["first_day"].item(), r["last_day"].item(), str(REASON_CODES[r["code"]]))
        for r in access.refusals
    ]


def test_a_rep_sees_what_it_served_and_each_other_esiid_has_its_reason_r5(market):
    with market.write() as connection:
        serve(connection, 0, date(2024, 1, 1))
        serve(connection, 1, date(2024, 1, 1), duns="222222222")
        serve(connection, 2, date(2024, 1, 1), date(2026, 6, 9), duns=DUNS[1])
        serve(connection, 2, date(2026, 6, 10), duns="222222222")
        esiids = [esiid(2), "nonsense", esiid(0), esiid(77), esiid(1), esiid(0), "nonsense"]
        access = ask(connection, esiids)

    assert seen(access) == [(0, 2, JUNE[0], date(2026, 6, 9)), (2, 0, *JUNE)]
    assert refused(access) == [
        (0, date(2026, 6, 10), JUNE[1], "AFTER_SERVICE"),
        (1, *JUNE, "ESIID_MALFORMED"),
        (3, *JUNE, "ESIID_UNKNOWN"),
        (4, *JUNE, "NO_AGREEMENT"),
        (5, *JUNE, "ESIID_REPEATED"),
        (6, *JUNE, "ESIID_MALFORMED"),
    ]
    assert access.days_allowed + access.days_refused == len(esiids) * 30


def test_a_third_party_sees_by_agreement_alone_even_where_its_duns_serves_r5(market):
    with market.write() as connection:
        serve(connection, 0, date(2024, 1, 1))
        grant(connection, 1, date(2026, 6, 5), date(2026, 6, 8))
        access = ask(connection, [esiid(0), esiid(1)], kind="CSP")
    assert seen(access) == [(1, 1, date(2026, 6, 5), date(2026, 6, 8))]
    assert refused(access) == [
        (0, *JUNE, "NO_AGREEMENT"),
        (1, JUNE[0], date(2026, 6, 4), "NO_AGREEMENT"),
        (1, date(2026, 6, 9), JUNE[1], "NO_AGREEMENT"),
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"company_id": OTHERS},
        {"scope": "device"},
        {"granted_at": NOW + timedelta(seconds=1)},
        {"ended_at": NOW},
        {"ended_at": NOW - timedelta(days=1)},
    ],
    ids=["another company's", "another scope", "not yet granted", "ends now", "ended"],
)
def test_a_grant_opens_nothing_unless_it_is_ours_for_energy_data_and_in_force_r5(market, values):
    with market.write() as connection:
        grant(connection, 0, date(2024, 1, 1), **values)
        access = ask(connection, [esiid(0)])
    assert seen(access) == []
    assert refused(access) == [(0, *JUNE, "NO_AGREEMENT")]


def test_a_grant_that_ends_later_is_in_force_r5(market):
    with market.write() as connection:
        grant(connection, 0, date(2024, 1, 1), ended_at=NOW + timedelta(seconds=1))
        assert seen(ask(connection, [esiid(0)])) == [(0, 0, *JUNE)]


def test_a_tdsp_sees_its_own_premises_whole_and_no_other_r5(market):
    with market.write() as connection:
        serve(connection, 0, date(2024, 1, 1))
        mine = ask(connection, [esiid(0), esiid(99)], kind="TDSP", duns_numbers=(TDSP,))
        others = ask(connection, [esiid(0), esiid(99)], kind="TDSP", duns_numbers=("999999999",))
    assert seen(mine) == [(0, 0, *JUNE)]
    assert refused(mine) == [(1, *JUNE, "ESIID_UNKNOWN")]
    assert seen(others) == []
    assert refused(others) == [(0, *JUNE, "NOT_YOUR_PREMISE"), (1, *JUNE, "ESIID_UNKNOWN")]


def test_a_regulator_sees_any_premise_with_a_stated_reason_and_none_without_r5(market):
    with market.write() as connection:
        serve(connection, 0, date(2026, 6, 10), duns="999999999")
    with market.read() as connection:
        without = [ask(connection, [esiid(0)], kind="REG", stated_reason=reason) for reason in (None, "")]
        stated = ask(connection, [esiid(0), esiid(99), "x"], kind="REG", stated_reason="Complaint 26-1042")
        # nobody else sees more by stating one
        others = [
            ask(connection, [esiid(0)], kind=kind, stated_reason="Complaint 26-1042") for kind in ("REP", "CSP", "TDSP")
        ]
    for access in without:
        assert seen(access) == []
        assert refused(access) == [(0, *JUNE, "NO_STATED_REASON")]
    assert seen(stated) == [(0, 0, *JUNE)]
    assert refused(stated) == [(1, *JUNE, "ESIID_UNKNOWN"), (2, *JUNE, "ESIID_MALFORMED")]
    assert [seen(access) for access in others] == [[], [], []]


@pytest.mark.parametrize("kind", list(rules.KINDS))
@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("Complaint 26-1042", "Complaint 26-1042"),
        ("  Complaint\n 26-1042 ", "Complaint 26-1042"),
        ("x" * 10, "x" * 10),
        ("x" * 500, "x" * 500),
        (None, None),
        ("", None),
        (" " * 20, None),
        ("x" * 9, ""),
        ("x" + " " * 20 + "y", ""),
        ("x" * 501, ""),
    ],
)
def test_a_stated_reason_has_10_to_500_characters_r20(kind, text, states):
    """Demanded of a regulator alone; one that says too little or too much is refused whoever states it."""
    if states or (states is None and kind != "REG"):
        assert required_reason(kind, text) == states
    else:
        with pytest.raises(StatedReasonMissingError, match="reason"):
            required_reason(kind, text)


def test_test_esiids_are_for_sandboxes(market):
    with market.write() as connection:
        connection.execute(insert(premise).values(id=50, esiid="1044372000123456", tdsp_duns=TDSP, load_number=1))
        serve(connection, 50, date(2024, 1, 1))
        strict = ask(connection, ["1044372000123456"])
        lenient = ask(connection, ["1044372000123456", "a'b", "a\nb"], allow_test_esiids=True)
    assert refused(strict) == [(0, *JUNE, "ESIID_MALFORMED")]
    assert seen(lenient) == [(0, 50, *JUNE)]
    assert refused(lenient) == [(1, *JUNE, "ESIID_MALFORMED"), (2, *JUNE, "ESIID_MALFORMED")]


@pytest.mark.parametrize("esiids", [[], ["bad"], [esiid(5), esiid(5)]])
def test_an_order_of_which_nothing_may_be_seen_is_all_refusals(market, esiids):
    with market.read() as connection:
        access = ask(connection, esiids)
    assert access.days_allowed == 0
    assert access.days_refused == len(esiids) * 30


DAYS = st.integers(-5, 45).map(lambda n: JUNE[0] + timedelta(days=n))
RANGES = st.builds(lambda a, b: DayRange(a, None if b is None else max(a, b)), DAYS, st.one_of(st.none(), DAYS))
PREMISE = st.tuples(st.lists(RANGES, max_size=3, unique_by=lambda r: r.first), st.lists(RANGES, max_size=2))


@given(premises=st.lists(PREMISE, min_size=1, max_size=6), wanted=st.tuples(DAYS, DAYS).map(sorted))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_fast_path_says_what_the_rule_says_r5(market, premises, wanted):
    with market.write() as connection:
        connection.execute(delete(rep_of_record))
        connection.execute(delete(grants))
        for number, (spells, granted) in enumerate(premises):
            for one in spells:
                serve(connection, number, one.first, one.last)
            for one in granted:
                grant(connection, number, one.first, one.last)
        access = ask(connection, [esiid(n) for n in range(len(premises))], days=wanted)

    slices, refusals = [], []
    for number, (spells, granted) in enumerate(premises):
        may, may_not = rules.served(DayRange(*wanted), spells, granted)
        slices += [(number, number, *one) for one in may]
        refusals += [(number, one.first, one.last, str(one.code)) for one in may_not]
    assert seen(access) == slices
    assert refused(access) == refusals
    assert access.days_allowed + access.days_refused == len(premises) * ((wanted[1] - wanted[0]).days + 1)


def test_50_000_esiids_are_one_question(market):
    with market.write() as connection:
        serve(connection, 3, date(2024, 1, 1))
        asked = [esiid(n) for n in range(50_000)]
        access = ask(connection, asked)
    assert seen(access) == [(3, 3, *JUNE)]
    assert np.array_equal(np.delete(np.arange(50_000), 3), access.refusals["esiid"])
    assert access.days_allowed + access.days_refused == 50_000 * 30


def test_an_esiid_that_was_unknown_is_found_once_it_is_there(market):
    """What is remembered is where an ESI ID's premise is, never that there is none, nor what may be seen."""
    new = esiid(77)
    with market.read() as connection:
        assert refused(ask(connection, [new, esiid(1)]))[0][3] == "ESIID_UNKNOWN"
    with market.write() as connection:
        connection.execute(insert(premise).values(id=77, esiid=new, tdsp_duns=TDSP, load_number=1))
        serve(connection, 77, date(2026, 1, 1))
    with market.read() as connection:
        assert seen(ask(connection, [esiid(1), new])) == [(1, 77, *JUNE)]
    with market.write() as connection:
        connection.execute(delete(rep_of_record))
    with market.read() as connection:
        assert seen(ask(connection, [new])) == []


def test_so_many_numbers_are_remembered_and_no_more(market, monkeypatch):
    monkeypatch.setattr(premise_numbers, "MOST_REMEMBERED", 4)
    with market.read() as connection:
        for _ in range(2):
            found = premise_numbers.premise_numbers(connection, [esiid(n) for n in (9, 3, 42, 1, 4, 1, 5, 2)])
            assert found.tolist() == [9, 3, -1, 1, 4, 1, 5, 2]
        assert len(premise_numbers._remembered[market.engine]) == 4
