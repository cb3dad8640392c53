"""A simulated TDSP, a process of its own, that a hub's outbox calls; it forgets everything between tests."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "han"))
from han_market import CENTERPOINT, ONCOR, HanMarket, esiid, meter_of, open_han_market

from smt_ws.clock import FixedClock, real_now
from smt_ws.han.tdsp_calls import TdspCalls
from smt_ws.han.tdsp_endpoints import set_endpoint
from smt_ws.parties.companies import register_certificate
from smt_ws.sandbox.certificates import make_sample_certificates
from smt_ws.settings import Settings
from smt_ws.store import outbox as outbox_store
from smt_ws.store.engine import Store

OPERATOR = "operator:test"
FILE = """
[tdsp]
duns = ["{duns}"]
port = {port}
tls_certificate = "certs/oncor-tls.crt"
tls_key = "certs/oncor-tls.key"
signing_certificate = "certs/oncor-signing.crt"
signing_key = "certs/oncor-signing.key"
ca = "certs/ca.crt"
state = "tdsp.db"
[hub]
url = "https://127.0.0.1:1/soap/TDSPCallback"   # nobody listens there: these tests are of the way out
tls_certificate = "certs/hub-tls.crt"
signing_certificate = "certs/hub-signing.crt"
"""


@dataclass(frozen=True)
class Peer:
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/soap/TDSPHan"

    def rows(self, query: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "tdsp.db", timeout=30)) as db:
            found = db.execute(query, values).fetchall()
            db.commit()
        return found

    def restart(self) -> None:
        """Forget everything but the meters of `han_market`."""
        for table in ("request", "device", "delivery", "event", "moment", "post", "meter"):
            self.rows(f"DELETE FROM {table}")
        for number in range(1, 23):
            self.rows("INSERT INTO meter VALUES (?, ?)", esiid(number), meter_of(number))


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp("tdsp")
    make_sample_certificates(folder / "certs", {"Oncor": ONCOR, "Stranger": "999999999"}, now=real_now())
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file, ready = folder / "simulator.toml", folder / "ready.json"
    file.write_text(FILE.format(duns=ONCOR, port=port))
    command = [sys.executable, "-m", "smt_ws.cli", "simulate-tdsp", str(file), "--ready-file", str(ready)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 180
        while not (ready.exists() and ready.read_text()):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        assert json.loads(ready.read_text()) == [["127.0.0.1", port]]
        yield Peer(folder, port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(180)


@dataclass
class Calling:
    """A hub with a small market, and the TDSP that it calls."""

    market: HanMarket
    peer: Peer
    #: With the settings that they were made of.
    calls: tuple[Settings, TdspCalls] | None = None

    def deliver(self, *kinds: str, limit: int = 20) -> int:
        """Carry out what is due of these kinds (default: all), as a worker would; returns how many succeeded."""
        if self.calls is None or self.calls[0] is not self.market.hub.settings:
            self.calls = (self.market.hub.settings, TdspCalls(self.market.hub))
        handlers = self.calls[1].handlers()
        wanted = {kind: handlers[kind] for kind in kinds or handlers}
        return outbox_store.deliver_due(self.market.store, wanted, limit=limit)

    def due_again(self) -> None:
        """As if the hub had died after the call and before it could note that it was made."""
        with self.market.store.write() as connection:
            connection.exec_driver_sql("UPDATE outbox SET done_at = NULL, attempts = 0")
            connection.exec_driver_sql("UPDATE outbox_target SET open_until = NULL, failures = 0")
            connection.execute(outbox_store.outbox.update().values(not_before=real_now(), lease_until=None))

    def endpoint(self, url: str, duns: str = ONCOR) -> None:
        set_endpoint(self.market.store, duns=duns, url=url, actor=OPERATOR, clock=self.market.clock)

    def errors(self) -> list[str]:
        with self.market.store.read() as connection:
            return [one.last_error or "" for one in outbox_store.waiting(connection)]

    def certificate(self, stem: str, **uses: bool) -> None:
        register_certificate(
            self.market.store, duns=ONCOR, content=(self.peer.folder / "certs" / f"{stem}.crt").read_bytes(),
            authorities=[], environment="sandbox", actor=OPERATOR, clock=self.market.clock, **uses,
        )  # fmt: skip


@pytest.fixture
def market(store: Store, peer: Peer, tmp_path: Path, clock: FixedClock) -> HanMarket:
    made = open_han_market(store, tmp_path, clock)
    certs = peer.folder / "certs"
    tls = {
        "certificate": certs / "hub-tls.crt",
        "key": certs / "hub-tls.key",
        "client_authorities": certs / "ca.crt",
        "signing_certificate": certs / "hub-signing.crt",
        "signing_key": certs / "hub-signing.key",
    }
    settings = Settings.model_validate({**made.hub.settings.model_dump(), "tls": tls})
    object.__setattr__(made.hub, "settings", settings)
    return made


@pytest.fixture
def calling(market: HanMarket, peer: Peer) -> Calling:
    peer.restart()
    made = Calling(market, peer)
    made.endpoint(peer.url)
    made.certificate("oncor-signing", for_tls=False, for_signing=True)
    return made


__all__ = ["CENTERPOINT", "ONCOR"]
