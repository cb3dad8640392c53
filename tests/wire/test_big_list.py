"""The big list of a request is the same whether it is read from the signed bytes or from the tree."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.soap.contract import BigList, Contract
from adapters.soap.faults import SchemaViolation, TooManyEsiids
from adapters.soap.wss_c14n import canonical
from smt_ws.soap.app import CONTRACTS

NAMESPACE = "urn:smt-ws:MeterUsage:1"
CONTRACT = Contract(
    CONTRACTS / "wsdl" / "MeterUsage.wsdl",
    CONTRACTS / "xsd" / "MeterUsage.xsd",
    big_lists={"RequestIntervalData": BigList("esiid", 50_000, TooManyEsiids, "0" * 17)},
)
HEADER = (
    "<m:trans_id>&lt;m:esiid></m:trans_id><m:requestorID>x</m:requestorID><m:requesterType>REP</m:requesterType>"
    "<m:requesterAuthenticationID>111111111</m:requesterAuthenticationID>"
    "<m:SMTTermsandConditions>Y</m:SMTTermsandConditions>"
    "<m:startDate>10/01/2026</m:startDate><m:endDate>10/31/2026</m:endDate><m:reportFormat>CSV</m:reportFormat>"
)


def body_of(entries: str, prefix: str = "m") -> etree._Element:
    header, name = (HEADER, "m:esiid") if prefix else (HEADER.replace("m:", ""), "esiid")
    declared = f'xmlns:m="{NAMESPACE}"' if prefix else f'xmlns="{NAMESPACE}"'
    ask = "m:RequestIntervalData" if prefix else "RequestIntervalData"
    text = f"<s:Body xmlns:s='urn:s'><{ask} {declared}>{header}{entries.replace('ENTRY', name)}</{ask}></s:Body>"
    return etree.fromstring(text)[0]


def read(body: etree._Element, signed_body: bytes) -> object:
    try:
        return CONTRACT.judge(body, "RequestIntervalData", signed_body).entries["esiid"]
    except SchemaViolation as refused:
        return [(one.element, one.presented) for one in refused.findings]


entry = st.sampled_from(
    [
        "<ENTRY>10443720000000001</ENTRY>",
        "<ENTRY/>",
        "<ENTRY>a&amp;b</ENTRY>",
        "<ENTRY>&#13;</ENTRY>",
        "<ENTRY>é</ENTRY>",
        "<ENTRY><![CDATA[</ENTRY>]]></ENTRY>",
        "<ENTRY a='1'>1</ENTRY>",
        "<ENTRY><b/></ENTRY>",
        "<o:esiid xmlns:o='urn:o'>1</o:esiid>",
        "<ENTRY xmlns:m='urn:o'>1</ENTRY>",
        f"<n:esiid xmlns:n='{NAMESPACE}'>2</n:esiid>",
        f"<ENTRY>{'7' * 99}</ENTRY>",
        "\n  ",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(entry, max_size=6), st.sampled_from(["m", ""]))
def test_bytes_and_tree_agree(entries, prefix):
    body = body_of("".join(entries), prefix)
    assert read(body, canonical(body.getparent())) == read(body, b"")


@pytest.mark.parametrize("prefix", ["m", ""])
def test_the_ordinary_list_is_read_from_the_bytes(monkeypatch, prefix):
    monkeypatch.setattr("adapters.soap.contract._Entries._from_tree", lambda _self: pytest.fail("read from the tree"))
    body = body_of("".join(f"<ENTRY>{n:017d}</ENTRY>" for n in range(500)), prefix)
    assert read(body, canonical(body.getparent())) == [f"{n:017d}" for n in range(500)]
