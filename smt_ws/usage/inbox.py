"""From a TDSP's inbox to the store: every file is loaded once, answered with a report and archived (U2, U4).

A file is taken when it is whole, oldest first, one of a TDSP at a time: what it sends later corrects what it sent
before. Whatever is wrong with a file refuses that file and holds up none behind it. What is wrong with the hub is tried
again: for ever while the store cannot be reached, otherwise a few times, and then the file is refused with a report
that says so. The process may be killed at any moment (`taken`); the same file twice changes nothing (`loads`).

A file that takes long holds up its own TDSP's alone: each TDSP has a thread while it has files. They open their files
side by side and load one at a time, which takes the store's connections and the processor of one. Any number of these
processes may run; they share the TDSPs among them.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from adapters.upload_names import looks_temporary
from smt_ws.hub import Hub
from smt_ws.parties.tables import company, company_duns
from smt_ws.store import audit
from smt_ws.store.engine import Store
from smt_ws.usage.activity import Activity
from smt_ws.usage.errors import FileTooCostlyError, FileUnreadableError, HubCouldNotLoadError
from smt_ws.usage.files import sha256_of
from smt_ws.usage.load import load_file
from smt_ws.usage.pause import begin_pause, is_paused
from smt_ws.usage.sealed import Opening
from smt_ws.usage.tables import load
from smt_ws.usage.taken import Rest, Taken, alone, is_work_for, left_over, take_next

__all__ = ["Inboxes", "StoreAwayError", "run_intake"]

log = structlog.get_logger("smt_ws.intake")

ACTOR: Final = "hub:intake"
_DUNS: Final = re.compile(r"[0-9]{9}|[0-9]{13}")
#: The longest pause between two tries, in seconds.
_LONGEST_PAUSE: Final = 300.0


class StoreAwayError(Exception):
    """The store cannot be reached. Nothing was tried; the file waits."""


def run_intake(hub: Hub, *, stop: Event) -> None:
    """Take in files until *stop* is set; the files in hand are finished first."""
    Inboxes(hub).run(stop)


@dataclass
class Inboxes:
    """The inboxes of all TDSPs, as one process sees them."""

    hub: Hub
    #: By DUNS number, the moment (monotonic) before which nothing is tried.
    _not_before: dict[str, float] = field(default_factory=dict, init=False)
    #: DUNS numbers of which it has been said that their files wait, and why.
    _told: set[tuple[str, str]] = field(default_factory=set, init=False)
    #: Held while a file is loaded.
    _loading: Lock = field(default_factory=Lock, init=False)

    def run(self, stop: Event) -> None:
        """Take in the files of each TDSP in a thread of its own, as long as there are any, until *stop* is set."""
        at_work: dict[str, Thread] = {}
        while not stop.is_set():
            at_work = {duns: thread for duns, thread in at_work.items() if thread.is_alive()}
            for home in self._due():
                if home.name not in at_work:
                    thread = Thread(target=self._all_of, args=(home, stop), name=f"intake-{home.name}", daemon=True)
                    at_work[home.name] = thread
                    thread.start()
            stop.wait(self.hub.settings.intake.poll_seconds)
        for thread in at_work.values():
            thread.join()

    def take_in_once(self, stop: Event | None = None) -> int:
        """Take in one file of each TDSP that has one; return how many there were, whatever became of them."""
        taken = 0
        for home in self._due():
            if stop is not None and stop.is_set():
                break
            taken += self._one_of(home, home.name)
        return taken

    def _due(self) -> list[Path]:
        """The homes of TDSPs that may have files, and of which nothing has failed a moment ago."""
        homes = (inbox.parent for inbox in sorted(self.hub.settings.ftps.root.glob("*/inbox")))
        now = time.monotonic()
        return [
            home
            for home in homes
            if _DUNS.fullmatch(home.name) and now >= self._not_before.get(home.name, 0.0) and _may_be_work(home)
        ]

    def _all_of(self, home: Path, stop: Event) -> None:
        while not stop.is_set() and self._one_of(home, home.name):
            pass

    def _one_of(self, home: Path, duns: str) -> bool:
        """Take in the oldest file of one TDSP, if there is one and no other process is at work on them."""
        settings = self.hub.settings.intake
        pause = settings.retry_seconds
        try:
            if not is_work_for(home) or not self._may_send(duns):
                return False
            with alone(home) as mine:
                may = mine and not is_paused(home)
                taken = left_over(home) if may else None
                if may and taken is None:
                    taken = take_next(home, now=self.hub.clock.now(), rest=self._rest())
                if taken is not None:
                    pause = min(_LONGEST_PAUSE, pause * 4.0 ** min(taken.tries, 10))
                    self._take_in(taken, duns)
        except StoreAwayError as error:
            pause = settings.retry_seconds
            log.warning("store_unreachable", error=str(error))
        except Exception as error:
            # the next try may be another process's; the other TDSPs' files go on
            log.exception("file_waits", tdsp=duns, seconds=pause, error=type(error).__name__)
        else:
            return taken is not None
        self._not_before[duns] = time.monotonic() + pause
        return False

    def _take_in(self, taken: Taken, duns: str) -> None:
        settings, store = self.hub.settings, self.hub.store
        told = log.bind(tdsp=duns, file=_printable(taken.file.name))
        if taken.tries >= settings.intake.attempts:
            activity = _given_up(store, taken, duns)
        else:
            taken.begin_try()
            try:
                activity = load_file(
                    store,
                    taken.file,
                    clock=self.hub.clock,
                    actor=ACTOR,
                    tdsp_duns=duns,
                    validation=settings.validation,
                    opening=replace(Opening.of(settings), folder=taken.plain_folder()),
                    before_commit=taken.prepare,
                    allow_test_esiids=self.hub.settings.allow_test_esiids,
                    end_doubt=self._end_doubt(taken),
                    turn=self._loading,
                )
            except Exception as error:
                if isinstance(error, SQLAlchemyError) and not _answers(store):
                    taken.forget_try()
                    raise StoreAwayError(type(error).__name__) from error
                taken.note_failure(_failure(error))
                raise
        if activity.code == FileTooCostlyError.code:
            begin_pause(settings.ftps.root / duns, settings.intake.costly_pause_seconds)
            told.warning("tdsp_paused", seconds=settings.intake.costly_pause_seconds)
        self._note(activity)
        taken.finish(activity, reports=settings.ftps.root / duns / "reports", archive=settings.intake.archive / duns)
        told.info(
            "file_taken_in",
            outcome=activity.outcome,
            code=activity.code,
            load=activity.load_number,
            records=activity.records,
            end_confirmed=not activity.end_doubt,
            seconds=round(activity.seconds, 2),
        )

    def _rest(self) -> Rest:
        settings = self.hub.settings
        return Rest(
            settings.intake.settle_seconds, settings.intake.temporary_rest_seconds, settings.ftps.temporary_names
        )

    def _end_doubt(self, taken: Taken) -> str:
        """Why the end of a file may be missing, for its report; nothing where its client has confirmed it."""
        if looks_temporary(taken.file.name, self.hub.settings.ftps.temporary_names):
            return "its name is temporary and was not changed in time: it may be cut off; compare the totals"
        if taken.is_unconfirmed:
            return (
                "the upload ended with neither TLS's closing alert nor a size announced by ALLO: it may be cut off; "
                "compare the totals"
            )
        return ""

    def _may_send(self, duns: str) -> bool:
        """Whether the folder is that of a TDSP that is not suspended; files in any other one are left alone (P10)."""
        question = select(company.c.kind, company.c.suspended_at).join(
            company_duns, company_duns.c.company_id == company.c.id
        )
        try:
            with self.hub.store.read() as connection:
                found = connection.execute(question.where(company_duns.c.duns == duns)).one_or_none()
        except SQLAlchemyError as error:
            raise StoreAwayError(type(error).__name__) from error
        if found is None or found.kind != "TDSP":
            why = "inbox_of_no_tdsp"
        elif found.suspended_at is not None:
            why = "inbox_of_suspended_tdsp"
        else:
            self._told -= {(duns, "inbox_of_suspended_tdsp")}
            return True
        if (duns, why) not in self._told:
            log.error(why, duns=duns)
            self._told.add((duns, why))
        return False

    def _note(self, activity: Activity) -> None:
        """A line of the audit log for the file; a load has one of its own besides."""
        event = audit.Event.FILE_TURNED_AWAY if activity.outcome == "refused" else audit.Event.FILE_TAKEN_IN
        details = {"tdsp": activity.tdsp_duns, "sha256": activity.sha256, "outcome": activity.outcome}
        if activity.code:
            details["code"] = activity.code
        with self.hub.store.write() as connection:
            audit.record(
                connection,
                event,
                actor=ACTOR,
                at=self.hub.clock.now(),
                object=f"file:{activity.file_name}"[:120],
                details=details,
            )


def _given_up(store: Store, taken: Taken, duns: str) -> Activity:
    """What to say of a file after the last try; a load that was committed counts, whatever happened afterwards."""
    name = _printable(taken.file.name)
    try:
        sha256 = sha256_of(taken.file)
    except FileUnreadableError:
        sha256 = "unreadable"
    same = (load.c.sha256 == sha256, load.c.tdsp_duns == duns, load.c.state == "loaded")
    with store.read() as connection:
        number = connection.scalar(select(func.max(load.c.number)).where(*same))
    if number is not None:
        return Activity(name, sha256, "", duns, "repeated", number)
    reason = f"{name}: {taken.tries} tries failed, the last one with: {taken.last_error}. Send the file again"
    return Activity(name, sha256, "", duns, "refused", None, code=HubCouldNotLoadError.code, reason=reason)


def _answers(store: Store) -> bool:
    try:
        with store.read() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def _failure(error: Exception) -> str:
    # the TDSP reads it: no paths, hosts or statements
    code = getattr(error, "code", None)
    if isinstance(code, str) and code.isupper():
        return f"{code}: {error}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, DBAPIError):
        # SQLITE_FULL, DiskFull: the store's word for it, without its statement
        return str(getattr(error.orig, "sqlite_errorname", type(error.orig).__name__))
    return type(error).__name__


def _may_be_work(home: Path) -> bool:
    try:
        return is_work_for(home)
    except OSError:
        return True  # its own thread finds out, and waits


def _printable(name: str) -> str:
    return os.fsencode(name).decode(errors="replace")
