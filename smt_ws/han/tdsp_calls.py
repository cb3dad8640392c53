"""Calling TDSPs: from rows of the outbox to signed calls of a TDSP's own ``TDSPHan``, and their verified receipts (H7).

A call that got no answer is made again with the same request ids, which the TDSP answers with REPEATED: at least once
on the wire, once in the home. A TDSP that is down delays its rows and no one else's (`smt_ws.store.outbox`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

import zeep
import zeep.exceptions
from cryptography.hazmat.primitives import hashes

from adapters.sep import encode
from adapters.soap.client import UnusableAnswer, connect
from smt_ws.han import handover
from smt_ws.han.errors import EarlierCallOpenError
from smt_ws.han.handover import DeliveryCall, ProvisionCall, Taken
from smt_ws.han.secrets import InstallCodeKeys
from smt_ws.han.tdsp_endpoints import Endpoint, endpoint_of
from smt_ws.hub import Hub
from smt_ws.store.outbox import Batch, Handlers, Refused

__all__ = ["CONTRACT", "TdspCalls"]

#: What a TDSP serves to be called, in a checkout and in an installation alike.
CONTRACT: Final = Path(__file__).resolve().parents[2] / "wsdl" / "TDSPHan.wsdl"

#: Rows of the outbox that one call takes: single messages come a row each, parts of large ones 500 meters a row.
_ROWS: Final = 200
#: Meters that one call may name, so that it ends well within the outbox's lease.
_METERS: Final = 5_000
_TAKEN: Final = frozenset({"ACCEPTED", "REPEATED"})


class TdspCalls:
    """The outbox handlers of kinds ``tdsp.…`` over one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._keys = InstallCodeKeys.of(hub.settings)
        #: A client costs a tenth of a second to make: one a TDSP, until its address or certificates change.
        self._clients: dict[str, tuple[tuple[str, ...], zeep.Client]] = {}
        self._lock = Lock()

    def handlers(self) -> Handlers:
        """Each kind of row and what carries it out."""
        return {
            "tdsp.add_device": self.add_device,
            "tdsp.remove_device": self.remove_device,
            "tdsp.deliver_message": Batch(_ROWS, self.deliver),
            "tdsp.cancel_message": Batch(_ROWS, self.cancel),
        }

    def add_device(self, payload: Mapping[str, Any]) -> None:
        """Hand over a request to add a device, unless nothing is to be done for it any more."""
        call = self._provision_call(payload)
        if call is not None:
            fields = {"installCode": call.install_code, "deviceType": call.device_type}
            self._provision(call, "AddDevice", fields)

    def remove_device(self, payload: Mapping[str, Any]) -> None:
        """Hand over a request to remove a device."""
        call = self._provision_call(payload)
        if call is not None:
            original = call.original_request_id
            self._provision(call, "RemoveDevice", {} if original is None else {"addRequestId": str(original)})

    def deliver(self, payloads: Sequence[dict[str, Any]]) -> Mapping[int, Exception]:
        """Hand over messages to the meters of one TDSP; returns what failed, by position."""
        return self._messages(payloads, "DeliverMessage", "delivery")

    def cancel(self, payloads: Sequence[dict[str, Any]]) -> Mapping[int, Exception]:
        """Hand over cancellations to the meters of one TDSP."""
        return self._messages(payloads, "CancelMessage", "cancellation")

    def _provision_call(self, payload: Mapping[str, Any]) -> ProvisionCall | None:
        with _waiting_is_no_failure_of_the_tdsp(), self._hub.store.write() as connection:
            return handover.provision_request(
                connection, int(payload["request_id"]), keys=self._keys, now=self._hub.clock.now()
            )

    def _provision(self, call: ProvisionCall, operation: str, fields: Mapping[str, Any]) -> None:
        answer = self._call(
            call.tdsp_duns,
            operation,
            f"request-{call.request_id}",
            requestId=str(call.request_id),
            esiid=call.esiid,
            meterSerialNumber=call.meter_number,
            deviceMACAddr=call.eui64,
            **fields,
        )
        receipt = _receipts([answer.receipt], [str(call.request_id)])[0]
        refused = None if receipt.code in _TAKEN else (receipt.reasonCode or "OTHER", receipt.reason)
        with self._hub.store.write() as connection:
            handover.provision_handed_over(connection, call.request_id, refused=refused, clock=self._hub.clock)

    def _messages(self, payloads: Sequence[dict[str, Any]], operation: str, element: str) -> dict[int, Exception]:
        failed: dict[int, Exception] = {}
        with _waiting_is_no_failure_of_the_tdsp(), self._hub.store.write() as connection:
            calls = handover.deliveries(connection, payloads, now=self._hub.clock.now())
        for group in _groups(calls):
            try:
                self._hand_over(group, operation, element)
            except (OSError, Refused) as error:
                if len(group) == len(calls):
                    raise
                failed |= {call.payload_index: error for call in group}
        return failed

    def _hand_over(self, calls: Sequence[DeliveryCall], operation: str, element: str) -> None:
        first = calls[0]
        entries = [_entry(call) for call in calls]
        trans_id = f"message-{first.message_id}-{first.first}-{len(calls)}"
        answer = self._call(first.tdsp_duns, operation, trans_id, **{element: entries})
        receipts = _receipts(answer.receipt, [entry["requestId"] for entry in entries])
        with self._hub.store.write() as connection:
            handover.handed_over(
                connection,
                [_taken(call, receipt) for call, receipt in zip(calls, receipts, strict=True)],
                clock=self._hub.clock,
            )

    def _call(self, duns: str, operation: str, trans_id: str, **fields: Any) -> Any:
        """Make one call and return its answer, whose signature holds.

        Raises `Refused` where the TDSP answers with a fault of ours to mend, OSError where it is down, is no SOAP
        server, fails itself or has no endpoint yet, and `SecurityFailure` for an answer that cannot be trusted.
        """
        with self._hub.store.read() as connection:
            endpoint = endpoint_of(connection, duns)
        if endpoint is None:
            raise ConnectionError(f"TDSP {duns} has no endpoint or no signing certificate in force")
        service = self._client(endpoint).service
        try:
            return service[operation](trans_id=trans_id[:64], requestorID="han", tdspDUNSNumber=duns, **fields)
        except zeep.exceptions.Fault as fault:
            if str(fault.code).rpartition(":")[2] in {"Server", "Receiver"}:
                raise ConnectionError(f"the TDSP failed: {fault.message}") from fault
            raise Refused(f"fault: {fault.message}") from fault
        except UnusableAnswer as error:
            # A page of HTML that says "maintenance" is a server that is down.
            raise ConnectionError(str(error)) from error

    def _client(self, endpoint: Endpoint) -> zeep.Client:
        described = (endpoint.url, *(c.fingerprint(hashes.SHA256()).hex() for c in endpoint.certificates))
        with self._lock:
            known = self._clients.get(endpoint.duns)
            if known is None or known[0] != described:
                known = self._clients[endpoint.duns] = (described, self._connect(endpoint))
            return known[1]

    def _connect(self, endpoint: Endpoint) -> zeep.Client:
        tls = self._hub.settings.tls
        return connect(
            CONTRACT,
            address=endpoint.url,
            tls_certificate=tls.certificate,
            tls_key=tls.key,
            ca=tls.client_authorities,
            signing_certificate=tls.signing_certificate,
            signing_key=tls.signing_key,
            hub_certificates=endpoint.certificates,
        )


