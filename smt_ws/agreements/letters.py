"""E-mails about agreements: one set of facts for all; who reads which is in `telling` (A14).

An e-mail is a row of the outbox with all its facts but the links; those are made when it leaves
(`smt_ws.agreements.posting`), so that no token stands in the outbox.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from smt_ws.agreements.rules import CENTRAL, Act, Actor, Kind, Status, masked_esiid, masked_mac
from smt_ws.agreements.tables import agreement, agreement_premise
from smt_ws.agreements.telling import OCCASIONS, Notice, Occasion, Reader, occasions
from smt_ws.notices.queue import MAIL_SERVER
from smt_ws.parties.account_tables import account, account_meter
from smt_ws.parties.accounts import somebody_else_moved_in
from smt_ws.parties.tables import company, premise
from smt_ws.store.outbox import enqueue_all

__all__ = ["KEPT_BACK", "LETTER", "facts_of", "tell"]

#: The outbox's kind for letters about agreements; `smt_ws.agreements.posting.Posting` is its handler.
LETTER: Final = "agreement.letter"

#: How an extension ended that was not given, as its e-mail says it.
_OUTCOMES: Final = {
    Occasion.EXTENSION_REJECTED: "rejected",
    Occasion.EXTENSION_LAPSED: "lapsed",
    Occasion.EXTENSION_WITHDRAWN: "withdrawn",
}


#: What an e-mail to anybody but the customer does not repeat: a registered one's is not for the company to learn.
_NO_ADDRESSES: Final = {"customer_address": None, "customer_email": None, "customer_phone": None, "to_customer": False}
#: What nobody reads who may be another than the customer that was invited: neither who that is nor what it was told.
KEPT_BACK: Final = _NO_ADDRESSES | {"customer_name": "", "comments": None}


def tell(
    connection: Connection,
    rows: Sequence[Any],
    was: Status | None,
    act: Act,
    actor: Actor,
    *,
    now: datetime,
) -> None:
    """Queue the e-mails about each agreement of *rows*, in the caller's transaction.

    *rows* are as they stand since *actor* has done *act* to them in the status *was*; `telling.occasions` says whom
    that is told.
    """
    if not rows:
        return
    companies = _companies(connection, rows)
    meters = _meters(connection, rows)
    holders = _holders(connection, rows, now) if act is Act.ACCEPT else {}
    effects = []
    for row in rows:
        facts = facts_of(row, companies[row.company_id], meters[row.number])
        for occasion in occasions(Kind(row.kind), was, act, actor):
            for notice in OCCASIONS[occasion]:
                effects += [
                    _effect(row, occasion, notice, to, facts, now) for to in _readers(row, notice.reader, holders)
                ]
    enqueue_all(connection, kind=LETTER, effects=effects, now=now, target=MAIL_SERVER)


@dataclass(frozen=True, slots=True)
class _To:
    """Where an e-mail goes and in which language."""

    #: None: a setting, known where it leaves.
    address: str | None
    language: str = "en"
    #: Tells one reader from the next where there are several.
    key: str = ""


def _readers(row: Any, reader: Reader, holders: Mapping[str, Sequence[_To]]) -> Sequence[_To]:
    match reader:
        case Reader.CUSTOMER:
            return (_To(row.email, row.language),)
        case Reader.INITIATOR:
            return (_To(row.contact_email),)
        case Reader.HOLDER:
            return holders.get(row.number, ())
        case Reader.OPERATOR | Reader.SUPPORT:
            return (_To(None),)


def _effect(
    row: Any, occasion: Occasion, notice: Notice, to: _To, facts: dict[str, Any], now: datetime
) -> tuple[str, dict[str, Any]]:
    # An occasion may come again (a change, an extension): its moment tells one e-mail from the next.
    key = f"agreement:{row.number}:{occasion.value}:{notice.reader.value}{to.key}:{now:%Y%m%d%H%M%S%f}"
    kept: dict[str, Any] = {Reader.CUSTOMER: {}, Reader.HOLDER: KEPT_BACK}.get(notice.reader, _NO_ADDRESSES)
    outcome = _OUTCOMES.get(occasion)
    payload = {
        "number": row.number,
        "reader": notice.reader.value,
        "links": [purpose.value for purpose in notice.links],
        "notice": {
            "message": notice.name,
            "language": to.language,
            "to": to.address,
            "key": key,
            "date": now.isoformat(),
            "facts": facts | kept | {"extension_outcome": outcome},
            "files": None,
        },
    }
    return key, payload


def _holders(connection: Connection, rows: Sequence[Any], now: datetime) -> dict[str, list[_To]]:
    """By agreement: whoever holds one of its homes in an account with another address than the agreement's (A25)."""
    found: dict[str, list[_To]] = defaultdict(list)
    for one in connection.execute(
        select(agreement.c.number, account.c.id, account.c.email, account.c.language)
        .join(agreement_premise, agreement_premise.c.number == agreement.c.number)
        .join(account_meter, account_meter.c.premise_id == agreement_premise.c.premise_id)
        .join(account, account.c.id == account_meter.c.account_id)
        .where(
            agreement.c.number.in_([row.number for row in rows]),
            agreement_premise.c.dropped_at.is_(None),
            account_meter.c.in_force,
            ~somebody_else_moved_in(now.astimezone(CENTRAL).date()),
            account.c.email_key != agreement.c.email_key,
        )
        .distinct()
        .order_by(agreement.c.number, account.c.id)
    ):
        found[one.number].append(_To(one.email, one.language, f":{one.id}"))
    return found


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
        "extension_outcome": None,
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
