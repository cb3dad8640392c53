"""What is checked of every interval day at load (U5): one table and pure functions.

A rule either rejects a record or flags it: a flagged record is loaded. The hub never estimates and never repairs.
Rules about the text of a file (a row that cannot be read, a value that is no number) are the reader's and have codes
of its own; these are the rules that need to know the market or the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

__all__ = [
    "FLAG_BITS",
    "RULES",
    "Broken",
    "KnownPremise",
    "MeterSpell",
    "Rule",
    "Severity",
    "estimate_replaces_actual",
    "examine",
    "flags_of",
    "malformed",
    "rules_in",
    "severities",
    "when",
    "whose",
]


class Severity(StrEnum):
    """What becomes of a record that breaks a rule."""

    REJECT = "reject"
    FLAG = "flag"


@dataclass(frozen=True)
class Rule:
    """One rule of validation at load."""

    code: str
    #: What must hold, in the terms of the record.
    formula: str
    severity: Severity
    #: Where the rule comes from: requirement id, document.
    source: str
    #: Whether an operator may set the other severity.
    adjustable: bool = False
    #: The keys of the settings' section ``validation`` whose figures the formula names.
    settings: tuple[str, ...] = ()


#: Every rule, in the order in which they are tried; after the first that rejects no other is tried.
RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in (
        Rule(
            "ESIID_MALFORMED",
            "the ESI ID has 17 or 22 digits (in a sandbox that sets allow_test_esiids: 1 to 64 letters and digits)",
            Severity.REJECT,
            "U5; facts section 6",
        ),
        Rule("ESIID_UNKNOWN", "a premise with this ESI ID has been loaded", Severity.REJECT, "U5"),
        Rule("WRONG_TDSP", "the premise is on the wires of the TDSP that sent the file", Severity.REJECT, "U5"),
        Rule(
            "INTERVAL_COUNT",
            "intervals = 92, 96 or 100 by the day's length in US/Central, statuses none or as many",
            Severity.REJECT,
            "U5, R12",
        ),
        Rule("DUPLICATE_IN_FILE", "(ESI ID, channel, day) came no earlier in the file", Severity.REJECT, "U5"),
        Rule("DAY_NOT_OVER", "day < today in US/Central", Severity.REJECT, "U5"),
        Rule("NO_METER", "a meter with installed_on <= day <= removed_on (or not removed)", Severity.REJECT, "U5, U8"),
        Rule(
            "METER_NOT_PROVISIONED",
            "such a meter with provisioned_on <= day; Oncor and CenterPoint send only such days, AEP sends at once; a"
            " flag is judged again when a meter file tells otherwise",
            Severity.REJECT,
            "U5, U8",
            adjustable=True,
        ),
        Rule(
            "METER_IDENTIFICATION",
            "MRE and Sender of row 30, where given, are the premise's TDSP (the first 9 digits of the DUNS)",
            Severity.FLAG,
            "U5; 004 attachment A: meter identification",
            adjustable=True,
        ),
        Rule(
            "VALUE_ROUNDED",
            "no interval has a fourth decimal of a kWh other than 0 (it was rounded half-even to Wh)",
            Severity.FLAG,
            "U5, architecture: missing and rounding",
            adjustable=True,
        ),
        Rule("MISSING_INTERVALS", "no interval is empty", Severity.FLAG, "U5", adjustable=True),
        Rule(
            "ZERO_DAY",
            "on the consumption channel, not all intervals present are 0 Wh",
            Severity.FLAG,
            "U5: runs of zeros",
            adjustable=True,
        ),
        Rule(
            "INACTIVE_USAGE",
            "the premise's status is ACTIVE, or the day's sum <= inactive_wh",
            Severity.FLAG,
            "U5; 004 attachment A: usage for inactive meters",
            adjustable=True,
            settings=("inactive_wh",),
        ),
        Rule(
            "PULSE_OVERFLOW",
            "every interval <= pulse_overflow_wh",
            Severity.FLAG,
            "U5; 004 attachment A: an interval beyond the registration range",
            adjustable=True,
            settings=("pulse_overflow_wh",),
        ),
        Rule(
            "MAXIMUM_DEMAND",
            "highest interval x 4 <= residential_kw at a RESIDENTIAL premise, <= other_kw elsewhere",
            Severity.FLAG,
            "U5; 004 attachment A: maximum demand",
            adjustable=True,
            settings=("residential_kw", "other_kw"),
        ),
        Rule(
            "REGISTER_READS",
            "start <= stop < 1,000,000,000 kWh, where both were read (not so where it rolled over or was reset); judged"
            " again when another register read of the day is loaded",
            Severity.FLAG,
            "U5; 004 attachment A: meter reset, reverse rotation",
            adjustable=True,
        ),
        Rule(
            "SUM_CHECK",
            "|sum of intervals - usage by the day's latest register read| <= sum_tolerance_wh, where there is one and"
            " no interval is missing; judged again when either side is corrected",
            Severity.FLAG,
            "U5; 004 attachment A: sum check",
            adjustable=True,
            settings=("sum_tolerance_wh",),
        ),
        Rule(
            "ZERO_RUN",
            "on the consumption channel of a day that is not all zero, fewer than zero_run_intervals zeros in a row",
            Severity.FLAG,
            "U5; 004 attachment A: consecutive zeros",
            adjustable=True,
            settings=("zero_run_intervals",),
        ),
        Rule(
            "SPIKE",
            "(highest - third highest interval) <= spike_percent / 100 x third highest, or highest <= spike_floor_wh",
            Severity.FLAG,
            "U5; 004 attachment A: spike check (never a reason to reject)",
            settings=("spike_percent", "spike_floor_wh"),
        ),
        Rule(
            "HIGH_USAGE",
            "consumption of the day <= usage_factor x the largest of the days usage_days back that were measured whole,"
            " or above it by at most usage_floor_wh; judged again when one of those is loaded or corrected later",
            Severity.FLAG,
            "U5; 004 attachment A: high/low usage",
            adjustable=True,
            settings=("usage_factor", "usage_floor_wh", "usage_days"),
        ),
        Rule(
            "LOW_USAGE",
            "consumption x usage_factor >= the smallest of the days usage_days back that were measured whole,"
            " or below it by at most usage_floor_wh (not asked of a day with missing intervals); judged again when"
            " one of those is loaded or corrected later",
            Severity.FLAG,
            "U5; 004 attachment A: high/low usage",
            adjustable=True,
            settings=("usage_factor", "usage_floor_wh", "usage_days"),
        ),
        Rule(
            "ESTIMATE_REPLACES_ACTUAL",
            "no interval is E that was A in the version it replaces",
            Severity.FLAG,
            "U5",
        ),
    )
}


#: The bit of each rule in the ``flags`` kept with a day, from bit 0. Stored: only ever append.
FLAG_BITS: Final = (
    "METER_NOT_PROVISIONED",
    "VALUE_ROUNDED",
    "MISSING_INTERVALS",
    "ZERO_DAY",
    "ESTIMATE_REPLACES_ACTUAL",
    "METER_IDENTIFICATION",
    "INACTIVE_USAGE",
    "PULSE_OVERFLOW",
    "MAXIMUM_DEMAND",
    "REGISTER_READS",
    "SUM_CHECK",
    "ZERO_RUN",
    "SPIKE",
    "HIGH_USAGE",
    "LOW_USAGE",
)
_BIT: Final = {code: 1 << number for number, code in enumerate(FLAG_BITS)}


def flags_of(codes: Iterable[str]) -> int:
    """The flags of a day that breaks these rules."""
    flags = 0
    for code in codes:
        flags |= _BIT[code]
    return flags


def rules_in(flags: int) -> tuple[str, ...]:
    """The codes of the rules whose bits are set, in the order of the bits."""
    return tuple(code for code, bit in _BIT.items() if flags & bit)


class MeterSpell(NamedTuple):
    """One meter's stay at a premise, in operating days; the last day it measured is included."""

    installed: date
    provisioned: date | None
    removed: date | None


