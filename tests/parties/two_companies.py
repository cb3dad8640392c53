"""Names that the tests of this folder share."""

from __future__ import annotations

from datetime import UTC, datetime

#: Security time in these tests: the certificates are made to fit it.
REAL_NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
PECAN, PECAN_2, GULF = "111111111", "1111111110001", "222222222"
