"""Sending an invitation again: once an agreement (a setting); the earlier letter's links answer no more (A13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from smt_ws.agreements import errors
from smt_ws.agreements.email_limits import count_emails
from smt_ws.agreements.letters import tell
from smt_ws.agreements.moving import find_agreement, move
from smt_ws.agreements.rules import Act, Actor, Status
from smt_ws.clock import Clock

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller
    from smt_ws.settings import Agreements

__all__ = ["resend_invitation"]


def resend_invitation(
    connection: Connection,
    caller: Caller,
    number: str,
    *,
    policy: Agreements,
    clock: Clock,
    address: str | None = None,
) -> Any:
    """Send the invitation of the caller's agreement again; its time to answer stays what it was (FR-16).

    Raises `AgreementUnknownError`, `AgreementStateError`, `ResendLimitError`, `EmailLimitError`.
    """
    now = clock.now()
    row = find_agreement(connection, number, company_id=caller.company_id)
    moved = move(
        connection,
        row,
        Act.RESEND,
        Actor.INITIATOR,
        who=f"company:{caller.company_id}",
        now=now,
        address=address,
        certificate_sha256=caller.tls_sha256,
        resent=row.resent + 1,
    )
    # After the move, so that an agreement that is not pending is told so; the transaction takes both back.
    if row.resent >= policy.resends:
        raise errors.ResendLimitError(presented=f"sent again {row.resent} times", expected=f"up to {policy.resends}")
    count_emails(connection, company_id=row.company_id, email_key=row.email_key, emails=1, policy=policy)
    tell(connection, [moved], Status(row.status), Act.RESEND, Actor.INITIATOR, now=now)
    return moved
