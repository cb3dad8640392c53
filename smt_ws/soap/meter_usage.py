"""``MeterUsage``: ordering usage data or having it in the answer, and taking an order back (R3, R6, R9)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.hub import Hub
from smt_ws.orders.cancel import cancel_order
from smt_ws.orders.inline import InlineReport, answer_inline
from smt_ws.orders.place import UsageRequest, place_order
from smt_ws.orders.room import require_room
from smt_ws.orders.since import ChangesRequest, request_changes
from smt_ws.orders.renderers import DAILY, INTERVAL, MONTHLY, publisher_of
from smt_ws.parties.rules import malformed_esiids
from smt_ws.soap import model
from smt_ws.soap.remembered import remembered, stamped
from smt_ws.soap.wire import started, usa_day

__all__ = ["meter_usage"]


def meter_usage(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    def usage(call: Call, request: Any, report: str, response_of: Callable[..., Any]) -> Any:
        asked = UsageRequest(
            trans_id=call.trans_id,
            requestor_id=request.requestorID,
            start_date=request.startDate,
            end_date=request.endDate,
            report_format=request.reportFormat,
            esiids=request.esiid,
            version=request.version or "L",
            # Bills are of consumption alone, and their request does not ask.
            reading_type="C" if report == MONTHLY else request.readingType or "A",
            delivery_mode=request.deliveryMode or "FTP",
            report=report,
            reason=request.reason,
        )
        address = peer_address(call.environ)
        if asked.delivery_mode == "API":
            # Nothing is changed by it, so nothing is remembered: asked again, it is answered as of then.
            answer = answer_inline(hub, call.caller, asked, address=address)
            response = response_of(esiidsAsked=1, esiidsRefused=int(answer.refused), report=_inline(answer))
            return started(response, call.trans_id, "The report is in the answer.")
        if asked.report_format == "XML":
            # Settings that allow no Green Button are told now, not by an order that fails.
            publisher_of(hub.settings.green_button, call.caller.duns)

        def place(connection: Connection) -> dict[str, Any]:
            require_room(hub.settings)
            placed = place_order(
                connection,
                call.caller,
                asked,
                limits=hub.settings.limits,
                clock=hub.clock,
                allow_test_esiids=hub.settings.allow_test_esiids,
                address=address,
            )
            return {
                "correlationId": str(placed.order_number),
                "esiidsAsked": placed.esiids_asked,
                "esiidsRefused": placed.esiids_refused,
            }

        first = remembered(hub, call, place)
        response = response_of(**first.content)
        return stamped(response, call, first, _accepted(first.content, asked.esiids))

    def _accepted(content: Mapping[str, Any], esiids: Sequence[str]) -> str:
        asked, refused = content["esiidsAsked"], content["esiidsRefused"]
        if refused < asked:
            some = f" Nothing may be seen of {refused:,} of its {asked:,} ESI IDs." if refused else ""
            return f"The order is accepted; ask GetStatus for its files.{some}"
        malformed = len(malformed_esiids(esiids, allow_test=hub.settings.allow_test_esiids))
        why = "none of them is an ESI ID, which has 17 or 22 digits" if malformed == asked else "its exceptions say why"
        return f"The order is accepted, but nothing may be seen of any of its {asked:,} ESI IDs: {why}."

    class MeterUsage(ServiceBase):
        @rpc(model.RequestIntervalData, _returns=model.RequestIntervalDataResponse, _body_style="bare")
        def RequestIntervalData(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return usage(ctx.udc, request, INTERVAL, model.RequestIntervalDataResponse)

        @rpc(model.RequestDailyReads, _returns=model.RequestDailyReadsResponse, _body_style="bare")
        def RequestDailyReads(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return usage(ctx.udc, request, DAILY, model.RequestDailyReadsResponse)

        @rpc(model.RequestMonthlyBilling, _returns=model.RequestMonthlyBillingResponse, _body_style="bare")
        def RequestMonthlyBilling(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return usage(ctx.udc, request, MONTHLY, model.RequestMonthlyBillingResponse)

        @rpc(model.RequestChanges, _returns=model.RequestChangesResponse, _body_style="bare")
        def RequestChanges(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def place(connection: Connection) -> dict[str, Any]:
                require_room(hub.settings)
                placed = request_changes(
                    connection,
                    call.caller,
                    ChangesRequest(
                        trans_id=call.trans_id,
                        requestor_id=request.requestorID,
                        load_mark=request.loadMark,
                        report_format=request.reportFormat,
                        reading_type=request.readingType or "A",
                        delivery_mode=request.deliveryMode or "FTP",
                        reason=request.reason,
                    ),
                    limits=hub.settings.limits,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
                return {
                    "correlationId": str(placed.order_number),
                    "loadMark": placed.load_mark,
                    "esiids": placed.esiids,
                    "esiidDays": placed.esiid_days,
                }

            answer = remembered(hub, call, place)
            response = model.RequestChangesResponse(**answer.content)
            return stamped(response, call, answer, "The order is accepted; name its loadMark next time.")

        @rpc(model.CancelRequest, _returns=model.CancelRequestResponse, _body_style="bare")
        def CancelRequest(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def cancel(connection: Connection) -> dict[str, Any]:
                status = cancel_order(
                    connection,
                    call.caller,
                    int(request.correlationId),
                    clock=hub.clock,
                    keep=timedelta(days=hub.settings.limits.keep_files_days),
                    address=peer_address(call.environ),
                )
                return {"correlationId": request.correlationId, "status": status.name}

            answer = remembered(hub, call, cancel)
            response = model.CancelRequestResponse(**answer.content)
            return stamped(response, call, answer, "The order is cancelled; files already published stay.")

    return MeterUsage


def _inline(answer: InlineReport) -> Any:
    return model.InlineReport(
        name=answer.name,
        recordCount=answer.records,
        esiidDaysAsked=answer.days_asked,
        esiidDaysDelivered=answer.days_delivered,
        esiidDaysExcepted=answer.days_excepted,
        sha256=sha256(answer.content).hexdigest(),
        content=answer.content.decode(),
        exception=[
            model.ReportException(
                fromDate=usa_day(one.first), toDate=usa_day(one.last), code=one.code, reason=one.reason
            )
            for one in answer.exceptions
        ],
        remark=[
            model.ReportRemark(
                fromDate=usa_day(one.first),
                toDate=usa_day(one.last),
                channel=one.channel,
                code=one.code,
                remark=one.remark,
            )
            for one in answer.remarks
        ],
    )
