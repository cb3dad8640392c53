"""K3: a TDSP checks an LSE file without a hub and sees what the hub would say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from inbox_market import zipped
from small_market import add_premises, day_of, marked

from smt_ws.cli.check_lse import check_lse
from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store
from smt_ws.usage.load import load_file

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(check_lse, [*map(str, arguments), "--today", "2026-11-20"], catch_exceptions=False)


def test_a_good_file_with_the_spring_and_the_autumn_day_of_a_solar_home(lse_file: LseFile) -> None:
    days = [date(2026, 3, 8), date(2026, 11, 1), DAY]
    file = lse_file("a", *(day_of(1, day, channel=channel) for day in days for channel in (4, 1)))
    for sent in (file, zipped(file)):
        result = run(sent)
        assert result.exit_code == 0, result.output
        assert f"{sent.name}: good" in result.output
        assert "6: 6 good, 0 rejected; 0 flagged" in result.output
        assert "1, 2026-03-08 to 2026-11-10" in result.output
        assert "3 load (4), 3 generation (1)" in result.output
        assert "2 of 92 (spring), 2 of 96 (ordinary), 2 of 100 (autumn)" in result.output
        assert "576 A, 0 E, 0 M" in result.output


def test_rejects_and_flags_are_named_with_their_lines_and_rejects_end_with_1(lse_file: LseFile) -> None:
    flagged = lse_file("flagged", day_of(1, DAY, statuses=marked(DAY, b"M", 0, 1)))
    result = run(flagged)
    assert result.exit_code == 0
    assert "line 1: flag: MISSING_INTERVALS" in result.output
    today = lse_file("b", day_of(1, DAY), day_of(1, DAY), day_of(2, date(2026, 11, 20)))
    broken = lse_file("c", day_of(3, DAY))
    broken.write_bytes(broken.read_bytes().replace(b"00000002,", b"00000099,"))
    result = run(today, broken)
    assert result.exit_code == 1
    assert "line 30: reject: DUPLICATE_IN_FILE" in result.output
    assert "line 59: reject: DAY_NOT_OVER" in result.output
    assert "c.lse: rejects" in result.output
    assert "reject: HEADER_ROW" in result.output


def test_it_says_what_a_load_of_the_same_file_says(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 3)
    file = lse_file(
        "a", day_of(1, DAY), day_of(2, DAY, statuses=marked(DAY, b"M", 5)), day_of(1, DAY), day_of(3, DAY, wh=0)
    )
    activity = load_file(store, file, clock=clock)
    result = run(file, "--all")
    assert "4: 3 good, 1 rejected; 2 flagged" in result.output
    assert (activity.tally.loaded, activity.tally.rejected, activity.tally.flagged) == (3, 1, 2)
    for finding in activity.findings:
        assert f"line {finding.line}: {finding.severity.value}: {finding.rule}: " in result.output


def test_files_that_would_be_refused_end_with_1_and_do_not_hide_the_others(lse_file: LseFile, tmp_path: Path) -> None:
    cut = zipped(lse_file("cut", day_of(1, DAY)))
    cut.write_bytes(cut.read_bytes()[:-10])
    (tmp_path / "x.csv").write_bytes(b"A,B\n")
    (tmp_path / "y.lse.asc").write_bytes(b"-----BEGIN PGP MESSAGE-----")
    good = lse_file("good", day_of(2, DAY))
    result = run(cut, tmp_path / "x.csv", tmp_path / "y.lse.asc", tmp_path / "missing.lse", good)
    assert result.exit_code == 1
    codes = ("FILE_UNREADABLE", "FILE_KIND_UNKNOWN", "FILE_NOT_DECRYPTABLE", "good.lse: good")
    assert all(code in result.output for code in codes)


@pytest.mark.slow
def test_no_hub_is_needed(lse_file: LseFile, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "smt_ws.cli", "check-lse", lse_file("a", day_of(1, DAY)), "--today", "2026-11-20"],
        cwd=tmp_path / "empty",
        env={**os.environ, "SMT_WS_DATABASE": "postgresql://127.0.0.1:1/nothing"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "empty").iterdir()) == []
