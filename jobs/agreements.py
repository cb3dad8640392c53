"""What time does to agreements, once a day (A15, A16)."""

from __future__ import annotations

from datetime import date

from smt_ws.agreements.lifecycle import pass_night
from smt_ws.hub import Hub

__all__ = ["agreements_by_night"]


def agreements_by_night(hub: Hub, _for_date: date) -> str:
    """Lapse invitations, end agreements, announce those with 30 days left, remove what is three years over."""
    done = pass_night(hub.store, clock=hub.clock, keep_years=hub.settings.agreements.keep_years)
    return (
        f"{done.not_accepted} invitations not accepted, {done.extensions_lapsed} extensions lapsed,"
        f" {done.expired} agreements expired, {done.announced} announced to end,"
        f" {done.followed} brought in line with their accounts, {done.removed} removed"
    )
