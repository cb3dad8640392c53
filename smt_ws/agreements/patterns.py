"""What looks like consent that nobody gave: counts a company, for the operator to look into (A23)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select
from sqlalchemy.sql import ColumnElement

from smt_ws.agreements.rules import Act
from smt_ws.agreements.tables import agreement, agreement_history
from smt_ws.parties.tables import company
from smt_ws.store.audit import Event
from smt_ws.store.tables import audit_log

__all__ = ["Pattern", "patterns"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One company's figures since a moment."""

    company_id: int
    legal_name: str
    #: Agreements that came to be asked.
    initiated: int
    #: Agreements of which the customer said "I did not ask for this".
    disowned: int
    #: Agreements accepted from the source address that had asked for them.
    same_address: int
    #: Requests in which customer, ESI ID and meter did not fit together: somebody may be guessing.
    unconfirmed: int

    def is_suspicious(self, *, disowned_alarm: int) -> bool:
        """Whether the operator should look: *disowned_alarm* is `smt_ws.settings.Agreements.disowned_alarm`.

        Acceptances from the initiator's own address count alike: a customer visited at home may answer there, but
        not customer after customer. Guesses are counted ten for one, because meters are mistyped every day.
        """
        return max(self.disowned, self.same_address, self.unconfirmed // 10) >= disowned_alarm


def patterns(connection: Connection, *, since: datetime) -> Sequence[Pattern]:
    """The figures of every company that asked anybody for anything since then, the most disowned first."""
    history = agreement_history.c

    def counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    same = history.details["same_address_as_initiator"].as_boolean().is_(True)
    rows = connection.execute(
        select(
            agreement.c.company_id,
            counted(history.act == Act.INITIATE.value).label("initiated"),
            counted(history.act == Act.DISOWN.value).label("disowned"),
            counted((history.act == Act.ACCEPT.value) & same).label("same_address"),
        )
        .join(agreement, agreement.c.number == history.number)
        .where(history.at > since, history.act.in_([act.value for act in (Act.INITIATE, Act.DISOWN, Act.ACCEPT)]))
        .group_by(agreement.c.company_id)
    ).all()
    found = {row.company_id: (int(row.initiated), int(row.disowned), int(row.same_address)) for row in rows}
    refused = {
        int(row.actor.partition(":")[2]): int(row.times)
        for row in connection.execute(
            select(audit_log.c.actor, func.count().label("times"))
            .where(audit_log.c.at > since, audit_log.c.event == Event.AGREEMENT_REFUSED.value)
            .group_by(audit_log.c.actor)
        )
    }
    wanted = select(company.c.id, company.c.legal_name).where(company.c.id.in_({*found, *refused}))
    names = {row.id: row.legal_name for row in connection.execute(wanted)}
    every = [
        Pattern(key, name, *found.get(key, (0, 0, 0)), unconfirmed=refused.get(key, 0)) for key, name in names.items()
    ]
    return sorted(every, key=lambda one: (-one.disowned, -one.same_address, -one.unconfirmed, one.company_id))
