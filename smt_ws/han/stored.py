"""Storing a message with its premises, and the outbox rows that hand it over (H5, H7).

Tens of thousands of messages to one home each come in a row, so on PostgreSQL everything that belongs to one is a
single statement; elsewhere the same rows are written table by table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, Connection, bindparam, insert, text

from smt_ws.clock import real_now
from smt_ws.han.handover import DELIVER_MESSAGE, target_of
from smt_ws.han.message_rules import MessageState
from smt_ws.han.tables import han_message, han_message_target
from smt_ws.store import audit
from smt_ws.store.dialect import is_postgresql
from smt_ws.store.outbox import PATIENCE, enqueue

if TYPE_CHECKING:
    from smt_ws.han.field_rules import Schedule
    from smt_ws.parties.device_access import Reach
    from smt_ws.parties.identify import Caller

__all__ = ["enqueue_ranges", "insert_message", "message_row", "store_message"]

_INSERT_MESSAGE: Final = insert(han_message).returning(han_message.c.number)
_INSERT_TARGETS: Final = insert(han_message_target)

#: The rows of `_one_by_one` in one statement: its cost is the round trips and the making of statements, not the rows.
_AT_ONCE: Final = text(
    """
    WITH message AS (
        INSERT INTO han_message (company_id, duns, trans_id, requestor_id, category, accepted_at, original, part_of,
                                 start_at, ends_at, fields, premises)
        VALUES (:company_id, :duns, :trans_id, :requestor_id, :category, :accepted_at, :original, :part_of,
                :start_at, :ends_at, :fields, :premises)
        RETURNING number
    ), call AS (
        SELECT * FROM json_to_recordset(:calls) AS call (target text, first int, last int)
    ), targets AS (
        INSERT INTO han_message_target (premise_id, message_number, position, tdsp_duns, meter_number, state,
                                        meter_state, meter_state_at)
        SELECT home.premise_id, message.number, home.position, home.tdsp_duns, home.meter_number, :state, :state,
               :accepted_at
        FROM message,
             json_to_recordset(:homes) AS home (premise_id bigint, position int, tdsp_duns text, meter_number text)
    ), lanes AS (
        INSERT INTO outbox_target (target) SELECT DISTINCT target FROM call ON CONFLICT (target) DO NOTHING
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
    ordered = sorted(homes, key=lambda home: home.tdsp_duns)
    store = _at_once if is_postgresql(connection) else _one_by_one
    return store(connection, caller, row, ordered, details=details, most=most, address=address)


def _at_once(
    connection: Connection,
    caller: Caller,
    row: Mapping[str, Any],
    homes: Sequence[Reach],
    *,
    details: Mapping[str, Any],
    most: int,
    address: str | None,
) -> int:
    moment = real_now()
    values = {
        **row,
        "state": MessageState.SUBMITTED.value,
        "homes": [_target(home, position) for position, home in enumerate(homes)],
        "calls": [
            {"target": target_of(duns), "first": first, "last": last}
            for duns, first, last in _ranges([(place, home.tdsp_duns) for place, home in enumerate(homes)], most)
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
    return int(connection.execute(_AT_ONCE, values).scalar_one())


def _one_by_one(
    connection: Connection,
    caller: Caller,
    row: Mapping[str, Any],
    homes: Sequence[Reach],
    *,
    details: Mapping[str, Any],
    most: int,
    address: str | None,
) -> int:
    now, submitted = row["accepted_at"], MessageState.SUBMITTED.value
    number = insert_message(connection, row)
    common = {"message_number": number, "state": submitted, "meter_state": submitted, "meter_state_at": now}
    connection.execute(_INSERT_TARGETS, [_target(home, place) | common for place, home in enumerate(homes)])
    places = [(place, home.tdsp_duns) for place, home in enumerate(homes)]
    enqueue_ranges(connection, DELIVER_MESSAGE, number, places, most=most, now=now)
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


def _target(home: Reach, position: int) -> dict[str, Any]:
    return {
        "premise_id": home.premise_id,
        "position": position,
        "tdsp_duns": home.tdsp_duns,
        "meter_number": home.meter_number,
    }


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
