"""Side effects that survive a crash: written with the decision, carried out afterwards, at least once.

A handler that raises is tried again after a full-jitter exponential pause; one that keeps failing becomes a dead
letter, which stays visible until somebody retries it. Because a handler may run twice, what it does must be
recognisable as the same thing (an e-mail keeps its Message-ID).

An effect may have a target: whose server it needs. A target that fails several times in a row is left alone for a
while (`smt_ws.store.breaker`), and while it is down its effects lose no tries. `smt_ws.store.couriers` serves targets
side by side, so that a slow one holds up only its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, or_, select, update

from smt_ws.clock import Clock, real_now
from smt_ws.store import breaker
from smt_ws.store.audit import Event, record
from smt_ws.store.breaker import Policy
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store
from smt_ws.store.tables import outbox, outbox_target

__all__ = [
    "Batch",
    "Claimed",
    "Effect",
    "Handler",
    "Handlers",
    "Refused",
    "carry_out",
    "claim",
    "deliver_due",
    "enqueue",
    "enqueue_all",
    "forget_done",
    "retry",
    "retry_dead",
    "waiting",
]

#: How long an effect is tried while its target is down.
PATIENCE = timedelta(days=3)


class Refused(Exception):  # noqa: N818 — the target's answer, not an error of ours
    """A handler raises it where the target is well but will not take this effect: the effect alone loses a try."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A handler that takes up to *most* payloads of one kind and one target in one call.

    *carry_out* returns, by position, the exceptions of the payloads that failed; raising means that all have. What has
    failed once goes alone from then on, so that one bad payload does not take the others with it.
    """

    most: int
    carry_out: Callable[[Sequence[dict[str, Any]]], Mapping[int, Exception] | None]


#: Takes the payload of one effect, or many. An OSError (connections, time-outs) means that the target is down.
Handler = Callable[[dict[str, Any]], None] | Batch
Handlers = Mapping[str, Handler]


@dataclass(frozen=True)
class Effect:
    """One row of the outbox as an operator sees it."""

    id: int
    kind: str
    key: str
    target: str | None
    created_at: datetime
    attempts: int
    not_before: datetime
    dead: bool
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """Effects of one kind and target that are this worker's for a lease."""

    kind: str
    target: str | None
    rows: Sequence[Any]


def enqueue(
    connection: Connection,
    *,
    kind: str,
    key: str,
    payload: dict[str, Any],
    now: datetime,
    target: str | None = None,
    patience: timedelta = PATIENCE,
) -> None:
    """Queue an effect in the caller's transaction; a second one with the same *key* is the same effect.

    *target* names whose server it needs (``tdsp:1039940674000``), so that one that is down holds up only its own; the
    effect is tried for *patience* while its target is down.
    """
    moment = real_now()
    connection.execute(
        insert(connection, outbox)
        .values(
            kind=kind,
            dedupe_key=key,
            payload=payload,
            target=target,
            created_at=now,
            not_before=moment,
            give_up_at=None if target is None else moment + patience,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
    )
    if target is not None:
        _know_target(connection, target)


def _know_target(connection: Connection, target: str) -> None:
    connection.execute(
        insert(connection, outbox_target).values(target=target).on_conflict_do_nothing(index_elements=["target"])
    )


def enqueue_all(
    connection: Connection,
    *,
    kind: str,
    effects: Sequence[tuple[str, dict[str, Any]]],
    now: datetime,
    target: str | None = None,
    patience: timedelta = PATIENCE,
) -> None:
    """Queue many effects of one *kind* and *target*: pairs of key and payload, else as in `enqueue`."""
    if not effects:
        return
    moment = real_now()
    shared = {
        "kind": kind,
        "target": target,
        "created_at": now,
        "not_before": moment,
        "give_up_at": None if target is None else moment + patience,
    }
    connection.execute(
        insert(connection, outbox).on_conflict_do_nothing(index_elements=["dedupe_key"]),
        [shared | {"dedupe_key": key, "payload": payload} for key, payload in effects],
    )
    if target is not None:
        _know_target(connection, target)


def deliver_due(store: Store, handlers: Handlers, *, limit: int = 20, attempts: int = 8) -> int:
    """Claim and carry out due effects one after the other, at most *limit* claims; return how many succeeded."""
    policy, done = Policy(attempts=attempts), 0
    for _ in range(limit):
        claimed = claim(store, handlers, policy=policy)
        if claimed is None:
            break
        done += carry_out(store, handlers, claimed, policy=policy)
    return done


def claim(store: Store, handlers: Handlers, *, policy: Policy, busy: Collection[str | None] = ()) -> Claimed | None:
    """Claim what is due of one target that is not in *busy*, paused or open; None where there is nothing.

    An effect without a target is of the target None. Kinds that *handlers* does not know are left to workers that do.
    """
    now = real_now()
    with store.read() as connection:
        lanes = _lanes(connection, handlers, now)
    lanes = [lane for lane in lanes if lane not in busy]
    random.shuffle(lanes)
    for lane in lanes:
        with store.write() as connection:
            found = _claim_of(connection, lane, handlers, policy, now)
        if found is not None:
            return found
    return None


def _due(handlers: Handlers, now: datetime) -> ColumnElement[bool]:
    return (
        outbox.c.done_at.is_(None)
        & outbox.c.dead_at.is_(None)
        & (outbox.c.not_before <= now)
        & or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now)
        & outbox.c.kind.in_(list(handlers))
    )


