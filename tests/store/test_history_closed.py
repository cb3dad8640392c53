"""The upgrade that closes past usage which no invitation named (A24), on data of the release before."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from smt_ws.store import migrate
from smt_ws.store.engine import Store

AGREEMENT = """
INSERT INTO agreement (number, company_id, duns, company_kind, kind, status, all_meters, customer_kind, first_name,
  last_name, last_name_key, email, email_key, language, requestor_id, contact_name, contact_email, comments,
  attested_at, services, initiated_at, expires_on, accepted_on)
VALUES (:number, 1, '333333333', 'CSP', :kind, :status, FALSE, 'residential', 'Ana', 'Luna', 'luna', 'a@c.example',
  'a@c.example', 'en', 'svc', 'Ana Ruiz', 'ana@lantern.example', '', '2026-10-01', :services, '2026-10-01',
  '2026-10-31', '2026-10-02')
"""
GRANT = """
INSERT INTO grants (premise_id, id, company_id, scope, from_day, to_day, granted_at, ended_at, source)
VALUES (1, :id, 1, :scope, :first, '2027-04-01', '2026-10-02', :ended, 'agreement:' || :number)
"""
ONGOING, MESSAGES, ONE_TIME, OVER, MOVED = (f"10022600000{n}" for n in range(1, 6))


@pytest.fixture
def before(empty_url):
    store = Store(empty_url)
    migrate.upgrade(store, "0011")
    with store.write() as connection:
        for statement in (
            "INSERT INTO company (id, legal_name, kind, email, created_at) VALUES (1, 'L', 'CSP', 'a@b', '2026-01-01')",
            "INSERT INTO premise (id, esiid, tdsp_duns, load_number) VALUES (1, '10443720000000017', '103994067', 0)",
        ):
            connection.execute(text(statement))
        for number, kind, status, services in (
            (ONGOING, "ongoing", "Active", ["energy_data", "device_services"]),
            (MESSAGES, "ongoing", "Active", ["device_services"]),
            (ONE_TIME, "one_time", "Active", ["energy_data"]),
            (OVER, "ongoing", "Terminated", ["energy_data"]),
            (MOVED, "ongoing", "Frozen", ["energy_data"]),
        ):
            values = {"number": number, "kind": kind, "status": status, "services": json.dumps(services)}
            connection.execute(text(AGREEMENT), values)
        for position, (number, scope, first, ended) in enumerate(
            (
                (ONGOING, "energy_data", "2024-10-02", "2027-04-02"),
                (ONGOING, "device_services", "2024-10-02", "2027-04-02"),
                (ONE_TIME, "energy_data", "2026-07-02", None),
                (OVER, "energy_data", "2024-10-02", "2026-11-01"),
                (MOVED, "energy_data", "2026-11-15", None),
            )
        ):
            values = {"number": number, "id": position, "scope": scope, "first": first, "ended": ended}
            connection.execute(text(GRANT), values)
    yield store
    store.close()


def test_what_was_open_is_cut_to_the_day_of_acceptance_and_both_sides_will_be_told(before):
    migrate.upgrade(before)
    with before.read() as connection:
        rows = connection.execute(text("SELECT source, scope, from_day FROM grants ORDER BY id"))
        found = [(row.source.rpartition(":")[2], row.scope, str(row.from_day)) for row in rows]
        effects = connection.execute(text("SELECT kind, dedupe_key, payload FROM outbox ORDER BY id")).all()
    assert found == [
        (ONGOING, "energy_data", "2026-10-02"),
        (ONGOING, "device_services", "2026-10-02"),
        (ONE_TIME, "report", "2026-07-02"),
        (OVER, "energy_data", "2024-10-02"),
        (MOVED, "energy_data", "2026-11-15"),
    ]
    told = [payload if isinstance(payload, dict) else json.loads(payload) for _kind, _key, payload in effects]
    assert told == [{"number": ONGOING}, {"number": MOVED}]
    assert {kind for kind, _key, _payload in effects} == {"agreement.history_closed"}
