"""K1: the soapUI project calls every operation of a requester, and a running hub answers as its assertions say."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from guided_hub import GuidedHub
from lxml import etree
from soapui_reader import ENVELOPE, Keystore, Project, Request

from adapters.soap.wssecurity import sign, verify

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
sys.path.insert(0, str(Path(__file__).parents[2] / "soapui"))
import make_project
import sample_requests
from wss_runtimes import java_peer

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "soapui" / "smart-meter-hub-soapui-project.xml"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
SUITES = ("Every operation, SOAP 1.1", "Every operation, SOAP 1.2")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def project(guided_hub: GuidedHub) -> Project:
    """The project, opened where the guide says: beside the sandbox. Only the port is not the default one."""
    folder = guided_hub.home / "soapui"
    folder.mkdir(exist_ok=True)
    opened = Project(Path(shutil.copy(PROJECT, folder)))
    opened.properties["endpoint"] = guided_hub.address
    return opened


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> etree.XMLSchema:
    """All published XSDs as one."""
    named = {etree.parse(path).getroot().get("targetNamespace"): path for path in (ROOT / "xsd").glob("*.xsd")}
    imports = "".join(
        f'<xs:import namespace="{namespace}" schemaLocation="{path.as_uri()}"/>' for namespace, path in named.items()
    )
    file = tmp_path_factory.mktemp("xsd") / "all.xsd"
    file.write_text(f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>')
    return etree.XMLSchema(etree.parse(file))


def read_pkcs12(keystore: Keystore) -> tuple[str, RSAPrivateKey, x509.Certificate]:
    held = pkcs12.load_pkcs12(keystore.path.read_bytes(), keystore.password.encode())
    assert held.cert is not None
    assert held.cert.friendly_name is not None
    assert isinstance(held.key, RSAPrivateKey)
    return held.cert.friendly_name.decode(), held.key, held.cert.certificate


def signed(request: Request) -> bytes:
    """The request signed as its outgoing WS-Security says, which must be what the hub publishes."""
    said = request.outgoing
    assert said.entries == ("Timestamp", "Signature"), "a Timestamp that comes later is not signed"
    assert said.milliseconds
    assert 0 < said.seconds <= 600
    assert (said.key_identifier, said.single_certificate) == (1, True), "a Binary Security Token, one certificate"
    assert said.signature == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    assert said.digest == "http://www.w3.org/2001/04/xmlenc#sha256"
    assert said.canonicalization == "http://www.w3.org/2001/10/xml-exc-c14n#"
    assert said.parts == (("Body", ENVELOPE[request.soap_version], "Element"), ("Timestamp", WSU, "Element"))
    alias, key, certificate = read_pkcs12(said.keystore)
    assert (said.alias, said.key_password) == (alias, said.keystore.password)
    return sign(
        etree.fromstring(request.content.encode()),
        key=key,
        certificate=certificate,
        now=datetime.now(UTC),
        lifetime=timedelta(seconds=said.seconds),
    )


def sender(hub: GuidedHub, folder: Path) -> Callable[[Request], bytes]:
    """Sends requests as soapUI does: over mutual TLS with the request's keystore. Answers must be the hub's."""
    ours = x509.load_pem_x509_certificate((hub.sandbox.certificates / "hub-signing.crt").read_bytes())

    def send(request: Request) -> bytes:
        _alias, key, certificate = read_pkcs12(request.tls)
        pem = folder / "tls.pem"
        pem.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        with requests.Session() as session:
            session.trust_env = False
            session.cert, session.verify = str(pem), str(hub.sandbox.certificates / "ca.crt")
            answer = session.post(request.endpoint, signed(request), headers=request.headers, timeout=180).content
        assert verify(etree.fromstring(answer), now=datetime.now(UTC)).certificate == ours
        return answer

    return send


def test_the_committed_project_is_what_the_script_makes() -> None:
    assert PROJECT.read_bytes() == make_project.project(), "run: python soapui/make_project.py"


def test_the_project_fits_soapuis_own_schema() -> None:
    """``soapui.xsd`` of soapUI's public source, which is not ours to keep: named by SMT_WS_SOAPUI_XSD."""
    if "SMT_WS_SOAPUI_XSD" not in os.environ:
        pytest.skip("SMT_WS_SOAPUI_XSD does not name soapUI's soapui.xsd")
    document = etree.parse(os.environ["SMT_WS_SOAPUI_XSD"])
    # one of its types repeats an attribute that it inherits, which libxml2 refuses
    for type_ in document.iter("{http://www.w3.org/2001/XMLSchema}complexType"):
        if type_.get("name") == "BaseMockService":
            for attribute in type_.findall(".//{http://www.w3.org/2001/XMLSchema}attribute[@name='id']"):
                attribute.getparent().remove(attribute)
    etree.XMLSchema(document).assertValid(etree.parse(PROJECT))


def test_a_demanded_element_without_a_sample_value_stops_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sample_requests.VALUES, "startDate")
    with pytest.raises(ValueError, match="RequestIntervalData: no sample value for startDate"):
        make_project.project()


