"""The market that tests of orders share, on each store."""

from __future__ import annotations

from pathlib import Path

import pytest
from order_market import Market, open_market

from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store


@pytest.fixture
def market(store: Store, store_url: str, tmp_path: Path, clock: FixedClock) -> Market:
    """Two REPs; 50 ESI-ID-days a file, so that small orders have several."""
    return open_market(store, store_url, tmp_path, clock, days_per_part=50)
