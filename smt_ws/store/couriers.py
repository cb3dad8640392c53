"""Threads that carry out the outbox: one a target in each process, so that a slow target holds up only itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import structlog
from sqlalchemy.exc import SQLAlchemyError

from smt_ws.store.breaker import Policy
from smt_ws.store.engine import Store
from smt_ws.store.outbox import Claimed, Handlers, carry_out, claim

__all__ = ["run_couriers"]

log = structlog.get_logger("smt_ws.outbox")


def run_couriers(
    store: Store, handlers: Handlers, *, stop: Event, policy: Policy, threads: int, poll_seconds: float
) -> None:
    """Carry out what is due until *stop* is set; what is in hand then is finished first.

    *threads* targets are served at the same time. A store that cannot be reached is waited for.
    """
    busy, lock, freed = set[str | None](), Lock(), Event()

    def serve(claimed: Claimed) -> None:
        try:
            carry_out(store, handlers, claimed, policy=policy)
        except SQLAlchemyError as error:  # done or not, it is tried again when its lease ends
            log.warning("effect_not_recorded", kind=claimed.kind, error=type(error).__name__)
        finally:
            with lock:
                busy.discard(claimed.target)
            freed.set()

    with ThreadPoolExecutor(threads, thread_name_prefix="courier") as pool:
        while not stop.is_set():
            freed.clear()
            with lock:
                taken = frozenset(busy)
            claimed = None
            if len(taken) < threads:
                try:
                    claimed = claim(store, handlers, policy=policy, busy=taken)
                except SQLAlchemyError as error:
                    log.warning("store_unreachable", error=type(error).__name__)
            if claimed is None:
                freed.wait(poll_seconds)
                continue
            with lock:
                busy.add(claimed.target)
            pool.submit(serve, claimed)
