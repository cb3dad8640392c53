"""The sandbox's TDSP: the file that `smt-ws simulate-tdsp` runs it from, and running it beside the hub (K2)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smt_ws.han.tdsp_endpoints import set_endpoint
from smt_ws.hub import Hub

__all__ = ["SIMULATOR", "prepare_tdsp", "running_tdsp"]

#: The simulated TDSP's file in the sandbox's folder.
SIMULATOR = "simulator.toml"

_FILE = """\
# The sandbox's TDSP: smt-ws simulate-tdsp {name}
# Every key, chances and single devices among them: smt-ws simulate-tdsp --example
[tdsp]
duns = ["{duns}"]
port = {port}
tls_certificate = "certs/{stem}-tls.crt"
tls_key = "certs/{stem}-tls.key"
signing_certificate = "certs/{stem}-signing.crt"
signing_key = "certs/{stem}-signing.key"
ca = "certs/ca.crt"
state = "companies/{stem}/simulator.db"
meters = "market/meters.csv"
clock_shift_seconds = {shift:.0f}

[hub]
url = "https://127.0.0.1:{hub_port}/soap/TDSPCallback"
tls_certificate = "certs/hub-tls.crt"
signing_certificate = "certs/hub-signing.crt"

[scenario]
seed = 7
"""


def prepare_tdsp(hub: Hub, folder: Path, *, duns: str, stem: str, port: int, actor: str) -> None:
    """Write the simulator's file into the sandbox *folder*, and let the hub call it at *port*.

    *stem* begins the names of the TDSP's certificates.
    """
    (folder / SIMULATOR).write_text(
        _FILE.format(
            name=SIMULATOR,
            duns=duns,
            stem=stem,
            port=port,
            hub_port=hub.settings.soap.port,
            shift=hub.settings.clock_shift_seconds,
        )
    )
    url = f"https://127.0.0.1:{port}/soap/TDSPHan"
    set_endpoint(hub.store, duns=duns, url=url, actor=actor, clock=hub.clock)


@contextmanager
def running_tdsp(folder: Path, *, scenario: Path | None = None, wait: float = 30) -> Iterator[subprocess.Popen[bytes]]:
    """``smt-ws simulate-tdsp`` in the sandbox *folder*, taking calls; its log is ``simulator.log`` there."""
    ready = folder / "ready" / "simulator.json"
    ready.parent.mkdir(exist_ok=True)
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "smt_ws.cli", "simulate-tdsp", str(folder / SIMULATOR), "--ready-file", str(ready)]
    if scenario is not None:
        command += ["--scenario", str(scenario)]
    with (folder / "simulator.log").open("ab") as log:
        # a group of its own: what it forks ends with it
        process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0)  # noqa: S603 — our own command line
    try:
        end = time.monotonic() + wait
        while not ready.exists() or not json.loads(ready.read_text() or "null"):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the simulated TDSP did not start; see {folder / 'simulator.log'}")
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
