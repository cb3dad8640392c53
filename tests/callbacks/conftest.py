"""A sandbox whose companies serve RequesterCallback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from callback_servers import PECAN, served

from smt_ws.hub import Hub
from smt_ws.sandbox.build import Sandbox, make_sandbox
from smt_ws.sandbox.listener import application


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return make_sandbox(tmp_path_factory.mktemp("callbacks") / "sandbox", ports=(0, 0))


@pytest.fixture
def hub(sandbox: Sandbox) -> Iterator[Hub]:
    opened = sandbox.hub()
    yield opened
    opened.store.close()


@pytest.fixture
def listening(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a listener of a company and give its address; *record* is where it writes."""
    with ExitStack() as stack:

        def start(record: Path, duns: str = PECAN, *, refuse: bool = False) -> str:
            app = application(sandbox, sandbox.player(duns), record, refuse=refuse)
            return stack.enter_context(served(sandbox, app))

        yield start
