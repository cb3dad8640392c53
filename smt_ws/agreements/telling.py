"""Who is told what about an agreement: one table of occasions (A14, A25, A27). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from smt_ws.agreements.rules import Act, Actor, Kind, Purpose, Status

__all__ = ["OCCASIONS", "Notice", "Occasion", "Reader", "occasions"]


class Reader(StrEnum):
    """To whom an e-mail goes."""

    CUSTOMER = "customer"
    INITIATOR = "initiator"
    #: Whoever holds the home in an account with another address than the agreement's.
    HOLDER = "holder"
    OPERATOR = "operator"
    SUPPORT = "support"


class Occasion(StrEnum):
    """What happened."""

    INITIATED = "initiated"
    RESENT = "resent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    COMPLETED = "completed"
    CHANGED = "changed"
    EXTENSION_ASKED = "extension_asked"
    EXTENSION_REJECTED = "extension_rejected"
    EXTENSION_LAPSED = "extension_lapsed"
    EXTENSION_WITHDRAWN = "extension_withdrawn"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"
    DISOWNED = "disowned"
    NOT_ACCEPTED = "not_accepted"
    EXPIRED = "expired"
    DAYS_LEFT = "days_left"
    REMOVAL_ASKED = "removal_asked"
    #: The hub no longer opens past usage that the invitation did not name (A24).
    HISTORY_CLOSED = "history_closed"


@dataclass(frozen=True)
class Notice:
    """One e-mail: its folder of templates, who reads it, and which links it carries."""

    name: str
    reader: Reader
    links: tuple[Purpose, ...] = ()


_ALL_LINKS: Final = (Purpose.ACCEPT, Purpose.REJECT, Purpose.DISOWN)
_DISOWN: Final = (Purpose.DISOWN,)
_CUSTOMER, _INITIATOR = Reader.CUSTOMER, Reader.INITIATOR


def _both(name: str) -> tuple[Notice, ...]:
    return Notice(name, _CUSTOMER), Notice(name, _INITIATOR)


_EXTENSION_ENDED: Final = _both("agreement_extension_ended")

#: EM201-EM205 of document 003, the initiator's confirmations (001 P1.8, 002 P4.4, P4.5), and the others of A14.
OCCASIONS: Final[Mapping[Occasion, tuple[Notice, ...]]] = MappingProxyType(
    {
        Occasion.INITIATED: (
            Notice("agreement_invitation", _CUSTOMER, _ALL_LINKS),
            Notice("agreement_initiated", _INITIATOR),
        ),
        Occasion.RESENT: (Notice("agreement_invitation_resent", _CUSTOMER, _ALL_LINKS),),
        Occasion.ACCEPTED: (
            Notice("agreement_accepted", _INITIATOR),
            Notice("agreement_accepted_customer", _CUSTOMER, _DISOWN),
            Notice("agreement_accepted_home", Reader.HOLDER, _DISOWN),
        ),
        Occasion.REJECTED: (Notice("agreement_rejected", _INITIATOR), Notice("agreement_rejected_customer", _CUSTOMER)),
        Occasion.COMPLETED: (
            Notice("agreement_completed", _INITIATOR),
            Notice("agreement_completed_customer", _CUSTOMER, _DISOWN),
        ),
        Occasion.CHANGED: _both("agreement_changed"),
        Occasion.EXTENSION_ASKED: (
            Notice("agreement_invitation", _CUSTOMER, _ALL_LINKS),
            Notice("agreement_initiated", _INITIATOR),
        ),
        Occasion.EXTENSION_REJECTED: _EXTENSION_ENDED,
        Occasion.EXTENSION_LAPSED: _EXTENSION_ENDED,
        Occasion.EXTENSION_WITHDRAWN: _EXTENSION_ENDED,
        Occasion.TERMINATED: _both("agreement_terminated"),
        Occasion.CANCELLED: _both("agreement_cancelled"),
        Occasion.DISOWNED: (
            Notice("agreement_disowned", Reader.OPERATOR),
            Notice("agreement_disowned", Reader.SUPPORT),
        ),
        Occasion.NOT_ACCEPTED: (Notice("agreement_not_accepted", _INITIATOR),),
        Occasion.EXPIRED: _both("agreement_expired"),
        Occasion.DAYS_LEFT: _both("agreement_30_days"),
        Occasion.REMOVAL_ASKED: (
            Notice("removal_invitation", _CUSTOMER, _ALL_LINKS),
            Notice("agreement_initiated", _INITIATOR),
        ),
        Occasion.HISTORY_CLOSED: _both("agreement_history_closed"),
    }
)

#: What an act is an occasion for, wherever it may be done.
_OF_ACT: Final[Mapping[Act, tuple[Occasion, ...]]] = MappingProxyType(
    {
        Act.INITIATE: (Occasion.INITIATED,),
        Act.RESEND: (Occasion.RESENT,),
        Act.ACCEPT: (Occasion.ACCEPTED,),
        Act.REJECT: (Occasion.REJECTED,),
        Act.DISOWN: (Occasion.DISOWNED,),
        Act.CHANGE: (Occasion.CHANGED,),
        Act.ASK_EXTENSION: (Occasion.EXTENSION_ASKED,),
        Act.WITHDRAW_EXTENSION: (Occasion.EXTENSION_WITHDRAWN,),
        Act.TERMINATE: (Occasion.TERMINATED,),
        Act.CANCEL: (Occasion.CANCELLED,),
        Act.COMPLETE: (Occasion.COMPLETED,),
        Act.ANNOUNCE: (Occasion.DAYS_LEFT,),
        Act.LAPSE: (Occasion.NOT_ACCEPTED,),
        Act.EXPIRE: (Occasion.EXPIRED,),
        Act.MOVE_OUT: (Occasion.TERMINATED,),
        Act.RELEASE: (Occasion.CHANGED,),
    }
)
#: Of an extension that is not given only the extension is over: the agreement goes on until its old end.
_OF_EXTENSION: Final[Mapping[Act, tuple[Occasion, ...]]] = MappingProxyType(
    {Act.REJECT: (Occasion.EXTENSION_REJECTED,), Act.LAPSE: (Occasion.EXTENSION_LAPSED,)}
)


def occasions(kind: Kind, was: Status | None, act: Act, actor: Actor) -> tuple[Occasion, ...]:
    """What there is to tell once *actor* has done *act* to an agreement of *kind* that was in *was* (None: new)."""
    if act is Act.INITIATE:
        if actor is Actor.CUSTOMER:
            return ()  # it is accepted in the same moment, and that is told
        return (Occasion.REMOVAL_ASKED,) if kind is Kind.REMOVAL else (Occasion.INITIATED,)
    if act is Act.CHANGE and actor is Actor.HUB:
        return (Occasion.HISTORY_CLOSED,)
    if was is Status.EXTENSION_PENDING and act in _OF_EXTENSION:
        return _OF_EXTENSION[act]
    if was is Status.PENDING and act is Act.DISOWN:
        return (Occasion.DISOWNED, Occasion.REJECTED)
    return _OF_ACT[act]
