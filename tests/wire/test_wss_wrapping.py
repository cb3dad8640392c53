"""Honest messages rearranged by an attacker without a key: each is refused for the reason expected, and quickly.

The wrapping shapes XSW1 to XSW9 are those known from SAML, translated to SOAP: "evil" is a Body of the attacker's.
"""

import copy

import pytest
from lxml import etree
from wss_messages import (
    ADDRESSES,
    NOW,
    NS,
    addressed,
    addressed_references,
    addressing,
    certificate,
    forge,
    parse,
    parts,
    refused,
    signed,
    token,
)

from adapters.soap.wss_names import DS, SOAP11, SOAP12, WSA, WSSE, WSU_ID
from adapters.soap.wssecurity import SecurityFailure, verify

EVIL = (
    f'<s:Body xmlns:s="{SOAP11}"><m:Request xmlns:m="urn:example:meter">'
    "<m:TransId>EVIL</m:TransId></m:Request></s:Body>"
)


def evil_body(identity=None):
    body = etree.fromstring(EVIL)
    if identity:
        body.set(WSU_ID, identity)
    return body


def xsw1(tree, p):
    """The signed Body, inside the Signature; evil in its place."""
    tree.replace(p["body"], evil_body())
    p["signature"].append(p["body"])


def xsw2(tree, p):
    """The signed Body moved to just before the Signature; evil in its place."""
    tree.replace(p["body"], evil_body())
    p["signature"].addprevious(p["body"])


def xsw3(tree, p):
    """Evil inserted before the signed Body."""
    p["body"].addprevious(evil_body())


def xsw4(tree, p):
    """The signed Body wrapped inside the evil one."""
    evil = evil_body()
    tree.replace(p["body"], evil)
    evil.append(p["body"])


def xsw5(tree, p):
    """Evil in place, signed copy at the end of the Envelope."""
    tree.replace(p["body"], evil_body())
    tree.append(p["body"])


def xsw6(tree, p):
    """Evil in place, signed copy within KeyInfo of the Signature."""
    tree.replace(p["body"], evil_body())
    p["signature"].find("ds:KeyInfo", NS).append(p["body"])


def xsw7(tree, p):
    """Evil in an Extensions wrapper beside the signed Body."""
    wrapper = etree.Element("{urn:evil}Extensions")
    wrapper.append(evil_body(p["body_id"]))
    p["body"].addprevious(wrapper)


def xsw8(tree, p):
    """The signed Body in a ds:Object."""
    tree.replace(p["body"], evil_body())
    etree.SubElement(p["signature"], f"{{{DS}}}Object").append(p["body"])


def xsw9(tree, p):
    """Two SignedInfo (CVE-2019-3465)."""
    p["signature"].insert(0, copy.deepcopy(p["signature"][0]))


def wrapped_in_header(tree, p):
    """The signed Body in a header of its own, evil without an Id in its place."""
    tree.replace(p["body"], evil_body())
    etree.SubElement(p["header"], "{urn:evil}Wrapper").append(p["body"])


def wrapped_other_id(tree, p):
    """As before, and evil has an Id of its own."""
    wrapped_in_header(tree, p)
    tree[1].set(WSU_ID, "evil")


def wrapped_same_id(tree, p):
    """As before, and evil has the same Id."""
    wrapped_in_header(tree, p)
    tree[1].set(WSU_ID, p["body_id"])


def _shadow(name):
    def shadow(tree, p):
        wrapped_in_header(tree, p)
        tree[1].set(name, p["body_id"])

    shadow.__doc__ = f"As before, and evil has the same Id in another attribute, {name}."
    return shadow


def second_body_child(tree, p):
    """A second operation within the signed Body."""
    p["body"].append(copy.deepcopy(evil_body()[0]))


def second_signature(tree, p):
    p["security"].append(copy.deepcopy(p["signature"]))


def second_security(tree, p):
    p["header"].append(copy.deepcopy(p["security"]))


def second_security_other_actor(tree, p):
    other = etree.SubElement(p["header"], f"{{{WSSE}}}Security")
    other.set(f"{{{SOAP11}}}actor", "urn:someone:else")


def for_another_actor(tree, p):
    p["security"].set(f"{{{SOAP11}}}actor", "urn:someone:else")


def second_timestamp(tree, p):
    other = copy.deepcopy(p["timestamp"])
    other.set(WSU_ID, "other")
    p["security"].append(other)


