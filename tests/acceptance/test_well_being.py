"""A running hub tells how it is, and its log tells who asked for what and never what was in it."""

from __future__ import annotations

import csv
import ftplib
import json
import re
import ssl
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from wire_client import PECAN, WireClient, get_status, header, usage

from smt_ws.store import audit_chain
from smt_ws.store.tables import audit_log

NOBODY = "10443729999999999"
MALFORMED = "1044372-TYPO"
WRONG_PASSWORD = "wrong-horse-battery"
PING = f'<m:Ping xmlns:m="urn:smt-ws:Connectivity:1">{header(trans_id="well-being")}</m:Ping>'

PATTERNS = {
    # not the time in a file's name, which letters stand before
    "an ESI ID": r"(?<![0-9A-Za-z])\d{17}(?:\d{5})?(?![0-9a-f])",
    "an e-mail address": r"[\w.+-]+@[\w-]+\.[\w.]+",
    "a key": r"BEGIN (?:RSA |EC |PGP )?PRIVATE KEY",
    "a password": r"(?i)\bPASS \S|password['\"]?\s*[:=]\s*['\"]?\w",
    "an installation code": r"(?i)install\w*[_ ]?code['\"]?\s*[:=]\s*['\"]?[0-9A-F]{12}",
}


def ask(hub: Any, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{hub.settings.health.port}{path}", timeout=180) as response:
        return response.status, response.read().decode()


def wait_for(what: Callable[[], Any], seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def caller(hub: Any) -> WireClient:
    return WireClient(hub.sandbox, hub.settings)


def log_lines(hub: Any) -> list[str]:
    return (hub.sandbox.folder / "hub.log").read_text().splitlines()


def exchanges(hub: Any, reference: str | None = None) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log_lines(hub) if line.startswith("{")]
    found = [line for line in lines if line["event"] == "exchange"]
    return [line for line in found if reference is None or line["reference"] == reference]


def test_a_running_hub_is_ready_and_lives(hub: Any) -> None:
    assert wait_for(lambda: ask(hub, "/livez"))[0] == 200

    def well() -> bool:
        readiness = json.loads(ask(hub, "/readyz")[1])
        assert readiness["ready"]
        states = {check["name"]: check["state"] for check in readiness["checks"]}
        assert states["database"] == states["disk"] == states["certificate"] == "ok"
        return states["scheduler"] == "ok"  # it starts beside the others

    wait_for(well)


def test_calls_are_counted_over_all_processes(hub: Any, caller: WireClient) -> None:
    name = 'smt_ws_soap_requests_total{operation="Ping",outcome="answered",service="Connectivity"}'

    def pings() -> float:
        lines = wait_for(lambda: ask(hub, "/metrics"))[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    before = pings()
    for _ in range(4):
        assert caller.call(PING, service="Connectivity").status == 200
    wait_for(lambda: pings() >= before + 4)


def test_a_line_a_request_says_who_what_how_it_ended_and_where_the_time_went(hub: Any, caller: WireClient) -> None:
    refused = caller.call(usage([NOBODY], start="2026-11-01", trans_id="a-secret-trans-id")).fault
    (line,) = wait_for(lambda: exchanges(hub, refused.reference))
    assert (line["fault"], line["outcome"], line["status"]) == ("SCHEMA_VIOLATION", "refused", 500)
    answered = caller.call(PING, service="Connectivity")
    assert answered.status == 200
    line = wait_for(lambda: [one for one in exchanges(hub) if one["operation"] == "Ping"])[-1]
    assert (line["outcome"], line["duns"], line["address"], line["process"]) == (
        "answered", PECAN, "127.0.0.1", "soap"
    )  # fmt: skip
    assert line["company"] > 0
    assert list(line["stages"]) == ["read", "parse", "verify", "authenticate", "validate", "run", "write", "sign"]
    assert sum(line["stages"].values()) <= line["seconds"] + 0.001


def test_who_asked_what_is_missing_is_in_the_audit_log(hub: Any, caller: WireClient) -> None:
    """P7: it reveals whether an ESI ID has usage."""
    asked = (
        f'<m:MissingUsage xmlns:m="urn:smt-ws:ReportRequestStatus:1">{header(trans_id="missing")}'
        f"<m:startDate>11/01/2026</m:startDate><m:endDate>11/03/2026</m:endDate>"
        f"<m:esiid>{hub.market.esiids[0]}</m:esiid><m:esiid>{NOBODY}</m:esiid></m:MissingUsage>"
    )
    assert caller.call(asked, service="ReportRequestStatus").status == 200
    own = hub.sandbox.hub()
    with own.store.read() as connection:
        line = connection.execute(
            select(audit_log).where(audit_log.c.event == "usage:missing:shown").order_by(audit_log.c.id.desc())
        ).first()
    own.store.close()
    assert line is not None
    assert (line.details["esiids"], line.details["days"], line.address) == (2, 6, "127.0.0.1")
    assert len(line.certificate_sha256) == 64


def test_who_was_told_how_an_order_ended_is_in_the_audit_log(hub: Any, caller: WireClient) -> None:
    """P7: of an order of one ESI ID it says whether there is usage. What was asked is told along (R6)."""
    options = "<m:version>A</m:version><m:readingType>C</m:readingType>"
    number = caller.call(usage([NOBODY], options=options, trans_id="told")).text("correlationId")
    assert number is not None

    def told() -> Any:
        answer = caller.call(get_status(number), service="ReportRequestStatus")
        return answer if "COMPLETE" in (answer.text("status") or "") else None

    answer = wait_for(told)
    assert [answer.text(name) for name in ("requestTransId", "version", "readingType", "failure")] == [
        "told", "A", "C", None
    ]  # fmt: skip
    listing = (
        f'<m:ListRequests xmlns:m="urn:smt-ws:ReportRequestStatus:1">{header()}'
        "<m:fromDate>11/20/2026</m:fromDate><m:toDate>11/21/2026</m:toDate></m:ListRequests>"
    )
    assert caller.call(listing, service="ReportRequestStatus").status == 200
    own = hub.sandbox.hub()
    with own.store.read() as connection:
        lines = connection.execute(
            select(audit_log).where(audit_log.c.event.in_(["order:status:shown", "order:list:shown"]))
        ).all()
    own.store.close()
    shown = [line for line in lines if line.object == f"order:{number}"]
    assert [line.details["days_excepted"] for line in shown] == [3]
    assert any(line.event == "order:list:shown" and line.details["orders"] > 0 for line in lines)
    assert {(line.address, len(line.certificate_sha256)) for line in shown} == {("127.0.0.1", 64)}


def test_the_audit_log_of_a_running_hub_can_be_sealed_and_verified(hub: Any) -> None:
    own = hub.sandbox.hub()
    audit_chain.seal(own.store)
    verdict = audit_chain.verify(own.store, times=False)
    own.store.close()
    assert verdict.flaw is None
    assert verdict.sealed > 50


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("an ESI ID", '{"event": "no data for 10443720000000001"}'),
        ("an ESI ID", "ESIID=1044372000000000100001,"),
        ("an e-mail address", "550 no such user <a.b+c@pecan.example>"),
        ("a key", "-----BEGIN PRIVATE KEY-----"),
        ("a password", "got PASS horse"),
        ("a password", "{'password': 'horse'}"),
        ("an installation code", '"installation_code": "83FED3407A93"'),
    ],
)
def test_the_patterns_find_what_must_not_be_there(what: str, line: str) -> None:
    assert re.search(PATTERNS[what], line)


