"""Waiting for events in tests: as long as it takes, with an end that no busy machine reaches."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds after which a test gives up on something that will not happen.
PATIENCE = 180.0


def until(true: Callable[[], object], what: str) -> None:
    """Wait until *true* holds; fail with *what* did not happen after `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)
