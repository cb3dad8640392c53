"""``MeterUsage``: ordering usage data, and taking an order back (R3, R6)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from datetime import timedelta
from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from smt_ws.hub import Hub
from smt_ws.orders.cancel import cancel_order
from smt_ws.orders.place import UsageRequest, place_order
from smt_ws.orders.since import ChangesRequest, request_changes
from smt_ws.soap import model
from smt_ws.soap.remembered import remembered, stamped

__all__ = ["meter_usage"]


def meter_usage(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

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

            answer = remembered(hub, call, place)
            response = model.RequestIntervalDataResponse(**answer.content)
            return stamped(response, call, answer, "The order is accepted; ask GetStatus for its files.")

        @rpc(model.RequestChanges, _returns=model.RequestChangesResponse, _body_style="bare")
        def RequestChanges(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def place(connection: Connection) -> dict[str, Any]:
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
                    ),
                    limits=hub.settings.limits,
                    clock=hub.clock,
                    address=call.environ.get("REMOTE_ADDR"),
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
                    address=call.environ.get("REMOTE_ADDR"),
                )
                return {"correlationId": request.correlationId, "status": status.name}

            answer = remembered(hub, call, cancel)
            response = model.CancelRequestResponse(**answer.content)
            return stamped(response, call, answer, "The order is cancelled; files already published stay.")

    return MeterUsage
