"""What the settings say about devices and messages, in one value for the use cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smt_ws.settings import Han, Settings

__all__ = ["Terms"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings of `settings.Han`, and what follows from the others."""

    han: Han
    #: The REP of record needs no agreement (H8): off in production, on in a sandbox, unless set.
    rep_of_record_exempt: bool
    allow_test_esiids: bool
    most_esiids: int

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        """What *settings* say."""
        exempt = settings.han.rep_of_record_exempt
        return cls(
            han=settings.han,
            rep_of_record_exempt=settings.environment == "sandbox" if exempt is None else exempt,
            allow_test_esiids=settings.allow_test_esiids,
            most_esiids=settings.limits.esiids_per_request,
        )
