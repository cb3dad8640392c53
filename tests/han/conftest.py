"""A home area network over each store.

These tests are many and small: on PostgreSQL they share one database, emptied before each.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_schema import fresh_database
from han_market import HanMarket, open_han_market

from smt_ws.clock import FixedClock
from smt_ws.schema import metadata
from smt_ws.store.engine import Store

#: What these tests write; the audit log is append-only.
WRITTEN = (
    "han_",
    "device_control",
    "tdsp_endpoint",
    "grants",
    "meter",
    "occupancy",
    "rep_of_record",
    "outbox",
    "answered_request",
    "premise",
    "company",
)


@pytest.fixture(scope="session")
def shared_postgresql(postgresql_server: str, migrated_postgresql: str) -> Iterator[Store]:
    with fresh_database(postgresql_server, migrated_postgresql) as url:
        store = Store(url)
        yield store
        store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        path = tmp_path / "hub.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        opened = Store(f"sqlite:///{path}")
        yield opened
        opened.close()
        return
    shared: Store = request.getfixturevalue("shared_postgresql")
    with shared.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name.startswith(WRITTEN):
                connection.execute(table.delete())
    yield shared


@pytest.fixture
def market(store: Store, tmp_path: Path, clock: FixedClock) -> HanMarket:
    """A sandbox: the REP of record needs no agreement."""
    return open_han_market(store, tmp_path, clock)


@pytest.fixture
def strict_market(store: Store, tmp_path: Path, clock: FixedClock) -> HanMarket:
    """Everybody needs an agreement, as in production."""
    return open_han_market(store, tmp_path, clock, rep_of_record_exempt=False)