def _usable(now: datetime) -> ColumnElement[bool]:
    return outbox_target.c.paused_at.is_(None) & or_(
        outbox_target.c.open_until.is_(None), outbox_target.c.open_until <= now
    )


def _lanes(connection: Connection, handlers: Handlers, now: datetime) -> list[str | None]:
    due = _due(handlers, now)
    of_target = select(outbox.c.id).where(outbox.c.target == outbox_target.c.target, due).exists()
    lanes: list[str | None] = list(connection.scalars(select(outbox_target.c.target).where(_usable(now), of_target)))
    if connection.execute(select(outbox.c.id).where(outbox.c.target.is_(None), due).limit(1)).first() is not None:
        lanes.append(None)
    return lanes


def _claim_of(
    connection: Connection, lane: str | None, handlers: Handlers, policy: Policy, now: datetime
) -> Claimed | None:
    half_open = False
    if lane is not None:
        # The target's row is the lock of its claims: of many workers one makes the try that decides.
        state = connection.execute(
            select(outbox_target.c.failures)
            .where(outbox_target.c.target == lane, _usable(now))
            .with_for_update(skip_locked=True)
        ).first()
        if state is None:
            return None
        half_open = breaker.is_half_open(state.failures, policy)
    of_lane = outbox.c.target.is_(None) if lane is None else outbox.c.target == lane
    due = select(outbox.c.id, outbox.c.kind, outbox.c.payload, outbox.c.attempts, outbox.c.give_up_at).where(
        of_lane, _due(handlers, now)
    )
    due = due.order_by(outbox.c.not_before, outbox.c.id).with_for_update(skip_locked=True)
    first = connection.execute(due.limit(1)).first()
    if first is None:
        return None
    rows, handler = [first], handlers[first.kind]
    if isinstance(handler, Batch) and not (half_open or first.attempts):
        untried = (outbox.c.kind == first.kind) & (outbox.c.attempts == 0) & (outbox.c.id != first.id)
        rows += connection.execute(due.where(untried).limit(handler.most - 1)).all()
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_([row.id for row in rows]))
        .values(lease_until=now + policy.lease, attempts=outbox.c.attempts + 1)
    )
    if half_open:
        connection.execute(
            update(outbox_target).where(outbox_target.c.target == lane).values(open_until=now + policy.lease)
        )
    return Claimed(first.kind, lane, rows)


def carry_out(store: Store, handlers: Handlers, claimed: Claimed, *, policy: Policy) -> int:
    """Carry out what was claimed, record how each effect ended, and return how many succeeded."""
    handler, payloads = handlers[claimed.kind], [row.payload for row in claimed.rows]
    failed: Mapping[int, Exception]
    try:
        if isinstance(handler, Batch):
            failed = handler.carry_out(payloads) or {}
        else:
            handler(payloads[0])
            failed = {}
    except Exception as error:  # whatever a handler met is the effect's last error
        failed = dict.fromkeys(range(len(payloads)), error)
    done = [row.id for position, row in enumerate(claimed.rows) if position not in failed]
    # One call, one verdict on its target: it is down where nothing came through and nobody was there to refuse.
    down = not done and not any(isinstance(reason, Refused) for reason in failed.values())
    with store.write() as connection:
        now = real_now()
        if done:
            connection.execute(
                update(outbox).where(outbox.c.id.in_(done)).values(done_at=now, lease_until=None, last_error=None)
            )
        failures = _judge(connection, claimed.target, _said(failed[0]) if down else None, policy, now)
        for position, reason in failed.items():
            _put_back(connection, claimed.rows[position], reason, claimed.target, failures, policy, now)
    return len(done)


