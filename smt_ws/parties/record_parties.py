"""The companies that an LSE record names: whose wires a premise is on, and who served it on a day (facts section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, select

from smt_ws.parties.rules import Spell
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
        self._wires: dict[str, str] | None = None
        self._services: dict[str, list[Spell]] = {}

    def tdsp(self, esiid: str) -> str:
        """DUNS number of the TDSP on whose wires the premise is."""
        return self._read()[esiid]

    def rep(self, esiid: str, day: date) -> str | None:
        """DUNS number under which the company was REP of record on *day*; None where it was not."""
        self._read()
        for spell in self._services.get(esiid, ()):
            if spell.first <= day and (spell.last is None or day <= spell.last):
                return spell.who
        return None

    def _read(self) -> dict[str, str]:
        if self._wires is not None:
            return self._wires
        self._wires = {}
        own = select(company_duns.c.duns).where(company_duns.c.company_id == self._company_id)
        premises = select(premise.c.esiid, premise.c.tdsp_duns).where(
            among(self._connection, premise.c.id, self._premise_ids)
        )
        self._wires = {row.esiid: row.tdsp_duns for row in self._connection.execute(premises)}
        of = rep_of_record.c
        served = (
            select(premise.c.esiid, of.from_day, of.to_day, of.duns)
            .join(premise, premise.c.id == of.premise_id)
            .where(among(self._connection, of.premise_id, self._premise_ids), of.duns.in_(own))
        )
        for esiid, first, last, duns in self._connection.execute(served):
            self._services.setdefault(esiid, []).append(Spell(first, last, duns))
        return self._wires
