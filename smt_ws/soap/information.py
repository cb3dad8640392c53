"""``PremiseInformation`` and ``MeterInformation``: attributes of what the caller may see (facts 3.4)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.hub import Hub
from smt_ws.parties.information import METERS, PREMISES, MeterFacts, PremiseFacts, Subject, information
from smt_ws.soap import model
from smt_ws.soap.wire import started, usa_day

__all__ = ["meter_information", "premise_information"]

#: Elements that hold an attribute of the TDSP's file as it is, by the element.
_OF_PREMISE: Final = {
    "county": "county",
    "readCycle": "read_cycle",
    "loadProfile": "load_profile",
    "stationCode": "station_code",
    "stationName": "station_name",
}
_OF_METER: Final = {
    "utilityMeterId": "utility_meter_id",
    "KWHMeterMultiplier": "kwh_multiplier",
    "configuredChannels": "channels",
    "manufacturerName": "manufacturer",
    "meterClass": "meter_class",
    "intervalSetting": "interval_minutes",
    "reverseFlowHandling": "reverse_flow",
    "DGChannel": "dg_channel",
    "disconnect": "disconnect",
    "meterPhases": "meter_phases",
    "meterModel": "model",
    "communicationIndicator": "communicates",
    "instrumentRated": "instrument_rated",
    "currentTransformersRatio": "ct_ratio",
    "potentialTransformersRatio": "pt_ratio",
    "esiFirmwareVersion": "firmware_version",
    "HANProtocol": "han_protocol",
    "smartEnergyProfile": "han_profile",
}


def premise_information(hub: Hub) -> type[ServiceBase]:
    """The service ``PremiseInformation`` over *hub*."""

    class PremiseInformation(ServiceBase):
        @rpc(model.GetPremiseInformation, _returns=model.GetPremiseInformationResponse, _body_style="bare")
        def GetPremiseInformation(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring
            return _answer(hub, ctx.udc, request, _PREMISES)

    return PremiseInformation


def meter_information(hub: Hub) -> type[ServiceBase]:
    """The service ``MeterInformation`` over *hub*."""

    class MeterInformation(ServiceBase):
        @rpc(model.GetMeterInformation, _returns=model.GetMeterInformationResponse, _body_style="bare")
        def GetMeterInformation(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring
            return _answer(hub, ctx.udc, request, _METERS)

    return MeterInformation


@dataclass(frozen=True)
class _Telling:
    """How what is known of one subject becomes an answer."""

    subject: Subject
    response: type
    #: The response's element for each row, and what makes one.
    element: str
    row: Callable[[Any], Any]
    withheld: type
    #: The sentence, from how many are told of and how many are not.
    reason: str


def _answer(hub: Hub, call: Call, request: Any, telling: _Telling) -> Any:
    with hub.store.write() as connection:
        found = information(
            connection,
            call.caller,
            request.esiid,
            telling.subject,
            clock=hub.clock,
            allow_test_esiids=hub.settings.allow_test_esiids,
            address=peer_address(call.environ),
            reason=request.reason,
        )
    reason = telling.reason.format(told=len(found.told), withheld=len(found.withheld))
    response = started(telling.response(), call.trans_id, reason)
    setattr(response, telling.element, [telling.row(one) for one in found.told])
    response.withheld = [telling.withheld(esiid=one.esiid, code=one.code, reason=one.reason) for one in found.withheld]
    return response


def _premise(one: PremiseFacts) -> Any:
    return model.Premise(
        esiid=one.esiid,
        tdspDuns=one.tdsp_duns,
        serviceAddress=one.service_address,
        city=one.city,
        state=one.state,
        zip=one.zip,
        premiseType=one.premise_type,
        # the store's own first value is written small
        status=one.status.upper(),
        **{element: one.attributes.get(name) for element, name in _OF_PREMISE.items()},
    )


def _meter(one: MeterFacts) -> Any:
    provisioned, tested = one.provisioned_on, one.attributes.get("tested_on")
    return model.Meter(
        esiid=one.esiid,
        utilityCompanyId=one.tdsp_duns,
        meterSerialNumber=one.meter_number,
        meterStatus=one.attributes.get("meter_status") or ("INSTALLED" if provisioned is None else "PROVISIONED"),
        testDate=None if tested is None else usa_day(date.fromisoformat(tested)),
        installationDate=usa_day(one.installed_on),
        initialProvisionDate=None if provisioned is None else usa_day(provisioned),
        lastLoad=one.load_number,
        **{element: one.attributes.get(name) for element, name in _OF_METER.items()},
    )


_PREMISES: Final = _Telling(
    PREMISES,
    model.GetPremiseInformationResponse,
    "premise",
    _premise,
    model.PremiseWithheld,
    "{told} premises, {withheld} withheld",
)
_METERS: Final = _Telling(
    METERS,
    model.GetMeterInformationResponse,
    "meter",
    _meter,
    model.MeterWithheld,
    "{told} meters, {withheld} ESI IDs withheld",
)
