"""The daily look at certificates and keys: who holds one that is about to end is written to, once a warning time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.notices.queue import notify
from smt_ws.parties.endings import Ending, endings_of_companies, endings_of_hub, endings_of_keys, note_warned, unwarned

__all__ = ["warn_of_endings"]

#: The folder of templates for each kind.
_LETTERS: Final = {
    "certificate": "certificate_ending",
    "openpgp_key": "openpgp_key_ending",
    "own": "own_certificate_ending",
}


def warn_of_endings(hub: Hub, _for_date: date) -> str:
    """Write to every company whose certificate or OpenPGP key ends soon, and to the operator about the hub's own."""
    now = real_now()
    unread = ""
    try:
        own = endings_of_hub(hub.settings.tls, now=now)
    except (OSError, ValueError) as error:
        # the companies must not be left unwarned for that
        own, unread = [], f"; the hub's own could not be read: {error}"
    with hub.store.write() as connection:
        theirs = [*endings_of_companies(connection, now=now), *endings_of_keys(connection, now=now)]
        due = unwarned(connection, [*theirs, *own])
        for ending in due:
            if note_warned(connection, ending, now=now):
                notify(
                    connection,
                    _LETTERS[ending.kind],
                    to=ending.email or hub.settings.operator_address,
                    key=f"certificate:{ending.holder}:{ending.fingerprint[:32]}:{ending.days}",
                    facts=_facts(ending),
                    now=hub.clock.now(),
                )
    companies = sum(ending.kind != "own" for ending in due)
    return f"{companies} warnings to companies, {len(due) - companies} to the operator{unread}"


def _facts(ending: Ending) -> dict[str, Any]:
    successor = ending.successor_until
    return {
        "company": ending.company,
        "subject": ending.subject,
        "fingerprint": ending.fingerprint,
        "uses": ending.uses,
        "ends_at": ending.ends_at.isoformat(),
        # a day that has begun counts: "1 day" on the last one
        "days_left": max(0, -(-ending.left // timedelta(days=1))),
        "successor_until": None if successor is None else successor.isoformat(),
    }
