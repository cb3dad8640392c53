"""Homes over the wire, both ways: a running hub, and a simulated TDSP that posts late, twice and out of order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import zeep.exceptions
from whole_hub import PECAN, TDSP, RunningHub

from adapters.tdsp.config import read_config
from adapters.tdsp.state import State
from smt_ws.clock import central_today
from smt_ws.sandbox.homes import Homes
from smt_ws.sandbox.tdsp import SIMULATOR, running_tdsp

CODE = "83FED3407A93972397FC"
NEVER_JOINS, OFFLINE = "000D6F00AAAAAAAA", "000D6F00BBBBBBBB"
#: A third of all statuses come twice, a third come late, and the hub's answers are often lost.
SCENARIO = f"""
[scenario]
seed = 11
[scenario.delays]
join_window = 2
held_back = [0.2, 1.0]
unreachable = 1
[scenario.chances]
repeat = 0.33
hold_back = 0.33
lose_answer = 0.25
[[scenario.device]]
eui64 = "{NEVER_JOINS}"
behaviour = "never_joins"
[[scenario.device]]
eui64 = "{OFFLINE}"
behaviour = "offline"
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("scenario") / "hard-day.toml"
    file.write_text(SCENARIO)
    return file


class SimulatedTdsp:
    """The TDSP's process, which a test may kill and start again."""

    def __init__(self, folder: Path, scenario: Path) -> None:
        self.folder, self.scenario = folder, scenario
        self.stack = ExitStack()
        self.start()

    def start(self) -> None:
        self.process = self.stack.enter_context(running_tdsp(self.folder, scenario=self.scenario))

    def kill(self) -> None:
        """With all that it has forked."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def tdsp(hub: RunningHub, scenario: Path) -> Iterator[SimulatedTdsp]:
    running = SimulatedTdsp(hub.sandbox.folder, scenario)
    with running.stack:
        yield running


@pytest.fixture
def homes(hub: RunningHub) -> Homes:
    return Homes(hub.requester(PECAN), uuid.uuid4().hex[:12])


@pytest.fixture(scope="module")
def meters(hub: RunningHub) -> list[tuple[str, str]]:
    """The meters of this REP's homes without a device, a new one for each test."""
    homes = Homes(hub.requester(PECAN), uuid.uuid4().hex[:12])
    client = homes.requester.client("MeterInformation")
    answer = client.service.GetMeterInformation(**homes.header(), esiid=list(hub.market.esiids))
    served = [meter.esiid for meter in answer.meter]
    taken = {one.esiid for one in homes.provisioning.service.GetDevices(**homes.header(), esiid=served).device}
    return [(meter.esiid, meter.meterSerialNumber) for meter in answer.meter if meter.esiid not in taken]


def mac() -> str:
    return f"000D6F{uuid.uuid4().hex[:10].upper()}"


def added(homes: Homes, esiid: str, serial: str, device: str | None = None) -> str:
    device = device or mac()
    homes.add(esiid, serial, device, CODE)
    homes.until(lambda: homes.device(esiid, device), lambda found: found.status == "DEVICE_ADDED")
    return device


def log_of(hub: RunningHub, homes: Homes, request: str) -> list[tuple[str, str | None]]:
    day = f"{central_today(hub.sandbox.hub().clock):%m/%d/%Y}"
    return [(row.StatusCode, row.DeviceMACAddr) for row in homes.log(request, day)]


def state_of_tdsp(hub: RunningHub) -> State:
    return State(read_config(hub.sandbox.folder / SIMULATOR).state)


def test_a_device_is_added_hears_a_text_and_is_removed(hub, tdsp, homes, meters):
    esiid, serial = meters.pop()
    device = added(homes, esiid, serial)
    steps = [entry.status for entry in homes.device(esiid, device).history if entry.applied]
    assert steps[0] == "ADD_ACKNOWLEDGED"
    assert steps[-1] == "DEVICE_ADDED"
    text = homes.text([esiid], "Señora, conserve", confirmationRequired=True, durationMinutes=30)
    log = homes.until(lambda: log_of(hub, homes, text), lambda rows: Counter(rows)["CON", device] == 2)
    assert log[0] == ("RQA", None)
    assert Counter(log) == {("RQA", None): 1, ("ACK", None): 1, ("CON", device): 2}
    homes.remove(esiid, serial, device)
    homes.until(lambda: homes.device(esiid, device), lambda found: found.status == "DEVICE_REMOVED")
    assert state_of_tdsp(hub).devices(esiid) == []


def test_a_device_that_never_joins_is_told_of_with_the_reason(hub, tdsp, homes, meters):
    esiid, serial = meters.pop()
    homes.add(esiid, serial, NEVER_JOINS, CODE)
    found = homes.until(lambda: homes.device(esiid, NEVER_JOINS), lambda found: found.status == "ADD_FAILED")
    assert "JOIN_WINDOW_CLOSED" in [entry.reasonCode for entry in found.history]


