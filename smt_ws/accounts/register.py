"""Registering: a customer names one of their meters, and proves the e-mail address by a link (A22, P9).

Whoever registers sees the same page whether the address has an account or not; the letter tells its owner which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from smt_ws.accounts import links
from smt_ws.accounts.attempts import count_attempt
from smt_ws.accounts.errors import InvalidFormError, LinkUnusableError, MeterNotFoundError
from smt_ws.accounts.letters import send_letter
from smt_ws.accounts.meters import release_moved_out
from smt_ws.accounts.passwords import hashed
from smt_ws.clock import central_today
from smt_ws.hub import Hub
from smt_ws.parties import account_rules as rules
from smt_ws.parties.account_tables import account, account_meter
from smt_ws.parties.accounts import (
    FoundMeter,
    account_of_premise,
    find_account,
    find_meter,
    fresh_code,
)
from smt_ws.store.audit import Event, record

__all__ = ["confirm_email", "register"]


def register(hub: Hub, form: Mapping[str, str], *, address: str) -> None:
    """Take a registration and send the letter that confirms it; *address* is where the request came from.

    *form* has the fields of `account_rules.problems`. An address that has an account already gets a letter that says
    so instead. Raises `InvalidFormError`, `MeterNotFoundError` (also where the meter belongs to another account),
    `TooManyAttemptsError`.
    """
    count_attempt(hub.store, "register_address", address)
    if found := rules.problems(form):
        raise InvalidFormError(found)
    count_attempt(hub.store, "register_email", rules.email_key(form["email"]))
    password_hash = hashed(form["password"])
    today = central_today(hub.clock)
    with hub.store.write() as connection:
        named = find_meter(connection, esiid=form["esiid"], meter_number=form["meter_number"], today=today)
        if named is None or account_of_premise(connection, named.premise_id, today=today) is not None:
            raise MeterNotFoundError
        known = find_account(connection, email=form["email"])
        # Also where there is an account: the work is the same, so that its time tells nobody. Nobody gets a link to
        # what is added then, and it is forgotten with other registrations that nobody confirms.
        added = _add(hub, connection, form, named, password_hash, address)
        if known is None:
            send_letter(connection, added, "confirm", now=hub.clock.now())
        else:
            send_letter(connection, known.id, "exists", now=hub.clock.now())


def _add(
    hub: Hub, connection: Connection, form: Mapping[str, str], named: FoundMeter, password_hash: str, address: str
) -> int:
    now = hub.clock.now()
    kept = ("kind", "first_name", "middle_initial", "last_name", "company_name", "phone", "email", "language")
    values: dict[str, Any] = {name: form[name].strip() for name in kept}
    account_id: int = connection.execute(
        account.insert()
        .values(
            **values,
            email_key=rules.email_key(form["email"]),
            password_hash=password_hash,
            authorization_code=fresh_code(),
            created_at=now,
        )
        .returning(account.c.id)
    ).scalar_one()
    connection.execute(
        account_meter.insert().values(
            premise_id=named.premise_id,
            account_id=account_id,
            meter_number=named.meter_number,
            added_on=central_today(hub.clock),
        )
    )
    actor = f"account:{account_id}"
    record(connection, Event.ACCOUNT_REGISTERED, actor=actor, at=now, address=address, object=actor)
    return account_id


def confirm_email(hub: Hub, token: str, *, address: str) -> int:
    """Open the account whose letter held *token*, and return its id: from now on the meter is the customer's.

    An earlier customer's account loses the meter where the TDSP has told of a move in between. Raises
    `LinkUnusableError`, also where address or meter have meanwhile got another account; `TooManyAttemptsError`.
    """
    count_attempt(hub.store, "token_address", address)
    now = hub.clock.now()
    try:
        with hub.store.write() as connection:
            account_id = links.use_link(connection, token, "confirm", now=now)
            connection.execute(update(account).where(account.c.id == account_id).values(confirmed_at=now))
            meters = account_meter.c.account_id == account_id
            premises = connection.scalars(select(account_meter.c.premise_id).where(meters)).all()
            release_moved_out(connection, premises, today=central_today(hub.clock))
            connection.execute(update(account_meter).where(meters).values(in_force=True))
            actor = f"account:{account_id}"
            details = {"premises": list(premises)}
            record(
                connection, Event.ACCOUNT_CONFIRMED, actor=actor, at=now, address=address, object=actor, details=details
            )  # fmt: skip
    except IntegrityError as error:
        # One account an address, one an ESI ID: the store's unique indexes decide between two at once.
        raise LinkUnusableError from error
    return account_id
