"""Whether a store has this release's schema: asked at the start of every process, so without loading Alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from smt_ws.errors import HubError
from smt_ws.store.engine import Store

__all__ = ["SchemaMismatchError", "needed", "require_current", "version"]


class SchemaMismatchError(HubError):
    """The database has not this release's schema. Run `smt-ws db upgrade`."""

    code = "SCHEMA"
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
