"""Markup that parser and reader see differently, and floods: refused before any canonicalisation."""

from datetime import timedelta

import pytest
from lxml import etree
from wss_messages import (
    NOW,
    at_once,
    envelope,
    forge,
    parse,
    refused,
    signed,
)

from adapters.soap.wss_names import EXC_C14N, WSU
from adapters.soap.wssecurity import SecurityFailure, check_bytes, check_shape, verify

_DTD = b'<!DOCTYPE s [<!ENTITY e "EVIL"><!ATTLIST m:Request role CDATA "admin">]>'


@pytest.mark.parametrize(
    "change",
    [
        lambda m: _DTD + m.split(b"?>", 1)[1],
        lambda m: _DTD + m.split(b"?>", 1)[1].replace(b">T1<", b">&e;<"),
        lambda m: m.replace(b">T1<", b">T<?evil x?>1<"),
        lambda m: m.replace(b"?>", b"?><?evil x?>", 1),
        lambda m: m + b"<?evil x?>",
        lambda m: m.replace(b"<s:Header>", b"<s:Header><?evil x?>"),
    ],
    ids=["DOCTYPE", "entity", "PI in content", "PI before the envelope", "PI after the envelope", "PI in the header"],
)
def test_document_type_entity_and_processing_instruction_are_refused(change):
    refused(change(signed()), "WSS_BAD_SHAPE")


def test_a_comment_cannot_cut_a_value_short():
    """C14N drops comments: with a parser that keeps them the tree is refused, without them the value is whole."""
    message = signed().replace(b">T1<", b">T<!--x-->1<")
    assert verify(parse(message), now=NOW).body[0].text == "T1"
    refused(etree.fromstring(message), "WSS_BAD_SHAPE")
    refused(etree.fromstring(signed().replace(b"?>", b"?><!--x-->", 1)), "WSS_BAD_SHAPE")


def test_cdata_and_character_references_are_the_same_text_to_all():
    message = signed().replace(b">T1<", b"><![CDATA[T]]>&#49;<")
    assert verify(parse(message), now=NOW).body[0].text == "T1"


def test_an_envelope_within_another_document_is_not_a_message():
    outer = parse(b"<outer>" + signed().split(b"?>", 1)[1] + b"</outer>")
    refused(outer[0], "WSS_BAD_SHAPE")


# --- floods: refused before any canonicalisation ----------------------------------------------------------------------


def _namespaces(count):
    return "".join(f' xmlns:a{i}="urn:a{i}"' for i in range(count)).encode()


_PLAIN_LEAVES = b"<y/>" * 20_000
_FLOODS = {
    "namespaces on the Envelope": lambda m: m.replace(b"<s:Envelope", b"<s:Envelope" + _namespaces(50_000), 1),
    "namespaces on the Header": lambda m: m.replace(b"<s:Header", b"<s:Header" + _namespaces(50_000), 1),
    "namespaces on the Security header": lambda m: m.replace(
        b"<wsse:Security", b"<wsse:Security" + _namespaces(50_000), 1
    ),
    "namespaces on the Timestamp": lambda m: m.replace(b"<wsu:Timestamp", b"<wsu:Timestamp" + _namespaces(50_000), 1),
    "namespaces on SignedInfo": lambda m: m.replace(b"<ds:SignedInfo", b"<ds:SignedInfo" + _namespaces(50_000), 1),
    "namespaces on the Signature": lambda m: m.replace(b"<ds:Signature", b"<ds:Signature" + _namespaces(50_000), 1),
    "namespaces on the Body": lambda m: m.replace(b"<s:Body", b"<s:Body" + _namespaces(50_000), 1),
    "namespaces on the Body's child": lambda m: m.replace(b"<m:Request", b"<m:Request" + _namespaces(50_000), 1),
    "namespaces above plain elements": lambda m: m.replace(
        b"<m:TransId>", b"<m:x" + _namespaces(20_000) + b">" + _PLAIN_LEAVES + b"</m:x><m:TransId>", 1
    ),
    "attributes on the Envelope": lambda m: m.replace(
        b"<s:Envelope", b"<s:Envelope" + b"".join(b' a%d=""' % i for i in range(200_000)), 1
    ),
    "attributes on the Body's child": lambda m: m.replace(
        b"<m:Request", b"<m:Request" + b"".join(b' a%d=""' % i for i in range(200_000)), 1
    ),
    "header entries": lambda m: m.replace(b"<s:Header>", b"<s:Header>" + b"<x/>" * 500_000, 1),
    "children of the Body": lambda m: m.replace(b"<m:Request", b"<x/>" * 500_000 + b"<m:Request", 1),
    "children of the Security header": lambda m: m.replace(b"<wsu:Timestamp", b"<x/>" * 500_000 + b"<wsu:Timestamp", 1),
    "references": lambda m: m.replace(b"<ds:Reference ", b"<ds:Reference/>" * 100_000 + b"<ds:Reference ", 1),
    "Ids": lambda m: m.replace(
        b"<m:TransId>", b"".join(b'<m:x Id="i%d"/>' % i for i in range(50_000)) + b"<m:TransId>", 1
    ),
}


