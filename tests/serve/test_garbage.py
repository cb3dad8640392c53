"""Processes that work in bulk look for garbage seldom, and still find it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from smt_ws.serve.garbage import collect_rarely

class Node:
    pass

def cycle():
    node = Node()
    node.me = node
    return weakref.ref(node)

collect_rarely()
runs = []
gc.callbacks.append(lambda phase, _: runs.append(phase) if phase == "stop" else None)
refs = [cycle() for _ in range(20_000)]
assert not runs, "looked already"
refs += [cycle() for _ in range(100_000)]
assert runs, "never looked"
assert sum(ref() is None for ref in refs) > 50_000, "kept"
"""


def test_garbage_in_cycles_is_found_though_it_is_looked_for_seldom() -> None:
    """In a process of its own: the collector's settings are the process's."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
