"""Rules of ad-hoc orders as plain tables and functions: states, request checks, sizes of files, names of files.

Days are operating days (US/Central, both ends of a range included). Sources: requirements R3, R4, R6, R7;
interfaces, section 2 (names, parts).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = [
    "COMPLETED",
    "DELIVERY_MODES",
    "FINISHED_PARTS",
    "LARGEST_NUMBER",
    "MARKET_KINDS",
    "ORDER_MOVES",
    "PART_MOVES",
    "READING_TYPES",
    "PartState",
    "Refusal",
    "Stage",
    "Status",
    "check_request",
    "completed_status",
    "file_name",
    "first_day_kept",
    "may_move",
    "member_name",
    "member_of",
    "read_date",
    "turns",
]

_CENTRAL = ZoneInfo("America/Chicago")


class Status(StrEnum):
    """How an order stands (R6). The value is stored and shown; the name (upper case) is the code on the wire."""

    PENDING = "Pending"
    IN_PROGRESS = "In Progress"
    COMPLETE = "Complete"
    COMPLETE_WITH_EXCEPTIONS = "Complete with exceptions"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"


class PartState(StrEnum):
    """How one file of an order stands."""

    PLANNED = "planned"
    BUILDING = "building"
    PUBLISHED = "published"
    EMPTY = "empty"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


#: From each status to those that may follow. Failed, Cancelled and Expired are final.
ORDER_MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.PENDING: frozenset({Status.IN_PROGRESS, Status.FAILED, Status.CANCELLED}),
        Status.IN_PROGRESS: frozenset(
            {Status.COMPLETE, Status.COMPLETE_WITH_EXCEPTIONS, Status.FAILED, Status.CANCELLED}
        ),
        Status.COMPLETE: frozenset({Status.EXPIRED}),
        Status.COMPLETE_WITH_EXCEPTIONS: frozenset({Status.EXPIRED}),
        Status.FAILED: frozenset(),
        Status.CANCELLED: frozenset(),
        Status.EXPIRED: frozenset(),
    }
)

#: From each part state to those that may follow. Building again is a new claim after a worker was lost; back to
#: planned is a release or a failed try; failed and cancelled go together with the order's other open parts.
PART_MOVES: Mapping[PartState, frozenset[PartState]] = MappingProxyType(
    {
        PartState.PLANNED: frozenset({PartState.BUILDING, PartState.CANCELLED}),
        PartState.BUILDING: frozenset(
            {
                PartState.BUILDING,
                PartState.PLANNED,
                PartState.PUBLISHED,
                PartState.EMPTY,
                PartState.FAILED,
                PartState.CANCELLED,
            }
        ),
        PartState.PUBLISHED: frozenset({PartState.EXPIRED}),
        PartState.EMPTY: frozenset(),
        PartState.FAILED: frozenset(),
        PartState.CANCELLED: frozenset(),
        PartState.EXPIRED: frozenset(),
    }
)

COMPLETED = frozenset({Status.COMPLETE, Status.COMPLETE_WITH_EXCEPTIONS})
FINISHED_PARTS = frozenset({PartState.PUBLISHED, PartState.EMPTY, PartState.EXPIRED})

#: The largest order number that a store can hold; whatever is beyond it is nobody's order.
LARGEST_NUMBER = 2**63 - 1

#: Consumption, surplus generation, both (U9).
READING_TYPES = ("C", "G", "A")
VERSIONS = ("L", "A")
#: How results may be delivered: into the folder on the FTPS site, by e-mail too, or in the answer itself (R9, R10).
DELIVERY_MODES = ("FTP", "EML", "API")
#: Company kinds with the longer, market history (R4).
MARKET_KINDS = frozenset({"REP", "TDSP"})


def may_move(before: Status | PartState, after: Status | PartState) -> bool:
    """Tell whether an order's status, or a part's state, may change from *before* to *after*."""
    if isinstance(before, Status):
        return isinstance(after, Status) and after in ORDER_MOVES[before]
    return isinstance(after, PartState) and after in PART_MOVES[before]


def completed_status(days_excepted: int) -> Status:
    """Return the status of an order all of whose parts are done."""
    return Status.COMPLETE_WITH_EXCEPTIONS if days_excepted else Status.COMPLETE


class Stage(NamedTuple):
    """One stage of an open order, as a worker that looks for something to do sees it."""

    order_number: int
    stage: int
    company_id: int
    days_asked: int
    #: The latest lease on any of its parts; none: it has never been served.
    served: datetime | None
    #: Parts not finished, and how many of them nobody is working on.
    open: int
    claimable: int
    #: Since when one of its parts could be built, in real time as *served* is.
    planned: datetime | None = None


#: An order of which nothing has been in hand for so long goes before its company's smaller ones.
LONGEST_WAIT = timedelta(minutes=1)


def turns(stages: Iterable[Stage], *, now: datetime | None = None) -> list[tuple[int, int]]:
    """Return which order is to be served next, as (order, stage), the first first; a stage waits for those below it.

    The company served least recently comes first, so that nobody's large order makes another company wait; within a
    company the smallest order, then the oldest. So that a stream of small orders does not keep a large one of the same
    company waiting for ever, one that has waited for longer than `LONGEST_WAIT` at *now* (real time) goes before them,
    the longest waiting first.
    """
    of_order: dict[int, Stage] = {}
    served: dict[int, datetime] = {}
    waits: dict[int, datetime] = {}
    for stage in stages:
        last = stage.served or stage.planned
        if last is not None:
            waits[stage.order_number] = max(last, waits.get(stage.order_number, last))
        if stage.served is not None:
            served[stage.company_id] = max(stage.served, served.get(stage.company_id, stage.served))
        known = of_order.get(stage.order_number)
        if stage.open and (known is None or stage.stage < known.stage):
            of_order[stage.order_number] = stage
    never = datetime.min.replace(tzinfo=UTC)

    def overdue_since(order_number: int) -> datetime:
        waiting = waits.get(order_number)
        return waiting if waiting and now and now - waiting > LONGEST_WAIT else datetime.max.replace(tzinfo=UTC)

    ready = sorted(
        (
            served.get(stage.company_id, never),
            overdue_since(stage.order_number),
            stage.days_asked,
            stage.order_number,
            stage.stage,
        )
        for stage in of_order.values()
        if stage.claimable
    )
    return [(order_number, stage) for *_, order_number, stage in ready]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong with a request: the code of an error class, the element, what it held and what was expected."""

    code: str
    element: str
    presented: str
    expected: str


