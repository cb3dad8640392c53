"""Asking for a device to be added, and taking such a request back (H1, H2, H8).

What is asked is checked whole before anything is stored: a request id that was answered is a request that the TDSP
will be called with. Two that ask for the last slot at the same moment wait for each other at the premise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from smt_ws.clock import Clock, central_today
from smt_ws.han import errors, rules
from smt_ws.han.handover import ADD_DEVICE, REMOVE_DEVICE, target_of
from smt_ws.han.ledger import Device, Entry, Ledger
from smt_ws.han.rules import DeviceEvent, DeviceState, Refusal
from smt_ws.han.tables import han_device, han_request
from smt_ws.parties.device_access import Reach, reach
from smt_ws.parties.rules import DEVICE
from smt_ws.store import audit
from smt_ws.store.outbox import enqueue

if TYPE_CHECKING:
    from smt_ws.han.secrets import InstallCodeKeys
    from smt_ws.han.terms import Terms
    from smt_ws.parties.identify import Caller

__all__ = [
    "Asked",
    "DeviceRequest",
    "ask_removal",
    "begin_removal",
    "cancel_pending",
    "insert_request",
    "known",
    "provision_device",
    "reached",
]


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A request about one device as it came; *install_code* and *device_type* are of an add."""

    trans_id: str
    requestor_id: str
    esiid: str
    meter_number: str
    eui64: str
    install_code: str = ""
    device_type: str = "OTHER"

    def __repr__(self) -> str:
        """Without the installation code: a request may end in a log."""
        return f"DeviceRequest({self.trans_id!r}, {self.esiid!r}, {rules.masked_eui64(self.eui64)!r})"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was accepted: its id, and how the device stands now."""

    request_id: int
    state: DeviceState
    #: The customer is asked first (A21); the TDSP is called once the customer has agreed.
    awaits_customer: bool = False


def provision_device(
    connection: Connection,
    caller: Caller,
    request: DeviceRequest,
    *,
    terms: Terms,
    keys: InstallCodeKeys,
    clock: Clock,
    address: str | None = None,
) -> Asked:
    """Accept a request to add a device; its TDSP is called through the outbox.

    Raises what `reached` raises, `Eui64MalformedError`, the three of installation codes, `DeviceThereAlreadyError`,
    `NoSlotFreeError`, `DeviceElsewhereError`.
    """
    eui64, code = rules.check_eui64(request.eui64), rules.check_install_code(request.install_code)
    for checked in (eui64, code):
        if isinstance(checked, Refusal):
            raise errors.refused(checked)
    assert isinstance(eui64, str)
    assert isinstance(code, bytes)
    home = reached(connection, caller, request, terms=terms, clock=clock)
    now = clock.now()
    ledger = Ledger(connection, {home.premise_id}, now=now)
    held = ledger.find(home.premise_id, eui64)
    if held is not None and held.holds_slot:
        raise errors.DeviceThereAlreadyError(presented=eui64, expected=f"it is {held.state.value} there")
    if ledger.slots_used(home.premise_id) >= rules.SLOTS:
        raise errors.NoSlotFreeError(presented=f"{rules.SLOTS} devices", expected=f"fewer than {rules.SLOTS}")
    if ledger.slot_elsewhere(home.premise_id, [eui64]):
        raise errors.DeviceElsewhereError(presented=eui64)
    number = insert_request(connection, caller, request, home, eui64=eui64, action="ADD", clock=clock)
    values = {
        "device_type": request.device_type,
        "install_code": keys.seal(code, eui64),
        "tdsp_duns": home.tdsp_duns,
        "added_on": central_today(clock),
    }
    device = Device(
        premise_id=home.premise_id,
        eui64=eui64,
        state=DeviceState.ADD_ACKNOWLEDGED,
        before_removal=None,
        add_request=number,
        remove_request=None,
        meter_number=home.meter_number or "",
        tdsp_duns=home.tdsp_duns,
        company_id=caller.company_id,
        state_at=now,
        entries=0 if held is None else held.entries,
        values=values,
    )
    try:
        if held is None:
            _insert_device(connection, device)
        ledger.put(device)
        ledger.note(device, Entry(DeviceEvent.ADD_ASKED, number, f"company:{caller.company_id}", now), applied=True)
        ledger.write()
    except IntegrityError as error:
        # somebody else's request for the same device, at another premise, was first by a moment
        raise errors.DeviceElsewhereError(presented=eui64) from error
    enqueue(
        connection,
        kind=ADD_DEVICE,
        key=f"{ADD_DEVICE}:{number}",
        payload={"request_id": number},
        now=now,
        target=target_of(home.tdsp_duns),
    )
    _audited(connection, caller, audit.Event.DEVICE_ADD_ASKED, number, home, eui64, clock, address)
    return Asked(number, device.state)


def _insert_device(connection: Connection, device: Device) -> None:
    connection.execute(
        insert(han_device).values(
            premise_id=device.premise_id,
            eui64=device.eui64,
            state=device.state.value,
            holds_slot=True,
            add_request=device.add_request,
            company_id=device.company_id,
            meter_number=device.meter_number,
            state_at=device.state_at,
            entries=0,
            **device.values,
        )
    )


def cancel_pending(
    connection: Connection,
    caller: Caller,
    request: DeviceRequest,
    *,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
) -> Asked:
    """Take back an add that is not done (BR-081.003): the TDSP is asked to remove what it has begun.

    Nobody needs to agree to that. Raises what `reached` raises, `DeviceUnknownError`, `NoPendingAddError`.
    """
    home = reached(connection, caller, request, terms=terms, clock=clock)
    ledger = Ledger(connection, {home.premise_id}, now=clock.now())
    device = known(ledger, home, request)
    if device.state not in rules.ADDING:
        raise errors.NoPendingAddError(presented=device.state.value)
    return ask_removal(connection, caller, request, home, ledger, device, clock=clock, address=address)


def ask_removal(
    connection: Connection,
    caller: Caller,
    request: DeviceRequest,
    home: Reach,
    ledger: Ledger,
    device: Device,
    *,
    clock: Clock,
    address: str | None,
) -> Asked:
    """Ask the TDSP to remove *device*, which the caller may ask and the state allows."""
    number = insert_request(connection, caller, request, home, eui64=device.eui64, action="REMOVE", clock=clock)
    begin_removal(connection, ledger, device, number, actor=f"company:{caller.company_id}", clock=clock)
    ledger.write()
    _audited(connection, caller, audit.Event.DEVICE_REMOVAL_ASKED, number, home, device.eui64, clock, address)
    return Asked(number, device.state)


def begin_removal(
    connection: Connection, ledger: Ledger, device: Device, number: int, *, actor: str, clock: Clock
) -> bool:
    """Move *device* to Remove Acknowledged and have its TDSP called; False where its state does not allow it."""
    now = clock.now()
    if not ledger.tell(device, Entry(DeviceEvent.REMOVE_ASKED, number, actor, now)):
        return False
    device.remove_request = number
    enqueue(
        connection,
        kind=REMOVE_DEVICE,
        key=f"{REMOVE_DEVICE}:{number}",
        payload={"request_id": number},
        now=now,
        target=target_of(device.tdsp_duns),
    )
    return True


def reached(connection: Connection, caller: Caller, request: DeviceRequest, *, terms: Terms, clock: Clock) -> Reach:
    """The premise of *request*, where the caller may control devices and the named meter hangs today.

    Raises `EsiidMalformedError`, `EsiidUnknownError`, `NoDeviceAgreementError`, `NotYourPremiseError`,
    `CustomerKeepsControlError`, `NoMeterError`, `MeterMismatchError`.
    """
    (home,) = reach(
        connection,
        caller,
        [request.esiid],
        scope=DEVICE,
        rep_of_record_exempt=terms.rep_of_record_exempt,
        now=clock.now(),
        allow_test_esiids=terms.allow_test_esiids,
    )
    if home.refusal is not None:
        raise errors.of_code(home.refusal, presented=request.esiid)
    if home.meter_number is None:
        raise errors.NoMeterError(presented=request.esiid)
    if home.meter_number != request.meter_number.strip():
        raise errors.MeterMismatchError(presented=request.meter_number[:40])
    return home


def known(ledger: Ledger, home: Reach, request: DeviceRequest) -> Device:
    """The device of *request*, held or gone. Raises `Eui64MalformedError`, `DeviceUnknownError`."""
    eui64 = rules.check_eui64(request.eui64)
    if isinstance(eui64, Refusal):
        raise errors.refused(eui64)
    device = ledger.find(home.premise_id, eui64)
    if device is None:
        raise errors.DeviceUnknownError(presented=eui64)
    return device


def insert_request(
    connection: Connection,
    caller: Caller,
    request: DeviceRequest,
    home: Reach,
    *,
    eui64: str,
    action: str,
    clock: Clock,
    consent: str | None = None,
) -> int:
    """Store a request and return its id."""
    values: dict[str, Any] = {
        "premise_id": home.premise_id,
        "eui64": eui64,
        "action": action,
        "company_id": caller.company_id,
        "duns": caller.duns,
        "trans_id": request.trans_id,
        "requestor_id": request.requestor_id,
        "asked_at": clock.now(),
        "consent": consent,
        "meter_number": home.meter_number,
        "tdsp_duns": home.tdsp_duns,
    }
    return int(connection.execute(insert(han_request).values(values).returning(han_request.c.number)).scalar_one())


def _audited(
    connection: Connection,
    caller: Caller,
    event: audit.Event,
    number: int,
    home: Reach,
    eui64: str,
    clock: Clock,
    address: str | None,
) -> None:
    audit.record(
        connection,
        event,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        object=f"han-request:{number}",
        details={"esiid": home.esiid, "device": rules.masked_eui64(eui64), "by": home.right},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
