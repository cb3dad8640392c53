"""Agreements at the size of a market: what a holder of many may see, and one night over all of them.

* access: one third party holds one agreement in twenty, each a grant; every home has rows of REPs of record besides.
  `parties.access` is asked for all of the third party's ESI IDs over 13 months. Beside it the floor: the same
  ESI IDs joined with premises and grants by one plain statement, counted by the server.
* night: `smt_ws.agreements.lifecycle.pass_night` where one agreement in a hundred lapses, one expires and one is
  announced, letters queued; the longest transaction beside the whole. The floor: one UPDATE of the same rows' status.

    python benchmarks/agreements.py            # 10 %: 100,000 agreements, 250,000 rows of REPs of record
    python benchmarks/agreements.py --full     # 1,000,000 and 2,500,000; needs 6 GB
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime

import psycopg
from sqlalchemy import Connection, event, text

from smt_ws.agreements.lifecycle import pass_night
from smt_ws.clock import FixedClock
from smt_ws.parties.access import authorise
from smt_ws.store import migrate
from smt_ws.store.engine import Store

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
#: Shares of a night, in agreements of a hundred: invitations that lapse, agreements that end, that have 30 days left.
LAPSES, ENDS, NEARS = 0, 1, 2
#: A home of twenty is the asking third party's.
EACH = 20


#: What the market is made of, one statement after the other. Premise n has agreement n.
SEED = f"""
INSERT INTO company (legal_name, kind, email, created_at)
SELECT 'Company ' || n, 'CSP', 'desk@company' || n || '.example', :now FROM generate_series(1, 100) n;

INSERT INTO company_duns (duns, company_id, created_at) SELECT lpad(id::text, 9, '0'), id, :now FROM company;

INSERT INTO premise (esiid, tdsp_duns, load_number)
SELECT '1044372' || lpad(n::text, 10, '0'), '4444444440000', 1 FROM generate_series(0, :last) n;

INSERT INTO rep_of_record (premise_id, from_day, to_day, duns, load_number)
SELECT p.id, DATE '2020-01-01' + spell * 400,
       CASE WHEN spell < spells THEN DATE '2020-01-01' + spell * 400 + 399 END,
       '99999999' || (p.id + spell) % 10, 1
FROM (SELECT id, CASE WHEN id % 2 = 0 THEN 1 ELSE 2 END AS spells FROM premise) p, generate_series(0, spells) spell;

INSERT INTO occupancy (premise_id, move_in_day, load_number) SELECT id, DATE '2023-01-01', 1 FROM premise;

INSERT INTO agreement (
    number, company_id, duns, company_kind, kind, status, all_meters, customer_kind, first_name, last_name,
    last_name_key, email, email_key, language, requestor_id, contact_name, contact_email, attested_at, services,
    months, initiated_at, expires_on, accepted_at, accepted_on, end_day
)
SELECT lpad(id::text, 12, '0'), c, lpad(c::text, 9, '0'), 'CSP', 'ongoing',
       CASE WHEN id % 100 = {LAPSES} THEN 'Pending' ELSE 'Active' END, false, 'residential', 'Ana', 'Name' || id,
       'name' || id, 'ana' || id || '@home.example', 'ana' || id || '@home.example', 'en', 'svc', 'Desk',
       'desk@company.example', :now, '["energy_data"]', 12, :now, DATE '2026-11-21',
       CASE WHEN id % 100 = {LAPSES} THEN NULL ELSE CAST(:now AS timestamptz) END,
       CASE WHEN id % 100 = {LAPSES} THEN NULL ELSE DATE '2026-11-22' END,
       CASE id % 100 WHEN {LAPSES} THEN NULL WHEN {ENDS} THEN DATE '2026-11-21' WHEN {NEARS} THEN DATE '2026-12-22'
                     ELSE DATE '2027-06-01' END
FROM (SELECT id, CASE WHEN id % {EACH} = 3 THEN 1 ELSE 2 + id % 99 END AS c FROM premise) p;

INSERT INTO agreement_premise (premise_id, number, meter_number)
SELECT id, lpad(id::text, 12, '0'), 'M' || id FROM premise;

INSERT INTO grants (premise_id, id, company_id, scope, from_day, to_day, granted_at, ended_at, source)
SELECT p.id, p.id * 3, a.company_id, 'energy_data', DATE '2024-11-22', a.end_day, a.accepted_at,
       a.end_day + 1 + TIME '06:00' AT TIME ZONE 'UTC', 'agreement:' || a.number
