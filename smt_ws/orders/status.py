"""How orders stand: one by its number, or a page of them. A company sees its own only (R6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, case, func, select

from smt_ws.clock import CENTRAL, Clock
from smt_ws.orders.errors import OrderUnknownError
from smt_ws.orders.finish import all_exceptions, delivered_so_far
from smt_ws.orders.place import DATA
from smt_ws.orders.renderers import RENDERERS
from smt_ws.orders.rules import FINISHED_PARTS, LARGEST_NUMBER, PartState, Status
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.rules import REASONS, Reason
from smt_ws.store import audit

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller

__all__ = [
    "PAGE",
    "ExceptionCount",
    "OrderFile",
    "OrderList",
    "OrderStatus",
    "OrderSummary",
    "get_status",
    "list_requests",
    "note_listed",
    "note_seen",
    "order_summary",
]

_RUNNING = frozenset({Status.PENDING, Status.IN_PROGRESS})
#: Orders on a page of the list.
PAGE = 200


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """How an order stands. Days are ESI-ID-days; once it is complete, asked = delivered + excepted."""

    order_number: int
    service_type: str
    status: Status
    report_name: str
    report_format: str
    delivery_mode: str
    first_day: date
    last_day: date
    days_asked: int
    days_delivered: int
    days_excepted: int
    parts_done: int
    parts_total: int
    esiids_done: int
    esiids_total: int
    submitted_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None
    #: The order holds the store as of this load number (R13).
    load_mark: int
    #: Of the request that placed it, or what a daily posting or a report that a customer agreed to was made for.
    trans_id: str
    version: str
    reading_type: str
    failure: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in _RUNNING


@dataclass(frozen=True, slots=True)
class OrderFile:
    """A file of an order; sizes and hash are those of the delivered file, known once it is published."""

    name: str
    kind: str
    state: PartState
    size: int | None
    sha256: str | None
    records: int | None
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class ExceptionCount:
    """ESI-ID-days that are not delivered, by reason."""

    code: str
    days: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """One order whole."""

    order: OrderSummary
    files: Sequence[OrderFile]
    exceptions: Sequence[ExceptionCount]


@dataclass(frozen=True, slots=True)
class OrderList:
    """One page of orders, newest first."""

    orders: Sequence[OrderSummary]
    more: bool


def get_status(connection: Connection, caller: Caller, order_number: int) -> OrderStatus:
    """Tell how one of the caller's orders stands, with its files and what it does not deliver as far as known.

    Raises `OrderUnknownError`, for an order that does not exist and for another company's alike.
    """
    mine = (report_order.c.number == order_number, report_order.c.company_id == caller.company_id)
    if (
        order_number > LARGEST_NUMBER
        or (found := connection.execute(select(report_order).where(*mine)).first()) is None
    ):
        raise OrderUnknownError(presented=str(order_number))
    parts = connection.execute(
        select(order_part).where(order_part.c.order_number == order_number).order_by(order_part.c.part)
    ).all()
    exceptions = all_exceptions(connection, order_number)
    summary = _so_far(connection, found, exceptions.days)
    return OrderStatus(
        order=summary,
        files=[
            OrderFile(
                name=part.file_name,
                kind=part.kind,
                state=PartState(part.state),
                size=part.size,
                sha256=part.sha256,
                records=part.records,
                first_day=part.first_day,
                last_day=part.last_day,
            )
            for part in parts
            if part.state != PartState.EMPTY.value
        ],
        exceptions=[
            ExceptionCount(code, days, REASONS[Reason(code)]) for code, days in sorted(exceptions.by_code().items())
        ],
    )


def order_summary(connection: Connection, order_number: int) -> OrderSummary:
    """Tell an operator how any company's order stands. Raises `OrderUnknownError`."""
    found = connection.execute(select(report_order).where(report_order.c.number == order_number)).first()
    if found is None:
        raise OrderUnknownError(f"there is no order {order_number}; see `smt-ws order list`")
    return _so_far(connection, found, all_exceptions(connection, order_number).days)


