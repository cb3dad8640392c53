"""Hostile messages: each is refused for the reason expected, quickly, and before a service sees anything.

The wrapping shapes XSW1 to XSW9 are those known from SAML, translated to SOAP: "evil" is a Body of the attacker's.
"""

import copy
import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree
from wss_messages import (
    HMAC_SHA256,
    NOW,
    NS,
    RSA_SHA1,
    SHA1,
    certificate,
    direct,
    envelope,
    forge,
    issuer_serial,
    key,
    parse,
    parts,
    self_signed,
    signed,
    stamp,
    token,
)

from adapters.soap.wss_names import DS, EXC_C14N, SHA512, SOAP11, SOAP12, WSSE, WSU, WSU_ID, X509V3
from adapters.soap.wssecurity import Policy, SecurityFailure, check_bytes, check_shape, verify

SECONDS = 1.0  # of processor time, so that a busy machine does not count
EVIL = (
    f'<s:Body xmlns:s="{SOAP11}"><m:Request xmlns:m="urn:example:meter">'
    "<m:TransId>EVIL</m:TransId></m:Request></s:Body>"
)
ENVELOPED = f'<ds:Transform Algorithm="{DS}enveloped-signature"/>'
EXCLUSIVE = f'<ds:Transform Algorithm="{EXC_C14N}"/>'
STR_TRANSFORM = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform"
PKI_PATH = X509V3.replace("#X509v3", "#X509PKIPathv1")
XOP = '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:1"/>'


def refused(message, code, *, policy=None, rule=None, now=NOW):
    tree = message if isinstance(message, etree._Element) else parse(message)
    start = time.thread_time()
    with pytest.raises(SecurityFailure) as caught:
        verify(tree, now=now, **({"policy": policy} if policy else {}))
    assert time.thread_time() - start < SECONDS
    assert caught.value.code == code, str(caught.value)
    if rule:
        assert caught.value.rule == rule
    assert "EVIL" not in str(caught.value)
    return caught.value


def evil_body(identity=None):
    body = etree.fromstring(EVIL)
    if identity:
        body.set(WSU_ID, identity)
    return body


# --- signature wrapping ---------------------------------------------------------------------------------------------


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
def test_an_honest_message_rearranged_is_refused(attack, code):
    tree = parse(signed())
    verify(tree, now=NOW)
    attack(tree, parts(tree))
    refused(etree.tostring(tree), code)


# --- truly signed, by a sender who may hold a good key, but not in the published form ---------------------------------

