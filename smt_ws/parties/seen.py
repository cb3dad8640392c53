"""Which days of which premises companies may see, as rows to join: for questions that begin with what was loaded.

`smt_ws.parties.access` answers for a list of ESI IDs that somebody names, with a reason for each refusal. Here nobody
names any: the daily posting and changes since a load go from the data to those who may see it. The rule is the same
one (R5), by the same table of kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Date,
    Select,
    String,
    Subquery,
    Table,
    and_,
    case,
    false,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql import ColumnElement

from smt_ws.parties import rules
from smt_ws.parties.market_as_of import standing
from smt_ws.parties.rules import KINDS
from smt_ws.parties.tables import company_duns, grants, premise, rep_of_record

__all__ = ["days_seen", "esiids_seen"]

_COLUMNS = ("duns", "premise_id", "from_day", "to_day", "load_number")


def days_seen(
    duns_numbers: Sequence[str],
    *,
    kind: str,
    now: datetime,
    stated_reason: str | None = None,
    as_of: int | None = None,
) -> Subquery:
    """The spells of days that each of *duns_numbers* may see in the capacity *kind*, at the moment *now*.

    Columns: ``duns``, ``premise_id``, ``from_day``, ``to_day`` (NULL: no end) and ``load_number``, the mark since which
    that is so. A premise may have several rows for one DUNS number, and they may overlap: a service and an agreement.
    An agreement is its company's, so each of the company's numbers named here has a row for it. A kind that sees by a
    *stated_reason* has a row for every premise and number with one, and none without (R20).

    With *as_of* what the market's rows said once every load up to that number was done, and what agreements opened at
    that mark, as far as they are still in force at *now*.
    """
    what, named = KINDS[kind], list(duns_numbers)
    first, last = (literal(day, Date) for day in (date(1970, 1, 1), date.max))
    rows: list[Select[Any]] = []
    if what.by_service:
        for table, stood in standing(rep_of_record, as_of):
            of = table.c
            rows.append(
                select(of.duns, of.premise_id, of.from_day, of.to_day, of.load_number).where(stood, of.duns.in_(named))
            )
    if what.by_grant:
        for table, stood in standing(grants, as_of):
            rows.append(_granted(table, named, now).where(stood))
    if what.by_reason and stated_reason:
        rows += (
            select(literal(duns, String), premise.c.id, first, last, literal_column("0").label("load_number"))
            for duns in named
        )
    if what.by_wires:
        for table, stood in standing(premise, as_of):
            of = table.c
            rows.append(select(of.tdsp_duns, of.id, first, last, of.load_number).where(stood, of.tdsp_duns.in_(named)))
    if not rows:
        of = rep_of_record.c
        rows.append(select(of.duns, of.premise_id, of.from_day, of.to_day, of.load_number).where(false()))
    return union_all(*(row.with_only_columns(*_named(row)) for row in rows)).subquery("seen")


def _granted(table: Table, named: Sequence[str], now: datetime) -> Select[Any]:
    """Days of agreements in force: by *table*, which is that of grants or what it said before, as far as they stand."""
    of, held = table.c, grants.c
    in_force = (
        company_duns.c.duns.in_(named),
        held.scope == rules.ENERGY_DATA,
        held.granted_at <= now,
        or_(held.ended_at.is_(None), held.ended_at > now),
    )
    if table is grants:
        return (
            select(company_duns.c.duns, of.premise_id, of.from_day, of.to_day, of.load_number)
            .join(company_duns, company_duns.c.company_id == of.company_id)
            .where(*in_force)
        )
    # one that has ended meanwhile and was given again is another
    same = and_(held.premise_id == of.premise_id, held.id == of.id, held.granted_at == of.granted_at)
    first = case((held.from_day > of.from_day, held.from_day), else_=of.from_day)
    last: ColumnElement[Any] = case(
        (of.to_day.is_(None), held.to_day), (held.to_day < of.to_day, held.to_day), else_=of.to_day
    )
    return (
        select(company_duns.c.duns, of.premise_id, first.label("from_day"), last.label("to_day"), of.load_number)
        .join(grants, same)
        .join(company_duns, company_duns.c.company_id == held.company_id)
        .where(*in_force)
    )


def _named(row: Select[Any]) -> list[Any]:
    return [column.label(name) for column, name in zip(row.selected_columns, _COLUMNS, strict=True)]


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
