"""All services of the hub behind one gate: the WSGI application that the SOAP endpoint serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from adapters.soap.contract import BigList, Contract
from adapters.soap.exchange import ExchangeRecord
from adapters.soap.faults import TooManyEsiids
from adapters.soap.gate import Endpoint, Gate, Limits
from adapters.soap.protocol import build_service
from adapters.soap.server import close_after, peer_address, waited
from smt_ws.hub import Hub
from smt_ws.soap.connectivity import connectivity
from smt_ws.soap.csp_authorization import csp_authorization
from smt_ws.soap.han_messaging import han_messaging
from smt_ws.soap.han_provisioning import han_provisioning
from smt_ws.soap.information import meter_information, premise_information
from smt_ws.soap.meter_usage import meter_usage
from smt_ws.soap.report_request_status import report_request_status
from smt_ws.soap.subscription import subscription
from smt_ws.soap.tdsp_callback import tdsp_callback
from smt_ws.soap.trust import hooks_of

__all__ = ["CONTRACTS", "SERVICES", "application"]

#: The folder that holds ``wsdl/`` and ``xsd/``, in a checkout and in an installation alike.
CONTRACTS: Final = Path(__file__).resolve().parents[2]


class _Service(NamedTuple):
    make: Callable[[Hub], type]
    #: Repeated elements that may stand 50,000 times, by operation.
    big_lists: Mapping[str, str] = {}
    #: Whether its operations answer each item of a request for itself.
    answers_each: bool = False


#: Every WSDL and what serves it, at ``/soap/<name>``.
SERVICES: Final[Mapping[str, _Service]] = {
    "MeterUsage": _Service(
        meter_usage,
        {
            "RequestIntervalData": "esiid",
            "RequestDailyReads": "esiid",
            "RequestMonthlyBilling": "esiid",
        },
    ),
    "ReportRequestStatus": _Service(report_request_status, {"MissingUsage": "esiid"}),
    "Subscription": _Service(subscription),
    "CSPAuthorization": _Service(csp_authorization),
    "PremiseInformation": _Service(premise_information, {"GetPremiseInformation": "esiid"}),
    "MeterInformation": _Service(meter_information, {"GetMeterInformation": "esiid"}),
    "HANProvisioning": _Service(han_provisioning),
    "HANMessaging": _Service(
        han_messaging,
        dict.fromkeys(
            (
                "SendTextMessage",
                "CancelTextMessage",
                "SendLoadControlEvent",
                "CancelLoadControlEvent",
                "CancelAllLoadControlEvents",
                "SendPrice",
            ),
            "esiid",
        ),
    ),
    "Connectivity": _Service(connectivity),
    "TDSPCallback": _Service(tdsp_callback, answers_each=True),
}


def application(
    hub: Hub, *, base_url: str | None = None, on_exchange: Callable[[ExchangeRecord], None] | None = None
) -> Gate:
    """The gate over all services of *hub*; *base_url* (default: the settings') is the address told in WSDLs."""
    soap = hub.settings.soap
    base_url = base_url or soap.base_url or f"https://{soap.host}:{soap.port}"
    hooks = replace(hooks_of(hub), base_urls=(base_url, *soap.also_at))
    endpoints = {}
    for name, service in SERVICES.items():
        contract = Contract(
            CONTRACTS / "wsdl" / f"{name}.wsdl",
            CONTRACTS / "xsd" / f"{name}.xsd",
            big_lists={
                operation: BigList(
                    element=element,
                    limit=hub.settings.limits.esiids_per_request,
                    refusal=TooManyEsiids,
                    sample="0" * 17,
                )
                for operation, element in service.big_lists.items()
            },
            answers_each=service.answers_each,
        )
        soap11, soap12 = build_service(service.make(hub), contract=contract, hooks=hooks)
        endpoints[f"/soap/{name}"] = Endpoint(soap11, soap12, contract.wsdl)
    return Gate(
        endpoints,
        base_url=base_url,
        xsd_dir=CONTRACTS / "xsd",
        sign=hooks.sign,
        limits=Limits(
            message_bytes=hub.settings.limits.body_bytes,
            bytes_in_hand=soap.bytes_in_hand,
            queue_seconds=soap.queue_seconds,
        ),
        on_exchange=on_exchange,
        waited=waited,
        address=peer_address,
        close_after=close_after,
        support=hub.settings.support_contact,
    )
