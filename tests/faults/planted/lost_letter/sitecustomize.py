"""A planted bug: an effect is noted as done before it is carried out, so that a kill in between loses it."""

import time
from typing import Any

from smt_ws.clock import real_now
from smt_ws.store import outbox as module
from smt_ws.store.tables import outbox


def carry_out(store: Any, handlers: Any, claimed: Any, *, policy: Any) -> int:
    with store.write() as connection:
        ids = [row.id for row in claimed.rows]
        connection.execute(outbox.update().where(outbox.c.id.in_(ids)).values(done_at=real_now()))
    time.sleep(1.5)
    return honest(store, handlers, claimed, policy=policy)


honest, module.carry_out = module.carry_out, carry_out
