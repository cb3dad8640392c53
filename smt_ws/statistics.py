"""How many there are of everything, and what happened in a week and in a month to date: the figures of 004 (P11).

One statement a section, each over whole tables: made to be asked a few times a day, not at every scrape. Figures name
companies, never a customer or a premise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, case, func, literal_column, select
from sqlalchemy.sql import ColumnElement

from adapters.central_day import midnight_utc
from smt_ws.agreements.tables import agreement, agreement_history
from smt_ws.han.tables import han_device, han_message, han_request
from smt_ws.orders.tables import report_order, subscription
from smt_ws.parties.account_tables import account
from smt_ws.parties.tables import company, company_duns, meter, premise
from smt_ws.store.audit import Event
from smt_ws.store.tables import audit_log
from smt_ws.usage.tables import load

__all__ = ["Activity", "Period", "Standing", "Statistics", "statistics"]


@dataclass(frozen=True)
class Period:
    """The seven days that end with *day*, and its month up to it; US Central days, all of them included."""

    day: date

    @property
    def week_from(self) -> date:
        """First day of the week."""
        return self.day - timedelta(days=6)

    @property
    def month_from(self) -> date:
        """First day of the month."""
        return self.day.replace(day=1)

    @property
    def begins(self) -> datetime:
        """The first moment that anything here is counted from."""
        return midnight_utc(min(self.week_from, self.month_from))

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return midnight_utc(self.day + timedelta(days=1))


@dataclass(frozen=True)
class Standing:
    """So many there are now, at this moment of the store, of *name* within *group*."""

    section: str
    group: str
    name: str
    count: int


@dataclass(frozen=True)
class Activity:
    """So often *name* happened within the week, and within the month to date."""

    section: str
    name: str
    week: int
    month: int


@dataclass(frozen=True)
class Statistics:
    """What stands and what happened."""

    period: Period
    standing: tuple[Standing, ...]
    activity: tuple[Activity, ...]


def statistics(connection: Connection, *, day: date) -> Statistics:
    """Count everything; activity in the week and the month to date that end with the US Central *day*."""
    period = Period(day)
    return Statistics(period, tuple(_standing(connection)), tuple(_activity(connection, period)))


#: Audit events that are counted as they are: section, name.
_EVENTS: Final = {
    Event.FILE_FETCHED: ("Files on the FTPS site", "fetched by companies"),
    Event.FILE_STORED: ("Files on the FTPS site", "left by TDSPs"),
    Event.ACCOUNT_LOGGED_IN: ("Customers", "logins"),
    Event.ACCOUNT_LOG_IN_REFUSED: ("Customers", "logins refused"),
}

_WIRES: Final = (
    select(company_duns.c.duns, company.c.legal_name)
    .join(company, company.c.id == company_duns.c.company_id)
    .subquery("wires")
)


def _standing(connection: Connection) -> Iterator[Standing]:
    def counted(section: str, source: Any, group: Any, name: Any, *where: ColumnElement[bool]) -> Iterator[Standing]:
        # by their names: PostgreSQL takes the same expression with its parameters for another one
        by: tuple[ColumnElement[str], ...] = (literal_column("group_name"), literal_column("row_name"))
        question = select(group.label("group_name"), name.label("row_name"), func.count()).select_from(source)
        for group_name, row_name, count in connection.execute(question.where(*where).group_by(*by).order_by(*by)):
            yield Standing(section, str(group_name), str(row_name), int(count))

    wired = _with_wires(premise.join(meter, meter.c.premise_id == premise.c.id), premise.c.tdsp_duns)
    provisioned = case((meter.c.provisioned_on.is_(None), "installed, not provisioned"), else_="provisioned")
    there = meter.c.removed_on.is_(None)
    yield from counted("Meters", wired, _wires_name(premise.c.tdsp_duns), provisioned, there)
    active = case((company.c.suspended_at.is_(None), "active"), else_="suspended")
    yield from counted("Companies", company, company.c.kind, active)
    confirmed = case((account.c.confirmed_at.is_(None), "not confirmed"), else_="confirmed")
    yield from counted("Customers", account, account.c.kind, confirmed)
    device = han_device.c
    yield from counted(
        "HAN devices", _with_wires(han_device, device.tdsp_duns), _wires_name(device.tdsp_duns), device.state
    )
    yield from counted("Agreements", agreement, agreement.c.kind, agreement.c.status)
    yield from counted("Orders", report_order, report_order.c.service_type, report_order.c.status)
    in_force = subscription.c.ended_at.is_(None)
    yield from counted("Subscriptions", subscription, subscription.c.data_type, subscription.c.format, in_force)


def _activity(connection: Connection, period: Period) -> Iterator[Activity]:
    def counted(
        section: str,
        name: str,
        at: Any,
        *columns: Any,
        source: Any = None,
        measure: Any = 1,
        where: ColumnElement[bool] | None = None,
    ) -> Iterator[Activity]:
        """Rows of *name*, filled with *columns*, that have their moment *at* in the period; *measure* is summed."""
        sums = [
            func.coalesce(func.sum(case((at >= midnight_utc(first), measure), else_=0)), 0)
            for first in (period.week_from, period.month_from)
        ]
        question = (
            select(*columns, *sums)
            .select_from(at.table if source is None else source)
            .where(at >= period.begins, at < period.ends)
            .group_by(*columns)
            .order_by(*columns)
        )
        for *values, week, month in connection.execute(question if where is None else question.where(where)):
            if values or month or week:
                yield Activity(section, name.format(*values), int(week), int(month))

    ended, records = load.c.finished_at, load.c.loaded + load.c.replaced
    yield from counted("Loads", "{} files, {}", ended, load.c.kind, load.c.state)
    yield from counted("Loads", "{} records", ended, load.c.kind, measure=records)
    order = report_order.c
    of_company = report_order.join(company, company.c.id == order.company_id)
    asked = (company.c.kind, order.service_type, order.report)
    yield from counted("Orders", "{}, {}, {}", order.accepted_at, *asked, source=of_company)
    yield from counted("Orders", "ESI-ID-days delivered", order.completed_at, measure=order.days_delivered)
    yield from counted("Agreements", "{} initiated", agreement.c.initiated_at, agreement.c.kind)
    moved = agreement_history.c
    change = moved.from_status.is_not(None) & (moved.from_status != moved.to_status)
    yield from counted("Agreements", "now {}", moved.at, moved.to_status, where=change)
    yield from counted("Customers", "{} accounts confirmed", account.c.confirmed_at, account.c.kind)
    yield from counted("HAN devices", "{} asked for", han_request.c.asked_at, han_request.c.action)
    message = han_message.c
    yield from counted("HAN messages", "{}, by meters", message.accepted_at, message.category, measure=message.premises)
    for event, (section, name) in _EVENTS.items():
        yield from counted(section, name, audit_log.c.at, where=audit_log.c.event == event.value)


def _with_wires(source: Any, duns: Any) -> Any:
    return source.outerjoin(_WIRES, _WIRES.c.duns == duns)


def _wires_name(duns: Any) -> Any:
    # a TDSP whose premises are loaded need not be registered yet
    return func.coalesce(_WIRES.c.legal_name, duns)
