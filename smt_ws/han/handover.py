"""What a TDSP is to be called with, and that it has taken it: the outbox's side of requests and messages (H7).

Before a call the rows are marked, so that a cancellation knows whether its original may have left the hub; afterwards
they are marked as taken, which for a message is the status RQA. A call may be made twice; the TDSP knows it by its ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, or_, select, update

from adapters import sep
from smt_ws.clock import Clock
from smt_ws.han.errors import DevicesUnconfirmedError, EarlierCallOpenError
from smt_ws.han.ledger import Entry, Ledger
from smt_ws.han.message_rules import CANCELS, Code, MessageState
from smt_ws.han.progress import Progress, Status, Target
from smt_ws.han.rules import DeviceEvent
from smt_ws.han.stays import of_this_stay, stays_began, with_unconfirmed_devices
from smt_ws.han.tables import han_device, han_message_target, han_request
from smt_ws.parties.tables import premise

if TYPE_CHECKING:
    from smt_ws.han.secrets import InstallCodeKeys

__all__ = [
    "ADD_DEVICE",
    "CANCEL_MESSAGE",
    "DELIVER_MESSAGE",
    "REMOVE_DEVICE",
    "DeliveryCall",
    "ProvisionCall",
    "Taken",
    "deliveries",
    "handed_over",
    "provision_handed_over",
    "provision_request",
    "target_of",
]

#: Kinds of outbox rows.
ADD_DEVICE, REMOVE_DEVICE = "tdsp.add_device", "tdsp.remove_device"
DELIVER_MESSAGE, CANCEL_MESSAGE = "tdsp.deliver_message", "tdsp.cancel_message"

SepMessage = (
    sep.DisplayMessage | sep.CancelMessage | sep.LoadControlEvent | sep.CancelLoadControlEvent | sep.PublishPrice
)


def target_of(duns: str) -> str:
    """The outbox's name of a TDSP's server."""
    return f"tdsp:{duns}"


@dataclass(frozen=True, slots=True)
class ProvisionCall:
    """A request about a device as its TDSP is told; an add carries the installation code in the clear."""

    request_id: int
    action: str
    esiid: str
    meter_number: str
    tdsp_duns: str
    eui64: str
    device_type: str
    install_code: str | None
    #: Of a removal: the add that it undoes.
    original_request_id: int | None


@dataclass(frozen=True, slots=True)
class DeliveryCall:
    """A message for some meters of one TDSP; *targets* are (ESI ID, meter number)."""

    #: Which of the payloads it is of.
    payload_index: int
    message_id: int
    first: int
    last: int
    request_id: int
    cancellation_id: int | None
    category: str
    tdsp_duns: str
    message: SepMessage
    targets: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What the TDSP said at once of a call: it took the meters from *first* to *last* but those *refused*."""

    message_id: int
    first: int
    last: int
    #: By ESI ID: code and reason.
    refused: Mapping[str, tuple[str, str]]


def provision_request(
    connection: Connection, request_id: int, *, keys: InstallCodeKeys, now: datetime
) -> ProvisionCall | None:
    """What to call the TDSP with for a request; None where nothing is to be done any more. Needs a write transaction.

    Raises `EarlierCallOpenError` for a removal whose add has not been taken yet, and `InstallCodeSealedError`.
    """
    request = connection.execute(
        select(han_request, premise.c.esiid)
        .join(premise, premise.c.id == han_request.c.premise_id)
        .where(han_request.c.number == request_id)
        .with_for_update(of=han_request)
    ).one_or_none()
    if request is None or request.handed_over_at is not None:
        return None
    device = connection.execute(
        select(han_device).where(han_device.c.premise_id == request.premise_id, han_device.c.eui64 == request.eui64)
    ).one()
    adds = request.action == "ADD"
    if adds and (device.add_request != request_id or device.install_code is None):
        return None
    if not adds and device.remove_request != request_id:
        # the device was added again meanwhile
        return None
    if not adds:
        add = select(han_request.c.handed_over_at).where(han_request.c.number == device.add_request)
        if connection.scalar(add) is None:
            raise EarlierCallOpenError
    connection.execute(
        update(han_request)
        .where(han_request.c.number == request_id)
        .values(calling_at=func.coalesce(han_request.c.calling_at, now))
    )
    return ProvisionCall(
        request_id=request_id,
        action=request.action,
        esiid=request.esiid,
        meter_number=request.meter_number,
        tdsp_duns=request.tdsp_duns,
        eui64=request.eui64,
        device_type=device.device_type,
        install_code=keys.unseal(device.install_code, request.eui64).hex().upper() if adds else None,
        original_request_id=None if adds else device.add_request,
    )


