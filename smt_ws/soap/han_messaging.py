"""``HANMessaging``: SEP 1.0 messages to devices in homes, and what became of them (H4-H6)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.han.cancel_message import Cancellation, cancel_all, cancel_message
from smt_ws.han.errors import of_code
from smt_ws.han.field_rules import FIELDS
from smt_ws.han.log_file import order_log_file
from smt_ws.han.message_log import COLUMNS, LogPage, LogRange, LogRow, log_page, read_days
from smt_ws.han.message_status import MessageStatus, message_status
from smt_ws.han.send import NotReached, Once, Sent, Submission, send_load_control, send_price, send_text
from smt_ws.han.terms import Terms
from smt_ws.hub import Hub
from smt_ws.soap import model
from smt_ws.soap.remembered import remembered, stamped
from smt_ws.soap.wire import started
from smt_ws.store.idempotency import Claim

__all__ = ["han_messaging"]

#: Premises of a message that is stored by statements planned for a few rows.
_FEW: Final = 100


def han_messaging(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""
    terms = Terms.of(hub.settings)
    keep = timedelta(minutes=hub.settings.han.repeat_minutes)

    def submitted(ctx: Any, request: Any, send: Callable[..., Sent], response_of: Any, **fields: Any) -> Any:
        call: Call = ctx.udc
        submission = Submission(call.trans_id, request.requestorID, request.esiid, request.startTime)

        def sent(connection: Connection, once: Once | None = None) -> Sent:
            return send(
                connection,
                call.caller,
                submission,
                **fields,
                terms=terms,
                clock=hub.clock,
                address=peer_address(call.environ),
                once=once,
            )

        def at_once(connection: Connection, claim: Claim) -> dict[str, Any]:
            return _kept(sent(connection, Once(claim, _kept, "requestId")))

        few = len(submission.esiids) <= _FEW
        answer = remembered(
            hub, call, lambda connection: _kept(sent(connection)), keep=keep, at_once=at_once if few else None
        )
        content = dict(answer.content)
        content |= {name: _moment(content[name]) for name in ("startTime", "endTime")}
        content["refused"] = _refused([NotReached(esiid, code) for esiid, code in content["refused"]])
        return stamped(response_of(**content), call, answer, "The message is accepted; its TDSPs will be handed it.")

    def cancelled(ctx: Any, request: Any, category: str, response_of: Any) -> Any:
        call: Call = ctx.udc
        asked = _cancellation(call, request)

        def run(connection: Connection) -> dict[str, Any]:
            done = cancel_message(
                connection,
                call.caller,
                int(request.requestId),
                asked,
                category=category,
                terms=terms,
                clock=hub.clock,
                address=peer_address(call.environ),
            )
            return {
                "requestId": str(done.request_id),
                "messageCancellationId": str(done.cancellation_id),
                "esiids": done.premises,
            }

        answer = remembered(hub, call, run, keep=keep)
        return stamped(response_of(**answer.content), call, answer, "The cancellation is accepted.")

    class HANMessaging(ServiceBase):
        @rpc(model.SendTextMessage, _returns=model.SendTextMessageResponse, _body_style="bare")
        def SendTextMessage(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring an operation
            return submitted(
                ctx,
                request,
                send_text,
                model.SendTextMessageResponse,
                text=request.messageText,
                priority=request.priority or "LOW",
                confirmation_required=bool(request.confirmationRequired),
                duration_minutes=request.durationMinutes,
            )

        @rpc(model.CancelTextMessage, _returns=model.CancelTextMessageResponse, _body_style="bare")
        def CancelTextMessage(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return cancelled(ctx, request, "CSM", model.CancelTextMessageResponse)

        @rpc(model.SendLoadControlEvent, _returns=model.SendLoadControlEventResponse, _body_style="bare")
        def SendLoadControlEvent(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return submitted(
                ctx,
                request,
                send_load_control,
                model.SendLoadControlEventResponse,
                numbers=_numbers(request, "LCE"),
                randomize_start=bool(request.randomizeStart),
                randomize_end=bool(request.randomizeEnd),
            )

        @rpc(model.CancelLoadControlEvent, _returns=model.CancelLoadControlEventResponse, _body_style="bare")
        def CancelLoadControlEvent(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return cancelled(ctx, request, "CLE", model.CancelLoadControlEventResponse)

        @rpc(model.CancelAllLoadControlEvents, _returns=model.CancelAllLoadControlEventsResponse, _body_style="bare")
        def CancelAllLoadControlEvents(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            asked = _cancellation(call, request)

            def run(connection: Connection) -> dict[str, Any]:
                done = cancel_all(
                    connection,
                    call.caller,
                    asked,
                    terms=terms,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
                return {
                    "id": str(done.cancellation_id),
                    "events": [(str(one.request_id), one.premises) for one in done.events],
                    "refused": [(one.esiid, one.code) for one in done.not_reached],
                }

            answer = remembered(hub, call, run, keep=keep)
            events = answer.content["events"]
            response = model.CancelAllLoadControlEventsResponse(
                messageCancellationId=answer.content["id"],
                cancelled=[model.CancelledEvent(requestId=number, esiids=esiids) for number, esiids in events],
                refused=_refused([NotReached(esiid, code) for esiid, code in answer.content["refused"]]),
            )
            return stamped(response, call, answer, f"{len(events)} events of yours are being cancelled.")

        @rpc(model.SendPrice, _returns=model.SendPriceResponse, _body_style="bare")
        def SendPrice(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            return submitted(
                ctx,
                request,
                send_price,
                model.SendPriceResponse,
                numbers=_numbers(request, "PRM"),
                price=request.price,
                generation_price=request.generationPrice,
                rate_label=request.rateLabel or "",
            )

        @rpc(model.GetMessageStatus, _returns=model.GetMessageStatusResponse, _body_style="bare")
        def GetMessageStatus(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            with hub.store.read() as connection:
                found = message_status(
                    connection, call.caller, int(request.requestId), page=request.page or 1, now=hub.clock.now()
                )
            return started(_status(found), call.trans_id, f"at {sum(found.counts.values())} ESI IDs")

        @rpc(model.GetMessageLog, _returns=model.GetMessageLogResponse, _body_style="bare")
        def GetMessageLog(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            first, last = read_days(request.fromDate, request.toDate)
            number = None if request.requestId is None else int(request.requestId)
            wanted = LogRange(first, last, number, request.esiid)
            address = peer_address(call.environ)
            if request.deliveryMode == "FTP":
                with hub.store.write() as connection:
                    name = order_log_file(
                        connection, call.caller, wanted, terms=terms, clock=hub.clock, address=address
                    )
                response = model.GetMessageLogResponse(row=[], morePages=False, fileName=name)
                return started(response, call.trans_id, "The file will be in your folder in a moment.")
            with hub.store.write() as connection:
                page = log_page(
                    connection,
                    call.caller,
                    wanted,
                    page=request.page or 1,
                    terms=terms,
                    clock=hub.clock,
                    address=address,
                )
            return started(_log(page), call.trans_id, f"{len(page.rows)} rows")

    return HANMessaging


def _cancellation(call: Call, request: Any) -> Cancellation:
    return Cancellation(
        trans_id=call.trans_id,
        requestor_id=request.requestorID,
        esiids=request.esiid or (),
        randomize_end=bool(getattr(request, "randomizeEnd", None)),
    )


def _numbers(request: Any, category: str) -> dict[str, Any]:
    return {field.element: getattr(request, field.element) for field in FIELDS[category]}


def _kept(sent: Sent) -> dict[str, Any]:
    """An answer as it is remembered."""
    return {
        "requestId": str(sent.request_id),
        "esiidsAsked": sent.esiids_asked,
        "esiidsReached": sent.esiids_asked - len(sent.not_reached),
        "startTime": _iso(sent.schedule.start),
        "endTime": _iso(sent.schedule.ends),
        "refused": [(one.esiid, one.code) for one in sent.not_reached],
    }


def _iso(moment: datetime | None) -> str | None:
    # first answers are kept as JSON
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _refused(not_reached: Sequence[NotReached]) -> list[Any]:
    reasons = {code: of_code(code).sentence() for code in {one.code for one in not_reached}}
    return [model.MessageRefusedEsiid(esiid=one.esiid, code=one.code, reason=reasons[one.code]) for one in not_reached]


def _status(found: MessageStatus) -> Any:
    return model.GetMessageStatusResponse(
        requestId=str(found.request_id),
        category=found.category,
        originalRequestId=None if found.original is None else str(found.original),
        acceptedTime=found.accepted_at,
        startTime=found.start_at,
        endTime=found.ends_at,
        count=[model.MessageCount(status=state.name, esiids=number) for state, number in found.counts.items()],
        premise=[
            model.MessageAtPremise(
                esiid=one.esiid,
                meterSerialNumber=one.meter_number,
                status=one.state.name,
                originalRequestId=None if one.original is None else str(one.original),
                handedOverTime=one.handed_over_at,
                deliveredTime=one.delivered_at,
                device=[
                    model.MessageAtDevice(deviceMACAddr=device.eui64, status=device.state.name, statusTime=device.at)
                    for device in one.devices
                ],
            )
            for one in found.premises
        ],
        morePages=found.more,
    )


def _log(page: LogPage) -> Any:
    return model.GetMessageLogResponse(row=[_log_row(row) for row in page.rows], morePages=page.more)


def _log_row(row: LogRow) -> Any:
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("RequestID", "MessageCancellationID", "MessageStatusID"):
        values[name] = None if values[name] is None else str(values[name])
    return model.MessageLogRow(**values)
