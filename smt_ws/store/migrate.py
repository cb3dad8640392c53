"""Bringing a store to this release's schema, and telling whether it is there.

Migrations are Alembic scripts in ``migrations/versions``; they run in one transaction each. Partitions of the
interval tables are made by the loads that need them, so they are no part of the comparison.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from smt_ws.store.dialect import is_postgresql, lock
from smt_ws.store.engine import Store
from smt_ws.store.revision import require_suitable

__all__ = ["check", "downgrade", "head", "revisions", "upgrade"]

_PARTITION = re.compile(r"^(interval_day|register_read)(_history)?_y\d{4}m\d{2}$")


def _config(connection: Connection | None = None, metadata: MetaData | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, metadata=metadata)
    return config


def head() -> str:
    """The revision this release needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("this release carries no migrations")
    return revision


def revisions() -> list[str]:
    """Every revision that this release knows, the oldest first."""
    return sorted(one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions())


def upgrade(store: Store, revision: str = "head") -> None:
    """Bring *store* up to *revision*; two at once queue behind an advisory lock."""
    with store.write() as connection, lock(connection, "migrate"):
        require_suitable(connection)
        if is_postgresql(connection):
            # A migration must not queue for hours behind a long report, blocking everyone behind it.
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        command.upgrade(_config(connection), revision)


def downgrade(store: Store, revision: str = "base") -> None:
    """Take *store* back to *revision*; data of dropped tables is gone."""
    with store.write() as connection, lock(connection, "migrate"):
        command.downgrade(_config(connection), revision)


def check(store: Store, metadata: MetaData) -> list[str]:
    """How the schema in *store* differs from *metadata*, a readable line each; empty when it does not."""

    def ours(_object: Any, name: str | None, kind: str, _reflected: bool, _to: Any) -> bool:
        return not (kind == "table" and name is not None and (_PARTITION.match(name) or name == "alembic_version"))

    with store.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": ours, "compare_type": True, "target_metadata": metadata}
        )
        differences = compare_metadata(context, metadata)
    # A comment is documentation, and may be reworded without a migration.
    return [_readable(one) for one in differences if not _only_words(one)]


def _only_words(difference: Any) -> bool:
    changes = difference if isinstance(difference, list) else [difference]
    return all(change[0] == "modify_comment" for change in changes)


def _readable(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(_readable(one) for one in difference)
    action, *subject = difference
    return f"{action}: " + " ".join(getattr(part, "name", None) or str(part) for part in subject if part is not None)
