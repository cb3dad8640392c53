"""Tables of agreements: kinds, statuses, who may do what, and why a request is refused."""

from __future__ import annotations

from typing import Final

from smt_ws.agreements.rules import FINAL, KINDS, Act, Actor, Kind, Status, after
from smt_ws.guide.markdown import table

__all__ = ["kinds", "statuses"]

_MEANINGS: Final = {
    Status.PENDING: "the customer has been invited",
    Status.ACTIVE: "in force; of a one-time agreement: its report is being made",
    Status.EXTENSION_PENDING: "in force as it was; the customer is asked to let it last longer",
    Status.FROZEN: "the customer says that it never asked for it; nothing is open until the operator has looked",
    Status.COMPLETE: "the report is in your folder; of a removal: the customer has let it",
    Status.REJECTED: "the customer has said no",
    Status.NOT_ACCEPTED: "the invitation was not answered in time",
    Status.EXPIRED: "its last day is over",
    Status.TERMINATED: "the customer has ended it",
    Status.CANCELLED: "you have ended it, or taken the invitation back",
}


def kinds() -> str:
    """What a customer can be asked for."""
    return table(
        ["`agreementType`", "what it is", "opens", "months", "the customer logs in to accept"],
        [
            (
                f"`{kind.name}`",
                what.meaning,
                ", ".join(f"`{service.upper()}`" for service in what.services) or "nothing",
                ", ".join(map(str, what.months)) or "no end of its own",
                "yes" if what.needs_login else "no",
            )
            for kind, what in KINDS.items()
        ],
    )


def statuses() -> str:
    """Statuses of agreements, and what you and the customer may do in each."""
    return table(
        ["status", "meaning", "you may", "the customer may"],
        [
            (
                f"`{status.name}`",
                meaning,
                _acts(status, Actor.INITIATOR),
                _acts(status, Actor.CUSTOMER),
            )
            for status, meaning in _MEANINGS.items()
        ],
    )


def _acts(status: Status, actor: Actor) -> str:
    if status in FINAL:
        return "nothing any more"
    can = [act for act in Act if any(after(kind, status, act, actor) is not None for kind in Kind)]
    return ", ".join(act.value.replace("_", " ") for act in can) or "nothing"
