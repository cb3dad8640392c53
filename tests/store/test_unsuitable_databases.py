"""A database that cannot hold the hub is told in one sentence that says what to do."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from smt_ws.cli.main import main


@pytest.fixture
def database(postgresql_server: str) -> Iterator[Callable[..., str]]:
    """Make a database of the server and return its URL."""
    url = make_url(postgresql_server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = f"unsuitable_{uuid.uuid4().hex[:12]}"
    with engine.connect() as connection:

        def make(options: str) -> str:
            connection.execute(text(f"CREATE DATABASE {name} {options}"))
            return url.set(database=name).render_as_string(hide_password=False)

        yield make
        gc.collect()  # what the commands left open
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


def told(url: str, monkeypatch: pytest.MonkeyPatch, *line: str) -> str:
    monkeypatch.delenv("SMT_WS_FILE", raising=False)
    monkeypatch.setenv("SMT_WS_DATABASE", url)
    result = CliRunner().invoke(main, line or ["db", "upgrade"])
    assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.exc_info
    assert result.output.count("\n") == 1
    return result.output


def test_a_database_that_is_not_utf_8(database, monkeypatch) -> None:
    said = told(database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"), monkeypatch)
    assert "is in LATIN1, the hub needs UTF-8: make it anew with `createdb --encoding UTF8" in said


def test_a_schema_in_which_no_table_may_be_made(store_url, monkeypatch) -> None:
    url = make_url(store_url)
    if url.get_backend_name() == "sqlite":
        pytest.skip("SQLite has no schemas")
    engine = create_engine(url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        superuser = connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    # a schema that everybody may read and nobody but a superuser may write
    options = "-c search_path=information_schema" + (" -c role=pg_monitor" if superuser else "")
    under = url.update_query_dict({"options": options}).render_as_string(hide_password=False)
    assert 'may not make tables in the schema "information_schema"' in (said := told(under, monkeypatch))
    assert '`GRANT CREATE ON SCHEMA "information_schema" TO "' in said
    nowhere = url.update_query_dict({"options": "-c search_path=not_there"}).render_as_string(hide_password=False)
    assert "no schema of the search_path exists" in told(nowhere, monkeypatch)


def test_a_database_that_is_not_there_or_has_no_tables(store_url, monkeypatch, tmp_path: Path) -> None:
    if make_url(store_url).get_backend_name() != "sqlite":
        gone = make_url(store_url).set(database="no_such_database").render_as_string(hide_password=False)
        assert '"no_such_database" does not exist' in told(gone, monkeypatch)
    assert "no such table" in told(f"sqlite:///{tmp_path}/empty.db", monkeypatch, "company", "list")
