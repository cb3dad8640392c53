"""Which customers are registered, and for which meters: what everybody else asks of accounts (A3, A4, R5).

An account is there once its e-mail address is confirmed; before that, all of these answer as if nobody had registered.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, cast

from sqlalchemy import Connection, exists, func, or_, select, update
from sqlalchemy.sql import ColumnElement

from smt_ws.clock import Clock
from smt_ws.parties import account_rules as rules
from smt_ws.parties.account_tables import account, account_meter
from smt_ws.parties.tables import meter, occupancy, premise
from smt_ws.store.audit import Event, record

__all__ = [
    "Account",
    "AccountMeter",
    "FoundMeter",
    "account_meters",
    "account_of_premise",
    "find_account",
    "find_meter",
    "fresh_code",
    "holds_premises",
    "read_account",
    "renew_authorization_code",
    "somebody_else_moved_in",
]

Language = Literal["en", "es"]


@dataclass(frozen=True)
class Account:
    """One registered customer."""

    id: int
    email: str
    kind: str
    first_name: str
    middle_initial: str
    last_name: str
    company_name: str
    phone: str
    language: Language
    #: Without hyphens; `account_rules.shown_code` is how people read it.
    authorization_code: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class AccountMeter:
    """A meter of an account."""

    premise_id: int
    esiid: str
    #: The meter that hangs there now; where none does, the one the customer registered with.
    meter_number: str
    #: The first operating day of the present customer's stay; None: its TDSP has told of no move.
    from_day: date | None
    service_address: str
    #: The operating day on which the customer added it; a later move-in is another customer's (R5).
    added_on: date


@dataclass(frozen=True)
class FoundMeter:
    """A meter that hangs at a premise."""

    premise_id: int
    esiid: str
    meter_number: str


def find_account(
    connection: Connection, *, email: str | None = None, authorization_code: str | None = None
) -> Account | None:
    """The account with this e-mail address (in any case) or this code (hyphens or not); None where there is none.

    The same one statement runs whether there is one or not. Where both are given they must name the same account.
    """
    wanted: list[ColumnElement[bool]] = [account.c.confirmed_at.is_not(None)]
    if email is not None:
        wanted.append(account.c.email_key == rules.email_key(email))
    if authorization_code is not None:
        wanted.append(account.c.authorization_code == rules.plain_code(authorization_code))
    if len(wanted) == 1:
        raise ValueError("an account is looked for by e-mail address or by code")
    return _as_account(connection.execute(select(account).where(*wanted)).one_or_none())


def read_account(connection: Connection, account_id: int) -> Account | None:
    """The account with this id, confirmed."""
    wanted = select(account).where(account.c.id == account_id, account.c.confirmed_at.is_not(None))
    return _as_account(connection.execute(wanted).one_or_none())


def account_meters(connection: Connection, account_id: int, *, today: date) -> list[AccountMeter]:
    """The meters of an account as they are *today*, by ESI ID: what an agreement over all of them is about (A3)."""
    stay = (
        select(func.max(occupancy.c.move_in_day))
        .where(occupancy.c.premise_id == premise.c.id, occupancy.c.move_in_day <= today)
        .scalar_subquery()
    )
    hanging = meter.c.premise_id == premise.c.id
    rows = connection.execute(
        select(
            premise.c.id,
            premise.c.esiid,
            premise.c.service_address,
            premise.c.city,
            account_meter.c.meter_number.label("registered"),
            account_meter.c.added_on,
            meter.c.meter_number.label("hangs"),
            stay.label("move_in_day"),
        )
        .join(account_meter, account_meter.c.premise_id == premise.c.id)
        .outerjoin(meter, hanging & meter.c.removed_on.is_(None))
        .where(account_meter.c.account_id == account_id, account_meter.c.in_force, ~somebody_else_moved_in(today))
        .order_by(premise.c.esiid, meter.c.installed_on)
    )
    # Were two meters to hang at one premise, the one that was hung last counts.
    return list(
        {
            row.id: AccountMeter(
                premise_id=row.id,
                esiid=row.esiid,
                meter_number=row.hangs or row.registered,
                from_day=row.move_in_day,
                service_address=", ".join(part for part in (row.service_address, row.city) if part),
                added_on=row.added_on,
            )
            for row in rows
        }.values()
    )


def account_of_premise(connection: Connection, premise_id: int, *, today: date) -> int | None:
    """The id of the account that this premise belongs to *today*, if it belongs to one (A4)."""
    found: int | None = connection.scalar(
        select(account_meter.c.account_id).where(
            account_meter.c.premise_id == premise_id, account_meter.c.in_force, ~somebody_else_moved_in(today)
        )
    )
    return found


def holds_premises(connection: Connection, account_id: int, premises: Collection[int], *, today: date) -> bool:
    """Whether all of these premises belong to the account *today* (A4)."""
    held = connection.scalars(
        select(account_meter.c.premise_id).where(
            account_meter.c.account_id == account_id,
            account_meter.c.premise_id.in_(premises),
            account_meter.c.in_force,
            ~somebody_else_moved_in(today),
        )
    )
    return set(held) == set(premises)


def somebody_else_moved_in(today: date) -> ColumnElement[bool]:
    """Of a row of ``account_meter``: by *today* somebody has moved in after the customer registered the meter (R5).

    A TDSP tells of a move before its day too: until then the meter is the present customer's.
    """
    return exists().where(
        occupancy.c.premise_id == account_meter.c.premise_id,
        occupancy.c.move_in_day > account_meter.c.added_on,
        occupancy.c.move_in_day <= today,
    )


def find_meter(connection: Connection, *, esiid: str, meter_number: str, today: date) -> FoundMeter | None:
    """The one provisioned meter that *meter_number* and *esiid* name together; None says not which was wrong (P9, A4).

    The meter number may come without its leading letter, the ESI ID as its last 6 or 8 digits. None too where several
    meters would fit, or where the meter is not provisioned on *today*.
    """
    ending = len(esiid) in rules.ESIID_ENDINGS
    rows = connection.execute(
        select(premise.c.id, premise.c.esiid, meter.c.meter_number)
        .join(premise, premise.c.id == meter.c.premise_id)
        .where(
            meter.c.meter_number.in_(rules.meter_numbers(meter_number)),
            premise.c.esiid.endswith(esiid, autoescape=True) if ending else premise.c.esiid == esiid,
            or_(meter.c.removed_on.is_(None), meter.c.removed_on >= today),
            meter.c.provisioned_on <= today,
        )
        .limit(2)
    ).all()
    return FoundMeter(rows[0].id, rows[0].esiid, rows[0].meter_number) if len(rows) == 1 else None


def renew_authorization_code(
    connection: Connection, account_id: int, *, clock: Clock, address: str | None = None
) -> str:
    """Give the account another code and return it; the old one names nobody from now on (A3)."""
    code = fresh_code()
    connection.execute(update(account).where(account.c.id == account_id).values(authorization_code=code))
    record(connection, Event.ACCOUNT_CODE_RENEWED, actor=f"account:{account_id}", at=clock.now(), address=address)
    return code


def fresh_code() -> str:
    """A random Account Authorization Code."""
    return rules.new_code(secrets.token_bytes(rules.CODE_LENGTH))


def _as_account(row: Any) -> Account | None:
    if row is None:
        return None
    return Account(
        id=row.id,
        email=row.email,
        kind=row.kind,
        first_name=row.first_name,
        middle_initial=row.middle_initial,
        last_name=row.last_name,
        company_name=row.company_name,
        phone=row.phone,
        language=cast(Language, row.language),
        authorization_code=row.authorization_code,
    )
