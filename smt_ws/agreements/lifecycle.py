"""What time does to agreements: invitations lapse, agreements end, 30 days left are announced (A7, A15, A16).

All of it happens every night. Each step works in bounded transactions, over indexes, a batch of agreements in a few
statements: the whole market's agreements are never held. A step that is run twice finds nothing left to do; one that is
killed is taken up again. Grants end by themselves at the same midnight (`smt_ws.agreements.granting`), whether or not
this has run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, insert, or_, select, update
from sqlalchemy.sql import ColumnElement

from smt_ws.agreements import links, rules
from smt_ws.agreements.answer import tell_han
from smt_ws.agreements.granting import bring_in_line, moved_in_since, premises_of, source_of
from smt_ws.agreements.letters import tell
from smt_ws.agreements.moving import find_agreement, move
from smt_ws.agreements.rules import Act, Actor, Kind, Status
from smt_ws.agreements.tables import agreement, agreement_history, agreement_premise, invitation_link
from smt_ws.clock import Clock, central_today
from smt_ws.parties.account_tables import account_meter
from smt_ws.parties.accounts import somebody_else_moved_in
from smt_ws.parties.tables import grants, occupancy
from smt_ws.store import audit
from smt_ws.store.engine import Store
from smt_ws.store.tables import audit_log

__all__ = ["BATCH", "Passed", "pass_night"]

#: Agreements a transaction.
BATCH: Final = 2_000
_WHO: Final = "hub:lifecycle"


@dataclass(frozen=True, slots=True)
class Passed:
    """What a night did, in agreements."""

    not_accepted: int
    extensions_lapsed: int
    expired: int
    announced: int
    #: Agreements that lost a premise into which somebody else has moved, or all of them.
    moved_out: int
    followed: int
    removed: int


@dataclass(frozen=True, slots=True)
class _Step:
    """One kind of night's work: which agreements, which act, and what changes with it."""

    due: ColumnElement[bool]
    status: Status
    act: Act
    values: dict[str, Any]


def pass_night(store: Store, *, clock: Clock, keep_years: int, batch: int = BATCH) -> Passed:
    """Do everything that is due today (US/Central); safe to run again."""
    today, now = central_today(clock), clock.now()
    over = agreement.c.expires_on < today
    ended = and_(agreement.c.end_day < today, agreement.c.end_day.is_not(None))
    soon = agreement.c.end_day.between(today, today + timedelta(days=rules.ANNOUNCE_DAYS))
    # An extension gives an agreement a new end, which is announced anew.
    unannounced = or_(agreement.c.announced_end.is_(None), agreement.c.announced_end != agreement.c.end_day)

    def done(status: Status, due: ColumnElement[bool], act: Act, **values: Any) -> int:
        return _all(store, _Step(due, status, act, values), clock, batch)

    not_accepted = done(Status.PENDING, over, Act.LAPSE)
    expired = sum(
        done(status, ended, Act.EXPIRE) for status in (Status.ACTIVE, Status.EXTENSION_PENDING, Status.FROZEN)
    )
    lapsed = done(Status.EXTENSION_PENDING, over, Act.LAPSE, asked_end_day=None)
    announced = sum(
        done(status, and_(soon, unannounced), Act.ANNOUNCE, announced_end=agreement.c.end_day)
        for status in (Status.ACTIVE, Status.EXTENSION_PENDING)
    )
    return Passed(
        not_accepted,
        lapsed,
        expired,
        announced,
        moved_out=_end_where_others_live(store, clock, batch),
        followed=_follow_accounts(store, clock, batch),
        removed=_remove_old(store, rules.months_later(today, -12 * keep_years), now, batch),
    )


def _all(store: Store, step: _Step, clock: Clock, batch: int) -> int:
    total = 0
    while True:
        with store.write() as connection:
            moved = _some(connection, step, clock, batch)
        total += moved
        if moved < batch:
            return total


def _some(connection: Connection, step: _Step, clock: Clock, batch: int) -> int:
    now = clock.now()
    due = (
        select(agreement.c.number)
        .where(agreement.c.status == step.status.value, step.due)
        .order_by(agreement.c.number)
        .limit(batch)
        # One that a customer is answering this moment is left to the customer; it comes again if it is still due.
        .with_for_update(skip_locked=True, key_share=True)
    )
    numbers = connection.scalars(due).all()
    rows = connection.execute(select(agreement).where(agreement.c.number.in_(numbers))).all()
    by_kind: dict[Status, list[Any]] = {}
    for row in rows:
        then = rules.after(Kind(row.kind), step.status, step.act, Actor.HUB)
        assert then is not None, f"{row.kind} agreements have no {step.act} in {step.status}"
        by_kind.setdefault(then, []).append(row)
    for then, moved in by_kind.items():
        _move_all(connection, step, then, moved, now)
        for row in moved:
            if row.kind == Kind.REMOVAL:
                tell_han(connection, row, accepted=False, clock=clock)
    return len(rows)


def _move_all(connection: Connection, step: _Step, then: Status, rows: Sequence[Any], now: datetime) -> None:
    numbers = [row.number for row in rows]
    values = step.values | {"status": then.value}
    if then in rules.FINAL:
        values["ended_at"] = now
    connection.execute(update(agreement).where(agreement.c.number.in_(numbers)).values(**values))
    if step.act is Act.LAPSE:
        links.revoke(connection, numbers, now=now)
    connection.execute(
        insert(agreement_history),
        [
            {
                "number": number,
                "at": now,
                "act": step.act.value,
                "actor": _WHO,
                "from_status": step.status.value,
                "to_status": then.value,
                "details": {},
            }
            for number in numbers
        ],
    )
    connection.execute(
        insert(audit_log),
        [
            {
                "at": now,
                "event": audit.Event(f"agreement:{step.act.value}:done").value,
                "actor": _WHO,
                "object": f"agreement:{number}",
                "details": {"from": step.status.value, "to": then.value},
            }
            for number in numbers
        ],
    )
    changed = connection.execute(select(agreement).where(agreement.c.number.in_(numbers))).all()
    tell(connection, changed, step.status, step.act, Actor.HUB, now=now)


