"""Devices of an earlier occupant: the customer who lives there now keeps each, or has it removed (A31)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, Connection, Date, insert, literal, select, update

from smt_ws.clock import Clock, central_today
from smt_ws.han import rules
from smt_ws.han.ledger import Ledger
from smt_ws.han.provision import begin_removal
from smt_ws.han.rules import DeviceEvent
from smt_ws.han.stays import added_before_move_in
from smt_ws.han.tables import han_device, han_request
from smt_ws.store import audit

__all__ = ["EarlierDevice", "earlier_devices", "homes_with_earlier_devices", "keep_devices", "remove_devices"]

#: As it stands then, its removal can be asked for.
_REMOVABLE: Final = [state for state, event in rules.MOVES if state and event is DeviceEvent.REMOVE_ASKED]
#: Stands where a request has what its company calls it.
_CUSTOMER: Final = "customer"


@dataclass(frozen=True, slots=True)
class EarlierDevice:
    """A device that today's occupant has neither kept nor removed; *add_request* names it."""

    add_request: int
    premise_id: int
    eui64: str
    device_type: str


def earlier_devices(connection: Connection, premises: Collection[int], *, clock: Clock) -> list[EarlierDevice]:
    """The unconfirmed devices at *premises*, in the order in which they were added; none whose removal is under way."""
    of = han_device.c
    rows = connection.execute(
        select(of.add_request, of.premise_id, of.eui64, of.device_type)
        .where(of.premise_id.in_(premises), *_waiting(clock))
        .order_by(of.add_request)
    )
    return [EarlierDevice(row.add_request, row.premise_id, row.eui64, row.device_type) for row in rows]


def homes_with_earlier_devices(connection: Connection, *, clock: Clock) -> set[int]:
    """The premises at which `earlier_devices` finds any."""
    return set(connection.scalars(select(han_device.c.premise_id).where(*_waiting(clock))))


def keep_devices(
    connection: Connection,
    account_id: int,
    devices: Collection[EarlierDevice],
    *,
    there_on: Mapping[int, date],
    clock: Clock,
    address: str,
) -> None:
    """Note that the customer of *account_id*, whose homes they are in, keeps *devices*: messages may go there again.

    *there_on* gives, by premise, a day on which the customer certainly lived there (`AccountMeter.added_on`). If a
    move-in after that day is reported later, the devices are unconfirmed again.
    """
    of = han_device.c
    for one in devices:
        connection.execute(
            update(han_device)
            .where(of.premise_id == one.premise_id, of.eui64 == one.eui64, of.add_request == one.add_request)
            .values(confirmed_on=there_on[one.premise_id])
        )
        _audited(connection, audit.Event.DEVICE_KEPT, account_id, one, clock, address)


def remove_devices(
    connection: Connection, account_id: int, devices: Collection[EarlierDevice], *, clock: Clock, address: str
) -> None:
    """Have the TDSP remove *devices*, as the customer of *account_id*, whose homes they are in, asks.

    One that has gone meanwhile, or is being removed, is left as it is.
    """
    ledger = Ledger(connection, {one.premise_id for one in devices}, now=clock.now())
    for one in devices:
        device = ledger.find(one.premise_id, one.eui64)
        if device is None or (device.state, DeviceEvent.REMOVE_ASKED) not in rules.MOVES:
            continue
        duns = connection.scalar(select(han_request.c.duns).where(han_request.c.number == device.add_request))
        number = connection.execute(
            insert(han_request)
            .values(
                premise_id=device.premise_id,
                eui64=device.eui64,
                action="REMOVE",
                company_id=device.company_id,
                duns=duns,
                account_id=account_id,
                trans_id=_CUSTOMER,
                requestor_id=_CUSTOMER,
                asked_at=clock.now(),
                meter_number=device.meter_number,
                tdsp_duns=device.tdsp_duns,
            )
            .returning(han_request.c.number)
        ).scalar_one()
        begin_removal(connection, ledger, device, number, actor=_CUSTOMER, clock=clock)
        _audited(connection, audit.Event.DEVICE_REMOVAL_ASKED, account_id, one, clock, address)
    ledger.write()


def _waiting(clock: Clock) -> tuple[ColumnElement[bool], ...]:
    of = han_device.c
    removable = of.state.in_([state.value for state in _REMOVABLE])
    return of.holds_slot, removable, added_before_move_in(literal(central_today(clock), Date))


def _audited(
    connection: Connection, event: audit.Event, account_id: int, one: EarlierDevice, clock: Clock, address: str
) -> None:
    audit.record(
        connection,
        event,
        actor=f"account:{account_id}",
        at=clock.now(),
        object=f"premise:{one.premise_id}",
        details={"device": rules.masked_eui64(one.eui64), "by": _CUSTOMER},
        address=address,
    )
