"""What agreements carry out for the outbox, by kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smt_ws.agreements.device_state import DEVICE_MOVED, DeviceMoved
from smt_ws.agreements.history_closed import HISTORY_CLOSED, HistoryClosed
from smt_ws.agreements.letters import LETTER
from smt_ws.agreements.posting import Posting
from smt_ws.agreements.removal import REMOVAL_ASKED, RemovalAsked
from smt_ws.agreements.reports import ORDER_MOVED, OrderMoved
from smt_ws.hub import Hub
from smt_ws.store.outbox import Handlers

__all__ = ["agreement_handlers"]


def agreement_handlers(hub: Hub, carry: Callable[[dict[str, Any]], None]) -> Handlers:
    """The handlers of *hub*'s agreements; *carry* sends a finished notice."""
    return {
        LETTER: Posting(hub, carry),
        ORDER_MOVED: OrderMoved(hub),
        REMOVAL_ASKED: RemovalAsked(hub),
        DEVICE_MOVED: DeviceMoved(hub),
        HISTORY_CLOSED: HistoryClosed(hub),
    }
