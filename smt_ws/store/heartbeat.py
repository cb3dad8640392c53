"""Signs of life of a process of which there should always be one somewhere."""

from __future__ import annotations

import os
import socket
from datetime import datetime

from sqlalchemy import Connection, select

from smt_ws.clock import real_now
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store
from smt_ws.store.tables import heartbeat

__all__ = ["CLOCK", "beat", "last_beat"]

#: The elected scheduler.
CLOCK = "clock"


def beat(store: Store, name: str) -> None:
    """Note that this process does what *name* says, now (real time)."""
    values = {"holder": f"{socket.gethostname()}:{os.getpid()}"[:120], "at": real_now()}
    with store.write() as connection:
        connection.execute(
            insert(connection, heartbeat)
            .values(name=name, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values)
        )


def last_beat(connection: Connection, name: str) -> tuple[datetime, str] | None:
    """When somebody last did *name* (real time), and who as ``host:pid``; None if nobody ever did."""
    row = connection.execute(select(heartbeat.c.at, heartbeat.c.holder).where(heartbeat.c.name == name)).first()
    return None if row is None else (row.at, row.holder)