_FORMS = {
    "hmac with the public key": ({"algorithm": HMAC_SHA256}, "WSS_ALGORITHM", None),
    "rsa-sha1": ({"algorithm": RSA_SHA1}, "WSS_ALGORITHM", None),
    "sha1 digest": ({"digest_algorithm": SHA1}, "WSS_ALGORITHM", None),
    "md5 signature": ({"algorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"}, "WSS_ALGORITHM", None),
    "no signature algorithm": ({"algorithm": ""}, "WSS_ALGORITHM", None),
    "HMACOutputLength": (
        {"method_inner": "<ds:HMACOutputLength>1</ds:HMACOutputLength>"},
        "WSS_BAD_SHAPE",
        "R5401",
    ),
    "inclusive c14n": ({"c14n": "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"}, "WSS_ALGORITHM", "R5404"),
    "exclusive c14n with comments": ({"c14n": f"{EXC_C14N}WithComments"}, "WSS_ALGORITHM", "R5404"),
    "xpath transform": (
        {"transforms": '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"/>' + EXCLUSIVE},
        "WSS_ALGORITHM",
        "R5423",
    ),
    "xslt transform": (
        {"transforms": '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'},
        "WSS_ALGORITHM",
        "R5423",
    ),
    "base64 transform": ({"transforms": f'<ds:Transform Algorithm="{DS}base64"/>'}, "WSS_ALGORITHM", "R5423"),
    "enveloped-signature, as npm soap adds": ({"transforms": ENVELOPED + EXCLUSIVE}, "WSS_ALGORITHM", "R5423"),
    "STR-Transform": ({"transforms": f'<ds:Transform Algorithm="{STR_TRANSFORM}"/>'}, "WSS_ALGORITHM", "R5423"),
    "no transform": ({"transforms": ""}, "WSS_ALGORITHM", "R5423"),
    "xpath inside the transform": (
        {"transforms": f'<ds:Transform Algorithm="{EXC_C14N}"><ds:XPath>1</ds:XPath></ds:Transform>'},
        "WSS_BAD_SHAPE",
        "R5423",
    ),
    "third child in a Reference": ({"reference_extra": "<ds:Object/>"}, "WSS_BAD_SHAPE", "R5416"),
    "Timestamp only": ({"references": (("#ts", ".//{*}Timestamp"),)}, "WSS_PART_NOT_SIGNED", None),
    "Body only, as soapUI does": ({"references": (("#body", ".//{*}Body"),)}, "WSS_PART_NOT_SIGNED", None),
    "whole document": (
        {"references": (("", ".//{*}Body"), ("#ts", ".//{*}Timestamp"))},
        "WSS_FOREIGN_REFERENCE",
        "R3001",
    ),
    "external uri": (
        {"references": (("http://127.0.0.1:9/x", ".//{*}Body"), ("#ts", ".//{*}Timestamp"))},
        "WSS_FOREIGN_REFERENCE",
        "R3001",
    ),
    "attachment": (
        {"references": (("cid:1", ".//{*}Body"), ("#ts", ".//{*}Timestamp"))},
        "WSS_FOREIGN_REFERENCE",
        "R3001",
    ),
    "xpointer": (
        {"references": (("#xpointer(id('body'))", ".//{*}Body"), ("#ts", ".//{*}Timestamp"))},
        "WSS_FOREIGN_REFERENCE",
        "R3001",
    ),
    "another header too": (
        {
            "header": '<x wsu:Id="x"/>',
            "references": (("#body", ".//{*}Body"), ("#ts", ".//{*}Timestamp"), ("#x", ".//x")),
        },
        "WSS_FOREIGN_REFERENCE",
        "R3001",
    ),
    "nine references": ({"references": (("#body", ".//{*}Body"),) * 9}, "WSS_LIMIT", None),
    "Body without an Id": ({"body_id": None}, "WSS_FOREIGN_REFERENCE", "R3001"),
    "Body with an empty Id": (
        {"body_id": "", "references": (("#", ".//{*}Body"), ("#ts", ".//{*}Timestamp"))},
        "WSS_FOREIGN_REFERENCE",
        "R3001",
    ),
    "one Id for Body and Timestamp": (
        {"body_id": "ts", "references": (("#ts", ".//{*}Timestamp"),)},
        "WSS_DUPLICATE_ID",
        None,
    ),
    "one Id for Body and token": (
        {"body_id": "tok", "references": (("#tok", ".//{*}BinarySecurityToken"), ("#ts", ".//{*}Timestamp"))},
        "WSS_DUPLICATE_ID",
        None,
    ),
    "KeyValue": (
        {"key_info": "<ds:KeyValue><ds:RSAKeyValue/></ds:KeyValue>"},
        "WSS_TOKEN",
        "R5402",
    ),
    "KeyName": ({"key_info": "<ds:KeyName>rep</ds:KeyName>"}, "WSS_TOKEN", "R5402"),
    "two token references": ({"key_info": direct() * 2}, "WSS_TOKEN", "R5402"),
    "issuer and serial beside a token": ({"key_info": issuer_serial("CN=x", 1)}, "WSS_TOKEN", None),
    "issuer and serial where a token is required": (
        {"bst": "", "key_info": issuer_serial("CN=x", 1)},
        "WSS_TOKEN",
        None,
    ),
    "key identifier": (
        {"key_info": "<wsse:SecurityTokenReference><wsse:KeyIdentifier/></wsse:SecurityTokenReference>"},
        "WSS_TOKEN",
        None,
    ),
    "empty token reference": ({"key_info": "<wsse:SecurityTokenReference/>"}, "WSS_TOKEN", "R3061"),
    "reference to the Body": ({"key_info": direct("#body")}, "WSS_TOKEN", "R3062"),
    "reference without a URI": ({"key_info": direct("")}, "WSS_TOKEN", "R3062"),
    "reference without ValueType": ({"key_info": direct(value_type="")}, "WSS_TOKEN", "R3059"),
    "token without ValueType": ({"bst": token(value_type="")}, "WSS_TOKEN", "R3033"),
    "PKIPath": ({"bst": token(value_type=f' ValueType="{PKI_PATH}"')}, "WSS_TOKEN", "R3033"),
    "token without EncodingType": ({"bst": token(encoding="")}, "WSS_TOKEN", "R3029"),
    "token that is not base64": ({"bst": token(text="!!!!")}, "WSS_TOKEN", None),
    "token that is not a certificate": ({"bst": token(text="AAAA")}, "WSS_TOKEN", None),
    "empty token": ({"bst": token(text="")}, "WSS_TOKEN", None),
    "huge token": ({"bst": token(text="A" * 1_000_000)}, "WSS_TOKEN", None),
    "token with a child": ({"bst": token(text=XOP)}, "WSS_TOKEN", None),
    "Signature with an Object": ({"signature_extra": "<ds:Object/>"}, "WSS_BAD_SHAPE", None),
    "SignedInfo with a stranger": ({"info_extra": "<ds:Object/>"}, "WSS_BAD_SHAPE", None),
    "Security with a stranger": ({"security_extra": "<x/>"}, "WSS_BAD_SHAPE", None),
    "role of somebody else": (
        {"soap": SOAP12, "security_attributes": f' s:role="{SOAP12}/role/next"'},
        "WSS_BAD_SHAPE",
        "R3206",
    ),
    "relative namespace": ({"content": '<r xmlns="relative"/>'}, "WSS_BAD_SHAPE", None),
    "1,000 prefixes": (
        {
            "c14n_inner": f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" '
            f'PrefixList="{" ".join(f"p{i}" for i in range(1000))}"/>'
        },
        "WSS_LIMIT",
        None,
    ),
}


