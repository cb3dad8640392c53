"""Loading the TDSP's market CSV files: premises, meters, REP of record, occupancy (U6).

No layout is known yet, so that every CSV file is refused by name.
"""

from __future__ import annotations

from typing import BinaryIO

from sqlalchemy import Connection

from smt_ws.usage.activity import Finding
from smt_ws.usage.errors import FileKindUnknownError
from smt_ws.usage.intervals import Progress
from smt_ws.usage.loads import OpenLoad

__all__ = ["kind_of", "sender_in", "take_in"]


def kind_of(header: bytes) -> str | None:
    """What a CSV file with this header line holds; None: nothing the hub knows."""
    del header
    return None


def sender_in(connection: Connection, kind: str, stream: BinaryIO) -> str | None:
    """The TDSP of the first premise in a CSV file."""
    del connection, kind, stream
    return None


def take_in(
    opened: OpenLoad, kind: str, stream: BinaryIO, *, sender: str, progress: Progress | None = None
) -> list[Finding]:
    """Apply a CSV file as this load."""
    del opened, stream, sender, progress
    raise FileKindUnknownError(f"no CSV layout {kind!r}")