def provision_handed_over(
    connection: Connection, request_id: int, *, refused: tuple[str, str] | None = None, clock: Clock
) -> None:
    """Note that the TDSP took a request, or refused it at once for (code, reason): then it is rejected (H10)."""
    now = clock.now()
    request = connection.execute(
        update(han_request)
        .where(han_request.c.number == request_id, han_request.c.handed_over_at.is_(None))
        .values(handed_over_at=now)
        .returning(han_request.c.premise_id, han_request.c.eui64, han_request.c.action, han_request.c.tdsp_duns)
    ).one_or_none()
    if request is None or refused is None:
        return
    ledger = Ledger(connection, {request.premise_id}, now=now)
    device = ledger.find(request.premise_id, request.eui64)
    assert device is not None  # a request has its device
    event = DeviceEvent.ADD_REJECTED if request.action == "ADD" else DeviceEvent.REMOVE_REJECTED
    entry = Entry(event, request_id, f"tdsp:{request.tdsp_duns}", now, refused[0][:64], refused[1][:500])
    ledger.tell(device, entry, latest=request_id in {device.add_request, device.remove_request})
    ledger.write()


def deliveries(connection: Connection, payloads: Sequence[Mapping[str, Any]], *, now: datetime) -> list[DeliveryCall]:
    """What to call the TDSP with for outbox rows ``{"message_id", "from", "to"}``. Needs a write transaction.

    Meters at which the message is over meanwhile (cancelled, its time past) are left out, so are those where somebody
    moved in meanwhile or a device of before a move-in is unconfirmed (A31), and a call without meters too. Raises
    `EarlierCallOpenError` where a cancellation's original has not been taken yet.
    """
    progress = Progress(connection, now=now)
    targets = _in_ranges(progress, [(one["message_id"], one["from"], one["to"]) for one in payloads])
    every = [target for some in targets for target in some]
    _require_originals_taken(progress, every)
    kept_back = _kept_back(connection, [target for target in every if target.closed_at is None], now)
    calls = []
    for index, (payload, some) in enumerate(zip(payloads, targets, strict=True)):
        for target in some:
            if target.closed_at is None and _is_over(target, now):
                progress.tell(target, _too_late(now))
            elif target.key in kept_back:
                progress.tell(target, kept_back[target.key])
        due = [target for target in some if target.closed_at is None]
        for target in due:
            if target.calling_at is None:
                target.calling_at = now
                progress.put(target)
        if due:
            calls.append(_call(index, payload, due))
    progress.write()
    return calls


def _in_ranges(progress: Progress, ranges: Sequence[tuple[int, int, int]]) -> list[list[Target]]:
    of = han_message_target.c
    single = [number for number, first, last in ranges if first == last == 0]
    conditions = [
        (of.message_number == number) & of.position.between(first, last)
        for number, first, last in ranges
        if (first, last) != (0, 0)
    ]
    if single:
        conditions.append(of.message_number.in_(single) & (of.position == 0))
    held: dict[int, list[Target]] = {}
    for target in progress.hold(or_(*conditions)) if conditions else ():
        held.setdefault(target.message, []).append(target)
    return [
        sorted(
            (target for target in held.get(number, ()) if first <= target.position <= last),
            key=lambda target: target.position,
        )
        for number, first, last in ranges
    ]


