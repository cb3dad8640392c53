"""What every face holds in its hands: the settings, the store and the clock of one running hub."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from smt_ws.clock import Clock, SystemClock
from smt_ws.settings import Settings, read_settings
from smt_ws.store.engine import Store

__all__ = ["Hub"]


@dataclass(frozen=True)
class Hub:
    """One hub: made once a process and passed down to the use cases."""

    settings: Settings
    store: Store
    clock: Clock

    @classmethod
    def open(cls, settings_file: Path | None = None) -> Hub:
        """Read the settings and open the store they name (nothing is connected before it is needed)."""
        settings = read_settings(settings_file)
        return cls.of(settings)

    @classmethod
    def of(cls, settings: Settings, *, connections_kept: int = 5) -> Hub:
        """The hub that *settings* describe, with so many connections to its store kept open."""
        clock = SystemClock(timedelta(seconds=settings.clock_shift_seconds), settings.clock_file)
        return cls(settings=settings, store=Store(settings.database, kept=connections_kept), clock=clock)
