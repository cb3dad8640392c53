"""Rate limits that hold over all processes and machines: a row counts what one source tried in a window of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import delete

from smt_ws.accounts.errors import TooManyAttemptsError
from smt_ws.clock import real_now
from smt_ws.parties.account_rules import LIMITS
from smt_ws.parties.account_tables import attempt
from smt_ws.store.dialect import insert
from smt_ws.store.engine import Store

__all__ = ["count_attempt", "forget_attempts"]

#: Counts are kept so long: the longest window is an operating day, of 25 hours once a year.
_KEPT: Final = timedelta(days=2)


def count_attempt(store: Store, what: str, who: str) -> None:
    """Count one try of *what* (a name in `account_rules.LIMITS`) by *who*, an e-mail address or source address.

    It is counted in a transaction of its own, whatever becomes of the try. Raises `TooManyAttemptsError` once the
    window holds more than it may.
    """
    limit = LIMITS[what]
    seconds = int(limit.window.total_seconds())
    start = datetime.fromtimestamp(int(real_now().timestamp()) // seconds * seconds, UTC)
    key = sha256(who.encode()).digest()
    with store.write() as connection:
        counted: int = connection.execute(
            insert(connection, attempt)
            .values(what=what, who_sha256=key, window_start=start, count=1)
            .on_conflict_do_update(
                index_elements=["what", "who_sha256", "window_start"], set_={"count": attempt.c.count + 1}
            )
            .returning(attempt.c.count)
        ).scalar_one()
    if counted > limit.most:
        raise TooManyAttemptsError


def forget_attempts(store: Store) -> int:
    """Remove counts of windows that are over; returns how many."""
    with store.write() as connection:
        return connection.execute(delete(attempt).where(attempt.c.window_start < real_now() - _KEPT)).rowcount
