"""Daily jobs of the home area network: customers are asked, waiting ends, old secrets and files go."""

from __future__ import annotations

from datetime import date, timedelta

from smt_ws.accounts.meters import ask_about_devices
from smt_ws.han.earlier_devices import homes_with_earlier_devices
from smt_ws.han.lifecycle import (
    destroy_install_codes,
    end_waiting_devices,
    end_waiting_messages,
    forget_messages,
    overdue_adds,
)
from smt_ws.han.log_file import remove_old_files
from smt_ws.han.terms import Terms
from smt_ws.hub import Hub

__all__ = ["ask_customers", "end_messages", "end_waiting", "tidy"]


def ask_customers(hub: Hub, _for_date: date) -> str:
    """Ask customers who registered before the TDSP told their move-in about devices of before it (A31)."""
    with hub.store.write() as connection:
        homes = homes_with_earlier_devices(connection, clock=hub.clock)
        asked = ask_about_devices(connection, homes, clock=hub.clock)
    return f"{asked} customers asked about an earlier occupant's devices"


def end_waiting(hub: Hub, _for_date: date) -> str:
    """End what devices and messages have waited for too long (H3, H5)."""
    terms = Terms.of(hub.settings)
    devices = end_waiting_devices(hub.store, terms=terms, clock=hub.clock)
    messages = end_waiting_messages(hub.store, clock=hub.clock)
    with hub.store.read() as connection:
        overdue = overdue_adds(connection, terms=terms, clock=hub.clock)
    told = "".join(f"; TDSP {duns}: {number} adds without progress" for duns, number in overdue.items())
    return f"{devices} devices and {messages} messages ended{told}"


def end_messages(hub: Hub) -> None:
    """Close messages whose time is over, through the day: their senders wait for it."""
    end_waiting_messages(hub.store, clock=hub.clock)


def tidy(hub: Hub, _for_date: date) -> str:
    """Destroy codes of devices that are gone; remove old messages, and old logs from the FTPS site (H1, H6, R7)."""
    terms = Terms.of(hub.settings)
    codes = destroy_install_codes(hub.store, terms=terms, clock=hub.clock)
    messages = forget_messages(hub.store, terms=terms, clock=hub.clock)
    keep = timedelta(days=hub.settings.limits.keep_files_days)
    files = remove_old_files(hub.settings.ftps.root, now=hub.clock.now(), keep=keep)
    return f"{codes} installation codes destroyed, {messages} messages and {files} message logs removed"
