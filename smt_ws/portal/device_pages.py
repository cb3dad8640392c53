"""Devices that an earlier occupant left: the customer keeps each, or has it removed (A31)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from smt_ws.accounts.meters import ask_about_devices
from smt_ws.clock import central_today
from smt_ws.han.earlier_devices import EarlierDevice, earlier_devices, keep_devices, remove_devices
from smt_ws.han.rules import masked_eui64
from smt_ws.parties.accounts import AccountMeter, account_meters
from smt_ws.portal.page import hub, written
from smt_ws.portal.visitor import to_log_in

__all__ = ["ask_about_homes", "devices_waiting", "pages"]

pages = Blueprint("device", __name__)


def ask_about_homes(connection: Connection, account_id: int) -> None:
    """Ask the customer by e-mail what becomes of devices that are in homes which the account has just taken."""
    homes = [home.premise_id for home, _devices in _found(connection, account_id)]
    ask_about_devices(connection, homes, clock=hub().clock)


def devices_waiting() -> bool:
    """Whether the customer who is logged in has devices of an earlier occupant to keep or remove."""
    with hub().store.read() as connection:
        return bool(_found(connection, g.account.id))


@pages.get("/earlier-devices")
def list_them() -> str | Response:
    """The devices, home by home."""
    if g.account is None:
        return to_log_in(url_for("device.list_them"))
    with hub().store.read() as connection:
        found = _found(connection, g.account.id)
    done = request.args.get("done")
    return render_template(
        "earlier_devices.html",
        homes=[(home, [(one, masked_eui64(one.eui64)) for one in devices]) for home, devices in found],
        done=done if done in {"keep", "remove"} else None,
    )


@pages.post("/earlier-devices/<any(keep, remove):act>")
def do(act: str) -> Response:
    """Keep or remove the device that the form names, or keep all of a home."""
    if g.account is None:
        return to_log_in(url_for("device.list_them"))
    named, esiid = written("device"), written("esiid")
    with hub().store.write() as connection:
        # What is not there any more has been answered: the page says how it stands.
        found = _found(connection, g.account.id)
        chosen = [
            one
            for home, devices in found
            for one in devices
            if (str(one.add_request) == named or (act == "keep" and home.esiid == esiid))
        ]
        how: dict[str, Any] = {"clock": hub().clock, "address": g.address}
        if act == "keep":
            there_on = {home.premise_id: home.added_on for home, _devices in found}
            keep_devices(connection, g.account.id, chosen, there_on=there_on, **how)
        else:
            remove_devices(connection, g.account.id, chosen, **how)
    return redirect(url_for("device.list_them", done=act if chosen else None), 303)


def _found(connection: Connection, account_id: int) -> list[tuple[AccountMeter, list[EarlierDevice]]]:
    homes = account_meters(connection, account_id, today=central_today(hub().clock))
    devices = earlier_devices(connection, [home.premise_id for home in homes], clock=hub().clock)
    by_home = [(home, [one for one in devices if one.premise_id == home.premise_id]) for home in homes]
    return [(home, some) for home, some in by_home if some]
