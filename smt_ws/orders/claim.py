"""Parts as a work list: claimed under a lease, given back, or given up.

A claim raises the part's fence by one. A worker that was thought dead and comes back holds an old fence, and
everything it tries to record is refused (`ClaimLostError`). Leases are real time. Where several rows are locked it is
always parts first, in their order, and the order last.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Event, Thread
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from smt_ws.clock import Clock, real_now
from smt_ws.orders.errors import ClaimLostError
from smt_ws.orders.finish import fail_order
from smt_ws.orders.rules import PartState, Stage, Status, turns
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.errors import CompanySuspendedError
from smt_ws.parties.tables import company
from smt_ws.store.dialect import wait_for_locks_at_most
from smt_ws.store.engine import Store

__all__ = ["Claim", "claim_part", "failed", "heartbeat", "hold", "release", "renew"]

log = structlog.get_logger("smt_ws.orders")

#: Longest pause between two tries of a part.
CAP = timedelta(minutes=5)
#: How long a worker waits for rows that another one holds while it records a part of the same order.
PATIENCE = timedelta(seconds=10)
_OPEN = (PartState.PLANNED.value, PartState.BUILDING.value)


@dataclass(frozen=True, slots=True)
class Claim:
    """A part that is this worker's while its lease lasts, with what building it needs of the order."""

    order_number: int
    part: int
    kind: str
    fence: int
    attempts: int
    worker: str
    file_name: str
    planned_at: datetime
    slices: bytes
    days_planned: int
    company_id: int
    duns: str
    report: str
    format: str
    csv_profile: str
    version: str
    reading_type: str
    first_day: date
    last_day: date
    as_of_load: int
    accepted_at: datetime
    #: Of the FTPS site: ``adhoc`` or ``daily``.
    folder: str = "adhoc"
    #: Only what was loaded after this load number; None: whatever is known.
    from_load: int | None = None
    #: Of the plain file; None: as *file_name* says.
    member_name: str | None = None
    #: Whose premises the part holds, where it is of one TDSP.
    tdsp_duns: str | None = None
    #: The one-time agreement that the order was made for.
    agreement: str | None = None
    #: Holds days that a change of access opened: whatever is known of them.
    opened: bool = False


def claim_part(
    store: Store,
    *,
    worker: str,
    lease: timedelta,
    attempts: int,
    clock: Clock,
    keep: timedelta,
    most_days: int | None = None,
) -> Claim | None:
    """Claim the part whose turn it is (`smt_ws.orders.rules.turns`), or None where nothing can be done now.

    A part can be claimed when it is planned and due, or when the lease on it has run out; when its order has no
    unfinished part of a lower stage; and when its company is not suspended (P10). A part whose workers died *attempts*
    times is not tried again: its order fails (its files are kept for *keep*). With *most_days* only parts of orders of
    at most so many ESI-ID-days are looked at.
    """
    while True:
        with store.write() as connection:
            now = real_now()
            row = _next(connection, now, most_days)
            if row is None:
                return None
            if row.attempts < attempts:
                return _claimed(connection, row, worker, now + lease)
        reason = f"PART_ABANDONED: {attempts} workers began part {row.part} and none came back"
        with store.write() as connection:
            fail_order(
                connection,
                row.order_number,
                part=row.part,
                fence=row.fence,
                reason=reason,
                now=clock.now(),
                keep=keep,
            )


def _next(connection: Connection, now: datetime, most_days: int | None) -> Any:
    # Which order comes next is asked without locks; then the first of its parts that nobody else is just taking. In
    # between, a lower stage can only become more finished.
    part = order_part.c
    stages = connection.execute(
        select(
            part.order_number,
            part.stage,
            report_order.c.company_id,
            report_order.c.days_asked,
            func.max(part.lease_until).label("served"),
            func.count().filter(part.state.in_(_OPEN)).label("open"),
            func.count().filter(_claimable(now)).label("claimable"),
            func.min(part.not_before).label("planned"),
        )
        .join(report_order, report_order.c.number == part.order_number)
        .join(company, company.c.id == report_order.c.company_id)
        .where(
            report_order.c.status.in_((Status.PENDING.value, Status.IN_PROGRESS.value)),
            company.c.suspended_at.is_(None),
            *(() if most_days is None else (report_order.c.days_asked <= most_days,)),
        )
        .group_by(part.order_number, part.stage, report_order.c.company_id, report_order.c.days_asked)
    ).all()
    for order_number, stage in turns([Stage(*row) for row in stages], now=now):
        row = connection.execute(
            select(part.order_number, part.part, part.fence, part.attempts)
            .where(part.order_number == order_number, part.stage == stage, _claimable(now))
            .order_by(part.part)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).first()
        if row is not None:
            return row
    return None


def _claimable(now: datetime) -> ColumnElement[bool]:
    part = order_part.c
    return or_(
        and_(part.state == PartState.PLANNED.value, part.not_before <= now),
        and_(part.state == PartState.BUILDING.value, part.lease_until < now),
    )


