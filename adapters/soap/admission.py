"""How much the gate takes on: what would wait too long is told to come back, before anything is done for it.

Three bounds, so that at several times its capacity a hub stays quick for those it serves:

* how long a request may have waited for a thread. A burst may wait the whole bound. Once every request for as long as
  that has had to wait, the queue is a standing one, and a tenth of the bound is left: long queues serve nobody sooner.
  After a refusal a queue counts as standing ten times as fast for a while, for callers come back in waves;
* how many bytes of long messages are handled at once, for each costs several times its length in memory;
* short messages are let past long ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from adapters.soap.faults import HubBusy

__all__ = ["SHORT_MESSAGE", "Admission"]

#: Bytes up to which a message is never refused for its length: all threads together hold little of such.
SHORT_MESSAGE: Final = 64 * 1024


class Admission:
    """The bounds of one process and what they say of each request. May be asked by many threads."""

    def __init__(
        self, *, queue_seconds: float, bytes_in_hand: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Let requests wait up to *queue_seconds*, and handle long messages of *bytes_in_hand* together at once."""
        self._longest = queue_seconds
        self._standing = queue_seconds / 10
        self._none = queue_seconds / 100
        self._bytes = bytes_in_hand
        self._clock = clock
        self._no_queue_at = clock()
        self._loaded_until = clock()
        self._held = 0
        self._refused = 0
        self._lock = threading.Lock()

    def in_time(self, waited: float) -> None:
        """Raise HubBusy for a request that has waited too long for a thread, *waited* seconds."""
        now = self._clock()
        if waited <= self._none:
            self._no_queue_at = now
            return
        patience = self._standing if now < self._loaded_until else self._longest
        if waited > self._longest or (waited > self._standing and now - self._no_queue_at > patience):
            self._loaded_until = now + 10 * self._longest
            raise self._busy()

    @contextmanager
    def room_for(self, length: int) -> Iterator[None]:
        """Hold room for a message of *length* bytes; raise HubBusy if there is none. One message always fits."""
        if length <= SHORT_MESSAGE:
            yield
            return
        with self._lock:
            if self._held and self._held + length > self._bytes:
                raise self._busy()
            self._held += length
        try:
            yield
        finally:
            with self._lock:
                self._held -= length

    def _busy(self) -> HubBusy:
        # not all of them at once: the hint goes round from 2 to 5 seconds
        self._refused += 1
        return HubBusy(retry_after=2 + self._refused % 4)
