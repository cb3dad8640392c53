"""Rules of agreements: kinds, statuses, one table of moves, durations, limits, numbers. Pure; standard library only.

Sources: requirements A1-A23; document 003, business rules (BR) 4, 6-10 and functional rules (FR) 1-16; document 002,
P1-P4. Days are operating days (US/Central), a range includes both its ends.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

__all__ = [
    "ANNOUNCE_DAYS",
    "CENTRAL",
    "DEFAULT_MONTHS",
    "FINAL",
    "INVITING",
    "IN_FORCE",
    "KINDS",
    "LASTS_AT_MOST",
    "MOVES",
    "ONE_TIME_A_YEAR",
    "PERIODS",
    "REPORT_WITHIN",
    "SERVICES",
    "YEAR",
    "Act",
    "Actor",
    "Kind",
    "KindRules",
    "Purpose",
    "Status",
    "acts_open_to",
    "after",
    "agreement_number",
    "day_is_over",
    "end_day",
    "first_report_day",
    "invitation_ends",
    "is_number",
    "masked_esiid",
    "masked_mac",
    "months_later",
    "same_mail_domain",
]

_ONE_DAY: Final = timedelta(days=1)
CENTRAL: Final = ZoneInfo("America/Chicago")


class Kind(StrEnum):
    """What a customer is asked for."""

    ONE_TIME = "one_time"
    ONGOING = "ongoing"
    DEVICE = "device"
    DEVICE_SERVICES = "device_services"
    REMOVAL = "removal"


class Status(StrEnum):
    """How an agreement stands (A8). The value is stored and shown; the name is the code on the wire."""

    PENDING = "Pending"
    ACTIVE = "Active"
    EXTENSION_PENDING = "Extension Pending"
    #: Ours (A23): the customer says "I did not ask for this" of an agreement in force; nothing is open meanwhile.
    FROZEN = "Frozen"
    COMPLETE = "Complete"
    REJECTED = "Rejected"
    NOT_ACCEPTED = "Not Accepted"
    EXPIRED = "Expired"
    TERMINATED = "Terminated"
    CANCELLED = "Cancelled"


class Actor(StrEnum):
    """Who acts."""

    CUSTOMER = "customer"
    INITIATOR = "initiator"
    HUB = "hub"
    OPERATOR = "operator"


class Act(StrEnum):
    """What is done to an agreement."""

    INITIATE = "initiate"
    RESEND = "resend"
    ACCEPT = "accept"
    REJECT = "reject"
    DISOWN = "disown"
    CHANGE = "change"
    ASK_EXTENSION = "ask_extension"
    WITHDRAW_EXTENSION = "withdraw_extension"
    TERMINATE = "terminate"
    CANCEL = "cancel"
    COMPLETE = "complete"
    ANNOUNCE = "announce"
    LAPSE = "lapse"
    EXPIRE = "expire"
    #: Somebody else has moved in at all that the agreement is about (R5).
    MOVE_OUT = "move_out"
    RELEASE = "release"


class Purpose(StrEnum):
    """What a link in a letter is for; a link does nothing else (A9)."""

    ACCEPT = "accept"
    REJECT = "reject"
    DISOWN = "disown"


#: What an agreement may open, each the scope of a grant.
SERVICES: Final = ("energy_data", "device", "device_services")
#: Months an ongoing agreement may last, and how many where nobody says (A12).
_MONTHS: Final = (3, 6, 9, 12)
DEFAULT_MONTHS: Final = 6
#: A customer may extend to at most so many months from today (A12).
LASTS_AT_MOST: Final = 12
#: One-time agreements that a company may initiate for an ESI ID within `YEAR` (A6, BR-10).
ONE_TIME_A_YEAR: Final = 3
YEAR: Final = timedelta(days=365)
#: An agreement is announced to both sides when so many days are left (A15).
ANNOUNCE_DAYS: Final = 30
#: A one-time agreement opens its days so long after its acceptance at most, should its order never end.
REPORT_WITHIN: Final = timedelta(days=30)
#: How far back a one-time report goes, by its code: days and months (A11).
PERIODS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "1d": (1, 0),
        "1m": (0, 1),
        "3m": (0, 3),
        "6m": (0, 6),
        "9m": (0, 9),
        "12m": (0, 12),
        "13m": (0, 13),
    }
)


@dataclass(frozen=True)
class KindRules:
    """What is special about one kind of agreement."""

    meaning: str
    #: Services it may open.
    services: tuple[str, ...]
    #: Months it may last; none: it has no end of its own.
    months: tuple[int, ...]
    #: The status after its acceptance.
    accepted: Status
    #: Whether the customer must log in before accepting (A9).
    needs_login: bool
    #: Acts that make no sense for it.
    never: frozenset[Act]


_NO_END: Final = frozenset({Act.ASK_EXTENSION, Act.WITHDRAW_EXTENSION, Act.ANNOUNCE, Act.EXPIRE})

KINDS: Final[Mapping[Kind, KindRules]] = MappingProxyType(
    {
        Kind.ONE_TIME: KindRules(
            "one report on energy data, back from the day of acceptance",
            ("energy_data",),
            (),
            Status.ACTIVE,
            needs_login=False,
            never=_NO_END | {Act.CHANGE},
        ),
        Kind.ONGOING: KindRules(
            "energy data, as long as the agreement lasts; messages to devices too where it says so",
            ("energy_data", "device_services"),
            _MONTHS,
            Status.ACTIVE,
            needs_login=True,
            never=frozenset({Act.COMPLETE}),
        ),
        Kind.DEVICE: KindRules(
            "adding in-home devices and removing them",
            ("device",),
            (),
            Status.ACTIVE,
            needs_login=True,
            never=_NO_END | {Act.COMPLETE},
        ),
        Kind.DEVICE_SERVICES: KindRules(
            "messages to in-home devices, as long as the agreement lasts",
            ("device_services",),
            _MONTHS,
            Status.ACTIVE,
            needs_login=True,
            never=frozenset({Act.COMPLETE}),
        ),
        Kind.REMOVAL: KindRules(
            "the removal of one in-home device that was added under an agreement",
            (),
            (),
            Status.COMPLETE,
            needs_login=False,
            never=_NO_END | {Act.CHANGE, Act.COMPLETE, Act.TERMINATE},
        ),
    }
)

_P, _A, _X, _F = Status.PENDING, Status.ACTIVE, Status.EXTENSION_PENDING, Status.FROZEN
_CUSTOMER, _INITIATOR, _HUB, _OPERATOR = Actor.CUSTOMER, Actor.INITIATOR, Actor.HUB, Actor.OPERATOR

#: The one table: who may do what to an agreement that stands how, and how it stands then. What is not here cannot be.
#: A row that begins in Pending and is an acceptance ends where the kind's `KindRules.accepted` says.
MOVES: Final[Mapping[tuple[Status, Act, Actor], Status]] = MappingProxyType(
    {
        (_P, Act.RESEND, _INITIATOR): _P,
        (_P, Act.ACCEPT, _CUSTOMER): _A,
        (_P, Act.REJECT, _CUSTOMER): Status.REJECTED,
        (_P, Act.DISOWN, _CUSTOMER): Status.REJECTED,
        (_P, Act.CANCEL, _INITIATOR): Status.CANCELLED,
        (_P, Act.LAPSE, _HUB): Status.NOT_ACCEPTED,
        (_P, Act.TERMINATE, _OPERATOR): Status.TERMINATED,
        (_A, Act.CHANGE, _CUSTOMER): _A,
        (_A, Act.CHANGE, _INITIATOR): _A,
        (_A, Act.ASK_EXTENSION, _INITIATOR): _X,
        (_A, Act.DISOWN, _CUSTOMER): _F,
        (_A, Act.TERMINATE, _CUSTOMER): Status.TERMINATED,
        (_A, Act.TERMINATE, _OPERATOR): Status.TERMINATED,
        (_A, Act.CANCEL, _INITIATOR): Status.CANCELLED,
        (_A, Act.COMPLETE, _HUB): Status.COMPLETE,
        (_A, Act.ANNOUNCE, _HUB): _A,
        (_A, Act.EXPIRE, _HUB): Status.EXPIRED,
        (_A, Act.MOVE_OUT, _HUB): Status.TERMINATED,
        # An extension that was asked for changes nothing until the customer accepts it.
        (_X, Act.RESEND, _INITIATOR): _X,
        (_X, Act.ACCEPT, _CUSTOMER): _A,
        (_X, Act.REJECT, _CUSTOMER): _A,
        (_X, Act.LAPSE, _HUB): _A,
        (_X, Act.WITHDRAW_EXTENSION, _INITIATOR): _A,
        (_X, Act.CHANGE, _CUSTOMER): _A,
        (_X, Act.DISOWN, _CUSTOMER): _F,
        (_X, Act.TERMINATE, _CUSTOMER): Status.TERMINATED,
        (_X, Act.TERMINATE, _OPERATOR): Status.TERMINATED,
        (_X, Act.CANCEL, _INITIATOR): Status.CANCELLED,
        (_X, Act.ANNOUNCE, _HUB): _X,
        (_X, Act.EXPIRE, _HUB): Status.EXPIRED,
        (_X, Act.MOVE_OUT, _HUB): Status.TERMINATED,
        (_F, Act.RELEASE, _OPERATOR): _A,
        (_F, Act.TERMINATE, _OPERATOR): Status.TERMINATED,
        (_F, Act.TERMINATE, _CUSTOMER): Status.TERMINATED,
        (_F, Act.CANCEL, _INITIATOR): Status.CANCELLED,
        (_F, Act.EXPIRE, _HUB): Status.EXPIRED,
        (_F, Act.MOVE_OUT, _HUB): Status.TERMINATED,
    }
)

#: Nothing leads out of these (A8, BR-6, BR-7).
FINAL: Final = frozenset(Status) - {status for status, _act, _actor in MOVES}
#: Data and messages are open in these.
IN_FORCE: Final = frozenset({_A, _X})
#: An invitation is with the customer in these.
INVITING: Final = frozenset({_P, _X})


def after(kind: Kind, status: Status, act: Act, actor: Actor) -> Status | None:
    """How an agreement of *kind* stands when *actor* has done *act* to it in *status*; None where that cannot be."""
    if act in KINDS[kind].never:
        return None
    move = (status, act, actor)
    return KINDS[kind].accepted if move == (_P, Act.ACCEPT, _CUSTOMER) else MOVES.get(move)


def acts_open_to(kind: Kind, status: Status, actor: Actor) -> list[Act]:
    """What *actor* may do now: only that is offered (FR-10)."""
    return [act for act in Act if after(kind, status, act, actor) is not None]


def months_later(day: date, months: int) -> date:
    """The same day *months* later (or, below 0, earlier); the month's last day where it has no such day."""
    number = day.year * 12 + day.month - 1 + months
    year, month = divmod(number, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def end_day(accepted: date, months: int) -> date:
    """The last day of an agreement of *months* that begins on the day it is *accepted* (A12)."""
    return months_later(accepted, months) - _ONE_DAY


def first_report_day(accepted: date, period: str) -> date:
    """The first day of a one-time report; its last is the day before the day of acceptance (A11)."""
    days, months = PERIODS[period]
    return months_later(accepted, -months) - timedelta(days=days)


def invitation_ends(sent: date, days: int) -> date:
    """The last day on which an invitation may be answered: *days* after the day it was made (A7, BR-4)."""
    return sent + timedelta(days=days)


def day_is_over(day: date) -> datetime:
    """The moment at which an operating *day* ends, UTC: what is open through the day is closed from then on."""
    return datetime.combine(day + _ONE_DAY, time(), CENTRAL).astimezone(UTC)


_NUMBER: Final = re.compile(r"[0-9]{12}")


def agreement_number(day: date, position: int) -> str:
    """The number of the *position*-th agreement (from 1) of a *day*: MMDDYY and six digits (A17)."""
    if not 1 <= position <= 999_999:
        raise ValueError(f"a day has 999,999 agreement numbers, and {position} is none of them")
    return f"{day:%m%d%y}{position:06d}"


def is_number(text: str) -> bool:
    """Whether *text* has the shape of an agreement number."""
    return _NUMBER.fullmatch(text) is not None


def masked_esiid(esiid: str) -> str:
    """An ESI ID as letters show it: all but the last seven digits hidden (A14)."""
    return _masked(esiid, 7)


def masked_mac(mac: str) -> str:
    """A device's MAC address as letters show it: all but the last five digits hidden, separators dropped (A14)."""
    return _masked(re.sub(r"[^0-9A-Za-z]", "", mac).upper(), 5)


def _masked(text: str, shown: int) -> str:
    return "X" * max(0, len(text) - shown) + text[-shown:]


def same_mail_domain(address: str, others: Collection[str], *, public: Collection[str]) -> bool:
    """Whether *address* is one of the initiator's own: in the domain of one of *others*, above it or below it (A23).

    In a *public* domain, where everybody has an address, only the same address counts.
    """
    name, domain = _parts(address)
    for other in others:
        other_name, other_domain = _parts(other)
        if not other_domain:
            continue
        if domain == other_domain and (domain not in public or name == other_name):
            return True
        if other_domain not in public and domain.endswith("." + other_domain):
            return True
        if domain not in public and "." in domain and other_domain.endswith("." + domain):
            return True
    return False


def _parts(address: str) -> tuple[str, str]:
    name, _at, domain = address.strip().lower().rpartition("@")
    # What stands behind a plus sign is the same mailbox.
    return name.partition("+")[0], domain.rstrip(".")
