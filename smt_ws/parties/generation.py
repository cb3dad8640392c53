"""Since when, and until when, a premise measures surplus generation (U9): plain rules."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

__all__ = ["GenerationSpell", "GenerationTold", "generation_spell", "told_anew"]


class GenerationSpell(NamedTuple):
    """Operating days, both included, on which a premise measures surplus generation; no *last*: it still does."""

    first: date
    last: date | None = None

    def holds(self, day: date) -> bool:
        """Whether *day* is one of them."""
        return self.first <= day and (self.last is None or day <= self.last)


class GenerationTold(NamedTuple):
    """What the premise file says of the spell: first and last day, each None where it has not said."""

    first: date | None = None
    last: date | None = None


def generation_spell(told: GenerationTold, first_record: date | None) -> GenerationSpell | None:
    """The spell of a premise; None: as far as its TDSP has told, it measures no generation.

    Where the premise file does not say since when, the spell begins with *first_record*, the earliest day of
    generation that the TDSP has delivered.
    """
    first = told.first or first_record
    if first is None or (told.last is not None and told.last < first):
        return None
    return GenerationSpell(first, told.last)


def told_anew(held: GenerationTold, said: GenerationTold) -> GenerationTold | None:
    """What is told once a file has *said* something more; None where it would end before it begins.

    What a file leaves out stays as it was *held*; a spell that begins after the end of the one before is a new one.
    """
    begins_again = said.first is not None and held.last is not None and said.first > held.last
    last = said.last or (None if begins_again else held.last)
    told = GenerationTold(said.first or held.first, last)
    if told.first is not None and told.last is not None and told.last < told.first:
        return None
    return told
