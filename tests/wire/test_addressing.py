"""Signed WS-Addressing, as a .NET Framework client sends it (Soap11WSAddressing10), is held to and answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hub_in_process import REP, HubInProcess, fault_code, hub_in_process
from lxml import etree

from adapters.soap import wssecurity
from adapters.soap.faults import SOAP11, SOAP12
from adapters.soap.wss_names import WSA
from smt_ws.clock import FixedClock
from smt_ws.soap.app import CONTRACTS
from smt_ws.store.engine import Store

ANONYMOUS = f"{WSA}/anonymous"
PING = "urn:smt-ws:Connectivity:1:Ping"
GOOD = {
    "Action": PING,
    "MessageID": "urn:uuid:28dd5d9d-44b5-41f8-bf28-bf6a2ba2b75b",
    "ReplyTo": ANONYMOUS,
    "To": "https://hub.example:5200/soap/Connectivity",
}
BODY = (
    '<Ping xmlns="urn:smt-ws:Connectivity:1"><trans_id>{}</trans_id><requestorID>raw</requestorID>'
    "<requesterType>REP</requesterType><requesterAuthenticationID>111111111</requesterAuthenticationID>"
    "<SMTTermsandConditions>Y</SMTTermsandConditions></Ping>"
)


@pytest.fixture(scope="module")
def hub(migrated_sqlite, tmp_path_factory) -> Iterator[HubInProcess]:
    import shutil

    folder = tmp_path_factory.mktemp("hub")
    shutil.copyfile(migrated_sqlite, folder / "hub.db")
    store = Store(f"sqlite:///{folder / 'hub.db'}")
    soap = {"base_url": "https://hub.example:5200", "also_at": ["https://inside.example"]}
    with hub_in_process(store, folder, FixedClock(datetime(2026, 11, 20, 15, tzinfo=UTC)), soap=soap) as opened:
        yield opened
    store.close()


def asked(hub, values, *, soap=SOAP11, signed=True, trans_id="p", **http):
    """Send a Ping with these addressing headers; return the answer's envelope and what its signature says."""
    headers = "".join(
        f'<a:{name} xmlns:a="{WSA}" s:mustUnderstand="1">'
        + (f"<a:Address>{value}</a:Address>" if name in {"ReplyTo", "FaultTo"} else value)
        + f"</a:{name}>"
        for name, value in values.items()
    )
    root = etree.fromstring(
        f'<s:Envelope xmlns:s="{soap}"><s:Header>{headers}</s:Header>'
        f"<s:Body>{BODY.format(trans_id)}</s:Body></s:Envelope>"
    )
    who = hub.identities[REP]
    now = datetime.now(UTC)
    message = wssecurity.sign(
        root, key=who.key, certificate=who.certificate, now=now, headers=list(root[0]) if signed else ()
    )
    kind = "text/xml" if soap == SOAP11 else "application/soap+xml"
    _, content = hub.post("Connectivity", message, CONTENT_TYPE=kind, **http)
    answer = etree.fromstring(content, etree.XMLParser(remove_comments=True))
    return answer, wssecurity.verify(answer, now=datetime.now(UTC))


def told(answer, name):
    return answer[0].findtext(f"{{{WSA}}}{name}")


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
def test_a_signed_address_is_answered_with_a_signed_address(hub, soap):
    answer, found = asked(hub, GOOD, soap=soap)
    assert etree.QName(found.body).localname == "PingResponse", etree.tostring(found.body)
    assert found.addressing is not None  # read from what the hub signed
    assert (found.addressing.action, found.addressing.to) == (f"{PING}Response", ANONYMOUS)
    assert told(answer, "RelatesTo") == GOOD["MessageID"]
    references = [one.get("URI") for one in answer.iter("{http://www.w3.org/2000/09/xmldsig#}Reference")]
    assert len(references) == 5


@pytest.mark.parametrize(
    "to", ["HTTPS://HUB.example:5200/soap/Connectivity", "https://inside.example:443/soap/Connectivity"]
)
def test_each_configured_address_is_the_hubs(hub, to):
    _, found = asked(hub, GOOD | {"To": to})
    assert etree.QName(found.body).localname == "PingResponse"


