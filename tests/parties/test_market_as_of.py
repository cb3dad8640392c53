"""One snapshot: what TDSPs tell of premises can be read as of every load, whatever later loads say (U3, U6)."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import insert, inspect, select, text, union_all
from test_premise_loads import REP_1, REP_2, esiid, hung, premise_row, service

from adapters.market_csv import OccupancyRow
from smt_ws.parties import premises
from smt_ws.parties.market_as_of import standing
from smt_ws.parties.tables import HISTORY, meter, occupancy, premise, rep_of_record
from smt_ws.store import migrate
from smt_ws.store.engine import Store

TABLES = (premise, meter, occupancy, rep_of_record)


def rows_now(store, table):
    with store.read() as connection:
        return {tuple(map(str, row)) for row in connection.execute(select(table))}


def rows_as_of(store, table, number):
    with store.read() as connection:
        both = [select(*of.c[*table.columns.keys()]).where(stood) for of, stood in standing(table, number)]
        rows = [tuple(map(str, row)) for row in connection.execute(union_all(*both))]
    assert len(set(rows)) == len(rows)
    return set(rows)


def moved_in(n, first, last=None, line=2):
    return OccupancyRow(line, esiid(n), date.fromisoformat(first), date.fromisoformat(last) if last else None)


LOADS = (
    (premises.apply_premises, [premise_row(1), premise_row(2, 3), premise_row(3, 4)]),
    (premises.apply_meters, [hung(1, "M1", "2026-01-01"), hung(2, "M2", "2026-01-01", "2026-01-05", line=3)]),
    (premises.apply_reps_of_record, [service(1, REP_1, "2024-01-01"), service(2, REP_1, "2024-01-01", line=3)]),
    (premises.apply_occupancies, [moved_in(1, "2024-01-01")]),
    # provisioned, and exchanged: a row is replaced, one is ended by another
    (premises.apply_meters, [hung(1, "M1", "2026-01-01", "2026-03-01"), hung(2, "M3", "2026-04-01", line=3)]),
    (premises.apply_reps_of_record, [service(1, REP_2, "2026-03-10"), service(3, REP_1, "2026-03-10", line=3)]),
    (premises.apply_occupancies, [moved_in(1, "2026-03-10")]),
    (premises.apply_premises, [premise_row(1, status="INACTIVE"), premise_row(2, 3), premise_row(4, 4)]),
    (premises.apply_reps_of_record, [service(1, REP_2, "2026-03-10", "2026-05-01")]),
    # the same again: nothing is replaced
    (premises.apply_reps_of_record, [service(1, REP_2, "2026-03-10", "2026-05-01")]),
    (premises.apply_meters, [hung(2, "M3", "2026-04-01", "2026-04-02", "2026-06-01")]),
)


def test_what_tdsps_tell_is_read_as_of_every_load(store):
    told = []
    for number, (function, rows) in enumerate(LOADS, start=1):
        with store.write() as connection:
            function(connection, rows, load_number=number, tdsp_duns=None)
        told.append({table.name: rows_now(store, table) for table in TABLES})
    for number, then in enumerate(told, start=1):
        assert {table.name: rows_as_of(store, table, number) for table in TABLES} == then
    for table in TABLES:
        assert rows_as_of(store, table, 0) == set()
        assert rows_as_of(store, table, None) == rows_now(store, table)
        with store.read() as connection:
            assert connection.execute(select(HISTORY[table.name])).all(), f"no {table.name} was replaced"


@pytest.mark.parametrize(("status", "as_before"), [("In Progress", True), ("Complete", False)])
def test_an_open_order_reads_rows_of_before_the_migration_as_they_stand(empty_url, status, as_before):
    store = Store(empty_url)
    try:
        migrate.upgrade(store, "0009")
        with store.write() as connection:
            connection.execute(text(_COMPANY))
            connection.execute(text(_ORDER), {"status": status})
            key = connection.scalar(
                insert(premise).values(esiid=esiid(1), tdsp_duns="1039940674000", load_number=3).returning(premise.c.id)
            )
            connection.execute(
                insert(rep_of_record).values(premise_id=key, from_day=date(2026, 1, 1), duns=REP_1, load_number=9)
            )
        migrate.upgrade(store)
        with store.read() as connection:
            assert "rep_of_record_history" in inspect(connection).get_table_names()
        assert len(rows_as_of(store, premise, 5)) == 1
        assert len(rows_as_of(store, rep_of_record, 5)) == as_before
        assert len(rows_as_of(store, rep_of_record, 9)) == 1
    finally:
        store.close()


_COMPANY = (
    "INSERT INTO company (id, legal_name, kind, email, created_at)"
    " VALUES (1, 'REP One', 'REP', 'a@rep.example', '2026-11-20')"
)
_ORDER = (
    "INSERT INTO report_order (number, company_id, duns, trans_id, requestor_id, report, format, csv_profile, version,"
    " reading_type, delivery_mode, first_day, last_day, as_of_load, status, esiids_asked, days_asked, exceptions,"
    " accepted_at) VALUES (100001, 1, '111111111', 't', 'r', 'interval', 'CSV', 'standard', 'L', 'A', 'FTP',"
    " '2026-11-01', '2026-11-02', 5, :status, 1, 2, '', '2026-11-20')"
)
