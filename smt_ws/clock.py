"""One clock for all business time, so that a rule about 30 days can be watched in a second.

Security time (certificate validity, the stamps in a message, leases) is real time and never comes from here: a
sandbox that pretends to live next month must still refuse an expired certificate today.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

__all__ = ["CENTRAL", "Clock", "FixedClock", "SystemClock", "central_today", "real_now"]

#: The market's time zone: an operating day runs from local midnight to local midnight (R12).
CENTRAL = ZoneInfo("America/Chicago")


class Clock(Protocol):
    """What use cases ask for the time."""

    def now(self) -> datetime:
        """The present moment as an aware UTC datetime."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """Real time, moved in a sandbox: by a constant *shift* (``smt-ws --at``), and by what *moved_by* says now.

    That file holds seconds; as long as it is not there, it moves nothing. So a whole running hub can be taken to
    another day at once.
    """

    shift: timedelta = timedelta(0)
    moved_by: Path | None = None

    def now(self) -> datetime:
        """The present moment, moved."""
        return real_now() + self.shift + self._moved()

    def _moved(self) -> timedelta:
        if self.moved_by is None:
            return timedelta(0)
        try:
            return timedelta(seconds=float(self.moved_by.read_text()))
        except FileNotFoundError:
            return timedelta(0)


@dataclass
class FixedClock:
    """A clock for tests: it stands until it is moved."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 15, 0, tzinfo=UTC))

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.moment

    def advance(self, by: timedelta) -> None:
        """Move forward by *by*."""
        self.moment += by


def real_now() -> datetime:
    """Real UTC time, for leases, certificates and message stamps."""
    return datetime.now(UTC)


def central_today(clock: Clock) -> date:
    """Today's operating day in US Central time."""
    return clock.now().astimezone(CENTRAL).date()
