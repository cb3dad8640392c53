"""A store's connections in the kinds of transaction: what is planned anew, what is kept, what is committed."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from smt_ws.store.engine import Store


@pytest.fixture
def on_postgresql(store: Store) -> Store:
    if store.is_sqlite:
        pytest.skip("SQLite makes its plans when a statement is prepared")
    return store


def plans(connection: Connection) -> str:
    return str(connection.exec_driver_sql("SHOW plan_cache_mode").scalar_one())


def test_statements_about_lists_are_planned_anew_and_lookups_once(on_postgresql: Store) -> None:
    """Whatever came before on the same connection, and also after a transaction that was rolled back."""
    store = on_postgresql
    for kind, mode in (
        (store.write, "force_custom_plan"),
        (store.each_alone, "force_generic_plan"),
        (store.look, "force_generic_plan"),
        (store.read, "force_custom_plan"),
        (store.look, "force_generic_plan"),
        (store.write, "force_custom_plan"),
    ):
        with kind() as connection:
            assert plans(connection) == mode
        with kind() as connection, pytest.raises(DBAPIError):
            connection.exec_driver_sql("SELECT 1 / 0")


def test_each_statement_alone_is_committed_and_a_failed_one_undoes_no_other(on_postgresql: Store) -> None:
    store = on_postgresql
    with store.write() as connection:
        connection.exec_driver_sql("CREATE TABLE noted (number INTEGER PRIMARY KEY)")
    with store.each_alone() as connection:
        connection.exec_driver_sql("INSERT INTO noted VALUES (1)")
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql("INSERT INTO noted VALUES (1)")
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT number FROM noted").scalars().all() == [1]
    with store.write() as connection:
        connection.exec_driver_sql("DROP TABLE noted")


def test_connections_are_kept_however_many_were_needed_at_once(on_postgresql: Store) -> None:
    store = Store(on_postgresql.url.render_as_string(hide_password=False), kept=3)

    def numbers() -> set[int]:
        with store.look() as one, store.look() as two, store.look() as three:
            return {c.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() for c in (one, two, three)}

    assert numbers() == numbers()
    store.close()
