"""A whole hub, started as an operator starts it, over each store; tests talk to it over the wire only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fresh_schema import fresh_schema
from storyboard import PostOffice, Stage
from whole_hub import RunningHub

from smt_ws.sandbox.build import NOW, Sandbox, load_market, make_sandbox
from smt_ws.sandbox.demo import running_hub
from smt_ws.sandbox.market import Market

#: Finds programs that are not ours.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))
#: Small parts, so that ordinary orders have several.
SETTINGS = "[limits]\ndays_per_part = 400\n"


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def sandbox_with_market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sandbox, Market]]:
    """Certificates, companies and 20 premises with 60 days of usage, loaded, over each kind of store."""
    folder: Path = tmp_path_factory.mktemp("hub") / "sandbox"
    if request.param == "sqlite":
        sandbox = make_sandbox(folder, ports=(0, 0))
        yield _with_settings(sandbox), load_market(sandbox, premises=20)
        return
    with fresh_schema(request.getfixturevalue("postgresql_server")) as url:
        sandbox = make_sandbox(folder, database=url, ports=(0, 0))
        yield _with_settings(sandbox), load_market(sandbox, premises=20)


def _with_settings(sandbox: Sandbox) -> Sandbox:
    with sandbox.settings_file.open("a") as settings:
        settings.write(SETTINGS)
    return sandbox


@pytest.fixture(scope="session")
def hub(sandbox_with_market: tuple[Sandbox, Market]) -> Iterator[RunningHub]:
    """``smt-ws serve``, running; all files of tests share it."""
    sandbox, market = sandbox_with_market
    os.environ.pop("SMT_WS_FILE", None)
    with running_hub(sandbox) as process:
        yield RunningHub(sandbox, market, process.pid)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def staged_hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A hub of its own for storyboards: its letters go out over SMTP, and its clock is moved."""
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgresql_server")))
        sandbox = make_sandbox(tmp_path_factory.mktemp("stage") / "sandbox", database=url, ports=(0, 0))
        office = PostOffice()
        port = stack.enter_context(office.opened())
        with sandbox.settings_file.open("a") as settings:
            settings.write(f'[mail]\nsmtp_host = "127.0.0.1"\nsmtp_port = {port}\nsmtp_starttls = false\n')
        market = load_market(sandbox, premises=20)
        os.environ.pop("SMT_WS_FILE", None)
        process = stack.enter_context(running_hub(sandbox))
        yield Stage(sandbox, market, process.pid, office)


@pytest.fixture
def stage(staged_hub: Stage) -> Stage:
    """The hub of the storyboards, on the morning on which each begins."""
    staged_hub.go_to(NOW)
    return staged_hub
