"""The schema goes up, down and up again on both stores, and is what the tables say."""

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from smt_ws.schema import metadata
from smt_ws.store import migrate, revision
from smt_ws.store.engine import Store


@pytest.fixture
def empty(empty_url):
    opened = Store(empty_url)
    yield opened
    opened.close()


def tables(store: Store) -> set[str]:
    with store.read() as connection:
        return set(inspect(connection).get_table_names()) - {"alembic_version"}


def test_up_down_up(empty):
    assert revision.version(empty) is None
    migrate.upgrade(empty)
    assert revision.version(empty) == migrate.head()
    assert tables(empty) == set(metadata.tables)
    migrate.downgrade(empty)
    assert tables(empty) == set()
    migrate.upgrade(empty)
    assert tables(empty) == set(metadata.tables)


def test_the_revision_needed_is_the_last_migration():
    assert revision.needed() == migrate.head()


def test_the_migrated_schema_is_the_declared_one(store):
    assert migrate.check(store, metadata) == []


def test_check_tells_a_missing_column(empty):
    migrate.upgrade(empty)
    with empty.write() as connection:
        connection.execute(text("ALTER TABLE company DROP COLUMN suspended_at"))
    assert any("suspended_at" in line for line in migrate.check(empty, metadata))


def test_an_old_schema_is_refused_with_what_to_do(empty):
    with pytest.raises(revision.SchemaMismatchError, match="smt-ws db upgrade"):
        revision.require_current(empty)


def test_the_audit_log_cannot_be_rewritten(store):
    """P7: append-only."""
    insert = "INSERT INTO audit_log (at, event, actor, details) VALUES ('2026-11-20', 'x', 'operator:me', '{}')"
    with store.write() as connection:
        connection.execute(text(insert))
    for statement in ("UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"):
        with pytest.raises(DatabaseError, match="append-only"), store.write() as connection:
            connection.execute(text(statement))
