"""What the simulated TDSP knows, in a SQLite file of its own: whatever it has answered to survives kill -9.

Moments are what will happen by the clock; posts are what the hub is to be told. Times are seconds since 1970 by the
TDSP's clock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["Device", "Moment", "Post", "State"]

#: SQLite's oldest limit on the parameters of a statement.
_CHUNK: Final = 900
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meter (
    esiid TEXT PRIMARY KEY, serial TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS device (
    esiid TEXT NOT NULL, eui64 TEXT NOT NULL, device_type TEXT NOT NULL, install_code TEXT NOT NULL,
    state TEXT NOT NULL, request TEXT NOT NULL, PRIMARY KEY (esiid, eui64)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request (
    number TEXT PRIMARY KEY, action TEXT NOT NULL, esiid TEXT NOT NULL, serial TEXT NOT NULL, eui64 TEXT NOT NULL,
    facts TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delivery (
    esiid TEXT NOT NULL, number TEXT NOT NULL, cancellation TEXT NOT NULL, serial TEXT NOT NULL,
    cluster INTEGER NOT NULL, frame BLOB NOT NULL, PRIMARY KEY (esiid, number, cancellation)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    esiid TEXT NOT NULL, eui64 TEXT NOT NULL, number TEXT NOT NULL, wire_id INTEGER NOT NULL, cluster INTEGER NOT NULL,
    state TEXT NOT NULL, begins REAL NOT NULL, ends REAL NOT NULL, times_shown INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (esiid, eui64, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moment (
    id INTEGER PRIMARY KEY, due REAL NOT NULL, kind TEXT NOT NULL, facts TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS moment_due ON moment (due, id);
CREATE TABLE IF NOT EXISTS post (
    id INTEGER PRIMARY KEY, due REAL NOT NULL, operation TEXT NOT NULL, fields TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, code TEXT);
CREATE INDEX IF NOT EXISTS post_open ON post (due, id) WHERE code IS NULL;
"""


class Device(NamedTuple):
    """A device on a meter's list; *state* is LISTED, READY (it may join) or JOINED, *request* what added it."""

    esiid: str
    eui64: str
    device_type: str
    install_code: str
    state: str
    request: str


class Moment(NamedTuple):
    """Something that happens at *due*."""

    id: int
    due: float
    kind: str
    facts: dict[str, Any]


class Post(NamedTuple):
    """Something that the hub is to be told by *operation* from *due* on."""

    id: int
    operation: str
    fields: dict[str, Any]
    attempts: int