def second_token(tree, p):
    other = copy.deepcopy(p["token"])
    other.set(WSU_ID, "other")
    p["security"].append(other)


def no_token(tree, p):
    p["security"].remove(p["token"])


def no_timestamp(tree, p):
    p["security"].remove(p["timestamp"])


def no_signature(tree, p):
    p["security"].remove(p["signature"])


def no_security(tree, p):
    p["header"].remove(p["security"])


def no_header(tree, p):
    tree.remove(p["header"])


def no_signature_value(tree, p):
    p["signature"].remove(p["signature"][1])


def empty_signature_value(tree, p):
    p["signature"][1].text = ""


def no_references(tree, p):
    for reference in p["signature"][0].findall("ds:Reference", NS):
        p["signature"][0].remove(reference)


def _drop(index):
    def drop(tree, p):
        found = p["signature"][0].findall("ds:Reference", NS)
        p["signature"][0].remove(found[index])

    drop.__doc__ = f"Reference {index} removed from SignedInfo."
    return drop


def doubled_reference(tree, p):
    found = p["signature"][0].findall("ds:Reference", NS)
    p["signature"][0].replace(found[1], copy.deepcopy(found[0]))


def token_swapped(tree, p):
    """A certificate of the attacker's in place of the signer's."""
    p["token"].text = parts(parse(forge(bst=token(certificate("attacker")))))["token"].text


def token_moved_to_header(tree, p):
    """BSP R3066: no reference into another header."""
    etree.SubElement(p["header"], "{urn:evil}Wrapper").append(p["token"])


def changed_body(tree, p):
    p["body"][0][0].text = "T2"


def added_element(tree, p):
    p["body"][0].append(copy.deepcopy(p["body"][0][1]))


def attribute_pollution(tree, p):
    p["body"][0][1].set("nil", "true")


def body_attribute(tree, p):
    p["body"].set("{urn:evil}role", "admin")


def namespace_confusion(tree, p):
    p["body"][0].tag = "{urn:example:evil}Request"


def indented(tree, p):
    etree.indent(tree)


def changed_timestamp(tree, p):
    p["timestamp"][1].text = "2026-11-22T06:09:59Z"


def changed_digest(tree, p):
    p["signature"][0].find("ds:Reference/ds:DigestValue", NS).text = "A" * 43 + "="


def changed_and_digest_recomputed(tree, p):
    """The Body changed, its digest too; only the signature over SignedInfo can tell."""
    changed_body(tree, p)
    other = parts(parse(forge(body_id=p["body_id"])))["signature"][0]
    values = other.findall("ds:Reference/ds:DigestValue", NS)
    p["signature"][0].find("ds:Reference/ds:DigestValue", NS).text = values[0].text


def two_headers(tree, p):
    p["header"].addnext(etree.Element(f"{{{SOAP11}}}Header"))


def body_before_header(tree, p):
    tree.insert(0, p["body"])


def wrong_body_namespace(tree, p):
    p["body"].tag = f"{{{SOAP12}}}Body"


def not_an_envelope(tree, p):
    tree.tag = "{urn:evil}Envelope"


def empty_body(tree, p):
    p["body"].remove(p["body"][0])


def text_only_body(tree, p):
    p["body"].remove(p["body"][0])
    p["body"].text = "run it"


def text_beside_content(tree, p):
    p["body"][0].tail = "run it"


def text_in_envelope(tree, p):
    tree.text = "run it"


def username_token(tree, p):
    etree.SubElement(p["security"], f"{{{WSSE}}}UsernameToken")


def encrypted_data(tree, p):
    etree.SubElement(p["security"], "{http://www.w3.org/2001/04/xmlenc#}EncryptedData")


def manifest(tree, p):
    """BSP R5403."""
    etree.SubElement(etree.SubElement(p["signature"], f"{{{DS}}}Object"), f"{{{DS}}}Manifest")


