"""``PremiseInformation``: attributes of premises that the caller may see."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.hub import Hub
from smt_ws.parties.information import PremiseFacts, premise_information as told_of
from smt_ws.soap import model
from smt_ws.soap.wire import started

__all__ = ["premise_information"]

#: Elements that hold an attribute of the TDSP's file, by the element.
_ATTRIBUTES = {
    "county": "county",
    "readCycle": "read_cycle",
    "loadProfile": "load_profile",
    "stationCode": "station_code",
    "stationName": "station_name",
}


def premise_information(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""

    class PremiseInformation(ServiceBase):
        @rpc(model.GetPremiseInformation, _returns=model.GetPremiseInformationResponse, _body_style="bare")
        def GetPremiseInformation(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring
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
            reason = f"{len(found.told)} premises, {len(found.withheld)} withheld"
            response = started(model.GetPremiseInformationResponse(), call.trans_id, reason)
            response.premise = [_premise(one) for one in found.told]
            response.withheld = [
                model.PremiseWithheld(esiid=one.esiid, code=one.code, reason=one.reason) for one in found.withheld
            ]
            return response

    return PremiseInformation


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
        **{element: one.attributes.get(name) for element, name in _ATTRIBUTES.items()},
    )
