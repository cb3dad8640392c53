"""Interval days out of the store, as of a load number, in the order of the slices asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from adapters.interval_csv import IntervalDay
from smt_ws.usage.as_of import EPOCH, Slices, StoredRows, Version
from smt_ws.usage.judged import flags_before, judged_after
from smt_ws.usage.remarks import of_flags

__all__ = ["CHANNELS", "StoredDays", "read_days"]

#: (position in the chunk, days since 1970, channel, load number, values, statuses, flags)
_Row = tuple[int, int, int, int, bytes, bytes | None, int]

#: The channels of a ``readingType``: 4 is consumption, 1 is generation (U9).
CHANNELS: Final[dict[str, tuple[int, ...]]] = {"C": (4,), "G": (1,), "A": (1, 4)}


class StoredDays(StoredRows[IntervalDay]):
    """Interval days: see `read_days`."""

    def __init__(self, connection: Connection, **asked: Any) -> None:
        """See `read_days`."""
        super().__init__(connection, **asked)
        #: ESI ID, day, channel and flags of what was flagged, a chunk each.
        self._flagged: list[NDArray[np.int64]] = []
        self._judged_after = judged_after(self._connection, self._between[1])

    def _rows(self, chunk: Slices) -> list[_Row]:
        rows = self._found("interval_day", ("wh", "statuses", "flags"), chunk)
        if self._measured_only:
            rows = [row for row in rows if row[5] is None or row[5].strip(b"M")]
        # the first four are different in every row, so values are never compared
        rows.sort()
        return self._as_flagged(chunk, rows) if self._judged_after else rows

    def _as_flagged(self, chunk: Slices, rows: Sequence[_Row]) -> list[_Row]:
        """*rows* with the flags that they had as of the load."""
        premises = chunk["premise_id"].tolist()
        first, last = chunk["first_day"].min().item(), chunk["last_day"].max().item()
        before = flags_before(self._connection, sorted(set(premises)), first, last, as_of=self._between[1])
        return [(*row[:6], before.get((premises[row[0]], *row[1:4]), row[6])) for row in rows]

    def _days(self, chunk: Slices, rows: Sequence[_Row]) -> Iterator[IntervalDay]:
        if not rows:
            return iter(())
        positions, days, channels, numbers, values, statuses, flags = zip(*rows, strict=True)
        if any(flags):
            self._note_flagged(chunk, rows)
        premises = chunk["premise_id"].tolist()
        names = self._names(sorted({premises[position] for position in set(positions)}))
        esiids = [names.get(key, "") for key in premises]
        calendar = {number: date.fromordinal(number + EPOCH) for number in set(days)}
        revised = self._revisions(set(numbers))
        return map(
            IntervalDay,
            map(esiids.__getitem__, positions),
            channels,
            map(calendar.__getitem__, days),
            map(revised.__getitem__, numbers),
            values,
            statuses,
        )

    def _note_flagged(self, chunk: Slices, rows: Sequence[_Row]) -> None:
        position, *flagged = np.array([(row[0], row[1], row[2], row[6]) for row in rows if row[6]], np.int64).T
        self._flagged.append(np.stack([chunk["esiid"][position].astype(np.int64), *flagged]))

    def remarks(self) -> NDArray[Any]:
        """A remark for each rule that flagged days (U5)."""
        return of_flags(np.concatenate([np.empty((4, 0), np.int64), *self._flagged], axis=1))


def read_days(
    connection: Connection,
    *,
    slices: Slices,
    channels: Sequence[int],
    as_of: int,
    version: Version = "L",
    after: int | None = None,
    measured_only: bool = False,
) -> StoredDays:
    """Read what the store had as of load *as_of* of the days of *slices*.

    *slices* are rows of `smt_ws.parties.access.SLICE` that do not overlap; *channels* are 4 (consumption), 1
    (generation) or both; *version* L gives the latest version of each day, A every version (U3). With *after* only what
    a later load than that one brought (R13). *connection* is one read transaction for as long as the days are read.
    With *measured_only* a day of which every interval is missing is not there. ``revised`` of a day is the time its
    load finished. The ESI ID is the premise's own, whatever the asker wrote.
    """
    return StoredDays(
        connection,
        slices=slices,
        channels=channels,
        as_of=as_of,
        version=version,
        after=after,
        measured_only=measured_only,
    )
