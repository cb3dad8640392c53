"""What several tests of the store's outbox need."""

from __future__ import annotations

from datetime import timedelta

import pytest

from smt_ws.store import breaker


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure nothing is due again by itself: as it is, a pause may be a moment, whatever its chance."""
    monkeypatch.setattr(breaker, "pause", lambda *_: timedelta(hours=1))
