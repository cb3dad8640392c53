"""`/livez`, `/readyz` and `/metrics` as a probe and Prometheus ask for them."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from smt_ws.health import server as health_server
from smt_ws.health.readiness import Check, Examined, Readiness, State
from smt_ws.health.server import HealthServer, Looker
from smt_ws.store.heartbeat import CLOCK, beat


@contextmanager
def serving(hub, **options) -> Iterator[HealthServer]:
    with HealthServer(hub, **options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: HealthServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=180)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.fixture
def url(migrated_sqlite: Path, tmp_path: Path) -> str:
    (tmp_path / "hub.db").write_bytes(migrated_sqlite.read_bytes())
    return f"sqlite:///{tmp_path}/hub.db"


def test_a_hub_that_is_well_is_ready(url, hub_of) -> None:
    hub = hub_of(url)
    beat(hub.store, CLOCK)
    with serving(hub) as server:
        assert ask(server, "/livez")[0] == 200
        status, headers, content = ask(server, "/readyz")
        assert (status, headers["content-type"], headers["cache-control"]) == (200, "application/json", "no-store")
        told = json.loads(content)
        assert (told["ready"], told["state"]) == (True, "ok")
        status, headers, content = ask(server, "/readyz", "HEAD")
        assert (status, content) == (200, b"")
        assert ask(server, "/")[0] == 404
        assert ask(server, "/readyz", "POST")[0] == 501


def test_one_that_is_not_says_503_and_why_and_still_lives(url, hub_of) -> None:
    with serving(hub_of(url, disk_free_bytes=2**60)) as server:
        status, _headers, content = ask(server, "/readyz")
        assert status == 503
        failing = [check for check in json.loads(content)["checks"] if check["state"] == "fail"]
        assert [(check["name"], check["limit"]) for check in failing] == [("disk", 2**60)]
        assert ask(server, "/livez")[0] == 200


def test_metrics_can_be_read_by_prometheus(url, hub_of) -> None:
    hub = hub_of(url, disk_free_bytes=2**60)
    beat(hub.store, CLOCK)
    with serving(hub) as server:
        status, headers, content = ask(server, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(content.decode())}
    checks = {sample.labels["check"]: sample.value for sample in families["smt_ws_check"].samples}
    assert checks == {
        "database": 0, "queue": 0, "outbox": 0, "dead_letters": 0, "scheduler": 0, "files": 0, "disk": 2,
        "certificate": 0,
    }  # fmt: skip
    assert families["smt_ws_ready"].samples[0].value == 0
    assert {sample.labels["status"] for sample in families["smt_ws_orders"].samples} >= {"Pending", "Failed"}
    assert families["smt_ws_scheduler_silent_seconds"].samples[0].value < 60
    assert len(families["smt_ws_certificate_end_seconds"].samples) == 4
    assert all(family.documentation for family in families.values())


def test_metrics_without_a_database_are_what_is_left(hub_of) -> None:
    with serving(hub_of("postgresql://127.0.0.1:1/hub")) as server:
        status, _headers, content = ask(server, "/metrics")
    assert status == 200
    assert b"smt_ws_ready 0.0" in content
    assert b"smt_ws_disk_free_bytes" in content
    assert b"smt_ws_orders" not in content


def test_it_listens_on_ipv6_too(url, hub_of) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with serving(hub_of(url, host="::1")) as server:
        assert ask(server, "/livez")[0] == 200


def test_many_who_ask_share_one_look(url, hub_of, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def counted(_hub) -> Examined:
        looks.append(1)
        time.sleep(0.05)
        return Examined(Readiness((Check("disk", State.OK, ""),)), None, [], [])

    monkeypatch.setattr(health_server, "examine", counted)
    looker = Looker(hub_of(url))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(looker.seen())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(looks), len(answers)) == (1, 20)
    monkeypatch.setattr(health_server, "_FRESH", 0.0)
    looker.seen()
    assert len(looks) == 2


def test_a_database_that_hangs_is_an_answer_in_time(url, hub_of, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(health_server, "examine", lambda _hub: may_end.wait(180))
    hub = hub_of(url)
    with serving(hub, looker=Looker(hub, patience=0.2)) as server:
        for _ in range(2):
            status, _headers, content = ask(server, "/readyz")
            assert status == 503  # the look goes on: it ends with this test
            assert json.loads(content)["checks"][0] == {
                "name": "database", "state": "fail", "reason": "seconds without an answer", "observed": 0.2,
                "limit": 0.2,
            }  # fmt: skip
        assert ask(server, "/livez")[0] == 200
        may_end.set()
