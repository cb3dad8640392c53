"""Bills whose periods overlap or share their boundary day: which are told, and what is said of the others (U6, U10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from order_market import REP, TDSP, Market, esiid
from sqlalchemy import select, update
from test_order_build import build_all
from test_order_daily_monthly import ESPI, days_of, exceptions_of, ordered, rows_of

import smt_ws.usage.read_bills as read_bills_module
from smt_ws.cli.company_bills import bill_end_day as command
from smt_ws.orders.plan import unpack_remarks
from smt_ws.orders.tables import order_part
from smt_ws.parties.access import SLICE
from smt_ws.parties.companies import add_company
from smt_ws.parties.errors import CompanyUnknownError, InvalidCompanyError
from smt_ws.parties.rules import Reason
from smt_ws.store.tables import audit_log
from smt_ws.usage.activity import Activity
from smt_ws.usage.bill_end_days import end_days, set_end_day, with_shared_days
from smt_ws.usage.bill_periods import EndDay
from smt_ws.usage.load import load_file
from smt_ws.usage.loads import snapshot
from smt_ws.usage.read_bills import read_bills
from smt_ws.usage.trace import trace

HEADER = "ESIID,START_DATE,END_DATE,ACTUAL_KWH,ACTION\n"
DAY = timedelta(days=1)
#: Five metering periods as many TDSPs send them: each begins on the day on which the one before ends.
SHARED = (
    ("2026-03-10", "2026-04-09", "900.000"),
    ("2026-04-09", "2026-05-09", "901.000"),
    ("2026-05-09", "2026-06-10", "902.000"),
    ("2026-06-10", "2026-07-10", "903.000"),
    ("2026-07-10", "2026-08-08", "904.000"),
)
#: All days of those, by their TDSP's own reading: 08/08 is a day of the next period.
ASKED = {"report": "monthly", "reading_type": "C", "start": "03/10/2026", "end": "08/07/2026"}


@pytest.fixture
def billed(market: Market) -> Market:
    """One home, and its TDSP among the companies."""
    market.add_premises(range(1))
    about = {"legal_name": "Wires", "kind": "TDSP", "email": "wires@tdsp.example", "duns": [TDSP]}
    add_company(market.store, **about, actor="operator:me", clock=market.hub.clock)
    return market


def mean(market: Market, end_day: EndDay) -> None:
    set_end_day(market.store, duns=TDSP, end_day=end_day, actor="operator:me", clock=market.hub.clock)


_FILES = count(1)


def load_bills(market: Market, folder: Path, *rows: Sequence[str], home: int = 0) -> Activity:
    """Load rows of start, end, kWh and perhaps action as one file."""
    number = next(_FILES)
    path = folder / f"bills-{number}.csv"
    lines = (f"{esiid(home)},{','.join(row)}{',ORIGINAL' if len(row) < 4 else ''}\n" for row in rows)
    path.write_text(HEADER + "".join(lines) + "\n" * number)  # the same content twice would be a repeated file
    activity = load_file(market.store, path, clock=market.hub.clock)
    assert activity.outcome == "loaded"
    return activity


def told(activity: Activity) -> list[tuple[int, str, str]]:
    return [(finding.line, finding.rule, finding.severity.value) for finding in activity.findings]


@pytest.mark.parametrize("one_file", [True, False], ids=["in one file", "a file each"])
def test_bills_that_share_their_boundary_days_are_all_told_where_the_tdsp_means_it_so(
    billed: Market, tmp_path: Path, one_file: bool
) -> None:
    mean(billed, EndDay.SHARED)
    for rows in [SHARED] if one_file else [[row] for row in SHARED]:
        assert load_bills(billed, tmp_path, *rows).findings == ()
    number = ordered(billed, esiid(0), **ASKED)
    # the dates as they were sent
    assert [(row[1], row[2], row[4]) for row in rows_of(billed, number)[1:]] == [
        (f"{date.fromisoformat(a):%m/%d/%Y}", f"{date.fromisoformat(b):%m/%d/%Y}", kwh) for a, b, kwh in SHARED
    ]
    assert exceptions_of(billed, number) == []
    days = (date(2026, 8, 7) - date(2026, 3, 10)).days + 1
    assert days_of(billed, number) == (days, days, 0)


@pytest.mark.parametrize("one_file", [True, False], ids=["in one file", "a file each"])
def test_elsewhere_the_load_asks_for_the_setting_and_the_superseded_bills_have_their_reason(
    billed: Market, tmp_path: Path, one_file: bool
) -> None:
    loads = [load_bills(billed, tmp_path, *rows) for rows in ([SHARED] if one_file else [[row] for row in SHARED])]
    findings = [finding for activity in loads for finding in activity.findings]
    assert [(finding.rule, finding.severity.value) for finding in findings] == [("BILLS_SHARE_A_DAY", "flag")] * 4
    assert all("set SHARED?" in finding.reason for finding in findings)
    assert [finding.esiid for finding in findings] == [esiid(0)] * 4
    assert sum(activity.tally.flagged for activity in loads) == 4
    assert sum(activity.tally.loaded for activity in loads) == 5
    assert [activity.tally.rejected for activity in loads] == [0] * len(loads)
    number = ordered(billed, esiid(0), **(ASKED | {"end": "08/08/2026"}))
    assert [row[4] for row in rows_of(billed, number)[1:]] == ["900.000", "902.000", "904.000"]
    assert [row[1:] for row in exceptions_of(billed, number)] == [
        ["2026-04-10", "2026-05-08", "BILL_SUPERSEDED"],
        ["2026-06-11", "2026-07-09", "BILL_SUPERSEDED"],
    ]
    asked, delivered, excepted = days_of(billed, number)
    assert asked == delivered + excepted
    # version A tells all
    number = ordered(billed, esiid(0), version="A", **(ASKED | {"end": "08/08/2026"}))
    assert [row[4] for row in rows_of(billed, number)[1:]] == [kwh for *_, kwh in SHARED]


def test_the_setting_is_for_bills_already_loaded_and_not_for_reports_already_asked_for(
    billed: Market, tmp_path: Path
) -> None:
    load_bills(billed, tmp_path, *SHARED)
    number = ordered(billed, esiid(0), **ASKED)
    before = billed.parts(number)[0]
    billed.hub.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    mean(billed, EndDay.SHARED)
    with billed.store.write() as connection:
        connection.execute(update(order_part).where(order_part.c.kind == "data").values(state="planned"))
        connection.exec_driver_sql("UPDATE report_order SET status = 'In Progress'")
    build_all(billed)
    again = billed.parts(number)[0]
    assert (again.plain_sha256, again.missing) == (before.plain_sha256, before.missing)
    assert len(rows_of(billed, ordered(billed, esiid(0), **ASKED))) - 1 == 5


def test_r12_in_green_button_a_period_runs_up_to_the_shared_day(billed: Market, tmp_path: Path) -> None:
    mean(billed, EndDay.SHARED)
    load_bills(billed, tmp_path, *SHARED)
    number = ordered(billed, esiid(0), report_format="XML", **ASKED)
    feed = etree.fromstring(billed.opened(billed.parts(number)[0].file_name))
    spans = [
        tuple(int(reading.findtext(f".//{ESPI}{name}") or "") for name in ("start", "duration"))
        for reading in feed.iter(f"{ESPI}IntervalReading")
    ]
    assert len(spans) == 5
    assert [start + duration for start, duration in spans[:-1]] == [start for start, _ in spans[1:]]


def test_u10_a_shared_day_is_compared_with_the_bill_that_begins_on_it(billed: Market, tmp_path: Path) -> None:
    mean(billed, EndDay.SHARED)
    billed.load_days(range(1), date(2026, 10, 1), date(2026, 10, 10), number=9)  # 24 kWh a day
    load_bills(billed, tmp_path, ("2026-10-01", "2026-10-06", "120"), ("2026-10-06", "2026-10-11", "121"))
    asked = {"report": "monthly", "reading_type": "C", "start": "10/01/2026", "end": "10/10/2026"}
    part = billed.parts(ordered(billed, esiid(0), **asked))[0]
    remarks = unpack_remarks(part.remarks).rows[["first_day", "last_day", "billed_wh", "measured_wh"]].tolist()
    day = (date(2026, 10, 6) - date(1970, 1, 1)).days
    assert remarks == [(day, day + 4, 121_000, 120_000)]
    with billed.store.read() as connection:
        found = trace(connection, esiid(0), date(2026, 10, 6))
    assert found is not None
    (bill,) = found.bills
    assert (bill.first_day, bill.last_day, bill.last_covered) == (
        date(2026, 10, 6),
        date(2026, 10, 11),
        date(2026, 10, 10),
    )
    assert (bill.interval_wh, bill.interval_days) == (120_000, 5)


def test_a_shared_end_day_may_be_today(billed: Market, tmp_path: Path) -> None:
    row = ("2026-10-20", "2026-11-20", "1")
    assert told(load_bills(billed, tmp_path, row)) == [(2, "DAY_NOT_OVER", "reject")]
    mean(billed, EndDay.SHARED)
    assert told(load_bills(billed, tmp_path, row)) == []
    assert told(load_bills(billed, tmp_path, ("2026-10-20", "2026-11-21", "1", "REBILL"))) == [
        (2, "DAY_NOT_OVER", "reject")
    ]


@pytest.mark.parametrize("end_day", EndDay)
def test_a_rebill_that_lengthens_a_period_is_reported_and_its_neighbour_has_its_reason(
    billed: Market, tmp_path: Path, end_day: EndDay
) -> None:
    mean(billed, end_day)
    first, second = ("2026-03-10", "2026-04-09", "1"), ("2026-04-10", "2026-05-09", "2")
    assert load_bills(billed, tmp_path, first, second).findings == ()
    activity = load_bills(billed, tmp_path, ("2026-03-10", "2026-04-20", "3", "REBILL"))
    assert told(activity) == [(2, "BILLS_OVERLAP", "flag")]
    assert (activity.tally.replaced, activity.tally.rejected, activity.tally.flagged) == (1, 0, 1)
    asked = {"report": "monthly", "reading_type": "C", "start": "03/10/2026", "end": "05/08/2026"}
    last = date(2026, 4, 20) - (end_day is EndDay.SHARED) * DAY
    superseded = [f"{last + DAY}", "2026-05-08", "BILL_SUPERSEDED"]
    assert [row[1:] for row in exceptions_of(billed, ordered(billed, esiid(0), **asked))] == [superseded]
    # shortened again: the neighbour stands again, and of what only the longer one covered nothing is left
    assert load_bills(billed, tmp_path, (*first[:2], "4", "REBILL")).findings == ()
    asked["end"] = "05/09/2026"
    number = ordered(billed, esiid(0), **asked)
    assert [row[4] for row in rows_of(billed, number)[1:]] == ["4.000", "2.000"]


def test_days_that_a_shorter_rebill_gives_up_are_superseded_and_those_of_a_cancelled_bill_are_not_billed(
    billed: Market, tmp_path: Path
) -> None:
    load_bills(billed, tmp_path, ("2026-03-10", "2026-05-09", "1"))
    load_bills(billed, tmp_path, ("2026-03-10", "2026-04-09", "2", "REBILL"))
    asked = {"report": "monthly", "reading_type": "C", "start": "03/10/2026", "end": "05/09/2026"}
    number = ordered(billed, esiid(0), **asked)
    assert [row[1:] for row in exceptions_of(billed, number)] == [["2026-04-10", "2026-05-09", "BILL_SUPERSEDED"]]
    load_bills(billed, tmp_path, ("2026-03-10", "2026-04-09", "", "CANCEL"))
    number = ordered(billed, esiid(0), **asked)
    assert [row[1:] for row in exceptions_of(billed, number)] == [["2026-03-10", "2026-05-09", "NOT_BILLED"]]


def test_findings_are_about_what_a_file_leaves_behind(billed: Market, tmp_path: Path) -> None:
    """Rows take effect in their order: what a later row of the file sets right is no finding."""
    load_bills(billed, tmp_path, ("2026-03-10", "2026-04-09", "1"), ("2026-06-01", "2026-06-30", "1"))
    activity = load_bills(
        billed,
        tmp_path,
        ("2026-04-01", "2026-05-09", "2"),  # overlaps the first until that is cancelled
        ("2026-05-20", "2026-06-10", "2"),  # overlaps the second until it is itself cancelled
        ("2026-03-10", "2026-04-09", "", "CANCEL"),
        ("2026-05-20", "2026-06-10", "", "CANCEL"),
        ("2026-08-01", "2026-08-31", "3"),
        ("2026-08-31", "2026-08-31", "4"),
        ("2026-08-10", "2026-08-20", "5"),
    )
    assert told(activity) == [(7, "BILLS_SHARE_A_DAY", "flag"), (8, "BILLS_OVERLAP", "flag")]


def test_the_setting_is_kept_with_its_time_audited_and_for_tdsps_alone(billed: Market) -> None:
    clock = billed.hub.clock
    begun = clock.now()
    for n, end_day in enumerate((EndDay.SHARED, EndDay.INCLUSIVE, EndDay.SHARED)):
        clock.advance(DAY)  # type: ignore[attr-defined]
        mean(billed, end_day)
        with billed.store.read() as connection:
            assert end_days(connection) == [(TDSP, "Wires", end_day)]
            shared = [with_shared_days(connection, at=begun + day * DAY) for day in range(n + 2)]
        assert shared == [frozenset(), {TDSP}, frozenset(), {TDSP}][: n + 2]
    with billed.store.read() as connection:
        events = connection.execute(
            select(audit_log.c.event, audit_log.c.object).where(audit_log.c.event.like("bill_end_day:%"))
        ).all()
    assert [tuple(event) for event in events] == [("bill_end_day:set:done", f"duns:{TDSP}")] * 3
    for duns, error in ((REP, InvalidCompanyError), ("999999999", CompanyUnknownError)):
        with pytest.raises(error):
            set_end_day(billed.store, duns=duns, end_day=EndDay.SHARED, actor="operator:me", clock=clock)


def test_the_operator_sets_and_sees_it_on_the_command_line(billed: Market) -> None:
    run = CliRunner().invoke
    assert run(command, ["show"], obj=billed.hub).output.split() == [TDSP, "INCLUSIVE", "Wires"]
    assert run(command, ["set", TDSP, "shared"], obj=billed.hub).exit_code == 0
    assert run(command, ["show"], obj=billed.hub).output.split() == [TDSP, "SHARED", "Wires"]


FIRST = date(2026, 3, 1)
#: (start, days to the end date, cancel) of a bill each; a list is a file.
FILES = st.lists(
    st.lists(st.tuples(st.integers(0, 24), st.integers(0, 10), st.booleans()), min_size=1, max_size=4),
    min_size=1,
    max_size=5,
)
_HOMES = count(1000)


@pytest.mark.parametrize("margin", [0, 62])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(FILES, st.sampled_from(EndDay), st.integers(-2, 30), st.integers(0, 40), st.sampled_from(["L", "A"]))
def test_every_bill_that_was_loaded_is_delivered_or_excepted_with_its_true_reason(
    billed: Market,
    tmp_path: Path,
    margin: int,
    files: list,
    end_day: EndDay,
    begin: int,
    days: int,
    version: str,
) -> None:
    """Whatever range is asked for, and however little of the rest is looked at beside it."""
    mean(billed, end_day)
    home = next(_HOMES)
    billed.add_premises(range(home, home + 1))
    # By first day: the versions (load, last day covered, cancelled), the last of them in force.
    model: dict[date, list[tuple[int, date, bool]]] = {}
    for n, file in enumerate(files):
        rows, brought = [], {}
        for start, length, cancel in file:
            first = FIRST + start * DAY
            if first in brought:
                continue
            end = first + length * DAY
            rows.append((f"{first}", f"{end}", f"{n + 1}", "CANCEL" if cancel else "REBILL"))
            covered = end - DAY if end_day is EndDay.SHARED and length else end
            held = model.get(first, [(0, date.min, True)])[-1]
            if not cancel or held[1] == covered:
                brought[first] = (covered, cancel)
        activity = load_bills(billed, tmp_path, *rows, home=home)
        for first, (covered, cancel) in brought.items():
            versions = model.setdefault(first, [])
            if not (cancel and versions[-1][2]):  # cancelled twice: nothing new
                versions.append((activity.load_number, covered, cancel))

    in_force = {first: versions[-1] for first, versions in model.items() if not versions[-1][2]}
    standing: dict[date, date] = {}
    for first, (_, last, _) in sorted(in_force.items(), key=lambda one: (-one[1][0], one[0])):
        if all(last < other or other_last < first for other, other_last in standing.items()):
            standing[first] = last
    asked = FIRST + begin * DAY, FIRST + (begin + days) * DAY

    with billed.store.read() as connection:
        slices = np.array([(0, billed.premises[esiid(home)], *asked)], SLICE)
        with patch.object(read_bills_module, "_MARGIN", margin * DAY):
            stored = read_bills(connection, slices=slices, channels=(4,), as_of=snapshot(connection), version=version)
            found = [(bill.first, bill.last_covered, bill.cancelled) for bill in stored]

    def inside(first: date, last: date) -> bool:
        return asked[0] <= first and last <= asked[1]

    if version == "L":
        expected = sorted((first, last, False) for first, last in standing.items() if inside(first, last))
        assert sorted(found) == expected
    else:
        expected = [(first, last, void) for first, of in model.items() for _, last, void in of if inside(first, last)]
        assert sorted(found) == sorted(expected)
    covered = np.array([any(a <= day <= b and not void for a, b, void in found) for day in _days(*asked)])
    assert stored.delivered == covered.sum()
    missing = [day for row in stored.missing.tolist() for day in _days(row[2], row[3])]
    assert missing == [day for day, is_there in zip(_days(*asked), covered, strict=True) if not is_there]
    for day in missing:
        reason = stored.told[0, day]
        ever = [
            (first, last)
            for first, versions in model.items()
            for _, last, void in versions
            if first <= day <= last and not void and (version == "A" or not versions[-1][2])
        ]
        if any(first <= day <= last for first, last in (ever if version == "A" else standing.items())):
            assert reason is Reason.BILL_REACHES_BEYOND
        else:
            assert reason is (Reason.BILL_SUPERSEDED if ever else Reason.NOT_BILLED)


def _days(first: date, last: date) -> list[date]:
    return [first + n * DAY for n in range((last - first).days + 1)]
