"""``MeterInformation``: attributes of the meters of premises that the caller may see (facts 3.4)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from datetime import date
from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.hub import Hub
from smt_ws.parties.information import MeterFacts, meter_information as told_of
from smt_ws.soap import model
from smt_ws.soap.wire import started, usa_day

__all__ = ["meter_information"]

#: Elements that hold an attribute of the TDSP's file as it is, by the element.
_ATTRIBUTES = {
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


def meter_information(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    class MeterInformation(ServiceBase):
        @rpc(model.GetMeterInformation, _returns=model.GetMeterInformationResponse, _body_style="bare")
        def GetMeterInformation(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring
            call: Call = ctx.udc
            with hub.store.write() as connection:
                found = told_of(
                    connection,
                    call.caller,
                    request.esiid,
                    clock=hub.clock,
                    allow_test_esiids=hub.settings.allow_test_esiids,
                    address=peer_address(call.environ),
                )
            reason = f"{len(found.told)} meters, {len(found.withheld)} ESI IDs withheld"
            response = started(model.GetMeterInformationResponse(), call.trans_id, reason)
            response.meter = [_meter(one) for one in found.told]
            response.withheld = [
                model.MeterWithheld(esiid=one.esiid, code=one.code, reason=one.reason) for one in found.withheld
            ]
            return response

    return MeterInformation


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
        **{element: one.attributes.get(name) for element, name in _ATTRIBUTES.items()},
    )
