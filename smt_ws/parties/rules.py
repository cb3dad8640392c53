"""Who a company is and which operating days of a premise it may see: pure rules, tables and shapes.

Days are operating days (US/Central); a range includes both its ends; a range without a last day has no end. A company
sees a day of a premise when it was the premise's REP of record on that day or when a grant (from an agreement) opens
that day (R5); a TDSP sees its own premises whole. Everything else is refused with the reason of that day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

__all__ = [
    "CERTIFICATE_WARNINGS",
    "CSV_PROFILES",
    "DEVICE",
    "DEVICE_SERVICES",
    "ENERGY_DATA",
    "KINDS",
    "REASONS",
    "REASON_CODES",
    "REPORT",
    "STATED_REASON",
    "DayRange",
    "Kind",
    "Reason",
    "Refusal",
    "Spell",
    "acting_kind",
    "certificate_warning_due",
    "is_duns",
    "is_esiid",
    "list_warning_due",
    "malformed_esiids",
    "may_call_from",
    "network_named",
    "opened",
    "repeated_esiids",
    "served",
    "with_spell",
]

_ONE_DAY: Final = timedelta(days=1)

#: The scopes of a grant: interval, daily and monthly data; the one report of a one-time agreement, which only the order
#: made for it may read; adding and removing in-home devices; messages to them.
ENERGY_DATA: Final = "energy_data"
REPORT: Final = "report"
DEVICE: Final = "device"
DEVICE_SERVICES: Final = "device_services"

#: Fewest and most characters of the reason that a request states (R20), runs of blanks counted as one.
STATED_REASON: Final = (10, 500)

#: So many days before a certificate ends, its holder is warned.
CERTIFICATE_WARNINGS: Final = (60, 30, 14, 7, 1)

#: How a company may have its interval CSV (interfaces.md section 2).
CSV_PROFILES: Final = ("standard", "smt")


@dataclass(frozen=True)
class Kind:
    """What a company is, and what that alone lets it do."""

    name: str
    meaning: str
    #: ``requesterType`` values it may send, each with the kind in whose capacity it then acts.
    requester_types: dict[str, str]
    #: It sees premises for the days on which it was their REP of record.
    by_service: bool = False
    #: It sees premises for the days that agreements open.
    by_grant: bool = False
    #: It sees every day of the premises on its own wires.
    by_wires: bool = False
    #: It sees every day of any premise, with a reason that its request states (R20).
    by_reason: bool = False


#: The kinds of company (P1, P5, R5). A REP may act as a third party without registering again (P6).
KINDS: Final[dict[str, Kind]] = {
    "REP": Kind(
        "REP",
        "retail electric provider",
        {"REP": "REP", "ROR": "REP", "CSP": "CSP"},
        by_service=True,
        by_grant=True,
    ),
    "CSP": Kind("CSP", "third party", {"CSP": "CSP"}, by_grant=True),
    "TDSP": Kind("TDSP", "transmission and distribution service provider", {"TDSP": "TDSP"}, by_wires=True),
    "REG": Kind("REG", "regulator", {"REG": "REG"}, by_reason=True),
}


class Reason(StrEnum):
    """Why an ESI-ID-day is not in the data that was asked for: the CODE of the exceptions file."""

    ESIID_MALFORMED = "ESIID_MALFORMED"
    ESIID_REPEATED = "ESIID_REPEATED"
    ESIID_UNKNOWN = "ESIID_UNKNOWN"
    NO_AGREEMENT = "NO_AGREEMENT"
    BEFORE_SERVICE = "BEFORE_SERVICE"
    AFTER_SERVICE = "AFTER_SERVICE"
    NOT_YOUR_SERVICE = "NOT_YOUR_SERVICE"
    NOT_YOUR_PREMISE = "NOT_YOUR_PREMISE"
    NO_STATED_REASON = "NO_STATED_REASON"
    NOT_YET_DUE = "NOT_YET_DUE"
    LATE_AT_TDSP = "LATE_AT_TDSP"
    NOT_PROVISIONED = "NOT_PROVISIONED"
    GAP = "GAP"
    NO_GENERATION_CHANNEL = "NO_GENERATION_CHANNEL"
    INTERVALS_MISSING = "INTERVALS_MISSING"
    NOT_BILLED = "NOT_BILLED"
    BILL_REACHES_BEYOND = "BILL_REACHES_BEYOND"
    AGREEMENT_ENDED = "AGREEMENT_ENDED"
    DELIVERED_EMPTY = "DELIVERED_EMPTY"
    NOT_DELIVERED = "NOT_DELIVERED"
    BILL_SUPERSEDED = "BILL_SUPERSEDED"


#: Every reason as a number, for packed rows. Such numbers are stored with orders: only ever append.
REASON_CODES: Final[tuple[Reason, ...]] = tuple(Reason)

#: The sentence beside each code: what is so, and what the developer can do about it.
REASONS: Final[dict[Reason, str]] = {
    Reason.ESIID_MALFORMED: "This is not an ESI ID: 17 or 22 digits, nothing else. Correct it and ask again.",
    Reason.ESIID_REPEATED: "This ESI ID is in the request more than once; it is answered at its first place.",
    Reason.ESIID_UNKNOWN: "No premise has this ESI ID. Check its digits, or ask again once the TDSP has announced it.",
    Reason.NO_AGREEMENT: "Neither service as the REP of record nor an energy-data agreement opens these days to you.",
    Reason.BEFORE_SERVICE: "You were not yet the REP of record on these days. An agreement with their customer could "
    "open them, up to 24 months back.",
    Reason.AFTER_SERVICE: "You were no longer the REP of record on these days. An agreement with their customer could "
    "open them.",
    Reason.NOT_YOUR_SERVICE: (
        "You were not the REP of record on these days, which lie between two services of yours. An agreement could open"
        " them."
    ),
    Reason.NOT_YOUR_PREMISE: "This premise is not on your wires. A TDSP sees its own premises only.",
    Reason.NO_STATED_REASON: "A regulator sees a premise with a stated reason only. State it in the element reason.",
    Reason.NOT_YET_DUE: "What you asked for on these days is not due from the TDSP yet. Ask again later.",
    Reason.LATE_AT_TDSP: "What you asked for on these days is late at the TDSP. Ask again, or ask the TDSP.",
    Reason.NOT_PROVISIONED: "The TDSP has told of no meter that was provisioned at this premise on these days.",
    Reason.GAP: (
        "The TDSP has delivered nothing that you asked for on these days, although it has for later ones. Ask the TDSP."
    ),
    Reason.NO_GENERATION_CHANNEL: (
        "The TDSP has told of no generation at this premise on these days. Ask for consumption instead."
    ),
    Reason.INTERVALS_MISSING: (
        "No register read tells the usage of these days, and intervals are missing, so no sum is true."
    ),
    Reason.NOT_BILLED: "No bill covers these days: the TDSP has sent none yet, or has cancelled it. Ask again later.",
    Reason.BILL_REACHES_BEYOND: "The billing period has days that you did not ask for or may not see. Ask for all.",
    Reason.BILL_SUPERSEDED: (
        "The bill for these days was superseded by another that overlaps it. Ask for version A in CSV to see both, or"
        " ask the TDSP."
    ),
    Reason.AGREEMENT_ENDED: "The agreement that opened these days ended before their file was published.",
    Reason.DELIVERED_EMPTY: (
        "The TDSP has sent these days without a single value of what you asked for. Ask the TDSP."
    ),
    Reason.NOT_DELIVERED: "What you asked for on these days is long overdue at the TDSP. Ask the TDSP.",
}


class DayRange(NamedTuple):
    """Operating days from *first* to *last*, both included; no *last*: no end."""

    first: date
    last: date | None = None


class Refusal(NamedTuple):
    """Operating days from *first* to *last*, both included, that may not be seen, and why."""

    first: date
    last: date
    code: Reason


def served(
    wanted: DayRange, service_spells: Iterable[DayRange], grants: Iterable[DayRange]
) -> tuple[list[DayRange], list[Refusal]]:
    """Which operating days of *wanted* a company may see at one premise, and why not the others (R5).

    *wanted* has a last day. *service_spells* are the company's own as REP of record, *grants* what agreements in
    force open to it; both may overlap and come in any order. The slices are merged where they touch. Slices and
    refusals are ordered and disjoint, and every day of *wanted* is in exactly one of them.
    """
    assert wanted.last is not None
    first, last = wanted.first, wanted.last
    spells = sorted((spell.first, spell.last or date.max) for spell in service_spells)
    opened = _merged([*spells, *((grant.first, grant.last or date.max) for grant in grants)])
    slices = [DayRange(max(a, first), min(b, last)) for a, b in opened if a <= last and b >= first]
    refusals: list[Refusal] = []
    day = first
    for a, b in slices:
        if day < a:
            refusals.append(_refused(day, a - _ONE_DAY, spells))
        assert b is not None
        if b == last:
            return slices, refusals
        day = b + _ONE_DAY
    refusals.append(_refused(day, last, spells))
    return slices, refusals


def opened(now: Iterable[DayRange], then: Iterable[DayRange]) -> list[DayRange]:
    """The operating days of *now* that are not among those of *then*: ordered, disjoint, merged where they touch.

    Both may overlap and come in any order.
    """
    before = _merged((spell.first, spell.last or date.max) for spell in then)
    found: list[DayRange] = []
    for first, last in _merged((spell.first, spell.last or date.max) for spell in now):
        day = first
        for a, b in before:
            if b < day or a > last:
                continue
            if a > day:
                found.append(DayRange(day, a - _ONE_DAY))
            if b >= last:
                break
            day = b + _ONE_DAY
        else:
            found.append(DayRange(day, None if last == date.max else last))
    return found


def _merged(ranges: Iterable[tuple[date, date]]) -> list[tuple[date, date]]:
    merged: list[tuple[date, date]] = []
    for a, b in sorted(ranges):
        if merged and (merged[-1][1] == date.max or a <= merged[-1][1] + _ONE_DAY):
            merged[-1] = (merged[-1][0], max(merged[-1][1], b))
        else:
            merged.append((a, b))
    return merged


def _refused(first: date, last: date, spells: Sequence[tuple[date, date]]) -> Refusal:
    # None of these days lies in a spell, so they are all before, all after or all between the spells.
    if not spells:
        return Refusal(first, last, Reason.NO_AGREEMENT)
    if last < spells[0][0]:
        return Refusal(first, last, Reason.BEFORE_SERVICE)
    if first > max(end for _, end in spells):
        return Refusal(first, last, Reason.AFTER_SERVICE)
    return Refusal(first, last, Reason.NOT_YOUR_SERVICE)


_DUNS: Final = re.compile(r"[0-9]{9}(?:[0-9]{4})?")
_ESIID: Final = re.compile(r"[0-9]{17}(?:[0-9]{5})?")
_TEST_ESIID: Final = re.compile(r"[0-9A-Za-z]{1,64}")
# The same two for a whole list at once, one a line: a run that stops early has met a malformed one.
_ESIIDS: Final = re.compile(r"(?:[0-9]{17}(?:[0-9]{5})?\n)*+")
_TEST_ESIIDS: Final = re.compile(r"(?:[0-9A-Za-z]{1,64}\n)*+")


def is_duns(text: str) -> bool:
    """Whether *text* is a DUNS number: 9 digits, or 13 (interfaces.md section 1)."""
    return _DUNS.fullmatch(text) is not None


def is_esiid(text: str, *, allow_test: bool = False) -> bool:
    """Whether *text* has the shape of an ESI ID: 17 or 22 digits; with *allow_test* 1-64 alphanumerics."""
    return (_TEST_ESIID if allow_test else _ESIID).fullmatch(text) is not None


def malformed_esiids(esiids: Sequence[str], *, allow_test: bool = False) -> list[int]:
    """The positions (from 0) of the malformed ESI IDs among *esiids*; cheap where there are none."""
    lines = "\n".join(esiids) + "\n" if esiids else ""
    whole = (_TEST_ESIIDS if allow_test else _ESIIDS).fullmatch(lines) is not None
    # A line break inside an ESI ID could pass for the one between two; then there are too many lines.
    if whole and lines.count("\n") == len(esiids):
        return []
    return [i for i, esiid in enumerate(esiids) if not is_esiid(esiid, allow_test=allow_test)]


def repeated_esiids(esiids: Sequence[str]) -> list[int]:
    """The positions (from 0) at which an ESI ID stands that stood before; cheap where there are none."""
    if len(set(esiids)) == len(esiids):
        return []
    seen: set[str] = set()
    repeated: list[int] = []
    for i, esiid in enumerate(esiids):
        if esiid in seen:
            repeated.append(i)
        seen.add(esiid)
    return repeated


def acting_kind(company_kind: str, requester_type: str | None) -> str | None:
    """The kind in whose capacity a company of *company_kind* acts when it calls itself *requester_type*.

    None where it may not call itself that. A request that does not say (None) acts as what the company is.
    """
    if requester_type is None:
        return company_kind
    return KINDS[company_kind].requester_types.get(requester_type)


def network_named(text: str) -> IPv4Network | IPv6Network:
    """The IP network that *text* names (P3): an address alone is a network of one. Raises ValueError.

    A network whose host bits are set (``10.0.0.7/24``) is refused: it may be one address, or 256, that was meant.
    """
    return ip_network(text.strip())


def may_call_from(address: str | None, networks: Sequence[str]) -> bool:
    """Whether a company that has named *networks* may call from *address* (P3): from anywhere where it named none.

    An address that cannot be told (None) is in no network. An IPv4 address that came in over an IPv6 socket
    (``::ffff:192.0.2.7``) is the IPv4 address.
    """
    if not networks:
        return True
    try:
        caller = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(caller, IPv6Address) and caller.ipv4_mapped is not None:
        caller = caller.ipv4_mapped
    return any(caller in ip_network(network) for network in networks)


def certificate_warning_due(left: timedelta) -> int | None:
    """Which of `CERTIFICATE_WARNINGS` is due for a certificate that has *left* to live; None: none, or it has ended.

    The lowest one that *left* is within: after days on which nobody looked, one warning is due and not several.
    """
    if left <= timedelta(0):
        return None
    return min((days for days in CERTIFICATE_WARNINGS if left <= timedelta(days=days)), default=None)


def list_warning_due(lifetime: timedelta, left: timedelta) -> bool:
    """Whether a revocation list that lasts for *lifetime* and has *left* of it (or less than nothing) is late.

    Lists are made anew every few hours or every month: late is less than a quarter of its life, and less than a day.
    """
    return left <= min(timedelta(days=1), lifetime / 4)


class Spell(NamedTuple):
    """Days from *first* to *last*, both included, that *who* has a premise: a REP's DUNS number, or an occupant."""

    first: date
    last: date | None
    who: str = ""


def with_spell(spells: Sequence[Spell], new: Spell) -> list[Spell] | None:
    """*spells* of one premise (ordered, disjoint) with *new* among them, or None where it cannot be placed (P10).

    A spell that begins inside an open one closes that one the day before. One that begins on the same day for the
    same *who* is another version of the same spell: only its end may differ, and the open version that was closed by
    its successor stays closed. Any other overlap has no place.
    """
    before = [one for one in spells if one.first < new.first]
    after = [one for one in spells if one.first > new.first]
    same = next((one for one in spells if one.first == new.first), None)
    if same is not None and same.who != new.who:
        return None
    if after and (new.last is None or new.last >= after[0].first):
        closed_by_successor = same is not None and new.last is None and same.last == after[0].first - _ONE_DAY
        return list(spells) if closed_by_successor else None
    if before and before[-1].last is None:
        before[-1] = before[-1]._replace(last=new.first - _ONE_DAY)
    elif before and before[-1].last is not None and before[-1].last >= new.first:
        return None
    return [*before, new, *after]
