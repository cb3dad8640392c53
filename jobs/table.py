"""What happens by the clock: one row a job. Every job is idempotent for its date (reliability: scheduler singleton).

A job is due once an operating day, at a time in US/Central. None is set between 01:00 and 03:00: there daylight
saving leaves an hour out or has it twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time

from jobs import audit, daily, han
from jobs.agreements import agreements_by_night
from jobs.certificates import warn_of_endings
from jobs.completeness import report_completeness
from jobs.visitors import forget_visitors
from smt_ws.hub import Hub

__all__ = ["CONTINUAL", "TABLE", "ContinualJob", "TimedJob"]


@dataclass(frozen=True, slots=True)
class TimedJob:
    """A job: its name in ``job_run``, when it is due each day (US/Central), and what it does for a date.

    *run* returns one line for the operator. *days_back* is how many dates that were missed (the hub was down) are
    made up for: 1 where the last run does the work of those before it.
    """

    name: str
    at: time
    run: Callable[[Hub, date], str]
    days_back: int = 1


@dataclass(frozen=True, slots=True)
class ContinualJob:
    """What the elected scheduler does all day, every so many seconds; safe to do twice at once."""

    name: str
    seconds: float
    run: Callable[[Hub], None]


CONTINUAL = (
    ContinualJob("seal-audit", 60, audit.seal_new),
    ContinualJob("end-messages", 300, han.end_messages),
)

TABLE = (
    TimedJob("completeness", time(5, 30), report_completeness),
    TimedJob("agreements", time(0, 5), agreements_by_night),
    TimedJob("remove-expired-files", time(0, 15), daily.remove_expired_files),
    TimedJob("forget-answers", time(0, 30), daily.forget_answers),
    TimedJob("forget-effects", time(0, 35), daily.forget_effects),
    TimedJob("forget-visitors", time(0, 40), forget_visitors),
    TimedJob("seal-audit", time(0, 45), audit.seal_all),
    TimedJob("end-waiting-devices", time(0, 50), han.end_waiting),
    TimedJob("tidy-devices", time(0, 55), han.tidy),
    TimedJob("sweep-loads", time(3, 15), daily.sweep_loads),
    TimedJob("sweep-files", time(3, 30), daily.sweep_files),
    TimedJob("enrollment", time(6, 0), daily.post_enrollments),
    # in office hours: somebody is there to act on it
    TimedJob("certificates", time(8, 0), warn_of_endings),
    # after the TDSPs' morning files: nearly all are in by nine
    TimedJob("earlier-devices", time(9, 15), han.ask_customers),
    TimedJob("post-daily", time(9, 30), daily.post_new_data),
)
