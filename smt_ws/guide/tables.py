"""Every table of the interface guide by the name that marks its place in the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from smt_ws.guide import agreements, codes, contract, files, home_devices

__all__ = ["TABLES"]

TABLES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "operations": contract.operations,
        "callers": codes.callers,
        "fields": contract.fields,
        "remembered": contract.remembered,
        "security": codes.security,
        "fault": contract.fault,
        "codes-security": codes.faults_of_security,
        "codes-messages": codes.faults_of_messages,
        "codes-identity": codes.faults_of_identity,
        "codes-orders": codes.faults_of_orders,
        "codes-agreements": codes.faults_of_agreements,
        "agreement-kinds": agreements.kinds,
        "agreement-statuses": agreements.statuses,
        "codes-devices": codes.faults_of_devices,
        "device-states": home_devices.states,
        "device-moves": home_devices.moves,
        "device-reasons": home_devices.reasons,
        "message-fields": home_devices.fields,
        "message-states": home_devices.message_states,
        "message-statuses": home_devices.sep_statuses,
        "device-posts": home_devices.provisioning_statuses,
        "codes-posts": home_devices.answers,
        "codes-exceptions": codes.exceptions,
        "codes-remarks": codes.remarks,
        "order-states": codes.order_states,
        "part-states": codes.part_states,
        "reports": codes.reports,
        "names": files.names,
        "interval-standard": files.interval_standard,
        "interval-smt": files.interval_smt,
        "lse-layout": files.lse_layout,
        "lse-sample": files.lse_sample,
        "codes-lse": codes.lse_rejects,
        "market": files.market_layouts,
        "validation": codes.validation,
        "codes-loads": codes.loads,
        "activity": files.activity_report,
        "limits": codes.limits,
    }
)
