"""A customer begins an agreement itself, without having been asked ("Customer Initiated": A21, BR-301).

The log-in is the consent, so that nobody is invited: the agreement is accepted in the transaction that makes it, with
the letters of every acceptance. Only what goes on is begun so; a single report a customer orders for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, insert, select

from smt_ws.agreements import errors
from smt_ws.agreements.acceptance import Door
from smt_ws.agreements.answer import accept_agreement
from smt_ws.agreements.initiate import next_number
from smt_ws.agreements.rules import DEFAULT_MONTHS, KINDS, Act, Kind, Status
from smt_ws.agreements.tables import agreement, agreement_history, agreement_premise
from smt_ws.clock import CENTRAL, Clock, central_today
from smt_ws.parties.account_rules import email_key
from smt_ws.parties.accounts import Account, AccountMeter, account_meters, read_account
from smt_ws.parties.errors import CompanyUnknownError
from smt_ws.parties.tables import company, company_duns
from smt_ws.store import audit

if TYPE_CHECKING:
    from smt_ws.settings import Agreements

__all__ = ["BEGUN_BY_CUSTOMERS", "Wish", "begin_as_customer"]

#: Kinds that a customer may begin.
BEGUN_BY_CUSTOMERS: Final = (Kind.ONGOING, Kind.DEVICE, Kind.DEVICE_SERVICES)
#: Companies that agreements are made with.
_COMPANIES: Final = ("REP", "CSP")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a customer lets a company do, and for how long; fields left out are the kind's own."""

    #: The company's DUNS number.
    duns: str
    kind: Kind
    #: Each becomes an agreement of its own (A5); none: one agreement over all meters of the account (A3).
    esiids: Sequence[str] = ()
    services: Sequence[str] = ()
    #: 3, 6, 9 or 12; where the kind has an end, 6 if nobody says (A12, BR-301).
    months: int | None = None


def begin_as_customer(
    connection: Connection,
    account_id: int,
    wish: Wish,
    *,
    policy: Agreements,
    clock: Clock,
    address: str | None = None,
) -> list[str]:
    """Make what the account's customer wishes, in force at once, and return the numbers.

    Raises `AcceptanceRefusedError`, `FieldError`, also for an ESI ID that is not of the account, and
    `CompanyUnknownError`, also for a company with which nobody makes agreements or that is suspended.
    """
    account = read_account(connection, account_id)
    if account is None:
        raise errors.LogInNeededError
    months, services = _checked(wish)
    own = connection.execute(
        select(company)
        .join(company_duns, company_duns.c.company_id == company.c.id)
        .where(company_duns.c.duns == wish.duns, company.c.kind.in_(_COMPANIES), company.c.suspended_at.is_(None))
    ).one_or_none()
    if own is None:
        raise CompanyUnknownError(presented=wish.duns)
    hers = {one.esiid: one for one in account_meters(connection, account_id, today=central_today(clock))}
    strange = [esiid for esiid in wish.esiids if esiid not in hers]
    if strange or not hers or len(set(wish.esiids)) != len(wish.esiids):
        raise errors.FieldError(
            element="esiid", presented=", ".join(strange), expected="ESI IDs of the account, each once"
        )
    lots = [[hers[esiid]] for esiid in wish.esiids] or [list(hers.values())]
    numbers = []
    for lot in lots:
        row = _store(connection, wish, account, own, lot, months=months, services=services, now=clock.now())
        accept_agreement(
            connection, row, account_id=account_id, door=Door.ACCOUNT, policy=policy, clock=clock, address=address
        )
        numbers.append(str(row.number))
    return numbers


def _checked(wish: Wish) -> tuple[int | None, list[str]]:
    what = KINDS[wish.kind]
    if wish.kind not in BEGUN_BY_CUSTOMERS:
        raise errors.FieldError(
            element="agreementType", presented=wish.kind.value, expected=", ".join(BEGUN_BY_CUSTOMERS)
        )
    if wish.months is not None and wish.months not in what.months:
        expected = " or ".join(map(str, what.months)) or "left out: it has no end of its own"
        raise errors.FieldError(element="durationMonths", presented=str(wish.months), expected=expected)
    services = [service for service in what.services if service in wish.services]
    if len(services) != len(wish.services):
        raise errors.FieldError(
            element="service", presented=", ".join(wish.services), expected=" or ".join(what.services)
        )
    months = wish.months or DEFAULT_MONTHS if what.months else None
    return months, services or list(what.services[:1])


def _store(
    connection: Connection,
    wish: Wish,
    account: Account,
    own: Any,
    meters: Sequence[AccountMeter],
    *,
    months: int | None,
    services: list[str],
    now: datetime,
) -> Any:
    who, details = f"account:{account.id}", {"kind": wish.kind.value, "services": services, "begun": "customer"}
    today = now.astimezone(CENTRAL).date()
    number = next_number(connection, today)
    connection.execute(
        insert(agreement).values(
            number=number,
            company_id=own.id,
            duns=wish.duns,
            company_kind=own.kind,
            kind=wish.kind.value,
            status=Status.PENDING.value,
            all_meters=not wish.esiids,
            account_id=account.id,
            customer_kind=account.kind,
            first_name=account.first_name,
            middle_initial=account.middle_initial,
            last_name=account.last_name,
            last_name_key=account.last_name.lower(),
            company_name=account.company_name,
            phone=account.phone,
            email=account.email,
            email_key=email_key(account.email),
            language=account.language,
            requestor_id="customer",
            contact_name=own.contact_name or own.legal_name,
            contact_phone=own.contact_phone or "",
            contact_email=own.email,
            # Nobody had to affirm the customer's permission: it is the customer who asks.
            attested_at=now,
            services=services,
            months=months,
            initiated_at=now,
            expires_on=today,
        )
    )
    connection.execute(
        insert(agreement_premise),
        [{"premise_id": one.premise_id, "number": number, "meter_number": one.meter_number} for one in meters],
    )
    connection.execute(
        insert(agreement_history).values(
            number=number, at=now, act=Act.INITIATE.value, actor=who, to_status=Status.PENDING.value, details=details
        )
    )
    audit.record(
        connection, audit.Event.AGREEMENT_INITIATED, actor=who, at=now, object=f"agreement:{number}", details=details
    )
    return connection.execute(select(agreement).where(agreement.c.number == number)).one()
