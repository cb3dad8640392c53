"""What time does to agreements, once a day (A15, A16), and telling the operator where consent looks made up (A23)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import structlog

from smt_ws.agreements.lifecycle import pass_night
from smt_ws.agreements.patterns import Collector, Pattern, collectors, patterns
from smt_ws.clock import central_today
from smt_ws.hub import Hub
from smt_ws.notices.queue import notify

__all__ = ["agreements_by_night"]

log = structlog.get_logger("jobs.agreements")

#: Days that are looked back on for patterns.
_LOOKED_AT: Final = 30


def agreements_by_night(hub: Hub, _for_date: date) -> str:
    """Lapse invitations, end agreements, announce those with 30 days left, remove what is three years over."""
    done = pass_night(hub.store, clock=hub.clock, keep_years=hub.settings.agreements.keep_years)
    with hub.store.read() as connection:
        month = patterns(connection, since=hub.clock.now() - timedelta(days=_LOOKED_AT))
        collecting = collectors(
            connection,
            since=central_today(hub.clock) - timedelta(days=_LOOKED_AT),
            more_than=hub.settings.agreements.collected_homes_alarm,
        )
    look = [one for one in month if one.is_suspicious(disowned_alarm=hub.settings.agreements.disowned_alarm)]
    _tell_operator(hub, look)
    _tell_of_collectors(hub, collecting)
    return (
        f"{done.not_accepted} invitations not accepted, {done.extensions_lapsed} extensions lapsed,"
        f" {done.expired} agreements expired, {done.announced} announced to end,"
        f" {done.moved_out} with others moved in, {done.followed} brought in line with their accounts,"
        f" {done.removed} removed; {len(look)} companies and {len(collecting)} accounts to look into"
    )


def _tell_operator(hub: Hub, look: Sequence[Pattern]) -> None:
    """Write to the operator of each company, once a week while it lasts (as `smt-ws agreement suspicious` shows it)."""
    year, week, _day = central_today(hub.clock).isocalendar()
    with hub.store.write() as connection:
        for one in look:
            figures = {
                "initiated": one.initiated,
                "disowned": one.disowned,
                "same_address": one.same_address,
                "other_email": one.other_email,
                "unconfirmed": one.unconfirmed,
            }
            log.warning("consent_suspicious", company=one.legal_name, **figures)
            notify(
                connection,
                "consent_suspicious",
                to=hub.settings.operator_address,
                key=f"consent:{one.company_id}:{year}-{week}",
                facts={"company": one.legal_name, "days": _LOOKED_AT} | figures,
                now=hub.clock.now(),
            )


def _tell_of_collectors(hub: Hub, collecting: Sequence[Collector]) -> None:
    """Write to the operator of each account that collects homes, once a week while it lasts (A25)."""
    year, week, _day = central_today(hub.clock).isocalendar()
    with hub.store.write() as connection:
        for one in collecting:
            figures = {"account": one.account_id, "homes": one.homes, "companies": one.companies}
            log.warning("homes_collected", **figures)
            notify(
                connection,
                "homes_collected",
                to=hub.settings.operator_address,
                key=f"collector:{one.account_id}:{year}-{week}",
                facts={"days": _LOOKED_AT} | figures,
                now=hub.clock.now(),
            )
