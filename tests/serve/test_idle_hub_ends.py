"""An idle hub ends at SIGTERM: no process waits for the end of its drain, whoever is connected and silent."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest

SMT_WS = (sys.executable, "-m", "smt_ws.cli")
ROLES = {"soap", "ftps", "portal", "health"}


@pytest.mark.slow
def test_an_idle_hub_with_silent_connections_drains_and_kills_none(tmp_path) -> None:
    folder, ready = tmp_path / "sandbox", tmp_path / "ready"
    ready.mkdir()
    subprocess.run([*SMT_WS, "sandbox", "--folder", folder, "--empty"], check=True, capture_output=True, timeout=200)
    settings = folder / "smt-ws.toml"
    settings.write_text(re.sub(r"(?m)^port = \d+$", "port = 0", settings.read_text()))
    line = [*SMT_WS, "--settings", settings, "serve", "--ready-folder", ready, "--drain", "200"]
    with (tmp_path / "log").open("wb") as log:
        hub = subprocess.Popen(line, stdout=log, stderr=log)
    connections = []
    try:
        end = time.monotonic() + 200
        while not {file.stem for file in ready.iterdir() if file.stat().st_size} >= ROLES:
            assert hub.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        connections += [socket.create_connection(_address(ready, role), timeout=200) for role in sorted(ROLES)]
        context = ssl.create_default_context(cafile=folder / "certs" / "ca.crt")
        context.check_hostname = False
        browser = context.wrap_socket(socket.create_connection(_address(ready, "portal"), timeout=200))
        connections.append(browser)
        browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert browser.recv(65536).startswith(b"HTTP/1.1 200")
        hub.send_signal(signal.SIGTERM)
        assert hub.wait(250) == 0, (tmp_path / "log").read_text()
    finally:
        hub.kill()
        hub.wait()
        for connection in connections:
            connection.close()
    said = (tmp_path / "log").read_text()
    assert "would not drain" not in said
    assert "Traceback" not in said


def _address(ready, role: str) -> tuple[str, int]:
    found = json.loads((ready / f"{role}.json").read_text())
    host, port = found[0] if isinstance(found[0], list) else found
    return str(host), int(port)
