"""What a company's own program does for the devices in its customers' homes: short, to be read as an example.

Signed calls with zeep of ``HANProvisioning`` and ``HANMessaging``, and asking until something has become of it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import zeep

from smt_ws.sandbox.requester import Requester

__all__ = ["Homes"]


@dataclass
class Homes:
    """One company's program, with the two services at hand."""

    requester: Requester
    #: Begins every ``trans_id``, so that none of them is a repeat of another program's.
    name: str = "homes"
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def provisioning(self) -> zeep.Client:
        """A client of ``HANProvisioning``."""
        return self.requester.client("HANProvisioning")

    @cached_property
    def messaging(self) -> zeep.Client:
        """A client of ``HANMessaging``."""
        return self.requester.client("HANMessaging")

    def header(self) -> dict[str, str]:
        """What a request begins with, under a new ``trans_id``."""
        return self.requester.header(f"{self.name}-{next(self._numbers)}")

    def meter(self, esiids: Sequence[str]) -> tuple[str, str]:
        """The first of *esiids* whose meter this company may see, and the meter's serial number."""
        client = self.requester.client("MeterInformation")
        found = client.service.GetMeterInformation(**self.header(), esiid=list(esiids)).meter[0]
        return found.esiid, found.meterSerialNumber

    def add(self, esiid: str, serial: str, mac: str, install_code: str, device_type: str = "IHD") -> str:
        """Ask for a device to be added; returns the request id."""
        answer = self.provisioning.service.ProvisionDevice(
            **self.header(), esiid=esiid, meterSerialNumber=serial, deviceMACAddr=mac, installCode=install_code,
            deviceType=device_type,
        )  # fmt: skip
        return str(answer.requestId)

    def remove(self, esiid: str, serial: str, mac: str) -> str:
        """Ask for a device to be removed; returns the request id."""
        answer = self.provisioning.service.DeprovisionDevice(
            **self.header(), esiid=esiid, meterSerialNumber=serial, deviceMACAddr=mac
        )
        return str(answer.requestId)

    def device(self, esiid: str, mac: str) -> Any:
        """The device as the hub knows it, with its history."""
        answer = self.provisioning.service.GetDevices(
            **self.header(), esiid=[esiid], deviceMACAddr=mac, includeHistory=True
        )
        return answer.device[0]

    def text(self, esiids: Sequence[str], text: str, **other: Any) -> str:
        """Send a text to the displays there; returns the request id."""
        answer = self.messaging.service.SendTextMessage(**self.header(), messageText=text, **other, esiid=list(esiids))
        return str(answer.requestId)

    def log(self, request_id: str, day: str) -> Sequence[Any]:
        """The message log of a request of *day* (MM/DD/YYYY)."""
        answer = self.messaging.service.GetMessageLog(**self.header(), fromDate=day, toDate=day, requestId=request_id)
        rows: Sequence[Any] = answer.row
        return rows

    @staticmethod
    def until(ask: Callable[[], Any], enough: Callable[[Any], bool], *, timeout: float = 30, pause: float = 0.1) -> Any:
        """Ask until the answer is enough, and return it. Raises TimeoutError with the last answer."""
        end = time.monotonic() + timeout
        while not enough(answer := ask()):
            if time.monotonic() > end:
                raise TimeoutError(f"after {timeout:.0f} s it is still: {answer}")
            time.sleep(pause)
        return answer
