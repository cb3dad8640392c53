"""The ports that the hub and its sandbox use unless they are told others."""

from __future__ import annotations

from typing import Final

__all__ = ["FTPS", "HEALTH", "PORTAL", "SIMULATED_REQUESTER", "SIMULATED_TDSP", "SOAP"]

SOAP: Final = 5200
HEALTH: Final = 5280
#: A TDSP of a sandbox, that the hub calls.
SIMULATED_TDSP: Final = 5300
#: A company of a sandbox that takes callbacks; may run beside the TDSP.
SIMULATED_REQUESTER: Final = 5301
PORTAL: Final = 5443
FTPS: Final = 5990
