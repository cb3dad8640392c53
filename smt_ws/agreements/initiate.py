"""A company asks a customer: a request is checked, stored as agreements that are Pending, letters are queued (A1-A6).

001 P1.3-P1.8, 002 P1.3-P1.8. Whatever is wrong about customer, ESI ID or meter gives one answer after the same work, so
that nobody learns from a refusal who is registered or which part was right (A4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, distinct, func, insert, select

from smt_ws.agreements import errors, rules
from smt_ws.agreements.email_limits import count_emails
from smt_ws.agreements.form import Invitation, ListedMeter, Problem, first_problem, plain_mac
from smt_ws.agreements.guesses import refuse_guesser
from smt_ws.agreements.letters import tell
from smt_ws.agreements.opens import Terms, opens
from smt_ws.agreements.rules import Act, Actor, Kind, Status
from smt_ws.agreements.tables import agreement, agreement_day, agreement_history, agreement_premise
from smt_ws.clock import Clock, central_today
from smt_ws.parties.account_rules import email_key
from smt_ws.parties.accounts import Account, account_meters, account_of_premise, find_account, find_meter
from smt_ws.parties.rules import ENERGY_DATA, DayRange, served
from smt_ws.parties.tables import company, meter, premise, rep_of_record
from smt_ws.store import audit
from smt_ws.store.dialect import insert as upsert

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller
    from smt_ws.settings import Agreements

__all__ = ["Initiated", "initiate", "next_number"]


@dataclass(frozen=True, slots=True)
class Initiated:
    """A new agreement: one meter, one device, or all meters of an account (A5)."""

    number: str
    esiid: str
    meter_number: str
    device_mac: str | None
    expires_on: date


@dataclass(frozen=True, slots=True)
class _Place:
    """A meter that may be asked for."""

    premise_id: int
    esiid: str
    meter_number: str
    devices: tuple[str, ...]


def initiate(
    connection: Connection,
    caller: Caller,
    asked: Invitation,
    *,
    policy: Agreements,
    clock: Clock,
    address: str | None = None,
) -> list[Initiated]:
    """Store what *asked* asks for, one agreement a meter or device, and queue invitation and confirmation.

    Raises `InitiatorNotAllowedError`, `AttestationMissingError`, `FieldError`, `TooManyMetersError`,
    `OwnMailDomainError`, `TooManyUnconfirmedError`, `CustomerUnconfirmedError`, `CustomerServedError`,
    `EmailLimitError`, `InvitationPendingError`, `CustomerAddressLimitError`, `OneTimeLimitError`.
    """
    now, today = clock.now(), central_today(clock)
    if caller.kind not in ("REP", "CSP"):
        raise errors.InitiatorNotAllowedError(presented=caller.kind, expected="REP or CSP")
    if not asked.permitted:
        raise errors.AttestationMissingError
    problem = first_problem(asked)
    if problem is not None:
        raise _wrong(problem)
    devices = sum(max(1, len(listed.devices)) for listed in asked.meters)
    if devices > policy.meters_per_request:
        raise errors.TooManyMetersError(presented=str(devices), expected=f"up to {policy.meters_per_request}")
    # Of two requests of one company at once, one waits here and then sees what the other made.
    locked = select(company).where(company.c.id == caller.company_id).with_for_update(key_share=True)
    own = connection.execute(locked).one()
    if not (asked.contact_phone or own.contact_phone):
        # The customer must be able to call the company (A14, A22).
        raise _wrong(Problem("contactPhone", "", "a telephone number, here or in your company's profile"))
    if asked.customer.email:
        _refuse_own_domain(asked.customer.email, own, asked, policy)
    refuse_guesser(connection, caller.company_id, most=policy.unconfirmed_an_hour)
    account, places = _confirmed(connection, asked, today)
    if account is not None and rules.same_mail_domain(
        account.email, _own_addresses(own, asked), public=policy.public_mail_domains
    ):
        # named by code: what address the code stands for is not told
        raise errors.CustomerUnconfirmedError
    _refuse_served(connection, caller, asked, places, today, own=own)
    customer = _customer(asked, account)
    made = _store(
        connection, caller, asked, customer, account, places, own=own, policy=policy, now=now, address=address
    )
    # After the numbers were taken: their row is locked, so of requests at once, of several companies too, one sees the
    # other's agreements.
    count_emails(
        connection,
        company_id=caller.company_id,
        email_key=customer["email_key"],
        emails=len(made),
        policy=policy,
    )
    _refuse_pending(connection, caller.company_id, asked.kind, places, made, today)
    if account is None:
        _refuse_crowd(connection, customer["email_key"], policy, now)
    if asked.kind is Kind.ONE_TIME:
        _refuse_fourth(connection, caller.company_id, places, now)
    rows = connection.execute(
        select(agreement).where(agreement.c.number.in_([one.number for one in made])).order_by(agreement.c.number)
    ).all()
    tell(connection, rows, None, Act.INITIATE, Actor.INITIATOR, now=now)
    return made


def _wrong(problem: Problem) -> errors.FieldError:
    return errors.FieldError(
        f"{errors.FieldError.sentence()} It is {problem.field}.",
        element=problem.field,
        presented=problem.presented or "nothing",
        expected=problem.expected,
    )


def next_number(connection: Connection, day: date) -> str:
    """Take the next agreement number of *day* (A17); its row stays locked until the transaction ends."""
    taking = upsert(connection, agreement_day).values(day=day, last=1)
    taking = taking.on_conflict_do_update(index_elements=["day"], set_={"last": agreement_day.c.last + 1})
    return rules.agreement_number(day, connection.execute(taking.returning(agreement_day.c.last)).scalar_one())


def _own_addresses(own: Any, asked: Invitation) -> list[str]:
    return [own.email, *([asked.contact_email] if asked.contact_email else [])]


def _refuse_own_domain(email: str, own: Any, asked: Invitation, policy: Agreements) -> None:
    if rules.same_mail_domain(email, _own_addresses(own, asked), public=policy.public_mail_domains):
        raise errors.OwnMailDomainError(presented=email)


def _confirmed(connection: Connection, asked: Invitation, today: date) -> tuple[Account | None, list[_Place]]:
    """The customer and the meters, where all fit together; `CustomerUnconfirmedError` where anything does not (FR-3).

    Every request with as many meters runs the same statements, whatever is found on the way.
    """
    who = asked.customer
    # An address is looked for also where the customer is said not to be registered: the work is the same.
    account = find_account(connection, email=who.email or None, authorization_code=who.authorization_code or None)
    hers = account_meters(connection, account.id if account is not None else -1, today=today)
    owned = {one.premise_id: one for one in hers}
    wrong = who.registered and account is None
    places = []
    for listed in asked.meters:
        place, owner = _place(connection, listed, today)
        if place is None:
            wrong = True
            continue
        places.append(place)
        wrong |= place.premise_id not in owned if who.registered else owner is not None
    if asked.all_meters and who.registered and not asked.meters:
        # Named by code alone: the account's meters are those it has when it accepts.
        places = [_Place(one.premise_id, one.esiid, one.meter_number, ()) for one in owned.values()]
        wrong |= not places
    if wrong:
        raise errors.CustomerUnconfirmedError
    return (account if who.registered else None), places


def _place(connection: Connection, listed: ListedMeter, today: date) -> tuple[_Place | None, int | None]:
    # A registered customer's meter may come without its number (000): then the one that hangs there is meant.
    number = listed.meter_number or _hanging(connection, listed.esiid)
    found = find_meter(connection, esiid=listed.esiid, meter_number=number, today=today)
    owner = account_of_premise(connection, found.premise_id if found is not None else -1, today=today)
    if found is None:
        return None, owner
    devices = tuple(plain_mac(device) for device in listed.devices)
    return _Place(found.premise_id, found.esiid, found.meter_number, devices), owner


def _hanging(connection: Connection, esiid: str) -> str:
    found = connection.scalar(
        select(meter.c.meter_number)
        .join(premise, premise.c.id == meter.c.premise_id)
        .where(premise.c.esiid == esiid, meter.c.removed_on.is_(None))
        .order_by(meter.c.installed_on.desc())
        .limit(1)
    )
    return found or "-"


def _refuse_served(
    connection: Connection, caller: Caller, asked: Invitation, places: Sequence[_Place], today: date, *, own: Any
) -> None:
    # A REP sees what it serves without asking anybody (A1, R5); devices it does ask for (H8). It may ask for the
    # days outside its service: an agreement is refused only where it would open nothing more.
    if caller.kind != "REP" or ENERGY_DATA not in asked.wanted_services() or asked.all_meters:
        return
    months = asked.wanted_months()
    terms = Terms(
        asked.kind,
        asked.wanted_services(),
        report=asked.report,
        report_period=asked.report_period,
        history_months=asked.wanted_history(own.history_months),
        months=months,
        accepted_on=today,
        end_day=None if months is None else rules.end_day(today, months),
    )
    first, last = next((one.first_day, one.last_day) for one in opens(terms) if one.data)
    assert first is not None
    assert last is not None
    of = rep_of_record.c
    spells: dict[int, list[DayRange]] = {place.premise_id: [] for place in places}
    served_days = select(of.premise_id, of.from_day, of.to_day).where(
        of.premise_id.in_(list(spells)), of.duns.in_(list(caller.duns_numbers))
    )
    for premise_id, from_day, to_day in connection.execute(served_days):
        spells[premise_id].append(DayRange(from_day, to_day))
    for place in places:
        _seen, refused = served(DayRange(first, last), spells[place.premise_id], ())
        if not refused:
            raise errors.CustomerServedError(
                presented=place.esiid, expected=f"a day you do not serve from {first:%m/%d/%Y} to {last:%m/%d/%Y}"
            )


def _refuse_crowd(connection: Connection, key: str, policy: Agreements, now: datetime) -> None:
    # One address for many homes is an initiator answering for its customers (A23). An invitation that named no account
    # has the customer's street; its account is noted once one has accepted it.
    named = connection.scalar(
        select(func.count(distinct(agreement_premise.c.premise_id)))
        .join(agreement, agreement.c.number == agreement_premise.c.number)
        .where(
            agreement.c.email_key == key,
            agreement.c.street != "",
            agreement.c.initiated_at > now - rules.YEAR,
        )
    )
    if (named or 0) > policy.esiids_per_customer:
        raise errors.CustomerAddressLimitError(expected=f"up to {policy.esiids_per_customer} ESI IDs")


def _refuse_pending(
    connection: Connection,
    company_id: int,
    kind: Kind,
    places: Sequence[_Place],
    made: Sequence[Initiated],
    today: date,
) -> None:
    esiids = {place.premise_id: place.esiid for place in places}
    asked = {(place.premise_id, device) for place in places for device in place.devices or (None,)}
    waiting = connection.execute(
        select(agreement.c.number, agreement.c.device_mac, agreement_premise.c.premise_id)
        .join(agreement, agreement.c.number == agreement_premise.c.number)
        .where(
            agreement_premise.c.premise_id.in_(list(esiids)),
            agreement.c.company_id == company_id,
            agreement.c.kind == kind.value,
            agreement.c.status == Status.PENDING.value,
            agreement.c.expires_on >= today,
            agreement.c.number.not_in([one.number for one in made]),
        )
        .order_by(agreement.c.number)
    )
    for one in waiting:
        if (one.premise_id, one.device_mac) in asked:
            raise errors.InvitationPendingError(presented=f"{esiids[one.premise_id]}: agreement {one.number}")


def _refuse_fourth(connection: Connection, company_id: int, places: Sequence[_Place], now: datetime) -> None:
    for place in places:
        initiated = connection.scalars(
            select(agreement.c.initiated_at)
            .join(agreement_premise, agreement_premise.c.number == agreement.c.number)
            .where(
                agreement_premise.c.premise_id == place.premise_id,
                agreement.c.company_id == company_id,
                agreement.c.kind == Kind.ONE_TIME.value,
                agreement.c.initiated_at > now - rules.YEAR,
            )
            .order_by(agreement.c.initiated_at)
        ).all()
        if len(initiated) > rules.ONE_TIME_A_YEAR:
            again = initiated[0] + rules.YEAR + timedelta(days=1)
            raise errors.OneTimeLimitError(presented=place.esiid, expected=f"again from {again:%m/%d/%Y} on")


def _customer(asked: Invitation, account: Account | None) -> dict[str, Any]:
    who = asked.customer
    if account is not None:
        values = {
            "account_id": account.id,
            "customer_kind": account.kind,
            "email": account.email,
            "language": account.language,
            **{
                name: getattr(account, name)
                for name in ("first_name", "middle_initial", "last_name", "company_name", "phone")
            },
        }
    else:
        copied = ("first_name", "middle_initial", "last_name", "title", "company_name", "street", "city", "state")
        values = {
            "account_id": None,
            "customer_kind": who.kind,
            "language": who.language or "en",
            **{name: getattr(who, name).strip() for name in (*copied, "zip", "phone", "email")},
        }
    return values | {"email_key": email_key(values["email"]), "last_name_key": values["last_name"].lower()}


def _store(
    connection: Connection,
    caller: Caller,
    asked: Invitation,
    customer: dict[str, Any],
    account: Account | None,
    places: Sequence[_Place],
    *,
    own: Any,
    policy: Agreements,
    now: datetime,
    address: str | None,
) -> list[Initiated]:
    today = now.astimezone(rules.CENTRAL).date()
    expires_on = rules.invitation_ends(today, policy.invitation_days)
    shared = customer | {
        "company_id": caller.company_id,
        "duns": caller.duns,
        "company_kind": caller.kind,
        "kind": asked.kind.value,
        "status": Status.PENDING.value,
        "all_meters": asked.all_meters,
        "requestor_id": asked.requestor_id,
        "contact_name": asked.contact_name or own.contact_name or own.legal_name,
        "contact_phone": asked.contact_phone or own.contact_phone or "",
        "contact_email": asked.contact_email or own.email,
        "comments": asked.comments.strip(),
        "attested_at": now,
        "attested_by": caller.signing_sha256,
        "attested_from": address,
        "services": list(asked.wanted_services()),
        "report": asked.report or None,
        "report_format": asked.report_format or None,
        "report_period": asked.report_period or None,
        "months": asked.wanted_months(),
        "history_months": asked.wanted_history(own.history_months),
        "initiated_at": now,
        "expires_on": expires_on,
    }
    # All meters of an account are one agreement (A3); listed ones are one each (A5).
    lots = [list(places)] if asked.all_meters else [[place] for place in places]
    made = []
    for lot in lots:
        for device in lot[0].devices or (None,):
            number = next_number(connection, today)
            connection.execute(insert(agreement).values(number=number, device_mac=device, **shared))
            connection.execute(
                insert(agreement_premise),
                [{"premise_id": one.premise_id, "number": number, "meter_number": one.meter_number} for one in lot],
            )
            made.append(Initiated(number, lot[0].esiid, lot[0].meter_number, device, expires_on))
    details = {"kind": asked.kind.value, "services": shared["services"], "all_meters": asked.all_meters}
    if shared["history_months"]:
        details["history_months"] = shared["history_months"]
    for one in made:
        connection.execute(
            insert(agreement_history).values(
                number=one.number,
                at=now,
                act=Act.INITIATE.value,
                actor=f"company:{caller.company_id}",
                to_status=Status.PENDING.value,
                details=details,
            )
        )
        audit.record(
            connection,
            audit.Event.AGREEMENT_INITIATED,
            actor=f"company:{caller.company_id}",
            at=now,
            object=f"agreement:{one.number}",
            details=details,
            certificate_sha256=caller.tls_sha256,
            address=address,
        )
    return made
