"""P10: a REP fails and 100,000 ESI IDs move overnight, in one file through the inbox (both stores)."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
from inbox_market import drop, hub_over, nothing_is_left, reports
from small_market import ONCOR, esiid
from sqlalchemy import func, select

from smt_ws.clock import FixedClock
from smt_ws.parties import companies
from smt_ws.parties.access import authorise
from smt_ws.parties.rules import REASON_CODES, Reason
from smt_ws.parties.tables import premise, rep_of_record
from smt_ws.store.columns import copy_columns
from smt_ws.store.engine import Store
from smt_ws.usage.inbox import Inboxes

HOMES = 100_000
FAILED, RESCUER = "555555555", "666666666"
LAST, FIRST = date(2026, 11, 19), date(2026, 11, 20)


def test_p10_100_000_change_their_rep_in_one_load_and_the_old_one_keeps_what_it_served(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    hub = hub_over(store, tmp_path, clock)
    ids = {
        duns: companies.add_company(
            store, legal_name=duns, kind="REP", email="a@b.example", duns=[duns], actor="test", clock=clock
        )
        for duns in (FAILED, RESCUER)
    }
    keys = np.arange(HOMES) + 1
    names = [esiid(n) for n in range(HOMES)]
    with store.write() as connection:
        served = np.full(HOMES, date(2024, 1, 1), "datetime64[D]")
        copy_columns(
            connection,
            premise,
            {
                "id": keys,
                "esiid": np.array([name.encode() for name in names]),
                "tdsp_duns": np.full(HOMES, ONCOR.encode()),
                "load_number": np.zeros(HOMES, np.int64),
            },
        )
        copy_columns(
            connection,
            rep_of_record,
            {
                "premise_id": keys,
                "from_day": served,
                "duns": np.full(HOMES, FAILED.encode()),
                "load_number": np.zeros(HOMES, np.int64),
            },
        )
    file = tmp_path / "switch.csv"
    # one of them is nobody's: it costs none of the others its place
    rows = "".join(f"{name},{RESCUER},{FIRST}\n" for name in [*names, esiid(HOMES)])
    file.write_text("ESIID,REP_DUNS,FROM_DATE\n" + rows)
    drop(hub, file)
    assert Inboxes(hub).take_in_once() == 1
    (report,) = reports(hub).values()
    totals = {row["OUTCOME"]: int(row["COUNT"]) for row in report if row["ROW"] == "TOTAL"}
    assert totals == {"LOADED": HOMES, "REPLACED": 0, "UNCHANGED": 0, "REJECTED": 1, "FLAGGED": 0}
    assert [(row["LINE"], row["RULE"]) for row in report if row["ROW"] == "RECORD"] == [
        (str(HOMES + 2), "ESIID_UNKNOWN")
    ]
    assert nothing_is_left(hub)
    of = rep_of_record.c
    with store.read() as connection:
        spells = connection.execute(
            select(of.duns, of.from_day, of.to_day, func.count()).group_by(of.duns, of.from_day, of.to_day)
        ).all()
        assert {tuple(spell) for spell in spells} == {
            (FAILED, date(2024, 1, 1), LAST, HOMES),
            (RESCUER, FIRST, None, HOMES),
        }
        seen = {
            duns: authorise(
                connection,
                company_id=ids[duns],
                kind="REP",
                duns_numbers=[duns],
                esiids=names[:: HOMES // 100],
                first_day=LAST - timedelta(days=9),
                last_day=FIRST + timedelta(days=9),
                now=clock.now(),
            )
            for duns in (FAILED, RESCUER)
        }
    for duns, first, last, why in (
        (FAILED, LAST - timedelta(days=9), LAST, Reason.AFTER_SERVICE),
        (RESCUER, FIRST, FIRST + timedelta(days=9), Reason.BEFORE_SERVICE),
    ):
        access = seen[duns]
        assert (access.days_allowed, access.days_refused) == (1_000, 1_000)
        assert {(row["first_day"].item(), row["last_day"].item()) for row in access.slices} == {(first, last)}
        assert {REASON_CODES[code] for code in access.refusals["code"].tolist()} == {why}
    # the same file again says that nothing is new
    drop(hub, file)
    assert Inboxes(hub).take_in_once() == 1
    assert sorted(rows[0]["OUTCOME"] for rows in reports(hub).values()) == ["LOADED", "REPEATED"]
