"""The signed client against real servers over mutual TLS on loopback: it believes only a signed answer of the hub."""

import http.server
import ipaddress
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import pytest
import requests
import zeep.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from lxml import etree
from wss_messages import envelope, key, parse

from adapters.soap.client import SignedMessages, UntrustedAnswer, UnusableAnswer, connect
from adapters.soap.wss_names import SOAP11
from adapters.soap.wssecurity import SecurityFailure, sign, verify

WSDL = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:t="urn:t" targetNamespace="urn:t"><types><s:schema xmlns:s="http://www.w3.org/2001/XMLSchema"
 targetNamespace="urn:t" elementFormDefault="qualified"><s:element name="Echo" type="s:string"/>
 <s:element name="EchoResponse" type="s:string"/></s:schema></types>
 <message name="In"><part name="p" element="t:Echo"/></message>
 <message name="Out"><part name="p" element="t:EchoResponse"/></message>
 <portType name="P"><operation name="Echo"><input message="t:In"/><output message="t:Out"/></operation></portType>
 <binding name="B" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
 <operation name="Echo"><soap:operation soapAction="urn:t:Echo"/>
 <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
 <service name="S"><port name="Q" binding="t:B"><soap:address location="https://localhost:1/wrong"/></port></service>
</definitions>"""


def issue(name, authority=None):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = authority.subject if authority else subject
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(minutes=5))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
    )
    if authority is None:
        usage = dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True)
        off = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
        usage |= dict.fromkeys((*off, "decipher_only"), False)
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key(name).public_key()), critical=False
        )
    else:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key("ca").public_key())
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key("ca"), hashes.SHA256())


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A folder of PEM files for a CA, a hub, a REP and a stranger."""
    folder = tmp_path_factory.mktemp("wss")
    certificates = {"ca": issue("ca")}
    for name in ("hub", "rep", "stranger"):
        certificates[name] = issue(name, certificates["ca"])
    for name, certificate in certificates.items():
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        (folder / f"{name}.key").write_bytes(
            key(name).private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        )
    (folder / "echo.wsdl").write_text(WSDL)
    return folder, certificates


