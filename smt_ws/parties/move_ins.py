"""What a move-in that a TDSP tells does to grants: nobody's agreement opens days of somebody else's stay (R5).

It happens in the transaction that takes in the move, so that no night passes between the TDSP's word and its effect.
Agreements follow in the night (`smt_ws.agreements.lifecycle`): statuses and letters. A grant was given by whoever
lived there when it was granted:

* a later move-in ends it: it opens no day from the move-in on, and nothing at all from that day's midnight;
* an earlier one, told only now, was the giver's own: it opens no day before.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from adapters.central_day import midnight_utc
from smt_ws.clock import CENTRAL
from smt_ws.parties.tables import grants, occupancy
from smt_ws.store import audit
from smt_ws.store.dialect import among

__all__ = ["keep_to_stays"]


def keep_to_stays(connection: Connection, premises: Collection[int], *, load_number: int, now: datetime) -> int:
    """Cut the open grants at these *premises* to the stay in which each was granted; returns how many were changed.

    The load *load_number* has told of moves there, and is named in the audit log (P7). *now* is business time; a grant
    that ends does so at that moment, or later, never before it.
    """
    if not premises:
        return 0
    rows = connection.execute(
        select(grants, occupancy.c.move_in_day)
        .join(occupancy, occupancy.c.premise_id == grants.c.premise_id)
        .where(
            among(connection, grants.c.premise_id, sorted(premises)),
            or_(grants.c.ended_at.is_(None), grants.c.ended_at > now),
        )
        .order_by(grants.c.premise_id, grants.c.id, occupancy.c.move_in_day)
    ).all()
    changed = []
    for _key, moves in groupby(rows, key=lambda row: (row.premise_id, row.id)):
        each = list(moves)
        kept = _cut(each[0], [row.move_in_day for row in each], now)
        held = each[0]
        if kept != (held.from_day, held.to_day, held.ended_at):
            changed.append(
                {"at": held.premise_id, "which": held.id, "first": kept[0], "last": kept[1], "ends": kept[2]}
            )
    if changed:
        connection.execute(
            update(grants)
            .where(grants.c.premise_id == bindparam("at"), grants.c.id == bindparam("which"))
            .values(from_day=bindparam("first"), to_day=bindparam("last"), ended_at=bindparam("ends")),
            changed,
        )
        audit.record(
            connection,
            audit.Event.GRANTS_CUT,
            actor="hub:load",
            at=now,
            object=f"load:{load_number}",
            details={"grants": len(changed)},
        )
    return len(changed)


def _cut(grant: Any, moves: list[date], now: datetime) -> tuple[date, date | None, datetime | None]:
    granted_on = grant.granted_at.astimezone(CENTRAL).date()
    began = max((day for day in moves if day <= granted_on), default=grant.from_day)
    first, last, ends = max(grant.from_day, began), grant.to_day, grant.ended_at
    following = min((day for day in moves if day > granted_on), default=None)
    if following is not None:
        before = following - timedelta(days=1)
        last = before if last is None else min(last, before)
        over = max(now, midnight_utc(following))
        ends = over if ends is None else min(ends, over)
    return first, last, ends
