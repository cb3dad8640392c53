"""Side effects that survive a crash: written with the decision, carried out afterwards, at least once.

A handler that raises is tried again after a full-jitter exponential pause; one that keeps failing becomes a dead
letter, which stays visible until somebody retries it. Because a handler may run twice, what it does must be
recognisable as the same thing (an e-mail keeps its Message-ID).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from smt_ws.clock import real_now
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store
from smt_ws.store.tables import outbox

__all__ = ["Effect", "deliver_due", "enqueue", "forget_done", "retry", "waiting"]

Handler = Callable[[dict[str, Any]], None]

#: Longest pause between two tries.
CAP = timedelta(hours=1)
#: How long a claimed effect belongs to its worker.
LEASE = timedelta(minutes=5)


@dataclass(frozen=True)
class Effect:
    """One row of the outbox as an operator sees it."""

    id: int
    kind: str
    key: str
    created_at: datetime
    attempts: int
    not_before: datetime
    dead: bool
    last_error: str | None


def enqueue(
    connection: Connection, *, kind: str, key: str, payload: dict[str, Any], now: datetime, target: str | None = None
) -> None:
    """Queue an effect in the caller's transaction; a second one with the same *key* is the same effect.

    *target* names whose server it needs (``tdsp:1039940674000``), so that one that is down holds up only its own.
    """
    connection.execute(
        insert(connection, outbox)
        .values(kind=kind, dedupe_key=key, payload=payload, target=target, created_at=now, not_before=real_now())
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
    )


def deliver_due(store: Store, handlers: Mapping[str, Handler], *, limit: int = 20, attempts: int = 8) -> int:
    """Claim up to *limit* due effects, carry them out one by one, and return how many succeeded."""
    return sum(_carry_out(store, handlers, row, attempts) for row in _claim(store, limit))


def _claim(store: Store, limit: int) -> list[Any]:
    now = real_now()
    with store.write() as connection:
        rows = connection.execute(
            select(outbox.c.id, outbox.c.kind, outbox.c.payload, outbox.c.attempts)
            .where(
                outbox.c.done_at.is_(None),
                outbox.c.dead_at.is_(None),
                outbox.c.not_before <= now,
                or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now),
            )
            .order_by(outbox.c.not_before)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        if rows:
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_([row.id for row in rows]))
                .values(lease_until=now + LEASE, attempts=outbox.c.attempts + 1)
            )
    return list(rows)


def _carry_out(store: Store, handlers: Mapping[str, Handler], row: Any, attempts: int) -> bool:
    try:
        handlers[row.kind](row.payload)
    except Exception as error:  # whatever a handler met is the row's last error
        tried = row.attempts + 1
        now = real_now()
        values: dict[str, Any] = {"lease_until": None, "last_error": f"{type(error).__name__}: {error}"[:2000]}
        if tried >= attempts:
            values["dead_at"] = now
        else:
            pause = min(CAP, timedelta(seconds=2**tried))
            values["not_before"] = now + pause * random.random()  # noqa: S311 — jitter, not a secret
        with store.write() as connection:
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(values))
        return False
    with store.write() as connection:
        connection.execute(
            update(outbox).where(outbox.c.id == row.id).values(done_at=real_now(), lease_until=None, last_error=None)
        )
    return True


def waiting(connection: Connection, *, dead_only: bool = False) -> list[Effect]:
    """What has not been done yet, oldest first; dead letters included."""
    condition = outbox.c.dead_at.is_not(None) if dead_only else outbox.c.done_at.is_(None)
    rows = connection.execute(select(outbox).where(condition).order_by(outbox.c.id))
    return [
        Effect(
            id=row.id,
            kind=row.kind,
            key=row.dedupe_key,
            created_at=row.created_at,
            attempts=row.attempts,
            not_before=row.not_before,
            dead=row.dead_at is not None,
            last_error=row.last_error,
        )
        for row in rows
    ]


def retry(store: Store, effect_id: int) -> bool:
    """Make one open or dead effect due now, with its tries counted anew; False if it is done or unknown."""
    with store.write() as connection:
        changed = connection.execute(
            update(outbox)
            .where(outbox.c.id == effect_id, outbox.c.done_at.is_(None))
            .values(dead_at=None, attempts=0, not_before=real_now(), lease_until=None)
        )
    return changed.rowcount == 1


def forget_done(store: Store, before: datetime, *, batch: int = 10_000) -> int:
    """Remove rows carried out before *before* (real time), in bounded transactions; returns how many.

    Open rows and dead letters stay.
    """
    removed = 0
    while True:
        with store.write() as connection:
            old = select(outbox.c.id).where(outbox.c.done_at < before).limit(batch)
            gone = connection.execute(delete(outbox).where(outbox.c.id.in_(old))).rowcount
        removed += gone
        if gone < batch:
            return removed
