"""From ESI IDs to the store's own numbers of their premises, remembered by the process.

The number that a premise once got is never changed, given to another or taken away, so what was found stays true for
as long as the process lives (a store restored from a backup needs its processes started again). Companies ask for the
same customers again and again: the second order of 50,000 ESI IDs looks nothing up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice, repeat
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from smt_ws.parties.tables import premise
from smt_ws.store.dialect import unnested

__all__ = ["MOST_REMEMBERED", "premise_numbers"]

#: ESI IDs remembered for one store: about 40 MB.
MOST_REMEMBERED: Final = 250_000

_UNKNOWN: Final = -1
# By engine: a process may have several stores open (tests do), and numbers mean something in one of them alone.
_remembered: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()
_lock: Final = threading.Lock()


def premise_numbers(connection: Connection, esiids: Sequence[str]) -> NDArray[np.int64]:
    """The number of each ESI ID's premise, in the order of *esiids*; -1 where there is no such premise.

    Not for a transaction that itself adds premises: were it rolled back, what it had seen would be remembered.
    """
    known = _remembered.get(connection.engine, {})
    numbers = np.fromiter(map(known.get, esiids, repeat(_UNKNOWN)), np.int64, count=len(esiids))
    missing = np.flatnonzero(numbers == _UNKNOWN)
    if len(missing):
        asked = unnested(connection, [esiids[i] for i in missing.tolist()])
        found = connection.execute(
            select(asked.c.position, premise.c.id).select_from(asked.join(premise, premise.c.esiid == asked.c.value))
        ).all()
        if found:
            positions, ids = (np.array(column, np.int64) for column in zip(*found, strict=True))
            numbers[missing[positions]] = ids
            _remember(
                connection, {esiids[i]: n for i, n in zip(missing[positions].tolist(), ids.tolist(), strict=True)}
            )
    return numbers


def _remember(connection: Connection, found: dict[str, int]) -> None:
    with _lock:
        # A new dict each time: other threads read the old one meanwhile.
        known = _remembered.get(connection.engine, {}) | found
        if len(known) > MOST_REMEMBERED:
            known = dict(islice(known.items(), len(known) - MOST_REMEMBERED, None))
        _remembered[connection.engine] = known
