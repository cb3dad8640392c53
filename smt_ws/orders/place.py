"""Accepting an order: everything that will be published for it is planned in the transaction that accepts it (R3).

The caller brings the transaction (`smt_ws.store.idempotency.answer_once`), so that the order, its parts, the audit
line and the remembered answer are one commit: an order number that was answered is an order that will be done.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, insert, select

from smt_ws.clock import Clock, central_today, real_now
from smt_ws.orders import errors, plan, rules
from smt_ws.orders.allowance import confirm_allowance, require_allowance
from smt_ws.orders.renderers import INTERVAL, MONTHLY, RENDERERS, formats_of, versioned_formats_of
from smt_ws.orders.rules import PartState, Status
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.access import Access, authorise
from smt_ws.parties.rules import ENERGY_DATA, REASON_CODES, REPORT
from smt_ws.parties.stated_reason import required_reason
from smt_ws.parties.tables import company
from smt_ws.store import audit
from smt_ws.usage.loads import snapshot
from smt_ws.usage.read import CHANNELS

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller
    from smt_ws.settings import Limits

__all__ = [
    "DATA",
    "EXCEPTIONS",
    "MANIFEST",
    "REMARKS",
    "Placed",
    "UsageRequest",
    "checked_days",
    "place_order",
    "slices_of",
]

#: Kinds of part: exceptions and remarks wait for all data, the manifest for all of them.
DATA, EXCEPTIONS, REMARKS, MANIFEST = "data", "exceptions", "remarks", "manifest"
#: Days of the longest history of bills (R4) that there can be in a request: 24 months, with a leap day.
_LONGEST_BILLS = 732


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """A request for usage data as it came: dates are MM/DD/YYYY, operating days, both included."""

    trans_id: str
    requestor_id: str
    start_date: str
    end_date: str
    report_format: str
    esiids: Sequence[str]
    version: str = "L"
    reading_type: str = "A"
    delivery_mode: str = "FTP"
    #: A report of `smt_ws.orders.renderers`.
    report: str = INTERVAL
    #: Why it is made: demanded of a regulator (R20).
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An accepted order. *esiids_refused* of *esiids_asked* are for the exceptions file alone."""

    order_number: int
    esiids_asked: int
    esiids_refused: int


def checked_days(caller: Caller, request: UsageRequest, *, limits: Limits, clock: Clock) -> tuple[date, date]:
    """Return the first and the last operating day of a request that is good; raise what is wrong with it (R3, R4, R9).

    Raises the request errors of `smt_ws.orders.errors`.
    """
    report = request.report
    months = limits.history_months_market if caller.kind in rules.MARKET_KINDS else limits.history_months_others
    if report == MONTHLY:
        months = limits.history_months_bills
    checked = rules.check_request(
        start_date=request.start_date,
        end_date=request.end_date,
        version=request.version,
        reading_type=request.reading_type,
        report_format=request.report_format,
        delivery_mode=request.delivery_mode,
        esiids=len(request.esiids),
        today=central_today(clock),
        most_esiids=limits.esiids_per_request,
        months=months,
        inline_days=getattr(limits, f"inline_days_{report}"),
        formats=formats_of(report),
        versioned_formats=versioned_formats_of(report),
    )
    if isinstance(checked, rules.Refusal):
        raise errors.refused(
            checked.code, element=checked.element, presented=checked.presented, expected=checked.expected
        )
    return checked