def read_date(text: str) -> date | None:
    """Read a day written MM/DD/YYYY exactly; None when it is anything else."""
    if len(text) != 10 or text[2] != "/" or text[5] != "/":
        return None
    month, day, year = text[:2], text[3:5], text[6:]
    if not (text.isascii() and (month + day + year).isdigit()):
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def first_day_kept(today: date, months: int) -> date:
    """Return the first operating day of a history of so many *months* (R4): the same day of the month, or its last."""
    whole = today.year * 12 + today.month - 1 - months
    year, month = whole // 12, whole % 12 + 1
    day = today.day
    while True:
        try:
            return date(year, month, day)
        except ValueError:
            day -= 1


def check_request(
    *,
    start_date: str,
    end_date: str,
    version: str,
    reading_type: str,
    report_format: str,
    delivery_mode: str,
    esiids: int,
    today: date,
    most_esiids: int,
    months: int,
    inline_days: int,
    formats: Collection[str],
    versioned_formats: Collection[str],
) -> tuple[date, date] | Refusal:
    """Check a request for usage data; return its first and last operating day, or the first thing wrong with it.

    *esiids* is how many the request names, *months* the history that the report has for the caller's kind of company
    (R4), *inline_days* how many days an answer may hold (R9), *formats* those that the report has and
    *versioned_formats* those of them that can hold all versions of a day; *today* is the operating day now. The single
    ESI IDs are not looked at here: a bad one is an exception, never a lost order (R5).
    """
    if version not in VERSIONS:
        return Refusal("VERSION_UNKNOWN", "version", version, "L or A")
    if reading_type not in READING_TYPES:
        return Refusal("READING_TYPE_UNKNOWN", "readingType", reading_type, "C, G or A")
    if report_format not in formats:
        return Refusal("FORMAT_NOT_AVAILABLE", "reportFormat", report_format, " or ".join(sorted(formats)))
    if version == "A" and report_format not in versioned_formats:
        expected = f"L, or reportFormat {' or '.join(sorted(versioned_formats))}"
        return Refusal("VERSION_NOT_IN_FORMAT", "version", f"A with reportFormat {report_format}", expected)
    if delivery_mode not in DELIVERY_MODES:
        return Refusal("DELIVERY_MODE_NOT_AVAILABLE", "deliveryMode", delivery_mode, " or ".join(DELIVERY_MODES))
    if esiids == 0:
        return Refusal("NO_ESIIDS", "esiid", "none", f"1 to {most_esiids}")
    if esiids > most_esiids:
        return Refusal("TOO_MANY_ESIIDS", "esiid", str(esiids), f"1 to {most_esiids}")
    first, last = read_date(start_date), read_date(end_date)
    if first is None:
        return Refusal("DATE_MALFORMED", "startDate", start_date[:20], "MM/DD/YYYY")
    if last is None:
        return Refusal("DATE_MALFORMED", "endDate", end_date[:20], "MM/DD/YYYY")
    if last < first:
        return Refusal("END_BEFORE_START", "endDate", end_date, f"{start_date} or later")
    if last > today:
        return Refusal("DATE_IN_FUTURE", "endDate", end_date, f"{today:%m/%d/%Y} or earlier")
    kept = first_day_kept(today, months)
    if first < kept:
        return Refusal("BEYOND_HISTORY", "startDate", start_date, f"{kept:%m/%d/%Y} or later")
    days = (last - first).days + 1
    if delivery_mode == "API" and (esiids > 1 or days > inline_days):
        return Refusal(
            "TOO_LARGE_FOR_ANSWER",
            "deliveryMode",
            f"API for {esiids} ESI IDs and {days} days",
            f"FTP or EML, or one ESI ID and at most {inline_days} days",
        )
    return first, last


def member_name(report_name: str, moment: datetime, token: str, suffix: str) -> str:
    """Name the plain file inside the zip: report, 17-digit time, 32 hex digits, format.

    *moment* is aware; the name says it in US/Central wall time to the millisecond, as the market's own files do.
    (In the repeated hour of November two moments look alike: *token*, 32 hex digits, keeps the names apart.)
    """
    local = moment.astimezone(_CENTRAL)
    return f"{report_name}{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}{token.upper()}.{suffix}"


def file_name(member: str, duns: str) -> str:
    """Name the delivered file: the *member* it holds, whose it is, and that it is armoured OpenPGP (R7)."""
    return f"{member}.{duns}.asc"


def member_of(file: str, duns: str) -> str:
    """Take `file_name` apart again: the member that the delivered *file* of *duns* holds."""
    return file.removesuffix(f".{duns}.asc")
