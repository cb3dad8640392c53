"""Cancelling texts and load control events that one's own company has sent (H4).

SEP 1.0 can cancel all events of a device at once, whoever sent them. That is never sent: "all" becomes a cancellation
of each of the company's own. What has not left the hub is cancelled here, and no TDSP hears of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from smt_ws.clock import Clock
from smt_ws.han import errors
from smt_ws.han.field_rules import Schedule
from smt_ws.han.handover import CANCEL_MESSAGE
from smt_ws.han.message_rules import CANCELS, LARGEST_NUMBER, Code, MessageState
from smt_ws.han.progress import Progress, Status, Target
from smt_ws.han.send import NotReached
from smt_ws.han.stored import enqueue_ranges, insert_message, message_row
from smt_ws.han.tables import han_message, han_message_status, han_message_target
from smt_ws.parties.tables import premise
from smt_ws.store import audit
from smt_ws.store.dialect import unnested

if TYPE_CHECKING:
    from smt_ws.han.terms import Terms
    from smt_ws.parties.identify import Caller

__all__ = ["AllCancelled", "Cancellation", "Cancelled", "cancel_all", "cancel_message"]

_OVER = frozenset(
    {
        MessageState.EXPIRED,
        MessageState.NO_REPORT,
        MessageState.FAILED,
        MessageState.COMPLETED,
        MessageState.SUPERSEDED,
        MessageState.CANCELLED,
    }
)
_BEFORE_IT_LEFT = "cancelled before it left the hub"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A request to cancel; without *esiids* at all premises of the message."""

    trans_id: str
    requestor_id: str
    esiids: Sequence[str] = ()
    #: End with the event's own random delay instead of at once.
    randomize_end: bool = False


@dataclass(frozen=True, slots=True)
class Cancelled:
    """An accepted cancellation: its own id, and at how many premises the message is being cancelled."""

    cancellation_id: int
    request_id: int
    premises: int


@dataclass(frozen=True, slots=True)
class AllCancelled:
    """An accepted cancellation of all own events: each is one `Cancelled`, under one id."""

    cancellation_id: int
    events: Sequence[Cancelled]
    not_reached: Sequence[NotReached]


def cancel_message(
    connection: Connection,
    caller: Caller,
    message: int,
    request: Cancellation,
    *,
    category: str,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
) -> Cancelled:
    """Cancel the company's own *message*; *category* is CSM for a text, CLE for a load control event.

    No agreement is needed for that: it ends control. Raises `MessageUnknownError` (another company's too),
    `MessageNotCancellableError`, `MessageNotThereError`, `MessageOverError`.
    """
    now = clock.now()
    found = _own(connection, caller, message)
    if found.category != CANCELS[category]:
        raise errors.MessageNotCancellableError(presented=found.category, expected=CANCELS[category])
    progress = Progress(connection, now=now)
    if request.esiids:
        named = progress.hold_named([(message, esiid) for esiid in dict.fromkeys(request.esiids)])
        if None in named:
            raise errors.MessageNotThereError(presented=request.esiids[named.index(None)][:64])
        targets = [target for target in named if target is not None]
    else:
        targets = progress.hold(han_message_target.c.message_number == message)
    going = [target for target in targets if _can_go(target, now)]
    if not going:
        raise errors.MessageOverError(presented=str(message))
    done = _cancel(connection, caller, progress, found, going, request, category=category, terms=terms, now=now)
    progress.write()
    _audited(connection, caller, done.cancellation_id, {"original": message, "premises": done.premises}, now, address)
    return done


