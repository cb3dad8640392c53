"""A small house of its own for the WS-Security tests: a CA, companies, and a mutual-TLS server on loopback."""

import http.server
import ipaddress
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from wss_messages import key, parse

from adapters.soap.wss_names import SOAP11
from adapters.soap.wssecurity import sign, verify

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


def make_house(folder):
    """Write PEM files for a CA, a hub, a REP and a stranger into ``folder``; return them by name."""
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
    return certificates


@contextmanager
def serving(folder, answer, *, raw=False):
    """A mutual-TLS server that gives each verified request's text to ``answer`` → (status, type, bytes).

    With ``raw`` it gives the request's bytes, unverified.
    """
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(200, "text/xml", WSDL.encode())

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if raw:
                self._send(*answer(content))
                return
            found = verify(parse(content), now=datetime.now(UTC))
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


def reply(text, certificates, signer="hub", **more):
    return sign(
        parse(unsigned_reply(text)), key=key(signer), certificate=certificates[signer], now=datetime.now(UTC), **more
    )


def unsigned_reply(text):
    return (
        f'<e:Envelope xmlns:e="{SOAP11}"><e:Body><t:EchoResponse xmlns:t="urn:t">{escape(text)}</t:EchoResponse>'
        "</e:Body></e:Envelope>"
    ).encode()
