"""A company's agreements: searched by list and wildcard, paged; one shown whole, with its history (A18, A20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.sql import ColumnElement

from smt_ws.agreements import errors
from smt_ws.agreements.form import plain_mac
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.rules import Act, Actor, Kind, Status, acts_open_to
from smt_ws.agreements.tables import agreement, agreement_history, agreement_premise
from smt_ws.clock import Clock
from smt_ws.parties.tables import premise
from smt_ws.store import audit

if TYPE_CHECKING:
    from smt_ws.parties.identify import Caller

__all__ = [
    "CRITERIA",
    "ITEMS_AT_MOST",
    "METERS_A_PAGE",
    "ROWS_A_PAGE",
    "AgreementView",
    "Found",
    "Happened",
    "MeterPage",
    "Search",
    "agreement_details",
    "agreement_meters",
    "conditions",
    "search_agreements",
]

#: What agreements may be searched by (A18).
CRITERIA: Final = ("number", "last_name", "esiid", "meter_number", "device_mac")
ITEMS_AT_MOST: Final = 100
ROWS_A_PAGE: Final = 25
#: An agreement over all meters of a business may be about thousands.
METERS_A_PAGE: Final = 1000
#: A wildcard stands behind so many characters at least: less would be no search.
_STEM: Final = 2
#: Who acted, as the initiator is told: by link or logged in, the customer is the customer.
_SIDES: Final = {
    "customer": "CUSTOMER",
    "account": "CUSTOMER",
    "company": "INITIATOR",
    "hub": "HUB",
    "operator": "OPERATOR",
}


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: any of *items* by one criterion; an item may end in ``*``. Nothing: all of the company's."""

    by: str | None = None
    items: Sequence[str] = ()
    kind: Kind | None = None
    status: Status | None = None
    page: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """One page of agreements: rows of ``agreement`` with ``esiid`` (its first) and ``meters`` (how many)."""

    rows: Sequence[Any]
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-self.total // ROWS_A_PAGE)


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of an agreement's history."""

    at: datetime
    act: str
    actor: str
    status: str


@dataclass(frozen=True, slots=True)
class MeterPage:
    """ESI IDs of an agreement with their meters."""

    meters: Sequence[tuple[str, str]]
    more: bool


@dataclass(frozen=True, slots=True)
class AgreementView:
    """One agreement, whole, with what its initiator may do to it now (FR-10)."""

    row: Any
    meters: MeterPage
    history: Sequence[Happened]
    acts: Sequence[Act]


