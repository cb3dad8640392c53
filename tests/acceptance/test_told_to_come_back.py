"""What a company is told when its order is refused for now: what to do, and when, over the wire (R3, R6)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from wire_client import BLUEBONNET, WireClient, get_status, header, usage

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Beside:
    """Further processes over the store of the running hub, with settings of their own, as on a second machine."""

    wire: WireClient
    health_port: int

    def ready(self) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/readyz", timeout=180) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)


@contextmanager
def beside(hub: Any, folder: Path, **settings: str) -> Iterator[Beside]:
    environment = os.environ | {"SMT_WS_SOAP__PORT": "0", "SMT_WS_HEALTH__PORT": "0", "SMT_WS_SOAP__WORKERS": "1"}
    environment["SMT_WS_WORK_FOLDER"] = str(folder / "work")
    environment |= {f"SMT_WS_{name.upper()}": value for name, value in settings.items()}
    files = {role: folder / f"{role}.json" for role in ("soap", "health")}
    with ExitStack() as stack:
        log = stack.enter_context((folder / "beside.log").open("wb"))
        for role, ready in files.items():
            command = ["--settings", str(hub.sandbox.settings_file), role, "--ready-file", str(ready)]
            process = subprocess.Popen(
                [sys.executable, "-m", "smt_ws.cli", *command], env=environment, stdout=log, stderr=log
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        until(lambda: all(ready.exists() and ready.read_text() for ready in files.values()))
        ((_host, soap_port),) = json.loads(files["soap"].read_text())
        _host, health_port = json.loads(files["health"].read_text())[:2]
        own = hub.settings.model_copy(update={"soap": hub.settings.soap.model_copy(update={"port": soap_port})})
        yield Beside(WireClient(hub.sandbox, own), health_port)


def until(true: Callable[[], Any], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_below_the_watermark_the_hub_is_not_ready_and_takes_no_order_while_it_can_still_write(
    hub: Any, small_disk: Path, tmp_path: Path
) -> None:
    """Issue: readiness fails before writes do. What was accepted is finished, and status is told."""
    limits = {"ftps__root": str(small_disk), "health__disk_free_bytes": str(32 * MEGABYTE)}
    with beside(hub, tmp_path, **limits) as node:
        wire = node.wire
        before = wire.call(usage(hub.market.esiids[:2], trans_id="disk-before"))
        assert before.status == 200
        assert node.ready()[0] == 200

        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(40 * MEGABYTE))
        body = usage(hub.market.esiids[:2], trans_id="disk-low")
        refused = wire.call(body)
        assert (refused.status, refused.fault.code) == (503, "DISK_LOW")
        assert "later" in refused.fault.message
        assert refused.retry_after == 600
        changes = (
            f'<m:RequestChanges xmlns:m="urn:smt-ws:MeterUsage:1">{header(trans_id="disk-changes")}'
            "<m:loadMark>0</m:loadMark><m:reportFormat>CSV</m:reportFormat></m:RequestChanges>"
        )
        assert wire.call(changes).fault.code == "DISK_LOW"
        history = (
            f'<m:NewSubscription xmlns:m="urn:smt-ws:Subscription:1">{header(trans_id="disk-history")}'
            "<m:dataType>INTERVAL</m:dataType><m:reportFormat>CSV</m:reportFormat>"
            "<m:historicalSubscriptionDuration>3</m:historicalSubscriptionDuration></m:NewSubscription>"
        )
        assert wire.call(history, service="Subscription").fault.code == "DISK_LOW"
        until(lambda: node.ready()[0] == 503)
        failing = [check for check in node.ready()[1]["checks"] if check["state"] == "fail"]
        assert [(check["name"], check["limit"]) for check in failing] == [("disk", 32 * MEGABYTE)]
        # there is room, and it is kept for what was accepted
        assert 0 < failing[0]["observed"] < 32 * MEGABYTE
        (small_disk / "written").write_bytes(bytes(MEGABYTE))
        number = before.text("correlationId")
        assert number is not None

        def finished() -> bool:
            return "COMPLETE" in (wire.call(get_status(number), service="ReportRequestStatus").text("status") or "")

        until(finished)

        ballast.unlink()
        until(lambda: node.ready()[0] == 200)
        taken = wire.call(body)
        assert taken.status == 200
        assert taken.text("correlationId") != number


def test_an_order_beyond_the_days_allowance_is_told_from_when_the_next_is_taken(hub: Any, tmp_path: Path) -> None:
    with beside(hub, tmp_path, limits__orders_per_day="1") as node:
        esiid = hub.market.esiids[0]
        signer, tls = node.wire.signing(BLUEBONNET), node.wire.tls(BLUEBONNET)
        for turn in range(2):  # one at least has been placed by then
            answer = node.wire.call(
                usage([esiid], trans_id=f"allowance-{turn}", duns=BLUEBONNET), signer=signer, tls=tls
            )
        told = answer.fault
        assert (answer.status, told.code) == (500, "ORDERS_PER_DAY")
        assert "The next one is taken from 11/21/2026 00:00 CST on." in told.message
        ((_element, presented, expected),) = told.findings
        assert expected == "at most 1 orders on one day"
        assert presented is not None
        assert presented.endswith("of 11/20/2026")
        assert 0 < (answer.retry_after or 0) <= 86_400
