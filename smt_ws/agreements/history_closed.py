"""Both sides hear that an agreement accepted under the old text no longer opens past usage (A24).

The migration that cut the grants leaves one effect an agreement; it is carried out by the running hub, which knows how
letters are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from smt_ws.agreements.errors import AgreementUnknownError
from smt_ws.agreements.letters import tell
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.rules import FINAL, Act, Actor, Status
from smt_ws.agreements.tables import agreement_history
from smt_ws.clock import Clock
from smt_ws.hub import Hub
from smt_ws.store import audit

__all__ = ["HISTORY_CLOSED", "HistoryClosed", "tell_history_closed"]

#: The outbox's kind, written by the migration 0012; `HistoryClosed` is its handler.
HISTORY_CLOSED: Final = "agreement.history_closed"
_WHO: Final = "hub:upgrade"


@dataclass(frozen=True)
class HistoryClosed:
    """The outbox handler of kind `HISTORY_CLOSED`."""

    hub: Hub

    def __call__(self, payload: Mapping[str, Any]) -> None:
        """Tell both sides of one agreement."""
        with self.hub.store.write() as connection:
            tell_history_closed(connection, payload["number"], clock=self.hub.clock)


def tell_history_closed(connection: Connection, number: str, *, clock: Clock) -> bool:
    """Note the change in the agreement's history and write to both sides, once; False where there is nothing to tell.

    An agreement that has ended since opens nothing any more.
    """
    try:
        row = find_agreement(connection, number)
    except AgreementUnknownError:
        return False
    noted = select(agreement_history.c.id).where(
        agreement_history.c.number == number, agreement_history.c.actor == _WHO
    )
    if Status(row.status) in FINAL or connection.execute(noted).first() is not None:
        return False
    now, details = clock.now(), {"history_months": 0}
    connection.execute(
        insert(agreement_history).values(
            number=number,
            at=now,
            act=Act.CHANGE.value,
            actor=_WHO,
            from_status=row.status,
            to_status=row.status,
            details=details,
        )
    )
    audit.record(
        connection, audit.Event.AGREEMENT_CHANGED, actor=_WHO, at=now, object=f"agreement:{number}", details=details
    )
    tell(connection, [row], Status(row.status), Act.CHANGE, Actor.HUB, now=now)
    return True
