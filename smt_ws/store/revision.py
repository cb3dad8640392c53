"""Whether a store has this release's schema: asked at the start of every process, so without loading Alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from smt_ws.errors import HubError
from smt_ws.store.engine import Store

__all__ = ["DatabaseUnsuitableError", "SchemaMismatchError", "needed", "require_current", "require_suitable", "version"]


class SchemaMismatchError(HubError):
    """The database has not this release's schema. Run `smt-ws db upgrade`."""

    code = "SCHEMA"
    callers_fault = False


class DatabaseUnsuitableError(HubError):
    """The database cannot hold the hub's tables. Do what the sentence says."""

    code = "DATABASE"
    callers_fault = False


def needed() -> str:
    """The revision this release needs: the number that the name of the last migration begins with."""
    versions = Path(__file__).parent / "migrations" / "versions"
    return max(path.name.partition("_")[0] for path in versions.glob("[0-9]*_*.py"))


def version(store: Store) -> str | None:
    """The revision *store* is at; None for one without a schema."""
    with store.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def require_current(store: Store) -> None:
    """Raise `SchemaMismatchError` unless *store* is at this release's revision."""
    found = version(store)
    if found != needed():
        raise SchemaMismatchError(
            f"the database is at revision {found or 'none'}, this release needs {needed()}: run `smt-ws db upgrade`"
        )


def require_suitable(connection: Connection) -> None:
    """Raise `DatabaseUnsuitableError` where PostgreSQL would fail half-way: not UTF-8, or no table may be made."""
    if connection.dialect.name == "sqlite":
        return
    name, user, schema, encoding = connection.execute(
        text("SELECT current_database(), current_user, current_schema(), current_setting('server_encoding')")
    ).one()
    if encoding != "UTF8":
        raise DatabaseUnsuitableError(
            f'the database "{name}" is in {encoding}, the hub needs UTF-8: '
            f'make it anew with `createdb --encoding UTF8 --template template0 "{name}"`'
        )
    if schema is None:
        raise DatabaseUnsuitableError(
            f'no schema of the search_path exists in the database "{name}": make one as its owner with '
            f'`CREATE SCHEMA AUTHORIZATION "{user}"`'
        )
    if not connection.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")):
        raise DatabaseUnsuitableError(
            f'"{user}" may not make tables in the schema "{schema}" of the database "{name}": '
            f'allow it as its owner with `GRANT CREATE ON SCHEMA "{schema}" TO "{user}"`'
        )
