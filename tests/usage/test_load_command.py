"""``smt-ws load`` as an operator sees it: a summary, a report a file, an exit code."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_market import add_premises, day_of, esiid, marked

from smt_ws.cli.load import load
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.usage.activity import COLUMNS

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]


@pytest.fixture
def run(store: Store, clock: FixedClock) -> Callable[..., Result]:
    def call(*arguments: object) -> Result:
        hub = Hub(settings=Settings(), store=store, clock=clock)
        return CliRunner().invoke(load, [str(argument) for argument in arguments], obj=hub, catch_exceptions=False)

    return call


def test_u4_the_activity_report_has_every_rejection_with_its_line_and_reason(
    store: Store, lse_file: LseFile, run: Callable[..., Result], tmp_path: Path
) -> None:
    add_premises(store, 2)
    file = lse_file("a", day_of(1, DAY), day_of(9, DAY), day_of(2, DAY, statuses=marked(DAY, b"M", 0)))
    result = run(file, "--reports", tmp_path / "reports")
    assert result.exit_code == 0
    assert "  2 loaded, 0 replaced, 0 unchanged, 1 rejected, 1 flagged\n  ESIID_UNKNOWN: 1\n" in result.output
    assert f"  line 30: reject: ESIID_UNKNOWN: {esiid(9)} 2026-11-10: no premise has" in result.output
    (report,) = (tmp_path / "reports").iterdir()
    with report.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["OUTCOME"] == "LOADED"
    assert "a.lse" in rows[0]["REASON"]
    totals = {row["OUTCOME"]: row["COUNT"] for row in rows if row["ROW"] == "TOTAL"}
    assert totals == {"LOADED": "2", "REPLACED": "0", "UNCHANGED": "0", "REJECTED": "1", "FLAGGED": "1"}
    details = [row for row in rows if row["ROW"] == "RECORD"]
    assert [(row["OUTCOME"], row["LINE"], row["ESIID"], row["OPERATING_DAY"], row["RULE"]) for row in details] == [
        ("REJECTED", "30", esiid(9), "2026-11-10", "ESIID_UNKNOWN"),
        ("FLAGGED", "59", esiid(2), "2026-11-10", "MISSING_INTERVALS"),
    ]
    assert all(row["REASON"] for row in details)


def test_a_repeated_file_keeps_the_first_report(
    store: Store, lse_file: LseFile, run: Callable[..., Result], tmp_path: Path
) -> None:
    add_premises(store, 1)
    file = lse_file("a", day_of(1, DAY))
    assert run(file, "--reports", tmp_path / "reports").exit_code == 0
    again = run(file, "--reports", tmp_path / "reports")
    assert again.exit_code == 0
    assert "repeated" in again.output
    outcomes = [path.read_text().splitlines()[1].split(",")[1] for path in sorted((tmp_path / "reports").iterdir())]
    assert sorted(outcomes) == ["LOADED", "REPEATED"]


def test_a_refused_file_does_not_stop_the_others_but_the_exit_code_tells(
    store: Store, lse_file: LseFile, run: Callable[..., Result], tmp_path: Path
) -> None:
    add_premises(store, 1)
    result = run(tmp_path / "absent.lse", lse_file("a", day_of(1, DAY)))
    assert result.exit_code == 1
    assert "absent.lse: refused in " in result.output
    assert "FILE_UNREADABLE" in result.output
    assert "a.lse: loaded as load 1 in " in result.output
    assert "2 files, 1 refused: 1 loaded, 0 replaced" in result.output


def test_u8_unprovisioned_days_are_taken_on_request(
    store: Store, lse_file: LseFile, run: Callable[..., Result]
) -> None:
    add_premises(store, 1, provisioned=None)
    file = lse_file("a", day_of(1, DAY))
    assert "METER_NOT_PROVISIONED: 1" in run("--take-unprovisioned", file).output
