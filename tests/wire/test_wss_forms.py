"""True signatures outside the published form, by a sender who may hold a good key; and odd or stale Timestamps."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from wss_messages import (
    HMAC_SHA256,
    NOW,
    RSA_SHA1,
    SHA1,
    certificate,
    direct,
    forge,
    issuer_serial,
    key,
    parse,
    refused,
    self_signed,
    stamp,
    token,
)

from adapters.soap.wss_names import DS, EXC_C14N, SHA512, SOAP12, X509V3
from adapters.soap.wssecurity import Policy, verify

ENVELOPED = f'<ds:Transform Algorithm="{DS}enveloped-signature"/>'
EXCLUSIVE = f'<ds:Transform Algorithm="{EXC_C14N}"/>'
STR_TRANSFORM = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform"
PKI_PATH = X509V3.replace("#X509v3", "#X509PKIPathv1")
XOP = '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:1"/>'


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
    "eleven references": ({"references": (("#body", ".//{*}Body"),) * 11}, "WSS_LIMIT", None),
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
    "hexadecimal token": ({"bst": token(encoding=' EncodingType="urn:x#HexBinary"')}, "WSS_TOKEN", "R3029"),
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
        (stamp("2026-11-22T06:00:00+01:00"), "WSS_TIMESTAMP", "R3217"),
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


def test_an_absent_encoding_type_has_its_default_and_a_zero_offset_is_utc():
    """WSS 1.1 section 6.3 (Base64Binary); BSP R3217 asks for UTC, which +00:00 is."""
    verify(parse(forge(bst=token(encoding=""))), now=NOW)
    for zone in ("+00:00", "-00:00"):
        found = verify(parse(forge(timestamp=stamp(f"2026-11-22T06:00:00{zone}"))), now=NOW)
        assert found.created == NOW
