"""Deciding that a company is called: a row of the outbox, in the transaction of what it tells about (R10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from smt_ws.parties.tables import company
from smt_ws.store.outbox import enqueue

__all__ = ["CALLBACK", "announce"]

#: The outbox's kind for calls to a company's RequesterCallback; `smt_ws.notices.call_back.CallBack` is its handler.
CALLBACK = "callback"


def announce(
    connection: Connection, *, company_id: int, operation: str, fields: dict[str, Any], key: str, now: datetime
) -> None:
    """Queue a call of *operation* of the company's RequesterCallback; nothing where it has registered no address.

    *fields* are the elements of the request beside its ``trans_id``, as ``xsd/RequesterCallback.xsd`` says, in plain
    JSON (a moment as ISO text). The same *key*, which also becomes the ``trans_id``, is called once. Whether the
    company is suspended, and where it is to be called, is asked again when the call is made.
    """
    url = connection.execute(select(company.c.callback_url).where(company.c.id == company_id)).scalar_one()
    if url is None:
        return
    payload = {"company_id": company_id, "operation": operation, "fields": fields, "key": key}
    enqueue(
        connection,
        kind=CALLBACK,
        key=f"callback:{key}",
        payload=payload,
        now=now,
        target=f"callback:{company_id}",
    )
