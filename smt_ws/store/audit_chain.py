"""The audit log's seal: every line is hashed together with all that was sealed before it (P7).

Lines are written unsealed, each in the transaction that it tells of, so that no two of them wait for each other. A step
of its own seals what has been committed since, in the order of the lines' numbers; ``audit_link`` holds one hash a
line. A line that was changed, removed or slipped in afterwards then no longer fits. Whoever can rewrite both tables can
also seal anew: only a head that was taken elsewhere (a log host, a printout) convicts him, so every sealing logs its
head, and `verify` takes heads to hold the chain against.

A transaction may commit a line with a lower number after a higher one was sealed. Such a line is sealed when it
appears; one that appears later than any transaction lasts was slipped in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, insert, select

from smt_ws.clock import real_now
from smt_ws.store.dialect import lock_until_commit
from smt_ws.store.engine import Store
from smt_ws.store.tables import audit_link, audit_log

__all__ = ["LONGEST_TRANSACTION", "Flaw", "Head", "Verdict", "head", "seal", "verify"]

#: A line may be committed so long after others with higher numbers; the longest transaction, a load, takes minutes.
LONGEST_TRANSACTION: Final = timedelta(hours=1)
#: Lines that a quick sealing looks back for late ones; a thorough one looks at all.
_LOOK_BACK: Final = 100_000
_BATCH: Final = 2_000
_NOTHING: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain, which stands for everything before it: keep it where the hub cannot write."""

    position: int
    sha256: str
    sealed_at: datetime | None

    def __str__(self) -> str:
        """Write it as ``position:sha256``, the form in which `verify` takes it back on the command line."""
        return f"{self.position}:{self.sha256}"


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first thing found that a log nobody has touched would not have."""

    position: int
    #: The number of the line in ``audit_log``; None where the flaw is not about one line.
    audit_id: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many sealed lines it read, how many wait for sealing, and the first flaw if any."""

    sealed: int
    unsealed: int
    head: Head
    flaw: Flaw | None


def seal(store: Store, *, thorough: bool = False) -> int:
    """Seal what has been committed since the last time; returns how many lines.

    Several processes may call it; they take turns. Lines with numbers far below the last sealed one are found by a
    *thorough* sealing only, which reads the whole log's keys: the daily job.
    """
    sealed = 0
    while _waits(store, thorough):
        with store.write() as connection:
            lock_until_commit(connection, "audit.seal")
            sealed += _seal_batch(connection, thorough)
    return sealed


def head(connection: Connection) -> Head:
    """The last link; position 0 where nothing is sealed yet."""
    last = connection.execute(select(audit_link).order_by(audit_link.c.position.desc()).limit(1)).first()
    return Head(0, _NOTHING.hex(), None) if last is None else Head(last.position, last.sha256.hex(), last.sealed_at)


def verify(store: Store, *, heads: Mapping[int, str] | None = None, times: bool = True) -> Verdict:
    """Go through the whole chain and say the first line that does not fit.

    *heads* are sealed earlier and kept elsewhere, SHA-256 (hex) by position. With *times* a line that claims to be much
    older than its neighbours is a flaw too: right wherever the hub's clock is never moved, so not in a sandbox.
    """
    expected, last = dict(heads or {}), Head(0, _NOTHING.hex(), None)
    flaw, highest = None, 0
    with store.read() as connection:
        before: Row[Any] | None = None
        for link in _links(connection):
            flaw = _unfit(link, before, expected)
            if flaw is None and link.audit_id < highest:
                flaw = _late(connection, link)
            if flaw is None and times and before is not None and before.at - link.at > LONGEST_TRANSACTION:
                what = f"claims to be older than line {before.audit_id}, which came before it"
                flaw = Flaw(link.position, link.audit_id, what)
            if flaw is not None:
                break
            before, highest = link, max(highest, link.audit_id)
            last = Head(link.position, link.sha256.hex(), link.sealed_at)
        unsealed = connection.scalar(select(func.count()).select_from(_unsealed(0).subquery())) or 0
        if flaw is None and (cut := min((p for p in expected if p > last.position), default=None)) is not None:
            flaw = Flaw(last.position, None, f"the chain ends here, but position {cut} was sealed once")
    return Verdict(last.position, unsealed, last, flaw)