def cancel_all(
    connection: Connection,
    caller: Caller,
    request: Cancellation,
    *,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
) -> AllCancelled:
    """Cancel the company's own load control events that are not over at *request.esiids*.

    Events of other companies stay. Raises `NoEsiidsError`.
    """
    if not request.esiids:
        raise errors.NoEsiidsError
    now = clock.now()
    progress = Progress(connection, now=now)
    asked = unnested(connection, list(dict.fromkeys(request.esiids)))
    known = set(connection.scalars(select(premise.c.esiid).join(asked, asked.c.value == premise.c.esiid)))
    targets = progress.hold_at(
        list(dict.fromkeys(request.esiids)),
        han_message.c.company_id == caller.company_id,
        han_message.c.category == "LCE",
        han_message_target.c.closed_at.is_(None),
    )
    row = message_row(
        caller,
        trans_id=request.trans_id,
        requestor_id=request.requestor_id,
        category="CAL",
        fields={"randomize_end": request.randomize_end},
        schedule=Schedule(None, None),
        premises=len(known),
        now=now,
    )
    number = insert_message(connection, row)
    by_message: dict[int, list[Target]] = {}
    for target in targets:
        if _can_go(target, now):
            by_message.setdefault(target.message, []).append(target)
    events = [
        _cancel(
            connection, caller, progress, _own(connection, caller, message), going, request,
            category="CLE", terms=terms, now=now, part_of=number,
        )
        for message, going in sorted(by_message.items())
    ]  # fmt: skip
    progress.write()
    details = {"events": len(events), "premises": sum(event.premises for event in events)}
    _audited(connection, caller, number, details, now, address)
    unknown = [NotReached(esiid, "ESIID_UNKNOWN") for esiid in dict.fromkeys(request.esiids) if esiid not in known]
    return AllCancelled(number, events, unknown)


def _own(connection: Connection, caller: Caller, message: int) -> Any:
    mine = (han_message.c.number == message, han_message.c.company_id == caller.company_id)
    found = connection.execute(select(han_message).where(*mine)).first() if message <= LARGEST_NUMBER else None
    if found is None:
        raise errors.MessageUnknownError(presented=str(message))
    return found


def _can_go(target: Target, now: datetime) -> bool:
    return target.state not in _OVER and (target.ends_at is None or target.ends_at > now)


def _cancel(
    connection: Connection,
    caller: Caller,
    progress: Progress,
    original: Any,
    going: Sequence[Target],
    request: Cancellation,
    *,
    category: str,
    terms: Terms,
    now: datetime,
    part_of: int | None = None,
) -> Cancelled:
    fields: dict[str, Any] = {}
    if category == "CLE":
        fields = {name: original.fields[name] for name in ("device_class", "enrollment_group")}
        fields["randomize_end"] = request.randomize_end
    row = message_row(
        caller,
        trans_id=request.trans_id,
        requestor_id=request.requestor_id,
        category=category,
        fields=fields,
        schedule=Schedule(None, original.ends_at),
        premises=len(going),
        now=now,
        original=original.number,
        part_of=part_of,
    )
    number = insert_message(connection, row)
    # Those that a TDSP must hear of first, so that their positions stand together.
    ordered = sorted(going, key=lambda target: (target.calling_at is None, target.tdsp_duns, target.position))
    connection.execute(
        insert(han_message_target), [_row(number, position, target, now) for position, target in enumerate(ordered)]
    )
    here = [target for target in ordered if target.calling_at is None]
    for target in here:
        progress.tell(target, Status(Code.CON, MessageState.CANCELLED, now), logged=False)
    if here:
        connection.execute(insert(han_message_status), [_confirmed(number, target, now) for target in here])
    places = [(place, target.tdsp_duns) for place, target in enumerate(ordered[: len(ordered) - len(here)])]
    enqueue_ranges(connection, CANCEL_MESSAGE, number, places, most=terms.han.targets_per_call, now=now)
    return Cancelled(number, original.number, len(going))


def _row(number: int, position: int, target: Target, now: datetime) -> Mapping[str, Any]:
    here = target.calling_at is None
    state = (MessageState.DELIVERED if here else MessageState.SUBMITTED).value
    return {
        "premise_id": target.premise_id,
        "message_number": number,
        "position": position,
        "tdsp_duns": target.tdsp_duns,
        "meter_number": target.meter_number,
        "state": state,
        "meter_state": state,
        "meter_state_at": now,
        "delivered_at": now if here else None,
        "closed_at": now if here else None,
    }


def _confirmed(number: int, target: Target, now: datetime) -> Mapping[str, Any]:
    return {
        "premise_id": target.premise_id,
        "message_number": number,
        "eui64": "",
        "code": Code.CON.value,
        "sep_status": None,
        "description": _BEFORE_IT_LEFT,
        "status_at": now,
        "received_at": now,
        "applied": True,
        "by_hub": True,
    }


def _audited(
    connection: Connection,
    caller: Caller,
    number: int,
    details: dict[str, Any],
    now: datetime,
    address: str | None,
) -> None:
    audit.record(
        connection,
        audit.Event.MESSAGE_CANCEL_ACCEPTED,
        actor=f"company:{caller.company_id}",
        at=now,
        object=f"han-message:{number}",
        details=details,
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
