"""What is known of the devices at premises, with their histories (H9), since today's occupant moved in (A31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from smt_ws.clock import CENTRAL, Clock
from smt_ws.han import errors, rules
from smt_ws.han.rules import DeviceEvent, DeviceState, Refusal
from smt_ws.han.send import NotReached
from smt_ws.han.stays import device_told, is_unconfirmed, of_this_stay, sees_earlier_stays, stays_began
from smt_ws.han.tables import han_device, han_device_history
from smt_ws.parties.device_access import Reach, reach
from smt_ws.parties.rules import DEVICE, DEVICE_SERVICES
from smt_ws.store import audit

if TYPE_CHECKING:
    from smt_ws.han.terms import Terms
    from smt_ws.parties.identify import Caller

__all__ = ["MOST_ESIIDS", "DeviceFacts", "Devices", "HistoryEntry", "devices_of"]

#: ESI IDs that one answer may be about: each has its devices and they their histories.
MOST_ESIIDS = 1000


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Something that was asked or told of a device; *applied* False: it came late and was only noted."""

    request_id: int | None
    event: DeviceEvent
    state: DeviceState
    applied: bool
    #: YOU, ANOTHER_COMPANY, CUSTOMER, TDSP or HUB.
    actor: str
    reason_code: str | None
    reason: str | None
    status_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device that is or was at a premise. Its installation code is never told again."""

    esiid: str
    meter_number: str
    eui64: str
    device_type: str
    state: DeviceState
    #: Since when it stands so, or since today's occupant moved in.
    state_at: datetime
    #: It was added before today's occupant moved in, who has neither kept it nor had it removed: no company's message
    #: goes to its meter.
    unconfirmed: bool
    request_id: int
    history: Sequence[HistoryEntry]


@dataclass(frozen=True, slots=True)
class Devices:
    """What may be told, by ESI ID in the order of the request, and what may not."""

    devices: Sequence[DeviceFacts]
    not_reached: Sequence[NotReached]


def devices_of(
    connection: Connection,
    caller: Caller,
    esiids: Sequence[str],
    *,
    eui64: str | None = None,
    with_history: bool = True,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
) -> Devices:
    """Tell the devices at *esiids*, or the one *eui64* there, to whoever controls devices or sends messages; audited.

    Nothing is told of the time before today's occupant moved in: no device that had gone by then, no history (A31).

    Raises `Eui64MalformedError`, `TooManyEsiidsError`.
    """
    if len(esiids) > MOST_ESIIDS:
        raise errors.TooManyEsiidsError(presented=f"{len(esiids)} ESI IDs", expected=f"at most {MOST_ESIIDS}")
    wanted = None if eui64 is None else rules.check_eui64(eui64)
    if isinstance(wanted, Refusal):
        raise errors.refused(wanted)
    homes, not_reached = _open_to(connection, caller, esiids, terms, clock)
    by_premise = {home.premise_id: home for home in homes}
    conditions: list[Any] = [han_device.c.premise_id.in_(by_premise)]
    if wanted is not None:
        conditions.append(han_device.c.eui64 == wanted)
    stays = stays_began(connection, by_premise, now=clock.now())
    began = {} if sees_earlier_stays(caller.kind) else stays
    rows = [
        row
        for row in connection.execute(select(han_device).where(*conditions))
        if device_told(holds_slot=row.holds_slot, state_at=row.state_at, began=began.get(row.premise_id))
    ]
    histories = _histories(connection, caller, list(by_premise), wanted, began) if with_history else {}
    told = [
        DeviceFacts(
            esiid=by_premise[row.premise_id].esiid,
            meter_number=row.meter_number,
            eui64=row.eui64,
            device_type=row.device_type,
            state=DeviceState(row.state),
            state_at=max(row.state_at, began.get(row.premise_id, row.state_at)),
            unconfirmed=_unconfirmed(row, stays.get(row.premise_id)),
            request_id=row.remove_request or row.add_request,
            history=histories.get((row.premise_id, row.eui64), ()),
        )
        for row in sorted(rows, key=lambda row: (by_premise[row.premise_id].position, row.eui64))
    ]
    audit.record(
        connection,
        audit.Event.DEVICES_SHOWN,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        object=f"esiid:{homes[0].esiid}" if len(homes) == 1 else "",
        details={"devices": len(told), "withheld": len(not_reached)},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return Devices(told, not_reached)


def _unconfirmed(row: Any, began: datetime | None) -> bool:
    moved_in: date | None = None if began is None else began.astimezone(CENTRAL).date()
    return bool(row.holds_slot) and is_unconfirmed(
        added_on=row.added_on, confirmed_on=row.confirmed_on, move_in_day=moved_in
    )


def _open_to(
    connection: Connection, caller: Caller, esiids: Sequence[str], terms: Terms, clock: Clock
) -> tuple[list[Reach], list[NotReached]]:
    # Either right is enough: who sends messages needs to know which devices there are.
    by_scope = [
        reach(
            connection,
            caller,
            esiids,
            scope=scope,
            rep_of_record_exempt=terms.rep_of_record_exempt,
            now=clock.now(),
            allow_test_esiids=terms.allow_test_esiids,
        )
        for scope in (DEVICE, DEVICE_SERVICES)
    ]
    best = [one if one.refusal is None else other for one, other in zip(*by_scope, strict=True)]
    homes = [home for home in best if home.refusal is None]
    refused = [home for home in by_scope[0] if best[home.position].refusal is not None]
    return homes, [NotReached(home.esiid, home.refusal or "") for home in refused]


def _histories(
    connection: Connection,
    caller: Caller,
    premise_ids: Sequence[int],
    eui64: str | None,
    began: Mapping[int, datetime],
) -> dict[tuple[int, str], list[HistoryEntry]]:
    of = han_device_history.c
    conditions: list[Any] = [of.premise_id.in_(premise_ids)]
    if eui64 is not None:
        conditions.append(of.eui64 == eui64)
    found: dict[tuple[int, str], list[HistoryEntry]] = {}
    for row in connection.execute(
        select(han_device_history).where(*conditions).order_by(of.premise_id, of.eui64, of.entry)
    ):
        if of_this_stay([row.status_at, row.at], began.get(row.premise_id)):
            found.setdefault((row.premise_id, row.eui64), []).append(_entry(row, caller))
    return found


def _entry(row: Any, caller: Caller) -> HistoryEntry:
    kind, _, who = row.actor.partition(":")
    company = "YOU" if who == str(caller.company_id) else "ANOTHER_COMPANY"
    return HistoryEntry(
        request_id=row.request_number,
        event=DeviceEvent(row.event),
        state=DeviceState(row.state),
        applied=row.applied,
        actor=company if kind == "company" else kind.upper(),
        reason_code=row.reason_code,
        reason=row.reason or rules.REASONS.get(row.reason_code or ""),
        status_at=row.status_at,
        at=row.at,
    )
