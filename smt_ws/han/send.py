"""Sending messages to the devices of 1 to 50,000 premises (H4, H5, H8).

A message is stored with its premises and the outbox rows that hand it over, in one transaction: a request id that was
answered is a message that goes out. Premises that may not be sent to are told with the reason; the others get it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Connection, bindparam, cast, insert, or_, select

from smt_ws.clock import Clock
from smt_ws.han import errors, field_rules
from smt_ws.han.field_rules import Fields, Schedule
from smt_ws.han.handover import DELIVER_MESSAGE, target_of
from smt_ws.han.message_rules import MessageState
from smt_ws.han.rules import DeviceState, Refusal
from smt_ws.han.tables import han_device, han_message, han_message_target
from smt_ws.parties.device_access import Reach, reach
from smt_ws.parties.rules import DEVICE_SERVICES
from smt_ws.store import audit
from smt_ws.store.dialect import unnested
from smt_ws.store.outbox import enqueue

if TYPE_CHECKING:
    from smt_ws.han.terms import Terms
    from smt_ws.parties.identify import Caller

__all__ = [
    "NotReached",
    "Sent",
    "Submission",
    "enqueue_ranges",
    "insert_message",
    "send_load_control",
    "send_price",
    "send_text",
]


# Made once: a message to one home is sent thousands of times a minute, and making a statement costs as much as it.
_INSERT_MESSAGE: Final = insert(han_message).returning(han_message.c.number)
_INSERT_TARGETS: Final = insert(han_message_target)
_ADDED: Final = DeviceState.DEVICE_ADDED.value
_IS_THERE: Final = or_(han_device.c.state == _ADDED, han_device.c.before_removal == _ADDED)
_DEVICE_THERE: Final = select(han_device.c.premise_id).where(
    han_device.c.premise_id == bindparam("of_premise"), _IS_THERE
)


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
) -> Sent:
    """Show *text* on the displays there; without a duration, until another text comes.

    Raises the field errors of `smt_ws.han.errors` and what `_premises` raises.
    """
    fields = field_rules.check_text(
        text,
        priority=priority,
        confirmation_required=confirmation_required,
        duration_minutes=duration_minutes,
        most_bytes=terms.han.text_bytes,
    )
    return _send(connection, caller, submission, "STM", fields, terms=terms, clock=clock, address=address)


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
) -> Sent:
    """Ask devices to use less for a while; *numbers* go by the elements of `field_rules.FIELDS`. Raises like a text."""
    fields = field_rules.check_load_control(numbers, randomize_start=randomize_start, randomize_end=randomize_end)
    return _send(connection, caller, submission, "LCE", fields, terms=terms, clock=clock, address=address)


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
) -> Sent:
    """Tell devices what a kWh costs; *numbers* go by the elements of `field_rules.FIELDS`. Raises like a text."""
    fields = field_rules.check_price(numbers, price=price, generation_price=generation_price, rate_label=rate_label)
    return _send(connection, caller, submission, "PRM", fields, terms=terms, clock=clock, address=address)


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
    number = insert_message(
        connection,
        caller,
        trans_id=submission.trans_id,
        requestor_id=submission.requestor_id,
        category=category,
        fields=fields,
        schedule=schedule,
        premises=len(homes),
        now=now,
    )
    homes.sort(key=lambda home: home.tdsp_duns)
    connection.execute(
        _INSERT_TARGETS,
        [
            {
                "premise_id": home.premise_id,
                "message_number": number,
                "position": position,
                "tdsp_duns": home.tdsp_duns,
                "meter_number": home.meter_number,
                "state": MessageState.SUBMITTED.value,
                "meter_state": MessageState.SUBMITTED.value,
                "meter_state_at": now,
            }
            for position, home in enumerate(homes)
        ],
    )
    places = [(position, home.tdsp_duns) for position, home in enumerate(homes)]
    enqueue_ranges(connection, DELIVER_MESSAGE, number, places, most=terms.han.targets_per_call, now=now)
    audit.record(
        connection,
        audit.Event.MESSAGE_ACCEPTED,
        actor=f"company:{caller.company_id}",
        at=now,
        object=f"han-message:{number}",
        details={"category": category, "premises": len(homes), "not_reached": len(not_reached)},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return Sent(number, len(submission.esiids), not_reached, schedule)


def _premises(
    connection: Connection, caller: Caller, esiids: Sequence[str], *, terms: Terms, now: datetime
) -> tuple[list[Reach], list[NotReached]]:
    """Where a message can go, and where not.

    Raises `NoEsiidsError`; where it can go nowhere, the error of the one reason for that (`EsiidUnknownError`,
    `NoServicesAgreementError`, `CustomerKeepsControlError`, `NoMeterError`, `NoDeviceError`, …), or
    `NoEsiidAcceptedError` where there are several.
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
    )
    open_to_us = [home for home in asked if home.refusal is None and home.meter_number is not None]
    with_device = _with_device(connection, [home.premise_id for home in open_to_us])
    homes = [home for home in open_to_us if home.premise_id in with_device]
    reasons = {home.position: "NO_DEVICE" for home in open_to_us if home.premise_id not in with_device}
    not_reached = [
        NotReached(home.esiid, home.refusal or reasons.get(home.position, "NO_METER"))
        for home in asked
        if home.refusal is not None or home.meter_number is None or home.position in reasons
    ]
    if not homes:
        codes = {one.code for one in not_reached}
        if len(codes) == 1:
            raise errors.of_code(codes.pop(), presented=not_reached[0].esiid[:64])
        told = "; ".join(f"{one.esiid[:64]}: {one.code}" for one in not_reached[:5])
        raise errors.NoEsiidAcceptedError(presented=told)
    return homes, not_reached


