"""Completeness and missing usage (U7), on both stores: counted against a plain reckoning day by day."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_market import ONCOR, OTHER, add_premises, day_of, esiid, marked
from sqlalchemy import insert, select

from jobs.completeness import COMPLETENESS_COLUMNS, MISSING_COLUMNS, report_completeness
from jobs.table import TABLE
from smt_ws.cli.completeness import completeness, missing_usage
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.parties.tables import company, company_duns, premise
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.usage import completeness as module
from smt_ws.usage.completeness import survey
from smt_ws.usage.load import load_file
from smt_ws.usage.partitions import ensure_months
from smt_ws.usage.tables import interval_day

LAST = date(2026, 11, 18)
FIRST = LAST - timedelta(days=19)
LseFile = Callable[..., Path]


def spells(store: Store, **more: object) -> list[tuple[str, date, date]]:
    found = survey(store, first_day=FIRST, last_day=LAST, **more)  # type: ignore[arg-type]
    return [(one.esiid, one.first_day, one.last_day) for one in found]


def fill(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    """Home 1 whole; 2 with two gaps; 3 provisioned late; 4 never; 50 another TDSP's, without data."""
    add_premises(store, 2)
    add_premises(store, 1, first=3, installed=LAST - timedelta(days=9), provisioned=LAST - timedelta(days=4))
    add_premises(store, 1, first=4, provisioned=None)
    add_premises(store, 1, first=50, tdsp=OTHER)
    days = [FIRST + timedelta(days=n) for n in range(20)]
    records = [day_of(1, day, statuses=marked(day, b"E", 0, 1) if day == LAST else None) for day in days]
    records += [day_of(2, day, wh=[250] * 100 if n == 2 else 250) for n, day in enumerate(days) if n not in (3, 4, 19)]
    records += [day_of(3, LAST, statuses=marked(LAST, b"M", 5))]
    assert load_file(store, lse_file("a", *records), clock=clock).tally.rejected == 0


def test_u7_missing_spells_are_those_of_provisioned_meters(
    store: Store, clock: FixedClock, lse_file: LseFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, clock, lse_file)
    expected = [
        (esiid(2), FIRST + timedelta(days=3), FIRST + timedelta(days=4)),
        (esiid(2), LAST, LAST),
        (esiid(3), LAST - timedelta(days=4), LAST - timedelta(days=1)),
        (esiid(50), FIRST, LAST),
    ]
    assert spells(store) == expected
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    assert spells(store) == expected, "in ranges of any size"
    assert spells(store, tdsp_duns=OTHER) == expected[-1:]