class KnownPremise(NamedTuple):
    """What the hub knows of a premise when a record for it arrives."""

    id: int
    tdsp_duns: str
    meters: tuple[MeterSpell, ...]
    status: str = "ACTIVE"
    premise_type: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether it has service; what a TDSP has said nothing of has."""
        return self.status.upper() == "ACTIVE"

    def has_meter(self, day: date) -> bool:
        """Whether a meter was installed there on *day*."""
        return any(m.installed <= day and (m.removed is None or day <= m.removed) for m in self.meters)

    def is_provisioned(self, day: date) -> bool:
        """Whether a meter that was installed there on *day* had been provisioned by then (U8)."""
        return any(
            m.provisioned is not None
            and m.installed <= day
            and m.provisioned <= day
            and (m.removed is None or day <= m.removed)
            for m in self.meters
        )


class Broken(NamedTuple):
    """A rule that a record breaks, and the facts."""

    rule: str
    severity: Severity
    reason: str


def severities(adjusted: Mapping[str, Severity] | None = None) -> dict[str, Severity]:
    """The severity of every rule, with what an operator has *adjusted*.

    Raises ValueError for an unknown rule or one that is not adjustable.
    """
    for code in adjusted or {}:
        if code not in RULES or not RULES[code].adjustable:
            raise ValueError(f"{code} is not a rule whose severity can be set")
    return {code: rule.severity for code, rule in RULES.items()} | dict(adjusted or {})


def examine(
    *,
    severity: Mapping[str, Severity],
    premise: KnownPremise | None,
    sender: str,
    esiid: str,
    channel: int,
    day: date,
    today: date,
    expected: int,
    values: bytes,
    statuses: bytes | None,
    rounded: Sequence[int],
    repeated: bool,
    named: Sequence[str | None] = (),
    measured: Iterable[tuple[str, str]] = (),
    well_formed: bool = True,
) -> list[Broken]:
    """Every rule that a record breaks, in the order of the table, ending with the first that rejects.

    *sender* is the DUNS number of the TDSP that sent it; *expected* the number of intervals the day has; *values*
    little-endian int32 Wh; *statuses* a letter an interval or None where all are A; *rounded* the indices of values
    that had a fourth decimal; *repeated* whether the file had the same ESI ID, channel and day before; *named* the
    DUNS numbers that the record itself gives as its sender and meter reader; *measured* what `checks` found in the
    values: rule and facts; *well_formed* whether the ESI ID has the shape of one (`smt_ws.parties.rules.is_esiid`).
    """
    broken: list[Broken] = []
    stranger = whose(premise, sender=sender, esiid=esiid, well_formed=well_formed)
    if premise is None or stranger is not None:
        facts = [stranger] if stranger is not None else []
    else:
        facts = _facts(premise, sender, channel, day, today, expected, values, statuses, rounded, repeated, named)
        facts += measured
    for code, reason in facts:
        broken.append(Broken(code, severity[code], reason))
        if severity[code] is Severity.REJECT:
            break
    return broken


def _facts(
    premise: KnownPremise,
    sender: str,
    channel: int,
    day: date,
    today: date,
    expected: int,
    values: bytes,
    statuses: bytes | None,
    rounded: Sequence[int],
    repeated: bool,
    named: Sequence[str | None],
) -> list[tuple[str, str]]:
    """Every broken rule but those about whose record it is; without its intervals nothing else is looked at."""
    if len(values) != 4 * expected or (statuses is not None and len(statuses) != expected):
        return [("INTERVAL_COUNT", f"{len(values) // 4} intervals; {day} has {expected}")]
    facts: list[tuple[str, str]] = []
    if repeated:
        facts.append(("DUPLICATE_IN_FILE", f"channel {channel} of {day} came before in this file; the first counts"))
    facts += when(premise, day=day, today=today)
    strangers = dict.fromkeys(duns for duns in named if duns and duns[:9] != sender[:9])
    if strangers:
        facts.append(("METER_IDENTIFICATION", f"row 30 names {', '.join(strangers)}; the TDSP is {premise.tdsp_duns}"))
    if rounded:
        facts.append(
            ("VALUE_ROUNDED", f"{len(rounded)} values rounded to whole Wh, the first at interval {rounded[0]}")
        )
    missing = 0 if statuses is None else statuses.count(b"M")
    if missing:
        facts.append(("MISSING_INTERVALS", f"{missing} of {expected} intervals are empty"))
    # a solar panel rests all night and a whole dark day: zeros are news on the consumption channel only
    if channel == 4 and missing < expected and not values.strip(b"\0"):
        facts.append(("ZERO_DAY", f"all {expected - missing} intervals present are 0"))
    return facts


def whose(premise: KnownPremise | None, *, sender: str, esiid: str, well_formed: bool = True) -> tuple[str, str] | None:
    """The rule that a premise breaks as the subject of anything that *sender* tells, and the facts; None: none."""
    if not well_formed:
        return "ESIID_MALFORMED", malformed(esiid)
    if premise is None:
        return "ESIID_UNKNOWN", f"no premise has the ESI ID {esiid}"
    if premise.tdsp_duns != sender:
        return "WRONG_TDSP", f"the file is from {sender}, the premise is another TDSP's"
    return None


def malformed(esiid: str) -> str:
    """What to say of an ESI ID that has not the shape of one."""
    return f"{esiid[:64]!r} is no ESI ID: 17 or 22 digits expected"


def when(premise: KnownPremise, *, day: date, today: date) -> list[tuple[str, str]]:
    """The rules that a measured *day* breaks by its date, and the facts."""
    facts: list[tuple[str, str]] = []
    if day >= today:
        facts.append(("DAY_NOT_OVER", f"{day} is not over; today is {today}"))
    if not premise.is_provisioned(day):
        if premise.has_meter(day):
            facts.append(("METER_NOT_PROVISIONED", f"the meter installed on {day} was not provisioned by then"))
        else:
            facts.append(("NO_METER", f"no meter is known at the premise on {day}"))
    return facts


def estimate_replaces_actual(old: bytes | None, new: bytes | None) -> int:
    """How many intervals were A in the *old* version and are E in the *new*; None stands for all A (U5)."""
    if new is None:
        return 0
    if old is None:
        return new.count(b"E")
    return sum(was == 0x41 and now == 0x45 for was, now in zip(old, new, strict=True))