MOVES = [
    (xsw1, "WSS_BAD_SHAPE"),
    (xsw2, "WSS_BAD_SHAPE"),
    (xsw3, "WSS_BAD_SHAPE"),
    (xsw4, "WSS_BAD_SHAPE"),
    (xsw5, "WSS_BAD_SHAPE"),
    (xsw6, "WSS_FOREIGN_REFERENCE"),
    (xsw7, "WSS_DUPLICATE_ID"),
    (xsw8, "WSS_BAD_SHAPE"),
    (xsw9, "WSS_BAD_SHAPE"),
    (wrapped_in_header, "WSS_FOREIGN_REFERENCE"),
    (wrapped_other_id, "WSS_FOREIGN_REFERENCE"),
    (wrapped_same_id, "WSS_DUPLICATE_ID"),
    (_shadow("Id"), "WSS_DUPLICATE_ID"),
    (_shadow("{http://www.w3.org/XML/1998/namespace}id"), "WSS_DUPLICATE_ID"),
    (second_body_child, "WSS_BAD_SHAPE"),
    (second_signature, "WSS_BAD_SHAPE"),
    (second_security, "WSS_DUPLICATE_ID"),
    (second_security_other_actor, "WSS_BAD_SHAPE"),
    (for_another_actor, "WSS_BAD_SHAPE"),
    (second_timestamp, "WSS_BAD_SHAPE"),
    (second_token, "WSS_BAD_SHAPE"),
    (no_token, "WSS_TOKEN"),
    (no_timestamp, "WSS_BAD_SHAPE"),
    (no_signature, "WSS_UNSIGNED"),
    (no_security, "WSS_UNSIGNED"),
    (no_header, "WSS_UNSIGNED"),
    (no_signature_value, "WSS_BAD_SHAPE"),
    (empty_signature_value, "WSS_BAD_SHAPE"),
    (no_references, "WSS_BAD_SHAPE"),
    (_drop(0), "WSS_PART_NOT_SIGNED"),
    (_drop(1), "WSS_PART_NOT_SIGNED"),
    (doubled_reference, "WSS_FOREIGN_REFERENCE"),
    (token_swapped, "WSS_SIGNATURE_INVALID"),
    (token_moved_to_header, "WSS_TOKEN"),
    (changed_body, "WSS_DIGEST_MISMATCH"),
    (added_element, "WSS_DIGEST_MISMATCH"),
    (attribute_pollution, "WSS_DIGEST_MISMATCH"),
    (body_attribute, "WSS_DIGEST_MISMATCH"),
    (namespace_confusion, "WSS_DIGEST_MISMATCH"),
    (indented, "WSS_SIGNATURE_INVALID"),
    (changed_timestamp, "WSS_DIGEST_MISMATCH"),
    (changed_digest, "WSS_SIGNATURE_INVALID"),
    (changed_and_digest_recomputed, "WSS_SIGNATURE_INVALID"),
    (two_headers, "WSS_BAD_SHAPE"),
    (body_before_header, "WSS_BAD_SHAPE"),
    (wrong_body_namespace, "WSS_BAD_SHAPE"),
    (not_an_envelope, "WSS_BAD_SHAPE"),
    (empty_body, "WSS_BAD_SHAPE"),
    (text_only_body, "WSS_BAD_SHAPE"),
    (text_beside_content, "WSS_BAD_SHAPE"),
    (text_in_envelope, "WSS_BAD_SHAPE"),
    (username_token, "WSS_BAD_SHAPE"),
    (encrypted_data, "WSS_BAD_SHAPE"),
    (manifest, "WSS_BAD_SHAPE"),
]


@pytest.mark.parametrize(("attack", "code"), MOVES, ids=[f"{i}-{move.__name__}" for i, (move, _) in enumerate(MOVES)])
@pytest.mark.parametrize("honest", [signed, addressed], ids=["plain", "addressed"])
def test_an_honest_message_rearranged_is_refused(attack, code, honest):
    tree = parse(honest())
    verify(tree, now=NOW)
    attack(tree, parts(tree))
    refused(etree.tostring(tree), code)


def _header(p, name):
    return p["header"].find(f"{{{WSA}}}{name}")


def _changed(name):
    def changed(tree, p):
        header = _header(p, name)
        target = header[0] if len(header) else header
        target.text = "https://evil.example/"

    changed.__doc__ = f"Another {name}."
    return changed


def _dropped(name):
    def dropped(tree, p):
        p["header"].remove(_header(p, name))

    dropped.__doc__ = f"{name} taken away."
    return dropped


def _twice(name):
    def twice(tree, p):
        other = copy.deepcopy(_header(p, name))
        other.set(WSU_ID, "other")
        p["header"].insert(0, other)

    twice.__doc__ = f"A second {name} before the signed one."
    return twice