@contextmanager
def serving(folder, answer):
    """A mutual-TLS server that gives each verified request's text to ``answer`` → (status, type, bytes)."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(200, "text/xml", WSDL.encode())

        def do_POST(self):
            request = parse(self.rfile.read(int(self.headers["Content-Length"])))
            found = verify(request, now=datetime.now(UTC))
            seen.append((found.certificate, found.body.text))
            self._send(*answer(found.body.text))

        def _send(self, status, kind, content):
            self.send_response(status)
            if kind.startswith("https:"):
                self.send_header("Location", kind)
            elif kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "hub.pem", folder / "hub.key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/soap", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client_of(house, address, *, wsdl=None, trusted=("hub",)):
    folder, certificates = house
    return connect(
        wsdl or folder / "echo.wsdl",
        address=address,
        tls_certificate=folder / "rep.pem",
        tls_key=folder / "rep.key",
        ca=folder / "ca.pem",
        signing_certificate=folder / "rep.pem",
        signing_key=folder / "rep.key",
        hub_certificates=[certificates[name] for name in trusted],
        timeout=10,
    )


def reply(text, certificates, signer="hub", **more):
    return sign(
        parse(unsigned_reply(text)), key=key(signer), certificate=certificates[signer], now=datetime.now(UTC), **more
    )


def unsigned_reply(text):
    return (
        f'<e:Envelope xmlns:e="{SOAP11}"><e:Body><t:EchoResponse xmlns:t="urn:t">{escape(text)}</t:EchoResponse>'
        "</e:Body></e:Envelope>"
    ).encode()


FAULT = (
    f'<e:Envelope xmlns:e="{SOAP11}"><e:Body><e:Fault><faultcode>e:Client</faultcode><faultstring>no</faultstring>'
    "</e:Fault></e:Body></e:Envelope>"
).encode()


@pytest.mark.parametrize("wsdl_from_hub", [False, True], ids=["WSDL file", "WSDL over the same mutual TLS"])
def test_a_signed_call_and_its_signed_answer(house, monkeypatch, wsdl_from_hub):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    folder, certificates = house
    with serving(folder, lambda text: (200, "text/xml; charset=utf-8", reply(text, certificates))) as (address, seen):
        client = client_of(house, address, wsdl=f"{address}?wsdl" if wsdl_from_hub else None)
        with client.transport.session:
            assert client.service.Echo("hello & é") == "hello & é"
    assert seen == [(certificates["rep"], "hello & é")]


def test_a_signed_fault_is_a_fault(house):
    folder, certificates = house
    fault = sign(parse(FAULT), key=key("hub"), certificate=certificates["hub"], now=datetime.now(UTC))
    with serving(folder, lambda _: (500, "text/xml", fault)) as (address, _):
        client = client_of(house, address)
        with client.transport.session, pytest.raises(zeep.exceptions.Fault, match="no"):
            client.service.Echo("x")


def _mtom(content):
    head = b'--b\r\nContent-Type: application/xop+xml; type="text/xml"\r\nContent-ID: <1>\r\n\r\n'
    return 200, 'multipart/related; type="application/xop+xml"; boundary="b"', head + content + b"\r\n--b--"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda c: (200, "text/xml", unsigned_reply("x")), "WSS_UNSIGNED"),
        (lambda c: (500, "text/xml", FAULT), "WSS_UNSIGNED"),
        (lambda c: (200, "text/xml", reply("x", c, "stranger")), "WSS_UNTRUSTED_SIGNER"),
        (lambda c: (200, "text/xml", reply("x", c, "rep")), "WSS_UNTRUSTED_SIGNER"),
        (lambda c: (200, "text/xml", reply("x", c).replace(b">x<", b">y<")), "WSS_DIGEST_MISMATCH"),
        (lambda c: (200, "text/xml", reply("x", c, lifetime=timedelta(hours=1))), "WSS_LIFETIME"),
        (lambda c: (200, "text/xml", envelope()), "WSS_UNSIGNED"),
        (lambda c: (202, "", b""), "WSS_UNUSABLE_ANSWER"),
        (lambda c: (201, "text/xml", b""), "WSS_UNUSABLE_ANSWER"),
        (lambda c: (413, "text/plain", b"too large"), "WSS_UNUSABLE_ANSWER"),
        (lambda c: (200, "text/html", reply("x", c)), "WSS_UNUSABLE_ANSWER"),
        (lambda c: _mtom(reply("x", c)), "WSS_UNUSABLE_ANSWER"),
        (lambda c: (307, "https://127.0.0.1:1/", b""), "WSS_UNUSABLE_ANSWER"),
        (lambda c: (200, "text/xml", b"<a" + b' xmlns:b="c"' * 100 + b"/>"), "WSS_LIMIT"),
    ],
    ids=[
        "unsigned", "unsigned fault", "another company's signature", "our own signature", "changed", "long-lived",
        "another message", "202 without content", "201 without content", "413 from a gate", "HTML", "MTOM",
        "redirect", "namespace flood",
    ],
)  # fmt: skip
def test_an_answer_that_is_not_the_hubs_is_not_believed(house, answer, code):
    folder, certificates = house
    with serving(folder, lambda _: answer(certificates)) as (address, _):
        client = client_of(house, address)
        with client.transport.session, pytest.raises(SecurityFailure) as caught:
            client.service.Echo("x")
    assert caught.value.code == code


def test_a_server_of_another_ca_is_not_spoken_to(house, tmp_path):
    folder, certificates = house
    (tmp_path / "ca.pem").write_bytes(certificates["stranger"].public_bytes(serialization.Encoding.PEM))
    with serving(folder, lambda text: (200, "text/xml", reply(text, certificates))) as (address, seen):
        client = client_of(house, address)
        client.transport.session.verify = str(tmp_path / "ca.pem")
        with client.transport.session, pytest.raises(requests.exceptions.SSLError):
            client.service.Echo("x")
    assert not seen


def test_a_certificate_out_of_its_dates_is_not_believed(house):
    _, certificates = house
    later = datetime.now(UTC) + timedelta(minutes=6)
    plug_in = SignedMessages(
        key=key("rep"), certificate=certificates["rep"], hub_certificates=[certificates["hub"]], now=lambda: later
    )
    answer = sign(parse(envelope()), key=key("hub"), certificate=certificates["hub"], now=later)
    with pytest.raises(UntrustedAnswer, match="within its dates"):
        plug_in.verify(parse(answer))


def test_a_client_that_trusts_nobody_cannot_be_made(house):
    with pytest.raises(ValueError, match="at least one"):
        client_of(house, "https://127.0.0.1:1/", trusted=())


def test_what_the_plug_in_signs_survives_zeeps_own_serialising(house):
    _, certificates = house
    plug_in = SignedMessages(key=key("rep"), certificate=certificates["rep"], hub_certificates=[certificates["hub"]])
    tree, headers = plug_in.apply(parse(envelope()), {"a": "b"})
    again = parse(etree.tostring(tree, xml_declaration=True, encoding="utf-8"))
    assert verify(again, now=datetime.now(UTC)).certificate == certificates["rep"]
    assert headers == {"a": "b"}
    assert UnusableAnswer.code == "WSS_UNUSABLE_ANSWER"
