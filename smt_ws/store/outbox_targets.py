"""The outbox's targets as an operator sees and holds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, update

from smt_ws.clock import Clock, real_now
from smt_ws.store.audit import Event, record
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store
from smt_ws.store.tables import outbox, outbox_target

__all__ = ["LONGEST_TARGET", "Target", "pause", "resume", "targets"]

#: Characters of a target's name.
LONGEST_TARGET: Final = 120


@dataclass(frozen=True, slots=True)
class Target:
    """How a target is doing. Times are real time; *open_until* None: calls pass, *paused_at* None: nobody holds it."""

    target: str
    waiting: int
    dead: int
    failures: int
    failing_since: datetime | None
    open_until: datetime | None
    paused_at: datetime | None
    last_error: str | None


def targets(store: Store) -> list[Target]:
    """All targets that ever had an effect, or are held, by name."""
    row = outbox.c
    with store.read() as connection:
        counts = {
            found.target: found
            for found in connection.execute(
                select(
                    row.target,
                    func.count().filter(row.dead_at.is_(None)).label("waiting"),
                    func.count().filter(row.dead_at.is_not(None)).label("dead"),
                )
                .where(row.target.is_not(None), row.done_at.is_(None))
                .group_by(row.target)
            )
        }
        rows = connection.execute(select(outbox_target).order_by(outbox_target.c.target)).all()
    return [
        Target(
            target=found.target,
            waiting=counts[found.target].waiting if found.target in counts else 0,
            dead=counts[found.target].dead if found.target in counts else 0,
            failures=found.failures,
            failing_since=found.failing_since,
            open_until=found.open_until,
            paused_at=found.paused_at,
            last_error=found.last_error,
        )
        for found in rows
    ]


def pause(store: Store, target: str, *, actor: str, clock: Clock) -> None:
    """Send nothing to *target* until it is resumed; what is queued for it waits, and calls in hand are finished."""
    held = real_now()
    with store.write() as connection:
        connection.execute(
            insert(connection, outbox_target)
            .values(target=target, paused_at=held)
            .on_conflict_do_update(index_elements=["target"], set_={"paused_at": held})
        )
        record(connection, Event.OUTBOX_PAUSED, actor=actor, at=clock.now(), object=f"target:{target}"[:120])


def resume(store: Store, target: str, *, actor: str, clock: Clock) -> bool:
    """Send to *target* again, at once, whether it was held or left alone for failing; False: no such target."""
    well = {"paused_at": None, "failures": 0, "open_until": None, "failing_since": None, "last_error": None}
    with store.write() as connection:
        found = connection.execute(update(outbox_target).where(outbox_target.c.target == target).values(well)).rowcount
        if found:
            connection.execute(
                update(outbox)
                .where(outbox.c.target == target, outbox.c.done_at.is_(None), outbox.c.dead_at.is_(None))
                .values(not_before=real_now())
            )
            record(connection, Event.OUTBOX_RESUMED, actor=actor, at=clock.now(), object=f"target:{target}"[:120])
    return found == 1
