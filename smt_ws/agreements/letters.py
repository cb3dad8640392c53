"""What is written to whom about an agreement (A14): one table of occasions, one set of facts for every letter.

A letter is a row of the outbox with all its facts but the links; those are made when it leaves
(`smt_ws.agreements.posting`), so that no token stands in the outbox.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, select

from smt_ws.agreements.rules import Purpose, Status, masked_esiid, masked_mac
from smt_ws.agreements.tables import agreement_premise
from smt_ws.notices.queue import MAIL_SERVER
from smt_ws.parties.tables import company, premise
from smt_ws.store.outbox import enqueue_all

__all__ = ["LETTER", "OCCASIONS", "Occasion", "Reader", "facts_of", "tell"]

#: The outbox's kind for letters about agreements; `smt_ws.agreements.posting.Posting` is its handler.
LETTER: Final = "agreement.letter"


class Reader(StrEnum):
    """To whom a letter goes."""

    CUSTOMER = "customer"
    INITIATOR = "initiator"
    OPERATOR = "operator"


class Occasion(StrEnum):
    """What happened."""

    INITIATED = "initiated"
    RESENT = "resent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    COMPLETED = "completed"
    CHANGED = "changed"
    EXTENSION_ASKED = "extension_asked"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"
    DISOWNED = "disowned"
    NOT_ACCEPTED = "not_accepted"
    EXPIRED = "expired"
    DAYS_LEFT = "days_left"
    REMOVAL_ASKED = "removal_asked"


@dataclass(frozen=True)
class Letter:
    """One letter: its folder of templates, who reads it, and which links it carries."""

    name: str
    reader: Reader
    links: tuple[Purpose, ...] = ()


_ALL_LINKS: Final = (Purpose.ACCEPT, Purpose.REJECT, Purpose.DISOWN)
_CUSTOMER, _INITIATOR, _OPERATOR = Reader.CUSTOMER, Reader.INITIATOR, Reader.OPERATOR


def _both(name: str) -> tuple[Letter, ...]:
    return Letter(name, _CUSTOMER), Letter(name, _INITIATOR)


#: EM201-EM205 of document 003, the initiator's confirmation of 001 P1.8, and the others of A14.
OCCASIONS: Final[Mapping[Occasion, tuple[Letter, ...]]] = MappingProxyType(
    {
        Occasion.INITIATED: (
            Letter("agreement_invitation", _CUSTOMER, _ALL_LINKS),
            Letter("agreement_initiated", _INITIATOR),
        ),
        Occasion.RESENT: (Letter("agreement_invitation_resent", _CUSTOMER, _ALL_LINKS),),
        Occasion.ACCEPTED: (
            Letter("agreement_accepted", _INITIATOR),
            Letter("agreement_accepted_customer", _CUSTOMER, (Purpose.DISOWN,)),
        ),
        Occasion.REJECTED: (Letter("agreement_rejected", _INITIATOR), Letter("agreement_rejected_customer", _CUSTOMER)),
        Occasion.COMPLETED: (
            Letter("agreement_completed", _INITIATOR),
            Letter("agreement_completed_customer", _CUSTOMER, (Purpose.DISOWN,)),
        ),
        Occasion.CHANGED: _both("agreement_changed"),
        Occasion.EXTENSION_ASKED: (Letter("agreement_invitation", _CUSTOMER, _ALL_LINKS),),
        Occasion.TERMINATED: _both("agreement_terminated"),
        Occasion.CANCELLED: (Letter("agreement_cancelled", _CUSTOMER),),
        Occasion.DISOWNED: (Letter("agreement_disowned", _OPERATOR),),
        Occasion.NOT_ACCEPTED: (Letter("agreement_not_accepted", _INITIATOR),),
        Occasion.EXPIRED: _both("agreement_expired"),
        Occasion.DAYS_LEFT: _both("agreement_30_days"),
        Occasion.REMOVAL_ASKED: (Letter("removal_invitation", _CUSTOMER, _ALL_LINKS),),
    }
)


#: What a letter to anybody but the customer does not repeat: a registered one's is not for the company to learn.
_KEPT_BACK: Final = {"customer_address": None, "customer_email": None, "customer_phone": None, "to_customer": False}


def tell(connection: Connection, rows: Sequence[Any], occasion: Occasion, *, now: datetime) -> None:
    """Queue the letters of *occasion* about each agreement of *rows*, in the caller's transaction."""
    if not rows:
        return
    companies = _companies(connection, rows)
    meters = _meters(connection, rows)
    effects = []
    for row in rows:
        facts = facts_of(row, companies[row.company_id], meters[row.number])
        for letter in OCCASIONS[occasion]:
            to_customer = letter.reader is Reader.CUSTOMER
            # An occasion may come again (a change, an extension): its moment tells one letter from the next.
            key = f"agreement:{row.number}:{occasion.value}:{letter.reader.value}:{now:%Y%m%d%H%M%S%f}"
            addresses = {
                Reader.CUSTOMER: row.email,
                Reader.INITIATOR: row.contact_email,
                # the operator's address is a setting, known where the letter leaves
                Reader.OPERATOR: None,
            }
            payload = {
                "number": row.number,
                "links": [purpose.value for purpose in letter.links],
                "notice": {
                    "message": letter.name,
                    "language": row.language if to_customer else "en",
                    "to": addresses[letter.reader],
                    "key": key,
                    "date": now.isoformat(),
                    "facts": facts | ({} if to_customer else _KEPT_BACK),
                    "files": None,
                },
            }
            effects.append((key, payload))
    enqueue_all(connection, kind=LETTER, effects=effects, now=now, target=MAIL_SERVER)


