"""What the intervals of whole periods add up to, as of a load number: to be held against what was billed (U10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from smt_ws.usage.as_of import Slices, StoredRows

__all__ = ["period_sums"]

#: (position in the chunk, days since 1970, channel, load number, values, statuses)
_Row = tuple[int, int, int, int, bytes, bytes | None]


class _PeriodSums(StoredRows[tuple[int, int]]):
    """Yields (``esiid`` of the slice, Wh) of those slices of which every interval of every day is known."""

    def _rows(self, chunk: Slices) -> list[_Row]:
        rows = self._found("interval_day", ("wh", "statuses"), chunk)
        return sorted(row for row in rows if row[5] is None or b"M" not in row[5])

    def _days(self, chunk: Slices, rows: Sequence[_Row]) -> Iterator[tuple[int, int]]:
        if not rows:
            return iter(())
        position = np.array([row[0] for row in rows])
        starts = np.flatnonzero(np.diff(position, prepend=-1))
        intervals = np.cumsum([0, *(len(row[4]) // 4 for row in rows)])
        values = np.frombuffer(b"".join(row[4] for row in rows), "<i4")
        sums = np.add.reduceat(values, intervals[starts], dtype=np.int64)
        asked = chunk[position[starts]]
        days = (asked["last_day"] - asked["first_day"]).astype(np.int64) + 1
        whole = np.diff(starts, append=len(rows)) == days
        return zip(asked["esiid"][whole].tolist(), sums[whole].tolist(), strict=True)


def period_sums(connection: Connection, periods: Slices, *, as_of: int) -> NDArray[np.int64]:
    """Return the consumption of each of *periods* in Wh, as the latest intervals of load *as_of* say; -1: not known.

    *periods* are rows of `smt_ws.parties.access.SLICE`. A period of which a day or an interval is missing has no sum.
    At most one chunk of days is in memory at a time.
    """
    numbered = periods.copy()
    numbered["esiid"] = np.arange(len(periods))
    sums = np.full(len(periods), -1, np.int64)
    for number, wh in _PeriodSums(connection, slices=numbered, channels=(4,), as_of=as_of, version="L"):
        sums[number] = wh
    return sums
