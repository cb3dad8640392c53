"""WSS4J, the engine of soapUI and CXF, against our signer and verifier, and over mutual TLS (Debian libwss4j-java)."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from wss_house import make_house, reply, serving
from wss_messages import envelope, key, parse
from wss_runtimes import java_peer

from adapters.soap.wss_failures import DigestMismatch
from adapters.soap.wss_names import SOAP11, SOAP12
from adapters.soap.wssecurity import Policy, sign, verify

pytestmark = pytest.mark.interop
PASSWORD = BestAvailableEncryption(b"changeit")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wss4j")
    certificates = make_house(folder)
    own = pkcs12.serialize_key_and_certificates(b"signing", key("rep"), certificates["rep"], None, PASSWORD)
    (folder / "rep.p12").write_bytes(own)
    trusted = [pkcs12.PKCS12Certificate(certificates["ca"], b"ca")]
    (folder / "trust.p12").write_bytes(pkcs12.serialize_java_truststore(trusted, PASSWORD))
    return folder, certificates


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    return java_peer(tmp_path_factory.mktemp("classes"))


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
def test_we_verify_what_wss4j_signs(house, peer, soap):
    folder, certificates = house
    (folder / "template.xml").write_bytes(envelope(soap))
    done = peer(
        "sign", "--in", folder / "template.xml", "--out", folder / "signed.xml", "--keystore", folder / "rep.p12"
    )
    assert done.returncode == 0, done.stderr
    message = (folder / "signed.xml").read_bytes()
    assert b"PrefixList" in message
    found = verify(parse(message), now=datetime.now(UTC))
    assert found.certificate == certificates["rep"]
    assert found.body[0].text == "T1"
    with pytest.raises(DigestMismatch):
        verify(parse(message.replace(b">T1<", b">T2<")), now=datetime.now(UTC))


def test_we_verify_what_wss4j_signs_by_issuer_and_serial(house, peer):
    """The default of soapUI: looked up among registered certificates by RFC 4514 name and decimal serial number."""
    folder, certificates = house
    (folder / "template.xml").write_bytes(envelope())
    done = peer(
        "sign", "--in", folder / "template.xml", "--out", folder / "signed.xml", "--keystore", folder / "rep.p12",
        "--identifier", "issuer",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    held = {(c.issuer.rfc4514_string(), c.serial_number): c for c in certificates.values()}
    found = verify(
        parse((folder / "signed.xml").read_bytes()),
        now=datetime.now(UTC),
        policy=Policy(require_token=False),
        certificates=lambda issuer, serial: held.get((issuer, serial)),
    )
    assert found.certificate == certificates["rep"]


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
def test_wss4j_verifies_what_we_sign_and_refuses_it_changed(house, peer, soap):
    folder, certificates = house
    message = sign(parse(envelope(soap)), key=key("hub"), certificate=certificates["hub"], now=datetime.now(UTC))
    (folder / "ours.xml").write_bytes(message)
    done = peer("verify", "--in", folder / "ours.xml", "--truststore", folder / "trust.p12")
    assert done.returncode == 0, done.stderr
    assert "signed by CN=hub over [Body, Timestamp]" in done.stdout
    (folder / "ours.xml").write_bytes(message.replace(b">T1<", b">T2<"))
    done = peer("verify", "--in", folder / "ours.xml", "--truststore", folder / "trust.p12")
    assert done.returncode != 0
    assert "signature or decryption was invalid" in done.stderr


def test_wss4j_calls_over_mutual_tls_and_verifies_the_answer(house, peer):
    folder, certificates = house
    template = f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><t:Echo xmlns:t="urn:t">hello</t:Echo></s:Body></s:Envelope>'
    (folder / "echo.xml").write_text(template)
    with serving(folder, lambda text: (200, "text/xml; charset=utf-8", reply(text, certificates))) as (address, seen):
        done = peer(
            "call", "--in", folder / "echo.xml", "--out", folder / "answer.xml", "--keystore", folder / "rep.p12",
            "--truststore", folder / "trust.p12", "--endpoint", address, "--action", "urn:t:Echo",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["HTTP 200", "signed by CN=hub over [Body, Timestamp]"]
    assert seen == [(certificates["rep"], "hello")]