@pytest.mark.parametrize("name", _FORMS)
def test_a_true_signature_of_another_form_is_refused(name):
    options, code, rule = _FORMS[name]
    if "relative" in name:
        message = forge().replace(b'<m:Request xmlns:m="urn:example:meter">', b'<m:Request xmlns:m="relative">')
    else:
        message = forge(**options)
    refused(message, code, rule=rule)


def test_the_forger_itself_is_honest():
    """Otherwise the table above would prove nothing."""
    assert verify(parse(forge()), now=NOW).body[0].text == "T1"
    assert verify(parse(forge(soap=SOAP12)), now=NOW).body[0].text == "T1"


def test_a_certificate_without_an_rsa_key_is_refused():
    refused(forge(bst=token(self_signed("ec", ec.generate_private_key(ec.SECP256R1())))), "WSS_WEAK_KEY")


def test_a_short_key_is_refused_and_a_very_long_one_too():
    message = forge(bst=token(certificate("short", 1024)), private=key("short", 1024))
    refused(message, "WSS_WEAK_KEY")
    refused(forge(), "WSS_WEAK_KEY", policy=Policy(min_rsa_bits=3072))
    refused(forge(), "WSS_WEAK_KEY", policy=Policy(min_rsa_bits=1024, max_rsa_bits=1536))


def test_a_policy_can_narrow_the_algorithms_but_never_allow_unknown_ones():
    refused(forge(), "WSS_ALGORITHM", policy=Policy(digest_algorithms=frozenset({SHA512})))
    with pytest.raises(ValueError, match="only the algorithms"):
        Policy(signature_algorithms=frozenset({RSA_SHA1}))
    with pytest.raises(ValueError, match="only the algorithms"):
        Policy(digest_algorithms=frozenset({SHA1}))


# --- Timestamps -------------------------------------------------------------------------------------------------------

_CREATED = "<wsu:Created>2026-11-22T06:00:00Z</wsu:Created>"
_EXPIRES = "<wsu:Expires>2026-11-22T06:05:00Z</wsu:Expires>"


