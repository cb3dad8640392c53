"""Opening the store, and the kinds of transaction everything runs in.

``Store.write()`` is a transaction that will change something: on SQLite it takes the write lock at once
(``BEGIN IMMEDIATE``), so that two writers queue instead of failing half-way. ``Store.read()`` is one consistent
snapshot that cannot write; ``Store.look()`` is for a single question.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

__all__ = ["MOST_CONNECTIONS", "Store"]

#: Of one process, to PostgreSQL.
MOST_CONNECTIONS = 10

#: How long a SQLite writer waits for another one, in seconds: longer than the longest load of the embedded default.
SQLITE_BUSY_SECONDS = 60


#: A list of 50,000 ESI IDs comes as one parameter, and a plan that is made without seeing it expects ten of them. Where
#: a statement asks for a row by its key, making its plan costs several times as much as carrying it out.
_ANEW: Final = "force_custom_plan"
_ONCE: Final = "force_generic_plan"


class Store:
    """The hub's database, by SQLAlchemy URL (``sqlite:////path/hub.db`` or ``postgresql+psycopg://host/name``)."""

    def __init__(self, url: str, *, kept: int = 5) -> None:
        """Open (lazily) the database at *url*; ``postgresql://`` is read as psycopg 3.

        At most `MOST_CONNECTIONS` are open at once, and so many of them are *kept* open: those beyond are opened for a
        transaction each, which costs more than most of them, and those that are kept are nobody else's.
        """
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
            self.engine = create_engine(
                parsed, pool_size=kept, max_overflow=MOST_CONNECTIONS - kept, pool_pre_ping=True
            )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that changes the store; committed at the end, rolled back by any exception."""
        with self.engine.connect() as connection:
            self._plan(connection, _ANEW)
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot of the store that stays the same however long it is read."""
        with self.engine.connect() as plain:
            self._plan(plain, _ANEW)
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
        """Each statement is a transaction of its own, committed when it is done: two round trips less than `write`.

        On PostgreSQL, where a statement's plan is also made only once: for statements about a few rows, by their keys.
        """
        with self.engine.connect() as plain:
            self._plan(plain, _ONCE)
            yield plain.execution_options(isolation_level="AUTOCOMMIT")

    def _plan(self, connection: Connection, mode: str) -> None:
        """Have the session make its plans so. It is told only when that changes: most calls follow their like."""
        if self.is_sqlite or connection.info.get("plans") == mode:
            return
        driver: Any = connection.connection.driver_connection
        previous, driver.autocommit = driver.autocommit, True
        driver.execute(f"SET plan_cache_mode = {mode}")
        driver.autocommit = previous
        connection.info["plans"] = mode

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


def _sqlite_begin(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("smt_ws_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
