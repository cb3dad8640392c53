"""Storing a message with its premises, and the outbox rows that hand it over (H5, H7).

Tens of thousands of messages to one home each come in a row, so on PostgreSQL everything that belongs to a request is
stored by a single statement (`store_answered_message`); `store_message` writes the same rows table by table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, Connection, bindparam, insert, text

from smt_ws.clock import real_now
from smt_ws.han.handover import DELIVER_MESSAGE, target_of
from smt_ws.han.message_rules import MessageState
from smt_ws.han.tables import han_message, han_message_target
from smt_ws.store import audit
from smt_ws.store.idempotency import AlreadyClaimed
from smt_ws.store.outbox import PATIENCE, enqueue

if TYPE_CHECKING:
    from smt_ws.han.field_rules import Schedule
    from smt_ws.parties.device_access import Reach
    from smt_ws.parties.identify import Caller
    from smt_ws.store.idempotency import Claim

__all__ = ["Answered", "enqueue_ranges", "insert_message", "message_row", "store_answered_message", "store_message"]

_INSERT_MESSAGE: Final = insert(han_message).returning(han_message.c.number)
_INSERT_TARGETS: Final = insert(han_message_target)

#: The rows of `store_message` and the claim of the request in one statement: what such a message costs is the round
#: trips and the making of statements, not the rows. Without the claim nothing is stored.
_AT_ONCE: Final = text(
    """
    WITH next AS (
        SELECT nextval('han_message_number_seq') AS number
    ), claim AS (
        INSERT INTO answered_request (company_id, operation, trans_id, body_sha256, first_at, expires_at, answer)
        SELECT :company_id, :operation, :claimed_trans_id, :body_sha256, :first_at, :expires_at,
               CAST(CAST(:answer AS jsonb) || jsonb_build_object(CAST(:number_element AS text), number::text) AS json)
        FROM next
        ON CONFLICT DO NOTHING
        RETURNING company_id
    ), message AS (
        INSERT INTO han_message (number, company_id, duns, trans_id, requestor_id, category, accepted_at, original,
                                 part_of, start_at, ends_at, fields, premises)
        SELECT number, :company_id, :duns, :trans_id, :requestor_id, :category, :accepted_at, :original, :part_of,
               :start_at, :ends_at, :fields, :premises
        FROM next, claim
        RETURNING number
    ), call AS (
        SELECT * FROM json_to_recordset(:calls) AS call (target text, first int, last int)
    ), targets AS (
        INSERT INTO han_message_target (premise_id, message_number, position, tdsp_duns, meter_number, state,
                                        meter_state, meter_state_at)
        SELECT home.premise_id, number, home.position, home.tdsp_duns, home.meter_number, :state, :state, :accepted_at
        FROM message,
             json_to_recordset(:homes) AS home (premise_id bigint, position int, tdsp_duns text, meter_number text)
    ), lanes AS (
        INSERT INTO outbox_target (target) SELECT DISTINCT target FROM call, message ON CONFLICT (target) DO NOTHING
    ), effects AS (
        INSERT INTO outbox (kind, dedupe_key, payload, target, created_at, not_before, give_up_at)
        SELECT :kind, CAST(:kind AS varchar) || ':' || number || ':' || first,
               json_build_object('message_id', number, 'from', first, 'to', last), target, :accepted_at, :real_now,
               :give_up_at
        FROM message, call
    ), line AS (
        INSERT INTO audit_log (at, event, actor, certificate_sha256, address, object, details)
        SELECT :accepted_at, :event, :actor, :certificate_sha256, :address, 'han-message:' || number, :details
        FROM message
    )
    SELECT number FROM message
    """
).bindparams(*(bindparam(name, type_=JSON) for name in ("fields", "homes", "calls", "details")))


@dataclass(frozen=True, slots=True)
class Answered:
    """The claim of a request and the answer that is stored with it, to which the message's number is added."""

    claim: Claim
    answer: Mapping[str, Any]
    number_element: str


def message_row(
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
) -> dict[str, Any]:
    """A row of `han_message` but its number."""
    return {
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


def insert_message(connection: Connection, row: Mapping[str, Any]) -> int:
    """Store a message without its premises and return its number."""
    return int(connection.execute(_INSERT_MESSAGE, dict(row)).scalar_one())


def store_message(
    connection: Connection,
    caller: Caller,
    row: Mapping[str, Any],
    homes: Sequence[Reach],
    *,
    details: Mapping[str, Any],
    most: int,
    address: str | None,
) -> int:
    """Store a message with its premises, its calls of up to *most* meters and its audit line; return its number."""
    now, submitted = row["accepted_at"], MessageState.SUBMITTED.value
    number = insert_message(connection, row)
    common = {"message_number": number, "state": submitted, "meter_state": submitted, "meter_state_at": now}
    targets = _targets(homes)
    connection.execute(_INSERT_TARGETS, [target | common for target in targets])
    enqueue_ranges(connection, DELIVER_MESSAGE, number, _places(targets), most=most, now=now)
    audit.record(
        connection,
        audit.Event.MESSAGE_ACCEPTED,
        actor=f"company:{caller.company_id}",
        at=now,
        object=f"han-message:{number}",
        details=dict(details),
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return number


def store_answered_message(
    connection: Connection,
    caller: Caller,
    row: Mapping[str, Any],
    homes: Sequence[Reach],
    answered: Answered,
    *,
    details: Mapping[str, Any],
    most: int,
    address: str | None,
) -> int:
    """`store_message` and the claim of its request, all in one statement, on PostgreSQL alone.

    Raises `AlreadyClaimed`, having stored nothing.
    """
    moment, claim = real_now(), answered.claim
    targets = _targets(homes)
    values = {
        **row,
        "operation": claim.operation,
        "claimed_trans_id": claim.trans_id,
        "body_sha256": claim.body_sha256,
        "first_at": claim.first_at,
        "expires_at": claim.expires_at,
        "answer": json.dumps(answered.answer),
        "number_element": answered.number_element,
        "state": MessageState.SUBMITTED.value,
        "homes": targets,
        "calls": [
            {"target": target_of(duns), "first": first, "last": last}
            for duns, first, last in _ranges(_places(targets), most)
        ],
        "kind": DELIVER_MESSAGE,
        "real_now": moment,
        "give_up_at": moment + PATIENCE,
        "event": audit.Event.MESSAGE_ACCEPTED.value,
        "actor": f"company:{caller.company_id}",
        "certificate_sha256": caller.tls_sha256,
        "address": address,
        "details": dict(details),
    }
    number = connection.execute(_AT_ONCE, values).scalar()
    if number is None:
        raise AlreadyClaimed
    return int(number)


def _targets(homes: Sequence[Reach]) -> list[dict[str, Any]]:
    # those of a TDSP stand together
    return [
        {
            "premise_id": home.premise_id,
            "position": position,
            "tdsp_duns": home.tdsp_duns,
            "meter_number": home.meter_number,
        }
        for position, home in enumerate(sorted(homes, key=lambda home: home.tdsp_duns))
    ]


def _places(targets: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    return [(target["position"], target["tdsp_duns"]) for target in targets]


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