@pytest.mark.parametrize("name", _FLOODS)
def test_a_flood_is_refused_at_once(name):
    message = _FLOODS[name](signed())
    assert len(message) > 100_000
    if "namespaces" in name:
        with pytest.raises(SecurityFailure) as caught:
            check_bytes(message)
        assert caught.value.code == "WSS_LIMIT"
    refused(message, "WSS_LIMIT")


def test_deep_namespaces_that_cost_c14n_nothing_are_counted_in_the_bytes_only():
    """Exclusive C14N leaves unused declarations out, so they change neither the digest nor what the service reads."""
    message = signed().replace(b"<m:Esiid>", b"<m:Esiid" + _namespaces(50_000) + b">", 1)
    tree = parse(message)
    with at_once():
        verify(tree, now=NOW)
    with pytest.raises(SecurityFailure):
        check_bytes(message)


def test_a_prefix_list_does_not_open_the_door_to_a_namespace_flood():
    """Each prefix is searched for by each element: 32 prefixes, 1,000 declarations and 50,000 elements took 9 s."""
    inclusive = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="%s"/>'
    prefixes = tuple(f"a{i}" for i in range(16))
    options = {
        "transforms": f'<ds:Transform Algorithm="{EXC_C14N}">{inclusive % " ".join(prefixes)}</ds:Transform>',
        "prefixes": prefixes,
    }
    honest = forge(**options)
    verify(parse(honest), now=NOW)
    leaves = b"<m:y/>" * 50_000
    deep = honest.replace(b"<m:TransId>", b"<m:x" + _namespaces(60) + b">" + leaves + b"</m:x><m:TransId>", 1)
    refused(deep.replace(b"<m:x", b"<m:x" + b"".join(b' xmlns:b%d="urn:b"' % i for i in range(900))), "WSS_LIMIT")
    refused(honest.replace(b"<m:TransId>", leaves * 2 + b"<m:TransId>", 1), "WSS_LIMIT")


def test_attributes_and_elements_of_an_honest_size_pass_the_guards():
    check_bytes(envelope(count=50_000))
    check_shape(parse(envelope(count=50_000)))
    rows = "".join(f'<m:Row n="{i}" state="A"/>' for i in range(20_000))
    check_shape(parse(envelope().replace(b"<m:TransId>", rows.encode() + b"<m:TransId>", 1)))


def test_attributes_spread_over_elements_are_refused_before_the_tree_is_built():
    """200,000 of them cost a second or two, and their names stay in memory with the thread."""
    spread = b"".join(b"<m:Esiid a%d = \"1\" b%d='2'/>" % (i, i) for i in range(10_001))
    with pytest.raises(SecurityFailure) as caught:
        check_bytes(envelope().replace(b"<m:TransId>", spread + b"<m:TransId>", 1))
    assert caught.value.code == "WSS_LIMIT"
    assert "20,000" in str(caught.value)


def test_an_old_message_is_refused_later_and_not_now():
    """A captured message dies with its Expires plus the skew."""
    message = parse(signed())
    verify(message, now=NOW + timedelta(seconds=359))
    refused(message, "WSS_EXPIRED", now=NOW + timedelta(seconds=360))


def test_a_header_can_be_changed_by_anyone_so_the_result_does_not_carry_it():
    """WS-Addressing spoofing: only Body and Timestamp are signed, and only they are handed on."""
    tree = parse(signed(header='<a:To xmlns:a="http://www.w3.org/2005/08/addressing">hub</a:To>'))
    tree[0][-1].text = "EVIL"
    found = verify(tree, now=NOW)
    assert set(vars(found)) == {"addressing", "body", "certificate", "created", "expires", "signed_body"}
    assert found.addressing is None
    assert b"EVIL" not in found.signed_body
    assert b"hub" not in found.signed_body
    assert f"{{{WSU}}}Id" not in found.body.attrib
