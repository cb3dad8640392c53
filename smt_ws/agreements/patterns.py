"""What looks like consent that nobody gave: counts by company and account, for the operator (A23, A25)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, case, distinct, func, select
from sqlalchemy.sql import ColumnElement

from smt_ws.agreements.rules import Act
from smt_ws.agreements.tables import agreement, agreement_history
from smt_ws.parties.account_tables import account, account_meter
from smt_ws.parties.tables import company
from smt_ws.store.audit import Event
from smt_ws.store.tables import audit_log

__all__ = ["Collector", "Pattern", "collectors", "patterns"]


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
    #: Links answered from an account with another e-mail address than the invited one.
    other_email: int
    #: Requests in which customer, ESI ID and meter did not fit together: somebody may be guessing.
    unconfirmed: int

    def is_suspicious(self, *, disowned_alarm: int) -> bool:
        """Whether the operator should look: *disowned_alarm* is `smt_ws.settings.Agreements.disowned_alarm`.

        Acceptances from the initiator's own address count alike: a customer visited at home may answer there, but
        not customer after customer. Guesses are counted ten for one, because meters are mistyped every day. Links
        answered with another e-mail address raise no alarm by themselves: a customer may register with another one.
        """
        return max(self.disowned, self.same_address, self.unconfirmed // 10) >= disowned_alarm


@dataclass(frozen=True, slots=True)
class Collector:
    """An account that has come to many homes: an initiator's own, perhaps, or a landlord's."""

    account_id: int
    #: Homes that it added since the day that was asked for.
    homes: int
    #: Companies that it has let in.
    companies: int


def collectors(connection: Connection, *, since: date, more_than: int) -> Sequence[Collector]:
    """The accounts that have added *more_than* so many homes since that day, the most homes first."""
    homes = func.count(distinct(account_meter.c.premise_id))
    rows = connection.execute(
        select(account_meter.c.account_id, homes.label("homes"))
        .join(account, account.c.id == account_meter.c.account_id)
        .where(account_meter.c.added_on >= since, account.c.confirmed_at.is_not(None))
        .group_by(account_meter.c.account_id)
        .having(homes > more_than)
        .order_by(homes.desc(), account_meter.c.account_id)
    ).all()
    let_in = {
        row.account_id: int(row.companies)
        for row in connection.execute(
            select(agreement.c.account_id, func.count(distinct(agreement.c.company_id)).label("companies"))
            .where(agreement.c.account_id.in_([row.account_id for row in rows]), agreement.c.accepted_at.is_not(None))
            .group_by(agreement.c.account_id)
        )
    }
    return [Collector(row.account_id, int(row.homes), let_in.get(row.account_id, 0)) for row in rows]


def patterns(connection: Connection, *, since: datetime) -> Sequence[Pattern]:
    """The figures of every company that asked anybody for anything since then, the most disowned first."""
    history = agreement_history.c

    def counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    other = history.details["other_email_address"].as_boolean().is_(True)
    same = history.details["same_address_as_initiator"].as_boolean().is_(True)
    rows = connection.execute(
        select(
            agreement.c.company_id,
            counted(history.act == Act.INITIATE.value).label("initiated"),
            counted(history.act == Act.DISOWN.value).label("disowned"),
            counted((history.act == Act.ACCEPT.value) & same).label("same_address"),
            counted((history.act == Act.ACCEPT.value) & other).label("other_email"),
        )
        .join(agreement, agreement.c.number == history.number)
        .where(history.at > since, history.act.in_([act.value for act in (Act.INITIATE, Act.DISOWN, Act.ACCEPT)]))
        .group_by(agreement.c.company_id)
    ).all()
    found = {
        row.company_id: (int(row.initiated), int(row.disowned), int(row.same_address), int(row.other_email))
        for row in rows
    }
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
        Pattern(key, name, *found.get(key, (0, 0, 0, 0)), unconfirmed=refused.get(key, 0))
        for key, name in names.items()
    ]
    return sorted(every, key=lambda one: (-one.disowned, -one.same_address, -one.unconfirmed, one.company_id))
