"""What the simulated TDSP tells the hub, with the faults of real life: told late, told twice, told out of order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from adapters.tdsp.scenario import Scenario
from adapters.tdsp.state import State

__all__ = ["EXCHANGE", "MESSAGE", "PROVISIONING", "Teller"]

PROVISIONING: Final = "PostProvisioningStatus"
MESSAGE: Final = "PostMessageStatus"
EXCHANGE: Final = "PostMeterExchange"


@dataclass(frozen=True)
class Teller:
    """Queues posts in *state*, in the transaction of what they tell."""

    state: State
    scenario: Scenario

    def provisioning(
        self, now: float, request: dict[str, Any], status: str, reason_code: str | None = None, said: str | None = None
    ) -> None:
        """A step of a request to add or remove a device."""
        told = {
            "requestId": request["number"],
            "esiid": request["esiid"],
            "meterSerialNumber": request["serial"],
            "deviceMACAddr": request["eui64"],
            "statusCode": status,
            "reasonCode": reason_code,
            "statusDesc": said,
            "statusTimestamp": now,
        }
        self._queue(now, PROVISIONING, told)

    def message(
        self,
        now: float,
        delivery: dict[str, Any],
        status: str,
        *,
        eui64: str | None = None,
        sep_status: int | None = None,
        said: str | None = None,
        at: float | None = None,
    ) -> None:
        """A step of a message, or of its cancellation, at *at* (default: now), of one device or of the meter."""
        told = {
            "requestId": delivery["number"],
            "messageCancellationId": delivery["cancellation"] or None,
            "esiid": delivery["esiid"],
            "meterSerialNumber": delivery["serial"],
            "deviceMACAddr": eui64,
            "statusCode": status,
            "statusDesc": said,
            "statusTimestamp": now if at is None else at,
            "sepEventStatus": sep_status,
        }
        self._queue(now if at is None else at, MESSAGE, told)

    def exchange(self, now: float, esiid: str, old: str, new: str, han_capable: bool | None) -> None:
        """A meter was exchanged."""
        told = {
            "esiid": esiid,
            "oldMeterSerialNumber": old,
            "newMeterSerialNumber": new,
            "exchangedAt": now,
            "hanCapable": han_capable,
        }
        self._queue(now, EXCHANGE, told)

    def _queue(self, due: float, operation: str, told: dict[str, Any]) -> None:
        told = {name: value for name, value in told.items() if value is not None}
        about = [value for name, value in told.items() if name not in {"statusTimestamp", "exchangedAt"}]
        if self.scenario.chance("hold_back", operation, *about):
            due += self.scenario.delay("held_back", operation, *about)
        posts = [(due, operation, told)]
        if self.scenario.chance("repeat", operation, *about):
            posts.append((due + self.scenario.delay("held_back", "again", *about), operation, told))
        self.state.queue_posts(posts)