def _unfit(link: Row[Any], before: Row[Any] | None, heads: Mapping[int, str]) -> Flaw | None:
    position, digest = (1, _NOTHING) if before is None else (before.position + 1, before.sha256)
    if link.position != position:
        return Flaw(position, None, f"position {position} is missing from the chain")
    if link.id is None:
        return Flaw(position, link.audit_id, "was sealed and is no longer in the log")
    if _hashed(digest, link) != link.sha256:
        return Flaw(position, link.audit_id, "is not what was sealed: it, or the chain here, was changed")
    if heads.get(position, link.sha256.hex()) != link.sha256.hex():
        return Flaw(position, link.audit_id, "the chain up to here is not the one whose head was kept")
    return None


def _late(connection: Connection, link: Row[Any]) -> Flaw | None:
    """The flaw of a line sealed after one with a higher number, if no transaction could have lasted so long."""
    above = connection.execute(
        select(audit_link.c.audit_id, audit_link.c.sealed_at)
        .where(audit_link.c.audit_id > link.audit_id, audit_link.c.position < link.position)
        .order_by(audit_link.c.audit_id)
        .limit(1)
    ).one()
    if link.sealed_at - above.sealed_at <= LONGEST_TRANSACTION:
        return None
    return Flaw(link.position, link.audit_id, f"came long after line {above.audit_id}, under a lower number")


def _waits(store: Store, thorough: bool) -> bool:
    # Asked in a snapshot first: on SQLite a sealing with nothing to do must not take the write lock.
    with store.read() as connection:
        return connection.execute(_unsealed(_since(connection, thorough)).limit(1)).first() is not None


def _since(connection: Connection, thorough: bool) -> int:
    if thorough:
        return 0
    return max(0, (connection.scalar(select(func.max(audit_link.c.audit_id))) or 0) - _LOOK_BACK)


def _unsealed(since: int) -> Select[Any]:
    return (
        select(audit_log)
        .outerjoin(audit_link, audit_link.c.audit_id == audit_log.c.id)
        .where(audit_log.c.id > since, audit_link.c.audit_id.is_(None))
        .order_by(audit_log.c.id)
    )


def _seal_batch(connection: Connection, thorough: bool) -> int:
    last, now = head(connection), real_now()
    digest = bytes.fromhex(last.sha256)
    links: list[dict[str, Any]] = []
    for row in connection.execute(_unsealed(_since(connection, thorough)).limit(_BATCH)):
        digest = _hashed(digest, row)
        position = last.position + len(links) + 1
        links.append({"position": position, "audit_id": row.id, "sha256": digest, "sealed_at": now})
    if links:
        connection.execute(insert(audit_link), links)
    return len(links)


def _links(connection: Connection) -> Iterator[Row[Any]]:
    """Every link with its line (NULLs where that is gone), in order, in bounded pieces."""
    after = 0
    while True:
        rows = connection.execute(
            select(audit_link, audit_log)
            .outerjoin(audit_log, audit_log.c.id == audit_link.c.audit_id)
            .where(audit_link.c.position > after)
            .order_by(audit_link.c.position)
            .limit(_BATCH)
        ).all()
        yield from rows
        if len(rows) < _BATCH:
            return
        after = rows[-1].position


def _hashed(before: bytes, line: Row[Any]) -> bytes:
    """SHA-256 of the link *before* and the line's columns, written in the one way that both stores give them back."""
    content = {
        "id": line.id,
        "at": line.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "event": line.event,
        "actor": line.actor,
        "certificate_sha256": line.certificate_sha256,
        "address": line.address,
        "object": line.object,
        "details": line.details,
    }
    written = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(before + written.encode()).digest()
