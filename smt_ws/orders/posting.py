"""The daily posting: what loads brought since the last one, to everybody who is subscribed (R8).

Not in one transaction but one a subscription, each of which moves that subscription's mark: begun again after a crash
it goes on where it stopped, and a day is posted once. What a company cannot be given now (it is suspended, or has no
OpenPGP certificate) stays behind its mark for a later day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, exists, select, update

from smt_ws.clock import CENTRAL, Clock
from smt_ws.orders.changes import Changes, Fresh, cut_changes, place_changes
from smt_ws.orders.renderers import DAILY, INTERVAL, RENDERERS, formats_of
from smt_ws.orders.rules import MARKET_KINDS, first_day_kept
from smt_ws.orders.tables import subscription
from smt_ws.parties.opened import opened_since
from smt_ws.parties.seen import days_seen
from smt_ws.parties.tables import company, company_duns
from smt_ws.settings import Limits
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store
from smt_ws.usage.changes import DAILY_READS, INTERVALS, ChangedDays, Measured, changed_days, load_before
from smt_ws.usage.loads import market_told_since, snapshot
from smt_ws.usage.opened import Left, days_left, opened_days, without_opened
from smt_ws.usage.read import CHANNELS

__all__ = ["DATA_TYPES", "DataType", "Posted", "ensure_defaults", "post_daily", "subscribable"]


class DataType(NamedTuple):
    """What can be subscribed to: a report, where its data is, and the format that a REP has without asking."""

    report: str
    measured: Measured
    default_format: str
    #: Formats a posting may have, of those that the report has.
    formats: tuple[str, ...]


#: By the name on the wire. A report that has no formats yet is not posted.
DATA_TYPES: Final[Mapping[str, DataType]] = MappingProxyType(
    {
        "INTERVAL": DataType(INTERVAL, INTERVALS, "LSE", ("CSV", "LSE")),
        "DAILY": DataType(DAILY, DAILY_READS, "CSV", ("CSV",)),
    }
)

#: A REP's first posting holds what was loaded in so long before it.
_FIRST_POSTING: Final = timedelta(days=1)


@dataclass(slots=True)
class Posted:
    """What a run of the posting did."""

    orders: int = 0
    files: int = 0
    esiid_days: int = 0
    #: Subscriptions with nothing new.
    quiet: int = 0
    #: DUNS numbers that can be given nothing now.
    held_back: int = 0


def subscribable(data_type: str) -> tuple[str, ...]:
    """Return the formats in which *data_type* can be had daily; none where it cannot."""
    known = DATA_TYPES.get(data_type)
    return () if known is None else tuple(one for one in known.formats if one in formats_of(known.report))


def ensure_defaults(connection: Connection, *, now: datetime, duns_numbers: Iterable[str] | None = None) -> int:
    """Subscribe every REP (or those of *duns_numbers*) that never was, to all that can be had; return how many.

    One that a REP has ended stays ended.
    """
    made = 0
    for name, known in DATA_TYPES.items():
        if not (formats := subscribable(name)):
            continue
        ever = exists().where(subscription.c.duns == company_duns.c.duns, subscription.c.data_type == name)
        without = (
            select(company_duns.c.duns, company.c.id)
            .join(company, company.c.id == company_duns.c.company_id)
            .where(company.c.kind == "REP", ~ever)
            .order_by(company_duns.c.duns)
        )
        if duns_numbers is not None:
            without = without.where(company_duns.c.duns.in_(list(duns_numbers)))
        rows = connection.execute(without).all()
        if not rows:
            continue
        mark = load_before(connection, now - _FIRST_POSTING)
        connection.execute(
            insert(connection, subscription).on_conflict_do_nothing(),
            [
                {
                    "company_id": row.id,
                    "duns": row.duns,
                    "kind": "REP",
                    "data_type": name,
                    "format": known.default_format if known.default_format in formats else formats[0],
                    "by_default": True,
                    "started_at": now,
                    "posted_load": mark,
                }
                for row in rows
            ],
        )
        made += len(rows)
    return made


def post_daily(store: Store, *, for_date: date, clock: Clock, limits: Limits) -> Posted:
    """Post everything new to every subscription that has not been served for *for_date*.

    New is what loads brought or corrected since the subscription's mark, for days that its company may see: late and
    corrected days are in it; and what changes of access opened since, back to ``limits.posting_opened_days``: the order
    tells what was opened before them (R15). An order each, with a file a TDSP of at most 50,000 records; a subscription
    with nothing new gets none. Afterwards the mark is the newest whole load at the time of the run.
    """
    now = clock.now()
    with store.write() as connection:
        ensure_defaults(connection, now=now)
    with store.read() as connection:
        as_of = snapshot(connection)
        due = connection.execute(
            select(
                subscription, company.c.suspended_at, company.c.openpgp_certificate.is_not(None).label("can_receive")
            )
            .join(company, company.c.id == subscription.c.company_id)
            .where(
                subscription.c.ended_at.is_(None),
                subscription.c.posted_day.is_(None) | (subscription.c.posted_day < for_date),
            )
            .order_by(subscription.c.data_type, subscription.c.kind, subscription.c.posted_load, subscription.c.duns)
        ).all()
    posted = Posted()
    ready = [row for row in due if row.can_receive and row.suspended_at is None]
    posted.held_back = len(due) - len(ready)
    # Those that stand at the same mark are served by one pass over what is new.
    for (data_type, kind, after), rows in groupby(ready, key=lambda row: (row.data_type, row.kind, row.posted_load)):
        waiting = {row.duns: row for row in rows}
        for duns, parts, left in _new_for(
            store, waiting, data_type=data_type, kind=kind, after=after, as_of=as_of, now=now, limits=limits
        ):
            _post(store, waiting.pop(duns), parts, left, as_of=as_of, for_date=for_date, now=now, posted=posted)
        for row in waiting.values():
            _post(store, row, [], None, as_of=as_of, for_date=for_date, now=now, posted=posted)
    return posted


def _new_for(
    store: Store,
    waiting: Mapping[str, Any],
    *,
    data_type: str,
    kind: str,
    after: int,
    as_of: int,
    now: datetime,
    limits: Limits,
) -> Iterable[tuple[str, list[Changes], Left | None]]:
    known = DATA_TYPES[data_type]
    formats = {duns: row.format for duns, row in waiting.items()}

    def cut(duns: str, pieces: Iterable[ChangedDays], *, opened: bool = False) -> list[Changes]:
        renderer = RENDERERS[known.report, formats[duns]]
        most = limits.days_per_part
        return cut_changes(pieces, most=most, record_a_channel=renderer.record_a_channel, opened=opened)

    with store.read() as connection:
        # The market's rows as of the mark are those of now, unless a later load is done and an earlier one is not.
        seen = days_seen(
            list(waiting), kind=kind, now=now, as_of=as_of if market_told_since(connection, as_of) else None
        )
        opened, left = _opened_to(
            connection, list(waiting), kind=kind, after=after, as_of=as_of, now=now, limits=limits, known=known
        )
        pieces = changed_days(
            connection, seen, after=after, as_of=as_of, channels=CHANNELS["A"], measured=known.measured
        )
        for duns, of_one in groupby(pieces, key=attrgetter("duns")):
            whole = opened.pop(duns, [])
            parts = cut(duns, without_opened(of_one, whole)) + cut(duns, whole, opened=True)
            yield duns, parts, left.pop(duns, None)
        for duns in [*opened, *(duns for duns in left if duns not in opened)]:
            yield duns, cut(duns, opened.get(duns, []), opened=True), left.get(duns)


def _opened_to(
    connection: Connection,
    duns_numbers: Sequence[str],
    *,
    kind: str,
    after: int,
    as_of: int,
    now: datetime,
    limits: Limits,
    known: DataType,
) -> tuple[dict[str, list[ChangedDays]], dict[str, Left]]:
    """By DUNS number: days that are news because access to them is (R15), and what of them lies too far back."""
    ranges = opened_since(connection, duns_numbers, kind=kind, now=now, after=after, as_of=as_of)
    today = now.astimezone(CENTRAL).date()
    first = today - timedelta(days=limits.posting_opened_days)
    months = limits.history_months_market if kind in MARKET_KINDS else limits.history_months_others
    asked: dict[str, Any] = {"as_of": as_of, "channels": CHANNELS["A"], "measured": known.measured}
    opened = {
        duns: pieces
        for duns, rows in ranges.items()
        if (pieces := opened_days(connection, duns, rows, **asked, first_day=first, last_day=today))
    }
    asked |= {"first_day": first_day_kept(today, months), "last_day": first - timedelta(days=1)}
    left = {
        duns: one
        for duns, rows in ranges.items()
        if (one := days_left(connection, rows, after=after, **asked)) is not None
    }
    return opened, left


def _post(
    store: Store,
    row: Any,
    parts: list[Changes],
    left: Left | None,
    *,
    as_of: int,
    for_date: date,
    now: datetime,
    posted: Posted,
) -> None:
    with store.write() as connection:
        # Another clock may have been here, or the subscription was ended a moment ago.
        mine = connection.execute(
            update(subscription)
            .where(
                subscription.c.id == row.id,
                subscription.c.ended_at.is_(None),
                subscription.c.posted_load == row.posted_load,
                subscription.c.posted_day.is_(None) | (subscription.c.posted_day < for_date),
            )
            .values(posted_load=as_of, posted_day=for_date)
        )
        if mine.rowcount != 1:
            return
        if not parts and left is None:
            posted.quiet += 1
            return
        fresh = Fresh(
            company_id=row.company_id,
            duns=row.duns,
            report=DATA_TYPES[row.data_type].report,
            format=row.format,
            after_load=row.posted_load,
            as_of_load=as_of,
            trans_id=f"subscription-{row.id}-{for_date.isoformat()}",
            requestor_id="hub",
            subscription_id=row.id,
            left=left,
            posting_day=for_date,
        )
        place_changes(connection, fresh, parts, now=now, actor="hub:jobs")
    posted.orders += 1
    posted.files += len(parts)
    posted.esiid_days += sum(part.slices.days for part in parts)