REFUSED = {
    "another operation's action": ({"Action": f"{PING}x"}, "SOAP_ACTION"),
    "another operation of another service": ({"Action": "urn:smt-ws:MeterUsage:1:CancelRequest"}, "SOAP_ACTION"),
    "another hub": ({"To": "https://evil.example:5200/soap/Connectivity"}, "ADDRESSING_REFUSED"),
    "another service": ({"To": "https://hub.example:5200/soap/MeterUsage"}, "ADDRESSING_REFUSED"),
    "without TLS": ({"To": "http://hub.example:5200/soap/Connectivity"}, "ADDRESSING_REFUSED"),
    "no address at all": ({"To": "urn:x"}, "ADDRESSING_REFUSED"),
    "a port that is none": ({"To": "https://hub.example:x/soap/Connectivity"}, "ADDRESSING_REFUSED"),
    "a reply elsewhere": ({"ReplyTo": "https://evil.example/"}, "ADDRESSING_REFUSED"),
    "a reply to nobody": ({"ReplyTo": f"{WSA}/none"}, "ADDRESSING_REFUSED"),
    "faults elsewhere": ({"FaultTo": "https://evil.example/"}, "ADDRESSING_REFUSED"),
    "no action": ({"Action": ""}, "ADDRESSING_REFUSED"),
    "no message id": ({"MessageID": ""}, "ADDRESSING_REFUSED"),
    "no to": ({"To": ""}, "ADDRESSING_REFUSED"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_hub_does_not_do_is_refused_with_an_addressed_fault(hub, case):
    changed, code = REFUSED[case]
    values = {name: value for name, value in (GOOD | changed).items() if value}
    answer, found = asked(hub, values)
    assert fault_code(found.body) == code
    assert found.addressing is not None
    assert found.addressing.action == f"{WSA}/fault"
    assert told(answer, "RelatesTo") == values.get("MessageID")
    sentence = found.body.findtext("faultstring")
    assert f"wsa:{next(iter(changed))}" in sentence


def test_a_fault_of_the_request_itself_is_addressed_too(hub):
    answer, found = asked(hub, GOOD, trans_id="")
    assert fault_code(found.body) == "SCHEMA_VIOLATION"
    assert found.addressing.action == f"{WSA}/soap/fault"
    assert told(answer, "RelatesTo") == GOOD["MessageID"]


def test_headers_that_nobody_signed_are_not_understood_and_choose_nothing(hub):
    answer, found = asked(hub, GOOD, signed=False)
    assert fault_code(found.body) == "SOAP_MUST_UNDERSTAND"
    assert "sign" in found.body.findtext("faultstring")
    assert found.addressing is None
    assert told(answer, "RelatesTo") is None


def test_the_http_header_and_the_signed_action_must_both_agree(hub):
    _, found = asked(hub, GOOD, HTTP_SOAPACTION='"urn:smt-ws:Connectivity:1:Other"')
    assert fault_code(found.body) == "SOAP_ACTION"
    _, found = asked(hub, GOOD, HTTP_SOAPACTION=f'"{PING}"')
    assert etree.QName(found.body).localname == "PingResponse"


def test_a_token_without_an_encoding_type_has_the_default_one(hub):
    """WSS 1.1 section 6.3: Base64Binary."""
    root = etree.fromstring(f'<s:Envelope xmlns:s="{SOAP11}"><s:Body>{BODY.format("p")}</s:Body></s:Envelope>')
    who = hub.identities[REP]
    message = wssecurity.sign(root, key=who.key, certificate=who.certificate, now=datetime.now(UTC))
    root = etree.fromstring(message)
    token = next(root.iter("{*}BinarySecurityToken"))
    del token.attrib["EncodingType"]
    _, content = hub.post("Connectivity", etree.tostring(root))
    assert b"PingResponse" in content


def test_the_page_for_dotnet_says_that_it_was_not_run_and_its_binding_is_well_formed():
    page = (CONTRACTS / "docs" / "guide" / "dotnet.md").read_text(encoding="utf-8")
    assert "Not run against .NET" in page
    binding = etree.fromstring(page.partition("```xml\n")[2].partition("```")[0])
    assert binding.find(".//textMessageEncoding").get("messageVersion") == "Soap11WSAddressing10"
    assert binding.find(".//endpoint").get("address").endswith("/soap/Connectivity")
    assert PING in page
