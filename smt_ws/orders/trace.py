"""Which files carried a day of a premise: found in the plans that orders keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import Connection, select

from smt_ws.orders.plan import day_number, unpack_exceptions, unpack_slices
from smt_ws.orders.rules import PartState
from smt_ws.orders.tables import order_part, report_order
from smt_ws.store import audit
from smt_ws.store.tables import audit_log

__all__ = ["Answered", "Carried", "answers_with", "files_with"]

#: Files that are, were or will be in a company's folder.
_MEANT = [state.value for state in PartState if state not in (PartState.EMPTY, PartState.FAILED, PartState.CANCELLED)]


@dataclass(frozen=True)
class Carried:
    """A file of an order that has, had or will have a day of a premise in it."""

    order_number: int
    duns: str
    report: str
    format: str
    version: str
    #: The day of the daily posting that it was part of (R8); None: somebody asked for it.
    posting_day: date | None
    part: int
    file_name: str
    state: str
    #: What the file holds is what the store had as of this load.
    as_of_load: int
    published_at: datetime | None
    #: ``carried``; ``missing``: planned, but the store did not have the day, the exceptions file says so; ``planned``.
    outcome: Literal["carried", "missing", "planned"]


def files_with(connection: Connection, *, premise_id: int, day: date) -> Iterator[Carried]:
    """Yield the data files with a day of a premise, by order and part.

    Reads the plan of every part of orders whose days include *day*: about a second for a million ESI IDs planned.
    """
    parts = connection.execute(
        select(
            order_part,
            report_order.c.duns,
            report_order.c.report,
            report_order.c.format,
            report_order.c.version,
            report_order.c.posting_day,
            report_order.c.as_of_load,
        )
        .join(report_order, report_order.c.number == order_part.c.order_number)
        .where(
            order_part.c.kind == "data",
            order_part.c.state.in_(_MEANT),
            # a part's own days are those that it holds; what it was to hold lies within its order's
            report_order.c.first_day <= day,
            report_order.c.last_day >= day,
        )
        .order_by(order_part.c.order_number, order_part.c.part),
        execution_options={"yield_per": 20},
    )
    number = day_number(day)
    for row in parts:
        slices = unpack_slices(row.slices)
        rows = slices.rows
        mine = (rows["premise_id"] == premise_id) & (rows["first_day"] <= number) & (rows["last_day"] >= number)
        if not mine.any():
            continue
        outcome: Literal["carried", "missing", "planned"] = "carried"
        if row.state not in (PartState.PUBLISHED.value, PartState.EXPIRED.value):
            outcome = "planned"
        elif row.missing:
            esiids = {slices.esiids[n] for n in rows["esiid"][mine].tolist()}
            missing = unpack_exceptions(row.missing)
            left_out = (missing.rows["first_day"] <= number) & (missing.rows["last_day"] >= number)
            if any(missing.esiids[n] in esiids for n in missing.rows["esiid"][left_out].tolist()):
                outcome = "missing"
        yield Carried(
            order_number=row.order_number,
            duns=row.duns,
            report=row.report,
            format=row.format,
            version=row.version,
            posting_day=row.posting_day,
            part=row.part,
            file_name=row.file_name,
            state=row.state,
            as_of_load=row.as_of_load,
            published_at=row.published_at,
            outcome=outcome,
        )


@dataclass(frozen=True)
class Answered:
    """An answer given at once, in the SOAP response (R9), whose range of days had the day in it."""

    at: datetime
    #: ``company:ID``
    actor: str
    report: str
    format: str
    days_delivered: int
    days_excepted: int


def answers_with(connection: Connection, *, premise_id: int, day: date) -> Iterator[Answered]:
    """Yield the answers about a premise whose days include *day*, oldest first, out of the audit log.

    The log says how many days of the range were delivered, not which. Reads all of it: it is not indexed for this.
    """
    lines = connection.execute(
        select(audit_log.c.at, audit_log.c.actor, audit_log.c.details)
        .where(audit_log.c.object == f"premise:{premise_id}", audit_log.c.event == audit.Event.USAGE_ANSWERED.value)
        .order_by(audit_log.c.id)
    )
    for at, actor, details in lines:
        if details["first_day"] <= day.isoformat() <= details["last_day"]:
            delivered, excepted = details["days_delivered"], details["days_excepted"]
            yield Answered(at, actor, details["report"], details["format"], delivered, excepted)
