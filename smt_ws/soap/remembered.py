"""Operations that change something: run once; every repeat gets the first answer (interfaces: idempotency)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from adapters.soap.protocol import Call
from smt_ws.hub import Hub
from smt_ws.soap.wire import started
from smt_ws.store.idempotency import Answer, AtOnce, answer_once

__all__ = ["remembered", "stamped"]


def remembered(
    hub: Hub,
    call: Call,
    run: Callable[[Connection], dict[str, Any]],
    *,
    keep: timedelta | None = None,
    at_once: AtOnce | None = None,
) -> Answer:
    """Run *run* for this request unless it is a repeat; what it returns is the content of every answer to it.

    *keep*: how long it is remembered, where that is not as long as the settings say of all; *at_once* as in
    `answer_once`.
    """
    return answer_once(
        hub.store,
        company_id=call.caller.company_id,
        operation=call.operation,
        trans_id=call.trans_id,
        body_sha256=call.body_digest,
        now=hub.clock.now(),
        keep=keep or timedelta(hours=hub.settings.limits.repeat_hours),
        run=run,
        at_once=at_once,
    )


def stamped(response: Any, call: Call, answer: Answer, reason: str) -> Any:
    """Fill the header of *response*, and say of a repeat that it is one and when the first answer was given."""
    started(response, call.trans_id, reason)
    if answer.repeated:
        response.repeated = True
        response.firstAnsweredAt = answer.first_at
    return response
