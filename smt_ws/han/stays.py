"""What a company may be told of devices and messages from before a move-in: nothing (A31).

What an earlier occupant did is nobody's business. Devices are told as they stand now; their history and the messages
of before are not. A TDSP keeps its own records: it runs the meters whoever lives there.

A device of before is unconfirmed until today's occupant keeps or removes it. A TDSP delivers by meter, not by device:
meanwhile no company's message goes to that meter.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Date, exists, func, literal, or_, select

from adapters.central_day import midnight_utc
from smt_ws.clock import CENTRAL
from smt_ws.han.rules import DeviceState
from smt_ws.han.tables import han_device
from smt_ws.parties.rules import KINDS
from smt_ws.parties.tables import occupancy
from smt_ws.store.dialect import among

__all__ = [
    "REACHED",
    "added_before_move_in",
    "device_told",
    "hears_of",
    "is_unconfirmed",
    "moved_in",
    "of_this_stay",
    "sees_earlier_stays",
    "stays_began",
    "with_unconfirmed_devices",
]

_ADDED: Final = DeviceState.DEVICE_ADDED.value
#: Of a row of `han_device`: whether messages to its meter reach it. One whose removal is under way is there until it
#: is gone.
REACHED: Final = or_(han_device.c.state == _ADDED, han_device.c.before_removal == _ADDED)


def sees_earlier_stays(kind: str) -> bool:
    """Whether a company acting as *kind* is told of earlier stays too: only by its own wires."""
    return KINDS[kind].by_wires


def of_this_stay(moments: Collection[datetime], began: datetime | None) -> bool:
    """Whether all *moments* lie in the stay that *began* then; None: no move-in is known, and nothing is withheld."""
    return began is None or all(moment >= began for moment in moments)


def device_told(*, holds_slot: bool, state_at: datetime, began: datetime | None) -> bool:
    """Whether a device is told at all: one that had gone before the stay began is history."""
    return holds_slot or of_this_stay([state_at], began)


def is_unconfirmed(*, added_on: date, confirmed_on: date | None, move_in_day: date | None) -> bool:
    """Whether a device was added before the latest move-in, and nobody who lives there since has kept it.

    *confirmed_on* is a day on which the customer who kept it certainly lived there, not the day of the answer: if the
    TDSP reports later that they had already moved out, their answer does not count for the next customer.
    """
    return move_in_day is not None and max(added_on, confirmed_on or added_on) < move_in_day


def added_before_move_in(today: ColumnElement[date]) -> ColumnElement[bool]:
    """`is_unconfirmed` of a row of `han_device`, by what is known on *today*."""
    of = occupancy.c
    return exists().where(
        of.premise_id == han_device.c.premise_id,
        of.move_in_day <= today,
        of.move_in_day > han_device.c.added_on,
        or_(han_device.c.confirmed_on.is_(None), of.move_in_day > han_device.c.confirmed_on),
    )


def with_unconfirmed_devices(connection: Connection, premises: Collection[int], *, now: datetime) -> set[int]:
    """Those of *premises* at which messages would reach an unconfirmed device."""
    of = han_device.c
    found = select(of.premise_id).where(
        among(connection, of.premise_id, sorted(premises)), REACHED, added_before_move_in(_today(now))
    )
    return set(connection.scalars(found))


def hears_of(*, own_request: bool, of_this_stay: bool, takes_part: bool) -> bool:
    """Whether a company is told that a device's state changed: always for its own requests, else while it takes part.

    *of_this_stay*: the company added the device since the latest move-in. *takes_part*: it may control devices there.
    """
    return own_request or (of_this_stay and takes_part)


def stays_began(connection: Connection, premises: Collection[int], *, now: datetime) -> dict[int, datetime]:
    """When the stay of today began at each of *premises* of which a move-in is known: midnight of its first day."""
    of = occupancy.c
    rows = connection.execute(
        select(of.premise_id, func.max(of.move_in_day).label("day"))
        .where(among(connection, of.premise_id, sorted(premises)), of.move_in_day <= _today(now))
        .group_by(of.premise_id)
    )
    return {row.premise_id: midnight_utc(row.day) for row in rows}


def moved_in(premise_id: ColumnElement[int], *, now: datetime) -> ColumnElement[date | None]:
    """The day of the latest move-in up to now at the premise of a row, as a column; none: no move-in is known."""
    of = occupancy.c
    latest = select(func.max(of.move_in_day)).where(of.premise_id == premise_id, of.move_in_day <= _today(now))
    return latest.scalar_subquery()


def _today(now: datetime) -> ColumnElement[date]:
    return literal(now.astimezone(CENTRAL).date(), Date)
