"""Whether a channel's day is there and whether it is due: one rule for every answer (U7, U9)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final

from smt_ws.parties.generation import GenerationSpell

__all__ = ["CONSUMPTION", "GENERATION", "has_value", "is_due", "missing_channels"]

#: The channels of a premise: what it takes from the grid, and the surplus that it delivers to it.
CONSUMPTION: Final = 4
GENERATION: Final = 1


def has_value(statuses: bytes | None) -> bool:
    """Whether a channel's day is there: at least one of its intervals has a value.

    *statuses* is a letter an interval, M where it is missing; None: all of them are actual.
    """
    return statuses is None or bool(statuses.strip(b"M"))


def is_due(channel: int, day: date, *, provisioned: bool, generation: GenerationSpell | None) -> bool:
    """Whether the TDSP owes *day* of *channel*: of a provisioned meter, generation only within its spell."""
    return provisioned and (channel == CONSUMPTION or (generation is not None and generation.holds(day)))


def missing_channels(
    day: date,
    *,
    asked: Collection[int],
    there: Collection[int],
    provisioned: bool,
    generation: GenerationSpell | None,
) -> tuple[int, ...]:
    """The channels of *asked* that are due on *day* and not *there*, consumption first.

    The unit of delivery is the ESI-ID-day: where *there* is empty the day itself is missing, and no channel of it is.
    """
    if not there:
        return ()
    return tuple(
        channel
        for channel in (CONSUMPTION, GENERATION)
        if channel in asked
        and channel not in there
        and is_due(channel, day, provisioned=provisioned, generation=generation)
    )
