"""The one place where an agreement's status changes: the rule is asked, and row, history and audit line go together."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from smt_ws.agreements import errors
from smt_ws.agreements.links import revoke
from smt_ws.agreements.rules import FINAL, INVITING, Act, Actor, Kind, Status, after
from smt_ws.agreements.tables import agreement, agreement_history
from smt_ws.store import audit

__all__ = ["find_agreement", "move"]


def find_agreement(
    connection: Connection,
    number: str,
    *,
    company_id: int | None = None,
    account_id: int | None = None,
    lock: bool = True,
) -> Any:
    """The row of an agreement, locked until the transaction ends; *company_id* or *account_id* say whose it must be.

    Raises `AgreementUnknownError`, for one that does not exist and for somebody else's alike.
    """
    wanted = select(agreement).where(agreement.c.number == number)
    if company_id is not None:
        wanted = wanted.where(agreement.c.company_id == company_id)
    if account_id is not None:
        wanted = wanted.where(agreement.c.account_id == account_id)
    # Not FOR UPDATE: history and links that refer to the agreement need not wait for each other.
    row = connection.execute(wanted.with_for_update(key_share=True) if lock else wanted).one_or_none()
    if row is None:
        raise errors.AgreementUnknownError(presented=number[:20])
    return row


def move(
    connection: Connection,
    row: Any,
    act: Act,
    actor: Actor,
    *,
    who: str,
    now: datetime,
    details: dict[str, Any] | None = None,
    certificate_sha256: str | None = None,
    address: str | None = None,
    **values: Any,
) -> Any:
    """Do *act* to the locked *row* of an agreement and return the row as it is then; *values* change with it.

    *who* is ``customer``, ``account:ID``, ``company:ID``, ``hub:PROCESS`` or ``operator:NAME``. A status that leads
    nowhere sets ``ended_at``; an invitation that is answered takes its links with it. *details* go into history and
    audit log: no personal data.

    Raises `AgreementStateError` where `rules.MOVES` has no such move.
    """
    was = Status(row.status)
    then = after(Kind(row.kind), was, act, actor)
    if then is None:
        raise errors.AgreementStateError(
            f"{errors.AgreementStateError.sentence()} Agreement {row.number} is {was.value}.", presented=was.value
        )
    if then in FINAL:
        values["ended_at"] = now
    connection.execute(update(agreement).where(agreement.c.number == row.number).values(status=then.value, **values))
    if was in INVITING and (then is not was or act is Act.RESEND):
        revoke(connection, [row.number], now=now)
    connection.execute(
        insert(agreement_history).values(
            number=row.number,
            at=now,
            act=act.value,
            actor=who,
            from_status=was.value,
            to_status=then.value,
            details=details or {},
        )
    )
    audit.record(
        connection,
        audit.Event(f"agreement:{act.value}:done"),
        actor=who,
        at=now,
        object=f"agreement:{row.number}",
        details={"from": was.value, "to": then.value} | (details or {}),
        certificate_sha256=certificate_sha256,
        address=address,
    )
    return connection.execute(select(agreement).where(agreement.c.number == row.number)).one()
