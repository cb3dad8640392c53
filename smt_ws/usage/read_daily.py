"""Daily reads out of the store, as of a load number: register reads, and where there is none the sum of intervals.

The sum is true only where no interval of the day is missing; a day that neither tells is not there. A register read
without a usage counts its stop less its start; one that tells neither, or less than nothing, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from adapters.daily_csv import DailyRead
from smt_ws.parties.rules import Reason
from smt_ws.usage.as_of import EPOCH, Slices, StoredRows, Version
from smt_ws.usage.judged import as_flagged, judged_after
from smt_ws.usage.missing_channels import MissingChannels
from smt_ws.usage.presence import has_value
from smt_ws.usage.register_usage import usage_of
from smt_ws.usage.remarks import of_days
from smt_ws.usage.tables import interval_day, interval_day_history, register_read, register_read_history

__all__ = ["StoredReads", "read_daily"]

#: (position in the chunk, days since 1970, channel, load number, start Wh, stop Wh, usage Wh, estimated)
_Row = tuple[int, int, int, int, int | None, int | None, int, bool]


class StoredReads(StoredRows[DailyRead]):
    """Daily reads: see `read_daily`."""

    tables: Final = (interval_day, interval_day_history, register_read, register_read_history)  # type: ignore[misc]

    def __init__(self, connection: Connection, **asked: Any) -> None:
        """See `read_daily`."""
        super().__init__(connection, **asked)
        after, as_of = self._between
        self._missing_channels = MissingChannels(
            connection, channels=self._channels, as_of=as_of, elsewhere=self._stored if after >= 0 else None
        )
        self._judged_after = judged_after(connection, as_of)
        #: ESI ID, day, channel and flags of what was flagged, a chunk each; and without flags what has no true sum.
        self._flagged: list[NDArray[np.int64]] = []
        self._incomplete: list[NDArray[np.int64]] = []

    def _rows(self, chunk: Slices) -> list[_Row]:
        after, as_of = self._between
        # A register read that an earlier load brought still stands before the sum of newer intervals.
        self._between = (-1, as_of)
        reads, untrue = self._reads(chunk)
        self._between = (after, as_of)
        registered = {row[:3] for row in reads}
        rows = [row for row in reads if row[3] > after]
        known = {row[:3] for row in rows}
        partial: set[tuple[int, int, int]] = set()
        empty: set[tuple[int, int, int]] = set()
        flagged: list[tuple[int, int, int, int]] = []
        days = self._found("interval_day", ("wh", "statuses", "flags"), chunk)
        if self._judged_after:
            days = as_flagged(self._connection, chunk, days, as_of=as_of)
        for position, day, channel, number, wh, statuses, flags in days:
            key = (position, day, channel)
            if flags:
                flagged.append((*key, flags))
            if key in registered:
                continue
            if statuses is not None and b"M" in statuses:
                (partial if has_value(statuses) else empty).add(key)
                continue
            total = int(np.frombuffer(wh, "<i4").sum(dtype=np.int64))
            rows.append((*key, number, None, None, total, statuses is not None and b"E" in statuses))
            known.add(key)
        self._tell(chunk, {key[:2] for key in known}, partial | untrue, empty)
        self._note_remarks(chunk, known, flagged, partial)
        rows.sort(key=lambda row: row[:4])
        return rows

    def _reads(self, chunk: Slices) -> tuple[list[_Row], set[tuple[int, int, int]]]:
        """The register reads that tell a usage; and position, day and channel of those that do not."""
        rows: list[_Row] = []
        untrue: set[tuple[int, int, int]] = set()
        for position, day, channel, number, start, stop, usage, status in self._found(
            "register_read", ("start_wh", "stop_wh", "usage_wh", "status"), chunk
        ):
            used = usage_of(start, stop, usage)
            if used is None:
                untrue.add((position, day, channel))
            else:
                rows.append((position, day, channel, number, start, stop, used, status == "E"))
        return rows, untrue

    def _tell(
        self,
        chunk: Slices,
        known: set[tuple[int, int]],
        partial: set[tuple[int, int, int]],
        empty: set[tuple[int, int, int]],
    ) -> None:
        """Say why a day is missing of which something came."""
        for keys, why in ((empty, Reason.DELIVERED_EMPTY), (partial, Reason.INTERVALS_MISSING)):
            for position, day in {key[:2] for key in keys} - known:
                self.told[int(chunk["esiid"][position]), date.fromordinal(day + EPOCH)] = why

    def _note_remarks(
        self,
        chunk: Slices,
        known: set[tuple[int, int, int]],
        flagged: Sequence[tuple[int, int, int, int]],
        partial: set[tuple[int, int, int]],
    ) -> None:
        """Note what must be known of the days that are told, and which channels of them are not."""
        days = {key[:2] for key in known}
        for noted, rows in (
            (self._flagged, [row for row in flagged if row[:3] in known]),
            (self._incomplete, [key for key in partial - known if key[:2] in days]),
        ):
            if rows:
                position, *more = np.array(rows, np.int64).T
                noted.append(np.stack([chunk["esiid"][position].astype(np.int64), *more]))
        # beside a channel that is told the one without a true sum is there, and told to be incomplete
        self._missing_channels.note(chunk, [*known, *(key for key in partial - known if key[:2] in days)])

    def _stored(self, days: Slices) -> list[tuple[int, int, int]]:
        """Position, day and channel of what the store has of *days*, whichever load brought it."""
        between, self._between = self._between, (-1, self._between[1])
        intervals = self._found("interval_day", ("statuses",), days)
        there = [row[:3] for row in self._reads(days)[0]]
        self._between = between
        return [*there, *(row[:3] for row in intervals if has_value(row[4]))]

    def remarks(self) -> NDArray[Any]:
        """A remark for each rule that flagged days, and for channels that are not told of days that are."""
        return of_days(
            np.concatenate([np.empty((4, 0), np.int64), *self._flagged], axis=1),
            missing=self._missing_channels.rows,
            incomplete=np.concatenate([np.empty((3, 0), np.int64), *self._incomplete], axis=1),
        )

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
