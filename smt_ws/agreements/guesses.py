"""How often a company names customers, ESI IDs and meters that do not fit together: mistyped sometimes, guessed never.

Counted in real hours over all processes, in the table of attempts that log-ins are counted in too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, select

from smt_ws.agreements.errors import TooManyUnconfirmedError
from smt_ws.clock import CENTRAL, real_now
from smt_ws.parties.account_tables import attempt
from smt_ws.store.dialect import insert

__all__ = ["note_guess", "refuse_guesser"]

_WHAT: Final = "unconfirmed"
_HOUR: Final = timedelta(hours=1)


def refuse_guesser(connection: Connection, company_id: int, *, most: int) -> None:
    """Raise `TooManyUnconfirmedError` where the company has had *most* such refusals within this hour."""
    what, who, hour = _key(company_id)
    counted = connection.scalar(
        select(attempt.c.count).where(
            attempt.c.what == what, attempt.c.who_sha256 == who, attempt.c.window_start == hour
        )
    )
    if counted is not None and counted >= most:
        again = (hour + _HOUR).astimezone(CENTRAL)
        raise TooManyUnconfirmedError(
            presented=f"{counted} within the hour", expected=f"again from {again:%H:%M %Z} on"
        )


def note_guess(connection: Connection, company_id: int) -> None:
    """Count one refusal of a request that did not fit together."""
    what, who, hour = _key(company_id)
    connection.execute(
        insert(connection, attempt)
        .values(what=what, who_sha256=who, window_start=hour, count=1)
        .on_conflict_do_update(
            index_elements=["what", "who_sha256", "window_start"], set_={"count": attempt.c.count + 1}
        )
    )


def _key(company_id: int) -> tuple[Any, ...]:
    seconds = int(_HOUR.total_seconds())
    hour = datetime.fromtimestamp(int(real_now().timestamp()) // seconds * seconds, UTC)
    return _WHAT, sha256(f"company:{company_id}".encode()).digest(), hour
