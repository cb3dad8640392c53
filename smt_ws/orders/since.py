"""Changes since a load mark: everything loaded or corrected after it that the requester may see, as an order (R13)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import literal, select

from smt_ws.clock import Clock, central_today
from smt_ws.orders import errors, rules
from smt_ws.orders.allowance import confirm_allowance, require_allowance
from smt_ws.orders.changes import Fresh, cut_changes, place_changes
from smt_ws.orders.renderers import INTERVAL, RENDERERS, formats_of
from smt_ws.parties.opened import opened_since
from smt_ws.parties.seen import days_seen
from smt_ws.parties.stated_reason import required_reason
from smt_ws.usage.changes import INTERVALS, ChangedDays, changed_days
from smt_ws.usage.loads import snapshot
from smt_ws.usage.opened import opened_days, without_opened
from smt_ws.usage.read import CHANNELS

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import Connection

    from smt_ws.parties.identify import Caller
    from smt_ws.settings import Limits

__all__ = ["ChangesRequest", "PlacedChanges", "request_changes"]

#: What is new is found first and is never small enough to be sure of: it comes as files.
_DELIVERY_MODES = ("EML", "FTP")


@dataclass(frozen=True, slots=True)
class ChangesRequest:
    """A request for changes as it came. *load_mark* is one that an answer or manifest gave; 0: everything."""

    trans_id: str
    requestor_id: str
    load_mark: int
    report_format: str
    reading_type: str = "A"
    delivery_mode: str = "FTP"
    #: Why it is made: demanded of a regulator (R20).
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PlacedChanges:
    """An accepted order for changes. *load_mark* is the one to name next time."""

    order_number: int
    load_mark: int
    esiids: int
    esiid_days: int


def request_changes(
    connection: Connection,
    caller: Caller,
    request: ChangesRequest,
    *,
    limits: Limits,
    clock: Clock,
    address: str | None = None,
) -> PlacedChanges:
    """Accept an order for the interval days that loads after the mark brought or corrected, or that it may see since.

    The days are those that the caller may see as of the newest whole load (R5) and that are not older than its history
    (R4). A day that a change of REP, told late, or a grant has opened since the mark is given whole, whenever it was
    loaded, in files of its own (R15). The order holds them as of that load, which is the next mark: mark after mark
    nothing is left out and nothing comes twice (R13). Where nothing is new the order has a manifest only.

    Raises `LoadMarkUnknownError`, `TooManyChangesError`, `ReadingTypeUnknownError`, `FormatNotAvailableError`,
    `DeliveryModeNotAvailableError`, `StatedReasonMissingError`, `OrdersPerDayError`, `OpenPgpCertificateMissingError`.
    """
    formats = formats_of(INTERVAL)
    for presented, known, element, code in (
        (request.reading_type, rules.READING_TYPES, "readingType", "READING_TYPE_UNKNOWN"),
        (request.report_format, formats, "reportFormat", "FORMAT_NOT_AVAILABLE"),
        (request.delivery_mode, _DELIVERY_MODES, "deliveryMode", "DELIVERY_MODE_NOT_AVAILABLE"),
    ):
        if presented not in known:
            raise errors.refused(code, element=element, presented=presented, expected=" or ".join(sorted(known)))
    reason = required_reason(caller.kind, request.reason)
    # How many ESI IDs it will hold is not yet known.
    near = require_allowance(connection, caller.company_id, esiids=0, limits=limits, clock=clock)
    as_of, now, today = snapshot(connection), clock.now(), central_today(clock)
    if request.load_mark > as_of:
        raise errors.LoadMarkUnknownError(presented=str(request.load_mark), expected=f"0 to {as_of}")
    months = limits.history_months_market if caller.kind in rules.MARKET_KINDS else limits.history_months_others
    spells = days_seen(caller.duns_numbers, kind=caller.kind, now=now, stated_reason=reason, as_of=as_of).c
    # Whichever of its numbers a premise is seen by: the order is one.
    seen = select(literal(caller.duns).label("duns"), spells.premise_id, spells.from_day, spells.to_day).subquery()
    kept = rules.first_day_kept(today, months)
    opened = _opened(connection, caller, request, as_of=as_of, now=now, first_day=kept, last_day=today, limits=limits)
    pieces = list(
        changed_days(
            connection,
            seen,
            after=request.load_mark,
            as_of=as_of,
            channels=CHANNELS[request.reading_type],
            from_day=kept,
            most=limits.changes_per_request + 1,
        )
    )
    if max(sum(map(len, pieces)), sum(map(len, opened))) > limits.changes_per_request:
        raise errors.TooManyChangesError(
            presented=f"more than {limits.changes_per_request} days of one channel since load {request.load_mark}",
            expected=f"at most {limits.changes_per_request}",
        )
    renderer = RENDERERS[INTERVAL, request.report_format]
    cut = partial(cut_changes, most=limits.days_per_part, record_a_channel=renderer.record_a_channel)
    parts = cut(without_opened(pieces, opened)) + cut(opened, opened=True)
    fresh = Fresh(
        company_id=caller.company_id,
        duns=caller.duns,
        report=INTERVAL,
        format=request.report_format,
        after_load=request.load_mark,
        as_of_load=as_of,
        trans_id=request.trans_id,
        requestor_id=request.requestor_id,
        reading_type=request.reading_type,
        delivery_mode=request.delivery_mode,
    )
    number = place_changes(
        connection,
        fresh,
        parts,
        now=now,
        actor=f"company:{caller.company_id}",
        certificate_sha256=caller.tls_sha256,
        address=address,
        reason=reason,
    )
    if near:
        confirm_allowance(connection, caller.company_id, esiids=None, limits=limits, clock=clock)
    return PlacedChanges(
        order_number=number,
        load_mark=as_of,
        esiids=sum(len(part.slices.esiids) for part in parts),
        esiid_days=sum(part.slices.days for part in parts),
    )


def _opened(
    connection: Connection,
    caller: Caller,
    request: ChangesRequest,
    *,
    as_of: int,
    now: datetime,
    first_day: date,
    last_day: date,
    limits: Limits,
) -> list[ChangedDays]:
    ranges = opened_since(
        connection,
        caller.duns_numbers,
        kind=caller.kind,
        now=now,
        after=request.load_mark,
        as_of=as_of,
        together=caller.duns,
    )
    if caller.duns not in ranges:
        return []
    return opened_days(
        connection,
        caller.duns,
        ranges[caller.duns],
        as_of=as_of,
        channels=CHANNELS[request.reading_type],
        measured=INTERVALS,
        first_day=first_day,
        last_day=last_day,
        most=limits.changes_per_request,
    )
