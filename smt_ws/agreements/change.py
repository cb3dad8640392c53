"""Changing an agreement in force: the customer as it likes, the initiator only to less (A12; 002 P3.3, P4.3).

Less takes effect at once. More time is asked for (`ask_extension`) and is the customer's to give; until then the
agreement stays as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, update

from smt_ws.agreements import errors, rules
from smt_ws.agreements.email_limits import count_emails
from smt_ws.agreements.granting import bring_in_line
from smt_ws.agreements.letters import tell
from smt_ws.agreements.moving import move
from smt_ws.agreements.rules import Act, Actor, Kind, Status
from smt_ws.agreements.tables import agreement_premise
from smt_ws.clock import Clock, central_today
from smt_ws.parties.tables import premise

if TYPE_CHECKING:
    from smt_ws.settings import Agreements

__all__ = ["Change", "ask_extension", "change_agreement", "withdraw_extension"]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different; None and empty: as it is."""

    end_day: date | None = None
    services: Sequence[str] | None = None
    drop_esiids: Collection[str] = ()

    @property
    def nothing(self) -> bool:
        """Nothing is to be different."""
        return self.end_day is None and self.services is None and not self.drop_esiids


def change_agreement(
    connection: Connection,
    row: Any,
    change: Change,
    *,
    actor: Actor,
    who: str,
    clock: Clock,
    address: str | None = None,
    certificate_sha256: str | None = None,
) -> Any:
    """Change the locked *row* and return it as it is then; both sides are written to (002 P3.5, P3.6).

    A customer may set any last day from today to a year from today and any services of the kind; an initiator an
    earlier day and fewer services. Where one ESI ID is dropped from an agreement over all meters, it is about the
    others from then on, and no longer about those to come.

    Raises `AgreementStateError`, `NothingToChangeError`, `EndDateError`, `WideningNeedsCustomerError`,
    `EsiidNotInAgreementError`.
    """
    now, today = clock.now(), central_today(clock)
    if change.nothing:
        raise errors.NothingToChangeError
    values: dict[str, Any] = {}
    if change.end_day is not None:
        values["end_day"] = _checked_end(row, change.end_day, today, actor)
        # announced anew, thirty days before the new end
        values["announced_end"] = None
    if change.services is not None:
        values["services"] = _checked_services(row, change.services, actor)
    if actor is Actor.CUSTOMER:
        # an extension that was asked for is settled by what the customer says itself
        values["asked_end_day"] = None
    details: dict[str, Any] = {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in values.items()
        if name in ("end_day", "services")
    }
    if change.drop_esiids:
        details["dropped"] = len(change.drop_esiids)
        values["all_meters"] = False
    moved = move(
        connection,
        row,
        Act.CHANGE,
        actor,
        who=who,
        now=now,
        details=details,
        address=address,
        certificate_sha256=certificate_sha256,
        **values,
    )
    if change.drop_esiids:
        _drop(connection, moved, change.drop_esiids, now)
    bring_in_line(connection, moved, now=now)
    tell(connection, [moved], Status(row.status), Act.CHANGE, actor, now=now)
    return moved


def ask_extension(
    connection: Connection,
    row: Any,
    end_day: date,
    *,
    who: str,
    policy: Agreements,
    clock: Clock,
    address: str | None = None,
    certificate_sha256: str | None = None,
) -> Any:
    """Ask the customer to let the locked *row* last until *end_day*; it is Extension Pending until the answer (A8).

    Raises `AgreementStateError`, `EndDateError`, `EmailLimitError`.
    """
    now, today = clock.now(), central_today(clock)
    if row.end_day is not None and not row.end_day < end_day <= _latest(today):
        raise errors.EndDateError(
            presented=f"{end_day:%m/%d/%Y}", expected=f"after {row.end_day:%m/%d/%Y}, up to {_latest(today):%m/%d/%Y}"
        )
    moved = move(
        connection,
        row,
        Act.ASK_EXTENSION,
        Actor.INITIATOR,
        who=who,
        now=now,
        details={"asked_end_day": end_day.isoformat()},
        address=address,
        certificate_sha256=certificate_sha256,
        asked_end_day=end_day,
        resent=0,
        expires_on=min(rules.invitation_ends(today, policy.invitation_days), row.end_day or end_day),
    )
    count_emails(connection, company_id=row.company_id, email_key=row.email_key, emails=1, policy=policy)
    tell(connection, [moved], Status(row.status), Act.ASK_EXTENSION, Actor.INITIATOR, now=now)
    return moved


def withdraw_extension(
    connection: Connection,
    row: Any,
    *,
    who: str,
    clock: Clock,
    address: str | None = None,
    certificate_sha256: str | None = None,
) -> Any:
    """Take back the extension that the locked *row* asks for; the agreement goes on until its old end (A27).

    Raises `AgreementStateError`.
    """
    now = clock.now()
    moved = move(
        connection,
        row,
        Act.WITHDRAW_EXTENSION,
        Actor.INITIATOR,
        who=who,
        now=now,
        address=address,
        certificate_sha256=certificate_sha256,
        asked_end_day=None,
    )
    tell(connection, [moved], Status(row.status), Act.WITHDRAW_EXTENSION, Actor.INITIATOR, now=now)
    return moved


def _latest(today: date) -> date:
    return rules.months_later(today, rules.LASTS_AT_MOST)


def _checked_end(row: Any, end_day: date, today: date, actor: Actor) -> date:
    if not rules.KINDS[Kind(row.kind)].months or not today <= end_day <= _latest(today):
        raise errors.EndDateError(
            presented=f"{end_day:%m/%d/%Y}", expected=f"{today:%m/%d/%Y} to {_latest(today):%m/%d/%Y}"
        )
    if actor is not Actor.CUSTOMER and row.end_day is not None and end_day > row.end_day:
        raise errors.WideningNeedsCustomerError(
            element="endDate", presented=f"{end_day:%m/%d/%Y}", expected=f"up to {row.end_day:%m/%d/%Y}"
        )
    return end_day


def _checked_services(row: Any, services: Sequence[str], actor: Actor) -> list[str]:
    possible = rules.KINDS[Kind(row.kind)].services
    wanted = [service for service in possible if service in services]
    if not wanted or len(wanted) != len(set(services)):
        raise errors.NothingToChangeError(presented=", ".join(services), expected=" or ".join(possible))
    if actor is not Actor.CUSTOMER and not set(wanted) <= set(row.services):
        raise errors.WideningNeedsCustomerError(
            element="service", presented=", ".join(wanted), expected=", ".join(row.services)
        )
    return wanted


def _drop(connection: Connection, row: Any, esiids: Collection[str], now: datetime) -> None:
    table = agreement_premise
    mine = {
        one.esiid: one.id
        for one in connection.execute(
            select(premise.c.esiid, premise.c.id)
            .join(table, table.c.premise_id == premise.c.id)
            .where(table.c.number == row.number, table.c.dropped_at.is_(None))
        )
    }
    for esiid in esiids:
        if esiid not in mine:
            raise errors.EsiidNotInAgreementError(presented=esiid[:40])
    if len(mine) == len(set(esiids)):
        raise errors.NothingToChangeError(f"{errors.NothingToChangeError.sentence()} No ESI ID would be left.")
    connection.execute(
        update(table)
        .where(table.c.number == row.number, table.c.premise_id.in_([mine[esiid] for esiid in esiids]))
        .values(dropped_at=now)
    )
