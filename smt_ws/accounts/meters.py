"""Which meters an account holds: the one it was registered with, and those that its customer adds (000, A3, A4)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import Connection, update

from smt_ws.accounts.errors import InvalidFormError, MeterNotFoundError
from smt_ws.accounts.letters import send_letter
from smt_ws.clock import Clock, central_today
from smt_ws.parties import account_rules as rules
from smt_ws.parties.account_tables import account_meter
from smt_ws.parties.accounts import account_meters, account_of_premise, find_meter, somebody_else_moved_in
from smt_ws.parties.device_access import Control, set_control
from smt_ws.store.audit import Event, record
from smt_ws.store.dialect import among, insert

__all__ = ["add_meter", "ask_about_devices", "control_devices", "release_moved_out"]


def add_meter(
    connection: Connection, account_id: int, *, esiid: str, meter_number: str, clock: Clock, address: str | None = None
) -> int:
    """Add the meter that *esiid* and *meter_number* name together, and return its premise's id.

    Agreements over all meters of the account must hear of it in the same transaction
    (`agreements.of_account.meters_changed`). Raises `InvalidFormError`, and `MeterNotFoundError` also where the meter
    is in an account already.
    """
    if problems := rules.meter_problems(esiid, meter_number):
        raise InvalidFormError(problems)
    today = central_today(clock)
    named = find_meter(connection, esiid=esiid, meter_number=meter_number, today=today)
    if named is None or account_of_premise(connection, named.premise_id, today=today) is not None:
        raise MeterNotFoundError
    release_moved_out(connection, [named.premise_id], today=today)
    held = {"meter_number": named.meter_number, "added_on": today, "in_force": True, "devices_asked_on": None}
    connection.execute(
        insert(connection, account_meter)
        .values(premise_id=named.premise_id, account_id=account_id, **held)
        .on_conflict_do_update(index_elements=["premise_id", "account_id"], set_=held)
    )
    actor = f"account:{account_id}"
    details = {"premises": [named.premise_id]}
    record(
        connection, Event.ACCOUNT_METER_ADDED, actor=actor, at=clock.now(), address=address, object=actor,
        details=details,
    )  # fmt: skip
    return named.premise_id


def control_devices(connection: Connection, account_id: int, *, esiid: str, control: Control, clock: Clock) -> None:
    """Store whom the customer lets control the devices in one of its homes (A19, BR-401).

    Raises `MeterNotFoundError` where *esiid* is not of the account.
    """
    hers = {one.esiid: one.premise_id for one in account_meters(connection, account_id, today=central_today(clock))}
    if esiid not in hers:
        raise MeterNotFoundError
    set_control(connection, hers[esiid], control, actor=f"account:{account_id}", clock=clock)


def ask_about_devices(connection: Connection, premises: Collection[int], *, clock: Clock) -> int:
    """Ask the customers of *premises*, where an earlier occupant left devices, what becomes of them (A31).

    Each is asked once for a home, with one e-mail for all homes of an account. Returns how many e-mails that makes.
    """
    if not premises:
        return 0
    today = central_today(clock)
    asked = connection.scalars(
        update(account_meter)
        .where(
            among(connection, account_meter.c.premise_id, sorted(premises)),
            account_meter.c.in_force,
            account_meter.c.devices_asked_on.is_(None),
            ~somebody_else_moved_in(today),
        )
        .values(devices_asked_on=today)
        .returning(account_meter.c.account_id)
    )
    accounts = sorted(set(asked))
    for account_id in accounts:
        send_letter(connection, account_id, "devices", now=clock.now())
    return len(accounts)


def release_moved_out(connection: Connection, premises: Collection[int], *, today: date) -> None:
    """Take these premises from accounts whose customers have moved out by *today*, as their TDSPs have told (R5)."""
    left = (account_meter.c.premise_id.in_(premises), account_meter.c.in_force, somebody_else_moved_in(today))
    connection.execute(update(account_meter).where(*left).values(in_force=False))