def _with_device(connection: Connection, premise_ids: Sequence[int]) -> set[int]:
    # A device whose removal is under way is there until it is gone.
    if not premise_ids:
        return set()
    if len(premise_ids) == 1:
        return set(connection.scalars(_DEVICE_THERE, {"of_premise": premise_ids[0]}))
    asked = unnested(connection, [str(number) for number in premise_ids])
    return set(
        connection.scalars(
            select(han_device.c.premise_id)
            .select_from(asked.join(han_device, han_device.c.premise_id == cast(asked.c.value, BigInteger)))
            .where(_IS_THERE)
        )
    )


def insert_message(
    connection: Connection,
    caller: Caller,
    *,
    trans_id: str,
    requestor_id: str,
    category: str,
    fields: Mapping[str, Any],
    schedule: Schedule,
    premises: int,
    now: datetime,
    original: int | None = None,
    part_of: int | None = None,
) -> int:
    """Store a message without its premises and return its number."""
    row = {
        "company_id": caller.company_id,
        "duns": caller.duns,
        "trans_id": trans_id,
        "requestor_id": requestor_id,
        "category": category,
        "accepted_at": now,
        "original": original,
        "part_of": part_of,
        "start_at": schedule.start,
        "ends_at": schedule.ends,
        "fields": dict(fields),
        "premises": premises,
    }
    return int(connection.execute(_INSERT_MESSAGE, row).scalar_one())


def enqueue_ranges(
    connection: Connection,
    kind: str,
    number: int,
    places: Sequence[tuple[int, str]],
    *,
    most: int,
    now: datetime,
) -> None:
    """Queue the calls that hand message *number* over at *places*: (position, TDSP), positions of a TDSP together."""
    for duns, first, last in _ranges(places, most):
        enqueue(
            connection,
            kind=kind,
            key=f"{kind}:{number}:{first}",
            payload={"message_id": number, "from": first, "to": last},
            now=now,
            target=target_of(duns),
        )


def _ranges(places: Sequence[tuple[int, str]], most: int) -> Iterator[tuple[str, int, int]]:
    for duns, group in groupby(places, key=lambda place: place[1]):
        positions = [position for position, _ in group]
        for start in range(0, len(positions), most):
            some = positions[start : start + most]
            yield duns, some[0], some[-1]
