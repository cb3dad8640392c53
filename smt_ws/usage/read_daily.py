"""Daily reads out of the store, as of a load number: register reads, and where there is none the sum of intervals.

The sum is true only where no interval of the day is missing; a day that neither tells is not there. A register read
without a usage counts its stop less its start; one that tells neither, or less than nothing, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import numpy as np
from sqlalchemy import Connection

from adapters.daily_csv import DailyRead
from smt_ws.parties.rules import Reason
from smt_ws.usage.as_of import EPOCH, Slices, StoredRows, Version
from smt_ws.usage.tables import interval_day, interval_day_history, register_read, register_read_history

__all__ = ["StoredReads", "read_daily"]

#: (position in the chunk, days since 1970, channel, load number, start Wh, stop Wh, usage Wh, estimated)
_Row = tuple[int, int, int, int, int | None, int | None, int, bool]


class StoredReads(StoredRows[DailyRead]):
    """Daily reads: see `read_daily`."""

    tables: Final = (interval_day, interval_day_history, register_read, register_read_history)  # type: ignore[misc]

    def _rows(self, chunk: Slices) -> list[_Row]:
        after, as_of = self._between
        rows: list[_Row] = []
        registered: set[tuple[int, int, int]] = set()
        # A register read that an earlier load brought still stands before the sum of newer intervals.
        self._between = (-1, as_of)
        for position, day, channel, number, start, stop, usage, status in self._found(
            "register_read", ("start_wh", "stop_wh", "usage_wh", "status"), chunk
        ):
            if usage is None and start is not None and stop is not None:
                usage = stop - start  # noqa: PLW2901
            if usage is None or usage < 0:
                continue
            registered.add((position, day, channel))
            if number > after:
                rows.append((position, day, channel, number, start, stop, usage, status == "E"))
        self._between = (after, as_of)
        known = {row[:2] for row in rows}
        untold: set[tuple[int, int]] = set()
        for position, day, channel, number, wh, statuses in self._found("interval_day", ("wh", "statuses"), chunk):
            if (position, day, channel) in registered:
                continue
            if statuses is not None and b"M" in statuses:
                untold.add((position, day))
                continue
            total = int(np.frombuffer(wh, "<i4").sum(dtype=np.int64))
            rows.append((position, day, channel, number, None, None, total, statuses is not None and b"E" in statuses))
            known.add((position, day))
        for position, day in untold - known:
            place = int(chunk["esiid"][position])
            self.told[place, date.fromordinal(day + EPOCH)] = Reason.INTERVALS_MISSING
        rows.sort(key=lambda row: row[:4])
        return rows

    def _days(self, chunk: Slices, rows: Sequence[_Row]) -> Iterator[DailyRead]:
        premises = chunk["premise_id"].tolist()
        names = self._names(sorted({premises[row[0]] for row in rows})) if rows else {}
        revised = self._revisions({row[3] for row in rows})
        for position, day, channel, number, start, stop, usage, estimated in rows:
            yield DailyRead(
                names.get(premises[position], ""),
                channel,
                date.fromordinal(day + EPOCH),
                revised[number],
                start,
                stop,
                usage,
                estimated,
            )


def read_daily(
    connection: Connection,
    *,
    slices: Slices,
    channels: Sequence[int],
    as_of: int,
    version: Version = "L",
    after: int | None = None,
    measured_only: bool = False,
) -> StoredReads:
    """Read the daily usage that the store had as of load *as_of* on the days of *slices*.

    All as in `smt_ws.usage.read.read_days`; what is there is always measured. With *version* A a day of a channel has
    either all versions of its register read or, where it has none, all of its intervals.
    """
    return StoredReads(
        connection,
        slices=slices,
        channels=channels,
        as_of=as_of,
        version=version,
        after=after,
        measured_only=measured_only,
    )
