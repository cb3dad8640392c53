"""How long TDSPs take: from a request to Meter Ready, from a message to its delivery, as the market asked to know."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select

from smt_ws.han.field_rules import FIELDS
from smt_ws.han.rules import DeviceEvent
from smt_ws.han.tables import han_device_history, han_message, han_message_target, han_request

__all__ = ["DELIVERY", "METER_READY", "Timing", "timings"]

METER_READY: Final = "request to Meter Ready"
DELIVERY: Final = "message to delivery"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one TDSP took; None where nothing has come so far. *waiting* has not come that far."""

    tdsp_duns: str
    what: str
    done: int
    waiting: int
    half: timedelta | None
    nine_of_ten: timedelta | None
    longest: timedelta | None


def timings(connection: Connection, *, since: datetime, until: datetime) -> list[Timing]:
    """The times of what was asked from *since* to before *until*, by TDSP, adds first.

    By the hub's own clock at both ends: from the moment it answered the requester to the moment it heard of the
    outcome. An add that skipped Meter Ready counts from Device Added; a message that was to begin later counts from
    when it was sent. Cancellations are not counted: some never leave the hub.
    """
    first_heard = (
        select(han_device_history.c.request_number, func.min(han_device_history.c.at).label("at"))
        .where(
            han_device_history.c.event.in_([DeviceEvent.METER_READY.value, DeviceEvent.ADDED.value]),
            han_device_history.c.applied,
        )
        .group_by(han_device_history.c.request_number)
        .subquery("first_heard")
    )
    adds = (
        select(han_request.c.tdsp_duns, han_request.c.asked_at, first_heard.c.at)
        .outerjoin(first_heard, first_heard.c.request_number == han_request.c.number)
        .where(han_request.c.action == "ADD", han_request.c.asked_at >= since, han_request.c.asked_at < until)
    )
    of = han_message_target.c
    messages = (
        select(of.tdsp_duns, han_message.c.accepted_at.label("asked_at"), of.delivered_at.label("at"))
        .join(han_message, han_message.c.number == of.message_number)
        .where(
            han_message.c.category.in_(FIELDS), han_message.c.accepted_at >= since, han_message.c.accepted_at < until
        )
    )
    return [
        *_added_up(METER_READY, connection.execute(adds.execution_options(yield_per=10_000))),
        *_added_up(DELIVERY, connection.execute(messages.execution_options(yield_per=10_000))),
    ]


def _added_up(what: str, rows: Iterable[Any]) -> list[Timing]:
    took: dict[str, array[float]] = {}
    waiting: dict[str, int] = {}
    for row in rows:
        seconds = took.setdefault(row.tdsp_duns, array("d"))
        if row.at is None:
            waiting[row.tdsp_duns] = waiting.get(row.tdsp_duns, 0) + 1
        else:
            seconds.append((row.at - row.asked_at).total_seconds())
    return [
        Timing(
            tdsp_duns=duns,
            what=what,
            done=len(seconds),
            waiting=waiting.get(duns, 0),
            half=_percentile(ordered, 50),
            nine_of_ten=_percentile(ordered, 90),
            longest=_percentile(ordered, 100),
        )
        for duns, seconds in sorted(took.items())
        for ordered in [sorted(seconds)]
    ]


def _percentile(ordered: Sequence[float], percent: int) -> timedelta | None:
    """The smallest of *ordered* that at least *percent* of them do not exceed."""
    if not ordered:
        return None
    return timedelta(seconds=ordered[max(0, -(-len(ordered) * percent // 100) - 1)])
