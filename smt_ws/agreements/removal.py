"""A third party asks for the removal of a device that it added: the customer is invited to let it (A21, BR-081.003).

The request waits in the room of devices; it hears the answer by an effect in the outbox
(`smt_ws.agreements.answer.REMOVAL_DECIDED`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from smt_ws.agreements.answer import REMOVAL_DECIDED
from smt_ws.agreements.device_agreements import device_agreements
from smt_ws.agreements.email_limits import count_emails
from smt_ws.agreements.errors import EmailLimitError
from smt_ws.agreements.initiate import next_number
from smt_ws.agreements.letters import tell
from smt_ws.agreements.rules import Act, Actor, Kind, Status, invitation_ends
from smt_ws.agreements.tables import agreement, agreement_history, agreement_premise
from smt_ws.clock import Clock, central_today
from smt_ws.hub import Hub
from smt_ws.settings import Agreements
from smt_ws.store import audit
from smt_ws.store.outbox import enqueue

__all__ = ["REMOVAL_ASKED", "RemovalAsked", "ask_removal"]

#: The outbox's kind by which a removal is asked for; `RemovalAsked` is its handler.
REMOVAL_ASKED: Final = "agreement.removal_asked"
#: What a removal agreement has from the device agreement under which the device was added.
_COPIED: Final = (
    "company_id",
    "duns",
    "company_kind",
    "account_id",
    "customer_kind",
    "first_name",
    "middle_initial",
    "last_name",
    "last_name_key",
    "title",
    "company_name",
    "street",
    "city",
    "state",
    "zip",
    "phone",
    "email",
    "email_key",
    "language",
    "requestor_id",
    "contact_name",
    "contact_phone",
    "contact_email",
)


@dataclass(frozen=True)
class RemovalAsked:
    """The outbox handler of kind `REMOVAL_ASKED`."""

    hub: Hub

    def __call__(self, payload: Mapping[str, Any]) -> None:
        """Invite the customer."""
        with self.hub.store.write() as connection:
            ask_removal(connection, payload, policy=self.hub.settings.agreements, clock=self.hub.clock)


def ask_removal(connection: Connection, asked: Mapping[str, Any], *, policy: Agreements, clock: Clock) -> str | None:
    """Invite the customer to a removal, once a request, and return the agreement's number.

    *asked*: ``request_id``, ``company_id``, ``esiid``, ``eui64``. Customer and contact are those of the company's
    newest device agreement with the customer who lives there now (A31). Where it has none, or the day's e-mails are
    used up (A26), nobody is asked: the request is refused with the reason, and the answer is None.
    """
    request = str(asked["request_id"])
    there = connection.scalar(select(agreement.c.number).where(agreement.c.removal_request == request))
    if there is not None:
        return str(there)
    now, today = clock.now(), central_today(clock)
    added = _whom_to_ask(connection, asked, today)
    if added is None:
        _nobody_asked(connection, request, "no agreement says whom to ask", clock)
        return None
    try:
        with connection.begin_nested():
            # First the number, as where a company asks: two that wait for each other would never end.
            number = next_number(connection, today)
            count_emails(connection, company_id=added.company_id, email_key=added.email_key, emails=1, policy=policy)
    except EmailLimitError as error:
        _nobody_asked(connection, request, f"the customer was not asked: {error.presented}", clock)
        return None
    connection.execute(
        insert(agreement).values(
            **{name: getattr(added, name) for name in _COPIED},
            number=number,
            kind=Kind.REMOVAL.value,
            status=Status.PENDING.value,
            all_meters=False,
            comments="",
            # The customer's permission to add the device was affirmed then; for the removal it is asked now.
            attested_at=added.attested_at,
            attested_by=added.attested_by,
            attested_from=added.attested_from,
            services=[],
            device_mac=asked["eui64"],
            removal_request=request,
            initiated_at=now,
            expires_on=invitation_ends(today, policy.invitation_days),
        )
    )
    connection.execute(
        insert(agreement_premise).values(premise_id=added.premise_id, number=number, meter_number=added.meter_number)
    )
    who, details = f"company:{added.company_id}", {"kind": Kind.REMOVAL.value, "request": request}
    connection.execute(
        insert(agreement_history).values(
            number=number, at=now, act=Act.INITIATE.value, actor=who, to_status=Status.PENDING.value, details=details
        )
    )
    audit.record(
        connection, audit.Event.AGREEMENT_INITIATED, actor=who, at=now, object=f"agreement:{number}", details=details
    )
    row = connection.execute(select(agreement).where(agreement.c.number == number)).one()
    tell(connection, [row], None, Act.INITIATE, Actor.INITIATOR, now=now)
    return number


def _whom_to_ask(connection: Connection, asked: Mapping[str, Any], today: date) -> Any:
    """The company's device agreement that names the customer: about this device rather than another."""
    there = device_agreements(connection, esiid=asked["esiid"], company_id=asked["company_id"], today=today)
    return next((row for row in there if row.device_mac in {asked["eui64"], None}), there[0] if there else None)


def _nobody_asked(connection: Connection, request: str, why: str, clock: Clock) -> None:
    enqueue(
        connection,
        kind=REMOVAL_DECIDED,
        key=f"removal:{request}:nobody",
        payload={"request_id": int(request), "accepted": False, "agreement": None, "why": why},
        now=clock.now(),
    )
