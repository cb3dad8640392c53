"""What a register read says was used on its day: in Python, and the same question in SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, and_, or_

__all__ = ["tells_usage", "usage_of"]


def usage_of(start_wh: int | None, stop_wh: int | None, usage_wh: int | None) -> int | None:
    """The usage in Wh: as the TDSP says it, else stop less start; None: neither is told, or it is below 0."""
    if usage_wh is None and start_wh is not None and stop_wh is not None:
        usage_wh = stop_wh - start_wh
    return None if usage_wh is None or usage_wh < 0 else usage_wh


def tells_usage(reads: Table) -> ColumnElement[bool]:
    """Whether a row of *reads*, `register_read` or its history, has a usage: `usage_of` is not None."""
    row = reads.c
    # A comparison with what is not told is neither true nor false, which `OR` passes over.
    return or_(row.usage_wh >= 0, and_(row.usage_wh.is_(None), row.stop_wh >= row.start_wh))
