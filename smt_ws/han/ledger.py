"""Devices of some premises, held for one transaction: events are applied to them, then all is written at once.

Every way in which a device can move goes through here: requests, statuses of TDSPs, meter exchanges, the clock. Each
event becomes a row of the device's history, applied or only noted (H9).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from smt_ws.han import rules
from smt_ws.han.rules import DeviceEvent, DeviceState
from smt_ws.han.stays import hears_of, is_unconfirmed, moved_in
from smt_ws.han.tables import han_device, han_device_history, han_request
from smt_ws.notices.callbacks import announce
from smt_ws.parties.device_access import takes_part
from smt_ws.parties.tables import company, premise
from smt_ws.store.outbox import enqueue

__all__ = ["DEVICE_MOVED", "Device", "Entry", "Ledger"]

#: The outbox kind by which agreements hear how a device stands (A8).
DEVICE_MOVED: Final = "agreement.device_moved"


@dataclass(slots=True)
class Device:
    """A device as it stands in this transaction."""

    premise_id: int
    eui64: str
    state: DeviceState
    before_removal: DeviceState | None
    add_request: int
    remove_request: int | None
    meter_number: str
    tdsp_duns: str
    company_id: int
    state_at: datetime
    entries: int
    #: Other columns to be written with it.
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def holds_slot(self) -> bool:
        """Whether it takes one of the slots of its premise."""
        return self.state in rules.SLOT_STATES


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as its actor tells it; *status_at* is when it was so."""

    event: DeviceEvent
    request_number: int | None
    actor: str
    status_at: datetime
    reason_code: str | None = None
    reason: str | None = None


