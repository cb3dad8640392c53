"""The companies that an LSE record names: whose wires a premise is on, and who served it on a day (facts section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection, select, union_all

from smt_ws.parties.market_as_of import standing
from smt_ws.parties.tables import company_duns, premise, rep_of_record
from smt_ws.store.dialect import among

__all__ = ["RecordParties"]


class RecordParties:
    """Made for the premises of one file and one company; the store is asked when the first name is needed.

    Who served is told as of the load that the order reads as of, under the DUNS numbers that the company had when the
    order was accepted: a file made again names the same. A REP of record is named only where it is the company itself:
    who else serves a home is nobody's business.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        premise_ids: Sequence[int],
        company_id: int,
        as_of_load: int,
        accepted_at: datetime,
    ) -> None:
        """*premise_ids* are those of the file."""
        self._connection = connection
        self._premise_ids = sorted(set(premise_ids))
        self._company_id = company_id
        self._as_of_load = as_of_load
        self._accepted_at = accepted_at
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
        # whose wires a premise is on never changes
        wires = self._connection.execute(
            select(premise.c.id, premise.c.esiid, premise.c.tdsp_duns).where(
                among(self._connection, premise.c.id, self._premise_ids)
            )
        ).all()
        own = select(company_duns.c.duns).where(
            company_duns.c.company_id == self._company_id, company_duns.c.created_at <= self._accepted_at
        )
        services: dict[int, list[tuple[str, date, date | None]]] = {}
        spells = union_all(
            *(
                select(of.c.premise_id, of.c.duns, of.c.from_day, of.c.to_day).where(
                    among(self._connection, of.c.premise_id, self._premise_ids), of.c.duns.in_(own), stood
                )
                for of, stood in standing(rep_of_record, self._as_of_load)
            )
        )
        for premise_id, duns, first, last in self._connection.execute(spells):
            services.setdefault(premise_id, []).append((duns, first, last))
        self._known = {esiid: (tdsp, tuple(services.get(key, ()))) for key, esiid, tdsp in wires}
        return self._known
