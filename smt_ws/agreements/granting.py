"""From agreements to grants: what is open is always what agreement, premises and services say now.

Grants are what `smt_ws.parties.access` reads, one row a premise and service, so that an agreement costs it nothing more
than a grant. An agreement over all meters of an account has a row for each of them, brought in line whenever the
account's meters change. A grant ends by itself at the moment the agreement's last day is over; whatever ends an
agreement earlier ends its grants in the same transaction.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, case, literal, or_, select, update

from smt_ws.agreements import rules
from smt_ws.agreements.opens import opens, terms_of
from smt_ws.agreements.rules import Kind, Status
from smt_ws.agreements.tables import agreement_premise
from smt_ws.parties.account_tables import account_meter
from smt_ws.parties.accounts import account_meters
from smt_ws.parties.tables import grants, grants_history, occupancy
from smt_ws.store.dialect import insert
from smt_ws.usage.loads import take_number

__all__ = ["bring_in_line", "follow_account", "moved_in_since", "premises_of", "source_of"]


def source_of(number: str) -> str:
    """What ``grants.source`` says of an agreement's grants."""
    return f"agreement:{number}"


def premises_of(number: str) -> Select[Any]:
    """A statement for the ids of the premises that an agreement is about."""
    return select(agreement_premise.c.premise_id).where(
        agreement_premise.c.number == number, agreement_premise.c.dropped_at.is_(None)
    )


def moved_in_since(connection: Connection, row: Any, *, agreed_on: date, today: date) -> list[int]:
    """The premises of the agreement *row* into which somebody else has moved by *today* (R5).

    *agreed_on* is the day on which its customer was there for certain: that of the acceptance, or of the invitation.
    """
    stays = _stays(connection, row, agreed_on)
    return [premise_id for premise_id, (_first, last) in stays.items() if last is not None and last < today]


def bring_in_line(connection: Connection, row: Any, *, now: datetime) -> None:
    """Make the grants of the agreement *row* what it says at the moment *now*; first its premises where it has all."""
    if Status(row.status) not in rules.FINAL:
        follow_account(connection, row, now=now)
    in_force = Status(row.status) in rules.IN_FORCE
    ending = update(grants).where(
        grants.c.source == source_of(row.number), or_(grants.c.ended_at.is_(None), grants.c.ended_at > now)
    )
    if in_force:
        left = grants.c.premise_id.not_in(premises_of(row.number))
        scopes = [one.scope for one in opens(terms_of(row))]
        ending = ending.where(or_(left, grants.c.scope.not_in(scopes)))
    connection.execute(ending.values(ended_at=now))
    if in_force and row.services:
        _open(connection, row, now)


def _open(connection: Connection, row: Any, now: datetime) -> None:
    rows: list[dict[str, Any]] = [
        {
            "premise_id": premise_id,
            # Unique at its premise: the agreement's number and the service's place.
            "id": int(row.number) * len(rules.SERVICES) + rules.SERVICES.index(service),
            "company_id": row.company_id,
            "scope": one.scope,
            # Nobody sees a previous occupant's days through a present customer, nor the next one's (R5).
            "from_day": max(one.first_day, came or one.first_day),
            "to_day": min(one.last_day or date.max, left) if left else one.last_day,
            "granted_at": now,
            "ended_at": _ends(row, left, now),
            "source": source_of(row.number),
        }
        for premise_id, (came, left) in _stays(connection, row, row.accepted_on).items()
        for service, one in zip(row.services, opens(terms_of(row)), strict=True)
        if one.first_day is not None
    ]
    if not rows:
        return
    _mark(connection, row, rows, now)
    opened = insert(connection, grants)
    # One that has ended begins anew; one that is open keeps the moment it was granted.
    is_open = or_(grants.c.ended_at.is_(None), grants.c.ended_at > literal(now, grants.c.ended_at.type))
    changed = {name: opened.excluded[name] for name in ("from_day", "to_day", "ended_at", "load_number")}
    changed["granted_at"] = case((is_open, grants.c.granted_at), else_=opened.excluded.granted_at)
    connection.execute(
        opened.on_conflict_do_update(index_elements=["premise_id", "id"], set_=changed),
        rows,
    )


