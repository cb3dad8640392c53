"""The facts of agreement letters and pages, as agreements give them."""

from __future__ import annotations

from typing import Any

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
    "customer_address": "400 N Olive Street, Sunnyville, TX 75012",
    "customer_email": "cakin@customer.example",
    "customer_phone": "214-555-0199",
    "esiids": ["XXXXXXXXXX4378120"],
    "meters": ["104051941"],
    "all_meters": False,
    "devices": [],
    "report": "interval",
    "report_format": "CSV",
    "report_period": "3m",
    "services": ["energy_data"],
    "duration_months": None,
    "end_day": None,
    "expires_on": "2026-12-20",
    "status": "Pending",
    "accept_url": "https://hub.example/a/TOKEN-A",
    "reject_url": "https://hub.example/r/TOKEN-R",
    "disown_url": "https://hub.example/d/TOKEN-D",
    "portal_url": "https://hub.example",
    "order_number": None,
    "to_customer": True,
    "extension": False,
    "extension_outcome": None,
}

#: What makes the kinds differ.
KIND_FACTS: dict[str, dict[str, Any]] = {
    "one_time": {},
    "ongoing": {
        "kind": "ongoing", "report": None, "report_format": None, "report_period": None, "duration_months": 6,
        "services": ["energy_data", "device_services"], "all_meters": True, "esiids": [], "meters": [],
        "end_day": "2027-05-19",
    },
    "device": {
        "kind": "device", "report": None, "report_format": None, "report_period": None, "services": ["device"],
        "devices": ["XXXXXXXXXXXF0A1B"],
    },
    "device_services": {
        "kind": "device_services", "report": None, "report_format": None, "report_period": None,
        "services": ["device_services"], "duration_months": 12, "end_day": "2027-11-19",
    },
    "removal": {
        "kind": "removal", "report": None, "report_format": None, "report_period": None, "services": [],
        "devices": ["XXXXXXXXXXXF0A1B"],
    },
}  # fmt: skip
