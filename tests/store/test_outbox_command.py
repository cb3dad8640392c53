"""``smt-ws outbox``: an operator sees what waits and why, holds a server, and tries again."""

import pytest
from click.testing import CliRunner

from smt_ws.cli.outbox import outbox
from smt_ws.hub import Hub
from smt_ws.settings import Settings
from smt_ws.store.outbox import Refused, deliver_due, enqueue


@pytest.fixture
def run(store, clock):
    hub = Hub(settings=Settings(), store=store, clock=clock)

    def run(*arguments, code=0):
        result = CliRunner().invoke(outbox, arguments, obj=hub, env={"COLUMNS": "200"})
        assert result.exit_code == code, result.output
        return result.output

    return run


def refuse(_payload):
    raise Refused("410 [gone]")


def test_an_operator_follows_a_dead_letter_to_its_end(run, store, clock):
    assert "nothing waits" in run("list")
    assert "no targets" in run("targets")
    with store.write() as connection:
        for target in ("callback:3", "callback:4"):
            enqueue(connection, kind="call", key=f"to-{target}", payload={}, now=clock.now(), target=target)
    deliver_due(store, {"call": refuse}, attempts=1)
    assert run("list", "--dead").count("given up") == 2
    assert "to-callback:4" not in run("list", "--target", "callback:3")
    assert "Refused: 410 [gone]" in run("list")
    assert "--last 10" in run("list", "--last", "1")
    run("retry", code=2)
    run("retry", "1", "--dead", code=2)
    run("retry", "99", code=1)
    assert "1 will be tried again" in run("retry", "1")
    assert "1 will be tried again" in run("retry", "--dead", "--target", "callback:4")
    assert "nothing waits" in run("list", "--dead")
    run("pause", "callback:3")
    assert "paused since" in run("targets")
    assert deliver_due(store, {"call": lambda _payload: None}) == 1
    run("resume", "callback:3")
    run("resume", "callback:9", code=1)
    assert deliver_due(store, {"call": lambda _payload: None}) == 1
    assert "nothing waits" in run("list")
