"""E-mails about agreements: one set of facts for all; who reads which is in `telling` (A14).

An e-mail is a row of the outbox with all its facts but the links; those are made when it leaves
(`smt_ws.agreements.posting`), so that no token stands in the outbox.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from smt_ws.agreements.opens import opens, terms_of, told
from smt_ws.agreements.rules import CENTRAL, Act, Actor, Kind, Status, masked_esiid, masked_mac
from smt_ws.agreements.tables import agreement, agreement_premise
from smt_ws.agreements.telling import OCCASIONS, Notice, Occasion, Reader, occasions
from smt_ws.notices.queue import MAIL_SERVER
from smt_ws.parties.account_tables import account, account_meter
from smt_ws.parties.accounts import somebody_else_moved_in
from smt_ws.parties.tables import company, premise
from smt_ws.store.outbox import enqueue_all

__all__ = ["KEPT_BACK", "LETTER", "MeterNamed", "facts_of", "meters_named", "tell"]

#: The outbox's kind for letters about agreements; `smt_ws.agreements.posting.Posting` is its handler.
LETTER: Final = "agreement.letter"

#: How an extension ended that was not given, as its e-mail says it.
_OUTCOMES: Final = {
    Occasion.EXTENSION_REJECTED: "rejected",
    Occasion.EXTENSION_LAPSED: "lapsed",
    Occasion.EXTENSION_WITHDRAWN: "withdrawn",
}


#: What an e-mail to anybody but the customer does not repeat: a registered one's is not for the company to learn.
_NO_ADDRESSES: Final[Mapping[str, Any]] = {
    "service_addresses": [],
    "customer_email": None,
    "customer_phone": None,
    "to_customer": False,
}
#: What nobody reads who may be another than the customer that was invited: neither who that is nor what it was told.
KEPT_BACK: Final[Mapping[str, Any]] = {**_NO_ADDRESSES, "customer_name": "", "comments": None}
#: Occasions on which an extension that is asked for is told as what the agreement would be.
_ASKING: Final = frozenset({Occasion.EXTENSION_ASKED, Occasion.RESENT})


@dataclass(frozen=True, slots=True)
class MeterNamed:
    """A meter that an agreement is about; the service address is empty where its TDSP has not told it."""

    esiid: str
    meter_number: str
    service_address: str


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
    meters = meters_named(connection, [row.number for row in rows])
    holders = _holders(connection, rows, now) if act is Act.ACCEPT else {}
    effects = []
    for row in rows:
        for occasion in occasions(Kind(row.kind), was, act, actor):
            facts = facts_of(row, companies[row.company_id], meters[row.number], asked=occasion in _ASKING)
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
    kept: Mapping[str, Any] = {Reader.CUSTOMER: {}, Reader.HOLDER: KEPT_BACK}.get(notice.reader, _NO_ADDRESSES)
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
            "facts": {**facts, **kept, "extension_outcome": outcome},
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


def facts_of(row: Any, company_row: Any, meters: Sequence[MeterNamed], *, asked: bool = False) -> dict[str, Any]:
    """What e-mails and pages say about an agreement; *asked*: with the extension that waits for an answer.

    Plain JSON. What there is not is null or empty; ESI IDs and device addresses are masked (A14). The links are null.
    """
    extension = asked and row.status == Status.EXTENSION_PENDING
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
        "service_addresses": _service_addresses(row, meters),
        "customer_email": row.email,
        "customer_phone": row.phone or None,
        "esiids": [masked_esiid(one.esiid) for one in meters],
        "meters": [one.meter_number for one in meters],
        "all_meters": row.all_meters,
        "devices": [] if row.device_mac is None else [masked_mac(row.device_mac)],
        "report": row.report,
        "report_format": row.report_format,
        "report_period": row.report_period,
        "opens": told(opens(terms_of(row, asked=asked))),
        "requested_at": row.initiated_at.isoformat(),
        "accepted_at": None if row.accepted_at is None else row.accepted_at.isoformat(),
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
        "faq_url": None,
        "terms_url": None,
        "to_customer": True,
    }


def _service_addresses(row: Any, meters: Sequence[MeterNamed]) -> list[str]:
    # As the company named it, or, of a registered customer, as the TDSP knows it: the company need not know it.
    if row.street:
        return [_address(row.street, row.city, row.state, row.zip)]
    return list(dict.fromkeys(one.service_address for one in meters if one.service_address))


def _address(street: str | None, city: str | None, state: str | None, zip_code: str | None) -> str:
    place = " ".join(part for part in (state, zip_code) if part)
    return ", ".join(part for part in (street, city, place) if part)


def _companies(connection: Connection, rows: Sequence[Any]) -> dict[int, Any]:
    wanted = {row.company_id for row in rows}
    found = connection.execute(
        select(company.c.id, company.c.legal_name, company.c.privacy_url).where(company.c.id.in_(wanted))
    )
    return {one.id: one for one in found}


def meters_named(connection: Connection, numbers: Collection[str]) -> dict[str, list[MeterNamed]]:
    """The meters that each of these agreements is about, by ESI ID."""
    found: dict[str, list[MeterNamed]] = defaultdict(list)
    at = premise.c
    for one in connection.execute(
        select(
            agreement_premise.c.number, agreement_premise.c.meter_number, at.esiid,
            at.service_address, at.city, at.state, at.zip,
        )
        .join(premise, at.id == agreement_premise.c.premise_id)
        .where(agreement_premise.c.number.in_(numbers), agreement_premise.c.dropped_at.is_(None))
        .order_by(agreement_premise.c.number, at.esiid)
    ):  # fmt: skip
        address = _address(one.service_address, one.city, one.state, one.zip)
        found[one.number].append(MeterNamed(one.esiid, one.meter_number, address))
    return found
