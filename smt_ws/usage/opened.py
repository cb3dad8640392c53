"""Days that the store has of those that a change of access opened: news like what loads brought (R15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from smt_ws.parties.tables import premise
from smt_ws.store.dialect import among
from smt_ws.usage.as_of import EPOCH, Slices, found_days, found_rows
from smt_ws.usage.changes import DAY_BITS, ChangedDays, Measured
from smt_ws.usage.register_usage import usage_of
from smt_ws.usage.tables import interval_day

__all__ = ["Left", "days_left", "opened_days", "without_opened"]


@dataclass(frozen=True, slots=True)
class Left:
    """Days that were opened and lie too far back to be posted: their requester orders them."""

    esiids: int
    esiid_days: int
    first_day: date
    last_day: date


def opened_days(
    connection: Connection,
    duns: str,
    opened: Slices,
    *,
    as_of: int,
    channels: Sequence[int],
    measured: Measured,
    first_day: date,
    last_day: date,
    most: int | None = None,
) -> list[ChangedDays]:
    """What the store had as of load *as_of* of the days *opened* to *duns* between the two days, by TDSP.

    *opened* are rows of `smt_ws.parties.access.SLICE`. Reading ends once there are more than *most* days of one
    channel.
    """
    found, count = [], 0
    cut = _cut(opened, first_day, last_day)
    for rows in _found(connection, measured, cut, channels=channels, as_of=as_of):
        found.append(rows)
        count += len(rows)
        if most is not None and count > most:
            break
    if not found:
        return []
    premise_id, day, channel, _ = np.concatenate(found).T
    numbers = np.unique(premise_id)
    told = connection.execute(
        select(premise.c.id, premise.c.tdsp_duns, premise.c.esiid).where(
            among(connection, premise.c.id, numbers.tolist())
        )
    ).all()
    tdsps = {row.id: row.tdsp_duns for row in told}
    names = {row.id: row.esiid for row in told}
    of = np.array([tdsps[number] for number in numbers.tolist()])[np.searchsorted(numbers, premise_id)]
    order = np.lexsort((channel, day, premise_id, of))
    premise_id, day, channel, of = premise_id[order], day[order], channel[order], of[order]
    pieces = []
    for tdsp_duns in sorted(set(tdsps.values())):
        at = of == tdsp_duns
        esiids = [names[number] for number in premise_id[at].tolist()]
        pieces.append(ChangedDays(duns, tdsp_duns, premise_id[at], day[at], channel[at], esiids))
    return pieces


def days_left(
    connection: Connection,
    opened: Slices,
    *,
    after: int,
    as_of: int,
    channels: Sequence[int],
    measured: Measured,
    first_day: date,
    last_day: date,
) -> Left | None:
    """What of the days *opened* lies between the two days and no load after *after* brought; None: nothing."""
    days: set[tuple[int, int]] = set()
    cut = _cut(opened, first_day, last_day)
    for rows in _found(connection, measured, cut, channels=channels, as_of=as_of):
        days.update(map(tuple, rows[rows[:, 3] <= after][:, :2].tolist()))
    if not days:
        return None
    numbers = [day for _, day in days]
    first, last = (date.fromordinal(day + EPOCH) for day in (min(numbers), max(numbers)))
    return Left(len({premise_id for premise_id, _ in days}), len(days), first, last)


def without_opened(pieces: Iterable[ChangedDays], opened: Sequence[ChangedDays]) -> Iterator[ChangedDays]:
    """*pieces* without the days of premises that are among *opened*, whatever their channel: those are given whole."""
    taken = np.concatenate([np.empty(0, np.int64), *(_keys(one) for one in opened)])
    for piece in pieces:
        kept = np.flatnonzero(~np.isin(_keys(piece), taken)) if len(taken) else np.arange(len(piece))
        if len(kept) == len(piece):
            yield piece
        elif len(kept):
            names = [piece.esiid[row] for row in kept.tolist()]
            yield replace(
                piece, premise_id=piece.premise_id[kept], day=piece.day[kept], channel=piece.channel[kept], esiid=names
            )


def _found(
    connection: Connection, measured: Measured, slices: Slices, *, channels: Sequence[int], as_of: int
) -> Iterator[NDArray[np.int64]]:
    """`found_days` of what is *measured*; where that is else summed, of intervals too where no read tells a usage."""
    if not measured.else_summed:
        yield from found_days(connection, measured.current, slices, channels=channels, as_of=as_of)
        return
    wh = ("start_wh", "stop_wh", "usage_wh")
    for reads, intervals in zip(
        found_rows(connection, measured.current, wh, slices, channels=channels, as_of=as_of),
        found_rows(connection, interval_day, (), slices, channels=channels, as_of=as_of),
        strict=True,
    ):
        told = {row[:3] for row in reads if usage_of(*row[4:]) is not None}
        rows = [row[:4] for row in reads] + [row for row in intervals if row[:3] not in told]
        if rows:
            yield np.array(rows, np.int64)


def _keys(piece: ChangedDays) -> NDArray[np.int64]:
    """Premise and day as one number."""
    return piece.premise_id << DAY_BITS | piece.day


def _cut(opened: Slices, first_day: date, last_day: date) -> Slices:
    """*opened* between the two days: a range may have no end."""
    cut = opened.copy()
    cut["first_day"] = np.maximum(cut["first_day"], np.datetime64(first_day, "D"))
    cut["last_day"] = np.minimum(cut["last_day"], np.datetime64(last_day, "D"))
    return cut[cut["first_day"] <= cut["last_day"]]
