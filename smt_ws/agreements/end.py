"""Ending an agreement before its time: the customer terminates, the initiator cancels, the operator may (A8, A12).

Access ends with the transaction: grants are ended in it, and parts of orders not yet published drop its ESI IDs.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from smt_ws.agreements.answer import tell_han
from smt_ws.agreements.granting import bring_in_line
from smt_ws.agreements.letters import tell
from smt_ws.agreements.moving import move
from smt_ws.agreements.rules import Act, Actor, Kind, Status
from smt_ws.clock import Clock

__all__ = ["cancel_agreement", "release_agreement", "terminate_agreement"]


def terminate_agreement(
    connection: Connection, row: Any, *, actor: Actor, who: str, clock: Clock, address: str | None = None
) -> Any:
    """End the locked *row* for the customer, or for the operator; both sides are written to.

    Raises `AgreementStateError`.
    """
    now, was = clock.now(), Status(row.status)
    row = move(connection, row, Act.TERMINATE, actor, who=who, now=now, address=address)
    bring_in_line(connection, row, now=now)
    tell(connection, [row], was, Act.TERMINATE, actor, now=now)
    return row


def cancel_agreement(
    connection: Connection,
    row: Any,
    *,
    who: str,
    clock: Clock,
    address: str | None = None,
    certificate_sha256: str | None = None,
) -> Any:
    """End the locked *row* for its initiator, or take its invitation back; both sides are written to.

    Raises `AgreementStateError`.
    """
    now, was = clock.now(), Status(row.status)
    row = move(
        connection,
        row,
        Act.CANCEL,
        Actor.INITIATOR,
        who=who,
        now=now,
        address=address,
        certificate_sha256=certificate_sha256,
    )
    bring_in_line(connection, row, now=now)
    if row.kind == Kind.REMOVAL:
        tell_han(connection, row, accepted=False, clock=clock)
    tell(connection, [row], was, Act.CANCEL, Actor.INITIATOR, now=now)
    return row


def release_agreement(connection: Connection, row: Any, *, who: str, clock: Clock) -> Any:
    """Give a frozen *row* back its force: the operator has found that the customer did ask for it (A23).

    Raises `AgreementStateError`.
    """
    now, was = clock.now(), Status(row.status)
    row = move(connection, row, Act.RELEASE, Actor.OPERATOR, who=who, now=now)
    bring_in_line(connection, row, now=now)
    tell(connection, [row], was, Act.RELEASE, Actor.OPERATOR, now=now)
    return row