def _mark(connection: Connection, row: Any, rows: list[dict[str, Any]], now: datetime) -> None:
    """Give each of *rows* the number since which it is so; what a new one replaces is kept (R15)."""
    # Locked before the number is taken: a load that cuts grants may hold them for minutes, and numbers must not wait.
    mine = select(grants).where(grants.c.source == source_of(row.number)).with_for_update()
    held = {(one.premise_id, one.id): one for one in connection.execute(mine)}
    changed = []
    for one in rows:
        before = held.get((one["premise_id"], one["id"]))
        days = (one["from_day"], one["to_day"])
        if before and (before.ended_at is None or before.ended_at > now) and (before.from_day, before.to_day) == days:
            one["load_number"] = before.load_number
        else:
            changed.append(one)
    if not changed:
        return
    number = take_number(connection)
    replaced = []
    for one in changed:
        one["load_number"] = number
        before = held.get((one["premise_id"], one["id"]))
        if before is not None and before.load_number != number:
            replaced.append(before._asdict() | {"replaced_by": number})
    if replaced:
        connection.execute(grants_history.insert(), replaced)


def _ends(row: Any, left_on: date | None, now: datetime) -> datetime | None:
    ends: datetime | None = None if row.end_day is None else rules.day_is_over(row.end_day)
    if row.kind == Kind.ONE_TIME:
        # Its report is about days that are over: it is open until its order is done, and not for ever where it fails.
        ends = row.accepted_at + rules.REPORT_WITHIN
    if left_on is None:
        return ends
    # Whoever moves in has not agreed: from that midnight nothing is open, whether or not the night has been.
    gone = max(now, rules.day_is_over(left_on))
    return gone if ends is None else min(ends, gone)


def _stays(connection: Connection, row: Any, agreed_on: date) -> dict[int, tuple[date | None, date | None]]:
    """Of each premise of the agreement *row*: its customer's first and last day there, as far as its TDSP has told.

    The customer was there on the day *agreed_on*. A meter that came into an agreement over all meters later is the
    customer's since the day it was added to the account.
    """
    of = premises_of(row.number).subquery()
    added = (
        account_meter.c.premise_id == of.c.premise_id,
        account_meter.c.account_id == (-1 if row.account_id is None else row.account_id),
        account_meter.c.in_force,
    )
    told = connection.execute(
        select(of.c.premise_id, account_meter.c.added_on, occupancy.c.move_in_day)
        .outerjoin(account_meter, and_(*added))
        .outerjoin(occupancy, occupancy.c.premise_id == of.c.premise_id)
        .order_by(of.c.premise_id, occupancy.c.move_in_day)
    )
    stays: dict[int, tuple[date | None, date | None]] = {}
    for premise_id, added_on, moved_in in told:
        came, left = stays.setdefault(premise_id, (None, None))
        there = max(agreed_on, added_on or agreed_on)
        if moved_in is not None and moved_in <= there:
            came = moved_in
        elif moved_in is not None and left is None:
            left = moved_in - timedelta(days=1)
        stays[premise_id] = came, left
    return stays


def follow_account(connection: Connection, row: Any, *, now: datetime) -> None:
    """Make an agreement over all meters of an account be about those that the account has *now* (A3); else nothing."""
    if not row.all_meters or row.account_id is None:
        return
    meters = account_meters(connection, row.account_id, today=now.astimezone(rules.CENTRAL).date())
    table = agreement_premise
    kept = {meter.premise_id for meter in meters}
    gone = [premise_id for premise_id in connection.scalars(premises_of(row.number)) if premise_id not in kept]
    for premise_id in gone:
        connection.execute(
            update(table).where(table.c.number == row.number, table.c.premise_id == premise_id).values(dropped_at=now)
        )
    if meters:
        added = insert(connection, table)
        connection.execute(
            added.on_conflict_do_update(
                index_elements=["premise_id", "number"],
                set_={"meter_number": added.excluded.meter_number, "dropped_at": None},
            ),
            [
                {"premise_id": meter.premise_id, "number": row.number, "meter_number": meter.meter_number}
                for meter in meters
            ],
        )
