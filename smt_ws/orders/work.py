"""The worker: claims parts and builds them, carries out the outbox, until it is told to stop.

As many processes of it may run, on as many machines, as the store and the shared folder bear. Processes, not threads:
rendering and encryption hold the interpreter lock.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Event, Thread

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adapters import publishing
from adapters.scratch_folder import sweep_scratch
from smt_ws.hub import Hub
from smt_ws.orders.build import Renderers, build_part, delivery_folder
from smt_ws.orders.claim import Claim, claim_part, failed, heartbeat, release, renew
from smt_ws.orders.errors import ClaimLostError, DaysDoNotAddUpError
from smt_ws.orders.renderers import RENDERERS
from smt_ws.parties.errors import CompanySuspendedError
from smt_ws.store.breaker import Policy
from smt_ws.store.couriers import run_couriers
from smt_ws.store.dialect import lock_timed_out
from smt_ws.store.outbox import Handlers, deliver_due

__all__ = ["build_next", "work", "work_once"]

log = structlog.get_logger("smt_ws.orders")

#: Before a part is built again whose order another worker held for too long.
_PAUSE = timedelta(seconds=30)


def work(
    hub: Hub,
    *,
    stop: Event,
    handlers: Handlers,
    renderers: Renderers = RENDERERS,
    worker: str | None = None,
    small_only: bool = False,
) -> None:
    """Work until *stop* is set; the part and the effect in hand are finished first (SIGTERM drains).

    The outbox has threads of its own: a mail server that hangs must not hold up a file. A store that cannot be
    reached is waited for. Killed at any moment the worker does no harm: the lease runs out and another one builds the
    part again.
    """
    # Plain content that killed workers left: the next part would take it away too, but may be long in coming.
    with suppress(FileNotFoundError):
        sweep_scratch(hub.settings.work_folder)
    name = worker or f"{socket.gethostname()}:{os.getpid()}"
    outbox = hub.settings.outbox
    effects = Thread(
        target=run_couriers,
        args=(hub.store, handlers),
        kwargs={
            "stop": stop,
            "policy": Policy(
                lease=timedelta(seconds=outbox.lease_seconds),
                attempts=outbox.attempts,
                failures=outbox.failures,
                longest_open=timedelta(seconds=outbox.longest_open_seconds),
            ),
            "threads": outbox.threads,
            "poll_seconds": hub.settings.work.poll_seconds,
        },
        name="outbox",
    )
    effects.start()
    try:
        _until(stop, hub, lambda: build_next(hub, worker=name, renderers=renderers, small_only=small_only))
    finally:
        stop.set()
        effects.join()


def _until(stop: Event, hub: Hub, do_one: Callable[[], bool]) -> None:
    while not stop.is_set():
        try:
            busy = do_one()
        except SQLAlchemyError as error:
            log.warning("store_unreachable", error=type(error).__name__)
            busy = False
        if not busy:
            stop.wait(hub.settings.work.poll_seconds)


def work_once(hub: Hub, *, worker: str, renderers: Renderers = RENDERERS, handlers: Handlers) -> bool:
    """Carry out what is due in the outbox, then build one part; False when there was neither."""
    delivered = deliver_due(hub.store, handlers, attempts=hub.settings.outbox.attempts)
    return build_next(hub, worker=worker, renderers=renderers) or delivered > 0


def build_next(hub: Hub, *, worker: str, renderers: Renderers = RENDERERS, small_only: bool = False) -> bool:
    """Claim the part whose turn it is and build it; False when there is none.

    With *small_only* parts of orders of more than ``work.small_days`` ESI-ID-days are left to others.
    """
    settings = hub.settings.work
    claim = claim_part(
        hub.store,
        worker=worker,
        lease=timedelta(seconds=settings.lease_seconds),
        attempts=settings.attempts,
        clock=hub.clock,
        keep=timedelta(days=hub.settings.limits.keep_files_days),
        most_days=settings.small_days if small_only else None,
    )
    if claim is None:
        return False
    _build(hub, claim, renderers)
    return True


def _build(hub: Hub, claim: Claim, renderers: Renderers) -> None:
    told = log.bind(order=claim.order_number, part=claim.part, fence=claim.fence, worker=claim.worker)
    try:
        if claim.fence > 1:
            # Who had it before may stand right before its rename, in a transaction that the database no longer knows.
            publishing.discard_temporaries(
                delivery_folder(hub.settings.ftps.root, claim.duns, claim.folder) / claim.file_name
            )
        with heartbeat(hub.store, claim, lease=timedelta(seconds=hub.settings.work.lease_seconds)) as lost:
            state = build_part(hub, claim, renderers=renderers, lost=lost.is_set)
        told.info("part_done", state=state.value)
    except ClaimLostError:
        told.warning("part_lost")
    except CompanySuspendedError:
        # It waits until that is lifted, as every other part of the company does.
        release(hub.store, claim)
        told.warning("company_suspended")
    except Exception as error:
        if lock_timed_out(error):
            # Another worker holds the order and has been silent: stopped while it recorded a part, most likely.
            release(hub.store, claim, pause=_PAUSE)
            told.warning("order_held")
            return
        if not renew(hub.store, claim, lease=timedelta(seconds=hub.settings.work.lease_seconds)):
            # Whoever took it over has left nothing of it to this worker: no failure of the part.
            told.warning("part_lost", error=type(error).__name__)
            return
        told.exception("part_failed", error=type(error).__name__)
        over = failed(
            hub.store,
            claim,
            _reason(error),
            attempts=hub.settings.work.attempts,
            clock=hub.clock,
            keep=timedelta(days=hub.settings.limits.keep_files_days),
            final=isinstance(error, DaysDoNotAddUpError),
        )
        if over:
            told.error("order_failed")


def _reason(error: Exception) -> str:
    # The requester reads it. Our own errors are written for that; a library's may tell of paths and hosts.
    code = getattr(error, "code", None)
    if isinstance(code, str) and code.isupper():
        return f"{code}: {error}"
    return f"INTERNAL: {type(error).__name__}"
