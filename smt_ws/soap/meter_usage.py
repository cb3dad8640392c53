"""``MeterUsage``: ordering usage data, and taking an order back (R3, R6)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from smt_ws.hub import Hub
from smt_ws.orders.cancel import cancel_order
from smt_ws.orders.place import UsageRequest, place_order
from smt_ws.soap import model
from smt_ws.soap.wire import started
from smt_ws.store.idempotency import Answer, answer_once

__all__ = ["meter_usage"]


def meter_usage(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    def remembered(call: Call, run: Callable[[Connection], dict[str, Any]]) -> Answer:
        return answer_once(
            hub.store,
            company_id=call.caller.company_id,
            operation=call.operation,
            trans_id=call.trans_id,
            body_sha256=call.body_digest,
            now=hub.clock.now(),
            keep=timedelta(hours=hub.settings.limits.repeat_hours),
            run=run,
        )

    class MeterUsage(ServiceBase):
        @rpc(model.RequestIntervalData, _returns=model.RequestIntervalDataResponse, _body_style="bare")
        def RequestIntervalData(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def place(connection: Connection) -> dict[str, Any]:
                placed = place_order(
                    connection,
                    call.caller,
                    UsageRequest(
                        trans_id=call.trans_id,
                        requestor_id=request.requestorID,
                        start_date=request.startDate,
                        end_date=request.endDate,
                        report_format=request.reportFormat,
                        esiids=request.esiid,
                        version=request.version or "L",
                        reading_type=request.readingType or "A",
                        delivery_mode=request.deliveryMode or "FTP",
                    ),
                    limits=hub.settings.limits,
                    clock=hub.clock,
                    allow_test_esiids=hub.settings.allow_test_esiids,
                    address=call.environ.get("REMOTE_ADDR"),
                )
                return {
                    "correlationId": str(placed.order_number),
                    "esiidsAsked": placed.esiids_asked,
                    "esiidsRefused": placed.esiids_refused,
                }

            answer = remembered(call, place)
            response = model.RequestIntervalDataResponse(**answer.content)
            return _stamped(response, call, answer, "The order is accepted; ask GetStatus for its files.")

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
                    address=call.environ.get("REMOTE_ADDR"),
                )
                return {"correlationId": request.correlationId, "status": status.name}

            answer = remembered(call, cancel)
            response = model.CancelRequestResponse(**answer.content)
            return _stamped(response, call, answer, "The order is cancelled; files already published stay.")

    return MeterUsage


def _stamped(response: Any, call: Call, answer: Answer, reason: str) -> Any:
    started(response, call.trans_id, reason)
    if answer.repeated:
        response.repeated = True
        response.firstAnsweredAt = answer.first_at
    return response
