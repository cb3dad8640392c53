"""The facts of agreement letters and pages, as agreements give them."""

from __future__ import annotations

from typing import Any

from smt_ws.agreements.opens import Terms, opens, told
from smt_ws.agreements.rules import Kind


def opened(kind: Kind, *services: str, months: int | None = None) -> list[dict[str, Any]]:
    """What an agreement of this kind opens before its acceptance, as e-mails and pages are told."""
    return told(opens(Terms(kind, services, report="interval", report_period="3m", months=months)))


FACTS: dict[str, Any] = {
    "number": "112026000001",
    "kind": "one_time",
    "company": "Lantern Analytics",
    "contact_name": "Ana Ruiz",
    "contact_phone": "512-555-0100",
    "contact_email": "ana@lantern.example",
    "privacy_url": None,
    "comments": "We met on Tuesday.\nThank you!",
    "customer_name": "Chika Akin",
    "service_addresses": ["400 N Olive Street, Sunnyville, TX 75012"],
    "customer_email": "cakin@customer.example",
    "customer_phone": "214-555-0199",
    "esiids": ["XXXXXXXXXX4378120"],
    "meters": ["104051941"],
    "all_meters": False,
    "devices": [],
    "report": "interval",
    "report_format": "CSV",
    "report_period": "3m",
    "opens": opened(Kind.ONE_TIME, "energy_data"),
    "requested_at": "2026-11-20T15:00:00+00:00",
    "accepted_at": None,
    "end_day": None,
    "expires_on": "2026-12-20",
    "status": "Pending",
    "accept_url": "https://hub.example/a/TOKEN-A",
    "reject_url": "https://hub.example/r/TOKEN-R",
    "disown_url": "https://hub.example/d/TOKEN-D",
    "portal_url": "https://hub.example",
    "faq_url": "https://hub.example/faq?lang=en",
    "terms_url": "https://hub.example/terms?lang=en",
    "order_number": None,
    "to_customer": True,
    "extension": False,
    "extension_outcome": None,
}

#: What makes the kinds differ.
KIND_FACTS: dict[str, dict[str, Any]] = {
    "one_time": {},
    "ongoing": {
        "kind": "ongoing", "report": None, "report_format": None, "report_period": None,
        "opens": opened(Kind.ONGOING, "energy_data", "device_services", months=6),
        "all_meters": True, "esiids": [], "meters": [],
        "end_day": "2027-05-19",
    },
    "device": {
        "kind": "device", "report": None, "report_format": None, "report_period": None,
        "opens": opened(Kind.DEVICE, "device"),
        "devices": ["XXXXXXXXXXXF0A1B"],
    },
    "device_services": {
        "kind": "device_services", "report": None, "report_format": None, "report_period": None,
        "opens": opened(Kind.DEVICE_SERVICES, "device_services", months=12), "end_day": "2027-11-19",
    },
    "removal": {
        "kind": "removal", "report": None, "report_format": None, "report_period": None, "opens": [],
        "devices": ["XXXXXXXXXXXF0A1B"],
    },
}  # fmt: skip
