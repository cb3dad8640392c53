"""The hub calls a company: signed both ways, once for each event, only where it may (R10)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from callback_servers import BLUEBONNET, PECAN, served
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from smt_ws.cli.company_callback import callback as command
from smt_ws.notices.callbacks import announce
from smt_ws.parties import callback, companies
from smt_ws.serve.handlers import handlers_of
from smt_ws.store.outbox import deliver_due, waiting
from smt_ws.store.tables import audit_log, outbox, outbox_target

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
READY = {
    "dunsNumber": PECAN,
    "happenedAt": NOW.isoformat(),
    "correlationId": "100017",
    "status": "COMPLETE_WITH_EXCEPTIONS",
    "fileCount": 3,
    "esiidDaysAsked": 62,
    "esiidDaysDelivered": 60,
    "esiidDaysExcepted": 2,
    "expiresAt": "2026-11-30T15:00:00+00:00",
}


@pytest.fixture(autouse=True)
def _empty_outbox(hub):
    yield
    with hub.store.write() as connection:
        connection.execute(delete(outbox))
        connection.execute(delete(outbox_target))


@pytest.fixture
def company_id(hub):
    return companies.find_company(hub.store, PECAN).company_id


def set_callback(hub, url, duns=PECAN):
    callback.set_callback(hub.store, duns=duns, url=url, environment="sandbox", actor="operator:me", clock=hub.clock)


def tell(hub, company_id, key="order:100017:ready", operation="ReportReady", fields=READY):
    with hub.store.write() as connection:
        announce(connection, company_id=company_id, operation=operation, fields=fields, key=key, now=NOW)


def deliver(hub):
    return deliver_due(hub.store, handlers_of(hub))


def the_effect(hub):
    with hub.store.read() as connection:
        (effect,) = waiting(connection)
    return effect


def events(record):
    return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


def test_a_company_without_an_address_is_not_called(hub, company_id):
    callback.clear_callback(hub.store, duns=PECAN, actor="operator:me", clock=hub.clock)
    tell(hub, company_id)
    with hub.store.read() as connection:
        assert waiting(connection) == []


def test_an_event_is_told_with_all_its_facts_and_once_however_often_it_is_called(hub, company_id, listening, tmp_path):
    record = tmp_path / "events"
    set_callback(hub, listening(record))
    tell(hub, company_id)
    tell(hub, company_id)
    assert deliver(hub) == 1
    assert events(record) == [{"operation": "ReportReady", "trans_id": "order:100017:ready"} | READY]
    with hub.store.write() as connection:  # a worker that died before it could record the answer
        connection.execute(update(outbox).values(done_at=None))
    assert deliver(hub) == 1
    assert len(events(record)) == 1
    with hub.store.read() as connection:
        told = connection.scalars(
            select(audit_log.c.details).where(audit_log.c.event == "callback:call:answered")
        ).all()
    assert told[-1] == {"operation": "ReportReady", "event": "order:100017:ready"}


def test_status_changes_of_devices_and_messages_are_told(hub, company_id, listening, tmp_path):
    record = tmp_path / "events"
    set_callback(hub, listening(record))
    shared = {name: READY[name] for name in ("dunsNumber", "happenedAt", "correlationId")} | {"esiid": "1" * 17}
    device = shared | {"deviceMacAddress": "00158D00012345AB", "status": "ADD_FAILED", "reason": "METER_EXCHANGED"}
    message = shared | {"status": "CON"}
    tell(hub, company_id, "d" * 90, "DeviceStatusChanged", device)
    tell(hub, company_id, "message:1:CON", "MessageStatusChanged", message)
    assert deliver(hub) == 2
    found = {event["operation"]: event for event in events(record)}
    assert device.items() <= found["DeviceStatusChanged"].items()
    assert len(found["DeviceStatusChanged"]["trans_id"]) == 64
    assert message.items() <= found["MessageStatusChanged"].items()


def test_an_answer_that_it_is_not_taken_is_not_an_end(hub, company_id, listening, tmp_path):
    set_callback(hub, listening(tmp_path / "events", refuse=True))
    tell(hub, company_id)
    assert deliver(hub) == 0
    assert the_effect(hub).last_error == "Refused: NOT_NOW: asked to refuse"


def test_an_answer_signed_by_another_company_is_not_believed(hub, company_id, listening, tmp_path):
    record = tmp_path / "events"
    set_callback(hub, listening(record, BLUEBONNET))
    tell(hub, company_id)
    assert deliver(hub) == 0
    assert the_effect(hub).last_error.startswith("UntrustedAnswer")


def test_a_company_whose_signing_certificates_are_withdrawn_is_not_called(hub, company_id, listening, tmp_path):
    record = tmp_path / "events"
    set_callback(hub, listening(record, BLUEBONNET), BLUEBONNET)
    one = companies.find_company(hub.store, BLUEBONNET)
    signing = [held.sha256 for held in one.certificates if held.for_signing]
    assert signing
    for sha256 in signing:
        companies.withdraw_certificate(hub.store, duns=BLUEBONNET, sha256=sha256, actor="operator:me", clock=hub.clock)
    tell(hub, one.company_id)
    assert deliver(hub) == 0
    assert "no signing certificate in force" in the_effect(hub).last_error
    assert events(record) == []


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        ("302 Found", [("Location", "https://127.0.0.1:1/elsewhere")], "redirect"),
        ("307 Temporary Redirect", [("Location", "https://127.0.0.1:1/elsewhere")], "redirect"),
        ("503 Service Unavailable", [("Content-Type", "text/html")], "HTTP 503"),
        ("202 Accepted", [], "HTTP 202"),
    ],
)
def test_redirects_and_what_is_no_soap_are_a_server_that_is_down(hub, sandbox, company_id, status, headers, said):
    asked = []

    def app(environ, start):
        asked.append(environ["PATH_INFO"])
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start(status, headers)
        return [b""]

    with served(sandbox, app) as url:
        set_callback(hub, url)
        tell(hub, company_id)
        assert deliver(hub) == 0
    effect = the_effect(hub)
    assert effect.last_error.startswith("ConnectionError")
    assert said in effect.last_error
    assert effect.attempts == 0
    assert len(asked) == 1


def test_a_server_that_is_not_there_loses_the_event_no_try(hub, company_id):
    set_callback(hub, "https://127.0.0.1:1/soap/RequesterCallback")
    tell(hub, company_id)
    assert deliver(hub) == 0
    assert (the_effect(hub).attempts, the_effect(hub).dead) == (0, False)


@pytest.mark.parametrize("end", ["clear", "suspend"])
def test_what_is_queued_for_a_company_that_is_called_no_more_is_dropped(hub, company_id, listening, tmp_path, end):
    record = tmp_path / "events"
    set_callback(hub, listening(record))
    tell(hub, company_id)
    who = {"duns": PECAN, "actor": "operator:me", "clock": hub.clock}
    if end == "clear":
        callback.clear_callback(hub.store, **who)
    else:
        companies.suspend(hub.store, **who)
    assert deliver(hub) == 1
    assert events(record) == []
    companies.resume(hub.store, **who)


def test_a_company_of_the_sandbox_listens_as_a_process_of_its_own(hub, sandbox, company_id, tmp_path):
    record, ready = tmp_path / "events", tmp_path / "port"
    arguments = [str(sandbox.folder), PECAN, "--port", "0", "--record", str(record), "--ready-file", str(ready)]
    process = subprocess.Popen([sys.executable, "-m", "smt_ws.cli", "simulate-requester", *arguments])
    try:
        end = time.monotonic() + 180
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        set_callback(hub, f"https://127.0.0.1:{json.loads(ready.read_text())}/soap/RequesterCallback")
        tell(hub, company_id)
        assert deliver(hub) == 1
        assert [event["correlationId"] for event in events(record)] == ["100017"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0


def test_an_operator_sets_shows_and_clears_the_address(hub):
    def run(*arguments, code=0):
        result = CliRunner().invoke(command, arguments, obj=hub)
        assert (result.exit_code != 0) == bool(code), result.output
        return result.output

    url = "https://127.0.0.1:5300/soap/RequesterCallback"
    assert url in run("set", PECAN, url)
    assert run("show", PECAN).strip() == url
    run("set", PECAN, "http://127.0.0.1/", code=1)
    assert run("show", PECAN).strip() == url
    run("clear", PECAN)
    assert "not called" in run("show", PECAN)
