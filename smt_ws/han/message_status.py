"""How a message stands: added up over its premises, and for each premise and device (H5, A31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Date, func, literal, or_, select

from smt_ws.clock import CENTRAL
from smt_ws.han.errors import MessageUnknownError
from smt_ws.han.message_rules import LARGEST_NUMBER, MessageState
from smt_ws.han.stays import moved_in, sees_earlier_stays
from smt_ws.han.tables import han_message, han_message_device, han_message_target
from smt_ws.parties.tables import premise

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller

__all__ = ["PAGE", "AtDevice", "AtPremise", "MessageStatus", "message_status"]

#: Premises on a page.
PAGE = 500


@dataclass(frozen=True, slots=True)
class AtDevice:
    """How it stands at one device, as far as its TDSP names devices."""

    eui64: str
    state: MessageState
    at: datetime


@dataclass(frozen=True, slots=True)
class AtPremise:
    """How it stands at one premise. Times are the hub's; None: not yet."""

    #: The message: of a cancellation of all events each cancelled event is one.
    original: int | None
    esiid: str
    meter_number: str
    state: MessageState
    handed_over_at: datetime | None
    delivered_at: datetime | None
    devices: Sequence[AtDevice]


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """One message. *counts* is the roll-up: premises by state; they add up to all."""

    request_id: int
    category: str
    accepted_at: datetime
    original: int | None
    start_at: datetime | None
    ends_at: datetime | None
    fields: Mapping[str, Any]
    counts: Mapping[MessageState, int]
    premises: Sequence[AtPremise]
    more: bool


def message_status(
    connection: Connection, caller: Caller, number: int, *, page: int = 1, now: datetime
) -> MessageStatus:
    """Tell how one of the company's own messages stands, a page of its premises with it.

    Premises where somebody moved in after it was accepted, up to *now*, are neither counted nor told (A31).
    Raises `MessageUnknownError`, for one that does not exist and for another company's alike.
    """
    mine = (han_message.c.number == number, han_message.c.company_id == caller.company_id)
    found = connection.execute(select(han_message).where(*mine)).first() if number <= LARGEST_NUMBER else None
    if found is None:
        raise MessageUnknownError(presented=str(number))
    of = han_message_target.c
    parts = or_(
        of.message_number == number,
        of.message_number.in_(select(han_message.c.number).where(han_message.c.part_of == number)),
    )
    if not sees_earlier_stays(caller.kind):
        accepted_on = literal(found.accepted_at.astimezone(CENTRAL).date(), Date)
        parts &= func.coalesce(moved_in(of.premise_id, now=now), accepted_on) <= accepted_on
    counts = {
        MessageState(row.state): row.premises
        for row in connection.execute(select(of.state, func.count().label("premises")).where(parts).group_by(of.state))
    }
    rows = connection.execute(
        select(han_message_target, han_message.c.original, premise.c.esiid)
        .join(han_message, han_message.c.number == of.message_number)
        .join(premise, premise.c.id == of.premise_id)
        .where(parts)
        .order_by(of.message_number, of.position)
        .offset((page - 1) * PAGE)
        .limit(PAGE + 1)
    ).all()
    devices = _devices(connection, rows[:PAGE])
    return MessageStatus(
        request_id=number,
        category=found.category,
        accepted_at=found.accepted_at,
        original=found.original,
        start_at=found.start_at,
        ends_at=found.ends_at,
        fields=found.fields,
        counts=counts,
        premises=[
            AtPremise(
                original=row.original,
                esiid=row.esiid,
                meter_number=row.meter_number,
                state=MessageState(row.state),
                handed_over_at=row.handed_over_at,
                delivered_at=row.delivered_at,
                devices=devices.get((row.message_number, row.premise_id), ()),
            )
            for row in rows[:PAGE]
        ],
        more=len(rows) > PAGE,
    )


def _devices(connection: Connection, rows: Sequence[Any]) -> dict[tuple[int, int], list[AtDevice]]:
    of = han_message_device.c
    found: dict[tuple[int, int], list[AtDevice]] = {}
    for row in connection.execute(
        select(han_message_device)
        .where(
            of.message_number.in_({row.message_number for row in rows}),
            of.premise_id.in_({row.premise_id for row in rows}),
        )
        .order_by(of.eui64)
    ):
        device = AtDevice(row.eui64, MessageState(row.state), row.state_at)
        found.setdefault((row.message_number, row.premise_id), []).append(device)
    return found
