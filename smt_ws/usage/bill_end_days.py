"""What each TDSP means by the end date of its bills: the operator sets it, loads and reports look it up (U6, U10).

Every setting is kept with its time: a report reads the one that was in force when it was asked for, so a part that is
built again has the same bytes. Bills that were loaded before are read by the new setting too.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from smt_ws.clock import Clock
from smt_ws.parties.errors import CompanyUnknownError, InvalidCompanyError
from smt_ws.parties.tables import company, company_duns
from smt_ws.store import audit
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store
from smt_ws.usage.bill_periods import EndDay
from smt_ws.usage.tables import bill_end_day

__all__ = ["end_day_of", "end_days", "set_end_day", "with_shared_days"]


def set_end_day(store: Store, *, duns: str, end_day: EndDay, actor: str, clock: Clock) -> None:
    """Read the bills of the TDSP *duns* so from now on. Raises `CompanyUnknownError` and `InvalidCompanyError`."""
    with store.write() as connection:
        kind = connection.scalar(select(company.c.kind).join(company_duns).where(company_duns.c.duns == duns))
        if kind is None:
            raise CompanyUnknownError(f"No company has the DUNS number {duns[:20]!r}.")
        if kind != "TDSP":
            raise InvalidCompanyError(f"{duns} is the number of a {kind}, not of a TDSP.")
        now = clock.now()
        statement = insert(connection, bill_end_day).values(tdsp_duns=duns, since=now, end_day=end_day.value)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["tdsp_duns", "since"], set_={"end_day": end_day.value})
        )
        details = {"end_day": end_day.value}
        audit.record(
            connection, audit.Event.BILL_END_DAY_SET, actor=actor, at=now, object=f"duns:{duns}", details=details
        )


def end_days(connection: Connection) -> list[tuple[str, str, EndDay]]:
    """Every TDSP by DUNS number: number, legal name, and what it means now."""
    shared = with_shared_days(connection)
    rows = connection.execute(
        select(company_duns.c.duns, company.c.legal_name)
        .join(company, company.c.id == company_duns.c.company_id)
        .where(company.c.kind == "TDSP")
        .order_by(company_duns.c.duns)
    )
    return [(duns, name, EndDay.SHARED if duns in shared else EndDay.INCLUSIVE) for duns, name in rows]


def end_day_of(connection: Connection, duns: str) -> EndDay:
    """What the TDSP *duns* means now."""
    return EndDay.SHARED if duns in with_shared_days(connection) else EndDay.INCLUSIVE


def with_shared_days(connection: Connection, *, at: datetime | None = None) -> frozenset[str]:
    """The TDSPs whose end dates were `EndDay.SHARED` at the moment *at*; None: now."""
    one = bill_end_day.c
    in_time = [] if at is None else [one.since <= at]
    last = select(one.tdsp_duns, func.max(one.since).label("since")).where(*in_time).group_by(one.tdsp_duns).subquery()
    return frozenset(
        connection.scalars(
            select(one.tdsp_duns)
            .join(last, (last.c.tdsp_duns == one.tdsp_duns) & (last.c.since == one.since))
            .where(one.end_day == EndDay.SHARED.value)
        )
    )
