"""When a target that keeps failing is left alone, and how it is found well again: pure rules of the outbox.

A circuit is closed (calls pass), open (none passes until a moment) or half-open (that moment has come: one call passes
and decides). Pauses have full jitter, so that many rows and many machines do not come back at the same instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Policy", "is_given_up", "is_half_open", "pause", "target_pause"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How the outbox deals with what fails."""

    #: How long a claimed effect belongs to its worker; a handler must be done with one call by then.
    lease: timedelta = timedelta(minutes=5)
    #: Tries of one effect before it is given up. Tries that failed because its target was down do not count.
    attempts: int = 8
    #: Failures in a row that open a target's circuit.
    failures: int = 5
    #: Longest pause between two tries of an effect.
    longest_pause: timedelta = timedelta(hours=1)
    #: Longest time that an open circuit lets nothing pass: a target that is well again is found within it.
    longest_open: timedelta = timedelta(minutes=5)


def pause(attempts: int, policy: Policy, chance: float) -> timedelta:
    """Return how long an effect waits after its failed try number *attempts*; *chance* is from 0 up to 1."""
    return min(policy.longest_pause, timedelta(seconds=2.0 ** min(attempts, 30))) * chance


def target_pause(failures: int, policy: Policy, chance: float) -> timedelta:
    """Return how long nothing is tried at a target that has failed *failures* times in a row; zero: go on."""
    over = failures - policy.failures
    if over < 0:
        return timedelta(0)
    return min(policy.longest_open, timedelta(seconds=2.0 ** min(over + 1, 30))) * chance


def is_half_open(failures: int, policy: Policy) -> bool:
    """Tell whether only one call may pass, which closes the circuit or opens it again."""
    return failures >= policy.failures


def is_given_up(attempts: int, policy: Policy) -> bool:
    """Tell whether an effect that has failed so often becomes a dead letter."""
    return attempts >= policy.attempts
