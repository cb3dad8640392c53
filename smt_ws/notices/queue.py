"""Deciding that a notice is sent: a row of the outbox, in the transaction of what it tells about (R10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from smt_ws.store.outbox import enqueue

__all__ = ["EMAIL", "MAIL_SERVER", "notify"]

#: The outbox's kind for notices; `smt_ws.notices.carry.Carry` is its handler.
EMAIL = "email"
#: All letters go through one server (or folder): while it is down they wait for it together.
MAIL_SERVER = "mail"


def notify(
    connection: Connection,
    message: str,
    *,
    to: str,
    key: str,
    facts: dict[str, Any],
    now: datetime,
    language: Literal["en", "es"] = "en",
    files: Sequence[str] | None = None,
) -> None:
    """Queue the notice *message* (a folder of templates here) to the address *to*; the same *key* is sent once.

    *facts* fill the templates: plain JSON, nothing secret, no full personal data. *files*, paths below the FTPS site's
    folder, are attached when the letter leaves, where they are small enough together; None: nothing is to be attached.
    """
    payload = {
        "message": message,
        "language": language,
        "to": to,
        "key": key,
        "date": now.isoformat(),
        "facts": facts,
        "files": None if files is None else list(files),
    }
    enqueue(connection, kind=EMAIL, key=key, payload=payload, now=now, target=MAIL_SERVER)