def test_completeness_counts_premises_and_intervals_by_tdsp_and_day(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    fill(store, clock, lse_file)
    seen = survey(store, first_day=FIRST, last_day=LAST)
    for _ in seen:
        pass
    last, before = seen.days[ONCOR, LAST], seen.days[ONCOR, LAST - timedelta(days=1)]
    assert (last.provisioned, last.without_data, last.with_data, last.intervals) == (3, 1, 2, 192)
    assert (last.actual, last.estimated, last.missing) == (192 - 3, 2, 1)
    assert last.complete == pytest.approx(2 / 3)
    assert (before.provisioned, before.without_data, before.estimated, before.missing) == (3, 1, 0, 0)
    autumn = seen.days[ONCOR, date(2026, 11, 1)]
    assert (autumn.intervals, autumn.provisioned, autumn.without_data) == (200, 2, 0)
    other = seen.days[OTHER, LAST]
    assert (other.provisioned, other.complete, other.share(other.actual)) == (1, 0.0, 0.0)
    assert sorted(seen.days) == [(one.tdsp_duns, one.day) for one in seen.ordered()]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_missing_is_what_a_plain_reckoning_says(store: Store, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys: list[int] = []
    due: set[tuple[str, date]] = set()
    days = [FIRST + timedelta(days=n) for n in range(20)]
    for number in range(1, 13):
        since = FIRST + timedelta(days=int(rng.integers(-20, 22)))
        keys += add_premises(store, 1, first=number, installed=since, provisioned=since)
        due |= {(esiid(number), day) for day in days if day >= since}
    ensure_months(store, days)
    there = {(n, day) for n in range(1, 13) for day in days if rng.random() < 0.8 or n == 1}
    with store.write() as connection:
        rows = [
            {"premise_id": keys[n - 1], "channel": 4, "operating_day": day, "load_number": 1, "wh": bytes(384)}
            for n, day in there
        ]
        connection.execute(insert(interval_day), rows)
    expected = due - {(esiid(n), day) for n, day in there}
    found = {
        (one, first + timedelta(days=n)) for one, first, last in spells(store) for n in range((last - first).days + 1)
    }
    assert found == expected


def a_hub(store: Store, clock: FixedClock, folder: Path) -> Hub:
    settings = Settings(ftps={"root": folder})  # type: ignore[arg-type]
    with store.write() as connection:
        for n, (duns, kind) in enumerate([(ONCOR, "TDSP"), (OTHER, "TDSP"), ("333333333", "REG")], start=1):
            connection.execute(
                insert(company).values(id=n, legal_name=duns, kind=kind, email="a@b.example", created_at=clock.now())
            )
            connection.execute(insert(company_duns).values(duns=duns, company_id=n, created_at=clock.now()))
    return Hub(settings=settings, store=store, clock=clock)


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_u7_the_daily_job_writes_reports_for_tdsps_and_regulators_once_for_its_date(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path
) -> None:
    fill(store, clock, lse_file)
    hub = a_hub(store, clock, tmp_path / "site")
    today = date(2026, 11, 20)
    told = report_completeness(hub, today)
    assert "2 TDSPs and 1 regulators" in told
    reports = tmp_path / "site" / ONCOR / "reports"
    missing = list(csv.reader(lines_of(reports / f"MissingUsage-{today}.csv")))
    assert missing[0] == list(MISSING_COLUMNS)
    assert [esiid(2), str(FIRST + timedelta(days=3)), str(FIRST + timedelta(days=4)), "2", ""] in missing
    assert all(row[0] != esiid(50) for row in missing), "another TDSP's premise"
    # looked back on: 38 days (U7), up to the latest that is due
    assert min(row[1] for row in missing[1:]) == str(today - timedelta(days=38))
    complete = list(csv.DictReader(lines_of(reports / f"Completeness-{today}.csv")))
    assert list(complete[0]) == list(COMPLETENESS_COLUMNS)
    assert (len(complete), complete[-1]["COMPLETE_PERCENT"]) == (37, "66.667")
    everybody = list(csv.DictReader(lines_of(tmp_path / "site" / "333333333" / "daily" / f"Completeness-{today}.csv")))
    assert {row["TDSP_DUNS"] for row in everybody} == {ONCOR, OTHER}
    before = {path: path.read_bytes() for path in (tmp_path / "site").rglob("*.csv")}
    assert report_completeness(hub, today) == told
    assert {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()} == before
    assert [job.run for job in TABLE].count(report_completeness) == 1


def test_the_commands_print_tables(store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path) -> None:
    hub = a_hub(store, clock, tmp_path)
    empty = CliRunner().invoke(completeness, [], obj=hub)
    assert (empty.exit_code, "no provisioned meter" in empty.output) == (0, True)
    fill(store, clock, lse_file)
    shown = CliRunner().invoke(completeness, ["--day", str(LAST), "--tdsp", ONCOR], obj=hub, env={"COLUMNS": "200"})
    assert "66.67%" in shown.output
    assert OTHER not in shown.output
    listed = CliRunner().invoke(missing_usage, ["--day", str(LAST), "--most", "1"], obj=hub, env={"COLUMNS": "200"})
    assert esiid(2) in listed.output
    assert "… and 1 more" in listed.output
    assert f"2 ESI-ID-days without data from {LAST} to {LAST}" in listed.output
    with store.read() as connection:
        assert len(connection.execute(select(premise)).all()) == 5
