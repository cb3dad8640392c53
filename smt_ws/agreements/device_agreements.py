"""A company's device agreements with the customer who lives in a home now."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from smt_ws.agreements.granting import moved_in_since
from smt_ws.agreements.rules import Kind
from smt_ws.agreements.tables import agreement, agreement_premise
from smt_ws.parties.tables import premise

__all__ = ["device_agreements"]


def device_agreements(connection: Connection, *, esiid: str, company_id: int, today: date) -> list[Any]:
    """The agreements that were accepted, newest first, with premise and meter; ended ones among them.

    None from before a move-in (A31): by night those are ended, but the move-in counts from its day on.
    """
    rows = connection.execute(
        select(agreement, agreement_premise.c.premise_id, agreement_premise.c.meter_number)
        .join(agreement_premise, agreement_premise.c.number == agreement.c.number)
        .join(premise, premise.c.id == agreement_premise.c.premise_id)
        .where(
            premise.c.esiid == esiid,
            agreement_premise.c.dropped_at.is_(None),
            agreement.c.company_id == company_id,
            agreement.c.kind == Kind.DEVICE.value,
            agreement.c.accepted_at.is_not(None),
        )
        .order_by(agreement.c.accepted_at.desc())
    ).all()
    return [
        row
        for row in rows
        if row.premise_id not in moved_in_since(connection, row, agreed_on=row.accepted_on, today=today)
    ]
