"""The market's own example record loads: its ESI ID has 16 digits, as only a sandbox's may (U1; issue 3)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
from small_market import ONCOR
from sqlalchemy import insert, select

from smt_ws.clock import FixedClock
from smt_ws.parties.tables import meter, premise
from smt_ws.store.engine import Store
from smt_ws.usage.load import load_file
from smt_ws.usage.tables import interval_day, register_read

DAY = date(2008, 5, 10)
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


def test_the_markets_example_record_loads(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    with store.write() as connection:
        home = {"esiid": "1000000000000000", "tdsp_duns": ONCOR, "load_number": 0}
        key = connection.execute(insert(premise).values(home).returning(premise.c.id)).scalar_one()
        stay = {"premise_id": key, "meter_number": "M", "installed_on": DAY, "provisioned_on": DAY, "load_number": 0}
        connection.execute(insert(meter).values(stay))
    rows = [ROWS[0], ROWS[1], *[ROWS[1].replace("E", "A")] * 21, ROWS[2]]
    text = HEADER + "".join(f"{10_000_000 + n},{row}\n" for n, row in enumerate(rows))
    file = tmp_path / f"{ONCOR}IntervalData20080519112825001.lse"
    file.write_text(text)
    activity = load_file(store, file, clock=clock)
    assert (activity.outcome, activity.tally.loaded, activity.tally.rejected) == ("loaded", 1, 0)
    # the example names another meter reader, and its values are those of no home
    assert {finding.rule for finding in activity.findings} <= {"METER_IDENTIFICATION", "MAXIMUM_DEMAND", "SPIKE"}
    with store.read() as connection:
        (day,) = connection.execute(select(interval_day)).all()
        # 0 and 0 is how files say that the register was not read
        assert connection.execute(select(register_read)).all() == []
    assert np.frombuffer(day.wh, "<i4")[[0, 1, 4, 95]].tolist() == [68_290, 69_170, 66_810, 7_820]
    assert day.statuses == b"AAAAEEEE" + b"A" * 88
