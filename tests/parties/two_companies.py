"""Names that the tests of this folder share."""

from __future__ import annotations

from smt_ws.clock import real_now

#: Security time in these tests: real, because registering looks at the real clock.
REAL_NOW = real_now().replace(microsecond=0)
PECAN, PECAN_2, GULF = "111111111", "1111111110001", "222222222"
