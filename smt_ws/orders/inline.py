"""A small request answered at once: the report of one ESI ID, without an order (R9).

It is made as the file of an order is made, by the same rules of who may see what, and audited.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import select

from adapters.deflate_code import plain_of
from smt_ws.hub import Hub
from smt_ws.orders import plan, rules
from smt_ws.orders.content import Wanted, data_content
from smt_ws.orders.errors import DaysDoNotAddUpError
from smt_ws.orders.place import UsageRequest, checked_days, slices_of
from smt_ws.orders.remarks import remark_sentence
from smt_ws.orders.renderers import RENDERERS, Issue
from smt_ws.parties.access import authorise
from smt_ws.parties.record_parties import RecordParties
from smt_ws.parties.rules import REASON_CODES, REASONS, Reason
from smt_ws.parties.stated_reason import required_reason
from smt_ws.parties.tables import company
from smt_ws.store import audit
from smt_ws.usage.loads import snapshot

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller

__all__ = ["InlineException", "InlineRemark", "InlineReport", "answer_inline"]


@dataclass(frozen=True, slots=True)
class InlineException:
    """Operating days, both included, that are not in the report, and why."""

    first: date
    last: date
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class InlineRemark:
    """What must be known of operating days, both included, that are in the report: a row of an order's remarks file."""

    first: date
    last: date
    channel: int
    code: str
    remark: str


@dataclass(frozen=True, slots=True)
class InlineReport:
    """A report of one ESI ID; days asked are days delivered and days excepted."""

    name: str
    content: bytes
    records: int
    days_asked: int
    days_delivered: int
    days_excepted: int
    exceptions: Sequence[InlineException]
    remarks: Sequence[InlineRemark]
    #: True where nothing of the ESI ID may be seen.
    refused: bool


def answer_inline(hub: Hub, caller: Caller, request: UsageRequest, *, address: str | None = None) -> InlineReport:
    """Make the report that *request*, with deliveryMode API, asks for.

    Where nothing can be shown the content is empty, or the header alone in CSV, and the exceptions say why. Raises the
    request errors of `smt_ws.orders.errors`, `TooLargeForAnswerError` among them, `StatedReasonMissingError`, and
    `SettingsError` where Green Button is not set up.
    """
    now = hub.clock.now()
    first_day, last_day = checked_days(caller, request, limits=hub.settings.limits, clock=hub.clock)
    reason = required_reason(caller.kind, request.reason)
    renderer = RENDERERS[request.report, request.report_format]
    with hub.store.read() as connection:
        profile: str = connection.execute(
            select(company.c.csv_profile).where(company.c.id == caller.company_id)
        ).scalar_one()
        access = authorise(
            connection,
            company_id=caller.company_id,
            kind=caller.kind,
            duns_numbers=caller.duns_numbers,
            esiids=request.esiids,
            first_day=first_day,
            last_day=last_day,
            now=now,
            allow_test_esiids=hub.settings.allow_test_esiids,
            stated_reason=reason,
        )
        wanted = Wanted(
            report=request.report,
            slices=slices_of(request.esiids, access),
            reading_type=request.reading_type,
            version=request.version,
            as_of_load=snapshot(connection),
            after_load=None,
            accepted_at=now,
        )

        def issue(premise_ids: Sequence[int]) -> Issue:
            return Issue(
                csv_profile=profile,
                made_at=now,
                receiver=caller.duns,
                parties=RecordParties(
                    connection,
                    premise_ids=premise_ids,
                    company_id=caller.company_id,
                    as_of_load=wanted.as_of_load,
                    accepted_at=now,
                ),
                green_button=hub.settings.green_button,
            )

        content = data_content(connection, wanted, renderer, issue, hub.settings.limits)
        plain = b"".join(map(plain_of, content.chunks))
    refused = plan.compact(request.esiids, access.refusals, REASON_CODES)
    exceptions = plan.merge([refused] if content.missing is None else [refused, content.missing])
    days_asked = len(request.esiids) * ((last_day - first_day).days + 1)
    if days_asked != content.days_delivered + exceptions.days:
        raise DaysDoNotAddUpError(
            expected=f"{days_asked} asked", presented=f"{content.days_delivered} delivered, {exceptions.days} excepted"
        )
    report = InlineReport(
        name=rules.member_name(renderer.report_name, now, secrets.token_hex(16), request.report_format),
        content=plain,
        records=content.records,
        days_asked=days_asked,
        days_delivered=content.days_delivered,
        days_excepted=exceptions.days,
        exceptions=[_exception(exceptions, row) for row in exceptions.rows.tolist()],
        remarks=[] if content.remarks is None else _remarks(plan.unpack_remarks(content.remarks)),
        refused=not len(access.slices),
    )
    with hub.store.write() as connection:
        audit.record(
            connection,
            audit.Event.USAGE_ANSWERED,
            actor=f"company:{caller.company_id}",
            at=now,
            object=f"premise:{access.slices['premise_id'][0]}" if len(access.slices) else "",
            details={
                "report": request.report,
                "format": request.report_format,
                "first_day": first_day.isoformat(),
                "last_day": last_day.isoformat(),
                "days_delivered": report.days_delivered,
                "days_excepted": report.days_excepted,
            }
            | ({"reason": reason} if reason else {}),
            certificate_sha256=caller.tls_sha256,
            address=address,
        )
    return report


def _exception(exceptions: plan.Exceptions, row: tuple[int, int, int, int]) -> InlineException:
    _, first, last, number = row
    code = exceptions.codes[number]
    return InlineException(plan.day_of(first), plan.day_of(last), code, REASONS[Reason(code)])


def _remarks(remarks: plan.Remarks) -> list[InlineRemark]:
    return [
        InlineRemark(
            plan.day_of(first),
            plan.day_of(last),
            channel,
            remarks.codes[code],
            remark_sentence(remarks.codes[code], billed_wh, measured_wh),
        )
        for _, first, last, channel, code, billed_wh, measured_wh in remarks.rows.tolist()
    ]
