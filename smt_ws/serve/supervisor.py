"""One process tree on one machine: starts the hub's processes, starts a dead one again, and drains them at the end.

The first SIGTERM or SIGINT lets every process finish what it has in hand; a second one ends them at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from adapters.large_pages import with_large_pages
from smt_ws.serve import lifeline

__all__ = ["Role", "Supervisor"]

log = structlog.get_logger("smt_ws.serve")

#: A process that dies at once is started again after a pause that doubles up to this, in seconds.
LONGEST_PAUSE = 5.0
#: One that has lived so long starts again without a pause, in seconds.
STEADY = 30.0


@dataclass(frozen=True)
class Role:
    """One process of the hub: its name in the log and the ``smt-ws`` command that it runs."""

    name: str
    arguments: tuple[str, ...]
    #: Whether it works on large arrays.
    large_pages: bool = False


@dataclass
class _Child:
    role: Role
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.5
    start_at: float = 0.0


@dataclass
class Supervisor:
    """Runs *roles* until it is told to stop."""

    roles: Sequence[Role]
    drain_seconds: float = 30.0
    _stops: int = field(default=0, init=False)

    def run(self) -> int:
        """Start everything and watch it; returns 0 after a drain, 1 if a process had to be killed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        reading, writing = os.pipe()
        children = [_Child(role) for role in self.roles]
        try:
            while not self._stops:
                for child in children:
                    self._keep_alive(child, reading)
                time.sleep(0.1)
            return self._drain(children)
        finally:
            for child in children:
                if child.process is not None and child.process.poll() is None:
                    child.process.kill()
                    child.process.wait()
            os.close(reading)
            os.close(writing)

    def _stop(self, _signal: int, _frame: object) -> None:
        self._stops += 1

    def _keep_alive(self, child: _Child, reading: int) -> None:
        now = time.monotonic()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            lived = now - child.started
            child.pause = 0.5 if lived > STEADY else min(LONGEST_PAUSE, child.pause * 2)
            child.start_at = now + (0.0 if lived > STEADY else child.pause)
            child.process = None
            log.error("process ended", role=child.role.name, code=code, lived_seconds=round(lived, 1))
        if now >= child.start_at:
            child.process = subprocess.Popen(  # noqa: S603 — our own command line
                [sys.executable, "-m", "smt_ws.cli", *child.role.arguments],
                pass_fds=(reading,),
                env={
                    **(with_large_pages(os.environ) if child.role.large_pages else os.environ),
                    lifeline.VARIABLE: str(reading),
                },
                # Ctrl-C reaches the supervisor alone, which then drains in order.
                process_group=0,
            )
            child.started = now
            log.info("process started", role=child.role.name, pid=child.process.pid)

    def _drain(self, children: Sequence[_Child]) -> int:
        running = [child for child in children if child.process is not None]
        log.info("draining", processes=len(running))
        for child in running:
            assert child.process is not None
            child.process.terminate()
        end = time.monotonic() + self.drain_seconds
        while self._stops < 2 and time.monotonic() < end:
            if all(child.process is None or child.process.poll() is not None for child in running):
                log.info("stopped")
                return 0
            time.sleep(0.05)
        late = [child.role.name for child in running if child.process is not None and child.process.poll() is None]
        log.warning("ending what would not drain", roles=late)
        return 1
