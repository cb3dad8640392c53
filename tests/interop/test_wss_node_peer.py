"""npm soap with xml-crypto against our verifier and signer, over mutual TLS."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from wss_house import make_house, reply, serving
from wss_messages import key, parse
from wss_runtimes import node_client

from adapters.soap.wss_names import SOAP11
from adapters.soap.wssecurity import SecurityFailure, sign, verify

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    return folder, make_house(folder)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    return node_client(tmp_path_factory.mktemp("modules"))


def call(client, folder, address, *more):
    (folder / "arguments.json").write_text(json.dumps({"$value": "hello"}))
    return client(
        "--wsdl", folder / "echo.wsdl", "--operation", "Echo", "--arguments", folder / "arguments.json",
        "--endpoint", address, "--signing-key", folder / "rep.key", "--signing-certificate", folder / "rep.pem",
        "--tls-key", folder / "rep.key", "--tls-certificate", folder / "rep.pem", "--ca", folder / "ca.pem",
        "--hub-certificate", folder / "hub.pem", "--request-out", folder / "request.xml", *more,
    )  # fmt: skip


@pytest.mark.parametrize("soap12", ["no", "yes"])
def test_npm_soap_is_verified_and_verifies_our_answer(house, client, soap12):
    """With the options that the guide publishes: exc-c14n only and wsu:Id; its lifetime is fixed at 600 s."""
    folder, certificates = house
    with serving(folder, lambda text: (200, "text/xml; charset=utf-8", reply(text, certificates))) as (address, seen):
        done = call(client, folder, address, "--soap12", soap12)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == "hello"
    assert seen == [(certificates["rep"], "hello")]
    found = verify(parse((folder / "request.xml").read_bytes()), now=datetime.now(UTC))
    assert (found.expires - found.created).total_seconds() == 600


def test_npm_soap_verifies_our_signed_fault(house, client):
    folder, certificates = house
    fault = (
        f'<e:Envelope xmlns:e="{SOAP11}"><e:Body><e:Fault><faultcode>e:Client</faultcode><faultstring>no</faultstring>'
        "</e:Fault></e:Body></e:Envelope>"
    )
    signed = sign(parse(fault.encode()), key=key("hub"), certificate=certificates["hub"], now=datetime.now(UTC))
    with serving(folder, lambda _: (500, "text/xml; charset=utf-8", signed)) as (address, _):
        done = call(client, folder, address)
    assert done.returncode == 2, done.stderr
    assert "no" in done.stderr


def test_the_node_client_refuses_our_answer_when_it_is_changed(house, client):
    """Otherwise its acceptance would prove nothing."""
    folder, certificates = house
    changed = reply("hello", certificates).replace(b">hello<", b">jello<")
    with serving(folder, lambda _: (200, "text/xml; charset=utf-8", changed)) as (address, _):
        done = call(client, folder, address)
    assert done.returncode == 1, done.stdout
    assert "signature" in done.stderr


def test_the_defaults_of_npm_soap_are_refused_with_a_reason(house, client):
    """A bare Id and the enveloped-signature transform: the guide names the options that turn them off."""
    folder, certificates = house
    refusals = []

    def answer(request):
        with pytest.raises(SecurityFailure) as caught:
            verify(parse(request), now=datetime.now(UTC))
        refusals.append(caught.value.code)
        return 200, "text/xml; charset=utf-8", reply("hello", certificates)

    with serving(folder, answer, raw=True) as (address, _):
        call(client, folder, address, "--defaults", "yes")
    assert refusals == ["WSS_ALGORITHM"]
