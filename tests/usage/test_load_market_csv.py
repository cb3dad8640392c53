"""Market CSV files are loads like any other: whole, numbered, idempotent, reported (U4, U6, U8, P10)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from small_market import ONCOR, OTHER, esiid
from sqlalchemy import insert, select

from smt_ws.clock import FixedClock
from smt_ws.parties.access import SLICE, authorise
from smt_ws.parties.tables import company, company_duns, meter, premise, rep_of_record
from smt_ws.sandbox.market import build_market
from smt_ws.store.engine import Store
from smt_ws.usage import market
from smt_ws.usage.load import load_file
from smt_ws.usage.loads import snapshot
from smt_ws.usage.missing import explain_missing
from smt_ws.usage.read import read_days
from smt_ws.usage.rules import Severity
from smt_ws.usage.tables import load

PREMISES = "ESIID,TDSP_DUNS,SERVICE_ADDRESS,CITY,STATE,ZIP,PREMISE_TYPE,STATUS\n"


def premise_row(number: int, tdsp: str = ONCOR, zip_code: str = "75201") -> str:
    return f"{esiid(number)},{tdsp},{number} Pecan St,Dallas,TX,{zip_code},RESIDENTIAL,ACTIVE\n"


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_each_kind_is_known_by_its_header_and_loaded_under_a_number(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    files = [
        file(tmp_path, "p.csv", PREMISES + premise_row(1) + premise_row(2)),
        file(
            tmp_path, "m.csv", f"METER_NUMBER,ESIID,INSTALLED_ON,PROVISIONED_ON\nM1,{esiid(1)},2026-01-02,2026-01-03\n"
        ),
        file(tmp_path, "r.csv", f"ESIID,REP_DUNS,FROM_DATE,TO_DATE\n{esiid(1)},111111111,2026-02-01,\n"),
        file(tmp_path, "o.csv", f"ESIID,MOVE_IN_DATE,MOVE_OUT_DATE\n{esiid(2)},2026-02-01,\n"),
    ]
    activities = [load_file(store, path, clock=clock) for path in files]
    assert [(a.kind, a.outcome, a.tally.loaded, a.tdsp_duns) for a in activities] == [
        ("premises", "loaded", 2, ONCOR),
        ("meters", "loaded", 1, ONCOR),
        ("rep_of_record", "loaded", 1, ONCOR),
        ("occupancy", "loaded", 1, ONCOR),
    ]
    assert [a.load_number for a in activities] == [1, 2, 3, 4]
    with store.read() as connection:
        assert connection.scalars(select(premise.c.load_number)).all() == [1, 1]
        assert connection.execute(select(meter.c.meter_number, meter.c.provisioned_on)).all() == [
            ("M1", date(2026, 1, 3))
        ]
        assert connection.scalars(select(rep_of_record.c.duns)).all() == ["111111111"]
    again = [load_file(store, path, clock=clock).outcome for path in files]
    assert again == ["repeated"] * 4


def test_u6_companies_that_nobody_has_registered_are_findings(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    with store.write() as connection:
        for n, (duns, kind) in enumerate([(ONCOR, "TDSP"), ("111111111", "REP"), ("222222222", "CSP")], start=1):
            connection.execute(
                insert(company).values(id=n, legal_name=duns, kind=kind, email="a@b.example", created_at=clock.now())
            )
            connection.execute(insert(company_duns).values(duns=duns, company_id=n, created_at=clock.now()))
    known = load_file(store, file(tmp_path, "p.csv", PREMISES + premise_row(1) + premise_row(2)), clock=clock)
    assert (known.findings, known.tally.flagged) == ((), 0)
    others = PREMISES + premise_row(3, OTHER) + premise_row(4, OTHER) + premise_row(1, OTHER)
    strange = load_file(store, file(tmp_path, "o.csv", others), clock=clock, tdsp_duns=OTHER)
    assert [(one.line, one.rule, one.severity) for one in strange.findings] == [
        (2, "TDSP_NOT_REGISTERED", Severity.FLAG),
        (4, "WRONG_TDSP", Severity.REJECT),
    ]
    assert "(2 rows)" in strange.findings[0].reason
    assert (strange.tally.loaded, strange.tally.flagged, strange.tally.rejected) == (2, 2, 1)
    reps = "".join(f"{esiid(n)},{duns},2026-02-01,\n" for n, duns in ((1, "111111111"), (2, "222222222")))
    served = load_file(store, file(tmp_path, "r.csv", "ESIID,REP_DUNS,FROM_DATE,TO_DATE\n" + reps), clock=clock)
    assert [(one.line, one.rule) for one in served.findings] == [(3, "REP_NOT_REGISTERED")], "a third party is no REP"
    assert (served.tally.loaded, served.tally.flagged) == (2, 1)


def test_u4_rejected_rows_are_named_and_the_others_taken(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    text = PREMISES + premise_row(1) + premise_row(2, zip_code="oops") + premise_row(3, tdsp=OTHER) + premise_row(1)
    activity = load_file(store, file(tmp_path, "p.csv", text), clock=clock)
    assert (activity.tally.loaded, activity.tally.rejected, activity.records) == (1, 3, 4)
    assert [(f.line, f.rule) for f in activity.findings] == [
        *((2, "TDSP_NOT_REGISTERED"), (3, "BAD_VALUE"), (4, "WRONG_TDSP"), (5, "DUPLICATE")),
    ]


def test_a_misspelt_column_refuses_the_file_by_name(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    bad = file(tmp_path, "r.csv", f"ESIID,REP_DUNS,FROM_DATE,TODATE\n{esiid(1)},111111111,2026-02-01,\n")
    activity = load_file(store, bad, clock=clock, tdsp_duns=ONCOR)
    assert (activity.outcome, activity.code) == ("refused", "FILE_LAYOUT")
    assert "TODATE" in activity.reason
    with store.read() as connection:
        assert connection.scalars(select(load.c.state)).all() == ["refused"]


def test_a_file_about_unknown_premises_needs_its_sender_named(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    path = file(tmp_path, "r.csv", f"ESIID,REP_DUNS,FROM_DATE,TO_DATE\n{esiid(1)},111111111,2026-02-01,\n")
    assert load_file(store, path, clock=clock).code == "SENDER_UNKNOWN"
    activity = load_file(store, path, clock=clock, tdsp_duns=ONCOR)
    assert (activity.outcome, [f.rule for f in activity.findings]) == ("loaded", ["ESIID_UNKNOWN"])


@pytest.mark.parametrize(
    ("header", "row", "column"),
    [
        ("ESIID,REP_DUNS,FROM_DATE,TO_DATE", "111111111,02/01/2026,", "FROM_DATE"),
        ("ESIID,REP_DUNS,FROM_DATE,TO_DATE", "111111111,2026-02-30,", "FROM_DATE"),
        ("ESIID,METER_NUMBER,INSTALLED_ON", "M1,1/2/2026", "INSTALLED_ON"),
        ("ESIID,MOVE_IN_DATE,MOVE_OUT_DATE", "2026-02-30,", "MOVE_IN_DATE"),
    ],
)
def test_a_wrong_date_is_told_as_a_wrong_date_u4(store, clock, tmp_path, header, row, column) -> None:
    """The rows say whose premises they are about, whatever is wrong in them."""
    text = f"{header}\n{esiid(1)},{row}\n"
    refused = load_file(store, file(tmp_path, "early.csv", text), clock=clock)
    assert (refused.outcome, refused.code) == ("refused", "FILE_LAYOUT")
    assert f"line 2: {column}: " in refused.reason
    load_file(store, file(tmp_path, "p.csv", PREMISES + premise_row(1)), clock=clock)
    activity = load_file(store, file(tmp_path, "late.csv", text + " \n"), clock=clock)
    assert (activity.outcome, activity.tdsp_duns) == ("loaded", ONCOR)
    (finding,) = activity.findings
    assert (finding.line, finding.rule) == (2, "BAD_VALUE")
    assert column in finding.reason


def test_more_rows_than_are_taken_at_once_refuse_the_file(
    store: Store, clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market, "MOST_ROWS", 2)
    path = file(tmp_path, "p.csv", PREMISES + "".join(premise_row(n) for n in range(3)))
    assert load_file(store, path, clock=clock).code == "TOO_MANY_ROWS"
    with store.read() as connection:
        assert connection.execute(select(premise)).all() == []


def test_a_whole_generated_market_goes_in_and_its_special_homes_come_out_right(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    """The demonstration's data, small: every file loads without a finding but for one estimate over an actual.

    And but for days that were wrong at first: where the register disagrees, the sum check tells.
    """
    made = build_market(
        tmp_path,
        tdsp_duns=ONCOR,
        rep_duns=("111111111", "222222222"),
        premises=12,
        days=30,
        first_day=date(2026, 10, 15),
    )
    for path in (made.premises, made.meters, made.rep_of_record):
        found = load_file(store, path, clock=clock).findings
        assert {one.rule for one in found} <= {"TDSP_NOT_REGISTERED", "REP_NOT_REGISTERED"}
    findings = []
    replaced = 0
    for lse in made.lse_files:
        activity = load_file(store, lse.path, clock=FixedClock(lse.delivered))
        assert activity.records == activity.tally.loaded + activity.tally.replaced == lse.records
        replaced += activity.tally.replaced
        findings += activity.findings
    assert replaced == made.revised_days
    found = [(f.rule, f.esiid, f.day) for f in findings]
    assert [one for one in found if one[0] != "SUM_CHECK"] == [
        ("ESTIMATE_REPLACES_ACTUAL", *made.special.estimated_later)
    ]
    assert len(found) - 1 <= made.revised_days

    esiids = [made.special.gap[0], made.special.new_home[0], made.special.solar, made.special.switched[0]]
    with store.read() as connection:
        access = authorise(
            connection,
            company_id=1,
            kind="TDSP",
            duns_numbers=[ONCOR],
            esiids=esiids,
            first_day=made.first_day,
            last_day=made.last_day,
            now=clock.now(),
        )
        assert access.slices.dtype == SLICE
        as_of = snapshot(connection)
        stored = read_days(connection, slices=access.slices, channels=(1, 4), as_of=as_of)
        days = list(stored)
        why = explain_missing(
            connection,
            stored.missing,
            channels=(1, 4),
            as_of=as_of,
            today=date(2026, 11, 20),
            due_days=2,
            late_days=10,
        )
    assert stored.delivered + sum((b - a).days + 1 for _, a, b, _ in why.tolist()) == access.days_allowed == 4 * 30
    _, gap_from, gap_to = made.special.gap
    new_from = made.special.new_home[2]
    assert [(esiids[n], a, b) for n, a, b, _ in why.tolist()] == [
        (made.special.gap[0], gap_from, gap_to),
        (made.special.new_home[0], made.first_day, date.fromordinal(new_from.toordinal() - 1)),
    ]
    assert {d.esiid for d in days if d.channel == 1} == {made.special.solar}
    assert {len(d.values) for d in days if d.day == date(2026, 11, 1)} == {400}
    assert days[0].revised == made.lse_files[0].delivered, "the revision is the load that brought the day"
