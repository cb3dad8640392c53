"""Removing a device, where needed with the customer's consent first (A21).

Whoever controls devices under an agreement asks the customer: agreements send the invitation and tell the answer, both
through the outbox. The REP of record without an agreement, and a TDSP on its own wires, ask the TDSP at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, exists, select, update

from smt_ws.clock import Clock
from smt_ws.han import errors, rules
from smt_ws.han.ledger import Device, Entry, Ledger
from smt_ws.han.provision import Asked, DeviceRequest, ask_removal, begin_removal, insert_request, known, reached
from smt_ws.han.rules import DeviceEvent, DeviceState
from smt_ws.han.tables import han_device, han_request
from smt_ws.parties.device_access import Reach, Right
from smt_ws.store import audit
from smt_ws.store.outbox import enqueue

if TYPE_CHECKING:
    from smt_ws.han.terms import Terms
    from smt_ws.hub import Hub
    from smt_ws.parties.identify import Caller

__all__ = ["REMOVAL_ASKED", "REMOVAL_DECIDED", "RemovalDecided", "decide_removal", "deprovision_device"]

#: Outbox kinds: what agreements carry out, and what they send back.
REMOVAL_ASKED: Final = "agreement.removal_asked"
REMOVAL_DECIDED: Final = "han.removal_decided"


def deprovision_device(
    connection: Connection,
    caller: Caller,
    request: DeviceRequest,
    *,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
) -> Asked:
    """Accept a request to remove a device. An add that is not done is taken back without asking anybody.

    Raises what `smt_ws.han.provision.reached` raises, `DeviceUnknownError`, `DeviceNotRemovableError`,
    `RemovalAwaitsCustomerError`.
    """
    home = reached(connection, caller, request, terms=terms, clock=clock)
    ledger = Ledger(connection, {home.premise_id}, now=clock.now())
    device = known(ledger, home, request)
    if (device.state, DeviceEvent.REMOVE_ASKED) not in rules.MOVES:
        raise errors.DeviceNotRemovableError(presented=device.state.value)
    if home.right is not Right.GRANT or device.state in rules.ADDING:
        return ask_removal(connection, caller, request, home, ledger, device, clock=clock, address=address)
    return _ask_customer(connection, caller, request, home, ledger, device, clock, address)


def _ask_customer(
    connection: Connection,
    caller: Caller,
    request: DeviceRequest,
    home: Reach,
    ledger: Ledger,
    device: Device,
    clock: Clock,
    address: str | None,
) -> Asked:
    of, now = han_request.c, clock.now()
    waiting = exists().where(of.premise_id == device.premise_id, of.eui64 == device.eui64, of.consent == "asked")
    if connection.scalar(select(waiting)):
        raise errors.RemovalAwaitsCustomerError(presented=device.eui64)
    number = insert_request(
        connection, caller, request, home, eui64=device.eui64, action="REMOVE", clock=clock, consent="asked"
    )
    actor = f"company:{caller.company_id}"
    ledger.note(device, Entry(DeviceEvent.REMOVAL_INVITED, number, actor, now), applied=False)
    ledger.write()
    device_type = connection.scalar(
        select(han_device.c.device_type).where(
            han_device.c.premise_id == device.premise_id, han_device.c.eui64 == device.eui64
        )
    )
    enqueue(
        connection,
        kind=REMOVAL_ASKED,
        key=f"han-request:{number}:removal",
        payload={
            "request_id": number,
            "company_id": caller.company_id,
            "company_kind": caller.kind,
            "duns": caller.duns,
            "requestor_id": request.requestor_id,
            "premise_id": home.premise_id,
            "esiid": home.esiid,
            "meter_number": home.meter_number,
            "eui64": device.eui64,
            "device_type": device_type,
            "address": address,
            "asked_at": now.isoformat(),
        },
        now=now,
    )
    audit.record(
        connection,
        audit.Event.DEVICE_REMOVAL_ASKED,
        actor=actor,
        at=now,
        object=f"han-request:{number}",
        details={"esiid": home.esiid, "device": rules.masked_eui64(device.eui64), "awaits": "customer"},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return Asked(number, device.state, awaits_customer=True)


def decide_removal(
    connection: Connection, request_id: int, *, accepted: bool, clock: Clock, why: str | None = None
) -> DeviceState | None:
    """Do what the customer answered to a removal; None where nothing is waiting for an answer any more.

    *why* says why no customer was asked, where none was.
    """
    now = clock.now()
    request = connection.execute(
        update(han_request)
        .where(han_request.c.number == request_id, han_request.c.consent == "asked")
        .values(consent="given" if accepted else "refused")
        .returning(han_request.c.premise_id, han_request.c.eui64)
    ).one_or_none()
    if request is None:
        return None
    ledger = Ledger(connection, {request.premise_id}, now=now)
    device = ledger.find(request.premise_id, request.eui64)
    assert device is not None  # a request has its device
    actor, reason = ("customer", "the customer did not agree") if why is None else ("hub:agreements", why)
    if accepted:
        begin_removal(connection, ledger, device, request_id, actor=actor, clock=clock)
    else:
        declined = Entry(DeviceEvent.REMOVAL_DECLINED, request_id, actor, now, reason=reason)
        ledger.note(device, declined, applied=False)
        ledger.announce(device, declined)
    ledger.write()
    audit.record(
        connection,
        audit.Event.DEVICE_REMOVAL_DECIDED,
        actor=actor,
        at=now,
        object=f"han-request:{request_id}",
        details={"accepted": accepted, "device": rules.masked_eui64(request.eui64)},
    )
    return device.state


class RemovalDecided:
    """Carries out the outbox rows in which agreements tell a customer's answer."""

    def __init__(self, hub: Hub) -> None:
        """Over the store of *hub*."""
        self._hub = hub

    def __call__(self, payload: Mapping[str, Any]) -> None:
        """Take ``{"request_id", "accepted", "why"}``; a second time changes nothing."""
        with self._hub.store.write() as connection:
            decide_removal(
                connection,
                int(payload["request_id"]),
                accepted=bool(payload["accepted"]),
                clock=self._hub.clock,
                why=payload.get("why"),
            )
