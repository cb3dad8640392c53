"""Every table of the hub in one metadata object: the one place that knows all capabilities' tables."""

from __future__ import annotations

import smt_ws.agreements.tables
import smt_ws.han.tables
import smt_ws.orders.tables
import smt_ws.parties.account_tables
import smt_ws.parties.device_tables
import smt_ws.parties.tables
import smt_ws.store.tables
import smt_ws.usage.tables  # noqa: F401 — imported so that their tables are there
from smt_ws.store.metadata import metadata

__all__ = ["metadata"]
