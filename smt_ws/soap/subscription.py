"""``Subscription``: what is posted every day (R8)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.hub import Hub
from smt_ws.orders.room import require_room
from smt_ws.orders.subscriptions import (
    SubscriptionRequest,
    end_subscription,
    my_subscriptions,
    new_subscription,
)
from smt_ws.soap import model
from smt_ws.soap.remembered import remembered, stamped
from smt_ws.soap.wire import started, usa_day

__all__ = ["subscription"]


def subscription(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    class Subscription(ServiceBase):
        @rpc(model.NewSubscription, _returns=model.NewSubscriptionResponse, _body_style="bare")
        def NewSubscription(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring an operation
            call: Call = ctx.udc
            months = request.historicalSubscriptionDuration

            def subscribe(connection: Connection) -> dict[str, Any]:
                if months is not None:
                    # History comes by orders, the largest that there are.
                    require_room(hub.settings)
                made = new_subscription(
                    connection,
                    call.caller,
                    SubscriptionRequest(
                        trans_id=call.trans_id,
                        requestor_id=request.requestorID,
                        data_type=request.dataType,
                        report_format=request.reportFormat,
                        history_months=None if months is None else int(months),
                    ),
                    limits=hub.settings.limits,
                    clock=hub.clock,
                    allow_test_esiids=hub.settings.allow_test_esiids,
                    address=peer_address(call.environ),
                )
                return {
                    "subscriptionId": str(made.subscription_id),
                    "loadMark": made.load_mark,
                    "historyCorrelationId": [str(number) for number in made.orders],
                }

            answer = remembered(hub, call, subscribe)
            response = model.NewSubscriptionResponse(**answer.content)
            return stamped(response, call, answer, "Subscribed; files appear in the folder daily.")

        @rpc(model.UnSubscription, _returns=model.UnSubscriptionResponse, _body_style="bare")
        def UnSubscription(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def end(connection: Connection) -> dict[str, Any]:
                end_subscription(
                    connection,
                    call.caller,
                    int(request.subscriptionId),
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
                return {"subscriptionId": request.subscriptionId, "status": "ENDED"}

            answer = remembered(hub, call, end)
            response = model.UnSubscriptionResponse(**answer.content)
            return stamped(response, call, answer, "The subscription is ended; what was posted stays.")

        @rpc(model.MySubscriptions, _returns=model.MySubscriptionsResponse, _body_style="bare")
        def MySubscriptions(ctx: Any, _request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            with hub.store.write() as connection:
                found = my_subscriptions(connection, call.caller, clock=hub.clock)
            response = started(model.MySubscriptionsResponse(), call.trans_id, f"{len(found)} subscriptions")
            response.subscription = [
                model.SubscriptionFacts(
                    subscriptionId=str(one.subscription_id),
                    dunsNumber=one.duns,
                    dataType=one.data_type,
                    reportFormat=one.report_format,
                    subscriptionFrequency="DAILY",
                    status="ACTIVE" if one.ended_at is None else "ENDED",
                    byDefault=one.by_default,
                    startedAt=one.started_at,
                    endedAt=one.ended_at,
                    lastPostedDate=None if one.posted_day is None else usa_day(one.posted_day),
                    loadMark=one.load_mark,
                )
                for one in found
            ]
            return response

    return Subscription
