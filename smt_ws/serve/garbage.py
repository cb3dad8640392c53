"""How often a process that works in bulk looks for garbage that only Python's collector finds.

A file of 5,000 records makes tens of thousands of tuples that reference counting frees; by default the collector would
go through them a hundred times. That took a quarter of the time in which a file was built.
"""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["collect_rarely"]

#: Objects made, and not freed, before the youngest are looked through: some 10 MB.
_YOUNG: Final = 50_000


def collect_rarely() -> None:
    """Look for cycles seventy times as seldom, and never among what has been made up to now (modules, tables)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
