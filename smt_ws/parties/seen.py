"""Which days of which premises companies may see, as rows to join: for questions that begin with what was loaded.

`smt_ws.parties.access` answers for a list of ESI IDs that somebody names, with a reason for each refusal. Here nobody
names any: the daily posting and changes since a load go from the data to those who may see it. The rule is the same
one (R5), by the same table of kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, Select, String, Subquery, and_, false, literal, or_, select, union_all

from smt_ws.parties import rules
from smt_ws.parties.rules import KINDS
from smt_ws.parties.tables import company_duns, grants, premise, rep_of_record

__all__ = ["days_seen", "esiids_seen"]


def days_seen(duns_numbers: Sequence[str], *, kind: str, now: datetime, stated_reason: str | None = None) -> Subquery:
    """The spells of days that each of *duns_numbers* may see in the capacity *kind*, at the moment *now*.

    Columns: ``duns``, ``premise_id``, ``from_day``, ``to_day`` (NULL: no end). A premise may have several rows for one
    DUNS number, and they may overlap: a service and an agreement. An agreement is its company's, so each of the
    company's numbers named here has a row for it. A kind that sees by a *stated_reason* has a row for every premise and
    number with one, and none without (R20).
    """
    what, named = KINDS[kind], list(duns_numbers)
    rows: list[Select[Any]] = []
    if what.by_service:
        of = rep_of_record.c
        rows.append(select(of.duns, of.premise_id, of.from_day, of.to_day).where(of.duns.in_(named)))
    if what.by_grant:
        rows.append(
            select(company_duns.c.duns, grants.c.premise_id, grants.c.from_day, grants.c.to_day)
            .join(company_duns, company_duns.c.company_id == grants.c.company_id)
            .where(
                company_duns.c.duns.in_(named),
                grants.c.scope == rules.ENERGY_DATA,
                grants.c.granted_at <= now,
                or_(grants.c.ended_at.is_(None), grants.c.ended_at > now),
            )
        )
    first, last = (literal(day, Date) for day in (date(1970, 1, 1), date.max))
    if what.by_reason and stated_reason:
        rows += (select(literal(duns, String), premise.c.id, first, last) for duns in named)
    if what.by_wires:
        rows.append(select(premise.c.tdsp_duns, premise.c.id, first, last).where(premise.c.tdsp_duns.in_(named)))
    if not rows:
        of = rep_of_record.c
        rows.append(select(of.duns, of.premise_id, of.from_day, of.to_day).where(false()))
    named_alike = [row.with_only_columns(*_named(row)) for row in rows]
    return union_all(*named_alike).subquery("seen")


def _named(row: Select[Any]) -> list[Any]:
    names = ("duns", "premise_id", "from_day", "to_day")
    return [column.label(name) for column, name in zip(row.selected_columns, names, strict=True)]


def esiids_seen(duns_numbers: Sequence[str], *, kind: str, now: datetime, first_day: date, last_day: date) -> Any:
    """A statement for the ESI IDs of which any day from *first_day* to *last_day* may be seen, in order, each once."""
    seen = days_seen(duns_numbers, kind=kind, now=now)
    return (
        select(premise.c.esiid)
        .join(seen, seen.c.premise_id == premise.c.id)
        .where(and_(seen.c.from_day <= last_day, or_(seen.c.to_day.is_(None), seen.c.to_day >= first_day)))
        .distinct()
        .order_by(premise.c.esiid)
    )
