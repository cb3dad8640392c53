"""Subscriptions to the daily posting: begin one, with history if wanted, end one, see one's own (R8).

A REP is subscribed without asking, and may end that and begin another in another format. At most one a DUNS number and
kind of data is in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select, update

from smt_ws.clock import Clock, central_today
from smt_ws.orders import errors, rules
from smt_ws.orders.place import UsageRequest, place_order
from smt_ws.orders.posting import DATA_TYPES, ensure_defaults, subscribable
from smt_ws.orders.tables import subscription
from smt_ws.parties.rules import KINDS
from smt_ws.parties.seen import esiids_seen
from smt_ws.store import audit
from smt_ws.usage.loads import snapshot

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller
    from smt_ws.settings import Limits

__all__ = [
    "HISTORY_MONTHS",
    "Subscribed",
    "Subscription",
    "SubscriptionRequest",
    "end_subscription",
    "my_subscriptions",
    "new_subscription",
]

#: How much history may be asked for with a subscription (facts 3.3, ``historicalSubscriptionDuration``).
HISTORY_MONTHS = (3, 6, 9, 12, 24)
#: A subscription that follows another within so long goes on where that one ended: changing the format loses nothing.
_FOLLOWS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """A request for a subscription as it came; *history_months* None: from now on only."""

    trans_id: str
    requestor_id: str
    data_type: str
    report_format: str
    history_months: int | None = None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A new subscription: the first posting holds what is loaded after *load_mark*; history comes as *orders*."""

    subscription_id: int
    load_mark: int
    orders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its company sees it; *load_mark*: all that was loaded up to it has been posted."""

    subscription_id: int
    duns: str
    data_type: str
    report_format: str
    by_default: bool
    started_at: datetime
    ended_at: datetime | None
    posted_day: date | None
    load_mark: int


def new_subscription(
    connection: Connection,
    caller: Caller,
    request: SubscriptionRequest,
    *,
    limits: Limits,
    clock: Clock,
    allow_test_esiids: bool = False,
    address: str | None = None,
) -> Subscribed:
    """Subscribe the DUNS number that *caller* names to the daily posting (R8).

    The history asked for, as far as R4 keeps it, comes as ordinary orders for every ESI ID of which the caller may see
    any of those days, at most 50,000 ESI IDs each (R3).

    Raises `SubscriptionNotForYouError`, `DataTypeNotAvailableError`, `FormatNotAvailableError`,
    `HistoryDurationError`, `SubscriptionActiveError`, and what placing an order raises.
    """
    now, kind = clock.now(), KINDS[caller.kind]
    if not (kind.by_service or kind.by_grant):
        raise errors.SubscriptionNotForYouError(presented=caller.kind, expected="REP or CSP")
    formats = subscribable(request.data_type)
    if not formats:
        known = [name for name in DATA_TYPES if subscribable(name)]
        raise errors.DataTypeNotAvailableError(presented=request.data_type, expected=" or ".join(known))
    if request.report_format not in formats:
        raise errors.refused(
            "FORMAT_NOT_AVAILABLE",
            element="reportFormat",
            presented=request.report_format,
            expected=" or ".join(formats),
        )
    months = request.history_months
    if months is not None and months not in HISTORY_MONTHS:
        raise errors.HistoryDurationError(presented=str(months), expected=" or ".join(map(str, HISTORY_MONTHS)))
    ensure_defaults(connection, now=now, duns_numbers=caller.duns_numbers)
    mark = _begin_mark(connection, caller, request, now)
    inserted = connection.execute(
        insert(subscription).values(
            company_id=caller.company_id,
            duns=caller.duns,
            kind=caller.kind,
            data_type=request.data_type,
            format=request.report_format,
            by_default=False,
            started_at=now,
            posted_load=mark,
        )
    ).inserted_primary_key
    assert inserted is not None
    number = int(inserted[0])
    orders = _history(connection, caller, request, limits, clock, allow_test_esiids, address) if months else ()
    audit.record(
        connection,
        audit.Event.SUBSCRIPTION_BEGUN,
        actor=f"company:{caller.company_id}",
        at=now,
        object=f"subscription:{number}",
        details={
            "duns": caller.duns,
            "data_type": request.data_type,
            "format": request.report_format,
            "orders": list(orders),
        },
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return Subscribed(number, mark, orders)


def _begin_mark(connection: Connection, caller: Caller, request: SubscriptionRequest, now: datetime) -> int:
    before = connection.execute(
        select(subscription)
        .where(subscription.c.duns == caller.duns, subscription.c.data_type == request.data_type)
        .order_by(subscription.c.id.desc())
        .limit(1)
        .with_for_update()
    ).first()
    if before is not None and before.ended_at is None:
        raise errors.SubscriptionActiveError(
            f"{errors.SubscriptionActiveError.sentence()} It is subscription {before.id}, {request.data_type} as"
            f" {before.format}, for {caller.duns}.",
            presented=f"{request.data_type} for {caller.duns}",
        )
    if before is not None and before.ended_at > now - _FOLLOWS and before.kind == caller.kind:
        return int(before.posted_load)
    return snapshot(connection)


def _history(
    connection: Connection,
    caller: Caller,
    request: SubscriptionRequest,
    limits: Limits,
    clock: Clock,
    allow_test_esiids: bool,
    address: str | None,
) -> tuple[int, ...]:
    assert request.history_months is not None
    today = central_today(clock)
    kept = limits.history_months_market if caller.kind in rules.MARKET_KINDS else limits.history_months_others
    first = rules.first_day_kept(today, min(request.history_months, kept))
    last = today - timedelta(days=1)
    esiids: Sequence[str] = connection.scalars(
        esiids_seen(caller.duns_numbers, kind=caller.kind, now=clock.now(), first_day=first, last_day=last)
    ).all()
    most = limits.esiids_per_request
    return tuple(
        place_order(
            connection,
            caller,
            UsageRequest(
                trans_id=request.trans_id,
                requestor_id=request.requestor_id,
                start_date=f"{first:%m/%d/%Y}",
                end_date=f"{last:%m/%d/%Y}",
                report_format=request.report_format,
                esiids=esiids[start : start + most],
                report=DATA_TYPES[request.data_type].report,
            ),
            limits=limits,
            clock=clock,
            allow_test_esiids=allow_test_esiids,
            address=address,
        ).order_number
        for start in range(0, len(esiids), most)
    )


def end_subscription(
    connection: Connection, caller: Caller, subscription_id: int, *, clock: Clock, address: str | None = None
) -> None:
    """End a subscription of the caller's company; nothing is posted for it any more, what was posted stays.

    Raises `SubscriptionUnknownError`, for one that does not exist, is ended, or is another company's alike.
    """
    now = clock.now()
    ensure_defaults(connection, now=now, duns_numbers=caller.duns_numbers)
    ended = 0
    if subscription_id <= rules.LARGEST_NUMBER:
        ended = connection.execute(
            update(subscription)
            .where(
                subscription.c.id == subscription_id,
                subscription.c.company_id == caller.company_id,
                subscription.c.ended_at.is_(None),
            )
            .values(ended_at=now)
        ).rowcount
    if not ended:
        raise errors.SubscriptionUnknownError(presented=str(subscription_id))
    audit.record(
        connection,
        audit.Event.SUBSCRIPTION_ENDED,
        actor=f"company:{caller.company_id}",
        at=now,
        object=f"subscription:{subscription_id}",
        certificate_sha256=caller.tls_sha256,
        address=address,
    )


def my_subscriptions(connection: Connection, caller: Caller, *, clock: Clock) -> list[Subscription]:
    """Return the subscriptions of the caller's company, ended ones too, newest first.

    Needs a transaction that may write: a REP that never was subscribed is now.
    """
    ensure_defaults(connection, now=clock.now(), duns_numbers=caller.duns_numbers)
    rows = connection.execute(
        select(subscription)
        .where(subscription.c.company_id == caller.company_id)
        .order_by(subscription.c.ended_at.is_not(None), subscription.c.id.desc())
    )
    return [
        Subscription(
            subscription_id=row.id,
            duns=row.duns,
            data_type=row.data_type,
            report_format=row.format,
            by_default=row.by_default,
            started_at=row.started_at,
            ended_at=row.ended_at,
            posted_day=row.posted_day,
            load_mark=row.posted_load,
        )
        for row in rows
    ]