class Ledger:
    """The devices of *premise_ids*, locked until the transaction ends: one lock a premise, in order of their ids."""

    def __init__(self, connection: Connection, premise_ids: Collection[int], *, now: datetime) -> None:
        """Lock the premises and read all their devices. *now* is business time."""
        self._connection = connection
        self._now = now
        self._history: list[dict[str, Any]] = []
        self._told: list[tuple[Device, Entry, DeviceState, int]] = []
        self._changed: dict[tuple[int, str], Device] = {}
        connection.execute(
            select(premise.c.id)
            .where(premise.c.id.in_(premise_ids))
            .order_by(premise.c.id)
            .with_for_update(key_share=True)
        ).all()
        rows = connection.execute(select(han_device).where(han_device.c.premise_id.in_(premise_ids)))
        self._devices = {(row.premise_id, row.eui64): _device(row) for row in rows}

    def find(self, premise_id: int, eui64: str) -> Device | None:
        """The device, held or gone; None where there never was one."""
        return self._devices.get((premise_id, eui64))

    def of_premise(self, premise_id: int) -> list[Device]:
        """All devices that there are or were."""
        return [one for one in self._devices.values() if one.premise_id == premise_id]

    def slots_used(self, premise_id: int) -> int:
        """How many devices hold a slot there."""
        return sum(one.holds_slot for one in self.of_premise(premise_id))

    def slot_elsewhere(self, premise_id: int, eui64s: Iterable[str]) -> set[str]:
        """Those of *eui64s* that hold a slot at another premise."""
        asked = (han_device.c.eui64.in_(list(eui64s)), han_device.c.holds_slot, han_device.c.premise_id != premise_id)
        return set(self._connection.scalars(select(han_device.c.eui64).where(*asked)))

    def put(self, device: Device) -> None:
        """Have *device* written as it is: a new one, or one with other columns than its state changed."""
        self._devices[device.premise_id, device.eui64] = device
        self._changed[device.premise_id, device.eui64] = device

    def tell(self, device: Device, entry: Entry, *, latest: bool = True) -> bool:
        """Apply *entry* to *device*; return whether it applied.

        What is not of the *latest* request, or needs a slot that is no longer free, is only noted.
        """
        found = rules.moved(device.state, device.before_removal, entry.event) if latest else None
        applied = found is not None and found.applied
        if found is not None and applied and found.state in rules.SLOT_STATES and not device.holds_slot:
            applied = self.slots_used(device.premise_id) < rules.SLOTS and not self.slot_elsewhere(
                device.premise_id, [device.eui64]
            )
        if found is not None and applied:
            if found.state is not device.state:
                device.state_at = self._now
                self._told.append((device, entry, found.state, device.entries + 1))
            device.state, device.before_removal = found.state, found.before_removal
        self.note(device, entry, applied=applied)
        return applied

    def note(self, device: Device, entry: Entry, *, applied: bool) -> None:
        """Put *entry* into the device's history without moving it."""
        device.entries += 1
        self._changed[device.premise_id, device.eui64] = device
        self._history.append(
            {
                "premise_id": device.premise_id,
                "eui64": device.eui64,
                "entry": device.entries,
                "request_number": entry.request_number,
                "event": entry.event.value,
                "state": device.state.value,
                "applied": applied,
                "actor": entry.actor,
                "reason_code": entry.reason_code,
                "reason": entry.reason,
                "status_at": entry.status_at,
                "at": self._now,
            }
        )

    def announce(self, device: Device, entry: Entry) -> None:
        """Have the company that asked told of *entry*, which did not move *device*."""
        self._told.append((device, entry, device.state, device.entries))

    def write(self) -> None:
        """Store what has changed, and tell agreements and the companies that asked for it (A8, R10)."""
        freed = sorted(
            self._changed.values(), key=lambda one: one.holds_slot
        )  # a slot is given back before it is taken
        if freed:
            row = update(han_device).where(
                han_device.c.premise_id == bindparam("of_premise"), han_device.c.eui64 == bindparam("of_eui64")
            )
            for names, devices in _alike(freed).items():
                columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
                self._connection.execute(
                    row.values(columns),
                    [
                        {"of_premise": one.premise_id, "of_eui64": one.eui64}
                        | {f"new_{name}": value for name, value in _values(one).items()}
                        for one in devices
                    ],
                )
        if self._history:
            self._connection.execute(insert(han_device_history), self._history)
        self._announce()
        self._changed, self._history, self._told = {}, [], []

    def _announce(self) -> None:
        numbers = {entry.request_number or device.add_request for device, entry, _, _ in self._told}
        if not numbers:
            return
        of = {
            row.number: row
            for row in self._connection.execute(
                select(
                    han_request.c.number, han_request.c.company_id, han_request.c.duns, han_request.c.account_id,
                    premise.c.esiid, company.c.callback_url,
                )
                .join(premise, premise.c.id == han_request.c.premise_id)
                .join(company, company.c.id == han_request.c.company_id)
                .where(han_request.c.number.in_(numbers))
            )
        }  # fmt: skip
        for device, entry, state, number in self._told:
            request = of[entry.request_number or device.add_request]
            moved = f"{device.premise_id}:{device.eui64}:{number}"
            enqueue(
                self._connection,
                kind=DEVICE_MOVED,
                key=f"{DEVICE_MOVED}:{moved}",
                payload={
                    "company_id": device.company_id,
                    "esiid": request.esiid,
                    "eui64": device.eui64,
                    "state": state.value,
                },
                now=self._now,
            )
            if request.callback_url is None or not self._hears(device, entry, request):
                continue
            fields = {
                "dunsNumber": request.duns,
                "happenedAt": entry.status_at.isoformat(),
                "correlationId": str(request.number),
                "esiid": request.esiid,
                "deviceMacAddress": device.eui64,
                "status": state.name,
            }
            announce(
                self._connection,
                company_id=request.company_id,
                operation="DeviceStatusChanged",
                fields=fields | ({"reason": entry.reason} if entry.reason else {}),
                key=f"device:{moved}",
                now=self._now,
            )

    def _hears(self, device: Device, entry: Entry, request: Any) -> bool:
        own_request = entry.request_number is not None and request.account_id is None
        if own_request:
            return True
        of = han_device.c
        added = self._connection.execute(
            select(of.added_on, moved_in(of.premise_id, now=self._now).label("move_in_day")).where(
                of.premise_id == device.premise_id, of.eui64 == device.eui64
            )
        ).one()
        of_this_stay = not is_unconfirmed(added_on=added.added_on, confirmed_on=None, move_in_day=added.move_in_day)
        part = takes_part(self._connection, request.company_id, request.duns, device.premise_id, now=self._now)
        return hears_of(own_request=False, of_this_stay=of_this_stay, takes_part=part)


def _device(row: Any) -> Device:
    return Device(
        premise_id=row.premise_id,
        eui64=row.eui64,
        state=DeviceState(row.state),
        before_removal=None if row.before_removal is None else DeviceState(row.before_removal),
        add_request=row.add_request,
        remove_request=row.remove_request,
        meter_number=row.meter_number,
        tdsp_duns=row.tdsp_duns,
        company_id=row.company_id,
        state_at=row.state_at,
        entries=row.entries,
    )


def _values(device: Device) -> dict[str, Any]:
    return {
        "state": device.state.value,
        "before_removal": None if device.before_removal is None else device.before_removal.value,
        "holds_slot": device.holds_slot,
        "add_request": device.add_request,
        "remove_request": device.remove_request,
        "meter_number": device.meter_number,
        "company_id": device.company_id,
        "state_at": device.state_at,
        "entries": device.entries,
        **device.values,
    }


def _alike(devices: Iterable[Device]) -> Mapping[tuple[str, ...], list[Device]]:
    # One statement for all rows with the same columns.
    alike: dict[tuple[str, ...], list[Device]] = {}
    for device in devices:
        alike.setdefault(tuple(_values(device)), []).append(device)
    return alike