def place_order(
    connection: Connection,
    caller: Caller,
    request: UsageRequest,
    *,
    limits: Limits,
    clock: Clock,
    allow_test_esiids: bool = False,
    address: str | None = None,
    agreement: str | None = None,
) -> Placed:
    """Accept a request for usage data and plan its files; the order begins to exist with the caller's commit.

    What may be seen is decided now, for each ESI ID and day (R5), and read as of the newest whole load (the
    snapshot), however long the order takes. An order of which nothing may be seen is accepted like any other: its
    exceptions file says why. *agreement*: the one-time agreement whose report this is (A11).

    Raises the request errors of `smt_ws.orders.errors` (limits: R3, R4), `StatedReasonMissingError`,
    `OrdersPerDayError`, `OpenEsiidsError` and `OpenPgpCertificateMissingError`. A request with deliveryMode API is for
    `smt_ws.orders.inline`.
    """
    assert request.delivery_mode != "API"
    now = clock.now()
    first_day, last_day = checked_days(caller, request, limits=limits, clock=clock)
    reason = required_reason(caller.kind, request.reason)
    asked = len(request.esiids)
    near = require_allowance(connection, caller.company_id, esiids=asked, limits=limits, clock=clock)
    profile = _csv_profile(connection, caller.company_id)
    access = authorise(
        connection,
        company_id=caller.company_id,
        kind=caller.kind,
        duns_numbers=caller.duns_numbers,
        esiids=request.esiids,
        first_day=first_day,
        last_day=last_day,
        now=now,
        allow_test_esiids=allow_test_esiids,
        stated_reason=reason,
        scopes=(ENERGY_DATA,) if agreement is None else (ENERGY_DATA, REPORT),
    )
    days_asked = len(request.esiids) * ((last_day - first_day).days + 1)
    if access.days_allowed + access.days_refused != days_asked:
        raise errors.DaysDoNotAddUpError(
            expected=f"{days_asked} asked", presented=f"{access.days_allowed} allowed, {access.days_refused} refused"
        )
    number = _insert_order(
        connection,
        company_id=caller.company_id,
        duns=caller.duns,
        trans_id=request.trans_id,
        requestor_id=request.requestor_id,
        report=request.report,
        format=request.report_format,
        csv_profile=profile,
        version=request.version,
        reading_type=request.reading_type,
        delivery_mode=request.delivery_mode,
        first_day=first_day,
        last_day=last_day,
        as_of_load=snapshot(connection),
        status=Status.PENDING.value,
        esiids_asked=len(request.esiids),
        days_asked=days_asked,
        exceptions=plan.pack_exceptions(plan.compact(request.esiids, access.refusals, REASON_CODES)),
        accepted_at=now,
        agreement=agreement,
    )
    parts = _planned_parts(
        request, access, first_day=first_day, last_day=last_day, duns=caller.duns, now=now, most=limits.days_per_part
    )
    shared = {"order_number": number, "company_id": caller.company_id, "planned_at": now, "not_before": real_now()}
    connection.execute(insert(order_part), [shared | part for part in parts])
    # The slices are in the order of the request.
    served = int(np.count_nonzero(np.diff(access.slices["esiid"], prepend=-1)))
    audit.record(
        connection,
        audit.Event.ORDER_ACCEPTED,
        actor=f"company:{caller.company_id}",
        at=now,
        object=f"order:{number}",
        details={
            "report": request.report,
            "format": request.report_format,
            "first_day": first_day.isoformat(),
            "last_day": last_day.isoformat(),
            "esiids": len(request.esiids),
            "esiids_refused": len(request.esiids) - served,
            "parts": len(parts),
        }
        | ({"reason": reason} if reason else {}),
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    if near:
        confirm_allowance(connection, caller.company_id, esiids=asked, limits=limits, clock=clock)
    return Placed(number, len(request.esiids), len(request.esiids) - served)


def _csv_profile(connection: Connection, company_id: int) -> str:
    row = connection.execute(
        select(company.c.csv_profile, company.c.openpgp_certificate.is_not(None).label("can_receive")).where(
            company.c.id == company_id
        )
    ).one()
    if not row.can_receive:
        raise errors.OpenPgpCertificateMissingError
    profile: str = row.csv_profile
    return profile


def _insert_order(connection: Connection, **values: Any) -> int:
    inserted = connection.execute(insert(report_order).values(**values)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def _planned_parts(
    request: UsageRequest,
    access: Access,
    *,
    first_day: date,
    last_day: date,
    duns: str,
    now: datetime,
    most: int,
) -> list[dict[str, Any]]:
    renderer = RENDERERS[request.report, request.report_format]
    channels = len(CHANNELS[request.reading_type])
    if request.report == MONTHLY:
        # A billing period must not be cut: an ESI ID's whole history goes into one file.
        most = max(most, _LONGEST_BILLS)
    parts = plan.cut(
        slices_of(request.esiids, access), most=most, records_per_day=channels if renderer.record_a_channel else 1
    )
    rows = [
        _part(
            kind=DATA,
            stage=0,
            member=(renderer.report_name, request.report_format),
            slices=plan.pack_slices(part),
            days_planned=part.days,
            esiids=len(part.esiids),
            first_day=plan.day_of(part.rows["first_day"].min()),
            last_day=plan.day_of(part.rows["last_day"].max()),
        )
        for part in parts
    ]
    whole = {"slices": b"", "days_planned": 0, "esiids": 0, "first_day": first_day, "last_day": last_day}
    rows.append(_part(kind=EXCEPTIONS, stage=1, member=("Exceptions", "CSV"), **whole))
    rows.append(_part(kind=REMARKS, stage=1, member=("Remarks", "CSV"), **whole))
    rows.append(_part(kind=MANIFEST, stage=2, member=("Manifest", "JSON"), **whole))
    for position, row in enumerate(rows, start=1):
        report_name, suffix = row.pop("member")
        member = rules.member_name(report_name, now, secrets.token_hex(16), suffix)
        row |= {"part": position, "file_name": rules.file_name(member, duns)}
    return rows


def _part(**values: Any) -> dict[str, Any]:
    return {"state": PartState.PLANNED.value, **values}


def slices_of(esiids: Sequence[str], access: Access) -> plan.Slices:
    """What *access* lets be seen of *esiids*, as slices of a plan."""
    rows = np.empty(len(access.slices), plan.SLICE)
    rows["esiid"], rows["premise_id"] = access.slices["esiid"], access.slices["premise_id"]
    rows["first_day"] = access.slices["first_day"].astype("<i8")
    rows["last_day"] = access.slices["last_day"].astype("<i8")
    return plan.Slices(esiids, np.arange(len(esiids), dtype=np.uint32), rows)
