"""The demonstration's part on homes: a device from Add Acknowledged to Device Added, and a text that is confirmed.

The TDSP is simulated (`smt-ws simulate-tdsp`), and everything goes over the wire both ways: the hub calls the TDSP, and
the TDSP posts what has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console

from smt_ws.clock import central_today
from smt_ws.sandbox.homes import Homes
from smt_ws.sandbox.market import Market
from smt_ws.sandbox.requester import Requester
from smt_ws.sandbox.saying import say_waiting
from smt_ws.sandbox.tdsp import running_tdsp

__all__ = ["show_home_area_network"]

#: As they stand on the label of a device; the code ends with its check sum.
_MAC, _INSTALL_CODE = "00:0D:6F:00:0A:BC:DE:F0", "83FED3407A93972397FC"
_TEXT: Final = "Gracias, señora: conserve 3-7 pm"


def show_home_area_network(
    console: Console, requester: Requester, market: Market, step: Callable[[str], AbstractContextManager[None]]
) -> None:
    """Both journeys, told on *console*; each is a *step* of the demonstration."""
    homes = Homes(requester, "demo")
    with step("Start a simulated TDSP, with its meters"):
        say_waiting(console, "it to take calls")
        tdsp = running_tdsp(requester.sandbox.folder)
        tdsp.__enter__()
    try:
        with step("Add an in-home display (HANProvisioning.ProvisionDevice), and wait until it has joined"):
            esiid = _add_device(console, homes, market)
        with step("Send a text to that home (HANMessaging.SendTextMessage), and wait until somebody has confirmed it"):
            _send_text(console, homes, esiid, requester)
    finally:
        tdsp.__exit__(None, None, None)


@dataclass
class _Told:
    """Prints the entries of a list once each, as it grows."""

    console: Console
    count: int = 0

    def __call__(self, lines: list[str]) -> None:
        for line in lines[self.count :]:
            self.console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
        self.count = max(self.count, len(lines))


def _add_device(console: Console, homes: Homes, market: Market) -> str:
    esiid, serial = homes.meter(market.esiids)
    request = homes.add(esiid, serial, _MAC, _INSTALL_CODE)
    console.print(f"  request [bold]{request}[/]: {_MAC} at {esiid}, meter {serial}", highlight=False)
    say_waiting(console, "the device to join: the TDSP posts each status to TDSPCallback")
    told = _Told(console)

    def joined(device: Any) -> bool:
        told([_line(entry.statusTime, entry.status) for entry in device.history])
        return bool(device.status == "DEVICE_ADDED")

    homes.until(lambda: homes.device(esiid, _MAC), joined)
    return esiid


def _send_text(console: Console, homes: Homes, esiid: str, requester: Requester) -> None:
    request = homes.text([esiid], _TEXT, priority="HIGH", confirmationRequired=True, durationMinutes=60)
    console.print(f"  request [bold]{request}[/]: {_TEXT}", highlight=False)
    today = f"{central_today(requester.sandbox.hub().clock):%m/%d/%Y}"
    say_waiting(console, "somebody at home to confirm it (GetMessageLog)")
    told = _Told(console)

    def confirmed(rows: Sequence[Any]) -> bool:
        told([_line(row.StatusTimestamp, row.StatusCode, row.DeviceMACAddr, row.StatusDesc) for row in rows])
        return len([row for row in rows if row.StatusCode == "CON"]) == 2

    homes.until(lambda: homes.log(request, today), confirmed)


def _line(moment: datetime, *words: str | None) -> str:
    return "  ".join([f"{moment:%H:%M:%S.%f}"[:12], *(word for word in words if word)])