def _judge(connection: Connection, target: str | None, error: str | None, policy: Policy, now: datetime) -> int:
    """Note how the call went at its target (*error* None: well) and return its failures in a row."""
    if target is None:
        return 0
    own = outbox_target.c.target == target
    if error is None:
        well = {"failures": 0, "open_until": None, "failing_since": None, "last_error": None}
        if connection.execute(update(outbox_target).where(own, outbox_target.c.failures > 0).values(well)).rowcount:
            # What waited only because the target was down (and so lost no try) need not wait any longer.
            held_up = (outbox.c.target == target) & (outbox.c.attempts == 0) & (outbox.c.not_before > now)
            held_up &= outbox.c.done_at.is_(None) & outbox.c.dead_at.is_(None)
            connection.execute(update(outbox).where(held_up).values(not_before=now))
        return 0
    failures: int = connection.execute(
        update(outbox_target)
        .where(own)
        .values(
            failures=outbox_target.c.failures + 1,
            failing_since=func.coalesce(outbox_target.c.failing_since, now),
            last_error=error,
        )
        .returning(outbox_target.c.failures)
    ).scalar_one()
    pause = breaker.target_pause(failures, policy, random.random())  # noqa: S311 — jitter, not a secret
    connection.execute(update(outbox_target).where(own).values(open_until=now + pause if pause else None))
    return failures


def _put_back(
    connection: Connection,
    row: Any,
    error: Exception,
    target: str | None,
    failures: int,
    policy: Policy,
    now: datetime,
) -> None:
    tried, chance = row.attempts + 1, random.random()  # noqa: S311 — jitter, not a secret
    values: dict[str, Any] = {"lease_until": None, "last_error": _said(error)}
    if target is not None and isinstance(error, OSError):
        # It is the target that is down: the effect loses no try, and waits no longer than the target does.
        given_up = row.give_up_at is not None and now >= row.give_up_at
        values["attempts"] = row.attempts
        wait = min(policy.longest_open, breaker.pause(failures, policy, chance))
    else:
        given_up = breaker.is_given_up(tried, policy)
        wait = breaker.pause(tried, policy, chance)
    if given_up:
        values["dead_at"] = now
    else:
        values["not_before"] = now + wait
    # Done meanwhile by another worker, if this one was slower than its lease.
    connection.execute(update(outbox).where(outbox.c.id == row.id, outbox.c.done_at.is_(None)).values(values))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]


def waiting(
    connection: Connection, *, dead_only: bool = False, target: str | None = None, limit: int | None = None
) -> list[Effect]:
    """What has not been done yet, oldest first; dead letters included."""
    conditions: list[ColumnElement[bool]] = [outbox.c.dead_at.is_not(None) if dead_only else outbox.c.done_at.is_(None)]
    if target is not None:
        conditions.append(outbox.c.target == target)
    rows = connection.execute(select(outbox).where(*conditions).order_by(outbox.c.id).limit(limit))
    return [
        Effect(
            id=row.id,
            kind=row.kind,
            key=row.dedupe_key,
            target=row.target,
            created_at=row.created_at,
            attempts=row.attempts,
            not_before=row.not_before,
            dead=row.dead_at is not None,
            last_error=row.last_error,
        )
        for row in rows
    ]


def retry(store: Store, effect_id: int, *, actor: str, clock: Clock) -> bool:
    """Make one open or dead effect due now, with its tries counted anew; False if it is done or unknown."""
    with store.write() as connection:
        found = _due_again(connection, outbox.c.id == effect_id)
        if found:
            record(connection, Event.OUTBOX_RETRIED, actor=actor, at=clock.now(), object=f"effect:{effect_id}")
    return found == 1


def retry_dead(store: Store, *, target: str | None = None, actor: str, clock: Clock) -> int:
    """Make all dead letters, or those of one target, due now; return how many there were."""
    condition: ColumnElement[bool] = outbox.c.dead_at.is_not(None)
    if target is not None:
        condition = condition & (outbox.c.target == target)
    with store.write() as connection:
        found = _due_again(connection, condition)
        if found:
            details = {"target": target, "effects": found}
            record(connection, Event.OUTBOX_RETRIED, actor=actor, at=clock.now(), details=details)
    return found


def _due_again(connection: Connection, condition: ColumnElement[bool]) -> int:
    now = real_now()
    # However long it has been dead, a target that is down has its time once more.
    give_up = case((outbox.c.target.is_(None), None), else_=now + PATIENCE)
    return connection.execute(
        update(outbox)
        .where(condition, outbox.c.done_at.is_(None))
        .values(dead_at=None, attempts=0, not_before=now, lease_until=None, give_up_at=give_up)
    ).rowcount


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
