"""Channels that are due on a day that is delivered, and are not there (U9): found while days are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from smt_ws.parties.access import SLICE
from smt_ws.parties.generation_told import generation_spells
from smt_ws.usage.known import meters_of
from smt_ws.usage.presence import CONSUMPTION, GENERATION, missing_channels
from smt_ws.usage.rules import KnownPremise

__all__ = ["MissingChannels"]

_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY_BITS: Final = 24


class MissingChannels:
    """Asked of each chunk of days that is read; `rows` then has what is missing of days that are there."""

    def __init__(
        self,
        connection: Connection,
        *,
        channels: Sequence[int],
        as_of: int,
        elsewhere: Callable[[NDArray[Any]], Sequence[tuple[int, int, int]]] | None = None,
    ) -> None:
        """*channels* are those asked for, *as_of* the load that is read.

        Where only what is new is read, *elsewhere* says of rows of `SLICE`, a day each, what the store has of them
        altogether: position, day since 1970 and channel.
        """
        self._connection = connection
        self._both = {CONSUMPTION, GENERATION} <= set(channels)
        self._as_of = as_of
        self._elsewhere = elsewhere
        self._rows: list[tuple[int, int, int]] = []

    @property
    def rows(self) -> NDArray[np.int64]:
        """Three rows: ``esiid`` of the slice, day since 1970, channel."""
        return np.array(self._rows, np.int64).reshape(-1, 3).T

    def note(self, chunk: NDArray[Any], there: Sequence[tuple[Any, ...]]) -> None:
        """*there*: tuples that begin with position in *chunk* (rows of `SLICE`), day since 1970 and channel."""
        # where one channel was asked for, a missing channel is a missing day
        if not self._both or not there:
            return
        spells = generation_spells(self._connection, np.unique(chunk["premise_id"]).tolist(), as_of=self._as_of)
        measuring = {row[0] for row in there if row[2] == GENERATION}
        if spells:
            measuring |= set(np.flatnonzero(np.isin(chunk["premise_id"], list(spells))).tolist())
        known = [row[:3] for row in there if row[0] in measuring]
        if not known:
            return
        position, day, channel = np.array(known, np.int64).T
        keys = position << _DAY_BITS | day
        fed, used = (keys[channel == one] for one in (GENERATION, CONSUMPTION))
        alone = [(key, GENERATION) for key in np.setdiff1d(fed, used).tolist()]
        alone += [(key, CONSUMPTION) for key in np.setdiff1d(used, fed).tolist()]
        if not alone:
            return
        premises = chunk["premise_id"].tolist()
        places = {key >> _DAY_BITS for key, _ in alone}
        meters = meters_of(self._connection, sorted({premises[place] for place in places}), as_of=self._as_of)
        missing: list[tuple[int, int, int]] = []
        for key, found in alone:
            place, number = key >> _DAY_BITS, key & (1 << _DAY_BITS) - 1
            on, premise_id = date.fromordinal(number + _EPOCH), premises[place]
            missing += (
                (place, number, one)
                for one in missing_channels(
                    on,
                    asked=(CONSUMPTION, GENERATION),
                    there=(found,),
                    provisioned=KnownPremise(premise_id, "", meters.get(premise_id, ())).is_provisioned(on),
                    generation=spells.get(premise_id),
                )
            )
        esiids: Mapping[int, int] = {place: int(chunk["esiid"][place]) for place in places}
        self._rows += ((esiids[place], number, one) for place, number, one in self._nowhere(premises, missing))

    def _nowhere(self, premises: Sequence[int], missing: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        """Those of *missing* that the store does not have from before either."""
        if self._elsewhere is None or not missing:
            return missing
        days = np.array([(n, premises[place], number, number) for n, (place, number, _) in enumerate(missing)], SLICE)
        known = {(n, channel) for n, _, channel in self._elsewhere(days)}
        return [row for n, row in enumerate(missing) if (n, row[2]) not in known]