FROM premise p JOIN agreement a ON a.number = lpad(p.id::text, 12, '0') WHERE a.accepted_at IS NOT NULL
"""


def seed(store: Store, agreements: int) -> None:
    """Homes with two and a half rows of REPs of record each, and an agreement with one of 100 companies each."""
    for statement in SEED.split(";\n"):
        given = {name: value for name, value in (("now", NOW), ("last", agreements - 1)) if f":{name}" in statement}
        # Each by itself: whoever analyses the database meanwhile would see empty tables, and every foreign key would
        # be checked by a scan.
        with store.write() as connection:
            connection.execute(text(statement), given)
        table = re.search(r"INSERT INTO (\w+)", statement)
        assert table is not None
        with store.engine.connect() as plain:
            plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"ANALYZE {table[1]}")


def access(store: Store, runs: int) -> None:
    """Ask for everything that the first company holds, in turn with the floor."""
    question = text(
        "SELECT p.esiid FROM grants g JOIN premise p ON p.id = g.premise_id WHERE g.company_id = 1 ORDER BY p.esiid"
    )
    with store.read() as connection:
        esiids = list(connection.scalars(question))
    took: list[float] = []
    floor: list[float] = []
    for _ in range(runs + 1):
        with store.read() as connection:
            floor.append(_floor(connection, esiids))
            begin = time.perf_counter()
            found = authorise(
                connection,
                company_id=1,
                kind="CSP",
                duns_numbers=["000000001"],
                esiids=esiids,
                first_day=datetime(2025, 10, 22, tzinfo=UTC).date(),
                last_day=datetime(2026, 11, 21, tzinfo=UTC).date(),
                now=NOW,
            )
            took.append(time.perf_counter() - begin)
    assert found.days_allowed > 0.9 * len(esiids) * 395, "most of it is open"
    median, below = statistics.median(took[1:]), statistics.median(floor[1:])
    print(
        f"access: {len(esiids):,} ESI IDs x 13 months: {median * 1e3:,.0f} ms,"
        f" {median / below:.2f} times the plain join ({below * 1e3:,.0f} ms)"
    )


def _floor(connection: Connection, esiids: list[str]) -> float:
    begin = time.perf_counter()
    joined = text(
        "SELECT count(*) FROM unnest(string_to_array(:esiids, ',')) WITH ORDINALITY asked (esiid, position)"
        " JOIN premise USING (esiid) LEFT JOIN grants ON grants.premise_id = premise.id AND company_id = 1"
    )
    counted = connection.execute(joined, {"esiids": ",".join(esiids)}).scalar_one()
    assert counted == len(esiids)
    return time.perf_counter() - begin


def night(store: Store, agreements: int) -> None:
    """One night; the floor is taken first and rolled back."""
    with store.engine.connect() as connection:
        begin = time.perf_counter()
        with connection.begin() as undone:
            changed = connection.execute(
                text(f"UPDATE agreement SET ended_at = :now WHERE CAST(number AS bigint) % 100 <= {NEARS}"),
                {"now": NOW},
            ).rowcount
            undone.rollback()
        floor = time.perf_counter() - begin
    longest, begun = 0.0, 0.0

    def begins(_connection: Connection) -> None:
        nonlocal begun
        begun = time.perf_counter()

    def commits(_connection: Connection) -> None:
        nonlocal longest
        longest = max(longest, time.perf_counter() - begun)

    event.listen(store.engine, "begin", begins)
    event.listen(store.engine, "commit", commits)
    begin = time.perf_counter()
    done = pass_night(store, clock=FixedClock(NOW), keep_years=3)
    took = time.perf_counter() - begin
    share = agreements // 100
    assert (done.not_accepted, done.expired, done.announced) == (share, share, share), done
    with store.read() as connection:
        letters = connection.execute(text("SELECT count(*) FROM outbox WHERE kind = 'agreement.letter'")).scalar_one()
    assert letters == 5 * share
    print(
        f"night: {agreements:,} agreements, {changed:,} of them moved, {letters:,} letters queued: {took:.1f} s,"
        f" longest transaction {longest:.2f} s, {took / floor:.1f} times one bare UPDATE ({floor:.1f} s)"
    )
    begin = time.perf_counter()
    pass_night(store, clock=FixedClock(NOW), keep_years=3)
    print(f"night, again, nothing to do: {time.perf_counter() - begin:.2f} s")


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--full", action="store_true", help="1,000,000 agreements instead of 100,000")
    arguments.add_argument("--url", default="postgresql://127.0.0.1/test", help="a PostgreSQL database to work in")
    arguments.add_argument("--runs", type=int, default=7)
    options = arguments.parse_args()
    agreements = 1_000_000 if options.full else 100_000
    if shutil.disk_usage(tempfile.gettempdir()).free < (6e9 if options.full else 1e9):
        print("not enough free disk", file=sys.stderr)
        return 2
    schema = f"bench_agreements_{os.getpid()}"
    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    try:
        store = Store(f"{options.url}{'&' if '?' in options.url else '?'}options=-csearch_path%3D{schema}")
        migrate.upgrade(store)
        begin = time.perf_counter()
        seed(store, agreements)
        print(f"seeded {agreements:,} agreements in {time.perf_counter() - begin:.0f} s")
        access(store, options.runs)
        night(store, agreements)
        store.close()
    finally:
        with psycopg.connect(options.url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
