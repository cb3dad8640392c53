"""The companies that an LSE record names: whose wires a premise is on, and who served it on a day (facts section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, and_, select

from smt_ws.parties.tables import company_duns, premise, rep_of_record
from smt_ws.store.dialect import among

__all__ = ["RecordParties"]


class RecordParties:
    """Made for the premises of one file and one company; the store is asked when the first name is needed.

    A REP of record is named only where it is the company itself: who else serves a home is nobody's business.
    """

    def __init__(self, connection: Connection, *, premise_ids: Sequence[int], company_id: int) -> None:
        """*premise_ids* are those of the file."""
        self._connection = connection
        self._premise_ids = sorted(set(premise_ids))
        self._company_id = company_id
        #: By ESI ID: the TDSP, and the company's services as REP of record: DUNS number, first day, last day.
        self._known: dict[str, tuple[str, tuple[tuple[str, date, date | None], ...]]] | None = None

    def of(self, esiid: str, day: date) -> tuple[str, str | None]:
        """DUNS number of the TDSP on whose wires the premise is, and that under which the company served it on *day*.

        None where the company was not its REP of record. Raises KeyError for a premise of another file.
        """
        tdsp, services = (self._known or self._read())[esiid]
        for duns, first, last in services:
            if first <= day and (last is None or day <= last):
                return tdsp, duns
        return tdsp, None

    def _read(self) -> dict[str, tuple[str, tuple[tuple[str, date, date | None], ...]]]:
        own = select(company_duns.c.duns).where(company_duns.c.company_id == self._company_id)
        of = rep_of_record.c
        served = and_(of.premise_id == premise.c.id, of.duns.in_(own))
        rows = self._connection.execute(
            select(premise.c.esiid, premise.c.tdsp_duns, of.duns, of.from_day, of.to_day)
            .select_from(premise)
            .outerjoin(rep_of_record, served)
            .where(among(self._connection, premise.c.id, self._premise_ids))
        ).all()
        known: dict[str, tuple[str, tuple[tuple[str, date, date | None], ...]]] = {}
        for esiid, tdsp, duns, first, last in rows:
            before = known[esiid][1] if esiid in known else ()
            known[esiid] = (tdsp, before if duns is None else (*before, (duns, first, last)))
        self._known = known
        return known