@pytest.mark.parametrize(
    ("timestamp", "code", "rule"),
    [
        (stamp(inner=""), "WSS_TIMESTAMP", "R3203"),
        (stamp(inner=_EXPIRES), "WSS_TIMESTAMP", "R3203"),
        (stamp(inner=_CREATED * 2 + _EXPIRES), "WSS_TIMESTAMP", "R3203"),
        (stamp(inner=_CREATED), "WSS_TIMESTAMP", "R3224"),
        (stamp(inner=_CREATED + _EXPIRES * 2), "WSS_TIMESTAMP", "R3224"),
        (stamp(inner=_EXPIRES + _CREATED), "WSS_TIMESTAMP", "R3221"),
        (stamp(inner=_CREATED + _EXPIRES + "<wsu:Note/>"), "WSS_TIMESTAMP", "R3222"),
        (
            stamp(inner=_CREATED.replace("<wsu:Created", '<wsu:Created ValueType="x"') + _EXPIRES),
            "WSS_TIMESTAMP",
            "R3225",
        ),
        (
            stamp(inner=_CREATED + _EXPIRES.replace("<wsu:Expires", '<wsu:Expires ValueType="x"')),
            "WSS_TIMESTAMP",
            "R3226",
        ),
        (stamp(inner="<wsu:Created/>" + _EXPIRES), "WSS_TIMESTAMP", "R3217"),
        (stamp("2026-11-22T06:00:00"), "WSS_TIMESTAMP", "R3217"),
        (stamp("2026-11-22T06:00:00+00:00"), "WSS_TIMESTAMP", "R3217"),
        (stamp("2026-11-22T00:00:00-06:00"), "WSS_TIMESTAMP", "R3217"),
        (stamp("2026-11-22"), "WSS_TIMESTAMP", "R3217"),
        (stamp("20261122T060000Z"), "WSS_TIMESTAMP", "R3217"),
        (stamp("２026-11-22T06:00:00Z"), "WSS_TIMESTAMP", "R3217"),
        (stamp("yesterday"), "WSS_TIMESTAMP", "R3217"),
        (stamp("2026-11-22T05:59:60Z"), "WSS_TIMESTAMP", "R3213"),
        (stamp("2026-11-22T24:00:00Z", "2026-11-23T00:05:00Z"), "WSS_TIMESTAMP", None),
        (stamp("2026-02-30T06:00:00Z"), "WSS_TIMESTAMP", None),
        (stamp("0000-01-01T06:00:00Z"), "WSS_TIMESTAMP", None),
        (stamp("2026-11-22T06:05:00Z", "2026-11-22T06:05:00Z"), "WSS_TIMESTAMP", "R3221"),
        (stamp("2026-11-22T06:06:00Z", "2026-11-22T06:05:00Z"), "WSS_TIMESTAMP", "R3221"),
        (stamp("2026-11-22T06:00:00Z", "2026-11-22T06:10:01Z"), "WSS_LIFETIME", None),
        (stamp("2026-11-22T06:00:00Z", "9999-12-31T23:59:59Z"), "WSS_LIFETIME", None),
        (stamp("2026-11-22T05:50:00Z", "2026-11-22T05:59:00Z"), "WSS_EXPIRED", None),
        (stamp("2026-11-22T06:01:00.001Z", "2026-11-22T06:05:00Z"), "WSS_NOT_YET_VALID", None),
        ("", "WSS_BAD_SHAPE", "R3227"),
        (stamp() + stamp(identity="ts2"), "WSS_BAD_SHAPE", "R3227"),
    ],
)
def test_a_timestamp_that_is_odd_stale_or_early_is_refused(timestamp, code, rule):
    references = (("#body", ".//{*}Body"), ("#ts", ".//{*}Timestamp" if timestamp else ".//{*}Body"))
    refused(forge(timestamp=timestamp, references=references), code, rule=rule)


# --- markup that parser and reader see differently --------------------------------------------------------------------

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
    start = time.thread_time()
    verify(tree, now=NOW)
    assert time.thread_time() - start < SECONDS
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
    assert set(vars(found)) == {"body", "certificate", "created", "expires"}
    assert f"{{{WSU}}}Id" not in found.body.attrib
