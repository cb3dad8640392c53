"""Messages at premises, held for one transaction: statuses are applied to them, then all is written at once.

Every status goes through here: the hub's own, those that TDSPs post, the end of a message's time. Each becomes a row of
the message log, applied or only noted (H5, H6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    FromClause,
    Select,
    bindparam,
    cast,
    insert,
    select,
    update,
)

from smt_ws.han import message_rules
from smt_ws.han.message_rules import Code, MessageState, Told
from smt_ws.han.stays import of_this_stay, sees_earlier_stays, stays_began
from smt_ws.han.tables import han_message, han_message_device, han_message_status, han_message_target
from smt_ws.notices.callbacks import announce
from smt_ws.parties.tables import company, premise
from smt_ws.store.dialect import unnested

__all__ = ["Progress", "Status", "Target"]

Key = tuple[int, int]
#: Values that one statement names; of more, all of the message's are read.
_MOST_NAMED = 10_000


@dataclass(slots=True)
class Target:
    """A message at one premise as it stands in this transaction."""

    message: int
    premise_id: int
    esiid: str
    position: int
    tdsp_duns: str
    meter_number: str
    category: str
    original: int | None
    company_id: int
    duns: str
    accepted_at: datetime
    start_at: datetime | None
    ends_at: datetime | None
    fields: dict[str, Any]
    state: MessageState
    meter: Told
    calling_at: datetime | None
    handed_over_at: datetime | None
    delivered_at: datetime | None
    closed_at: datetime | None
    devices: dict[str, Told] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Message and premise."""
        return self.message, self.premise_id

    @property
    def event(self) -> message_rules.Event:
        """What the rule of superseding looks at."""
        return message_rules.Event(
            number=self.message,
            category=self.category,
            starts=self.start_at or self.accepted_at,
            ends=self.ends_at,
            device_class=int(self.fields.get("device_class") or 0),
            enrollment_group=int(self.fields.get("enrollment_group") or 0),
        )


@dataclass(frozen=True, slots=True)
class Status:
    """A status as it is told; *eui64* empty: of the meter."""

    code: Code
    state: MessageState
    at: datetime
    description: str = ""
    eui64: str = ""
    sep_status: int | None = None
    by_hub: bool = False


