"""Who may accept: the customer that was asked, by account or by link (A25)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, or_, select

from smt_ws.agreements import errors, rules
from smt_ws.agreements.tables import agreement, agreement_premise
from smt_ws.parties.account_rules import email_key
from smt_ws.parties.account_tables import account
from smt_ws.parties.accounts import Account, holds_premises, read_account
from smt_ws.parties.tables import company
from smt_ws.store import audit

if TYPE_CHECKING:
    from smt_ws.settings import Agreements

__all__ = [
    "Acceptance",
    "Accepting",
    "Door",
    "Verdict",
    "check_acceptance",
    "is_the_one_asked",
    "note_refusal",
    "verdict",
]


class Door(StrEnum):
    """How somebody comes to accept."""

    #: The link of the invitation's e-mail.
    LINK = "link"
    #: "My agreements", logged in.
    ACCOUNT = "account"


class Verdict(StrEnum):
    """What an acceptance is worth by who gives it."""

    TAKEN = "taken"
    #: Taken: the link was sent to the customer, but it is answered from an account with another address.
    MARKED = "marked"
    LOG_IN = "log_in"
    #: The account is not the one that was asked; the link may still be answered.
    BY_LINK_ONLY = "by_link_only"
    NOT_YOURS = "not_yours"


@dataclass(frozen=True, slots=True)
class Accepting:
    """Who accepts, beside who was asked."""

    door: Door
    logged_in: bool
    #: The invitation named an account.
    names_account: bool
    #: The account is the one that was named.
    is_named: bool
    #: The account's address is the invited one, as it was then.
    same_address: bool
    #: Everything that the agreement is about is in the account now.
    holds_homes: bool


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An acceptance that may be given: whose agreement it becomes, and whether it is marked."""

    #: None: nobody's, as of a customer without an account.
    account_id: int | None
    #: A link was answered from an account with another address than the invited one.
    marked: bool


def is_the_one_asked(who: Accepting) -> bool:
    """Whether the account is the one that was asked: by name, or by address and homes."""
    return who.is_named if who.names_account else who.same_address and who.holds_homes


def verdict(who: Accepting, *, needs_login: bool) -> Verdict:
    """What the acceptance is worth. Where a log-in is needed, a link opens nothing to an account without the homes."""
    if who.logged_in and is_the_one_asked(who):
        return Verdict.TAKEN
    if who.door is Door.ACCOUNT:
        return Verdict.BY_LINK_ONLY if who.holds_homes and not who.names_account else Verdict.NOT_YOURS
    if not needs_login:
        return Verdict.MARKED if who.logged_in and not (who.is_named or who.same_address) else Verdict.TAKEN
    if not who.logged_in:
        return Verdict.LOG_IN
    return Verdict.MARKED if who.holds_homes and not who.names_account else Verdict.NOT_YOURS


def check_acceptance(
    connection: Connection, row: Any, *, account_id: int | None, door: Door, policy: Agreements, now: datetime
) -> Acceptance:
    """Let the locked *row* be accepted by the account, or by link with nobody logged in (None).

    The rules for whom a company may invite (A23) are asked again of the account that accepts, or of the invited
    address: it is not the company's own, and it does not stand for more homes than one customer has. Acceptances by
    one account wait for each other.

    Raises `LogInNeededError`, `NotInvitedError`, `AcceptedByInitiatorError`, `AcceptedHomesLimitError`.
    """
    today = now.astimezone(rules.CENTRAL).date()
    who = _locked_account(connection, account_id)
    homes = frozenset(
        connection.scalars(
            select(agreement_premise.c.premise_id).where(
                agreement_premise.c.number == row.number, agreement_premise.c.dropped_at.is_(None)
            )
        )
    )
    needs_login = rules.KINDS[rules.Kind(row.kind)].needs_login
    accepting = Accepting(
        door=door,
        logged_in=who is not None,
        names_account=row.account_id is not None,
        is_named=who is not None and row.account_id == who.id,
        same_address=who is not None and email_key(who.email) == row.email_key,
        holds_homes=who is not None and holds_premises(connection, who.id, homes, today=today),
    )
    given = verdict(accepting, needs_login=needs_login)
    if given in (Verdict.LOG_IN, Verdict.NOT_YOURS):
        raise errors.LogInNeededError
    if given is Verdict.BY_LINK_ONLY:
        raise errors.NotInvitedError
    _refuse_own_domain(connection, row, who, policy)
    _refuse_crowd(connection, row, who, homes, policy, now)
    hers = who is not None and (needs_login or is_the_one_asked(accepting))
    return Acceptance(account_id if hers else row.account_id, given is Verdict.MARKED)


def note_refusal(
    connection: Connection,
    number: str,
    error: errors.AcceptanceRefusedError,
    *,
    account_id: int | None,
    at: datetime,
    address: str | None,
) -> None:
    """Write down a refused acceptance, in a transaction of its own: the operator's report on patterns counts these."""
    audit.record(
        connection,
        audit.Event.AGREEMENT_ACCEPTANCE_REFUSED,
        actor="customer" if account_id is None else f"account:{account_id}",
        at=at,
        object=f"agreement:{number}",
        details={"code": error.code},
        address=address,
    )


def _locked_account(connection: Connection, account_id: int | None) -> Account | None:
    if account_id is None:
        return None
    # Of two acceptances at once by one account, one counts the other's homes.
    connection.execute(select(account.c.id).where(account.c.id == account_id).with_for_update(key_share=True))
    return read_account(connection, account_id)


def _refuse_own_domain(connection: Connection, row: Any, who: Account | None, policy: Agreements) -> None:
    asking = connection.scalar(select(company.c.email).where(company.c.id == row.company_id))
    address = row.email if who is None else who.email
    if rules.same_mail_domain(address, [asking or "", row.contact_email], public=policy.public_mail_domains):
        raise errors.AcceptedByInitiatorError


def _refuse_crowd(
    connection: Connection,
    row: Any,
    who: Account | None,
    homes: frozenset[int],
    policy: Agreements,
    now: datetime,
) -> None:
    key = row.email_key if who is None else email_key(who.email)
    of = and_(agreement.c.account_id.is_(None), agreement.c.email_key == key)
    if who is not None:
        of = or_(of, agreement.c.account_id == who.id)
    held = frozenset(
        connection.scalars(
            select(agreement_premise.c.premise_id)
            .join(agreement, agreement.c.number == agreement_premise.c.number)
            .where(of, agreement.c.accepted_at > now - rules.YEAR)
            .distinct()
        )
    )
    business = who is not None and who.kind == "business"
    most = policy.esiids_per_business if business else policy.esiids_per_customer
    # An extension, and another agreement for the same homes, add none.
    if not homes <= held and len(homes | held) > most:
        raise errors.AcceptedHomesLimitError(presented=str(len(homes | held)), expected=f"up to {most} ESI IDs")
