"""``CSPAuthorization``: agreements with customers, for those who ask them (A20)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.agreements.ask import change_as_initiator, end_several
from smt_ws.agreements.change import Change
from smt_ws.agreements.errors import CustomerUnconfirmedError, EndDateError
from smt_ws.agreements.form import Customer, Invitation, ListedMeter
from smt_ws.agreements.guesses import note_guess
from smt_ws.agreements.initiate import initiate
from smt_ws.agreements.resend import resend_invitation
from smt_ws.agreements.rules import Kind, Status
from smt_ws.agreements.search import Search, agreement_details, agreement_meters, search_agreements
from smt_ws.clock import CENTRAL, central_today
from smt_ws.hub import Hub
from smt_ws.orders.rules import MARKET_KINDS, first_day_kept, read_date
from smt_ws.parties.authorized import authorized_esiids
from smt_ws.soap import model
from smt_ws.soap.remembered import remembered, stamped
from smt_ws.soap.wire import DONE, started, usa_day
from smt_ws.store import audit

__all__ = ["csp_authorization"]

#: Search criteria on the wire.
_CRITERIA: Final = {
    "NUMBER": "number",
    "CUSTOMER_LAST_NAME": "last_name",
    "ESIID": "esiid",
    "METER_NUMBER": "meter_number",
    "DEVICE_MAC_ADDRESS": "device_mac",
}


def csp_authorization(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    class CSPAuthorization(ServiceBase):
        @rpc(model.NewAgreement, _returns=model.NewAgreementResponse, _body_style="bare")
        def NewAgreement(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring an operation
            call: Call = ctx.udc

            def ask(connection: Connection) -> dict[str, Any]:
                made = initiate(
                    connection,
                    call.caller,
                    _invitation(request),
                    policy=hub.settings.agreements,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
                return {
                    "agreement": [
                        {
                            "agreementNumber": one.number,
                            "esiid": one.esiid,
                            "meterNumber": one.meter_number,
                            "deviceMacAddress": one.device_mac,
                            "status": Status.PENDING.name,
                            "expiresOn": usa_day(one.expires_on),
                        }
                        for one in made
                    ]
                }

            try:
                answer = remembered(hub, call, ask)
            except CustomerUnconfirmedError as error:
                _note_refusal(hub, call, error)
                raise
            response = model.NewAgreementResponse(
                agreement=[model.AgreementMade(**one) for one in answer.content["agreement"]]
            )
            return stamped(response, call, answer, "Pending; the customer is invited by e-mail.")

        @rpc(model.ResendInvitation, _returns=model.ResendInvitationResponse, _body_style="bare")
        def ResendInvitation(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def resend(connection: Connection) -> dict[str, Any]:
                row = resend_invitation(
                    connection,
                    call.caller,
                    request.agreementNumber,
                    policy=hub.settings.agreements,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
                return {
                    "agreementNumber": row.number,
                    "status": Status(row.status).name,
                    "expiresOn": usa_day(row.expires_on),
                }

            answer = remembered(hub, call, resend)
            return stamped(
                model.ResendInvitationResponse(**answer.content), call, answer, "The invitation is on its way again."
            )

        @rpc(model.MyAgreements, _returns=model.MyAgreementsResponse, _body_style="bare")
        def MyAgreements(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            search = Search(
                by=_CRITERIA[request.searchBy] if request.searchBy else None,
                items=request.item or (),
                kind=Kind[request.agreementType] if request.agreementType else None,
                status=Status[request.status] if request.status else None,
                page=request.page or 1,
            )
            with hub.store.write() as connection:
                found = search_agreements(
                    connection, call.caller, search, clock=hub.clock, address=peer_address(call.environ)
                )
            response = started(model.MyAgreementsResponse(), call.trans_id, f"{found.total} agreements")
            response.page, response.pageCount, response.totalCount = search.page, found.pages, found.total
            response.agreement = [_summary(row) for row in found.rows]
            return response

        @rpc(model.AgreementDetails, _returns=model.AgreementDetailsResponse, _body_style="bare")
        def AgreementDetails(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            with hub.store.write() as connection:
                view = agreement_details(
                    connection,
                    call.caller,
                    request.agreementNumber,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
            response = model.AgreementDetailsResponse(**_details(view.row))
            response.meter = _meters(view.meters.meters)
            response.youMay = [act.name for act in view.acts]
            response.event = [
                model.AgreementEvent(at=one.at, act=one.act.upper(), actor=one.actor, status=Status(one.status).name)
                for one in view.history
            ]
            return started(response, call.trans_id, f"The agreement is {view.row.status}.")

        @rpc(model.AgreementESIIDs, _returns=model.AgreementESIIDsResponse, _body_style="bare")
        def AgreementESIIDs(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            with hub.store.read() as connection:
                page = agreement_meters(connection, call.caller, request.agreementNumber, page=request.page or 1)
            response = model.AgreementESIIDsResponse(
                agreementNumber=request.agreementNumber, meter=_meters(page.meters), more=page.more
            )
            return started(response, call.trans_id, f"{len(page.meters)} ESI IDs")

        @rpc(model.ChangeAgreement, _returns=model.ChangeAgreementResponse, _body_style="bare")
        def ChangeAgreement(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def change(connection: Connection) -> dict[str, Any]:
                row = change_as_initiator(
                    connection,
                    call.caller,
                    request.agreementNumber,
                    Change(
                        end_day=_read_day(request.endDate),
                        services=[name.lower() for name in request.service] if request.service else None,
                        drop_esiids=request.dropEsiid or (),
                    ),
                    policy=hub.settings.agreements,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
                return {
                    "agreementNumber": row.number,
                    "status": Status(row.status).name,
                    "service": [name.upper() for name in row.services],
                    "endDate": _day(row.end_day),
                    "askedEndDate": _day(row.asked_end_day),
                }

            answer = remembered(hub, call, change)
            return stamped(model.ChangeAgreementResponse(**answer.content), call, answer, "The agreement is as shown.")

        @rpc(model.TerminateAgreement, _returns=model.TerminateAgreementResponse, _body_style="bare")
        def TerminateAgreement(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc

            def end(connection: Connection) -> dict[str, Any]:
                ended = end_several(
                    connection,
                    call.caller,
                    request.agreementNumber,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
                return {
                    "result": [
                        {
                            "agreementNumber": one.number,
                            "code": one.code or DONE,
                            "reason": one.reason,
                            "status": None if one.status is None else one.status.name,
                        }
                        for one in ended
                    ]
                }

            answer = remembered(hub, call, end)
            results = [model.TerminationResult(**one) for one in answer.content["result"]]
            done = sum(one.code == DONE for one in results)
            reason = f"{done} of {len(results)} agreements ended"
            return stamped(model.TerminateAgreementResponse(result=results), call, answer, reason)

        @rpc(model.AuthorizedESIIDs, _returns=model.AuthorizedESIIDsResponse, _body_style="bare")
        def AuthorizedESIIDs(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            with hub.store.write() as connection:
                page = authorized_esiids(
                    connection,
                    call.caller,
                    after=request.afterEsiid or "",
                    kept_from=_kept_from(hub, call.caller.kind),
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
            response = model.AuthorizedESIIDsResponse(
                authorized=[
                    model.AuthorizedEsiid(
                        esiid=one.esiid,
                        basis=one.basis,
                        service=one.service.upper(),
                        fromDate=_day(one.from_day),
                        toDate=_day(one.to_day),
                        agreementNumber=None if one.source is None else one.source.rpartition(":")[2],
                    )
                    for one in page.rows
                ],
                more=page.more,
            )
            return started(response, call.trans_id, f"{len({one.esiid for one in page.rows})} ESI IDs")

    return CSPAuthorization


def _kept_from(hub: Hub, kind: str) -> date:
    """The first day of interval data that a company of this *kind* may order (R4)."""
    limits = hub.settings.limits
    months = limits.history_months_market if kind in MARKET_KINDS else limits.history_months_others
    return first_day_kept(central_today(hub.clock), months)


def _invitation(request: Any) -> Invitation:
    return Invitation(
        kind=Kind[request.agreementType],
        permitted=request.customerPermission,
        customer=Customer(
            registered=request.registered,
            email=request.customerEmail or "",
            authorization_code=request.accountAuthorizationCode or "",
            kind=(request.customerType or "").lower(),
            first_name=request.firstName or "",
            middle_initial=request.middleInitial or "",
            last_name=request.lastName or "",
            title=request.title or "",
            company_name=request.companyName or "",
            street=request.street or "",
            city=request.city or "",
            state=request.state or "",
            zip=request.zip or "",
            phone=request.phone or "",
            language=(request.languagePreference or "").lower(),
        ),
        meters=tuple(
            ListedMeter(one.esiid, one.meterNumber or "", tuple(one.deviceMacAddress or ()))
            for one in request.meter or ()
        ),
        requestor_id=request.requestorID,
        all_meters=bool(request.allMeters),
        contact_name=request.contactName or "",
        contact_phone=request.contactPhone or "",
        contact_email=request.contactEmail or "",
        comments=request.comments or "",
        report=(request.reportType or "").lower(),
        report_format=request.reportFormat or "",
        report_period=(request.reportPeriod or "").lower(),
        services=tuple(name.lower() for name in request.service or ()),
        months=request.durationMonths,
        history_months=request.historyMonths,
    )


def _note_refusal(hub: Hub, call: Call, error: CustomerUnconfirmedError) -> None:
    # Its own transaction: the one that was refused leaves nothing. Many such lines are somebody guessing (A23).
    with hub.store.write() as connection:
        note_guess(connection, call.caller.company_id)
        audit.record(
            connection,
            audit.Event.AGREEMENT_REFUSED,
            actor=f"company:{call.caller.company_id}",
            at=hub.clock.now(),
            details={"code": error.code},
            certificate_sha256=call.caller.tls_sha256,
            address=peer_address(call.environ),
        )


def _summary(row: Any) -> Any:
    return model.AgreementSummary(
        agreementNumber=row.number,
        agreementType=Kind(row.kind).name,
        status=Status(row.status).name,
        esiid=row.esiid,
        esiidCount=row.meters,
        customerLastName=row.last_name,
        startDate=_central(row.accepted_at),
        endDate=_day(row.end_day),
        expiresOn=usa_day(row.expires_on),
    )


def _details(row: Any) -> dict[str, Any]:
    place = " ".join(part for part in (row.state, row.zip) if part)
    kept_back = row.account_id is not None and row.accepted_at is None
    return {
        "agreementNumber": row.number,
        "agreementType": Kind(row.kind).name,
        "status": Status(row.status).name,
        "customerType": row.customer_kind.upper(),
        "firstName": row.first_name,
        "middleInitial": row.middle_initial or None,
        "lastName": row.last_name,
        "companyName": row.company_name or None,
        "serviceAddress": ", ".join(part for part in (row.street, row.city, place) if part) or None,
        # Of a registered customer the initiator learns no more than it knew, until the customer has agreed.
        "customerEmail": None if kept_back else row.email,
        "customerPhone": None if kept_back else row.phone or None,
        "contactName": row.contact_name,
        "contactPhone": row.contact_phone or None,
        "contactEmail": row.contact_email,
        "comments": row.comments or None,
        "allMeters": row.all_meters,
        "deviceMacAddress": row.device_mac,
        "deviceState": row.device_state,
        "service": [name.upper() for name in row.services],
        "reportType": row.report and row.report.upper(),
        "reportFormat": row.report_format,
        "reportPeriod": row.report_period and row.report_period.upper(),
        "correlationId": None if row.order_number is None else str(row.order_number),
        "durationMonths": row.months,
        "historyMonths": row.history_months if row.kind == Kind.ONGOING else None,
        "initiatedAt": row.initiated_at,
        "expiresOn": usa_day(row.expires_on),
        "acceptedAt": row.accepted_at,
        "endDate": _day(row.end_day),
        "askedEndDate": _day(row.asked_end_day),
    }


def _meters(meters: Sequence[tuple[str, str]]) -> list[Any]:
    return [model.AgreementMeter(esiid=esiid, meterNumber=number) for esiid, number in meters]


def _read_day(text: str | None) -> date | None:
    if text is None:
        return None
    day = read_date(text)
    if day is None:
        raise EndDateError(presented=text, expected="a day that there is")
    return day


def _day(day: date | None) -> str | None:
    return None if day is None else usa_day(day)


def _central(moment: datetime | None) -> str | None:
    return None if moment is None else usa_day(moment.astimezone(CENTRAL).date())
