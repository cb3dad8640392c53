"""Sending messages to the devices of 1 to 50,000 premises (H4, H5, H8).

A message is stored with its premises and the outbox rows that hand it over, in one transaction: a request id that was
answered is a message that goes out. Premises that may not be sent to are told with the reason; the others get it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Date, bindparam, exists

from smt_ws.clock import Clock
from smt_ws.han import errors, field_rules
from smt_ws.han.field_rules import Fields, Schedule
from smt_ws.han.rules import Refusal
from smt_ws.han.stays import REACHED, added_before_move_in, sees_earlier_stays
from smt_ws.han.stored import Answered, message_row, store_answered_message, store_message
from smt_ws.han.tables import han_device
from smt_ws.parties.device_access import Reach, reach
from smt_ws.parties.rules import DEVICE_SERVICES
from smt_ws.parties.tables import premise

if TYPE_CHECKING:
    from smt_ws.han.terms import Terms
    from smt_ws.parties.identify import Caller
    from smt_ws.store.idempotency import Claim

__all__ = [
    "NotReached",
    "Once",
    "Sent",
    "Submission",
    "send_load_control",
    "send_price",
    "send_text",
]


#: Whether a device is at a premise.
_THERE: Final = (han_device.c.premise_id == premise.c.id, REACHED)
_DEVICE_THERE: Final = exists().where(*_THERE)
#: Whether one of them was an earlier occupant's and nobody has kept it (A31). The day is that of `reach`.
_UNCONFIRMED_THERE: Final = exists().where(*_THERE, added_before_move_in(bindparam("today", type_=Date)))


@dataclass(frozen=True, slots=True)
class Submission:
    """What every message has: who asks, where it goes, when it begins (None: on arrival)."""

    trans_id: str
    requestor_id: str
    esiids: Sequence[str]
    start: datetime | None = None


@dataclass(frozen=True, slots=True)
class NotReached:
    """An ESI ID that a message does not go to, and why: the code of an error of `smt_ws.han.errors`."""

    esiid: str
    code: str


@dataclass(frozen=True, slots=True)
class Sent:
    """An accepted message."""

    request_id: int
    esiids_asked: int
    not_reached: Sequence[NotReached]
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Once:
    """How a request is remembered in the statement that stores its message."""

    claim: Claim
    #: The answer as it is kept, of what is known before the message has its number, and the element for that.
    answer_of: Callable[[Sent], dict[str, Any]]
    number_element: str


def send_text(
    connection: Connection,
    caller: Caller,
    submission: Submission,
    *,
    text: str,
    priority: str = "LOW",
    confirmation_required: bool = False,
    duration_minutes: int | None = None,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
    once: Once | None = None,
) -> Sent:
    """Show *text* on the displays there; without a duration, until another text comes.

    With *once* it is stored together with the claim of its request (`store_answered_message`). Raises the field errors
    of `smt_ws.han.errors`, what `_premises` raises, and with *once* `AlreadyClaimed`.
    """
    fields = field_rules.check_text(
        text,
        priority=priority,
        confirmation_required=confirmation_required,
        duration_minutes=duration_minutes,
        most_bytes=terms.han.text_bytes,
    )
    return _send(connection, caller, submission, "STM", fields, terms=terms, clock=clock, address=address, once=once)


def send_load_control(
    connection: Connection,
    caller: Caller,
    submission: Submission,
    *,
    numbers: Mapping[str, int | Decimal | None],
    randomize_start: bool = False,
    randomize_end: bool = False,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
    once: Once | None = None,
) -> Sent:
    """Ask devices to use less for a while; *numbers* go by the elements of `field_rules.FIELDS`. Raises like a text."""
    fields = field_rules.check_load_control(numbers, randomize_start=randomize_start, randomize_end=randomize_end)
    return _send(connection, caller, submission, "LCE", fields, terms=terms, clock=clock, address=address, once=once)


def send_price(
    connection: Connection,
    caller: Caller,
    submission: Submission,
    *,
    numbers: Mapping[str, int | Decimal | None],
    price: Decimal,
    generation_price: Decimal | None = None,
    rate_label: str = "",
    terms: Terms,
    clock: Clock,
    address: str | None = None,
    once: Once | None = None,
) -> Sent:
    """Tell devices what a kWh costs; *numbers* go by the elements of `field_rules.FIELDS`. Raises like a text."""
    fields = field_rules.check_price(numbers, price=price, generation_price=generation_price, rate_label=rate_label)
    return _send(connection, caller, submission, "PRM", fields, terms=terms, clock=clock, address=address, once=once)


def _send(
    connection: Connection,
    caller: Caller,
    submission: Submission,
    category: str,
    fields: Fields | Refusal,
    *,
    terms: Terms,
    clock: Clock,
    address: str | None,
    once: Once | None,
) -> Sent:
    now = clock.now()
    if isinstance(fields, Refusal):
        raise errors.refused(fields)
    duration = fields["duration_minutes"]
    assert duration is None or isinstance(duration, int)
    horizon = timedelta(days=terms.han.start_days_ahead)
    schedule = field_rules.check_schedule(submission.start, duration, now=now, horizon=horizon)
    if isinstance(schedule, Refusal):
        raise errors.refused(schedule)
    homes, not_reached = _premises(connection, caller, submission.esiids, terms=terms, now=now)
    row = message_row(
        caller,
        trans_id=submission.trans_id,
        requestor_id=submission.requestor_id,
        category=category,
        fields=fields,
        schedule=schedule,
        premises=len(homes),
        now=now,
    )
    sent = Sent(0, len(submission.esiids), not_reached, schedule)
    how: dict[str, Any] = {
        "details": {"category": category, "premises": len(homes), "not_reached": len(not_reached)},
        "most": terms.han.targets_per_call,
        "address": address,
    }
    if once is None:
        return replace(sent, request_id=store_message(connection, caller, row, homes, **how))
    answered = Answered(once.claim, once.answer_of(sent), once.number_element)
    return replace(sent, request_id=store_answered_message(connection, caller, row, homes, answered, **how))


def _premises(
    connection: Connection, caller: Caller, esiids: Sequence[str], *, terms: Terms, now: datetime
) -> tuple[list[Reach], list[NotReached]]:
    """Where a message can go, and where not.

    Raises `NoEsiidsError`; where it can go nowhere, the error of the one reason for that (`EsiidUnknownError`,
    `NoServicesAgreementError`, `CustomerKeepsControlError`, `NoMeterError`, `NoDeviceError`, `DevicesUnconfirmedError`,
    …), or `NoEsiidAcceptedError` where there are several.
    """
    if not esiids:
        raise errors.NoEsiidsError
    asked = reach(
        connection,
        caller,
        esiids,
        scope=DEVICE_SERVICES,
        rep_of_record_exempt=terms.rep_of_record_exempt,
        now=now,
        allow_test_esiids=terms.allow_test_esiids,
        holds=(_DEVICE_THERE, _UNCONFIRMED_THERE),
    )
    own_wires = sees_earlier_stays(caller.kind)
    reasons = [_why_not(home, own_wires=own_wires) for home in asked]
    homes = [home for home, reason in zip(asked, reasons, strict=True) if reason is None]
    not_reached = [
        NotReached(home.esiid, reason) for home, reason in zip(asked, reasons, strict=True) if reason is not None
    ]
    if not homes:
        codes = {one.code for one in not_reached}
        if len(codes) == 1:
            raise errors.of_code(codes.pop(), presented=not_reached[0].esiid[:64])
        told = "; ".join(f"{one.esiid[:64]}: {one.code}" for one in not_reached[:5])
        raise errors.NoEsiidAcceptedError(presented=told)
    return homes, not_reached


def _why_not(home: Reach, *, own_wires: bool) -> str | None:
    if home.refusal is not None:
        return home.refusal
    if home.meter_number is None:
        return "NO_METER"
    there, unconfirmed = home.holds
    if not there:
        return "NO_DEVICE"
    # A TDSP operates its meters regardless of who lives there.
    return "DEVICES_UNCONFIRMED" if unconfirmed and not own_wires else None
