"""The clock: sees to it that every job of the table has run for every date, once.

APScheduler only ticks; what is due is read from the table, the hub's clock and ``job_run`` at each tick. So a hub that
was down, was killed in the middle of a job, or lives at another time (a sandbox) needs nothing special: the next tick
does what has not been done. On PostgreSQL one process of all is elected by an advisory lock that dies with its
session; were two to run, the jobs are idempotent and no harm is done. On SQLite there is one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from threading import Event, Lock
from time import monotonic

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Connection, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from jobs.table import CONTINUAL, TABLE, ContinualJob, TimedJob
from smt_ws.clock import CENTRAL, real_now
from smt_ws.hub import Hub
from smt_ws.store.dialect import insert, try_lock, unlock
from smt_ws.store.engine import Store
from smt_ws.store.heartbeat import CLOCK, beat
from smt_ws.store.tables import job_run
from smt_ws.usage.loads import sweep_dead_loads

__all__ = ["Election", "due_dates", "run_clock", "run_due"]

log = structlog.get_logger("jobs")

TICK_SECONDS = 20.0
#: A job that failed is tried again after so long (business time).
TRY_AGAIN = timedelta(minutes=10)
_LOCK = "jobs.clock"


def due_dates(job: TimedJob, now: datetime) -> Iterator[date]:
    """Yield the dates for which *job* is due at *now*, oldest first: the last *days_back* of them."""
    local = now.astimezone(CENTRAL)
    latest = local.date() if local.time() >= job.at else local.date() - timedelta(days=1)
    for back in reversed(range(job.days_back)):
        yield latest - timedelta(days=back)


def run_due(hub: Hub, *, table: Sequence[TimedJob] = TABLE) -> list[tuple[str, date]]:
    """Run every job of *table* that is due and has not been done; return those that were done now.

    A job that fails is noted with its error and tried again at a later tick; the others are not held up.
    """
    done = []
    for job in table:
        for for_date in due_dates(job, hub.clock.now()):
            if _begin(hub, job, for_date):
                try:
                    outcome = job.run(hub, for_date)
                except Exception as error:
                    log.exception("job_failed", job=job.name, for_date=for_date.isoformat())
                    _note(hub, job, for_date, f"failed: {type(error).__name__}", finished=False)
                else:
                    log.info("job_done", job=job.name, for_date=for_date.isoformat(), outcome=outcome)
                    _note(hub, job, for_date, outcome, finished=True)
                    done.append((job.name, for_date))
    return done


def _begin(hub: Hub, job: TimedJob, for_date: date) -> bool:
    now = hub.clock.now()
    this = (job_run.c.job == job.name, job_run.c.for_date == for_date)
    with hub.store.write() as connection:
        row = connection.execute(select(job_run).where(*this)).first()
        if row is None:
            claim = (
                insert(connection, job_run)
                .values(job=job.name, for_date=for_date, started_at=now)
                .on_conflict_do_nothing()
                .returning(job_run.c.job)
            )
            return connection.execute(claim).first() is not None
        if row.finished_at is not None:
            return False
        if row.outcome is not None and row.started_at + TRY_AGAIN > now:
            return False  # it failed a moment ago
        # begun and never ended: its process was killed, or it failed a while ago
        connection.execute(update(job_run).where(*this).values(started_at=now, outcome=None))
        return True


def _note(hub: Hub, job: TimedJob, for_date: date, outcome: str, *, finished: bool) -> None:
    with hub.store.write() as connection:
        connection.execute(
            update(job_run)
            .where(job_run.c.job == job.name, job_run.c.for_date == for_date)
            .values(outcome=outcome[:2000], finished_at=hub.clock.now() if finished else None)
        )


class Election:
    """Whether this process is the one that runs the jobs: held by an open session, lost with it."""

    def __init__(self, store: Store) -> None:
        """Not elected yet."""
        self._store = store
        self._session: Connection | None = None
        #: Jobs run side by side, and each asks.
        self._asking = Lock()

    def won(self) -> bool:
        """True while this process holds the lock, taking it where nobody does."""
        if self._store.is_sqlite:
            return True
        with self._asking:
            return self._won()

    def _won(self) -> bool:
        try:
            if self._session is None:
                # Outside any transaction: an open one would hold back vacuum for as long as the process lives.
                session = self._store.engine.execution_options(isolation_level="AUTOCOMMIT").connect()
                if not try_lock(session, _LOCK):
                    session.close()
                    return False
                self._session = session
                log.info("clock_elected")
            self._session.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            log.warning("clock_session_lost", error=type(error).__name__)
            self.resign()
            return False
        return True

    def resign(self) -> None:
        """Let go of the lock, so that another process may take it."""
        if self._session is not None:
            with suppress(SQLAlchemyError):
                # At once; with the session it would end when the server has noticed.
                unlock(self._session, _LOCK)
            # Not back into the pool: the lock belongs to the session and ends with it.
            self._session.invalidate()
            self._session.close()
            self._session = None


def _jumps(hub: Hub, ticked: Callable[[], None], tick: float) -> Callable[[], None]:
    """Tick when it is time, and as soon as the clock of a sandbox was moved: what is due there does not wait."""
    known, last = hub.clock.now() - real_now(), monotonic()

    def look() -> None:
        nonlocal known, last
        shift = hub.clock.now() - real_now()
        if abs(shift - known) > timedelta(seconds=1) or monotonic() - last >= tick:
            known, last = shift, monotonic()
            ticked()

    return look


def run_clock(
    hub: Hub,
    *,
    stop: Event,
    table: Sequence[TimedJob] = TABLE,
    continual: Sequence[ContinualJob] = CONTINUAL,
    tick: float = TICK_SECONDS,
) -> None:
    """Run the clock until *stop* is set; a job in hand is finished first. While elected, it gives signs of life."""
    election = Election(hub.store)

    def elected(run: Callable[[], object]) -> Callable[[], None]:
        def asked() -> None:
            try:
                if election.won():
                    run()
            except SQLAlchemyError as error:
                log.warning("store_unreachable", error=type(error).__name__)

        return asked

    ticked = elected(lambda: run_due(hub, table=table))

    def at_start() -> None:
        try:
            sweep_dead_loads(hub.store, hub.clock)
        except SQLAlchemyError as error:
            log.warning("store_unreachable", error=type(error).__name__)
        ticked()

    scheduler = BackgroundScheduler(timezone="UTC")

    def every(seconds: float, run: Callable[[], None]) -> None:
        # One at a time, and a tick that was missed is only made up for once.
        scheduler.add_job(run, IntervalTrigger(seconds=seconds, timezone="UTC"), max_instances=1, coalesce=True)

    every(tick, elected(lambda: beat(hub.store, CLOCK)))
    for job in continual:
        every(job.seconds, elected(partial(job.run, hub)))
    elected(lambda: beat(hub.store, CLOCK))()
    scheduler.start()
    movable = hub.settings.clock_file is not None
    ticking = _jumps(hub, ticked, tick) if movable else ticked
    try:
        at_start()
        every(min(tick, 1) if movable else tick, ticking)
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        election.resign()
