"""What TDSPs post: how requests about devices stand, how messages stand, which meters were exchanged (H5, H7, H10).

Thousands of posts come in one call. Each is answered for itself, one that came before is known again, and one that is
late or out of order is kept in the history or the log and moves nothing. A TDSP tells of its own meters only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, select

from smt_ws.clock import Clock
from smt_ws.han import message_rules, rules
from smt_ws.han.ledger import Entry, Ledger
from smt_ws.han.message_rules import Code, MessageState
from smt_ws.han.progress import Progress, Status, Target
from smt_ws.han.rules import DeviceEvent
from smt_ws.han.tables import (
    han_device_history,
    han_message,
    han_message_status,
    han_message_target,
    han_request,
)
from smt_ws.parties.tables import premise
from smt_ws.store.dialect import unnested

__all__ = [
    "ANSWERS",
    "UNREADABLE",
    "MessagePost",
    "MeterExchangePost",
    "PostAnswer",
    "ProvisioningPost",
    "post_message_statuses",
    "post_meter_exchanges",
    "post_provisioning_statuses",
]

#: A TDSP's clock may be ahead by so much.
_AHEAD: Final = timedelta(minutes=10)

#: Every answer to a post.
ANSWERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ACCEPTED": "It was taken and applied.",
        "REPEATED": "The same was posted before; nothing was changed.",
        "KEPT": "It is kept in the history, but what is known already goes beyond it. Nothing needs to be done.",
        "UNKNOWN_REQUEST": "There is no such request or message for this ESI ID. Send the ids that the hub gave.",
        "UNKNOWN_ESIID": "No premise has this ESI ID. Check its digits.",
        "NOT_YOUR_METER": "The premise is another TDSP's.",
        "METER_MISMATCH": "The request was for another meter at this ESI ID.",
        "UNKNOWN_DEVICE": "The request was for another device, or the MAC address is no EUI-64.",
        "UNKNOWN_STATUS": "The status is none of this kind of request. See the list of statuses.",
        "STATUS_NOT_FOR_CATEGORY": "The status does not exist for messages of this category.",
        "SEP_STATUS_UNKNOWN": "The event status is none of SEP 1.0.",
        "SEP_STATUS_MISMATCH": "The event status and the status code say different things.",
        "REASON_MISSING": "A rejection or failure needs a reasonCode, so that the requester can see why.",
        "TIME_IN_FUTURE": "The status time is in the future. Check the clock.",
        "TIME_UNREADABLE": "The status time is of no year from 1000 to 2999. Send the time at which it was so.",
    }
)


@dataclass(frozen=True, slots=True)
class ProvisioningPost:
    """How a request to add or remove a device stands, by `rules.TDSP_EVENTS`; *at* is when it was so."""

    request_id: int
    esiid: str
    meter_number: str | None
    eui64: str | None
    status: str
    reason_code: str | None
    description: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class MessagePost:
    """How a message stands at a meter, or at the device *eui64*; for a cancellation *cancellation_id* names it."""

    request_id: int
    cancellation_id: int | None
    esiid: str
    meter_number: str | None
    eui64: str | None
    status: str
    description: str | None
    sep_status: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class MeterExchangePost:
    """A meter was exchanged: the network of the old one is gone with it (H10)."""

    esiid: str
    old_meter: str
    new_meter: str
    at: datetime
    han_capable: bool | None


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """What became of one post: a code of `ANSWERS` and its sentence."""

    code: str
    reason: str


def _answer(code: str) -> PostAnswer:
    return PostAnswer(code, ANSWERS[code])


#: The answer to a post whose time cannot be read.
UNREADABLE: Final = _answer("TIME_UNREADABLE")


def post_provisioning_statuses(
    connection: Connection, *, tdsp_duns_numbers: Collection[str], posts: Sequence[ProvisioningPost], clock: Clock
) -> list[PostAnswer]:
    """Apply what a TDSP says of requests about devices; one answer a post, in order. Needs a write transaction."""
    now = clock.now()
    numbers = {post.request_id for post in posts if 0 < post.request_id < 2**63}
    requests = {
        row.number: row
        for row in connection.execute(
            select(han_request, premise.c.esiid)
            .join(premise, premise.c.id == han_request.c.premise_id)
            .where(han_request.c.number.in_(numbers))
        )
    }
    own = [row for row in requests.values() if row.tdsp_duns in tdsp_duns_numbers]
    ledger = Ledger(connection, {row.premise_id for row in own}, now=now)
    of = han_device_history.c
    known = {
        (row.request_number, row.event, row.status_at)
        for row in connection.execute(
            select(of.request_number, of.event, of.status_at).where(of.request_number.in_([row.number for row in own]))
        )
    }
    answers = []
    for post in posts:
        request = requests.get(post.request_id)
        code = _provisioning_refusal(post, request, tdsp_duns_numbers, now)
        if code is not None or request is None:
            answers.append(_answer(code or "UNKNOWN_REQUEST"))
            continue
        event = rules.TDSP_EVENTS[request.action, post.status]
        key = (request.number, event.value, post.at)
        if key in known:
            answers.append(_answer("REPEATED"))
            continue
        known.add(key)
        device = ledger.find(request.premise_id, request.eui64)
        assert device is not None  # a request has its device
        entry = Entry(
            event=event,
            request_number=request.number,
            actor=f"tdsp:{request.tdsp_duns}",
            status_at=post.at,
            reason_code=post.reason_code,
            reason=(post.description or "")[:500] or None,
        )
        latest = request.number in {device.add_request, device.remove_request}
        answers.append(_answer("ACCEPTED" if ledger.tell(device, entry, latest=latest) else "KEPT"))
    ledger.write()
    return answers


def _provisioning_refusal(
    post: ProvisioningPost, request: Any, tdsp_duns_numbers: Collection[str], now: datetime
) -> str | None:
    if request is None or request.esiid != post.esiid:
        return "UNKNOWN_REQUEST"
    if request.tdsp_duns not in tdsp_duns_numbers:
        return "NOT_YOUR_METER"
    if post.meter_number is not None and post.meter_number != request.meter_number:
        return "METER_MISMATCH"
    if post.eui64 is not None and rules.check_eui64(post.eui64) != request.eui64:
        return "UNKNOWN_DEVICE"
    if (request.action, post.status) not in rules.TDSP_EVENTS:
        return "UNKNOWN_STATUS"
    if post.status in {"REJECTED", "FAILED"} and not post.reason_code:
        return "REASON_MISSING"
    return "TIME_IN_FUTURE" if post.at > now + _AHEAD else None


def post_meter_exchanges(
    connection: Connection, *, tdsp_duns_numbers: Collection[str], posts: Sequence[MeterExchangePost], clock: Clock
) -> list[PostAnswer]:
    """End what stood on meters that are gone: adds under way failed, devices are removed, each with the reason (H10).

    The devices can be added again on the new meter. One answer a post, in order. Needs a write transaction.
    """
    now = clock.now()
    asked = unnested(connection, [post.esiid for post in posts])
    premises = {
        row.esiid: row
        for row in connection.execute(
            select(premise.c.esiid, premise.c.id, premise.c.tdsp_duns).join(asked, asked.c.value == premise.c.esiid)
        )
    }
    own = {row.id for row in premises.values() if row.tdsp_duns in tdsp_duns_numbers}
    ledger = Ledger(connection, own, now=now)
    of = han_device_history.c
    known = {
        (row.premise_id, row.status_at)
        for row in connection.execute(
            select(of.premise_id, of.status_at).where(
                of.premise_id.in_(own), of.event == DeviceEvent.METER_EXCHANGED.value
            )
        )
    }
    answers = []
    for post in posts:
        home = premises.get(post.esiid)
        if home is None or home.tdsp_duns not in tdsp_duns_numbers:
            answers.append(_answer("UNKNOWN_ESIID" if home is None else "NOT_YOUR_METER"))
            continue
        if post.at > now + _AHEAD:
            answers.append(_answer("TIME_IN_FUTURE"))
            continue
        if (home.id, post.at) in known:
            answers.append(_answer("REPEATED"))
            continue
        known.add((home.id, post.at))
        entry = Entry(
            event=DeviceEvent.METER_EXCHANGED,
            request_number=None,
            actor=f"tdsp:{home.tdsp_duns}",
            status_at=post.at,
            reason_code="METER_EXCHANGED" if post.han_capable is not False else "FIRMWARE_NOT_CAPABLE",
            reason=_exchange_reason(post),
        )
        there = [one for one in ledger.of_premise(home.id) if one.holds_slot and one.meter_number == post.old_meter]
        moved = [ledger.tell(device, entry) for device in there]
        answers.append(_answer("ACCEPTED" if any(moved) else "KEPT"))
    ledger.write()
    return answers


def _exchange_reason(post: MeterExchangePost) -> str:
    can = "; it cannot serve devices yet" if post.han_capable is False else ""
    return f"meter {post.old_meter} was exchanged for {post.new_meter}{can}"


def post_message_statuses(
    connection: Connection, *, tdsp_duns_numbers: Collection[str], posts: Sequence[MessagePost], clock: Clock
) -> list[PostAnswer]:
    """Apply what a TDSP says of messages; one answer a post, in order. Needs a write transaction.

    What follows from it is applied too: a confirmed cancellation ends its original, and a message that has arrived
    takes the place of older ones that it overlaps.
    """
    now = clock.now()
    progress = Progress(connection, now=now)
    named = [(_number(post), post.esiid) for post in posts]
    targets = progress.hold_named(named)
    known = _known_statuses(connection, [target for target in targets if target is not None])
    answers = []
    arrived: dict[tuple[int, int], tuple[Target, datetime]] = {}
    for post, target in zip(posts, targets, strict=True):
        told = _message_status(post, target, tdsp_duns_numbers, now)
        if isinstance(told, str) or target is None:
            answers.append(_answer(told if isinstance(told, str) else "UNKNOWN_REQUEST"))
            continue
        key = (*target.key, told.eui64, told.code.value, told.sep_status, told.at)
        if key in known:
            answers.append(_answer("REPEATED"))
            continue
        known.add(key)
        applied = progress.tell(target, told)
        if applied and told.state in {MessageState.DELIVERED, MessageState.STARTED, MessageState.CANCELLED}:
            arrived[target.key] = (target, told.at)
        answers.append(_answer("ACCEPTED" if applied else "KEPT"))
    _end_cancelled(progress, [one for one in arrived.values() if one[0].category in message_rules.CANCELS])
    _end_superseded(progress, [one for one in arrived.values() if one[0].category not in message_rules.CANCELS])
    progress.write()
    return answers


def _number(post: MessagePost) -> int:
    number = post.request_id if post.cancellation_id is None else post.cancellation_id
    return number if 0 < number <= message_rules.LARGEST_NUMBER else 0


def _message_status(
    post: MessagePost, target: Target | None, tdsp_duns_numbers: Collection[str], now: datetime
) -> Status | str:
    # A status of the hub's own, or the code of what is wrong with the post.
    if target is None or (post.cancellation_id is not None and target.original != post.request_id):
        return "UNKNOWN_REQUEST"
    if target.tdsp_duns not in tdsp_duns_numbers:
        return "NOT_YOUR_METER"
    if post.meter_number is not None and post.meter_number != target.meter_number:
        return "METER_MISMATCH"
    eui64 = "" if post.eui64 is None else rules.check_eui64(post.eui64)
    if not isinstance(eui64, str):
        return "UNKNOWN_DEVICE"
    state = message_rules.read_status(target.category, post.status, post.sep_status)
    if not isinstance(state, MessageState):
        return state
    if post.at > now + _AHEAD:
        return "TIME_IN_FUTURE"
    described = post.description or ("" if post.sep_status is None else _meaning(post.sep_status))
    return Status(Code(post.status), state, post.at, described, eui64, post.sep_status)


def _meaning(sep_status: int) -> str:
    return message_rules.SEP_STATUSES[sep_status].meaning


def _known_statuses(connection: Connection, targets: Sequence[Target]) -> set[tuple[Any, ...]]:
    asked = {target.key for target in targets}
    of = han_message_status.c
    rows = connection.execute(
        select(of.message_number, of.premise_id, of.eui64, of.code, of.sep_status, of.status_at).where(
            of.message_number.in_({number for number, _ in asked}),
            of.premise_id.in_({premise_id for _, premise_id in asked}),
            of.by_hub.is_(False),
        )
    )
    return {tuple(row) for row in rows if (row.message_number, row.premise_id) in asked}


def _end_cancelled(progress: Progress, confirmed: Sequence[tuple[Target, datetime]]) -> None:
    if not confirmed:
        return
    at = {(cancel.original, cancel.premise_id): moment for cancel, moment in confirmed}
    originals = progress.hold(
        han_message_target.c.message_number.in_({number for number, _ in at}),
        han_message_target.c.premise_id.in_({premise_id for _, premise_id in at}),
    )
    for original in originals:
        moment = at.get(original.key)
        if moment is not None:
            progress.tell(original, Status(Code.CON, MessageState.CANCELLED, moment), logged=False)


def _end_superseded(progress: Progress, arrived: Sequence[tuple[Target, datetime]]) -> None:
    if not arrived:
        return
    open_ones = progress.hold(
        han_message_target.c.premise_id.in_({target.premise_id for target, _ in arrived}),
        han_message_target.c.closed_at.is_(None),
        han_message.c.category.in_({target.category for target, _ in arrived}),
    )
    there: dict[int, list[Target]] = {}
    for one in open_ones:
        there.setdefault(one.premise_id, []).append(one)
    for newer, moment in arrived:
        for older in there.get(newer.premise_id, ()):
            if message_rules.supersedes(newer.event, older.event):
                # a running event runs until the new one starts
                begins = max(moment, newer.event.starts)
                progress.tell(older, Status(Code.CON, MessageState.SUPERSEDED, begins), logged=False)
