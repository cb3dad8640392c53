"""``HANProvisioning``: devices in homes, added, removed and told of (H1, H9)."""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

from typing import Any

from adapters.soap import spyne_compat  # noqa: F401
from spyne import ServiceBase, rpc
from sqlalchemy import Connection

from adapters.soap.protocol import Call
from adapters.soap.server import peer_address
from smt_ws.han.devices import DeviceFacts, devices_of
from smt_ws.han.errors import of_code
from smt_ws.han.provision import Asked, DeviceRequest, cancel_pending, provision_device
from smt_ws.han.removal import deprovision_device
from smt_ws.han.secrets import InstallCodeKeys
from smt_ws.han.terms import Terms
from smt_ws.hub import Hub
from smt_ws.soap import model
from smt_ws.soap.remembered import remembered, stamped
from smt_ws.soap.wire import started

__all__ = ["han_provisioning"]


def han_provisioning(hub: Hub) -> type[ServiceBase]:
    """The service over *hub*."""
    terms, keys = Terms.of(hub.settings), InstallCodeKeys.of(hub.settings)

    def asked_of(call: Call, request: Any, **of_add: str) -> DeviceRequest:
        return DeviceRequest(
            trans_id=call.trans_id,
            requestor_id=request.requestorID,
            esiid=request.esiid,
            meter_number=request.meterSerialNumber,
            eui64=request.deviceMACAddr,
            **of_add,
        )

    class HANProvisioning(ServiceBase):
        @rpc(model.ProvisionDevice, _returns=model.ProvisionDeviceResponse, _body_style="bare")
        def ProvisionDevice(ctx: Any, request: Any) -> Any:  # noqa: N802, N805 — Spyne's way of declaring an operation
            call: Call = ctx.udc
            asked = asked_of(call, request, install_code=request.installCode, device_type=request.deviceType)

            def add(connection: Connection) -> dict[str, Any]:
                return _content(
                    provision_device(
                        connection,
                        call.caller,
                        asked,
                        terms=terms,
                        keys=keys,
                        clock=hub.clock,
                        address=peer_address(call.environ),
                    )
                )

            answer = remembered(hub, call, add)
            response = model.ProvisionDeviceResponse(**answer.content)
            return stamped(response, call, answer, "The TDSP will be asked to add the device.")

        @rpc(model.DeprovisionDevice, _returns=model.DeprovisionDeviceResponse, _body_style="bare")
        def DeprovisionDevice(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            asked = asked_of(call, request)

            def remove(connection: Connection) -> dict[str, Any]:
                done = deprovision_device(
                    connection,
                    call.caller,
                    asked,
                    terms=terms,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
                return _content(done) | {"awaitsCustomer": done.awaits_customer}

            answer = remembered(hub, call, remove)
            response = model.DeprovisionDeviceResponse(**answer.content)
            waits = answer.content["awaitsCustomer"]
            told = "The customer is asked first." if waits else "The TDSP will be asked to remove the device."
            return stamped(response, call, answer, told)

        @rpc(model.CancelPendingProvision, _returns=model.CancelPendingProvisionResponse, _body_style="bare")
        def CancelPendingProvision(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            asked = asked_of(call, request)

            def take_back(connection: Connection) -> dict[str, Any]:
                return _content(
                    cancel_pending(
                        connection,
                        call.caller,
                        asked,
                        terms=terms,
                        clock=hub.clock,
                        address=peer_address(call.environ),
                    )
                )

            answer = remembered(hub, call, take_back)
            response = model.CancelPendingProvisionResponse(**answer.content)
            return stamped(response, call, answer, "The add is taken back; the TDSP will be asked to undo it.")

        @rpc(model.GetDevices, _returns=model.GetDevicesResponse, _body_style="bare")
        def GetDevices(ctx: Any, request: Any) -> Any:  # noqa: N802, N805
            call: Call = ctx.udc
            with hub.store.write() as connection:
                found = devices_of(
                    connection,
                    call.caller,
                    request.esiid,
                    eui64=request.deviceMACAddr,
                    with_history=request.includeHistory is not False,
                    terms=terms,
                    clock=hub.clock,
                    address=peer_address(call.environ),
                )
            response = started(model.GetDevicesResponse(), call.trans_id, f"{len(found.devices)} devices")
            response.device = [_device(one) for one in found.devices]
            response.refused = [
                model.DeviceRefusedEsiid(esiid=one.esiid, code=one.code, reason=of_code(one.code).sentence())
                for one in found.not_reached
            ]
            return response

    return HANProvisioning


def _content(asked: Asked) -> dict[str, Any]:
    return {"requestId": str(asked.request_id), "status": asked.state.name}


def _device(one: DeviceFacts) -> Any:
    return model.HanDevice(
        esiid=one.esiid,
        meterSerialNumber=one.meter_number,
        deviceMACAddr=one.eui64,
        deviceType=one.device_type,
        status=one.state.name,
        statusText=one.state.value,
        since=one.state_at,
        unconfirmed=one.unconfirmed,
        requestId=str(one.request_id),
        history=[
            model.HanDeviceEvent(
                requestId=None if entry.request_id is None else str(entry.request_id),
                event=entry.event.name,
                status=entry.state.name,
                applied=entry.applied,
                actor=entry.actor,
                reasonCode=entry.reason_code,
                reason=entry.reason,
                statusTime=entry.status_at,
                receivedTime=entry.at,
            )
            for entry in one.history
        ],
    )
