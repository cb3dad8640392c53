"""What the tests of usage share besides `small_market`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_market import write_lse

from adapters.lse import LseRecord


@pytest.fixture
def lse_file(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes records into a file of the given name."""

    def make(name: str, *records: LseRecord) -> Path:
        return write_lse(tmp_path / f"{name}.lse", records)

    return make
