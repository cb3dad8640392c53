"""The append-only audit log (P7): who, with which certificate, from where, what, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from smt_ws.store.tables import audit_log

__all__ = ["Event", "Line", "lines", "record"]

_INSERT: Final = insert(audit_log)


class Event(StrEnum):
    """Everything that is worth a line, as ``subject:action:outcome``."""

    COMPANY_ADD = "company:add:done"
    COMPANY_CHANGE = "company:change:done"
    COMPANY_SUSPEND = "company:suspend:done"
    COMPANY_RESUME = "company:resume:done"
    CERTIFICATE_ADD = "certificate:add:done"
    CERTIFICATE_WITHDRAW = "certificate:withdraw:done"
    FTPS_PASSWORD = "ftps:password:changed"  # noqa: S105 — the name of an event
    REQUEST_REFUSED = "request:verify:refused"
    REQUEST_REPEATED = "request:answer:repeated"
    LOAD_DONE = "load:run:done"
    LOAD_REFUSED = "load:run:refused"
    LOAD_ABANDONED = "load:run:abandoned"
    ORDER_ACCEPTED = "order:place:accepted"
    ORDER_COMPLETED = "order:build:completed"
    ORDER_FAILED = "order:build:failed"
    ORDER_CANCELLED = "order:cancel:done"
    ORDER_EXPIRED = "order:expire:done"
    ORDER_SEEN = "order:status:shown"
    ORDERS_LISTED = "order:list:shown"
    AGREEMENT_INITIATED = "agreement:initiate:done"
    AGREEMENT_REFUSED = "agreement:initiate:refused"
    AGREEMENT_RESENT = "agreement:resend:done"
    AGREEMENT_ACCEPTED = "agreement:accept:done"
    AGREEMENT_ACCEPTANCE_REFUSED = "agreement:accept:refused"
    AGREEMENT_REJECTED = "agreement:reject:done"
    AGREEMENT_DISOWNED = "agreement:disown:done"
    AGREEMENT_CHANGED = "agreement:change:done"
    AGREEMENT_EXTENSION_ASKED = "agreement:ask_extension:done"
    AGREEMENT_EXTENSION_WITHDRAWN = "agreement:withdraw_extension:done"
    AGREEMENT_TERMINATED = "agreement:terminate:done"
    AGREEMENT_CANCELLED = "agreement:cancel:done"
    AGREEMENT_COMPLETED = "agreement:complete:done"
    AGREEMENT_ANNOUNCED = "agreement:announce:done"
    AGREEMENT_LAPSED = "agreement:lapse:done"
    AGREEMENT_EXPIRED = "agreement:expire:done"
    AGREEMENT_MOVED_OUT = "agreement:move_out:done"
    AGREEMENT_RELEASED = "agreement:release:done"
    GRANTS_CUT = "grants:move_in:cut"
    AGREEMENT_REMOVED = "agreement:retention:removed"
    AGREEMENTS_SHOWN = "agreement:list:shown"
    ENROLLMENT_PUBLISHED = "enrollment:file:published"
    SUBSCRIPTION_BEGUN = "subscription:begin:done"
    SUBSCRIPTION_ENDED = "subscription:end:done"
    ESIIDS_SHOWN = "premise:authorized:shown"
    PREMISES_SHOWN = "premise:information:shown"
    METERS_SHOWN = "meter:information:shown"
    FILE_TAKEN_IN = "file:intake:done"
    FILE_TURNED_AWAY = "file:intake:refused"
    USAGE_ANSWERED = "usage:answer:done"
    MISSING_USAGE_SHOWN = "usage:missing:shown"
    FILE_PUBLISHED = "file:publish:done"
    FILE_FETCHED = "file:fetch:done"
    FILE_DELETED = "file:delete:done"
    FILE_STORED = "file:store:done"
    FILE_RENAMED = "file:rename:done"
    DEVICE_ADD_ASKED = "device:add:asked"
    DEVICE_REMOVAL_ASKED = "device:remove:asked"
    DEVICE_REMOVAL_DECIDED = "device:remove:decided"
    DEVICE_KEPT = "device:keep:done"
    DEVICES_SHOWN = "device:information:shown"
    DEVICE_CONTROL_SET = "device:control:set"
    INSTALL_CODES_DESTROYED = "device:install-code:destroyed"
    MESSAGE_ACCEPTED = "message:send:accepted"
    MESSAGE_CANCEL_ACCEPTED = "message:cancel:accepted"
    MESSAGE_LOG_SHOWN = "message:log:shown"
    HAN_STATUSES_POSTED = "han:statuses:posted"
    TDSP_ENDPOINT_SET = "tdsp_endpoint:set:done"
    TDSP_ENDPOINT_CLEARED = "tdsp_endpoint:clear:done"
    BILL_END_DAY_SET = "bill_end_day:set:done"
    OUTBOX_PAUSED = "outbox:pause:done"
    OUTBOX_RESUMED = "outbox:resume:done"
    OUTBOX_RETRIED = "outbox:retry:done"
    CALLBACK_ANSWERED = "callback:call:answered"
    ACCOUNT_REGISTERED = "account:register:done"
    ACCOUNT_CONFIRMED = "account:confirm:done"
    ACCOUNT_LOGGED_IN = "account:log-in:done"
    ACCOUNT_LOG_IN_REFUSED = "account:log-in:refused"
    ACCOUNT_LOGGED_OUT = "account:log-out:done"
    ACCOUNT_PASSWORD_CHANGED = "account:password:changed"  # noqa: S105 — the name of an event
    ACCOUNT_CODE_RENEWED = "account:code:renewed"
    ACCOUNT_METER_ADDED = "account:meter:added"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, as it stands in the log."""

    id: int
    at: datetime
    event: str
    actor: str
    certificate_sha256: str | None
    address: str | None
    object: str | None
    details: dict[str, Any]


def lines(
    connection: Connection,
    *,
    last: int,
    event: str | None = None,
    actor: str | None = None,
    object: str | None = None,  # noqa: A002 — the audit log's own word
) -> list[Line]:
    """The *last* lines, oldest first, of those whose *event* begins so and whose *actor* and *object* are these."""
    asked = select(audit_log).order_by(audit_log.c.id.desc()).limit(last)
    if event is not None:
        asked = asked.where(audit_log.c.event.startswith(event, autoescape=True))
    if actor is not None:
        asked = asked.where(audit_log.c.actor == actor)
    if object is not None:
        asked = asked.where(audit_log.c.object == object)
    return [Line(**row._mapping) for row in reversed(connection.execute(asked).all())]


def record(
    connection: Connection,
    event: Event,
    *,
    actor: str,
    at: datetime,
    object: str = "",  # noqa: A002 — the audit log's own word
    details: dict[str, Any] | None = None,
    certificate_sha256: str | None = None,
    address: str | None = None,
) -> None:
    """Add one line, in the caller's transaction: what it tells of and the line itself commit together.

    *actor* is ``company:ID``, ``account:ID`` (a customer), ``operator:NAME`` or ``hub:PROCESS``; *details* holds no
    secret and no full personal data.
    """
    connection.execute(
        _INSERT,
        {
            "at": at,
            "event": event.value,
            "actor": actor,
            "object": object,
            "details": details or {},
            "certificate_sha256": certificate_sha256,
            "address": address,
        },
    )
