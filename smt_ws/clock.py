"""One clock for all business time, so that a rule about 30 days can be watched in a second.

Security time (certificate validity, the stamps in a message, leases) is real time and never comes from here: a
sandbox that pretends to live next month must still refuse an expired certificate today.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
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
    """Real time, moved by a constant *shift* in a sandbox (``smt-ws --at``)."""

    shift: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The present moment, shifted."""
        return real_now() + self.shift


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