def _claimed(connection: Connection, row: Any, worker: str, until: datetime) -> Claim:
    connection.execute(
        update(order_part)
        .where(order_part.c.order_number == row.order_number, order_part.c.part == row.part)
        .values(
            state=PartState.BUILDING.value,
            fence=row.fence + 1,
            attempts=row.attempts + 1,
            claimed_by=worker,
            lease_until=until,
        )
    )
    connection.execute(
        update(report_order)
        .where(report_order.c.number == row.order_number, report_order.c.status == Status.PENDING.value)
        .values(status=Status.IN_PROGRESS.value)
    )
    part, order = order_part.c, report_order.c
    facts = connection.execute(
        select(
            part.kind,
            part.file_name,
            part.planned_at,
            part.slices,
            part.days_planned,
            part.company_id,
            order.duns,
            order.report,
            order.format,
            order.csv_profile,
            order.version,
            order.reading_type,
            order.first_day,
            order.last_day,
            order.as_of_load,
            order.accepted_at,
            order.folder,
            order.from_load,
            part.member_name,
            part.tdsp_duns,
            order.agreement,
            part.opened,
        )
        .join(report_order, order.number == part.order_number)
        .where(part.order_number == row.order_number, part.part == row.part)
    ).one()
    return Claim(
        order_number=row.order_number,
        part=row.part,
        fence=row.fence + 1,
        attempts=row.attempts + 1,
        worker=worker,
        **facts._asdict(),
    )


def _mine(claim: Claim) -> ColumnElement[bool]:
    part = order_part.c
    return and_(
        part.order_number == claim.order_number,
        part.part == claim.part,
        part.fence == claim.fence,
        part.state == PartState.BUILDING.value,
    )


def hold(connection: Connection, claim: Claim) -> None:
    """Lock the part for the rest of the transaction, sure that it is still this claim's.

    Raises `ClaimLostError` when another worker has claimed it since, or its order was cancelled or has failed, and
    `CompanySuspendedError` when its company was suspended meanwhile: then nothing more is published for it (P10). A
    lease that has run out without anybody claiming the part is no loss. From here on the transaction waits for rows of
    others no longer than `PATIENCE`: who was stopped in the middle of recording holds the order, and all workers would
    come to wait for that.
    """
    wait_for_locks_at_most(connection, PATIENCE)
    held = connection.execute(
        select(company.c.suspended_at)
        .select_from(order_part)
        .join(company, company.c.id == order_part.c.company_id)
        .where(_mine(claim))
        .with_for_update(of=order_part)
    ).first()
    if held is None:
        raise ClaimLostError(f"order {claim.order_number}, part {claim.part}, fence {claim.fence}: no longer ours")
    if held.suspended_at is not None:
        raise CompanySuspendedError


def renew(store: Store, claim: Claim, *, lease: timedelta) -> bool:
    """Lengthen the lease to *lease* from now; False when the part is no longer this claim's."""
    with store.write() as connection:
        renewed = connection.execute(update(order_part).where(_mine(claim)).values(lease_until=real_now() + lease))
    return renewed.rowcount == 1


@contextmanager
def heartbeat(store: Store, claim: Claim, *, lease: timedelta) -> Iterator[Event]:
    """Renew the lease from a thread, four times a lease, while the body runs; the event is set when the part is lost.

    Encryption holds the interpreter lock and stops this thread for as long as it lasts (a second for 200 MB): the
    lease must be longer than that, and the default is a hundred times longer. A store that cannot be reached is tried
    again at the next beat: whether the part is still ours is asked once more when it is published.
    """
    done, lost = Event(), Event()

    def beat() -> None:
        while not done.wait(lease.total_seconds() / 4):
            try:
                if not renew(store, claim, lease=lease):
                    lost.set()
                    return
            except SQLAlchemyError as error:
                log.warning("lease_not_renewed", order=claim.order_number, part=claim.part, error=type(error).__name__)

    thread = Thread(target=beat, name=f"lease-{claim.order_number}-{claim.part}", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()


def release(store: Store, claim: Claim, *, pause: timedelta = timedelta()) -> None:
    """Give the part back untouched, to be claimed again after *pause*; the try does not count."""
    with store.write() as connection:
        connection.execute(
            update(order_part)
            .where(_mine(claim))
            .values(
                state=PartState.PLANNED.value,
                claimed_by=None,
                attempts=claim.attempts - 1,
                not_before=real_now() + pause,
            )
        )


def failed(
    store: Store, claim: Claim, reason: str, *, attempts: int, clock: Clock, keep: timedelta, final: bool = False
) -> bool:
    """Record a failed try: the part is due again after a pause, or, after *attempts* or where *final*, the order fails.

    Returns True when the order has failed. A claim that is lost is left to whoever has it now.
    """
    if final or claim.attempts >= attempts:
        with store.write() as connection:
            return fail_order(
                connection,
                claim.order_number,
                part=claim.part,
                fence=claim.fence,
                reason=reason,
                now=clock.now(),
                keep=keep,
            )
    pause = min(CAP, timedelta(seconds=2**claim.attempts)) * random.random()  # noqa: S311 — jitter, not a secret
    with store.write() as connection:
        connection.execute(
            update(order_part)
            .where(_mine(claim))
            .values(
                state=PartState.PLANNED.value, claimed_by=None, not_before=real_now() + pause, last_error=reason[:2000]
            )
        )
    return False
