"""SIGTERM and SIGINT to a process of the hub."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

__all__ = ["on_stop", "stop_event"]


def on_stop(action: Callable[[], object]) -> None:
    """Run *action* in a thread of its own at the first SIGTERM or SIGINT; a second one ends the process at once.

    A handler interrupts the main thread anywhere, perhaps inside `Event.wait` or `Thread.start` with their locks held:
    one that sets an event or starts a thread can wait for ever. So it only writes a byte.
    """
    reading, writing = os.pipe()
    told = False

    def wait() -> None:
        os.read(reading, 1)
        action()

    def tell(number: int, _frame: Any) -> None:
        nonlocal told
        if told:
            sys.exit(128 + number)
        told = True
        os.write(writing, b"\0")

    Thread(target=wait, name="stop", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)


def stop_event() -> Event:
    """An event that the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    stop = Event()
    on_stop(stop.set)
    return stop
