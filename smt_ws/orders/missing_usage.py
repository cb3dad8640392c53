"""Which days of which ESI IDs have no usage, and why: a small range, answered at once (R14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from smt_ws.clock import Clock, central_today
from smt_ws.orders import errors, rules
from smt_ws.orders.plan import day_of
from smt_ws.parties.access import SLICE, authorise
from smt_ws.parties.rules import REASON_CODES, REASONS
from smt_ws.parties.stated_reason import required_reason
from smt_ws.store import audit
from smt_ws.usage.loads import snapshot
from smt_ws.usage.missing import explain_missing
from smt_ws.usage.read import CHANNELS, read_days
from smt_ws.usage.remarks import CODES

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller
    from smt_ws.settings import Limits

__all__ = ["MissingChannel", "MissingDays", "MissingUsage", "missing_usage", "note_shown"]


@dataclass(frozen=True, slots=True)
class MissingDays:
    """Days of one ESI ID, first and last included, without usage for the caller: the code and the sentence why."""

    esiid: str
    first_day: date
    last_day: date
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class MissingChannel:
    """Days of one ESI ID, first and last included, that are present but for one channel that is due."""

    esiid: str
    first_day: date
    last_day: date
    channel: int


@dataclass(frozen=True, slots=True)
class MissingUsage:
    """The answer: *days_asked* ESI-ID-days = *days_present* + the days of *missing*, as of load *load_mark*.

    *channels* are what is missing of days that are present.
    """

    days_asked: int
    days_present: int
    missing: Sequence[MissingDays]
    channels: Sequence[MissingChannel]
    load_mark: int
    #: Why it was asked: demanded of a regulator (R20).
    reason: str | None = None


def missing_usage(
    connection: Connection,
    caller: Caller,
    *,
    start_date: str,
    end_date: str,
    esiids: Sequence[str],
    limits: Limits,
    clock: Clock,
    allow_test_esiids: bool = False,
    reason: str | None = None,
) -> MissingUsage:
    """Say of every day that the caller may not see, or of which nothing is stored on any channel, why that is (R14).

    Dates are MM/DD/YYYY, both included. Rows in the order of *esiids*, then by day. *connection* is a snapshot.
    Raises `NoEsiidsError`, `DateMalformedError`, `DatesReversedError`, `DateInFutureError` and `TooManyDaysError`:
    at most ``limits.missing_usage_days`` ESI-ID-days an answer.
    """
    today = central_today(clock)
    first, last = _days(start_date, end_date, today)
    if not esiids:
        raise errors.NoEsiidsError(presented="none", expected="1 or more")
    reason = required_reason(caller.kind, reason)
    asked = len(esiids) * ((last - first).days + 1)
    if asked > limits.missing_usage_days:
        raise errors.TooManyDaysError(
            presented=f"{asked} ESI-ID-days", expected=f"at most {limits.missing_usage_days} ESI-ID-days"
        )
    access = authorise(
        connection,
        company_id=caller.company_id,
        kind=caller.kind,
        duns_numbers=caller.duns_numbers,
        esiids=esiids,
        first_day=first,
        last_day=last,
        now=clock.now(),
        allow_test_esiids=allow_test_esiids,
        stated_reason=reason,
    )
    as_of = snapshot(connection)
    channels = CHANNELS["A"]
    wanted = np.empty(len(access.slices), SLICE)
    for name in SLICE.names or ():
        wanted[name] = access.slices[name]
    stored = read_days(connection, slices=wanted, channels=channels, as_of=as_of)
    for _ in stored:
        pass
    unmeasured = explain_missing(
        connection,
        stored.missing,
        channels=channels,
        as_of=as_of,
        today=today,
        due_days=limits.due_days,
        late_days=limits.late_days,
        told=stored.told,
    )
    rows: list[tuple[int, date, date, int]] = sorted([*access.refusals.tolist(), *unmeasured.tolist()])
    missing = [_told(esiids, *row) for row in rows]
    absent = sum((row.last_day - row.first_day).days + 1 for row in missing)
    if stored.delivered + absent != asked:
        raise errors.DaysDoNotAddUpError(
            expected=f"{asked} asked", presented=f"{stored.delivered} present, {absent} missing"
        )
    return MissingUsage(
        days_asked=asked,
        days_present=stored.delivered,
        missing=missing,
        channels=_channels(esiids, stored.remarks()),
        load_mark=as_of,
        reason=reason,
    )


def note_shown(
    connection: Connection, caller: Caller, answer: MissingUsage, *, esiids: int, clock: Clock, address: str | None
) -> None:
    """Note in the audit log that *caller* is told of so many *esiids* whether they have usage (P7).

    Apart from the question, which is a snapshot: it would otherwise keep others from writing for as long as it takes.
    """
    audit.record(
        connection,
        audit.Event.MISSING_USAGE_SHOWN,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        details={"esiids": esiids, "days": answer.days_asked, "days_present": answer.days_present}
        | ({"reason": answer.reason} if answer.reason else {}),
        certificate_sha256=caller.tls_sha256,
        address=address,
    )


def _told(esiids: Sequence[str], esiid: int, first: date, last: date, code: Any) -> MissingDays:
    reason = REASON_CODES[code]
    return MissingDays(esiids[esiid], first, last, reason.value, REASONS[reason])


def _channels(esiids: Sequence[str], remarks: NDArray[Any]) -> list[MissingChannel]:
    rows = remarks[remarks["code"] == CODES.index("CHANNEL_MISSING")]
    return [
        MissingChannel(esiids[esiid], day_of(first), day_of(last), channel)
        for esiid, first, last, channel in rows[["esiid", "first_day", "last_day", "channel"]].tolist()
    ]


def _days(start_date: str, end_date: str, today: date) -> tuple[date, date]:
    first, last = rules.read_date(start_date), rules.read_date(end_date)
    for element, text, day in (("startDate", start_date, first), ("endDate", end_date, last)):
        if day is None:
            raise errors.refused("DATE_MALFORMED", element=element, presented=text[:20], expected="MM/DD/YYYY")
    assert first is not None
    assert last is not None
    if last < first:
        raise errors.refused(
            "END_BEFORE_START", element="endDate", presented=end_date, expected=f"{start_date} or later"
        )
    if last > today:
        raise errors.refused(
            "DATE_IN_FUTURE", element="endDate", presented=end_date, expected=f"{today:%m/%d/%Y} or earlier"
        )
    return first, last
