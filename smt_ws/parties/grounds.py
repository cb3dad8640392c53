"""What a company has at a premise that could open a day to it, in force or not: why it may see a day, or may not (K3).

`smt_ws.parties.access` decides. Here the same rows are told one by one, for whoever has to explain the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import Connection, select

from smt_ws.parties.rules import ENERGY_DATA, KINDS
from smt_ws.parties.tables import company, company_duns, grants, premise, rep_of_record

__all__ = ["Ground", "grounds", "legal_names", "served_by"]


@dataclass(frozen=True)
class Ground:
    """A service as REP of record, an agreement, or the wires, and the operating days it opens; no *last*: no end."""

    what: Literal["service", "agreement", "wires"]
    #: DUNS number of the REP or TDSP, or the agreement.
    name: str
    first: date | None
    last: date | None
    #: When an agreement was given, and when it ended.
    given: datetime | None = None
    ended: datetime | None = None

    def opens(self, day: date, *, now: datetime) -> bool:
        """Whether it opens *day* at the moment *now* (R5)."""
        in_force = (self.given is None or self.given <= now) and (self.ended is None or self.ended > now)
        return in_force and (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


def grounds(
    connection: Connection, *, company_id: int, kind: str, duns_numbers: Sequence[str], esiid: str
) -> list[Ground]:
    """All that the company has at the premise in the capacity *kind*, by first day; ended agreements too."""
    what, found = KINDS[kind], list[Ground]()
    home = connection.execute(select(premise.c.id, premise.c.tdsp_duns).where(premise.c.esiid == esiid)).first()
    if home is None:
        return found
    if what.by_wires and home.tdsp_duns in duns_numbers:
        found.append(Ground("wires", home.tdsp_duns, None, None))
    if what.by_service:
        of = rep_of_record.c
        services = (
            select(of.duns, of.from_day, of.to_day)
            .where(of.premise_id == home.id, of.duns.in_(list(duns_numbers)))
            .order_by(of.from_day)
        )
        found += [Ground("service", duns, first, last) for duns, first, last in connection.execute(services)]
    if what.by_grant:
        given = (
            select(grants.c.source, grants.c.from_day, grants.c.to_day, grants.c.granted_at, grants.c.ended_at)
            .where(
                grants.c.premise_id == home.id,
                grants.c.company_id == company_id,
                grants.c.scope == ENERGY_DATA,
            )
            .order_by(grants.c.from_day, grants.c.id)
        )
        found += [Ground("agreement", *row) for row in connection.execute(given)]
    return found


def served_by(connection: Connection, *, esiid: str, day: date) -> str | None:
    """DUNS number of the REP of record of *day*; None where the market has named none."""
    of = rep_of_record.c
    return connection.scalar(
        select(of.duns)
        .join(premise, premise.c.id == of.premise_id)
        .where(premise.c.esiid == esiid, of.from_day <= day, of.to_day.is_(None) | (of.to_day >= day))
    )


def legal_names(connection: Connection, duns_numbers: Iterable[str]) -> dict[str, str]:
    """The legal names of companies by DUNS number; one that the hub does not know is not there."""
    named = (
        select(company_duns.c.duns, company.c.legal_name)
        .join(company, company.c.id == company_duns.c.company_id)
        .where(company_duns.c.duns.in_(sorted(set(duns_numbers))))
    )
    return {row.duns: row.legal_name for row in connection.execute(named)}