def _so_far(connection: Connection, order: Any, excepted: int) -> OrderSummary:
    # Totals are written when the order is done; until then they are counted.
    (summary,) = _summaries(connection, [order])
    if summary.ended:
        return summary
    return replace(summary, days_delivered=delivered_so_far(connection, order.number), days_excepted=excepted)


def list_requests(
    connection: Connection,
    caller: Caller,
    *,
    from_day: date,
    to_day: date,
    status: Status | None = None,
    service_type: str | None = None,
    page: int = 1,
) -> OrderList:
    """List the caller's orders that were accepted from *from_day* to *to_day* (US/Central), newest first, by pages."""
    order = report_order.c
    conditions = [
        order.company_id == caller.company_id,
        order.accepted_at >= _midnight(from_day),
        order.accepted_at < _midnight(to_day + timedelta(days=1)),
    ]
    if status is not None:
        conditions.append(order.status == status.value)
    if service_type is not None:
        conditions.append(order.service_type == service_type)
    rows = connection.execute(
        select(report_order)
        .where(*conditions)
        .order_by(order.accepted_at.desc(), order.number.desc())
        .offset((page - 1) * PAGE)
        .limit(PAGE + 1)
    ).all()
    return OrderList(_summaries(connection, rows[:PAGE]), more=len(rows) > PAGE)


def note_seen(connection: Connection, caller: Caller, found: OrderStatus, *, clock: Clock, address: str | None) -> None:
    """Note in the audit log that *caller* was told of an order that has ended: its files, what was not there (P7).

    Of an order of one ESI ID that says whether there is usage. What is told before the end is progress, which clients
    ask for every few seconds: that is no line, the acceptance has one. Apart from the question, which is a snapshot.
    """
    order = found.order
    audit.record(
        connection,
        audit.Event.ORDER_SEEN,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        object=f"order:{order.order_number}",
        details={"status": order.status.value, "files": len(found.files), "days_excepted": order.days_excepted},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )


def note_listed(connection: Connection, caller: Caller, found: OrderList, *, clock: Clock, address: str | None) -> None:
    """Note in the audit log that *caller* was told the figures of so many of its orders (P7)."""
    audit.record(
        connection,
        audit.Event.ORDERS_LISTED,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        details={"orders": len(found.orders)},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=CENTRAL)


def _summaries(connection: Connection, rows: Sequence[Any]) -> list[OrderSummary]:
    part = order_part.c
    done = part.state.in_([state.value for state in FINISHED_PARTS])
    is_data = part.kind == DATA
    progress = {
        row.order_number: row
        for row in connection.execute(
            select(
                part.order_number,
                func.count().label("parts"),
                func.count().filter(done).label("done"),
                func.sum(case((is_data, part.esiids), else_=0)).label("esiids"),
                func.sum(case((is_data & done, part.esiids), else_=0)).label("esiids_done"),
            )
            .where(part.order_number.in_([row.number for row in rows]))
            .group_by(part.order_number)
        )
    }
    return [_summary(row, progress[row.number]) for row in rows]


def _summary(row: Any, progress: Any) -> OrderSummary:
    # An ESI ID that is in no part was refused at acceptance: done from the first.
    left = max(0, progress.esiids - progress.esiids_done)
    return OrderSummary(
        order_number=row.number,
        service_type=row.service_type,
        status=Status(row.status),
        report_name=RENDERERS[row.report, row.format].report_name,
        report_format=row.format,
        delivery_mode=row.delivery_mode,
        first_day=row.first_day,
        last_day=row.last_day,
        days_asked=row.days_asked,
        days_delivered=row.days_delivered,
        days_excepted=row.days_excepted,
        parts_done=progress.done,
        parts_total=progress.parts,
        esiids_done=max(0, row.esiids_asked - left),
        esiids_total=row.esiids_asked,
        submitted_at=row.accepted_at,
        completed_at=row.completed_at,
        expires_at=row.expires_at,
        load_mark=row.as_of_load,
        trans_id=row.trans_id,
        version=row.version,
        reading_type=row.reading_type,
        failure=row.failure,
    )
