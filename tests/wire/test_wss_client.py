"""The signed client against real servers over mutual TLS on loopback: it believes only a signed answer of the hub."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
import zeep.exceptions
from cryptography.hazmat.primitives import serialization
from lxml import etree
from wss_house import make_house, reply, serving, unsigned_reply
from wss_messages import envelope, key, parse

from adapters.soap.client import SignedMessages, UntrustedAnswer, UnusableAnswer, connect
from adapters.soap.wss_names import SOAP11
from adapters.soap.wssecurity import SecurityFailure, sign, verify


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wss")
    return folder, make_house(folder)


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
        timeout=180,
    )


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
