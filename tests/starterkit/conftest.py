"""The sandbox that the guide starts from, and its hub, running; the starter kit's programs are run against it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from guided_hub import GuidedHub

from smt_ws.sandbox.build import load_market, make_sandbox
from smt_ws.sandbox.demo import running_hub


@pytest.fixture(scope="session")
def guided_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuidedHub]:
    """The default sandbox, 200 premises over 60 days; only its ports are others."""
    home = tmp_path_factory.mktemp("home")
    sandbox = make_sandbox(home / "sandbox", ports=(0, 0))
    market = load_market(sandbox)
    os.environ.pop("SMT_WS_FILE", None)
    with running_hub(sandbox):
        yield GuidedHub(home, sandbox, market, sandbox.hub().settings)
