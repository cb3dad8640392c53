"""The market's own example record loads: its ESI ID has 16 digits, as only a sandbox's may (U1; issue 3)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_market import ONCOR
from sqlalchemy import select

from smt_ws.cli.check_lse import check_lse
from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store
from smt_ws.usage.load import load_file
from smt_ws.usage.tables import interval_day, register_read

DAY = date(2008, 5, 10)
ESIID = "1000000000000000"
HEADER = """00000001,1000000000000000,4,20080510000000,20080510235900,Y,N
00000002,0,0,0,,0,,900,01,1,-1,0.0,0.0,CST
00000003,UNIQUETRANID0123456789
00000004,20080519112825,M
00000030,ATTRIBUTE_VALUE_PAIRS,MRE=666666666,Sender=666666666,Receiver=183529049,REP=111111111
"""
#: Its first, second and last rows; the rows between are filled with the second's values.
ROWS = (
    "68.29,A,,69.17,A,,67.99,A,,67.99,A,,",
    "66.81,E,,66.52,E,,67.11,E,,67.11,E,,",
    "77.71,A,,76.82,A,,77.41,A,,7.82,A,,",
)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    rows = [ROWS[0], ROWS[1], *[ROWS[1].replace("E", "A")] * 21, ROWS[2]]
    text = HEADER + "".join(f"{10_000_000 + n},{row}\n" for n, row in enumerate(rows))
    file = tmp_path / f"{ONCOR}IntervalData20080519112825001.lse"
    file.write_text(text)
    return file


@pytest.fixture
def market(tmp_path: Path) -> list[Path]:
    """The files that tell of its home."""
    texts = {
        "premises": "ESIID,TDSP_DUNS,SERVICE_ADDRESS,CITY,STATE,ZIP,PREMISE_TYPE,STATUS\n"
        f"{ESIID},{ONCOR},1 Example St,Dallas,TX,75201,LARGE_NON_RESIDENTIAL,ACTIVE\n",
        "meters": f"ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON\n{ESIID},M1,{DAY},{DAY}\n",
    }
    files = []
    for name, text in texts.items():
        file = tmp_path / f"{name}.csv"
        file.write_text(text)
        files.append(file)
    return files


def test_the_markets_example_record_loads_in_a_sandbox_that_takes_such_esiids(
    store: Store, clock: FixedClock, example: Path, market: list[Path]
) -> None:
    for file in market:
        assert load_file(store, file, clock=clock, allow_test_esiids=True).tally.loaded == 1
    activity = load_file(store, example, clock=clock, allow_test_esiids=True)
    assert (activity.outcome, activity.tally.loaded, activity.tally.rejected) == ("loaded", 1, 0)
    # the example names another meter reader, and its last interval is a tenth of the others
    assert {finding.rule for finding in activity.findings} == {"METER_IDENTIFICATION"}
    with store.read() as connection:
        (day,) = connection.execute(select(interval_day)).all()
        # 0 and 0 is how files say that the register was not read
        assert connection.execute(select(register_read)).all() == []
    assert np.frombuffer(day.wh, "<i4")[[0, 1, 4, 95]].tolist() == [68_290, 69_170, 66_810, 7_820]
    assert day.statuses == b"AAAAEEEE" + b"A" * 88


def test_u5_outside_a_sandbox_every_load_refuses_such_an_esiid_by_rule(
    store: Store, clock: FixedClock, example: Path, market: list[Path], tmp_path: Path
) -> None:
    reads, bills = tmp_path / "reads.csv", tmp_path / "bills.csv"
    reads.write_text(f"ESIID,READ_DATE,USAGE_KWH,STATUS\n{ESIID},{DAY},12.5,A\n")
    bills.write_text(f"ESIID,START_DATE,END_DATE,ACTUAL_KWH,ACTION\n{ESIID},2008-05-01,2008-05-30,1000,ORIGINAL\n")
    for file in (*market, example, reads, bills):
        activity = load_file(store, file, clock=clock, tdsp_duns=ONCOR)
        assert (activity.outcome, activity.tally.loaded, activity.tally.rejected) == ("loaded", 0, 1), activity
        assert [(one.rule, one.esiid) for one in activity.findings] == [("ESIID_MALFORMED", ESIID)]


def test_u5_a_premise_of_the_sandbox_gets_no_usage_once_the_setting_is_off(
    store: Store, clock: FixedClock, example: Path, market: list[Path]
) -> None:
    for file in market:
        load_file(store, file, clock=clock, allow_test_esiids=True)
    activity = load_file(store, example, clock=clock)
    assert [one.rule for one in activity.findings] == ["ESIID_MALFORMED"]
    with store.read() as connection:
        assert connection.execute(select(interval_day)).all() == []


def test_k3_a_tdsp_is_told_so_before_it_sends_the_file(example: Path) -> None:
    told = CliRunner().invoke(check_lse, [str(example)])
    assert (told.exit_code, "ESIID_MALFORMED: 1" in told.output) == (1, True)
    told = CliRunner().invoke(check_lse, [str(example), "--test-esiids"])
    assert (told.exit_code, "ESIID_MALFORMED" in told.output) == (0, False)
