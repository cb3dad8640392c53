"""A child process must not outlive its supervisor, however that one ended.

The supervisor holds the writing end of a pipe and every child the reading end. When the supervisor is gone — even by
``kill -9`` — the kernel closes the pipe, and each child tells itself to stop as if it had got SIGTERM.
"""

from __future__ import annotations

import os
import signal
import threading

__all__ = ["VARIABLE", "follow"]

#: The environment variable that names the inherited reading end.
VARIABLE = "SMT_WS_LIFELINE"


def follow() -> None:
    """Watch the lifeline, if this process was given one, from a thread of its own."""
    number = os.environ.pop(VARIABLE, None)
    if number is not None:
        # Grandchildren must not inherit it: they follow this process.
        descriptor = int(number)
        os.set_inheritable(descriptor, False)
        threading.Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
