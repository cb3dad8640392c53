"""Sealing the audit log: every minute what is new, once a day whatever was missed (P7)."""

from __future__ import annotations

from datetime import date

import structlog

from smt_ws.hub import Hub
from smt_ws.store import audit_chain

__all__ = ["seal_all", "seal_new"]

log = structlog.get_logger("jobs")


def seal_new(hub: Hub) -> None:
    """Seal the lines that have come, and log the head: a log that is shipped elsewhere keeps it safe from the hub."""
    _sealed(hub, thorough=False)


def seal_all(hub: Hub, _for_date: date) -> str:
    """Seal whatever is not, however far back its number."""
    return f"{_sealed(hub, thorough=True)} lines sealed"


def _sealed(hub: Hub, *, thorough: bool) -> int:
    sealed = audit_chain.seal(hub.store, thorough=thorough)
    if sealed:
        with hub.store.read() as connection:
            log.info("audit_sealed", lines=sealed, head=str(audit_chain.head(connection)))
    return sealed