def search_agreements(
    connection: Connection, caller: Caller, search: Search, *, clock: Clock, address: str | None = None
) -> Found:
    """A page of the caller's agreements, newest first, audited (P7).

    Raises `SearchMalformedError`, `TooManyItemsError`.
    """
    wanted = [agreement.c.company_id == caller.company_id, *conditions(search)]
    total = connection.execute(select(func.count()).select_from(agreement).where(*wanted)).scalar_one()
    named = agreement_premise.c.number == agreement.c.number
    of_agreement = (
        select(premise.c.esiid).join(agreement_premise, agreement_premise.c.premise_id == premise.c.id).where(named)
    )
    counted = select(func.count()).where(named, agreement_premise.c.dropped_at.is_(None))
    rows = connection.execute(
        select(
            agreement,
            of_agreement.order_by(premise.c.esiid).limit(1).scalar_subquery().label("esiid"),
            counted.scalar_subquery().label("meters"),
        )
        .where(*wanted)
        .order_by(agreement.c.initiated_at.desc(), agreement.c.number.desc())
        .offset((search.page - 1) * ROWS_A_PAGE)
        .limit(ROWS_A_PAGE)
    ).all()
    audit.record(
        connection,
        audit.Event.AGREEMENTS_SHOWN,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        details={"shown": len(rows), "found": total, "by": search.by},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return Found(rows, total)


def agreement_details(
    connection: Connection, caller: Caller, number: str, *, clock: Clock, address: str | None = None
) -> AgreementView:
    """One agreement of the caller's, audited (P7). Raises `AgreementUnknownError`."""
    row = find_agreement(connection, number, company_id=caller.company_id, lock=False)
    history = connection.execute(
        select(agreement_history).where(agreement_history.c.number == number).order_by(agreement_history.c.id)
    )
    happened = [Happened(line.at, line.act, _SIDES[line.actor.partition(":")[0]], line.to_status) for line in history]
    audit.record(
        connection,
        audit.Event.AGREEMENTS_SHOWN,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        object=f"agreement:{number}",
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    acts = acts_open_to(Kind(row.kind), Status(row.status), Actor.INITIATOR)
    return AgreementView(row, _meters(connection, number, 1), happened, acts)


def agreement_meters(connection: Connection, caller: Caller, number: str, *, page: int = 1) -> MeterPage:
    """The ESI IDs of one agreement of the caller's, `METERS_A_PAGE` a page. Raises `AgreementUnknownError`."""
    find_agreement(connection, number, company_id=caller.company_id, lock=False)
    return _meters(connection, number, page)


def conditions(search: Search) -> list[ColumnElement[bool]]:
    """What *search* asks of an agreement. Raises `SearchMalformedError`, `TooManyItemsError`."""
    wanted: list[ColumnElement[bool]] = []
    if search.kind is not None:
        wanted.append(agreement.c.kind == search.kind.value)
    if search.status is not None:
        wanted.append(agreement.c.status == search.status.value)
    if (search.by is None) != (not search.items):
        raise errors.SearchMalformedError(presented="a criterion without items" if search.by else "items alone")
    if search.by is None:
        return wanted
    if len(search.items) > ITEMS_AT_MOST:
        raise errors.TooManyItemsError(presented=str(len(search.items)), expected=f"up to {ITEMS_AT_MOST}")
    columns = {
        "number": agreement.c.number,
        "last_name": agreement.c.last_name_key,
        "device_mac": agreement.c.device_mac,
        "esiid": premise.c.esiid,
        "meter_number": agreement_premise.c.meter_number,
    }
    column = columns[search.by]
    matched = or_(*(_matched(column, _plain(search.by, item)) for item in search.items))
    if search.by in ("esiid", "meter_number"):
        found = select(agreement_premise.c.number).where(matched)
        if search.by == "esiid":
            found = found.join(premise, premise.c.id == agreement_premise.c.premise_id)
        matched = agreement.c.number.in_(found)
    return [*wanted, matched]


def _plain(by: str, item: str) -> str:
    text = item.strip()
    if by == "last_name":
        return text.lower()
    if by == "device_mac":
        return plain_mac(text.removesuffix("*")) + ("*" if text.endswith("*") else "")
    return text


def _matched(column: ColumnElement[str], item: str) -> ColumnElement[bool]:
    stem = item.removesuffix("*")
    if not stem or "*" in stem or (stem != item and len(stem) < _STEM):
        raise errors.SearchMalformedError(presented=item[:60], expected="an item, or its beginning and one * behind it")
    return column == stem if stem == item else column.startswith(stem, autoescape=True)


def _meters(connection: Connection, number: str, page: int) -> MeterPage:
    rows = connection.execute(
        select(premise.c.esiid, agreement_premise.c.meter_number)
        .join(agreement_premise, agreement_premise.c.premise_id == premise.c.id)
        .where(agreement_premise.c.number == number, agreement_premise.c.dropped_at.is_(None))
        .order_by(premise.c.esiid)
        .offset((page - 1) * METERS_A_PAGE)
        .limit(METERS_A_PAGE + 1)
    ).all()
    return MeterPage([(row.esiid, row.meter_number) for row in rows[:METERS_A_PAGE]], len(rows) > METERS_A_PAGE)