def _moved(name):
    def moved(tree, p):
        etree.SubElement(p["header"], "{urn:evil}Wrapper").append(_header(p, name))

    moved.__doc__ = f"The signed {name} where nobody looks."
    return moved


def _replaced(name):
    def replaced(tree, p):
        """The signed one wrapped, another in its place, with the same Id or none."""
        honest = _header(p, name)
        evil = copy.deepcopy(honest)
        (evil[0] if len(evil) else evil).text = "https://evil.example/"
        del evil.attrib[WSU_ID]
        honest.addprevious(evil)
        etree.SubElement(p["header"], "{urn:evil}Wrapper").append(honest)

    return replaced


def ids_exchanged(tree, p):
    """Action and MessageID under each other's Id."""
    action, message = _header(p, "Action"), _header(p, "MessageID")
    one, other = action.get(WSU_ID), message.get(WSU_ID)
    action.set(WSU_ID, other)
    message.set(WSU_ID, one)


def names_exchanged(tree, p):
    """What was signed as To stands as Action."""
    action, to = _header(p, "Action"), _header(p, "To")
    action.tag, to.tag = to.tag, action.tag


def fault_to_added(tree, p):
    """An unsigned FaultTo beside the signed headers."""
    added = etree.SubElement(p["header"], f"{{{WSA}}}FaultTo")
    etree.SubElement(added, f"{{{WSA}}}Address").text = "https://evil.example/"


def header_for_another_actor(tree, p):
    _header(p, "To").set(f"{{{SOAP11}}}actor", "urn:someone:else")


def body_in_a_header(tree, p):
    """The signed Body in place of a header's value."""
    tree.replace(p["body"], evil_body())
    _header(p, "To").append(p["body"])


ADDRESSING_MOVES = [
    *((_changed(name), "WSS_DIGEST_MISMATCH") for name in ADDRESSES),
    *((_dropped(name), "WSS_FOREIGN_REFERENCE") for name in ADDRESSES),
    *((_twice(name), "WSS_BAD_SHAPE") for name in ADDRESSES),
    *((_moved(name), "WSS_FOREIGN_REFERENCE") for name in ADDRESSES),
    *((_replaced(name), "WSS_FOREIGN_REFERENCE") for name in ADDRESSES),
    (ids_exchanged, "WSS_DIGEST_MISMATCH"),
    (names_exchanged, "WSS_DIGEST_MISMATCH"),
    (fault_to_added, "WSS_PART_NOT_SIGNED"),
    (header_for_another_actor, "WSS_DIGEST_MISMATCH"),
    (body_in_a_header, "WSS_FOREIGN_REFERENCE"),
]


@pytest.mark.parametrize(("attack", "code"), ADDRESSING_MOVES)
def test_signed_addressing_headers_rearranged_are_refused(attack, code):
    tree = parse(addressed())
    assert verify(tree, now=NOW).addressing is not None
    attack(tree, parts(tree))
    refused(etree.tostring(tree), code)


SIGNED_SO = {
    "one header and not the others": {"references": addressed_references(["To"])},
    "a header twice": {"references": addressed_references(["To", "To"])},
    "an address with parameters": {
        "header": addressing().replace(
            "</a:ReplyTo>", "<a:ReferenceParameters><x/></a:ReferenceParameters></a:ReplyTo>"
        ),
    },
    "an action with an element": {"header": addressing().replace("</a:Action>", "<x/></a:Action>")},
    "an id of a kilobyte": {"header": addressing().replace("urn:uuid:", "urn:uuid:" + "x" * 1_000)},
    "another actor": {"header": addressing().replace("<a:To ", '<a:To s:actor="urn:x" ')},
}


@pytest.mark.parametrize("case", SIGNED_SO)
def test_addressing_truly_signed_in_another_form_is_refused(case):
    given = {"header": addressing(), "references": addressed_references(), **SIGNED_SO[case]}
    references = (("#body", ".//{*}Body"), ("#ts", ".//{*}Timestamp"), *given["references"])
    with pytest.raises(SecurityFailure) as caught:
        verify(parse(forge(header=given["header"], references=references)), now=NOW)
    assert caught.value.code in {"WSS_PART_NOT_SIGNED", "WSS_FOREIGN_REFERENCE", "WSS_BAD_SHAPE"}


def test_unsigned_addressing_is_nobodys_word():
    found = verify(parse(signed(header=addressing(ids=False))), now=NOW)
    assert found.addressing is None