def facts_of(row: Any, company_row: Any, meters: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What letters and pages say about an agreement; *meters* are ESI IDs with their meter numbers.

    Plain JSON. What there is not is null or empty; ESI IDs and device addresses are masked (A14). The links are null.
    """
    extension = row.status == Status.EXTENSION_PENDING
    end_day = row.asked_end_day if extension else row.end_day
    return {
        "number": row.number,
        "kind": row.kind,
        "company": company_row.legal_name,
        "contact_name": row.contact_name,
        "contact_phone": row.contact_phone or None,
        "contact_email": row.contact_email,
        "privacy_url": company_row.privacy_url,
        "comments": row.comments or None,
        "customer_name": " ".join(part for part in (row.first_name, row.middle_initial, row.last_name) if part),
        "customer_address": _address(row),
        "customer_email": row.email,
        "customer_phone": row.phone or None,
        "esiids": [masked_esiid(esiid) for esiid, _meter in meters],
        "meters": [meter for _esiid, meter in meters],
        "all_meters": row.all_meters,
        "devices": [] if row.device_mac is None else [masked_mac(row.device_mac)],
        "report": row.report,
        "report_format": row.report_format,
        "report_period": row.report_period,
        "services": list(row.services),
        # once it is accepted its last day says it
        "duration_months": row.months if row.accepted_at is None else None,
        "end_day": None if end_day is None else end_day.isoformat(),
        "extension": extension,
        "expires_on": row.expires_on.isoformat(),
        "status": row.status,
        "order_number": None if row.order_number is None else str(row.order_number),
        "accept_url": None,
        "reject_url": None,
        "disown_url": None,
        "portal_url": None,
        "to_customer": True,
    }


def _address(row: Any) -> str | None:
    place = " ".join(part for part in (row.state, row.zip) if part)
    return ", ".join(part for part in (row.street, row.city, place) if part) or None


def _companies(connection: Connection, rows: Sequence[Any]) -> dict[int, Any]:
    wanted = {row.company_id for row in rows}
    found = connection.execute(
        select(company.c.id, company.c.legal_name, company.c.privacy_url).where(company.c.id.in_(wanted))
    )
    return {one.id: one for one in found}


def _meters(connection: Connection, rows: Sequence[Any]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in connection.execute(
        select(agreement_premise.c.number, premise.c.esiid, agreement_premise.c.meter_number)
        .join(premise, premise.c.id == agreement_premise.c.premise_id)
        .where(
            agreement_premise.c.number.in_([row.number for row in rows]),
            agreement_premise.c.dropped_at.is_(None),
        )
        .order_by(agreement_premise.c.number, premise.c.esiid)
    ):
        found[one.number].append((one.esiid, one.meter_number))
    return found
