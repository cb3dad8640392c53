"""K3: what is told of why a company may see a day is what decides it (R5, both stores)."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from sqlalchemy import insert
from test_access import DUNS, JUNE, NOW, OURS, TDSP, ask, esiid, grant, market, serve

from smt_ws.parties.grounds import grounds, legal_names, served_by
from smt_ws.parties.tables import company_duns

__all__ = ["market"]


def on(n: int) -> date:
    return date(2026, 6, 1) + timedelta(days=n)


@pytest.mark.parametrize("seed", range(4))
def test_a_day_is_open_exactly_where_one_of_the_grounds_opens_it_r5(market, seed):
    rng = random.Random(seed)
    with market.write() as connection:
        for home in range(10):
            day = rng.randrange(-5, 6)
            for _ in range(rng.randrange(4)):
                end = day + rng.randrange(8)
                serve(connection, home, on(day), rng.choice([on(end), on(end)]), rng.choice([*DUNS, "222222222"]))
                day = end + 1 + rng.randrange(3)
            for _ in range(rng.randrange(3)):
                first = rng.randrange(-5, 30)
                grant(
                    connection, home, on(first), rng.choice([None, on(first + rng.randrange(9))]),
                    company_id=rng.choice([OURS, OURS, 2]), scope=rng.choice(["energy_data", "energy_data", "device"]),
                    granted_at=NOW + timedelta(hours=rng.choice([-1, -1, 1])),
                    ended_at=rng.choice([None, None, NOW - timedelta(hours=1), NOW, NOW + timedelta(hours=1)]),
                )  # fmt: skip
    with market.read() as connection:
        for kind, numbers in (("REP", DUNS), ("CSP", DUNS), ("TDSP", (TDSP,)), ("TDSP", DUNS), ("REG", DUNS)):
            access = ask(connection, [esiid(home) for home in range(10)], kind=kind, duns_numbers=numbers)
            opened = {
                (int(row["esiid"]), day)
                for row in access.slices
                for day in map(on, range(30))
                if row["first_day"].item() <= day <= row["last_day"].item()
            }
            told = set()
            for home in range(10):
                has = grounds(connection, company_id=OURS, kind=kind, duns_numbers=numbers, esiid=esiid(home))
                told |= {(home, day) for day in map(on, range(30)) if any(one.opens(day, now=NOW) for one in has)}
            assert told == opened, kind


def test_who_served_a_day_is_told_by_name_where_the_hub_knows_it(market):
    with market.write() as connection:
        connection.execute(insert(company_duns).values(duns=DUNS[0], company_id=OURS, created_at=NOW))
        serve(connection, 0, JUNE[0], JUNE[1])
        serve(connection, 0, JUNE[1] + timedelta(days=1), duns="222222222")
        days = (JUNE[0] - timedelta(days=1), JUNE[0], JUNE[1], date(2026, 9, 1))
        assert [served_by(connection, esiid=esiid(0), day=day) for day in days] == [None, DUNS[0], DUNS[0], "222222222"]
        assert legal_names(connection, [DUNS[0], "222222222"]) == {DUNS[0]: f"Company {OURS}"}


def test_of_an_unknown_esiid_there_is_nothing_to_tell(market):
    with market.read() as connection:
        assert grounds(connection, company_id=OURS, kind="REP", duns_numbers=DUNS, esiid=esiid(99)) == []
