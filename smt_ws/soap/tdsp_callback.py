"""``TDSPCallback``: what TDSPs tell of devices, messages and meters (H5, H7, H10)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from adapters.soap.values import Unreadable
from smt_ws.han.posts import Post, UntimedPost, take_posts
from smt_ws.han.statuses import MessagePost, MeterExchangePost, ProvisioningPost
from smt_ws.hub import Hub
from smt_ws.soap import model
from smt_ws.soap.remembered import remembered, stamped

__all__ = ["tdsp_callback"]


def tdsp_callback(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""
    operations = {name: _operation(hub, name) for name in _OPERATIONS}
    service: type[ServiceBase] = type(ServiceBase)("TDSPCallback", (ServiceBase,), operations)
    return service


def _operation(hub: Hub, name: str) -> Any:
    read = _OPERATIONS[name]
    asked_of, answered_by = getattr(model, name), getattr(model, f"{name}Response")

    def operation(ctx: Any, request: Any) -> Any:
        """Take all posts once, and answer each by its place."""
        call: Call = ctx.udc

        def run(connection: Connection) -> dict[str, Any]:
            told = [UntimedPost() if _untimed(post) else read(post) for post in request.post]
            answers = take_posts(connection, call.caller, told, clock=hub.clock, address=peer_address(call.environ))
            return {"answers": [[one.code, one.reason] for one in answers]}

        answer = remembered(hub, call, run)
        answers = answer.content["answers"]
        response = stamped(answered_by(), call, answer, f"{len(answers)} posts answered")
        response.answer = [
            model.PostAnswer(requestId=getattr(post, "requestId", None), esiid=post.esiid, code=code, reason=reason)
            for post, (code, reason) in zip(request.post, answers, strict=True)
        ]
        return response

    operation.__name__ = name
    return rpc(asked_of, _returns=answered_by, _body_style="bare")(operation)


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


def _untimed(post: Any) -> bool:
    return isinstance(
        post.exchangedAt if isinstance(post, model.MeterExchangePost) else post.statusTimestamp, Unreadable
    )


def _aware(moment: datetime) -> datetime:
    # The contract says so of a time without an offset.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


#: How the posts of each operation are read.
_OPERATIONS: Final[Mapping[str, Callable[[Any], Post]]] = {
    "PostProvisioningStatus": _provisioning,
    "PostMessageStatus": _message,
    "PostMeterExchange": _exchange,
}
