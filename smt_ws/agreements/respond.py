"""The customer's answer by a link of a letter: look (GET changes nothing), accept, reject, disown (A9, A10, A23).

001 P2.1-P2.9, 002 P2. A link answers for itself where no log-in is needed; an ongoing, device or services agreement is
accepted by the registered customer it is made with. Rejecting and disowning need no log-in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, select

from smt_ws.agreements import errors, links
from smt_ws.agreements.acceptance import Door
from smt_ws.agreements.answer import accept_agreement, disown_agreement, reject_agreement, report_disowned
from smt_ws.agreements.letters import KEPT_BACK, facts_of, meters_named
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.rules import FINAL, INVITING, KINDS, Act, Actor, Kind, Purpose, Status, acts_open_to, day_is_over
from smt_ws.agreements.tables import agreement
from smt_ws.clock import Clock
from smt_ws.parties.tables import company

if TYPE_CHECKING:
    from smt_ws.settings import Agreements

__all__ = ["Decided", "Invitation", "Outcome", "accept", "disown", "look", "reject"]


class Outcome(StrEnum):
    """What a link is worth."""

    OPEN = "OPEN"
    #: Its time is over (FR-13, BR-8).
    EXPIRED = "EXPIRED"
    #: The agreement has moved on, or the invitation was sent again (FR-14).
    CHANGED = "CHANGED"
    #: It has been used.
    USED = "USED"
    #: There is no such link.
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the page behind a link shows. Of a link that is not open it says nothing but the outcome and the purpose."""

    outcome: Outcome
    purpose: Purpose | None = None
    number: str | None = None
    kind: Kind | None = None
    #: Accepting needs the customer logged in (A9).
    needs_login: bool = False
    #: The agreement names an account.
    registered: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    #: For the registration form (FR-15): kind, first_name, middle_initial, last_name, company_name, phone, email,
    #: language, street, city, state, zip, esiid, meter_number.
    prefill: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decided:
    """An answer that was given: how the agreement stands now."""

    number: str
    status: Status
    kind: Kind


#: Digits of an ESI ID that the registration form is filled in with: the fewest that it takes.
_ESIID_DIGITS: Final = 6
_NOTHING = Invitation(Outcome.UNKNOWN)


def look(connection: Connection, token: str, *, now: datetime) -> Invitation:
    """What the link *token* leads to. Changes nothing: scanners of mail follow links too."""
    link = links.read_link(connection, token)
    if link is None:
        return _NOTHING
    row = connection.execute(select(agreement).where(agreement.c.number == link.number)).one()
    purpose = Purpose(link.purpose)
    outcome = _outcome(link, row, purpose, now)
    if outcome is not Outcome.OPEN:
        return Invitation(outcome, purpose)
    asking = connection.execute(select(company).where(company.c.id == row.company_id)).one()
    meters = meters_named(connection, [row.number])[row.number]
    prefill = {
        name: getattr(row, name)
        for name in ("first_name", "middle_initial", "last_name", "company_name", "phone", "email", "language")
    }
    prefill |= {name: getattr(row, name) for name in ("street", "city", "state", "zip")} | {"kind": row.customer_kind}
    if meters:
        # No more of it than the e-mail shows (A14); with the meter's number this names one meter.
        prefill |= {"esiid": meters[0].esiid[-_ESIID_DIGITS:], "meter_number": meters[0].meter_number}
    facts = facts_of(row, asking, meters, asked=True)
    if purpose is Purpose.DISOWN:
        # This link is also with whoever holds the home, who may be another than the customer that was invited (A25).
        facts, prefill = {**facts, **KEPT_BACK}, {}
    return Invitation(
        outcome,
        purpose,
        number=row.number,
        kind=Kind(row.kind),
        needs_login=KINDS[Kind(row.kind)].needs_login,
        registered=row.account_id is not None,
        facts=facts,
        prefill=prefill,
    )


def accept(
    connection: Connection,
    token: str,
    *,
    account_id: int | None,
    policy: Agreements,
    clock: Clock,
    address: str | None = None,
) -> Decided:
    """Accept by link; *account_id* is the customer who is logged in, None: nobody.

    Raises `InvitationNotOpenError`, `AcceptanceRefusedError`; `LogInNeededError` where the kind needs a log-in and
    nobody, or somebody whose meters these are not, is logged in.
    """

    def run(row: Any) -> Any:
        return accept_agreement(
            connection, row, account_id=account_id, door=Door.LINK, policy=policy, clock=clock, address=address
        )

    return _answered(connection, token, (Purpose.ACCEPT,), clock, run)


def reject(connection: Connection, token: str, *, clock: Clock, address: str | None = None) -> Decided:
    """Reject by the link to reject, or by that to accept: its page has both answers.

    Raises `InvitationNotOpenError`.
    """

    def run(row: Any) -> Any:
        return reject_agreement(connection, row, who="customer", clock=clock, address=address)

    return _answered(connection, token, (Purpose.REJECT, Purpose.ACCEPT), clock, run)


def disown(connection: Connection, token: str, *, clock: Clock, address: str | None = None) -> Decided:
    """Say "I did not ask for this": rejects a pending agreement, freezes one in force; the operator is told (A23).

    One that was accepted and is over stays as it is; the operator is told all the same. Raises
    `InvitationNotOpenError`.
    """

    def run(row: Any) -> Any:
        act = report_disowned if _is_over(row) else disown_agreement
        return act(connection, row, who="customer", clock=clock, address=address)

    return _answered(connection, token, (Purpose.DISOWN,), clock, run)


def _answered(
    connection: Connection, token: str, purposes: Collection[Purpose], clock: Clock, run: Callable[[Any], Any]
) -> Decided:
    now = clock.now()
    link = links.read_link(connection, token)
    if link is None or link.purpose not in purposes:
        raise errors.InvitationNotOpenError(presented=Outcome.UNKNOWN.value)
    # The agreement's lock decides between two who click at once; what was read before it is read again.
    row = find_agreement(connection, link.number)
    link = links.read_link(connection, token)
    outcome = _outcome(link, row, Purpose(link.purpose), now)
    if outcome is not Outcome.OPEN:
        raise errors.InvitationNotOpenError(presented=outcome.value)
    links.use_link(connection, link.token_sha256, now=now)
    try:
        row = run(row)
    except errors.AgreementStateError as error:
        raise errors.InvitationNotOpenError(presented=Outcome.CHANGED.value) from error
    return Decided(row.number, Status(row.status), Kind(row.kind))


def _outcome(link: Any, row: Any, purpose: Purpose, now: datetime) -> Outcome:
    status = Status(row.status)
    if link.used_at is not None:
        return Outcome.USED
    if purpose is Purpose.DISOWN:
        can = _is_over(row) or Act.DISOWN in acts_open_to(Kind(row.kind), status, Actor.CUSTOMER)
        return Outcome.OPEN if can and now < link.expires_at else Outcome.CHANGED
    # The time of the invitation counts, whether or not the nightly job has been (BR-4, BR-8).
    if now >= min(link.expires_at, day_is_over(row.expires_on)) or status is Status.NOT_ACCEPTED:
        return Outcome.EXPIRED
    if link.revoked_at is not None or status not in INVITING:
        return Outcome.CHANGED
    return Outcome.OPEN


def _is_over(row: Any) -> bool:
    """Whether the agreement was accepted and has come to its end: a one-time one has within a minute."""
    return row.accepted_at is not None and Status(row.status) in FINAL
