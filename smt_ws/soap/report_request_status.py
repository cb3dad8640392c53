"""``ReportRequestStatus``: how orders stand (R6)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.hub import Hub
from smt_ws.orders import status as orders
from smt_ws.orders.errors import DateMalformedError, StatusUnknownError
from smt_ws.orders.missing_usage import missing_usage, note_shown
from smt_ws.orders.rules import Status, read_date
from smt_ws.soap import model
from smt_ws.soap.wire import started, usa_day

__all__ = ["report_request_status"]


def report_request_status(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    class ReportRequestStatus(ServiceBase):
        @rpc(model.GetStatus, _returns=model.GetStatusResponse, _body_style="bare")
        def GetStatus(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring an operation
            call: Call = ctx.udc
            with hub.store.read() as connection:
                found = orders.get_status(connection, call.caller, int(request.correlationId))
            if found.order.ended:
                with hub.store.write() as connection:
                    orders.note_seen(connection, call.caller, found, **_from(hub, call))
            response = started(model.GetStatusResponse(), call.trans_id, found.order.status.value)
            response.order = _summary(found.order)
            response.file = [_file(one) for one in found.files]
            response.exception = [
                model.ExceptionCount(code=one.code, count=one.days, reason=one.reason) for one in found.exceptions
            ]
            return response

        @rpc(model.ListRequests, _returns=model.ListRequestsResponse, _body_style="bare")
        def ListRequests(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            first, last = _day("fromDate", request.fromDate), _day("toDate", request.toDate)
            with hub.store.read() as connection:
                found = orders.list_requests(
                    connection,
                    call.caller,
                    from_day=first,
                    to_day=last,
                    status=_status(request.status),
                    service_type=request.serviceType,
                    page=request.page or 1,
                )
            with hub.store.write() as connection:
                orders.note_listed(connection, call.caller, found, **_from(hub, call))
            response = started(model.ListRequestsResponse(), call.trans_id, f"{len(found.orders)} orders")
            response.morePages = found.more
            response.order = [_summary(one) for one in found.orders]
            return response

        @rpc(model.MissingUsage, _returns=model.MissingUsageResponse, _body_style="bare")
        def MissingUsage(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            with hub.store.read() as connection:
                found = missing_usage(
                    connection,
                    call.caller,
                    start_date=request.startDate,
                    end_date=request.endDate,
                    esiids=request.esiid,
                    limits=hub.settings.limits,
                    clock=hub.clock,
                    allow_test_esiids=hub.settings.allow_test_esiids,
                    reason=request.reason,
                )
            with hub.store.write() as connection:
                note_shown(connection, call.caller, found, esiids=len(request.esiid), **_from(hub, call))
            reason = f"{found.days_present} of {found.days_asked} ESI-ID-days are there"
            response = started(model.MissingUsageResponse(), call.trans_id, reason)
            response.esiidDaysAsked = found.days_asked
            response.esiidDaysPresent = found.days_present
            response.loadMark = found.load_mark
            response.missing = [
                model.MissingDays(
                    esiid=one.esiid,
                    fromDate=usa_day(one.first_day),
                    toDate=usa_day(one.last_day),
                    code=one.code,
                    reason=one.reason,
                )
                for one in found.missing
            ]
            response.missingChannel = [
                model.MissingChannel(
                    esiid=one.esiid,
                    fromDate=usa_day(one.first_day),
                    toDate=usa_day(one.last_day),
                    channel=one.channel,
                )
                for one in found.channels
            ]
            return response

    return ReportRequestStatus


def _from(hub: Hub, call: Call) -> dict[str, Any]:
    """When and from where it was asked, for the audit log."""
    return {"clock": hub.clock, "address": peer_address(call.environ)}


def _day(element: str, text: str) -> Any:
    day = read_date(text)
    if day is None:
        raise DateMalformedError(
            f"{element}: {DateMalformedError.sentence()}", element=element, presented=text, expected="MM/DD/YYYY"
        )
    return day


def _status(name: str | None) -> Status | None:
    if name is None:
        return None
    if name not in Status.__members__:
        raise StatusUnknownError(presented=name, expected=" or ".join(Status.__members__))
    return Status[name]


def _summary(order: orders.OrderSummary) -> Any:
    return model.OrderSummary(
        correlationId=str(order.order_number),
        serviceType=order.service_type,
        status=order.status.name,
        report=order.report_name,
        reportFormat=order.report_format,
        deliveryMode=order.delivery_mode,
        startDate=usa_day(order.first_day),
        endDate=usa_day(order.last_day),
        esiidDaysAsked=order.days_asked,
        esiidDaysDelivered=order.days_delivered,
        esiidDaysExcepted=order.days_excepted,
        partsDone=order.parts_done,
        partsTotal=order.parts_total,
        esiidsDone=order.esiids_done,
        esiidsTotal=order.esiids_total,
        submittedAt=order.submitted_at,
        completedAt=order.completed_at,
        expiresAt=order.expires_at,
        loadMark=order.load_mark,
        requestTransId=order.trans_id,
        version=order.version,
        readingType=order.reading_type,
        failure=order.failure,
    )


def _file(file: orders.OrderFile) -> Any:
    return model.DeliveredFile(
        name=file.name,
        state=file.state.name,
        size=file.size,
        sha256=file.sha256,
        recordCount=file.records,
        firstDay=usa_day(file.first_day),
        lastDay=usa_day(file.last_day),
    )
