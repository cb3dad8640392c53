"""What customers' visits leave behind, removed each night: ended log-ins, old links, unconfirmed registrations."""

from __future__ import annotations

from datetime import date

from smt_ws.accounts.attempts import forget_attempts
from smt_ws.accounts.log_in import forget_ended
from smt_ws.hub import Hub

__all__ = ["forget_visitors"]


def forget_visitors(hub: Hub, _for_date: date) -> str:
    """Remove what has ended; accounts and agreements stay."""
    counts = forget_attempts(hub.store)
    return f"{forget_ended(hub)} unconfirmed registrations and {counts} counts of attempts removed"
