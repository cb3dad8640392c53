"""Properties of the verifier: what it accepts is what was signed, whatever is done to the message."""

import copy
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from wss_messages import (
    NOW,
    NS,
    addressed,
    addressed_references,
    addressing,
    certificate,
    forge,
    key,
    parse,
    parts,
    signed,
)

from adapters.soap.wss_c14n import canonical
from adapters.soap.wss_failures import DigestMismatch
from adapters.soap.wss_names import EXC_C14N, SOAP11, SOAP12, WSA
from adapters.soap.wssecurity import SecurityFailure, body_digest, sign, verify

INCLUSIVE = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="s m x"/>'
MESSAGES = [
    signed(header="<h>1</h>"),
    signed(SOAP12),
    forge(
        transforms=f'<ds:Transform Algorithm="{EXC_C14N}">{INCLUSIVE}</ds:Transform>',
        c14n_inner=INCLUSIVE,
        prefixes=("s", "m", "x"),
        namespaces=' xmlns:x="urn:x" xmlns:m="urn:example:meter"',
    ),
    addressed(),
    addressed(SOAP12),
    forge(
        header=addressing(),
        references=(("#body", ".//{*}Body"), ("#ts", ".//{*}Timestamp"), *addressed_references()),
    ),
]
HONEST = [verify(parse(message), now=NOW) for message in MESSAGES]
DIGESTS = [body_digest(found.body) for found in HONEST]
some = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
which = st.integers(0, len(MESSAGES) - 1)
text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"))


def accepted_means_unchanged(number, message):
    """The one property: refused, or the very content, instants and place that were signed."""
    try:
        tree = parse(message)
        found = verify(tree, now=NOW)
    except (etree.XMLSyntaxError, SecurityFailure):
        return False
    assert body_digest(found.body) == body_digest(found.body, found.signed_body) == DIGESTS[number]
    assert (found.created, found.expires) == (HONEST[number].created, HONEST[number].expires)
    assert found.addressing == HONEST[number].addressing
    assert found.body is tree[1][0]
    assert found.certificate.public_key() == certificate().public_key()
    return True


@some
@given(which, st.data())
def test_a_byte_changed_added_or_lost_anywhere(number, data):
    message = bytearray(MESSAGES[number])
    place = data.draw(st.integers(0, len(message) - 1))
    how = data.draw(st.sampled_from(["change", "add", "lose"]))
    octet = data.draw(st.integers(0, 255) | st.sampled_from(list(b"<>&\"'= /T1")))
    if how == "change":
        message[place] = octet
    elif how == "add":
        message.insert(place, octet)
    else:
        del message[place]
    accepted_means_unchanged(number, bytes(message))


@some
@given(which, st.data())
def test_elements_moved_copied_dropped_or_renamed(number, data):
    tree = parse(MESSAGES[number])
    for _ in range(data.draw(st.integers(1, 3))):
        elements = list(tree.iter("*"))
        one = elements[data.draw(st.integers(0, len(elements) - 1))]
        other = elements[data.draw(st.integers(0, len(elements) - 1))]
        how = data.draw(st.sampled_from(["copy into", "move into", "before", "drop", "rename", "replace", "set id"]))
        inside = one in list(other.iterancestors()) or one is other or one is tree
        if how == "copy into":
            other.append(copy.deepcopy(one))
        elif how == "rename":
            one.tag = other.tag
        elif how == "set id":
            for name, value in other.attrib.items():
                one.set(name, value)
        elif inside:
            continue
        elif how == "move into":
            other.append(one)
        elif how == "before" and other is not tree:
            other.addprevious(one)
        elif how == "replace" and other is not tree:
            other.getparent().replace(other, copy.deepcopy(one))
        elif how == "drop":
            one.getparent().remove(one)
    accepted_means_unchanged(number, etree.tostring(tree))


@some
@given(which, st.data())
def test_every_single_change_of_signed_content_is_refused(number, data):
    """Text, attribute, name, order or number of anything within Body, Timestamp or a signed addressing header."""
    tree = parse(MESSAGES[number])
    found = parts(tree)
    headers = [one for one in found["header"] if etree.QName(one).namespace == WSA]
    part = data.draw(st.sampled_from([found["body"], found["timestamp"], *headers]))
    element = data.draw(st.sampled_from(list(part.iter("*"))))
    how = data.draw(st.sampled_from(["text", "attribute", "name", "namespace", "lose", "add", "twice"]))
    if how == "text":
        new = data.draw(text)
        if new == (element.text or ""):
            return
        element.text = new
    elif how == "attribute":
        element.set(data.draw(st.sampled_from(["a", "{urn:a}b", "nil"])), data.draw(text))
    elif how == "name":
        element.tag = element.tag + "x"
    elif how == "namespace":
        element.tag = "{urn:other}" + etree.QName(element).localname
    elif how == "lose" and element is not part:
        element.getparent().remove(element)
    elif how == "twice" and element is not part:
        element.addnext(copy.deepcopy(element))
    else:
        etree.SubElement(element, "extra")
    with pytest.raises(SecurityFailure):
        verify(parse(etree.tostring(tree)), now=NOW)


@settings(max_examples=150, deadline=None)
@given(st.lists(text, min_size=1, max_size=5), st.sampled_from([SOAP11, SOAP12]), st.integers(1, 600))
def test_any_content_signed_is_read_back_as_it_was(texts, soap, seconds):
    tree = etree.Element(f"{{{soap}}}Envelope")
    content = etree.SubElement(etree.SubElement(tree, f"{{{soap}}}Body"), "{urn:x}All", nsmap={None: "urn:x"})
    for value in texts:
        etree.SubElement(content, "{urn:x}One", note=value).text = value
    message = sign(tree, key=key(), certificate=certificate(), now=NOW, lifetime=timedelta(seconds=seconds))
    found = verify(parse(message), now=NOW)
    assert [one.text or "" for one in found.body] == texts
    assert [one.get("note") for one in found.body] == texts


def test_the_smallest_change_of_one_digit_is_a_digest_mismatch():
    tree = parse(MESSAGES[0])
    last = tree.findall(".//m:Esiid", NS)[-1]
    last.text = last.text[:-1] + ("0" if last.text[-1] != "0" else "1")
    with pytest.raises(DigestMismatch):
        verify(tree, now=NOW)


PREFIX = st.sampled_from(["", "s", "m", "u"])
WORDS = st.text("ab<>&\"' :\r\n", max_size=6)


@some
@given(PREFIX, PREFIX, st.dictionaries(PREFIX, WORDS, max_size=3), WORDS, WORDS, st.booleans())
def test_content_cut_out_of_the_signed_body_is_canonical(outer, inner, attributes, before, within, again):
    """The digest that tells repeats is the same whether the content is canonicalised alone or cut out."""

    def named(prefix, local, element):
        uri = {"s": "urn:s", "m": "urn:m", "u": "urn:u"}.get(prefix)
        return f"{{{uri}}}{local}" if uri else local if element else None

    body = etree.Element(
        named(outer, "Body", True), {named("u", "Id", False): "a>b"}, nsmap={"s": "urn:s", "m": "urn:m", "u": "urn:u"}
    )
    body.text = before
    content = etree.SubElement(body, named(inner, "Ask", True))
    content.text, content.tail = within, before
    for prefix, value in attributes.items():
        content.set(named(prefix, "a", False) or "a", value)
    if again:
        etree.SubElement(content, "{urn:other}x", nsmap={"s": "urn:other"})
    assert body_digest(content, canonical(body)) == body_digest(content)
