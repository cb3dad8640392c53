"""Everything that a company may see now, without naming an ESI ID: by service and by agreements (R11, BR-303)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, String, and_, literal, null, or_, select, union, union_all

from smt_ws.clock import Clock, central_today
from smt_ws.parties import rules
from smt_ws.parties.rules import KINDS
from smt_ws.parties.tables import grants, premise, rep_of_record
from smt_ws.store import audit

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller

__all__ = ["ESIIDS_A_PAGE", "Authorized", "AuthorizedPage", "authorized_esiids"]

ESIIDS_A_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Authorized:
    """One reason why a company may see, or send to, an ESI ID; an ESI ID may have several."""

    esiid: str
    #: SERVICE: it is the REP of record. WIRES: it is the TDSP. AGREEMENT: a customer agreed.
    basis: str
    #: ``energy_data``, ``device`` or ``device_services``.
    service: str
    #: Operating days; no last one: no end. None: all.
    from_day: date | None
    to_day: date | None
    #: What the grant comes from, e.g. ``agreement:112226000001``.
    source: str | None


@dataclass(frozen=True, slots=True)
class AuthorizedPage:
    """Up to `ESIIDS_A_PAGE` ESI IDs, in order; *more*: ask again with the last one."""

    rows: Sequence[Authorized]
    more: bool


def authorized_esiids(
    connection: Connection,
    caller: Caller,
    *,
    after: str = "",
    kept_from: date,
    clock: Clock,
    address: str | None = None,
) -> AuthorizedPage:
    """The ESI IDs that follow *after* of which the caller may see days or to which it may send; audited (P7).

    Each reason is a row. An ESI ID that the caller served is among them, with the days that it served (R5), until the
    last of them is before *kept_from*, the first day of the caller's history (R4). The same table of kinds decides as
    in `smt_ws.parties.access`.
    """
    reasons = _reasons(caller, kept_from, clock)
    if not reasons:
        return AuthorizedPage((), more=False)
    ids = union(*(reason.with_only_columns(reason.selected_columns.premise_id) for reason in reasons)).subquery()
    page = connection.execute(
        select(premise.c.id, premise.c.esiid)
        .where(premise.c.esiid > after, premise.c.id.in_(select(ids.c.premise_id)))
        .order_by(premise.c.esiid)
        .limit(ESIIDS_A_PAGE + 1)
    ).all()
    shown = {row.id: row.esiid for row in page[:ESIIDS_A_PAGE]}
    every = union_all(*reasons).subquery()
    rows = [
        Authorized(shown[row.premise_id], row.basis, row.service, row.from_day, row.to_day, row.source)
        for row in connection.execute(select(every).where(every.c.premise_id.in_(shown)))
    ]
    rows.sort(key=lambda one: (one.esiid, one.basis, one.service, one.source or ""))
    audit.record(
        connection,
        audit.Event.ESIIDS_SHOWN,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        details={"told": len(shown)},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return AuthorizedPage(rows, more=len(page) > ESIIDS_A_PAGE)


def _reasons(caller: Caller, kept_from: date, clock: Clock) -> list[Any]:
    today, now, what = central_today(clock), clock.now(), KINDS[caller.kind]
    energy = literal(rules.ENERGY_DATA, String).label("service")
    nothing = null().label("source")
    reasons: list[Any] = []
    if what.by_service:
        of = rep_of_record.c
        basis = literal("SERVICE", String).label("basis")
        reasons.append(
            select(of.premise_id.label("premise_id"), basis, energy, of.from_day, of.to_day, nothing).where(
                of.duns.in_(list(caller.duns_numbers)),
                of.from_day <= today,
                or_(of.to_day.is_(None), of.to_day >= kept_from),
            )
        )
    if what.by_wires:
        basis = literal("WIRES", String).label("basis")
        first, last = null().label("from_day"), null().label("to_day")
        reasons.append(
            select(premise.c.id.label("premise_id"), basis, energy, first, last, nothing).where(
                premise.c.tdsp_duns.in_(list(caller.duns_numbers))
            )
        )
    if what.by_grant:
        basis = literal("AGREEMENT", String).label("basis")
        columns = (grants.c.scope.label("service"), grants.c.from_day, grants.c.to_day, grants.c.source)
        reasons.append(
            select(grants.c.premise_id.label("premise_id"), basis, *columns).where(
                and_(
                    grants.c.company_id == caller.company_id,
                    grants.c.scope != rules.REPORT,
                    grants.c.granted_at <= now,
                    or_(grants.c.ended_at.is_(None), grants.c.ended_at > now),
                    or_(grants.c.scope != rules.ENERGY_DATA, grants.c.to_day.is_(None), grants.c.to_day >= kept_from),
                )
            )
        )
    return reasons
