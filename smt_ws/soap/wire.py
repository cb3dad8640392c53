"""What every answer on the wire has in common (interfaces: SOAP services)."""

from __future__ import annotations

from datetime import date
from typing import Any

__all__ = ["started", "usa_day"]

#: statusCode of an operation that did what was asked.
DONE = "0"


def usa_day(day: date) -> str:
    """``MM/DD/YYYY``."""
    return f"{day:%m/%d/%Y}"


def started(response: Any, trans_id: str, reason: str) -> Any:
    """Fill the header of *response*: the echo of ``trans_id``, done, and a sentence."""
    response.trans_id = trans_id
    response.statusCode = DONE
    response.statusReason = reason
    return response