class State:
    """The file, opened by one thread. What changes it stands in a `transaction`."""

    def __init__(self, file: Path) -> None:
        """Open *file*; an empty or missing one is prepared."""
        file.parent.mkdir(parents=True, exist_ok=True)
        # a write waits for the other threads' transactions, which are short
        self._db = sqlite3.connect(file, isolation_level=None, timeout=60)
        self._db.execute("PRAGMA journal_mode = WAL")
        # an answered request is promised: it must be on the disk
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # -- meters and devices

    def set_meters(self, meters: Iterable[tuple[str, str]]) -> None:
        """Put meters up, as (ESI ID, serial number); one that hangs there is taken down."""
        self._db.executemany("INSERT OR REPLACE INTO meter (esiid, serial) VALUES (?, ?)", meters)

    def has_meters(self) -> bool:
        """Whether any meter hangs."""
        return self._db.execute("SELECT 1 FROM meter LIMIT 1").fetchone() is not None

    def serials(self, esiids: Sequence[str]) -> dict[str, str]:
        """The meters that hang at *esiids*."""
        found: dict[str, str] = {}
        for chunk in _chunks(esiids):
            found.update(self._db.execute(f"SELECT esiid, serial FROM meter WHERE esiid IN ({_marks(chunk)})", chunk))  # noqa: S608 - marks only
        return found

    def devices(self, esiid: str) -> list[Device]:
        """The devices on the list of the meter at *esiid*, in the order of their addresses."""
        return [
            Device(*row) for row in self._db.execute("SELECT * FROM device WHERE esiid = ? ORDER BY eui64", (esiid,))
        ]

    def put_devices(self, devices: Iterable[Device]) -> None:
        """Put devices on their meters' lists, or change what stands there."""
        self._db.executemany("INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?, ?)", devices)

    def drop_device(self, esiid: str, eui64: str) -> None:
        """Take a device off the list; the messages on it are gone too."""
        for table in ("device", "event"):
            self._db.execute(f"DELETE FROM {table} WHERE esiid = ? AND eui64 = ?", (esiid, eui64))  # noqa: S608 - two names of ours

    # -- requests

    def take_request(
        self, number: str, action: str, esiid: str, serial: str, eui64: str, facts: dict[str, Any]
    ) -> bool:
        """Keep a request; False when it was taken before."""
        return (
            self._db.execute(
                "INSERT OR IGNORE INTO request (number, action, esiid, serial, eui64, facts) VALUES (?, ?, ?, ?, ?, ?)",
                (number, action, esiid, serial, eui64, json.dumps(facts)),
            ).rowcount
            == 1
        )

    def request(self, number: str) -> dict[str, Any]:
        """A request that was taken, with ``undone`` where a later one has taken it back."""
        row = self._db.execute("SELECT * FROM request WHERE number = ?", (number,)).fetchone()
        names = ("number", "action", "esiid", "serial", "eui64", "facts", "undone")
        found: dict[str, Any] = dict(zip(names, row, strict=True))
        facts: dict[str, Any] = json.loads(found.pop("facts"))
        return found | facts

    def undo_adds(self, esiid: str, eui64: str) -> None:
        """From now on nothing more comes of requests to add this device here."""
        self._db.execute(
            "UPDATE request SET undone = 1 WHERE action = 'ADD' AND esiid = ? AND eui64 = ?", (esiid, eui64)
        )

    # -- messages

    def known_deliveries(self, number: str, cancellation: str, esiids: Sequence[str]) -> set[str]:
        """Those of *esiids* that this message, or cancellation, was taken for before."""
        known: set[str] = set()
        for chunk in _chunks(esiids):
            rows = self._db.execute(
                f"SELECT esiid FROM delivery WHERE esiid IN ({_marks(chunk)}) AND number = ? AND cancellation = ?",  # noqa: S608 - marks only
                (*chunk, number, cancellation),
            )
            known.update(row[0] for row in rows)
        return known

    def take_deliveries(self, rows: Iterable[tuple[str, str, str, str, int, bytes]]) -> None:
        """Keep messages: ESI ID, number, cancellation (empty: none), serial number, cluster and frame of each."""
        self._db.executemany("INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?)", rows)

    def delivery(self, esiid: str, number: str, cancellation: str) -> tuple[str, int, bytes]:
        """Serial number, cluster and frame of a message that was taken."""
        row: tuple[str, int, bytes] = self._db.execute(
            "SELECT serial, cluster, frame FROM delivery WHERE esiid = ? AND number = ? AND cancellation = ?",
            (esiid, number, cancellation),
        ).fetchone()
        return row

    def events(self, esiid: str, eui64: str, cluster: int) -> list[tuple[str, int, str, float, float]]:
        """What stands on a device: number, wire id, state, begin and end of each, in the order of begin."""
        return self._db.execute(
            "SELECT number, wire_id, state, begins, ends FROM event WHERE esiid = ? AND eui64 = ? AND cluster = ?"
            " ORDER BY begins, wire_id",
            (esiid, eui64, cluster),
        ).fetchall()

    def put_event(
        self, esiid: str, eui64: str, number: str, wire_id: int, cluster: int, state: str, begins: float, ends: float
    ) -> bool:
        """Put a message on a device; False when the device has it already, of which it takes note."""
        count: int = self._db.execute(
            "INSERT INTO event (esiid, eui64, number, wire_id, cluster, state, begins, ends)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET times_shown = times_shown + 1 RETURNING times_shown",
            (esiid, eui64, number, wire_id, cluster, state, begins, ends),
        ).fetchone()[0]
        return count == 1

    def set_event(self, esiid: str, eui64: str, number: str, state: str) -> None:
        """Change how a message stands on a device."""
        self._db.execute(
            "UPDATE event SET state = ? WHERE esiid = ? AND eui64 = ? AND number = ?", (state, esiid, eui64, number)
        )

    # -- what happens, and what is told

    def plan(self, moments: Iterable[tuple[float, str, dict[str, Any]]]) -> None:
        """Let things happen: due, kind and facts of each."""
        self._db.executemany(
            "INSERT INTO moment (due, kind, facts) VALUES (?, ?, ?)",
            ((due, kind, json.dumps(facts)) for due, kind, facts in moments),
        )

    def due_moments(self, now: float, most: int) -> list[Moment]:
        """The earliest moments that have come, at most *most*."""
        rows = self._db.execute(
            "SELECT id, due, kind, facts FROM moment WHERE due <= ? ORDER BY due, id LIMIT ?", (now, most)
        )
        return [Moment(number, due, kind, json.loads(facts)) for number, due, kind, facts in rows]

    def drop_moments(self, moments: Iterable[Moment]) -> None:
        """They have happened."""
        self._db.executemany("DELETE FROM moment WHERE id = ?", ((moment.id,) for moment in moments))

    def queue_posts(self, posts: Iterable[tuple[float, str, dict[str, Any]]]) -> None:
        """Tell the hub: due, operation and fields of each."""
        self._db.executemany(
            "INSERT INTO post (due, operation, fields) VALUES (?, ?, ?)",
            ((due, operation, json.dumps(told)) for due, operation, told in posts),
        )

    def due_posts(self, now: float, most: int) -> list[Post]:
        """The earliest posts that are due, of one operation, at most *most*."""
        first = self._db.execute(
            "SELECT operation FROM post WHERE code IS NULL AND due <= ? ORDER BY due, id LIMIT 1", (now,)
        ).fetchone()
        if first is None:
            return []
        rows = self._db.execute(
            "SELECT id, operation, fields, attempts FROM post WHERE code IS NULL AND due <= ? AND operation = ?"
            " ORDER BY due, id LIMIT ?",
            (now, first[0], most),
        )
        return [Post(number, operation, json.loads(told), attempts) for number, operation, told, attempts in rows]

    def posted(self, answers: Iterable[tuple[str, int]]) -> None:
        """The hub has answered: code and id of each post."""
        self._db.executemany("UPDATE post SET code = ? WHERE id = ?", answers)

    def tried(self, posts: Iterable[Post]) -> None:
        """The hub was told and no answer came."""
        self._db.executemany("UPDATE post SET attempts = attempts + 1 WHERE id = ?", ((post.id,) for post in posts))

    def next_due(self, table: str) -> float | None:
        """When the earliest open ``moment`` or ``post`` is due; None where there is none."""
        query = {"moment": "SELECT min(due) FROM moment", "post": "SELECT min(due) FROM post WHERE code IS NULL"}[table]
        due: float | None = self._db.execute(query).fetchone()[0]
        return due

    def summary(self) -> dict[str, dict[str, int]]:
        """How many devices by state, posts by the hub's answer, moments by kind, events by state."""
        counts: dict[str, dict[str, int]] = {}
        for name, query in (
            ("devices", "SELECT state, count(*) FROM device GROUP BY 1"),
            ("posts", "SELECT coalesce(code, 'open'), count(*) FROM post GROUP BY 1"),
            ("moments", "SELECT kind, count(*) FROM moment GROUP BY 1"),
            ("messages", "SELECT state, count(*) FROM event GROUP BY 1"),
            ("carried twice", "SELECT state, count(*) FROM event WHERE times_shown > 1 GROUP BY 1"),
        ):
            counts[name] = dict(self._db.execute(query).fetchall())
        return counts


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK))


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))
