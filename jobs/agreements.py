"""What time does to agreements, once a day (A15, A16)."""

from __future__ import annotations

from datetime import date, timedelta

import structlog

from smt_ws.agreements.lifecycle import pass_night
from smt_ws.agreements.patterns import patterns
from smt_ws.hub import Hub

__all__ = ["agreements_by_night"]

log = structlog.get_logger("jobs.agreements")


def agreements_by_night(hub: Hub, _for_date: date) -> str:
    """Lapse invitations, end agreements, announce those with 30 days left, remove what is three years over."""
    done = pass_night(hub.store, clock=hub.clock, keep_years=hub.settings.agreements.keep_years)
    with hub.store.read() as connection:
        month = patterns(connection, since=hub.clock.now() - timedelta(days=30))
    look = [one for one in month if one.is_suspicious(disowned_alarm=hub.settings.agreements.disowned_alarm)]
    for one in look:
        # `smt-ws agreement suspicious` shows the same (A23)
        log.warning("consent_suspicious", company=one.legal_name, disowned=one.disowned, same_address=one.same_address)
    return (
        f"{done.not_accepted} invitations not accepted, {done.extensions_lapsed} extensions lapsed,"
        f" {done.expired} agreements expired, {done.announced} announced to end,"
        f" {done.moved_out} with others moved in, {done.followed} brought in line with their accounts,"
        f" {done.removed} removed; {len(look)} companies to look into"
    )