class Progress:
    """The targets that were asked for, locked until the transaction ends, in the order of premise and message."""

    def __init__(self, connection: Connection, *, now: datetime) -> None:
        """Hold nothing yet. *now* is business time."""
        self._connection = connection
        self._now = now
        self._targets: dict[Key, Target] = {}
        self._changed: dict[Key, Target] = {}
        self._devices: set[tuple[Key, str]] = set()
        self._known_devices: set[tuple[Key, str]] = set()
        self._log: list[dict[str, Any]] = []
        self._told: list[tuple[Target, Status]] = []

    def hold_named(self, named: Sequence[tuple[int, str]]) -> list[Target | None]:
        """The targets of (message, ESI ID) pairs, by position; None where there is none."""
        if not named:
            return []
        numbers = unnested(self._connection, [str(number) for number, _ in named]).alias("of_messages")
        esiids = unnested(self._connection, [esiid for _, esiid in named]).alias("of_premises")
        tables = (
            esiids.join(numbers, numbers.c.position == esiids.c.position)
            .join(premise, premise.c.esiid == esiids.c.value)
            .join(
                han_message_target,
                (han_message_target.c.premise_id == premise.c.id)
                & (han_message_target.c.message_number == cast(numbers.c.value, BigInteger)),
            )
            .join(han_message, han_message.c.number == han_message_target.c.message_number)
        )
        found: list[Target | None] = [None] * len(named)
        for row in self._rows(select(*_COLUMNS, esiids.c.position.label("asked")).select_from(tables)):
            found[row.asked] = self._target(row)
        self._read_devices([target for target in found if target is not None])
        return found

    def hold_at(self, esiids: Sequence[str], *conditions: Any) -> list[Target]:
        """The targets at *esiids* for which *conditions* hold: from the premises to their messages, however many."""
        asked = unnested(self._connection, esiids)
        tables = (
            asked.join(premise, premise.c.esiid == asked.c.value)
            .join(han_message_target, han_message_target.c.premise_id == premise.c.id)
            .join(han_message, han_message.c.number == han_message_target.c.message_number)
        )
        targets = [self._target(row) for row in self._rows(select(*_COLUMNS).select_from(tables).where(*conditions))]
        self._read_devices(targets)
        return targets

    def hold(self, *conditions: Any) -> list[Target]:
        """The targets for which *conditions* on `han_message_target`, `han_message` and ``premise`` hold."""
        tables: FromClause = han_message_target.join(
            han_message, han_message.c.number == han_message_target.c.message_number
        ).join(premise, premise.c.id == han_message_target.c.premise_id)
        rows = self._rows(select(*_COLUMNS).select_from(tables).where(*conditions))
        targets = [self._target(row) for row in rows]
        self._read_devices(targets)
        return targets

    def _rows(self, statement: Select[Any]) -> Sequence[Any]:
        # One order for all, so that two calls about the same meters wait for each other and never for ever.
        of = han_message_target.c
        return self._connection.execute(
            statement.order_by(of.premise_id, of.message_number).with_for_update(of=han_message_target)
        ).all()

    def _target(self, row: Any) -> Target:
        key = (row.message_number, row.premise_id)
        if key not in self._targets:
            self._targets[key] = Target(
                message=row.message_number,
                premise_id=row.premise_id,
                esiid=row.esiid,
                position=row.position,
                tdsp_duns=row.tdsp_duns,
                meter_number=row.meter_number,
                category=row.category,
                original=row.original,
                company_id=row.company_id,
                duns=row.duns,
                accepted_at=row.accepted_at,
                start_at=row.start_at,
                ends_at=row.ends_at,
                fields=row.fields,
                state=MessageState(row.state),
                meter=Told(MessageState(row.meter_state), row.meter_state_at),
                calling_at=row.calling_at,
                handed_over_at=row.handed_over_at,
                delivered_at=row.delivered_at,
                closed_at=row.closed_at,
            )
        return self._targets[key]

    def _read_devices(self, targets: Iterable[Target]) -> None:
        asked = {target.key: target for target in targets}
        numbers = {number for number, _ in asked}
        if not numbers:
            return
        of = han_message_device.c
        some = [of.message_number.in_(numbers)]
        premises = {premise_id for _, premise_id in asked}
        if len(premises) <= _MOST_NAMED:
            some.append(of.premise_id.in_(premises))
        for row in self._connection.execute(select(han_message_device).where(*some)):
            target = asked.get((row.message_number, row.premise_id))
            if target is not None:
                self._known_devices.add((target.key, row.eui64))
                target.devices.setdefault(row.eui64, Told(MessageState(row.state), row.state_at))

    def tell(self, target: Target, status: Status, *, logged: bool = True) -> bool:
        """Apply *status*; return whether anything is further than before. *logged*: it is a row of the message log."""
        told = Told(status.state, status.at)
        before = target.devices.get(status.eui64) if status.eui64 else target.meter
        after = told if before is None else message_rules.further(before, told)
        applied = after != before
        if applied and status.eui64:
            target.devices[status.eui64] = after
            self._devices.add((target.key, status.eui64))
        elif applied:
            target.meter = after
        if applied:
            self._settle(target)
        if logged:
            self._log.append(
                {
                    "premise_id": target.premise_id,
                    "message_number": target.message,
                    "eui64": status.eui64,
                    "code": status.code.value,
                    "sep_status": status.sep_status,
                    "description": status.description[:200],
                    "status_at": status.at,
                    "received_at": self._now,
                    "applied": applied,
                    "by_hub": status.by_hub,
                }
            )
            self._told.append((target, status))
        return applied

    def _settle(self, target: Target) -> None:
        target.state = message_rules.rolled_up(target.meter.state, (told.state for told in target.devices.values()))
        if target.state in _ARRIVED and target.delivered_at is None:
            target.delivered_at = self._now
        closed = message_rules.closes(target.category, target.state)
        target.closed_at = (target.closed_at or self._now) if closed else None
        self.put(target)

    def put(self, target: Target) -> None:
        """Have *target* written."""
        self._changed[target.key] = target

    def write(self) -> None:
        """Store what has changed, and tell the companies that asked for it (R10)."""
        of = han_message_target.c
        if self._changed:
            self._connection.execute(
                update(han_message_target)
                .where(of.premise_id == bindparam("of_premise"), of.message_number == bindparam("of_message"))
                .values({name: bindparam(f"new_{name}") for name in _WRITTEN}),
                [_values(target) for target in self._changed.values()],
            )
        self._write_devices()
        if self._log:
            self._connection.execute(insert(han_message_status), self._log)
        self._announce()
        self._changed, self._log, self._told = {}, [], []

    def _write_devices(self) -> None:
        known: list[dict[str, Any]] = []
        new: list[dict[str, Any]] = []
        for key, eui64 in sorted(self._devices):
            told = self._targets[key].devices[eui64]
            (known if (key, eui64) in self._known_devices else new).append(
                {
                    "of_message": key[0],
                    "of_premise": key[1],
                    "of_eui64": eui64,
                    "new_state": told.state.value,
                    "new_at": told.at,
                }
            )
        of = han_message_device.c
        if known:
            self._connection.execute(
                update(han_message_device)
                .where(
                    of.premise_id == bindparam("of_premise"),
                    of.message_number == bindparam("of_message"),
                    of.eui64 == bindparam("of_eui64"),
                )
                .values(state=bindparam("new_state"), state_at=bindparam("new_at")),
                known,
            )
        if new:
            self._connection.execute(
                insert(han_message_device).values(
                    premise_id=bindparam("of_premise"), message_number=bindparam("of_message"),
                    eui64=bindparam("of_eui64"), state=bindparam("new_state"), state_at=bindparam("new_at"),
                ),
                new,
            )  # fmt: skip
        self._known_devices |= self._devices
        self._devices = set()

    def _announce(self) -> None:
        companies = {target.company_id for target, _ in self._told}
        if not companies:
            return
        listening = {
            row.id: row.kind
            for row in self._connection.execute(
                select(company.c.id, company.c.kind).where(
                    company.c.id.in_(companies), company.c.callback_url.is_not(None)
                )
            )
        }
        heard = [(target, status) for target, status in self._told if target.company_id in listening]
        # What becomes of a message after somebody else has moved in is that person's doing (A31).
        limited = {target.premise_id for target, _ in heard if not sees_earlier_stays(listening[target.company_id])}
        began = stays_began(self._connection, limited, now=self._now) if limited else {}
        for target, status in heard:
            of_own_wires = sees_earlier_stays(listening[target.company_id])
            if not of_own_wires and not of_this_stay([target.accepted_at], began.get(target.premise_id)):
                continue
            fields = {
                "dunsNumber": target.duns,
                "happenedAt": status.at.isoformat(),
                "correlationId": str(target.message),
                "esiid": target.esiid,
                "status": status.code.value,
            }
            fields |= {"deviceMacAddress": status.eui64} if status.eui64 else {}
            fields |= {"reason": status.description} if status.description else {}
            told = f"{status.code.value}{status.sep_status or ''}:{status.at.timestamp():.0f}"
            announce(
                self._connection,
                company_id=target.company_id,
                operation="MessageStatusChanged",
                fields=fields,
                key=f"m:{target.message}:{target.premise_id}:{status.eui64[-8:]}:{told}",
                now=self._now,
            )


_ARRIVED = frozenset({MessageState.DELIVERED, MessageState.STARTED, MessageState.OPTED_OUT, MessageState.COMPLETED})
_COLUMNS = (
    *han_message_target.c,
    *(
        han_message.c[name]
        for name in ("category", "original", "company_id", "duns", "accepted_at", "start_at", "ends_at", "fields")
    ),
    premise.c.esiid,
)
_WRITTEN = (
    "state", "meter_state", "meter_state_at", "calling_at", "handed_over_at", "delivered_at", "closed_at"
)  # fmt: skip


def _values(target: Target) -> dict[str, Any]:
    return {
        "of_premise": target.premise_id,
        "of_message": target.message,
        "new_state": target.state.value,
        "new_meter_state": target.meter.state.value,
        "new_meter_state_at": target.meter.at,
        "new_calling_at": target.calling_at,
        "new_handed_over_at": target.handed_over_at,
        "new_delivered_at": target.delivered_at,
        "new_closed_at": target.closed_at,
    }
