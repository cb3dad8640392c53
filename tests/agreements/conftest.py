"""The town that tests of agreements share, on each store."""

from __future__ import annotations

from pathlib import Path

import pytest
from agreement_market import Town, open_town

from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store


@pytest.fixture
def town(store: Store, store_url: str, tmp_path: Path, clock: FixedClock) -> Town:
    """Three companies and six homes; nobody is registered."""
    opened = open_town(store, store_url, tmp_path, clock)
    opened.add_homes(6)
    return opened
