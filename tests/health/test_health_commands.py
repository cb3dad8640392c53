"""`smt-ws health --once` and `smt-ws audit`, as cron and an operator run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from smt_ws.cli.audit import audit as audit_command
from smt_ws.cli.serve import health
from smt_ws.store import audit
from smt_ws.store.heartbeat import CLOCK, beat


@pytest.fixture
def hub(migrated_sqlite: Path, tmp_path: Path, hub_of):
    (tmp_path / "hub.db").write_bytes(migrated_sqlite.read_bytes())
    return hub_of(f"sqlite:///{tmp_path}/hub.db")


def run(hub, command, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, obj=hub)


def test_the_exit_code_is_that_of_a_monitoring_plugin(hub, hub_of) -> None:
    warned = run(hub, health, "--once")
    assert warned.exit_code == 1  # no scheduler yet
    assert "warn  scheduler      none has ever run" in warned.output
    beat(hub.store, CLOCK)
    well = run(hub, health, "--once")
    assert well.exit_code == 0
    assert {line.split()[0] for line in well.output.splitlines()} == {"ok"}
    failing = run(hub_of(str(hub.store.url), disk_free_bytes=2**60), health, "--once", "--json")
    assert failing.exit_code == 2
    assert json.loads(failing.output)["ready"] is False


def write(hub, count: int) -> None:
    with hub.store.write() as connection:
        for n in range(count):
            audit.record(connection, audit.Event.ORDER_ACCEPTED, actor="company:1", at=hub.clock.now(), object=str(n))


def test_seal_head_verify(hub, tmp_path: Path) -> None:
    write(hub, 3)
    assert "0 lines are as they were sealed; 3 wait" in run(hub, audit_command, "verify").output
    assert run(hub, audit_command, "seal").output == "3 lines sealed\n"
    head = run(hub, audit_command, "head").output.strip()
    assert json.loads(run(hub, audit_command, "head", "--json").output)["sha256"] == head.partition(":")[2]
    heads = tmp_path / "heads"
    heads.write_text(f"{head}\n\n")
    write(hub, 1)
    run(hub, audit_command, "seal")
    verified = run(hub, audit_command, "verify", "--heads", str(heads), "--head", head)
    assert (verified.exit_code, verified.output.splitlines()[0]) == (
        0, "4 lines are as they were sealed; 0 wait to be sealed"
    )  # fmt: skip


def test_lines_are_found_by_event_actor_and_object(hub) -> None:
    write(hub, 3)
    with hub.store.write() as connection:
        audit.record(
            connection, audit.Event.FILE_FETCHED, actor="company:2", at=hub.clock.now(), object="duns:111111111",
            details={"file": "a.asc"}, address="192.0.2.7",
        )  # fmt: skip
    output = run(hub, audit_command, "list").output.splitlines()
    assert [line.split()[0] for line in output] == ["1", "2", "3", "4"]
    assert output[3] == "4  2026-11-20 15:00:00  file:fetch:done  company:2  duns:111111111  file=a.asc"
    for options in (("--event", "file:"), ("--actor", "company:2"), ("--object", "duns:111111111"), ("--last", "1")):
        (line,) = run(hub, audit_command, "list", *options, "--json").output.splitlines()
        told = json.loads(line)
        assert (told["id"], told["address"], told["details"]) == (4, "192.0.2.7", {"file": "a.asc"})
    assert run(hub, audit_command, "list", "--event", "%fetch").output == ""


def test_the_first_bad_line_is_said_and_the_command_fails(hub) -> None:
    write(hub, 4)
    run(hub, audit_command, "seal")
    head = run(hub, audit_command, "head").output.strip()
    other = f"{head.partition(':')[0]}:{'0' * 64}"
    refused = run(hub, audit_command, "verify", "--head", other)
    assert refused.exit_code == 1
    assert "position 4: line 4 the chain up to here is not the one whose head was kept" in refused.output
    with hub.store.write() as connection:
        connection.execute(text("DROP TRIGGER audit_log_no_update"))
        connection.execute(text("UPDATE audit_log SET actor = 'company:2' WHERE id = 3"))
    found = run(hub, audit_command, "verify")
    assert found.exit_code == 1
    assert "2 lines are as they were sealed" in found.output
    assert "position 3: line 3 is not what was sealed" in found.output


@pytest.mark.parametrize("bad", ["7", "7:zz", f"-1:{'0' * 64}"])
def test_what_is_no_head_is_refused(hub, bad: str) -> None:
    assert run(hub, audit_command, "verify", "--head", bad).exit_code == 2