def test_a_meter_exchange_takes_the_devices_along_and_they_are_added_again_h10(hub, tdsp, homes, meters, tmp_path):
    esiid, serial = meters.pop()
    device = added(homes, esiid, serial)
    command = [sys.executable, "-m", "smt_ws.cli"]
    simulator = [*command, "simulate-tdsp", str(hub.sandbox.folder / SIMULATOR)]
    subprocess.run([*simulator, "--exchange", esiid, "104999999LG"], check=True, capture_output=True)
    found = homes.until(lambda: homes.device(esiid, device), lambda found: found.status == "DEVICE_REMOVED")
    assert found.history[-1].reasonCode == "METER_EXCHANGED"
    assert state_of_tdsp(hub).serials([esiid]) == {esiid: "104999999LG"}
    with pytest.raises(zeep.exceptions.Fault, match="METER_MISMATCH"):
        homes.add(esiid, "104999999LG", device, CODE)
    today = central_today(hub.sandbox.hub().clock)
    (tmp_path / "meters.csv").write_text(
        "ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON,REMOVED_ON\n"
        f"{esiid},{serial},2020-01-01,2020-01-01,{today}\n{esiid},104999999LG,{today},{today},\n"
    )
    load = ["--settings", str(hub.sandbox.settings_file), "load", str(tmp_path / "meters.csv")]
    loaded = subprocess.run([*command, *load], capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    added(homes, esiid, "104999999LG", device)
    assert homes.device(esiid, device).history[-1].status == "DEVICE_ADDED"


def test_an_event_that_a_device_cannot_hear_fails_and_is_heard_by_the_others(hub, tdsp, homes, meters):
    esiid, serial = meters.pop()
    device = added(homes, esiid, serial)
    added(homes, esiid, serial, OFFLINE)
    answer = homes.messaging.service.SendLoadControlEvent(
        **homes.header(), criticalityLevel=2, durationMinutes=30, coolingOffset=2, esiid=[esiid]
    )
    event = str(answer.requestId)
    # the two displays have no load control; a text reaches one of them
    text = homes.text([esiid], "Peak day", durationMinutes=30)
    log = homes.until(lambda: log_of(hub, homes, text), lambda rows: {"CON", "FLR"} <= {code for code, _ in rows})
    assert Counter(log) == {("RQA", None): 1, ("ACK", None): 1, ("CON", device): 1, ("FLR", OFFLINE): 1}
    assert ("RQA", None) in log_of(hub, homes, event)


def test_a_tdsp_that_is_killed_delays_and_loses_nothing_and_nothing_comes_twice(hub, tdsp, homes, meters):
    esiid, serial = meters.pop()
    device = added(homes, esiid, serial)
    # one after the other: a text that overlaps an earlier one would take its place, and that one need not arrive
    starts = [hub.sandbox.hub().clock.now() + timedelta(hours=1 + number) for number in range(10)]
    before = [homes.text([esiid], "before", startTime=start, durationMinutes=30) for start in starts[:5]]
    tdsp.kill()
    meanwhile = [homes.text([esiid], "meanwhile", startTime=start, durationMinutes=30) for start in starts[5:]]
    assert not any(log_of(hub, homes, request) for request in meanwhile)
    tdsp.start()
    for request in before + meanwhile:
        log = homes.until(
            lambda request=request: log_of(hub, homes, request),
            lambda rows: {("CON", device), ("ACK", None)} <= set(rows),
            timeout=180,
        )
        assert Counter(log) == {("RQA", None): 1, ("ACK", None): 1, ("CON", device): 1}
    summary = state_of_tdsp(hub).summary()
    assert summary["carried twice"] == {}
    assert set(summary["posts"]) <= {"ACCEPTED", "REPEATED", "KEPT", "open"}


def test_only_a_tdsp_posts_statuses(hub):
    post = {
        "requestId": "1",
        "esiid": hub.market.esiids[0],
        "statusCode": "ADDED",
        "statusTimestamp": "2026-11-20T15:00:00Z",
    }
    requester = hub.requester(PECAN)
    with pytest.raises(zeep.exceptions.Fault, match="NOT_A_TDSP"):
        requester.client("TDSPCallback").service.PostProvisioningStatus(**requester.header("x"), post=[post])
    tdsp = hub.requester(TDSP)
    answer = tdsp.client("TDSPCallback").service.PostProvisioningStatus(
        **tdsp.header(uuid.uuid4().hex), post=[post | {"requestId": "999999999"}, post | {"esiid": "nobody's"}]
    )
    assert answer.answer[0].code == "UNKNOWN_REQUEST"
    assert {one.code for one in answer.answer} <= {"UNKNOWN_REQUEST", "NOT_YOUR_METER"}
