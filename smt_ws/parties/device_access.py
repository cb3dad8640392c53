"""May X control the devices at home Y now? The one place that answers, for 50,000 premises in one statement (H8, A19).

Unlike usage, which has its days, this is about now: an agreement of the right scope in force today, a TDSP's own wires,
or, where the operator lets it, being the REP of record. What the customer has said about control narrows all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Integer,
    Select,
    String,
    bindparam,
    case,
    exists,
    literal,
    literal_column,
    or_,
    select,
)

from smt_ws.clock import CENTRAL, Clock
from smt_ws.parties import rules
from smt_ws.parties.device_tables import device_control
from smt_ws.parties.rules import KINDS
from smt_ws.parties.tables import grants, meter, premise, rep_of_record
from smt_ws.store import audit
from smt_ws.store.dialect import insert, unnested
from smt_ws.store.metadata import UtcDateTime

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller

__all__ = ["Control", "Reach", "Right", "reach", "right_of", "set_control", "takes_part"]


class Right(StrEnum):
    """By what a company may control devices at a premise."""

    SERVICE = "service"
    GRANT = "grant"
    WIRES = "wires"


@dataclass(frozen=True, slots=True)
class Control:
    """Whom the customer lets control devices beside himself (BR-401)."""

    by_rep: bool = True
    by_third_party: bool = True
    by_tdsp: bool = True


@dataclass(frozen=True, slots=True)
class Reach:
    """One asked ESI ID: the premise and its meter, or a *refusal*: the code of an error of `smt_ws.han.errors`."""

    position: int
    esiid: str
    refusal: str | None
    premise_id: int = 0
    tdsp_duns: str = ""
    meter_number: str | None = None
    right: Right | None = None
    #: What the asker wanted to know besides (``reach(holds=…)``), in the order of the questions.
    holds: tuple[bool, ...] = ()


def right_of(kind: str, *, serves: bool, granted: bool, own_wires: bool, exempt: bool, control: Control) -> Right | str:
    """By what a company acting as *kind* may control devices at a premise, or the code of the refusal.

    *exempt*: the REP of record needs no agreement. A REP of record with an agreement may go by either.
    """
    what = KINDS[kind]
    if what.by_wires:
        if not own_wires:
            return "NOT_YOUR_PREMISE"
        return Right.WIRES if control.by_tdsp else "CUSTOMER_KEEPS_CONTROL"
    is_rep = what.by_service and serves
    if is_rep and exempt and control.by_rep:
        return Right.SERVICE
    if what.by_grant and granted:
        allowed = control.by_third_party or (is_rep and control.by_rep)
        return Right.GRANT if allowed else "CUSTOMER_KEEPS_CONTROL"
    return "CUSTOMER_KEEPS_CONTROL" if is_rep and exempt else "NO_AGREEMENT"


def reach(
    connection: Connection,
    caller: Caller,
    esiids: Sequence[str],
    *,
    scope: str,
    rep_of_record_exempt: bool,
    now: datetime,
    allow_test_esiids: bool = False,
    holds: tuple[ColumnElement[bool], ...] = (),
) -> list[Reach]:
    """Whether *caller* may control devices at each of *esiids*, in their order; nothing is raised.

    *scope*: `rules.DEVICE` to add, remove and see devices, `rules.DEVICE_SERVICES` to send messages. *holds* are asked
    of each premise in the same statement: conditions on ``premise``, made once; they may use ``:today``.
    """
    refused = dict.fromkeys(rules.repeated_esiids(esiids), "ESIID_REPEATED")
    refused |= dict.fromkeys(rules.malformed_esiids(esiids, allow_test=allow_test_esiids), "ESIID_MALFORMED")
    no_agreement = "NO_DEVICE_AGREEMENT" if scope == rules.DEVICE else "NO_SERVICES_AGREEMENT"
    named = [position for position in range(len(esiids)) if position not in refused]
    found: dict[int, Reach] = {}
    for row in _rows(connection, caller, [esiids[position] for position in named], scope, now, holds):
        control = Control() if row.by_rep is None else Control(row.by_rep, row.by_third_party, row.by_tdsp)
        right = right_of(
            caller.kind,
            serves=bool(row.serves),
            granted=bool(row.granted),
            own_wires=bool(row.own_wires),
            exempt=rep_of_record_exempt,
            control=control,
        )
        refusal = None if isinstance(right, Right) else no_agreement if right == "NO_AGREEMENT" else right
        position = named[row.position]
        found[position] = Reach(
            position=position,
            esiid=esiids[position],
            refusal=refusal,
            premise_id=row.id,
            tdsp_duns=row.tdsp_duns,
            meter_number=row.meter_number,
            right=right if isinstance(right, Right) else None,
            holds=tuple(map(bool, row[-len(holds) :])) if holds else (),
        )
    return [
        found.get(position) or Reach(position, esiid, refused.get(position, "ESIID_UNKNOWN"))
        for position, esiid in enumerate(esiids)
    ]


def takes_part(connection: Connection, company_id: int, duns: str, premise_id: int, *, now: datetime) -> bool:
    """Whether a company has to do with devices at a premise: by an agreement, its service or its wires."""
    today = literal(now.astimezone(CENTRAL).date(), Date)
    granted = _granted(
        literal(premise_id, BigInteger),
        today,
        literal(now, UtcDateTime),
        grants.c.company_id == company_id,
        grants.c.scope.in_([rules.DEVICE, rules.DEVICE_SERVICES]),
    )
    serves = _served(literal(premise_id, BigInteger), today, rep_of_record.c.duns == duns)
    own_wires = exists().where(premise.c.id == premise_id, premise.c.tdsp_duns == duns)
    return bool(connection.scalar(select(or_(granted, serves, own_wires))))


def _served(premise_id: ColumnElement[int], today: ColumnElement[Any], by: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a REP, *by* a condition on ``rep_of_record``, serves the premise on the day."""
    of = rep_of_record.c
    return exists().where(
        of.premise_id == premise_id, by, of.from_day <= today, or_(of.to_day.is_(None), of.to_day >= today)
    )


