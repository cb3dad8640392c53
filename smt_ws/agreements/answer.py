"""What an answer to an invitation does: status, grants, report, letters, all in one transaction (A9, A11, A12).

The callers know who answers and by what right: a link (`smt_ws.agreements.respond`) or a log-in
(`smt_ws.agreements.of_account`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, insert, select

from smt_ws.agreements import rules
from smt_ws.agreements.acceptance import Door, check_acceptance
from smt_ws.agreements.errors import AgreementStateError
from smt_ws.agreements.granting import bring_in_line, follow_account, moved_in_since, premises_of
from smt_ws.agreements.letters import tell
from smt_ws.agreements.moving import move
from smt_ws.agreements.rules import Act, Actor, Kind, Status
from smt_ws.agreements.tables import agreement_history
from smt_ws.clock import CENTRAL, Clock
from smt_ws.parties.tables import premise
from smt_ws.store import audit
from smt_ws.store.outbox import enqueue

if TYPE_CHECKING:
    from smt_ws.settings import Agreements

__all__ = [
    "ORDER_AGREED",
    "REMOVAL_DECIDED",
    "accept_agreement",
    "disown_agreement",
    "reject_agreement",
    "report_disowned",
    "tell_han",
]

#: Outbox kinds that other rooms carry out: a report to be made, a removal that was answered.
ORDER_AGREED: Final = "order.agreed"
REMOVAL_DECIDED: Final = "han.removal_decided"


def accept_agreement(
    connection: Connection,
    row: Any,
    *,
    account_id: int | None,
    door: Door,
    policy: Agreements,
    clock: Clock,
    address: str | None,
) -> Any:
    """Accept the locked *row*, or the extension that it asks for, and return it as it is then.

    *account_id* is who is logged in, None: nobody; *door*, how it came here. Raises `AgreementStateError`, and what
    `check_acceptance` raises: every acceptance passes it.
    """
    now, was = clock.now(), Status(row.status)
    today = now.astimezone(CENTRAL).date()
    kind = Kind(row.kind)
    values: dict[str, Any] = {"asked_end_day": None}
    details: dict[str, Any] = {}
    if row.status == Status.PENDING:
        follow_account(connection, row, now=now)
    given = check_acceptance(connection, row, account_id=account_id, door=door, policy=policy, now=now)
    if given.marked:
        details["other_email_address"] = True
    if row.status == Status.EXTENSION_PENDING:
        values["end_day"] = row.asked_end_day
        details["end_day"] = row.asked_end_day.isoformat()
    else:
        asked_on = row.initiated_at.astimezone(CENTRAL).date()
        gone = moved_in_since(connection, row, agreed_on=asked_on, today=today)
        if gone or connection.execute(premises_of(row.number)).first() is None:
            # Whoever was asked lives there no longer; who does was not asked (R5).
            raise AgreementStateError(presented="somebody else has moved in")
        values |= {"accepted_at": now, "accepted_on": today}
        if row.months is not None:
            values["end_day"] = rules.end_day(today, row.months)
        values["account_id"] = given.account_id
        # The same machine that asked for the agreement accepts it: the operator's report on patterns lists these (A23).
        if address is not None and address == row.attested_from:
            details["same_address_as_initiator"] = True
    who = "customer" if account_id is None else f"account:{account_id}"
    row = move(
        connection, row, Act.ACCEPT, Actor.CUSTOMER, who=who, now=now, details=details, address=address, **values
    )
    bring_in_line(connection, row, now=now)
    if kind is Kind.ONE_TIME:
        _order_report(connection, row, clock)
    if kind is Kind.REMOVAL:
        tell_han(connection, row, accepted=True, clock=clock)
    tell(connection, [row], was, Act.ACCEPT, Actor.CUSTOMER, now=now)
    return row


def reject_agreement(connection: Connection, row: Any, *, who: str, clock: Clock, address: str | None) -> Any:
    """Reject the locked *row*, or the extension that it asks for; of that, what was agreed before stays."""
    now, was = clock.now(), Status(row.status)
    row = move(connection, row, Act.REJECT, Actor.CUSTOMER, who=who, now=now, address=address, asked_end_day=None)
    if row.kind == Kind.REMOVAL:
        tell_han(connection, row, accepted=False, clock=clock)
    tell(connection, [row], was, Act.REJECT, Actor.CUSTOMER, now=now)
    return row


def disown_agreement(connection: Connection, row: Any, *, who: str, clock: Clock, address: str | None) -> Any:
    """Freeze the locked *row*, or reject it where it was not accepted yet, and tell operator and support (A23, A27)."""
    now, was = clock.now(), Status(row.status)
    row = move(connection, row, Act.DISOWN, Actor.CUSTOMER, who=who, now=now, address=address, asked_end_day=None)
    bring_in_line(connection, row, now=now)
    if row.kind == Kind.REMOVAL:
        tell_han(connection, row, accepted=False, clock=clock)
    tell(connection, [row], was, Act.DISOWN, Actor.CUSTOMER, now=now)
    return row


def report_disowned(connection: Connection, row: Any, *, who: str, clock: Clock, address: str | None) -> Any:
    """Note that the customer did not ask for the locked *row*, which was accepted and is over, and tell the operator.

    There is nothing left to stop, and what is final stays so (BR-7); a report that went out is when fraud is noticed.
    """
    now = clock.now()
    connection.execute(
        insert(agreement_history).values(
            number=row.number,
            at=now,
            act=Act.DISOWN.value,
            actor=who,
            from_status=row.status,
            to_status=row.status,
            details={},
        )
    )
    audit.record(
        connection,
        audit.Event.AGREEMENT_DISOWNED,
        actor=who,
        at=now,
        object=f"agreement:{row.number}",
        details={"from": row.status, "to": row.status},
        address=address,
    )
    tell(connection, [row], Status(row.status), Act.DISOWN, Actor.CUSTOMER, now=now)
    return row


def _order_report(connection: Connection, row: Any, clock: Clock) -> None:
    accepted = row.accepted_at.astimezone(CENTRAL).date()
    enqueue(
        connection,
        kind=ORDER_AGREED,
        key=f"agreement:{row.number}:order",
        payload={
            "agreement": row.number,
            "company_id": row.company_id,
            "kind": row.company_kind,
            "duns": row.duns,
            "requestor_id": row.requestor_id,
            "report": row.report,
            "format": row.report_format,
            "first_day": rules.first_report_day(accepted, row.report_period).isoformat(),
            "last_day": (accepted - timedelta(days=1)).isoformat(),
            "esiids": list(
                connection.scalars(
                    select(premise.c.esiid).where(premise.c.id.in_(premises_of(row.number))).order_by(premise.c.esiid)
                )
            ),
        },
        now=clock.now(),
    )


def tell_han(connection: Connection, row: Any, *, accepted: bool, clock: Clock) -> None:
    """Pass on how a removal was answered, once an agreement (A21)."""
    enqueue(
        connection,
        kind=REMOVAL_DECIDED,
        key=f"agreement:{row.number}:removal",
        payload={"request_id": int(row.removal_request), "accepted": accepted, "agreement": row.number},
        now=clock.now(),
    )
