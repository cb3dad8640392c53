"""Days that changes of access opened to companies since a mark: of REP of record, told late or not, and of grants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

import numpy as np
from sqlalchemy import Connection, select

from smt_ws.parties import rules
from smt_ws.parties.access import SLICE, Rows
from smt_ws.parties.rules import DayRange
from smt_ws.parties.seen import days_seen
from smt_ws.store.dialect import among

__all__ = ["opened_since"]

_EPOCH: Final = date(1970, 1, 1).toordinal()


def opened_since(
    connection: Connection,
    duns_numbers: Sequence[str],
    *,
    kind: str,
    now: datetime,
    after: int,
    as_of: int,
    together: str | None = None,
) -> Mapping[str, Rows]:
    """The days that each of *duns_numbers* may see as of load *as_of*, and could not as of load *after* (R15).

    Rows of `SLICE` by DUNS number, in order of premise and day, disjoint; ``esiid`` is 0. A range without an end ends
    on the last day there is. Under the name *together* the numbers are one: what another of them saw already is not
    opened. What agreements opened at *after* and is closed since does not count as seen then.
    """
    # No load has the number 0: whoever names it has everything by its loads.
    if after >= as_of or after <= 0:
        return {}
    seen = days_seen(duns_numbers, kind=kind, now=now, as_of=as_of).c
    columns = (seen.duns, seen.premise_id, seen.from_day, seen.to_day)
    fresh = connection.execute(select(*columns).where(seen.load_number > after)).all()
    if not fresh:
        return {}
    before = days_seen(duns_numbers, kind=kind, now=now, as_of=after).c
    premises = sorted({row.premise_id for row in fresh})
    known = connection.execute(
        select(before.duns, before.premise_id, before.from_day, before.to_day).where(
            among(connection, before.premise_id, premises)
        )
    ).all()
    opening: dict[tuple[str, int], tuple[list[DayRange], list[DayRange]]] = defaultdict(lambda: ([], []))
    for place, rows in enumerate((fresh, known)):
        for duns, premise_id, first, last in rows:
            if last is None or first <= last:
                opening[together or duns, premise_id][place].append(DayRange(first, last))
    found: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    for (duns, premise_id), (is_open, was_open) in sorted(opening.items()):
        found[duns] += (
            (0, premise_id, spell.first.toordinal() - _EPOCH, (spell.last or date.max).toordinal() - _EPOCH)
            for spell in rules.opened(is_open, was_open)
        )
    return {duns: _slices(rows) for duns, rows in found.items() if rows}


def _slices(rows: Sequence[tuple[int, int, int, int]]) -> Rows:
    slices = np.empty(len(rows), SLICE)
    for name, column in zip(("esiid", "premise_id", "first_day", "last_day"), zip(*rows, strict=True), strict=True):
        slices[name] = np.array(column, "<M8[D]" if name.endswith("_day") else np.int64)
    return slices
