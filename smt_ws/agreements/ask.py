"""What an initiator does to its agreements: change one, end several (A12, A20; 002 P4.3, and "Cancel Agreements")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from smt_ws.agreements import errors
from smt_ws.agreements.change import Change, ask_extension, change_agreement, withdraw_extension
from smt_ws.agreements.email_limits import count_emails
from smt_ws.agreements.end import cancel_agreement
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.rules import Actor, Status
from smt_ws.clock import Clock

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller
    from smt_ws.settings import Agreements

__all__ = ["AT_ONCE", "Ended", "change_as_initiator", "end_several"]

#: Agreements that one request may end.
AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one agreement of the list; *code* None: it is ended."""

    number: str
    status: Status | None
    code: str | None
    reason: str


def change_as_initiator(
    connection: Connection,
    caller: Caller,
    number: str,
    change: Change,
    *,
    policy: Agreements,
    clock: Clock,
    address: str | None = None,
) -> Any:
    """Narrow the caller's agreement at once; a later last day is asked of the customer. Returns the row as it is then.

    While an extension is asked for, the present last day takes it back (A27). Raises `AgreementUnknownError` and what
    `change_agreement` and `ask_extension` raise, and `EmailLimitError`.
    """
    row = find_agreement(connection, number, company_id=caller.company_id)
    by: dict[str, Any] = {
        "who": f"company:{caller.company_id}",
        "clock": clock,
        "address": address,
        "certificate_sha256": caller.tls_sha256,
    }
    if row.status == Status.EXTENSION_PENDING and change.end_day is not None and change.end_day == row.end_day:
        row = withdraw_extension(connection, row, **by)
        change = Change(None, change.services, change.drop_esiids)
        return row if change.nothing else _narrow(connection, row, change, policy, by)
    longer = change.end_day is not None and row.end_day is not None and change.end_day > row.end_day
    at_once = Change(None if longer else change.end_day, change.services, change.drop_esiids)
    if not at_once.nothing or not longer:
        row = _narrow(connection, row, at_once, policy, by)
    if longer:
        assert change.end_day is not None
        row = ask_extension(connection, row, change.end_day, policy=policy, **by)
    return row


def _narrow(connection: Connection, row: Any, change: Change, policy: Agreements, by: dict[str, Any]) -> Any:
    changed = change_agreement(connection, row, change, actor=Actor.INITIATOR, **by)
    count_emails(connection, company_id=row.company_id, email_key=row.email_key, emails=1, policy=policy)
    return changed


def end_several(
    connection: Connection, caller: Caller, numbers: Sequence[str], *, clock: Clock, address: str | None = None
) -> list[Ended]:
    """End the caller's agreements, or take their invitations back, each for itself; what cannot be ended says why.

    Raises `TooManyItemsError` where there are more than `AT_ONCE`.
    """
    if len(numbers) > AT_ONCE:
        raise errors.TooManyItemsError(presented=str(len(numbers)), expected=f"up to {AT_ONCE}")
    return [_end(connection, caller, number, clock, address) for number in numbers]


def _end(connection: Connection, caller: Caller, number: str, clock: Clock, address: str | None) -> Ended:
    # Nothing is written before an error of these, so the others of the list keep what they did.
    try:
        row = find_agreement(connection, number, company_id=caller.company_id)
        row = cancel_agreement(
            connection,
            row,
            who=f"company:{caller.company_id}",
            clock=clock,
            address=address,
            certificate_sha256=caller.tls_sha256,
        )
    except (errors.AgreementUnknownError, errors.AgreementStateError) as error:
        return Ended(number, None, error.code, str(error))
    return Ended(number, Status(row.status), None, "The agreement is ended.")
