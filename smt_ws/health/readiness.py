"""Whether the hub is ready, and why not, in words that programs can read.

``fail``: requests would be refused or would fail, so send them elsewhere. ``warn``: the hub serves, and somebody should
look at it. A dead letter is no reason to take a hub out of service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from smt_ws.clock import real_now
from smt_ws.health.figures import Figures, look
from smt_ws.hub import Hub
from smt_ws.orders.room import Volume, volumes
from smt_ws.parties.own_certificates import OwnCertificate, own_certificates
from smt_ws.settings import Health, Settings
from smt_ws.settings.files import unusable_files
from smt_ws.store.revision import SchemaMismatchError, require_current

__all__ = [
    "Check",
    "Examined",
    "Readiness",
    "State",
    "examine",
    "judge_certificates",
    "judge_disks",
    "judge_figures",
    "judge_files",
]

T = TypeVar("T")

log = structlog.get_logger("smt_ws.health")


class State(StrEnum):
    """How one thing stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """How one thing stands: *observed* against *limit*, both in the unit that the reason names."""

    name: str
    state: State
    reason: str
    observed: float | int | str | None = None
    limit: float | int | str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """All checks; the worst of them is how the hub stands."""

    checks: tuple[Check, ...]

    @property
    def state(self) -> State:
        """The worst state of any check."""
        states = {check.state for check in self.checks}
        return next((state for state in (State.FAIL, State.WARN) if state in states), State.OK)

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.state is not State.FAIL

    def told(self) -> dict[str, Any]:
        """The same as JSON says it."""
        return {"ready": self.ready, "state": self.state.value, "checks": [asdict(check) for check in self.checks]}


@dataclass(frozen=True, slots=True)
class Examined:
    """One look at everything: what was seen, and what it means. What could not be looked at is empty."""

    readiness: Readiness
    figures: Figures | None
    disks: Sequence[Volume]
    endings: Sequence[OwnCertificate]


def examine(hub: Hub) -> Examined:
    """Look at everything now. Raises nothing: what cannot be looked at is a check that fails."""
    limits, failed = hub.settings.health, list[Check]()
    figures = _seen("database", lambda: _store(hub), None, failed)
    disks: Sequence[Volume] = _seen("disk", lambda: volumes(hub.settings), [], failed)
    ends: Sequence[OwnCertificate] = _seen("certificate", lambda: list(own_certificates(hub.settings.tls)), [], failed)
    checks = [*failed]
    if figures is not None:
        checks.append(Check("database", State.OK, "answers, and has this release's schema"))
        checks += judge_figures(figures, limits)
    checks += judge_files(hub.settings)
    checks += judge_disks(disks, limits)
    checks += judge_certificates(ends, limits, now=real_now())
    return Examined(Readiness(tuple(checks)), figures, disks, ends)


def _store(hub: Hub) -> Figures:
    require_current(hub.store)
    return look(hub)


def _seen(name: str, look_at: Callable[[], T], nothing: T, failed: list[Check]) -> T:
    try:
        return look_at()
    except (SQLAlchemyError, OSError, ValueError, SchemaMismatchError) as error:
        # an error of a driver may quote the address and the user of the database: that is for the log
        log.warning("cannot look", check=name, error=str(error))
        told = str(error) if isinstance(error, SchemaMismatchError) else type(error).__name__
        failed.append(Check(name, State.FAIL, f"cannot be looked at: {told}"))
        return nothing


def judge_figures(figures: Figures, limits: Health) -> Iterator[Check]:
    """Hold what the store says against *limits*: queue, outbox, dead letters, scheduler."""
    yield _aged(
        "queue",
        figures.oldest_pending,
        limits.queue_minutes * 60,
        none="no order waits to be begun",
        some="seconds that an order has waited to be begun",
    )
    yield _aged(
        "outbox",
        figures.oldest_due,
        limits.outbox_minutes * 60,
        none="nothing waits to be sent",
        some="seconds that something has been due to be sent",
    )
    dead = sum(figures.dead_letters.values())
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(figures.dead_letters.items()))
    yield Check(
        "dead_letters",
        State.WARN if dead > limits.dead_letters else State.OK,
        f"given up: {kinds}; see `smt-ws outbox list --dead`" if dead else "nothing was given up",
        dead,
        limits.dead_letters,
    )
    silent = figures.clock_silent
    if silent is None:
        yield Check("scheduler", State.WARN, "none has ever run", None, limits.clock_seconds)
    else:
        reason = f"seconds since {figures.clock_holder} gave a sign of life"
        state = State.WARN if silent > limits.clock_seconds else State.OK
        yield Check("scheduler", state, reason, round(silent, 1), limits.clock_seconds)


def _aged(name: str, age: float | None, limit: float, *, none: str, some: str) -> Check:
    if age is None:
        return Check(name, State.OK, none, None, limit)
    return Check(name, State.WARN if age > limit else State.OK, some, round(age, 1), limit)


def judge_files(settings: Settings) -> Iterator[Check]:
    """A file that a setting names and that cannot be used makes requests fail."""
    found = [Check("files", State.FAIL, str(one)) for one in unusable_files(settings)]
    yield from found or [Check("files", State.OK, "certificates, keys and secrets can be read")]


def judge_disks(found: Sequence[Volume], limits: Health) -> Iterator[Check]:
    """Below the watermark new orders are refused (`smt_ws.orders.room`), so the hub is not ready."""
    for volume in found:
        state = State.FAIL if volume.free < limits.disk_free_bytes else State.OK
        yield Check("disk", state, f"bytes free at {volume.folder}", volume.free, limits.disk_free_bytes)


def judge_certificates(found: Sequence[OwnCertificate], limits: Health, *, now: datetime) -> Iterator[Check]:
    """Hold what ends against *now* (real time): what has ended fails, if requests need it; what ends soon is a warning.

    Revocation lists live for days and are renewed in their last: of them the last day is soon.
    """
    for one in found:
        left = (one.ends_at - now) / timedelta(days=1)
        soon = 1 if one.setting == "tls.crl" else limits.certificate_days
        ended = State.FAIL if one.needed else State.WARN
        state = ended if left <= 0 else State.WARN if left <= soon else State.OK
        yield Check("certificate", state, f"days until {one.setting} ends: {one.subject}", round(left, 1), soon)
