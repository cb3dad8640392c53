"""What happens to devices and messages by the clock: waiting ends, and what is no longer needed is destroyed.

Everything runs in bounded transactions and may be run again at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, delete, exists, func, or_, select, tuple_, update

from smt_ws.clock import Clock
from smt_ws.han import rules
from smt_ws.han.ledger import Entry, Ledger
from smt_ws.han.message_rules import Code, MessageState
from smt_ws.han.progress import Progress, Status, Target
from smt_ws.han.rules import DeviceEvent, DeviceState
from smt_ws.han.tables import (
    han_device,
    han_message,
    han_message_device,
    han_message_status,
    han_message_target,
)
from smt_ws.store import audit

if TYPE_CHECKING:
    from smt_ws.han.terms import Terms
    from smt_ws.store.engine import Store

__all__ = [
    "destroy_install_codes",
    "end_waiting_devices",
    "end_waiting_messages",
    "forget_messages",
    "overdue_adds",
]

#: A device may end an event an hour late by its own random delay, and reports after that.
_GRACE: Final = timedelta(hours=2)
#: How long an answer is waited for where a message has no end of its own.
_WITHOUT_END: Final = timedelta(days=7)
_BATCH: Final = 500
#: A message may have 50,000 premises, and several statuses at each.
_FORGOTTEN_AT_ONCE: Final = 20
_REASONS: Final = {
    DeviceEvent.JOIN_TIMED_OUT: ("JOIN_WINDOW_CLOSED", "the device did not join within the join window"),
    DeviceEvent.REMOVE_TIMED_OUT: ("OTHER", "the TDSP has not answered in time; the removal may be asked again"),
}


def end_waiting_devices(store: Store, *, terms: Terms, clock: Clock) -> int:
    """Move devices whose time in a state is over, by `rules.TIMEOUTS`; return how many."""
    ended = 0
    for state, (setting, event) in rules.TIMEOUTS.items():
        since = clock.now() - timedelta(hours=getattr(terms.han, setting))
        end = partial(_end_devices, state=state, event=event, since=since, clock=clock)
        ended += _in_batches(store, end, _BATCH)
    return ended


def _in_batches(store: Store, do: Callable[[Connection], int], batch: int) -> int:
    """Do so many at once, each time in a transaction of its own, until fewer are left; return how many it was."""
    done = 0
    while True:
        with store.write() as connection:
            some = do(connection)
        done += some
        if some < batch:
            return done


def _end_devices(connection: Connection, state: DeviceState, event: DeviceEvent, since: datetime, clock: Clock) -> int:
    of = han_device.c
    due = connection.execute(
        select(of.premise_id, of.eui64).where(of.state == state.value, of.state_at < since).limit(_BATCH)
    ).all()
    ledger = Ledger(connection, {row.premise_id for row in due}, now=clock.now())
    for row in due:
        device = ledger.find(row.premise_id, row.eui64)
        # it may have moved before the lock was ours
        if device is None or device.state is not state or device.state_at >= since:
            continue
        number = device.add_request if state in rules.ADDING else device.remove_request
        ledger.tell(device, Entry(event, number, "hub:jobs", clock.now(), *_REASONS[event]))
    ledger.write()
    return len(due)


def end_waiting_messages(store: Store, *, clock: Clock) -> int:
    """Close messages at premises where their time is over; return at how many.

    What no TDSP acknowledged is EXPIRED, a failure in the log; what none of the devices answered is NO_REPORT, which
    SEP 1.0 allows; what had arrived stays so.
    """
    return _in_batches(store, lambda connection: _end_messages(connection, clock), _BATCH)


def _end_messages(connection: Connection, clock: Clock) -> int:
    of, now = han_message_target.c, clock.now()
    over = or_(
        han_message.c.ends_at < now - _GRACE,
        han_message.c.ends_at.is_(None) & (han_message.c.accepted_at < now - _WITHOUT_END),
    )
    due = connection.execute(
        select(of.premise_id, of.message_number)
        .join(han_message, han_message.c.number == of.message_number)
        .where(of.closed_at.is_(None), over)
        .limit(_BATCH)
    ).all()
    if not due:
        return 0
    progress = Progress(connection, now=now)
    named = tuple_(of.premise_id, of.message_number).in_([tuple(row) for row in due])
    for target in progress.hold(named, of.closed_at.is_(None)):
        _close(progress, target, now)
    progress.write()
    return len(due)


def _close(progress: Progress, target: Target, now: datetime) -> None:
    if target.state in {MessageState.SUBMITTED, MessageState.SENT}:
        told = Status(Code.FLR, MessageState.EXPIRED, now, "no answer came before its time was over", by_hub=True)
        progress.tell(target, told)
    elif target.state in {MessageState.ACKNOWLEDGED, MessageState.PENDING}:
        progress.tell(target, Status(Code.FLR, MessageState.NO_REPORT, now, by_hub=True), logged=False)
    if target.closed_at is None:
        target.closed_at = now
        progress.put(target)


def destroy_install_codes(store: Store, *, terms: Terms, clock: Clock) -> int:
    """Destroy the installation codes of devices that have been gone for a while; return how many."""
    of, now = han_device.c, clock.now()
    since = now - timedelta(days=terms.han.keep_install_codes_days)
    with store.write() as connection:
        destroyed = connection.execute(
            update(han_device)
            .where(of.install_code.is_not(None), of.holds_slot.is_(False), of.state_at < since)
            .values(install_code=None)
        ).rowcount
        if destroyed:
            audit.record(
                connection,
                audit.Event.INSTALL_CODES_DESTROYED,
                actor="hub:jobs",
                at=now,
                details={"devices": destroyed},
            )
    return destroyed


def forget_messages(store: Store, *, terms: Terms, clock: Clock) -> int:
    """Remove messages, with their log, that were accepted too long ago; return how many. Open ones stay."""
    since = clock.now() - timedelta(days=terms.han.keep_messages_days)
    return _in_batches(store, lambda connection: _forget(connection, since), _FORGOTTEN_AT_ONCE)


def _forget(connection: Connection, since: datetime) -> int:
    of = han_message.c
    is_open = exists().where(han_message_target.c.message_number == of.number, han_message_target.c.closed_at.is_(None))
    old = select(of.number).where(of.accepted_at < since, ~is_open).order_by(of.number).limit(_FORGOTTEN_AT_ONCE)
    numbers = connection.scalars(old).all()
    for table in (han_message_status, han_message_device, han_message_target):
        connection.execute(delete(table).where(table.c.message_number.in_(numbers)))
    connection.execute(delete(han_message).where(of.number.in_(numbers)))
    return len(numbers)


def overdue_adds(connection: Connection, *, terms: Terms, clock: Clock) -> dict[str, int]:
    """How many adds make no progress, by TDSP: a request is never lost, so the operator is told."""
    of = han_device.c
    since = clock.now() - timedelta(hours=terms.han.overdue_hours)
    waiting = [DeviceState.ADD_ACKNOWLEDGED.value, DeviceState.ADD_PENDING.value]
    rows = connection.execute(
        select(of.tdsp_duns, func.count().label("devices"))
        .where(of.state.in_(waiting), of.state_at < since)
        .group_by(of.tdsp_duns)
        .order_by(of.tdsp_duns)
    )
    return {row.tdsp_duns: row.devices for row in rows}