def _require_originals_taken(progress: Progress, targets: Sequence[Target]) -> None:
    asked = {(target.original, target.premise_id) for target in targets if target.category in CANCELS}
    if not asked:
        return
    originals = progress.hold(
        han_message_target.c.message_number.in_({number for number, _ in asked}),
        han_message_target.c.premise_id.in_({premise_id for _, premise_id in asked}),
    )
    if any(one.handed_over_at is None and one.key in asked for one in originals):
        raise EarlierCallOpenError


def _kept_back(connection: Connection, targets: Sequence[Target], now: datetime) -> dict[tuple[int, int], Status]:
    """By key: which of the waiting *targets* must not reach whoever lives there now (A31), as the status tells it.

    Cancellations always go out, they only take something off a device; so does what a TDSP sends to its own meters.
    """
    asked = [one for one in targets if one.category not in CANCELS and one.duns != one.tdsp_duns]
    premises = {one.premise_id for one in asked}
    if not premises:
        return {}
    began = stays_began(connection, premises, now=now)
    unconfirmed = with_unconfirmed_devices(connection, began, now=now)
    kept: dict[tuple[int, int], Status] = {}
    for one in asked:
        if not of_this_stay([one.accepted_at], began.get(one.premise_id)):
            kept[one.key] = _failed("somebody moved in after it was accepted, so it was not sent", now)
        elif one.premise_id in unconfirmed:
            kept[one.key] = _failed(f"{DevicesUnconfirmedError.code}: a device there is of before a move-in", now)
    return kept


def _failed(why: str, now: datetime) -> Status:
    return Status(Code.FLR, MessageState.FAILED, now, why, by_hub=True)


def _is_over(target: Target, now: datetime) -> bool:
    return target.ends_at is not None and target.ends_at <= now


def _too_late(now: datetime) -> Status:
    return Status(Code.FLR, MessageState.EXPIRED, now, "its time was over before the TDSP could take it", by_hub=True)


def _call(index: int, payload: Mapping[str, Any], targets: Sequence[Target]) -> DeliveryCall:
    first = targets[0]
    cancels = first.category in CANCELS
    return DeliveryCall(
        payload_index=index,
        message_id=first.message,
        first=payload["from"],
        last=payload["to"],
        request_id=first.original if cancels and first.original is not None else first.message,
        cancellation_id=first.message if cancels else None,
        category=first.category,
        tdsp_duns=first.tdsp_duns,
        message=_sep_message(first),
        targets=[(target.esiid, target.meter_number) for target in targets],
    )


def _sep_message(target: Target) -> SepMessage:
    fields, number = target.fields, target.message
    if target.category == "STM":
        importance = sep.Importance(fields["importance"])
        return sep.DisplayMessage(message_id=number, start=target.start_at, **(fields | {"importance": importance}))
    if target.category == "LCE":
        return sep.LoadControlEvent(event_id=number, start=target.start_at, **fields)
    if target.category == "PRM":
        return sep.PublishPrice(event_id=number, start=target.start_at, **fields)
    assert target.original is not None  # of every cancellation
    if target.category == "CSM":
        return sep.CancelMessage(message_id=target.original)
    return sep.CancelLoadControlEvent(event_id=target.original, **fields)


def handed_over(connection: Connection, taken: Sequence[Taken], *, clock: Clock) -> None:
    """Note which meters' messages a TDSP took (RQA) and which it refused (FLR). Doing it again changes nothing."""
    now = clock.now()
    progress = Progress(connection, now=now)
    targets = _in_ranges(progress, [(one.message_id, one.first, one.last) for one in taken])
    sent = Status(Code.RQA, MessageState.SENT, now, "accepted and sent to the TDSP", by_hub=True)
    for one, some in zip(taken, targets, strict=True):
        for target in some:
            if target.handed_over_at is not None or target.calling_at is None:
                continue
            target.handed_over_at = now
            progress.put(target)
            refusal = one.refused.get(target.esiid)
            if refusal is None:
                progress.tell(target, sent)
            else:
                told = f"the TDSP refused it: {refusal[0]} {refusal[1]}"
                progress.tell(target, replace(sent, code=Code.FLR, state=MessageState.FAILED, description=told))
    progress.write()
