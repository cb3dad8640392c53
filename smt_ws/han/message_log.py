"""The HAN message log with exactly the columns of 004 (H6): by pages, and as rows for a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Date, Select, func, literal, select

from adapters.central_day import midnight_utc
from smt_ws.clock import CENTRAL, Clock
from smt_ws.han.errors import LogRangeError
from smt_ws.han.stays import moved_in, of_this_stay, sees_earlier_stays
from smt_ws.han.tables import han_message, han_message_status, han_message_target
from smt_ws.parties.tables import premise
from smt_ws.store import audit

if TYPE_CHECKING:
    from smt_ws.han.terms import Terms
    from smt_ws.parties.identify import Caller

__all__ = ["COLUMNS", "PAGE", "LogPage", "LogRange", "LogRow", "checked_range", "log_page", "log_rows", "read_days"]

#: Rows on a page.
PAGE = 1000

#: The columns of 004, in its order.
COLUMNS = (
    "TDSPDUNSNumber",
    "MessageDate",
    "RequestID",
    "MessageCancellationID",
    "MessageStatusID",
    "ESIID",
    "MeterSerialNumber",
    "DeviceMACAddr",
    "EventCategoryID",
    "StatusCode",
    "StatusDesc",
    "StatusTimestamp",
)


class LogRow(NamedTuple):
    """One status, its values in the order of `COLUMNS`; empty: not known at that level, or not a cancellation."""

    tdsp_duns: str
    message_date: datetime
    request_id: int
    cancellation_id: int | None
    status_id: int
    esiid: str
    meter_number: str
    eui64: str | None
    category: str
    code: str
    description: str
    status_at: datetime


@dataclass(frozen=True, slots=True)
class LogRange:
    """Which rows: of messages sent from *first* to *last* (US/Central, both included), or of one message or premise."""

    first: date
    last: date
    request_id: int | None = None
    esiid: str | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of the log, in the order in which the statuses were received."""

    rows: Sequence[LogRow]
    more: bool


def read_days(first: str, last: str) -> tuple[date, date]:
    """Two days written MM/DD/YYYY. Raises `LogRangeError`."""
    try:
        days = [date(int(text[6:]), int(text[:2]), int(text[3:5])) for text in (first, last)]
    except ValueError as error:
        raise LogRangeError(presented=f"{first} to {last}", expected="real days, written MM/DD/YYYY") from error
    return days[0], days[1]


def checked_range(wanted: LogRange, *, terms: Terms) -> LogRange:
    """Return *wanted*. Raises `LogRangeError`."""
    days = (wanted.last - wanted.first).days + 1
    if not 1 <= days <= terms.han.log_days:
        presented = f"{wanted.first:%m/%d/%Y} to {wanted.last:%m/%d/%Y}"
        raise LogRangeError(presented=presented, expected=f"1 to {terms.han.log_days} days, the first one first")
    return wanted


def log_page(
    connection: Connection,
    caller: Caller,
    wanted: LogRange,
    *,
    page: int = 1,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
) -> LogPage:
    """A page of the log of the company's own messages; a TDSP sees those to its own meters. Raises `LogRangeError`.

    Messages from before today's occupant moved in are left out, so a page may be shorter than `PAGE` (A31).
    """
    checked_range(wanted, terms=terms)
    question = _question(caller.company_id, caller.kind, caller.duns_numbers, wanted, clock.now())
    rows = connection.execute(question.offset((page - 1) * PAGE).limit(PAGE + 1)).all()
    audit.record(
        connection,
        audit.Event.MESSAGE_LOG_SHOWN,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        details={"first_day": wanted.first.isoformat(), "last_day": wanted.last.isoformat(), "page": page},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return LogPage([_row(row) for row in rows[:PAGE] if _told(row)], more=len(rows) > PAGE)


def log_rows(
    connection: Connection,
    *,
    company_id: int,
    kind: str,
    duns_numbers: Sequence[str],
    wanted: LogRange,
    through: int,
    now: datetime,
) -> Iterator[LogRow]:
    """All rows up to the status *through* that may be told *now* (A31), read a piece at a time."""
    question = _question(company_id, kind, duns_numbers, wanted, now).where(han_message_status.c.id <= through)
    question = question.execution_options(yield_per=PAGE)
    for row in connection.execute(question):
        if _told(row):
            yield _row(row)


def _question(company_id: int, kind: str, duns_numbers: Sequence[str], wanted: LogRange, now: datetime) -> Select[Any]:
    message, target, status = han_message.c, han_message_target.c, han_message_status.c
    moved = literal(None, Date) if sees_earlier_stays(kind) else moved_in(target.premise_id, now=now)
    conditions = [
        message.accepted_at >= _midnight(wanted.first),
        message.accepted_at < _midnight(wanted.last + timedelta(days=1)),
        target.tdsp_duns.in_(list(duns_numbers)) if kind == "TDSP" else message.company_id == company_id,
    ]
    if wanted.request_id is not None:
        conditions.append(
            (message.number == wanted.request_id)
            | (message.original == wanted.request_id)
            | (message.part_of == wanted.request_id)
        )
    if wanted.esiid is not None:
        conditions.append(premise.c.esiid == wanted.esiid)
    return (
        select(
            target.tdsp_duns,
            message.accepted_at,
            func.coalesce(message.original, message.number).label("request_id"),
            message.number,
            message.original,
            message.part_of,
            status.id,
            premise.c.esiid,
            target.meter_number,
            status.eui64,
            message.category,
            status.code,
            status.description,
            status.status_at,
            moved.label("moved_in"),
        )
        .select_from(han_message_status)
        .join(han_message, message.number == status.message_number)
        .join(
            han_message_target,
            (target.premise_id == status.premise_id) & (target.message_number == status.message_number),
        )
        .join(premise, premise.c.id == status.premise_id)
        .where(*conditions)
        .order_by(status.id)
    )


def _told(row: Any) -> bool:
    return row.moved_in is None or of_this_stay([row.accepted_at], midnight_utc(row.moved_in))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CENTRAL)


def _row(row: Any) -> LogRow:
    return LogRow(
        tdsp_duns=row.tdsp_duns,
        message_date=row.accepted_at,
        request_id=row.request_id,
        # what was cancelled as one of all has the id of that request, which is the one its sender knows
        cancellation_id=None if row.original is None else row.part_of or row.number,
        status_id=row.id,
        esiid=row.esiid,
        meter_number=row.meter_number,
        eui64=row.eui64 or None,
        category="CAL" if row.part_of is not None else row.category,
        code=row.code,
        description=row.description,
        status_at=row.status_at,
    )
