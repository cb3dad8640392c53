"""Orders placed by SOAP stacks that are not ours, through the running hub, and what becomes of them (K2).

WSS4J is the engine of soapUI and CXF, npm ``soap`` what a node developer takes.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from lxml import etree
from wire_client import BLUEBONNET, PECAN, WireClient, envelope, header, usage
from wss_runtimes import java_peer, node_client

from adapters.soap.faults import SOAP11, SOAP12
from smt_ws.sandbox.certificates import PKCS12_PASSWORD

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.interop
USAGE = "urn:smt-ws:MeterUsage:1"


def assert_done(hub: Any, duns: str, number: str | None) -> None:
    """The order ends complete, with its days delivered."""
    status = hub.requester(duns).wait(number or "", lambda _status: None, timeout=180)
    assert status.order.status in {"COMPLETE", "COMPLETE_WITH_EXCEPTIONS"}
    assert status.order.esiidDaysDelivered > 0


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return java_peer(tmp_path_factory.mktemp("java"))


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return node_client(tmp_path_factory.mktemp("node"))


def wss4j(hub: Any, java: Any, folder: Path, body: str, soap: str, operation: str) -> tuple[Any, etree._Element]:
    """Sign by WSS4J, send by Java's own client over mutual TLS; WSS4J has verified the answer."""
    wire, certificates = WireClient(hub.sandbox, hub.settings), hub.sandbox.certificates
    trusted = [x509.load_pem_x509_certificate((certificates / f"{n}.crt").read_bytes()) for n in ("ca", "hub-signing")]
    (folder / "trusted.p12").write_bytes(
        pkcs12.serialize_java_truststore(
            [pkcs12.PKCS12Certificate(one, name) for one, name in zip(trusted, (b"ca", b"hub"), strict=True)],
            BestAvailableEncryption(PKCS12_PASSWORD.encode()),
        )
    )
    (folder / "in.xml").write_bytes(envelope(body, soap))
    done = java(
        *("call", "--in", folder / "in.xml", "--out", folder / "out.xml", "--password", PKCS12_PASSWORD),
        *("--keystore", certificates / f"{wire.signing()}.p12", "--alias", wire.signing()),
        *("--tls-keystore", certificates / f"{wire.tls()}.p12", "--truststore", folder / "trusted.p12"),
        *("--endpoint", f"https://127.0.0.1:{hub.settings.soap.port}/soap/MeterUsage"),
        *("--action", f"{USAGE}:{operation}"),
    )
    return done, etree.fromstring((folder / "out.xml").read_bytes()) if (folder / "out.xml").exists() else None


@pytest.mark.parametrize("soap", [SOAP11, SOAP12], ids=["SOAP 1.1", "SOAP 1.2"])
def test_wss4j_orders_and_trusts_the_answer(hub: Any, java: Any, tmp_path: Path, soap: str) -> None:
    """As soapUI would, with the sandbox's PKCS#12 files."""
    body = usage([hub.market.special.switched[0]], start="10/01/2026", end="10/02/2026", trans_id=f"{time.time_ns()}")
    done, answer = wss4j(hub, java, tmp_path, body, soap, "RequestIntervalData")
    assert done.returncode == 0, done.stderr
    assert "HTTP 200" in done.stdout
    assert "over [Body, Timestamp]" in done.stdout
    assert_done(hub, PECAN, answer.findtext(f".//{{{USAGE}}}correlationId"))


def test_wss4j_trusts_a_fault(hub: Any, java: Any, tmp_path: Path) -> None:
    """Faults are signed like answers."""
    body = usage([hub.market.esiids[0]], start="11/03/2026", end="11/01/2026")
    done, answer = wss4j(hub, java, tmp_path, body, SOAP11, "RequestIntervalData")
    assert done.returncode == 0, done.stderr
    assert "HTTP 500" in done.stdout
    assert "END_BEFORE_START" in (answer.findtext(".//faultstring") or "")


def npm_soap(hub: Any, node: Any, folder: Path, duns: str, arguments: dict[str, Any], *more: str) -> Any:
    """Call RequestIntervalData by npm soap, from the contract's own files."""
    wire, certificates = WireClient(hub.sandbox, hub.settings), hub.sandbox.certificates
    (folder / "arguments.json").write_text(json.dumps(arguments))
    return node(
        *("--wsdl", HERE.parents[1] / "wsdl" / "MeterUsage.wsdl", "--operation", "RequestIntervalData"),
        *("--arguments", folder / "arguments.json"),
        *("--endpoint", f"https://127.0.0.1:{hub.settings.soap.port}/soap/MeterUsage"),
        *("--signing-key", certificates / f"{wire.signing(duns)}.key"),
        *("--signing-certificate", certificates / f"{wire.signing(duns)}.crt"),
        *("--tls-key", certificates / f"{wire.tls(duns)}.key"),
        *("--tls-certificate", certificates / f"{wire.tls(duns)}.crt"),
        *("--ca", certificates / "ca.crt", "--hub-certificate", certificates / "hub-signing.crt", *more),
    )


def _arguments(duns: str, esiid: str, end: str = "10/02/2026") -> dict[str, Any]:
    names = ("trans_id", "requestorID", "requesterType", "requesterAuthenticationID", "SMTTermsandConditions")
    values = etree.fromstring(f"<h xmlns:m='m'>{header(duns=duns, trans_id=str(time.time_ns()))}</h>")
    of_header = dict(zip(names, (str(one.text) for one in values), strict=True))
    return of_header | {"startDate": "10/01/2026", "endDate": end, "reportFormat": "CSV", "esiid": [esiid]}


@pytest.mark.parametrize(
    "soap12", [(), ("--soap12", "yes", "--port", "MeterUsageSoap12")], ids=["SOAP 1.1", "SOAP 1.2"]
)
def test_npm_soap_orders_and_trusts_the_answer(hub: Any, node: Any, tmp_path: Path, soap12: tuple[str, ...]) -> None:
    """With the options that the guide names."""
    rows = [line.split(",") for line in hub.market.rep_of_record.read_text().splitlines()]
    esiid = next(row[0] for row in rows if row[1] == BLUEBONNET and not row[3])
    done = npm_soap(hub, node, tmp_path, BLUEBONNET, _arguments(BLUEBONNET, esiid), *soap12)
    assert done.returncode == 0, done.stderr
    assert_done(hub, BLUEBONNET, json.loads(done.stdout)["correlationId"])


def test_npm_soap_shows_the_code_and_the_sentence_of_a_fault(hub: Any, node: Any, tmp_path: Path) -> None:
    """What a node developer reads when a date is wrong."""
    done = npm_soap(hub, node, tmp_path, PECAN, _arguments(PECAN, hub.market.esiids[0], end="09/30/2026"))
    assert done.returncode == 2, done.stdout
    assert "END_BEFORE_START" in done.stderr
