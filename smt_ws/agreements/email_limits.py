"""How many e-mails companies may cause in a day: to one customer's address, and each company in all (A26).

Counted in the transaction that queues them: what is refused counts nothing, and of two requests at once one waits for
the other. Days are operating days of real time, whatever the sandbox's clock says.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from smt_ws.agreements.errors import EmailLimitError
from smt_ws.agreements.rules import CENTRAL, day_is_over
from smt_ws.clock import real_now
from smt_ws.parties.account_tables import attempt
from smt_ws.store.dialect import insert

if TYPE_CHECKING:
    from smt_ws.settings import Agreements

__all__ = ["count_emails"]

_OF_COMPANY: Final = "emails_of_company"
_TO_ADDRESS: Final = "emails_to_address"


def count_emails(connection: Connection, *, company_id: int, email_key: str, emails: int, policy: Agreements) -> None:
    """Count *emails* that the company causes to the customer's address. Raises `EmailLimitError`."""
    # Always the company first: two requests never wait for each other.
    for what, who, most, whose in (
        (_OF_COMPANY, f"company:{company_id}", policy.emails_of_company_a_day, "of yours"),
        (_TO_ADDRESS, email_key, policy.emails_to_address_a_day, "to the customer's address"),
    ):
        day = real_now().astimezone(CENTRAL).date()
        counted = _add(connection, what, who, datetime.combine(day, time(), CENTRAL).astimezone(UTC), emails)
        if counted > most:
            again = day_is_over(day).astimezone(CENTRAL)
            raise EmailLimitError(
                presented=f"{counted} e-mails {whose} today", expected=f"up to {most}; again from {again:%m/%d/%Y} on"
            )


def _add(connection: Connection, what: str, who: str, start: datetime, emails: int) -> int:
    counted: int = connection.execute(
        insert(connection, attempt)
        .values(what=what, who_sha256=sha256(who.encode()).digest(), window_start=start, count=emails)
        .on_conflict_do_update(
            index_elements=["what", "who_sha256", "window_start"], set_={"count": attempt.c.count + emails}
        )
        .returning(attempt.c.count)
    ).scalar_one()
    return counted
