"""What an agreement opens: the one answer from which its words and its grants are made (A24). Pure.

E-mails and pages say what `told` gives; `smt_ws.agreements.granting` writes a grant for each `Opening.scope`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from smt_ws.agreements import rules
from smt_ws.agreements.rules import Kind, Status
from smt_ws.parties.rules import DEVICE, DEVICE_SERVICES, ENERGY_DATA, REPORT

__all__ = ["HISTORY_MONTHS_AT_MOST", "Opening", "Terms", "opens", "terms_of", "told"]

#: How far back an ongoing agreement may open usage, in months before its acceptance (A24).
HISTORY_MONTHS_AT_MOST: Final = 24
_ONE_DAY: Final = timedelta(days=1)
_ALL_USAGE: Final = ("interval", "daily", "monthly")


@dataclass(frozen=True, slots=True)
class Terms:
    """What was asked, and since when and until when it is in force."""

    kind: Kind
    services: tuple[str, ...]
    #: One-time: the report and how far back it goes, a key of `rules.PERIODS`.
    report: str | None = None
    report_period: str | None = None
    #: Ongoing usage: months before the acceptance.
    history_months: int = 0
    #: How long it lasts from its acceptance; None: until somebody ends it.
    months: int | None = None
    #: The operating day of its acceptance; None: not accepted yet.
    accepted_on: date | None = None
    end_day: date | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """One thing that an agreement opens. Days are operating days, both included; none before the acceptance."""

    #: The scope of its grant.
    scope: str
    #: Kinds of usage data: ``interval``, ``daily``, ``monthly``.
    data: tuple[str, ...] = ()
    #: How far back from the acceptance: a key of `rules.PERIODS`, or months.
    period: str | None = None
    history_months: int = 0
    #: How long from the acceptance on; None: no end of its own.
    months: int | None = None
    first_day: date | None = None
    #: None: no end, or not accepted yet.
    last_day: date | None = None


def opens(terms: Terms) -> tuple[Opening, ...]:
    """What an agreement of these *terms* opens, in the order of its services; a removal opens nothing."""
    return tuple(_dated(_opening(terms, service), terms) for service in terms.services)


def _opening(terms: Terms, service: str) -> Opening:
    if service in (DEVICE, DEVICE_SERVICES):
        return Opening(service, months=terms.months)
    if terms.kind is Kind.ONE_TIME:
        assert terms.report is not None
        return Opening(REPORT, data=(terms.report,), period=terms.report_period)
    return Opening(ENERGY_DATA, data=_ALL_USAGE, history_months=terms.history_months, months=terms.months)


def _dated(one: Opening, terms: Terms) -> Opening:
    accepted = terms.accepted_on
    if accepted is None:
        return one
    if one.period is not None:
        # Its days are over: the last one is the day before the acceptance (A11).
        return replace(one, first_day=rules.first_report_day(accepted, one.period), last_day=accepted - _ONE_DAY)
    first = rules.months_later(accepted, -one.history_months)
    return replace(one, first_day=first, last_day=terms.end_day)


def terms_of(row: Any, *, asked: bool = False) -> Terms:
    """The terms of an agreement's *row*; *asked*: with the extension that waits for the customer's answer."""
    extension = asked and row.status == Status.EXTENSION_PENDING
    return Terms(
        kind=Kind(row.kind),
        services=tuple(row.services),
        report=row.report,
        report_period=row.report_period,
        history_months=row.history_months,
        months=row.months,
        accepted_on=row.accepted_on,
        end_day=row.asked_end_day if extension else row.end_day,
    )


def told(openings: tuple[Opening, ...]) -> list[dict[str, Any]]:
    """*openings* as plain JSON, for the words of e-mails and pages."""
    return [asdict(one) | {"first_day": _iso(one.first_day), "last_day": _iso(one.last_day)} for one in openings]


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