@contextmanager
def _waiting_is_no_failure_of_the_tdsp() -> Iterator[None]:
    try:
        yield
    except EarlierCallOpenError as error:
        raise Refused(f"{error.code}: {error}") from error


def _groups(calls: Sequence[DeliveryCall]) -> Iterator[list[DeliveryCall]]:
    """Cut *calls*, in their order, so that no group has too many meters or those of two TDSPs."""
    group: list[DeliveryCall] = []
    meters = 0
    for call in calls:
        if group and (meters + len(call.targets) > _METERS or call.tdsp_duns != group[0].tdsp_duns):
            yield group
            group, meters = [], 0
        group.append(call)
        meters += len(call.targets)
    if group:
        yield group


def _entry(call: DeliveryCall) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "requestId": str(call.request_id),
        "category": call.category,
        "cluster": f"{call.message.CLUSTER:04X}",
        "frame": encode(call.message).hex().upper(),
        "target": [{"esiid": esiid, "meterSerialNumber": meter} for esiid, meter in call.targets],
    }
    if call.cancellation_id is not None:
        entry["messageCancellationId"] = str(call.cancellation_id)
    return entry


def _receipts(receipts: Sequence[Any], asked: Sequence[str]) -> Sequence[Any]:
    """Hold receipts against what they are for. Raises ConnectionError: such an answer says nothing of any request."""
    if [receipt.requestId for receipt in receipts] != list(asked):
        raise ConnectionError("the TDSP's receipts are not for the requests of the call, one each and in order")
    return receipts


def _taken(call: DeliveryCall, receipt: Any) -> Taken:
    if receipt.code in _TAKEN:
        refused = {one.esiid: (one.code, one.reason) for one in receipt.refused}
    else:
        refused = {esiid: (receipt.reasonCode or "OTHER", receipt.reason) for esiid, _meter in call.targets}
    return Taken(call.message_id, call.first, call.last, refused)
