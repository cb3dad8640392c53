"""What a logged-in customer sees of its agreements and may do to them (002 P3; My Agreements of the portal).

The account is the right: another's agreement does not exist for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, and_, or_, select
from sqlalchemy.sql import ColumnElement

from smt_ws.agreements.acceptance import Door
from smt_ws.agreements.answer import accept_agreement, disown_agreement, reject_agreement
from smt_ws.agreements.change import Change, change_agreement
from smt_ws.agreements.end import terminate_agreement
from smt_ws.agreements.errors import AgreementUnknownError
from smt_ws.agreements.granting import bring_in_line
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.opens import Opening, opens, terms_of
from smt_ws.agreements.rules import IN_FORCE, INVITING, Act, Actor, Kind, Status, acts_open_to, day_is_over
from smt_ws.agreements.tables import agreement, agreement_premise
from smt_ws.clock import CENTRAL, Clock, central_today
from smt_ws.parties.account_tables import account, account_meter
from smt_ws.parties.accounts import somebody_else_moved_in
from smt_ws.parties.tables import company, premise

if TYPE_CHECKING:
    from smt_ws.settings import Agreements

__all__ = [
    "AgreementRow",
    "accept_as_customer",
    "agreements_of",
    "change_as_customer",
    "change_end_date",
    "disown_as_customer",
    "meters_changed",
    "reject_as_customer",
    "terminate",
]


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """An agreement as its customer sees it, with what the customer may do to it now (FR-10)."""

    number: str
    kind: Kind
    status: Status
    company: str
    contact_name: str
    contact_phone: str
    contact_email: str
    privacy_url: str | None
    comments: str
    services: tuple[str, ...]
    #: What it opens, or would with the extension that is asked for (`smt_ws.agreements.opens`).
    opens: tuple[Opening, ...]
    all_meters: bool
    meters: tuple[tuple[str, str], ...]
    device_mac: str | None
    report: str | None
    report_format: str | None
    report_period: str | None
    #: How long it shall last from its acceptance.
    months: int | None
    initiated_at: datetime
    accepted_at: datetime | None
    #: The last day to answer an invitation.
    expires_on: date
    end_day: date | None
    asked_end_day: date | None
    order_number: int | None
    acts: tuple[Act, ...]
    #: It was sent to another address than the account's: only the link in that e-mail accepts it (A25).
    by_link_only: bool


def agreements_of(connection: Connection, account_id: int, *, now: datetime) -> list[AgreementRow]:
    """All agreements with this customer, newest first: those that name its account, and invitations for its meters.

    What was sent to its address before it registered is among them from the registration on, also where it was
    accepted without an account (A29).
    """
    same = _without_account(account_id).label("same_address")
    rows = connection.execute(
        select(agreement, company.c.legal_name, company.c.privacy_url, same)
        .join(company, company.c.id == agreement.c.company_id)
        .where(_hers(account_id, now.astimezone(CENTRAL).date()))
        .order_by(agreement.c.initiated_at.desc(), agreement.c.number.desc())
    ).all()
    meters = _meters(connection, [row.number for row in rows])
    return [_row(row, meters[row.number], now) for row in rows]


def accept_as_customer(
    connection: Connection,
    account_id: int,
    number: str,
    *,
    policy: Agreements,
    clock: Clock,
    address: str | None = None,
) -> Status:
    """Accept an invitation, or an extension.

    Raises `AgreementUnknownError`, `AgreementStateError`, `NotInvitedError`, `AcceptanceRefusedError`.
    """
    row = _locked(connection, account_id, number, clock, answering=True)
    return Status(
        accept_agreement(
            connection, row, account_id=account_id, door=Door.ACCOUNT, policy=policy, clock=clock, address=address
        ).status
    )


def reject_as_customer(
    connection: Connection, account_id: int, number: str, *, clock: Clock, address: str | None = None
) -> Status:
    """Reject an invitation, or an extension. Raises `AgreementUnknownError`, `AgreementStateError`."""
    row = _locked(connection, account_id, number, clock, answering=True)
    return Status(reject_agreement(connection, row, who=f"account:{account_id}", clock=clock, address=address).status)


def disown_as_customer(
    connection: Connection, account_id: int, number: str, *, clock: Clock, address: str | None = None
) -> Status:
    """Say "I did not ask for this" (A23). Raises `AgreementUnknownError`, `AgreementStateError`."""
    row = _locked(connection, account_id, number, clock)
    return Status(disown_agreement(connection, row, who=f"account:{account_id}", clock=clock, address=address).status)


def change_end_date(
    connection: Connection, account_id: int, number: str, end_day: date, *, clock: Clock, address: str | None = None
) -> Status:
    """Let an agreement end on another day, today to a year from today (A12). Raises as `change_as_customer`."""
    return change_as_customer(connection, account_id, number, Change(end_day=end_day), clock=clock, address=address)


def change_as_customer(
    connection: Connection, account_id: int, number: str, change: Change, *, clock: Clock, address: str | None = None
) -> Status:
    """Change an agreement in force: its end, its services, its ESI IDs.

    Raises `AgreementUnknownError` and what `smt_ws.agreements.change.change_agreement` raises.
    """
    row = _locked(connection, account_id, number, clock)
    return Status(
        change_agreement(
            connection,
            row,
            change,
            actor=Actor.CUSTOMER,
            who=f"account:{account_id}",
            clock=clock,
            address=address,
        ).status
    )


def terminate(
    connection: Connection, account_id: int, number: str, *, clock: Clock, address: str | None = None
) -> Status:
    """End an agreement in force; access stops at once. Raises `AgreementUnknownError`, `AgreementStateError`."""
    row = _locked(connection, account_id, number, clock)
    who = f"account:{account_id}"
    return Status(
        terminate_agreement(connection, row, actor=Actor.CUSTOMER, who=who, clock=clock, address=address).status
    )


def meters_changed(connection: Connection, account_id: int, *, clock: Clock) -> int:
    """Bring agreements over all meters of this account in line with the meters it has now (A3); returns how many.

    To be called in the transaction that changes the meters.
    """
    numbers = connection.scalars(
        select(agreement.c.number).where(
            agreement.c.account_id == account_id,
            agreement.c.all_meters,
            agreement.c.status.in_([status.value for status in IN_FORCE]),
        )
    ).all()
    for number in numbers:
        bring_in_line(connection, find_agreement(connection, number), now=clock.now())
    return len(numbers)


def _hers(account_id: int, today: date) -> Any:
    # An invitation to a customer who was not registered is hers once all that it names are her meters: not those of a
    # home that she has left, where the next customer is invited.
    registered = select(account_meter.c.premise_id).where(account_meter.c.account_id == account_id)
    owned = registered.where(account_meter.c.in_force, ~somebody_else_moved_in(today))
    invitation = agreement.c.status.in_([status.value for status in INVITING])
    return or_(
        agreement.c.account_id == account_id,
        and_(agreement.c.account_id.is_(None), invitation, _about(owned)),
        # What she accepted without an account is hers by address and home, and stays so when she moves (A29).
        and_(_without_account(account_id), agreement.c.accepted_at.is_not(None), _about(registered)),
    )


def _about(premises: Select[Any]) -> ColumnElement[bool]:
    """All that the agreement names is among these premises."""
    named = agreement_premise.c.number == agreement.c.number
    others = select(agreement_premise.c.premise_id).where(named, agreement_premise.c.premise_id.not_in(premises))
    # Begins from the premises, however many agreements there are.
    numbers = select(agreement_premise.c.number).where(agreement_premise.c.premise_id.in_(premises))
    return and_(agreement.c.number.in_(numbers), ~others.exists())


def _without_account(account_id: int) -> ColumnElement[bool]:
    """The agreement names no account, and the address of this one."""
    address = select(account.c.email_key).where(account.c.id == account_id).scalar_subquery()
    return and_(agreement.c.account_id.is_(None), agreement.c.email_key == address)


def _locked(connection: Connection, account_id: int, number: str, clock: Clock, *, answering: bool = False) -> Any:
    hers = connection.scalar(
        select(agreement.c.number).where(agreement.c.number == number, _hers(account_id, central_today(clock)))
    )
    if hers is None:
        raise AgreementUnknownError(presented=number[:20])
    row = find_agreement(connection, number)
    if answering and clock.now() >= day_is_over(row.expires_on):
        # The nightly job has not been yet; the invitation is over all the same (BR-4).
        raise AgreementUnknownError(presented=number)
    return row


def _meters(connection: Connection, numbers: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in connection.execute(
        select(agreement_premise.c.number, premise.c.esiid, agreement_premise.c.meter_number)
        .join(premise, premise.c.id == agreement_premise.c.premise_id)
        .where(agreement_premise.c.number.in_(numbers), agreement_premise.c.dropped_at.is_(None))
        .order_by(premise.c.esiid)
    ):
        found[one.number].append((one.esiid, one.meter_number))
    return found


def _row(row: Any, meters: Collection[tuple[str, str]], now: datetime) -> AgreementRow:
    kind, status = Kind(row.kind), Status(row.status)
    acts = acts_open_to(kind, status, Actor.CUSTOMER)
    by_link_only = Act.ACCEPT in acts and row.account_id is None and not row.same_address
    if by_link_only:
        acts.remove(Act.ACCEPT)
    if now >= day_is_over(row.expires_on):
        acts = [act for act in acts if act not in (Act.ACCEPT, Act.REJECT)]
    return AgreementRow(
        number=row.number,
        kind=kind,
        status=status,
        company=row.legal_name,
        contact_name=row.contact_name,
        contact_phone=row.contact_phone,
        contact_email=row.contact_email,
        privacy_url=row.privacy_url,
        comments=row.comments,
        services=tuple(row.services),
        opens=opens(terms_of(row, asked=Act.ACCEPT in acts)),
        all_meters=row.all_meters,
        meters=tuple(meters),
        device_mac=row.device_mac,
        report=row.report,
        report_format=row.report_format,
        report_period=row.report_period,
        months=row.months,
        initiated_at=row.initiated_at,
        accepted_at=row.accepted_at,
        expires_on=row.expires_on,
        end_day=row.end_day,
        asked_end_day=row.asked_end_day,
        order_number=row.order_number,
        acts=tuple(acts),
        by_link_only=by_link_only,
    )
