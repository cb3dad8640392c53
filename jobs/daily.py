"""The daily jobs, each one small function: takes the hub and the date it is for, returns a line for the operator."""

from __future__ import annotations

from datetime import date, timedelta

from adapters import publishing
from adapters.scratch_folder import sweep_scratch
from adapters.unconfirmed_uploads import sweep_marks
from smt_ws.agreements.enrollment_files import publish_enrollments, remove_expired_enrollments
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.orders.posting import post_daily
from smt_ws.orders.retention import expire_due
from smt_ws.store import idempotency
from smt_ws.store.outbox import forget_done
from smt_ws.usage.loads import sweep_dead_loads

__all__ = [
    "forget_answers",
    "forget_effects",
    "post_enrollments",
    "post_new_data",
    "remove_expired_files",
    "sweep_files",
    "sweep_loads",
]

#: Temporary files that nobody has written to for so long belong to no living process.
ABANDONED_AFTER = timedelta(hours=6)
#: No upload waits for so long in an inbox.
FORGOTTEN_AFTER = timedelta(days=60)
#: How long outbox rows that were carried out stay to be looked at.
KEEP_DONE_EFFECTS = timedelta(days=7)


def remove_expired_files(hub: Hub, _for_date: date) -> str:
    """Remove the files of orders, and enrollment files, whose time is over (R7)."""
    orders = expire_due(hub.store, hub.settings.ftps.root, clock=hub.clock)
    return f"{orders} orders expired, {remove_expired_enrollments(hub)} enrollment files removed"


def forget_answers(hub: Hub, _for_date: date) -> str:
    """Forget first answers that nobody can repeat any more."""
    return f"{idempotency.forget_expired(hub.store, hub.clock.now())} first answers forgotten"


def forget_effects(hub: Hub, _for_date: date) -> str:
    """Remove outbox rows that were carried out a while ago; open rows and dead letters stay."""
    return f"{forget_done(hub.store, real_now() - KEEP_DONE_EFFECTS)} outbox rows removed"


def post_new_data(hub: Hub, for_date: date) -> str:
    """Give everybody who is subscribed what loads brought since the last time (R8)."""
    posted = post_daily(hub.store, for_date=for_date, clock=hub.clock, limits=hub.settings.limits)
    return (
        f"{posted.orders} postings of {posted.files} files, {posted.esiid_days} ESI-ID-days;"
        f" {posted.quiet} subscriptions with nothing new, {posted.held_back} held back"
    )


def post_enrollments(hub: Hub, for_date: date) -> str:
    """Tell each company of the agreements and homes that began, changed or ended for it on the day before."""
    done = publish_enrollments(hub, for_date)
    return f"{done.files} enrollment files of {done.rows} rows, {done.held_back} held back"


def sweep_loads(hub: Hub, _for_date: date) -> str:
    """Give up loads whose process is dead."""
    return f"{len(sweep_dead_loads(hub.store, hub.clock))} dead loads given up"


def sweep_files(hub: Hub, _for_date: date) -> str:
    """Remove temporary files that killed processes left behind."""
    older_than = real_now() - ABANDONED_AFTER
    site = hub.settings.ftps.root
    folders = [hub.settings.work_folder]
    # in an inbox: an upload whose FTPS process was killed
    folders += [
        path for name in ("adhoc", "daily", "enrollment", "reports", "inbox") for path in site.glob(f"*/{name}")
    ]
    folders += hub.settings.intake.archive.glob("*/*")
    removed = [path for folder in folders if folder.is_dir() for path in publishing.sweep(folder, older_than)]
    long_ago = real_now() - FORGOTTEN_AFTER
    removed += [mark for home in site.glob("*/.unconfirmed") for mark in sweep_marks(home.parent, long_ago)]
    if hub.settings.work_folder.is_dir():
        removed += sweep_scratch(hub.settings.work_folder)
    return f"{len(removed)} left-over files removed"
