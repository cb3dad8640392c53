"""Interval days out of the store, as of a load number, in the order of the slices asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from adapters.interval_csv import IntervalDay
from smt_ws.parties.rules import Reason
from smt_ws.usage.as_of import EPOCH, Slices, StoredRows, Version
from smt_ws.usage.judged import as_flagged, judged_after
from smt_ws.usage.missing_channels import MissingChannels
from smt_ws.usage.presence import has_value
from smt_ws.usage.remarks import of_days

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
        after, as_of = self._between
        self._missing_channels = MissingChannels(
            connection, channels=self._channels, as_of=as_of, elsewhere=self._stored if after >= 0 else None
        )
        #: ESI ID, day, channel and flags of what was flagged, a chunk each.
        self._flagged: list[NDArray[np.int64]] = []
        self._judged_after = judged_after(self._connection, self._between[1])

    def _rows(self, chunk: Slices) -> list[_Row]:
        rows = self._found("interval_day", ("wh", "statuses", "flags"), chunk)
        if empty := [row for row in rows if row[5] is not None and not has_value(row[5])]:
            rows = self._without(chunk, rows, empty)
        # the first four are different in every row, so values are never compared
        rows.sort()
        self._missing_channels.note(chunk, rows)
        return as_flagged(self._connection, chunk, rows, as_of=self._between[1]) if self._judged_after else rows

    def _stored(self, days: Slices) -> list[tuple[int, int, int]]:
        """Position, day and channel of what the store has of *days*, whichever load brought it."""
        between, self._between = self._between, (-1, self._between[1])
        found = self._found("interval_day", ("statuses",), days)
        self._between = between
        return [row[:3] for row in found if has_value(row[4])]

    def _without(self, chunk: Slices, rows: Sequence[_Row], empty: Sequence[_Row]) -> list[_Row]:
        """*rows* without the *empty* ones; where nothing is left of a day it is told why.

        With version A an empty version stays beside others of its channel and day that have values.
        """
        valued = {row[:3] for row in rows if has_value(row[5])}
        days = {key[:2] for key in valued}
        for position, day, *_ in empty:
            if (position, day) not in days:
                place = int(chunk["esiid"][position])
                self.told[place, date.fromordinal(day + EPOCH)] = Reason.DELIVERED_EMPTY
        return [row for row in rows if row[:3] in valued]

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
        """A remark for each rule that flagged days, and for channels that are missing of days that are there."""
        return of_days(
            np.concatenate([np.empty((4, 0), np.int64), *self._flagged], axis=1),
            missing=self._missing_channels.rows,
        )


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
    A day of which every interval is missing is not there, and ``told`` says so. ``revised`` of a day is the time its
    load finished. The ESI ID is the premise's own, whatever the asker wrote. *measured_only* changes nothing here.
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