def _follow_accounts(store: Store, clock: Clock, batch: int) -> int:
    """Bring agreements over all meters in line where their account's meters are others than theirs (A3)."""
    now = clock.now()
    mine = and_(
        account_meter.c.account_id == agreement.c.account_id,
        account_meter.c.in_force,
        ~somebody_else_moved_in(central_today(clock)),
    )
    has = and_(
        agreement_premise.c.number == agreement.c.number,
        agreement_premise.c.dropped_at.is_(None),
    )
    missing = (
        select(account_meter.c.premise_id)
        .where(
            mine,
            ~select(agreement_premise.c.number)
            .where(has, agreement_premise.c.premise_id == account_meter.c.premise_id)
            .exists(),
        )
        .exists()
    )
    left = (
        select(agreement_premise.c.premise_id)
        .where(
            has,
            ~select(account_meter.c.account_id)
            .where(mine, account_meter.c.premise_id == agreement_premise.c.premise_id)
            .exists(),
        )
        .exists()
    )
    with store.read() as connection:
        numbers = connection.scalars(
            select(agreement.c.number).where(
                agreement.c.all_meters,
                agreement.c.account_id.is_not(None),
                agreement.c.status.in_([status.value for status in rules.IN_FORCE]),
                or_(missing, left),
            )
        ).all()
    for start in range(0, len(numbers), batch):
        with store.write() as connection:
            chunk = numbers[start : start + batch]
            for row in connection.execute(select(agreement).where(agreement.c.number.in_(chunk))).all():
                bring_in_line(connection, row, now=now)
    return len(numbers)


def _end_where_others_live(store: Store, clock: Clock, batch: int) -> int:
    """Take out of agreements the premises into which somebody has moved since the acceptance (R5).

    Grants are closed already, since the TDSP told of the move (`smt_ws.parties.move_ins`). An agreement of which
    nothing is left is ended, and both sides are written to. Into a meter that was added to an account later its own
    customer may have moved, also after the acceptance.
    """
    today, now = central_today(clock), clock.now()
    later = and_(
        occupancy.c.premise_id == agreement_premise.c.premise_id,
        occupancy.c.move_in_day > agreement.c.accepted_on,
        occupancy.c.move_in_day <= today,
    )
    added = and_(
        account_meter.c.account_id == agreement.c.account_id,
        account_meter.c.premise_id == agreement_premise.c.premise_id,
        account_meter.c.in_force,
    )
    since = or_(account_meter.c.added_on.is_(None), occupancy.c.move_in_day > account_meter.c.added_on)
    standing = [status.value for status in (*rules.IN_FORCE, Status.FROZEN)]
    with store.read() as connection:
        numbers = connection.scalars(
            select(agreement.c.number)
            .join(agreement_premise, agreement_premise.c.number == agreement.c.number)
            .join(occupancy, later)
            .outerjoin(account_meter, added)
            .where(agreement.c.status.in_(standing), agreement_premise.c.dropped_at.is_(None), since)
            .distinct()
        ).all()
    for start in range(0, len(numbers), batch):
        with store.write() as connection:
            for number in numbers[start : start + batch]:
                _move_out(connection, number, today, now)
    return len(numbers)


def _move_out(connection: Connection, number: str, today: date, now: datetime) -> None:
    row = find_agreement(connection, number)
    if Status(row.status) in rules.FINAL:
        return  # somebody ended it since it was looked for
    gone = moved_in_since(connection, row, agreed_on=row.accepted_on, today=today)
    connection.execute(
        update(agreement_premise)
        .where(agreement_premise.c.number == number, agreement_premise.c.premise_id.in_(gone))
        .values(dropped_at=now)
    )
    if connection.execute(premises_of(number)).first() is None:
        was = Status(row.status)
        row = move(connection, row, Act.MOVE_OUT, Actor.HUB, who=_WHO, now=now)
        tell(connection, [row], was, Act.MOVE_OUT, Actor.HUB, now=now)
    bring_in_line(connection, row, now=now)


def _remove_old(store: Store, before: date, now: datetime, batch: int) -> int:
    """Remove agreements that ended before the day *before*, with all that hangs on them (A16)."""
    moment = rules.day_is_over(before - timedelta(days=1))
    removed = 0
    while True:
        with store.write() as connection:
            numbers = connection.scalars(
                select(agreement.c.number)
                .where(agreement.c.ended_at < moment)
                .order_by(agreement.c.number)
                .limit(batch)
            ).all()
            if numbers:
                _remove(connection, numbers)
                audit.record(
                    connection,
                    audit.Event.AGREEMENT_REMOVED,
                    actor=_WHO,
                    at=now,
                    details={"agreements": len(numbers), "ended_before": before.isoformat()},
                )
        removed += len(numbers)
        if len(numbers) < batch:
            return removed


def _remove(connection: Connection, numbers: Sequence[str]) -> None:
    connection.execute(delete(grants).where(grants.c.source.in_([source_of(number) for number in numbers])))
    for table in (agreement_premise, agreement_history, invitation_link):
        connection.execute(delete(table).where(table.c.number.in_(numbers)))
    connection.execute(delete(agreement).where(agreement.c.number.in_(numbers)))
