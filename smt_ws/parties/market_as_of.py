"""Premises, meters, occupancy and REPs of record as of a load number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, and_, true
from sqlalchemy.sql import ColumnElement

from smt_ws.parties.tables import HISTORY

__all__ = ["standing"]


def standing(table: Table, load_number: int | None) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    """Where the rows of *table* are that stood once every load up to *load_number* was done, and which those are.

    A row is in exactly one of the places: the table itself, or its history, which has the same columns. A question
    asks both and adds the condition to its own, which so reach the indexes of each::

        union_all(*(select(of.c.premise_id, of.c.duns).where(stood, …) for of, stood in standing(rep_of_record, 17)))

    None: as of now, which is the table alone.
    """
    if load_number is None:
        return ((table, true()),)
    history: Any = HISTORY[table.name]
    return (
        (table, table.c.load_number <= load_number),
        (history, and_(history.c.load_number <= load_number, history.c.replaced_by > load_number)),
    )