def test_every_operation_that_a_requester_calls_has_a_request_and_a_test_over_both_bindings() -> None:
    published = set()
    for path in (ROOT / "wsdl").glob("*.wsdl"):
        if path.stem in {"RequesterCallback", "TDSPCallback", "TDSPHan"}:
            continue
        for binding in etree.parse(path).getroot().iter("{http://schemas.xmlsoap.org/wsdl/}binding"):
            for operation in binding.iter("{http://schemas.xmlsoap.org/wsdl/}operation"):
                published.add((str(binding.get("name")), str(operation.get("name"))))
    assert len(published) >= 10
    read = Project(PROJECT)
    assert read.operations() == published
    con = {"con": "http://eviware.com/soapui/config"}
    tested = {
        (step.findtext("con:config/con:interface", "", con), step.findtext("con:config/con:operation", "", con))
        for step in read.root.iterfind(".//con:testStep[@type='request']", con)
    }
    assert tested == published


def test_every_test_request_has_an_assertion_that_looks_into_the_answer() -> None:
    con = {"con": "http://eviware.com/soapui/config"}
    steps = Project(PROJECT).root.findall(".//con:testStep[@type='request']", con)
    for step in steps:
        kinds = [one.get("type") for one in step.iterfind("con:config/con:request/con:assertion", con)]
        assert kinds[0] == "SOAP Response", step.get("name")
        assert "XPath Match" in kinds, step.get("name")


def test_the_sample_homes_are_those_of_the_sandbox(guided_hub: GuidedHub) -> None:
    assert set(sample_requests.ESIIDS) <= set(guided_hub.market.esiids)


@pytest.mark.parametrize("suite", SUITES)
def test_a_running_hub_fulfils_the_projects_own_assertions(
    guided_hub: GuidedHub, project: Project, schema: etree.XMLSchema, tmp_path: Path, suite: str
) -> None:
    told = []
    for request, answer in project.run(suite, sender(guided_hub, tmp_path)):
        assert project.broken(request, answer, schema) == [], answer.decode()
        told.append(request.operation)
    assert set(told) == {request.operation for request in project.calls()}
    assert int(project.properties["correlationId"]) >= 1


def test_the_requests_to_try_are_answered_too(guided_hub: GuidedHub, project: Project, tmp_path: Path) -> None:
    """Those under the interfaces, without assertions: each is understood, and answered without a security fault."""
    send = sender(guided_hub, tmp_path)
    for request in project.calls():
        answer = send(request)
        codes = {str(one.text) for one in etree.fromstring(answer).iter("{urn:smt-ws:common:1}code")}
        usual = {"ORDER_FINISHED", "ORDER_UNKNOWN", "SUBSCRIPTION_ALREADY_ACTIVE", "SUBSCRIPTION_UNKNOWN"}
        usual |= {"AGREEMENT_UNKNOWN", "INVITATION_PENDING", "ONE_TIME_LIMIT"}
        usual |= {"DEVICE_THERE_ALREADY", "DEVICE_NOT_REMOVABLE", "NO_PENDING_ADD", "NO_DEVICE", "MESSAGE_UNKNOWN"}
        usual.add("MESSAGE_NOT_CANCELLABLE")
        assert codes <= usual, answer.decode()


def test_an_assertion_fails_where_the_answer_is_another(
    guided_hub: GuidedHub, project: Project, schema: etree.XMLSchema, tmp_path: Path
) -> None:
    """Otherwise the assertions' holding would prove nothing."""
    for request, answer in project.run(SUITES[0], sender(guided_hub, tmp_path)):
        if request.operation == "Ping":
            other = answer.replace(b"statusCode>0<", b"statusCode>1<").replace(b"clockSkewSeconds>", b"clockSkew>")
            assert project.broken(request, other, schema) == ["Schema Compliance", "it was done"]
        if request.name == "Ask about nobody's order":
            unlike = answer.replace(b"ORDER_UNKNOWN", b"ORDER_LOST")
            assert project.broken(request, unlike, schema) == ["the code is ORDER_UNKNOWN"]


@pytest.mark.interop
@pytest.mark.parametrize("suite", SUITES)
def test_the_engine_of_soapui_signs_them_and_the_assertions_hold(
    guided_hub: GuidedHub,
    project: Project,
    schema: etree.XMLSchema,
    tmp_path: Path,
    suite: str,
) -> None:
    """WSS4J, which soapUI signs with, from the project's own keystores, over its own TLS.

    It signs the first request of each service; the others are ours, because each start of a JVM takes seconds.
    """
    ours = sender(guided_hub, tmp_path)
    tried: set[str] = set()
    folder = tmp_path
    peer = java_peer(folder)
    authority = x509.load_pem_x509_certificate((guided_hub.sandbox.certificates / "ca.crt").read_bytes())
    (folder / "trust.p12").write_bytes(
        pkcs12.serialize_java_truststore(
            [pkcs12.PKCS12Certificate(authority, b"ca")], BestAvailableEncryption(b"sample")
        )
    )

    def send(request: Request) -> bytes:
        if request.endpoint in tried:
            return ours(request)
        tried.add(request.endpoint)
        signed(request)  # for what it asserts of the configuration
        (folder / "request.xml").write_text(request.content)
        done = peer(
            "call", "--in", folder / "request.xml", "--out", folder / "answer.xml", "--endpoint", request.endpoint,
            "--action", request.action, "--keystore", request.outgoing.keystore.path, "--alias", request.outgoing.alias,
            "--password", request.outgoing.key_password, "--tls-keystore", request.tls.path,
            "--truststore", folder / "trust.p12",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return (folder / "answer.xml").read_bytes()

    for request, answer in project.run(suite, send):
        assert project.broken(request, answer, schema) == [], answer.decode()