def _granted(
    premise_id: ColumnElement[int], today: ColumnElement[Any], now: ColumnElement[Any], *of_whom: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Whether a grant, of conditions *of_whom* on ``grants``, is in force at the premise now."""
    held = grants.c
    return exists().where(
        held.premise_id == premise_id,
        *of_whom,
        held.from_day <= today,
        or_(held.to_day.is_(None), held.to_day >= today),
        held.granted_at <= now,
        or_(held.ended_at.is_(None), held.ended_at > now),
    )


def _rows(
    connection: Connection,
    caller: Caller,
    esiids: Sequence[str],
    scope: str,
    now: datetime,
    holds: tuple[ColumnElement[bool], ...],
) -> Sequence[Any]:
    if not esiids:
        return []
    what = KINDS[caller.kind]
    values = {
        "duns_numbers": caller.duns_numbers,
        "company_id": caller.company_id,
        "scope": scope,
        "today": now.astimezone(CENTRAL).date(),
        "now": now,
    }
    if len(esiids) == 1:
        # the usual request, thousands a minute: its statement is made once
        question = _question_of_one(what.by_service, what.by_grant, holds)
        return connection.execute(question, values | {"esiid": esiids[0]}).all()
    asked = unnested(connection, esiids)
    tables = asked.join(premise, premise.c.esiid == asked.c.value)
    question = _question(tables, asked.c.position, what.by_service, what.by_grant, holds)
    return connection.execute(question, values).all()


@cache
def _question_of_one(by_service: bool, by_grant: bool, holds: tuple[ColumnElement[bool], ...]) -> Select[Any]:
    named = premise.c.esiid == bindparam("esiid", type_=String)
    return _question(premise, literal_column("0", Integer).label("position"), by_service, by_grant, holds).where(named)


def _question(
    tables: FromClause,
    position: ColumnElement[int],
    by_service: bool,
    by_grant: bool,
    holds: tuple[ColumnElement[bool], ...],
) -> Select[Any]:
    today, now = bindparam("today", type_=Date), bindparam("now", type_=UtcDateTime)
    duns_numbers = bindparam("duns_numbers", type_=String, expanding=True)
    serves = _served(premise.c.id, today, rep_of_record.c.duns.in_(duns_numbers))
    granted = _granted(
        premise.c.id,
        today,
        now,
        grants.c.company_id == bindparam("company_id", type_=BigInteger),
        grants.c.scope == bindparam("scope", type_=String),
    )
    hangs = (
        select(meter.c.meter_number)
        .where(
            meter.c.premise_id == premise.c.id,
            meter.c.installed_on <= today,
            or_(meter.c.removed_on.is_(None), meter.c.removed_on > today),
            meter.c.provisioned_on <= today,
        )
        .order_by(meter.c.installed_on.desc(), meter.c.meter_number)
        .limit(1)
        .scalar_subquery()
    )
    false = literal(value=False)
    return select(
        position,
        premise.c.id,
        premise.c.tdsp_duns,
        hangs.label("meter_number"),
        (serves if by_service else false).label("serves"),
        (granted if by_grant else false).label("granted"),
        case((premise.c.tdsp_duns.in_(duns_numbers), True), else_=False).label("own_wires"),
        device_control.c.by_rep,
        device_control.c.by_third_party,
        device_control.c.by_tdsp,
        *(one.label(f"holds_{place}") for place, one in enumerate(holds)),
    ).select_from(tables.outerjoin(device_control, device_control.c.premise_id == premise.c.id))


def set_control(connection: Connection, premise_id: int, control: Control, *, actor: str, clock: Clock) -> None:
    """Store whom the customer of a premise lets control devices (A19). Who may say so is its caller's to know."""
    values = {
        "by_rep": control.by_rep,
        "by_third_party": control.by_third_party,
        "by_tdsp": control.by_tdsp,
        "set_at": clock.now(),
        "set_by": actor,
    }
    connection.execute(
        insert(connection, device_control)
        .values(premise_id=premise_id, **values)
        .on_conflict_do_update(index_elements=["premise_id"], set_=values)
    )
    details = {"by_rep": control.by_rep, "by_third_party": control.by_third_party, "by_tdsp": control.by_tdsp}
    audit.record(
        connection,
        audit.Event.DEVICE_CONTROL_SET,
        actor=actor,
        at=clock.now(),
        object=f"premise:{premise_id}",
        details=details,
    )
