"""What is known of premises and their meters, told to those who may see them today.

Per ESI ID the same rule decides as for usage (`smt_ws.parties.access`, R5), for today's operating day: a REP is told of
what it serves, a third party of what an agreement opens, a TDSP of its own. The others are listed with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Table, or_, select
from sqlalchemy.sql import ColumnElement

from smt_ws.clock import Clock, central_today
from smt_ws.parties.access import authorise
from smt_ws.parties.rules import REASON_CODES, REASONS
from smt_ws.parties.stated_reason import required_reason
from smt_ws.parties.tables import meter, premise
from smt_ws.store import audit
from smt_ws.store.dialect import unnested

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller

__all__ = ["METERS", "PREMISES", "Information", "MeterFacts", "PremiseFacts", "Subject", "Withheld", "information"]


@dataclass(frozen=True, slots=True)
class PremiseFacts:
    """A premise as its TDSP describes it; *attributes* are the optional columns of its file, in small letters."""

    esiid: str
    tdsp_duns: str
    service_address: str | None
    city: str | None
    state: str | None
    zip: str | None
    premise_type: str | None
    status: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """A meter that hangs at a premise; *provisioned_on* None: it hangs there and is not provisioned yet (U8)."""

    esiid: str
    tdsp_duns: str
    meter_number: str
    installed_on: date
    provisioned_on: date | None
    load_number: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Withheld:
    """An ESI ID of which the caller is told nothing, and why: a code of the exceptions file."""

    esiid: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Information:
    """What may be told, in the order of the request, and what may not. A premise without a meter has no meter row."""

    told: Sequence[Any]
    withheld: Sequence[Withheld]


@dataclass(frozen=True)
class Subject:
    """What may be asked about: the table that knows it, how its rows are told, and the line of the audit log."""

    table: Table
    facts: type[PremiseFacts | MeterFacts]
    event: audit.Event

    def there(self, today: date) -> tuple[ColumnElement[bool], ...]:
        """Which of the table's rows are there on the operating day *today*."""
        if self.table is not meter:
            return ()
        return meter.c.installed_on <= today, or_(meter.c.removed_on.is_(None), meter.c.removed_on > today)


PREMISES: Final = Subject(premise, PremiseFacts, audit.Event.PREMISES_SHOWN)
METERS: Final = Subject(meter, MeterFacts, audit.Event.METERS_SHOWN)


def information(
    connection: Connection,
    caller: Caller,
    esiids: Sequence[str],
    subject: Subject,
    *,
    clock: Clock,
    allow_test_esiids: bool = False,
    address: str | None = None,
    reason: str | None = None,
) -> Information:
    """Tell what is known of the premises of *esiids*, or of the meters that hang there today; audited (P7).

    Raises `StatedReasonMissingError` where *reason* is demanded of the caller and is not there (R20).
    """
    reason = required_reason(caller.kind, reason)
    positions, withheld = _allowed(connection, caller, esiids, clock, allow_test_esiids, reason)
    names = [field.name for field in fields(subject.facts)]
    told = [
        subject.facts(**{name: getattr(row, name) for name in names})
        for row in _of(connection, esiids, positions, subject.table, subject.there(central_today(clock)))
    ]
    audit.record(
        connection,
        subject.event,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        object=f"esiid:{told[0].esiid}" if len(told) == 1 else "",
        details={"told": len(told), "withheld": len(withheld)} | ({"reason": reason} if reason else {}),
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return Information(told, withheld)


def _allowed(
    connection: Connection,
    caller: Caller,
    esiids: Sequence[str],
    clock: Clock,
    allow_test_esiids: bool,
    stated_reason: str | None,
) -> tuple[list[int], list[Withheld]]:
    today = central_today(clock)
    access = authorise(
        connection,
        company_id=caller.company_id,
        kind=caller.kind,
        duns_numbers=caller.duns_numbers,
        esiids=esiids,
        first_day=today,
        last_day=today,
        now=clock.now(),
        allow_test_esiids=allow_test_esiids,
        stated_reason=stated_reason,
    )
    withheld = []
    for position, code in zip(access.refusals["esiid"].tolist(), access.refusals["code"].tolist(), strict=True):
        why = REASON_CODES[code]
        withheld.append(Withheld(esiids[position], why.value, REASONS[why]))
    return access.slices["esiid"].tolist(), withheld


def _of(
    connection: Connection, esiids: Sequence[str], positions: Sequence[int], table: Table, here: Sequence[Any]
) -> Sequence[Any]:
    asked = unnested(connection, [esiids[position] for position in positions])
    tables: Any = asked.join(premise, premise.c.esiid == asked.c.value)
    columns: list[Any] = [*table.c]
    order: list[Any] = [asked.c.position]
    if table is not premise:
        tables = tables.join(table, table.c.premise_id == premise.c.id)
        columns += [premise.c.esiid, premise.c.tdsp_duns]
        order.append(table.c.installed_on)
    return connection.execute(select(*columns).select_from(tables).where(*here).order_by(*order)).all()
