"""Spells of generation in the store: what premise files said, and the first days delivered (U9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select

from smt_ws.parties.generation import GenerationSpell, GenerationTold, generation_spell
from smt_ws.parties.tables import generation_told
from smt_ws.store.dialect import among

__all__ = ["generation_spells", "note_delivered", "note_told", "told_of"]


def generation_spells(
    connection: Connection, premise_ids: Sequence[int], *, as_of: int | None = None
) -> Mapping[int, GenerationSpell]:
    """The spell of each of *premise_ids* that has one, as of load *as_of* (None: now). One statement, however many."""
    told: dict[int, GenerationTold] = {}
    records: dict[int, date] = {}
    for row in _rows(connection, premise_ids, as_of):
        if row.by_record:
            records[row.premise_id] = min(row.first_day, records.get(row.premise_id, row.first_day))
        else:
            told[row.premise_id] = GenerationTold(row.first_day, row.last_day)
    spells = {
        key: generation_spell(told.get(key, GenerationTold()), records.get(key)) for key in told.keys() | records.keys()
    }
    return {key: spell for key, spell in spells.items() if spell is not None}


def told_of(connection: Connection, premise_ids: Sequence[int]) -> dict[int, GenerationTold]:
    """What premise files have said so far."""
    rows = _rows(connection, premise_ids, None)
    return {row.premise_id: GenerationTold(row.first_day, row.last_day) for row in rows if not row.by_record}


def _rows(connection: Connection, premise_ids: Sequence[int], as_of: int | None) -> Sequence[Any]:
    """The rows of the premises as of the load, in the order of their loads."""
    if not premise_ids:
        return []
    question = select(generation_told).where(among(connection, generation_told.c.premise_id, premise_ids))
    if as_of is not None:
        question = question.where(generation_told.c.load_number <= as_of)
    return connection.execute(question.order_by(generation_told.c.load_number)).all()


def note_told(connection: Connection, told: Mapping[int, GenerationTold], *, load_number: int) -> None:
    """Note what a premise file says now, by premise."""
    if told:
        connection.execute(
            insert(generation_told),
            [
                {"premise_id": key, "load_number": load_number, "by_record": False, "first_day": a, "last_day": b}
                for key, (a, b) in told.items()
            ],
        )


def note_delivered(
    connection: Connection, premise_ids: NDArray[np.int64], days: NDArray[np.datetime64], *, load_number: int
) -> None:
    """Note of days of generation that a load brought those that come before every one delivered earlier.

    *premise_ids* and *days* are columns of equal length, in any order.
    """
    if not len(premise_ids):
        return
    order = np.lexsort((days, premise_ids))
    first = order[np.r_[True, np.diff(premise_ids[order]) != 0]]
    keys: list[int] = premise_ids[first].tolist()
    firsts = days[first].astype("datetime64[D]").tolist()
    known: dict[int, date] = {}
    for row in _rows(connection, keys, None):
        if row.by_record:
            known[row.premise_id] = min(row.first_day, known.get(row.premise_id, row.first_day))
    earlier = [
        {"premise_id": key, "load_number": load_number, "by_record": True, "first_day": day}
        for key, day in zip(keys, firsts, strict=True)
        if key not in known or day < known[key]
    ]
    if earlier:
        connection.execute(insert(generation_told), earlier)
