"""Who carries out each kind of outbox row: the one place where all capabilities' side effects come together."""

from __future__ import annotations

from smt_ws.accounts.letters import LETTER as ACCOUNT_LETTER
from smt_ws.accounts.letters import Posting as AccountPosting
from smt_ws.agreements.handlers import agreement_handlers
from smt_ws.han.log_file import LOG_FILE, LogFile
from smt_ws.han.removal import REMOVAL_DECIDED, RemovalDecided
from smt_ws.han.tdsp_calls import TdspCalls
from smt_ws.hub import Hub
from smt_ws.notices.call_back import CallBack
from smt_ws.notices.callbacks import CALLBACK
from smt_ws.notices.carry import Carry
from smt_ws.notices.queue import EMAIL
from smt_ws.orders.agreed import ORDER_AGREED, PlaceAgreed
from smt_ws.store.outbox import Handlers

__all__ = ["handlers_of"]


def handlers_of(hub: Hub) -> Handlers:
    """Every kind of effect, by name, with what carries it out as the settings of *hub* say."""
    carry = Carry.of(hub.settings)
    return {
        EMAIL: carry,
        ACCOUNT_LETTER: AccountPosting(hub, carry),
        CALLBACK: CallBack(hub),
        ORDER_AGREED: PlaceAgreed(hub),
        REMOVAL_DECIDED: RemovalDecided(hub),
        LOG_FILE: LogFile(hub),
        **agreement_handlers(hub, carry),
        **TdspCalls(hub).handlers(),
    }