def test_nothing_of_a_customer_and_no_secret_is_in_the_log(hub: Any, caller: WireClient) -> None:
    """Whatever tests have done to this hub so far, and some more that is likely to be logged."""
    customers = hub.market.esiids[:3]
    order = caller.call(usage([*customers, NOBODY, MALFORMED], trans_id="redaction")).text("correlationId")
    assert order is not None
    caller.call(usage([f"<x>{NOBODY}</x>"]))  # markup where an ESI ID belongs
    caller.call(usage(customers, report_format=NOBODY))
    caller.call(get_status(NOBODY), service="ReportRequestStatus")
    caller.call(usage(customers), signer=caller.signing("222222222"))
    context = ssl.create_default_context(cafile=str(hub.sandbox.certificates / "ca.crt"))
    stem = caller.tls()
    context.load_cert_chain(hub.sandbox.certificates / f"{stem}.crt", hub.sandbox.certificates / f"{stem}.key")
    with ftplib.FTP_TLS(context=context, timeout=180) as ftps:
        ftps.connect("localhost", hub.settings.ftps.port)
        with pytest.raises(ftplib.error_perm):
            ftps.login(PECAN, WRONG_PASSWORD)

    def finished() -> bool:
        return "COMPLETE" in (caller.call(get_status(order), service="ReportRequestStatus").text("status") or "")

    wait_for(finished, 60)

    with hub.market.meters.open() as stream:
        meters = {row["METER_NUMBER"] for row in csv.DictReader(stream)}
    passwords = {hub.sandbox.player(duns).ftps_password for duns in (PECAN, "222222222", "333333333")}
    assert len(meters) >= 20
    text = "\n".join(log_lines(hub))
    assert "exchange" in text
    known = {*hub.market.esiids, NOBODY, MALFORMED, *meters, *passwords, WRONG_PASSWORD, "a-secret-trans-id"}
    assert {secret for secret in known if secret in text} == set()
    found = {what: re.findall(pattern, text)[:3] for what, pattern in PATTERNS.items()}
    assert {what: hits for what, hits in found.items() if hits} == {}
