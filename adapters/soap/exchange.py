"""What is noted of one exchange while it is handled, and the record that is left of it.

Neither holds anything of a message's content but the name of its operation.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["NOTES", "STAGES", "ExchangeRecord", "Notes"]

#: What is done with a request, in order; run is the service, write the making of the answer's XML.
STAGES: Final = ("read", "parse", "verify", "authenticate", "validate", "run", "write", "sign")
#: environ key: the `Notes` of this exchange.
NOTES: Final = "adapters.soap.notes"


@dataclass
class Notes:
    """What gate and protocol learn on the way; the time of each of `STAGES`, in seconds."""

    operation: str | None = None
    fault: str | None = None
    reference: str | None = None
    #: What ``Hooks.authenticate`` returned.
    caller: Any = None
    stages: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.perf_counter)

    def stage(self) -> str:
        """The stage that the exchange is at: the one after those that have come to an end."""
        return next((stage for stage in STAGES if stage not in self.stages), STAGES[-1])

    def lap(self, stage: str) -> None:
        """Note the time since the last lap as *stage*'s."""
        now = time.perf_counter()
        self.stages[stage] = self.stages.get(stage, 0.0) + now - self._since
        self._since = now


@dataclass(frozen=True)
class ExchangeRecord:
    """One exchange, for the access log and the counters."""

    path: str
    method: str
    status: int
    bytes_in: int
    bytes_out: int
    seconds: float
    #: How long the request had waited for a thread before, in seconds.
    waited: float = 0.0
    address: str | None = None
    operation: str | None = None
    fault: str | None = None
    reference: str | None = None
    caller: Any = None
    stages: Mapping[str, float] = field(default_factory=dict)
