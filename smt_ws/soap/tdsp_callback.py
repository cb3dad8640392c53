"""``TDSPCallback``: what TDSPs tell of devices, messages and meters (H5, H7, H10)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.han import posts
from smt_ws.han.statuses import MessagePost, MeterExchangePost, PostAnswer, ProvisioningPost
from smt_ws.hub import Hub
from smt_ws.soap import model
from smt_ws.soap.remembered import remembered, stamped

__all__ = ["tdsp_callback"]


def tdsp_callback(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    def answered(response: Any, call: Call, run: Callable[[Connection], Sequence[PostAnswer]], asked: Any) -> Any:
        """Run it once, and answer each post of the request by its place."""

        def once(connection: Connection) -> dict[str, Any]:
            return {"answers": [[one.code, one.reason] for one in run(connection)]}

        answer = remembered(hub, call, once)
        told = answer.content["answers"]
        filled = stamped(response, call, answer, f"{len(told)} posts answered")
        filled.answer = [
            model.PostAnswer(requestId=getattr(post, "requestId", None), esiid=post.esiid, code=code, reason=reason)
            for post, (code, reason) in zip(asked.post, told, strict=True)
        ]
        return filled

    class TDSPCallback(ServiceBase):
        @rpc(model.PostProvisioningStatus, _returns=model.PostProvisioningStatusResponse, _body_style="bare")
        def PostProvisioningStatus(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring one
            call: Call = ctx.udc

            def run(connection: Connection) -> Sequence[PostAnswer]:
                told = [_provisioning(post) for post in request.post]
                return posts.take_provisioning_statuses(
                    connection, call.caller, told, clock=hub.clock, address=peer_address(call.environ)
                )

            return answered(model.PostProvisioningStatusResponse(), call, run, request)

        @rpc(model.PostMessageStatus, _returns=model.PostMessageStatusResponse, _body_style="bare")
        def PostMessageStatus(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def run(connection: Connection) -> Sequence[PostAnswer]:
                told = [_message(post) for post in request.post]
                return posts.take_message_statuses(
                    connection, call.caller, told, clock=hub.clock, address=peer_address(call.environ)
                )

            return answered(model.PostMessageStatusResponse(), call, run, request)

        @rpc(model.PostMeterExchange, _returns=model.PostMeterExchangeResponse, _body_style="bare")
        def PostMeterExchange(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def run(connection: Connection) -> Sequence[PostAnswer]:
                told = [_exchange(post) for post in request.post]
                return posts.take_meter_exchanges(
                    connection, call.caller, told, clock=hub.clock, address=peer_address(call.environ)
                )

            return answered(model.PostMeterExchangeResponse(), call, run, request)

    return TDSPCallback


def _provisioning(post: Any) -> ProvisioningPost:
    return ProvisioningPost(
        request_id=int(post.requestId),
        esiid=post.esiid,
        meter_number=post.meterSerialNumber,
        eui64=post.deviceMACAddr,
        status=post.statusCode,
        reason_code=post.reasonCode,
        description=post.statusDesc,
        at=_aware(post.statusTimestamp),
    )


def _message(post: Any) -> MessagePost:
    return MessagePost(
        request_id=int(post.requestId),
        cancellation_id=None if post.messageCancellationId is None else int(post.messageCancellationId),
        esiid=post.esiid,
        meter_number=post.meterSerialNumber,
        eui64=post.deviceMACAddr,
        status=post.statusCode,
        description=post.statusDesc,
        sep_status=post.sepEventStatus,
        at=_aware(post.statusTimestamp),
    )


def _exchange(post: Any) -> MeterExchangePost:
    return MeterExchangePost(
        esiid=post.esiid,
        old_meter=post.oldMeterSerialNumber,
        new_meter=post.newMeterSerialNumber,
        at=_aware(post.exchangedAt),
        han_capable=post.hanCapable,
    )


def _aware(moment: datetime) -> datetime:
    # The contract says so of a time without an offset.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
