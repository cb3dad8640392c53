"""Opening the store, and the kinds of transaction everything runs in.

``Store.write()`` is a transaction that will change something: on SQLite it takes the write lock at once
(``BEGIN IMMEDIATE``), so that two writers queue instead of failing half-way. ``Store.read()`` is one consistent
snapshot that cannot write; ``Store.look()`` is for a single question.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

__all__ = ["Store"]

#: How long a SQLite writer waits for another one, in seconds: longer than the longest load of the embedded default.
SQLITE_BUSY_SECONDS = 60


class Store:
    """The hub's database, by SQLAlchemy URL (``sqlite:////path/hub.db`` or ``postgresql+psycopg://host/name``)."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        """Open (lazily) the database at *url*; ``postgresql://`` is read as psycopg 3."""
        parsed = make_url(url)
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            # One connection per transaction: SQLite's file locks belong to connections, and opening one costs 0.1 ms.
            self.engine: Engine = create_engine(
                parsed, poolclass=NullPool, connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}
            )
            event.listen(self.engine, "connect", _sqlite_connect)
            event.listen(self.engine, "begin", _sqlite_begin)
        else:
            self.engine = create_engine(parsed, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)
            event.listen(self.engine, "connect", _postgresql_connect)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that changes the store; committed at the end, rolled back by any exception."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot of the store that stays the same however long it is read."""
        with self.engine.connect() as plain:
            options: dict[str, Any] = {"smt_ws_read_only": True}
            if not self.is_sqlite:
                options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            connection = plain.execution_options(**options)
            with connection.begin():
                yield connection

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """For one statement that changes nothing: no transaction around it, so two round trips less than `read`."""
        if self.is_sqlite:
            with self.read() as connection:
                yield connection
            return
        with self.each_alone() as connection:
            yield connection

    @contextmanager
    def each_alone(self) -> Iterator[Connection]:
        """Each statement is a transaction of its own, committed when it is done: two round trips less than `write`."""
        with self.engine.connect() as plain:
            yield plain.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Give every pooled connection back."""
        self.engine.dispose()


def _sqlite_connect(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling is switched off: BEGIN is said by _sqlite_begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # An answered order must survive a power cut, so every commit reaches the disk.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _postgresql_connect(connection: Any, _record: Any) -> None:
    # A list of 50,000 ESI IDs comes as one parameter; a plan made without seeing it expects ten of them.
    previous, connection.autocommit = connection.autocommit, True
    connection.execute("SET plan_cache_mode = force_custom_plan")
    connection.autocommit = previous


def _sqlite_begin(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("smt_ws_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
