"""Honest messages: what we sign we verify, in both SOAP versions, faults too; and others verify it as well."""

import base64
import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from lxml import etree
from wss_messages import (
    NOW,
    NS,
    certificate,
    envelope,
    forge,
    issuer_serial,
    key,
    parse,
    parts,
    signed,
    stamp,
)

from adapters.soap.wss_failures import BadToken, UnknownCertificate
from adapters.soap.wss_names import EXC_C14N, RSA_SHA512, SHA512, SOAP11, SOAP12, WSU, WSU_ID
from adapters.soap.wssecurity import Policy, SecurityFailure, body_digest, sign, verify


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
def test_what_we_sign_we_verify(soap):
    tree = parse(signed(soap))
    found = verify(tree, now=NOW)
    assert found.body is tree[1][0]
    assert found.certificate == certificate()
    assert (found.created, found.expires) == (NOW, NOW + timedelta(minutes=5))


def test_a_fault_without_header_is_signed_too():
    fault = (
        f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><s:Fault><faultcode>s:Client</faultcode>'
        "<faultstring>é &#13;</faultstring></s:Fault></s:Body></s:Envelope>"
    )
    message = sign(parse(fault.encode()), key=key(), certificate=certificate(), now=NOW)
    assert verify(parse(message), now=NOW).body.tag == f"{{{SOAP11}}}Fault"


def test_the_serialised_message_is_not_re_indented_and_has_the_parts_in_strict_order():
    message = signed()
    assert b"\n" not in message.split(b"?>", 1)[1].lstrip()
    names = [etree.QName(child).localname for child in parts(parse(message))["security"]]
    assert names == ["Timestamp", "BinarySecurityToken", "Signature"]


def test_signing_twice_or_with_a_strange_key_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="already"):
        sign(parse(signed()), key=key(), certificate=certificate(), now=NOW)
    with pytest.raises(ValueError, match="does not belong"):
        sign(parse(envelope()), key=key("other"), certificate=certificate(), now=NOW)
    with pytest.raises(ValueError, match="envelope"):
        sign(parse(b"<a/>"), key=key(), certificate=certificate(), now=NOW)


def test_body_digest_tells_a_retry_where_the_signed_bytes_differ():
    first, second = parse(signed()), parse(signed(now=NOW + timedelta(seconds=9)))
    assert first[1].get(WSU_ID) != second[1].get(WSU_ID)
    assert body_digest(first[1][0]) == body_digest(second[1][0]) == body_digest(parse(envelope())[1][0])
    assert body_digest(first[1][0]) != body_digest(parse(envelope(count=4))[1][0])


def test_sha512_is_accepted_for_signature_and_digest():
    message = forge(algorithm=RSA_SHA512, digest_algorithm=SHA512)
    assert verify(parse(message), now=NOW).certificate == certificate()


@pytest.mark.parametrize("prefixes", [("s",), ("s", "unused"), ("#default", "s"), ("s", "wsu", "x")])
def test_a_prefix_list_is_honoured_on_signed_info_and_on_each_part(prefixes):
    """R5406, R5407, R5414: WSS4J, CXF and soapUI always send one."""
    inclusive = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="{" ".join(prefixes)}"/>'
    message = forge(
        transforms=f'<ds:Transform Algorithm="{EXC_C14N}">{inclusive}</ds:Transform>',
        c14n_inner=inclusive,
        prefixes=prefixes,
        namespaces=' xmlns="urn:default" xmlns:x="urn:x" xmlns:unused="urn:unused"',
    )
    assert verify(parse(message), now=NOW).body.tag == "{urn:example:meter}Request"


def test_the_token_may_be_signed_as_well():
    message = forge(
        references=(("#tok", ".//{*}BinarySecurityToken"), ("#body", ".//{*}Body"), ("#ts", ".//{*}Timestamp"))
    )
    verify(parse(message), now=NOW)


def test_the_token_may_stand_after_the_signature_as_zeep_puts_it():
    tree = parse(signed())
    found = parts(tree)
    found["security"].append(found["token"])
    verify(tree, now=NOW)


@pytest.mark.parametrize("spelling", ["CN=rep,O=Example\\, Inc.", "CN=rep, O=Example\\, Inc."])
def test_issuer_and_serial_name_a_certificate_we_hold(spelling):
    issuer = certificate().issuer.rfc4514_string()
    asked = []

    def held(name, serial):
        asked.append((name, serial))
        return certificate() if (name, serial) == (issuer, certificate().serial_number) else None

    spelling = spelling if spelling.startswith(issuer[:3]) else ",".join(reversed(spelling.split(",", 1)))
    message = forge(bst="", key_info=issuer_serial(spelling, certificate().serial_number))
    found = verify(parse(message), now=NOW, policy=Policy(require_token=False), certificates=held)
    assert found.certificate == certificate()
    assert asked == [(issuer, certificate().serial_number)]
    unknown = forge(bst="", key_info=issuer_serial(spelling, 1))
    with pytest.raises(UnknownCertificate):
        verify(parse(unknown), now=NOW, policy=Policy(require_token=False), certificates=held)
    with pytest.raises(BadToken):
        verify(parse(message), now=NOW, certificates=held)


def test_a_wrong_answer_of_the_lookup_is_not_believed():
    other = certificate("other")
    message = forge(bst="", key_info=issuer_serial(other.issuer.rfc4514_string(), 5), private=key("other"))
    with pytest.raises(UnknownCertificate):
        verify(parse(message), now=NOW, policy=Policy(require_token=False), certificates=lambda *_: other)


@pytest.mark.parametrize(
    ("created", "expires", "seconds"),
    [
        ("2026-11-22T06:00:00Z", "2026-11-22T06:05:00Z", 300),
        ("2026-11-22T06:00:00.1234567Z", "2026-11-22T06:10:00.1234567Z", 600),
        (" 2026-11-22T06:00:00.000Z\n", "2026-11-22T06:05:00.000Z", 300),
        ("2026-11-22T06:01:00Z", "2026-11-22T06:02:00Z", 60),
        ("2026-11-22T05:55:00Z", "2026-11-22T05:59:01Z", 241),
    ],
)
def test_timestamps_of_real_clients_are_read(created, expires, seconds):
    found = verify(parse(forge(timestamp=stamp(created, expires))), now=NOW)
    assert (found.expires - found.created).total_seconds() == seconds


def test_our_signature_verifies_under_signxml():
    signxml = pytest.importorskip("signxml")
    tree = parse(signed())
    result = signxml.XMLVerifier().verify(
        tree,
        x509_cert=certificate(),
        expect_config=signxml.SignatureConfiguration(location=".//", expect_references=2),
        id_attribute="Id",
        validate_schema=False,
    )
    assert {etree.QName(r.signed_xml).localname for r in result} == {"Body", "Timestamp"}


def test_our_signature_verifies_under_xmlsec():
    xmlsec = pytest.importorskip("xmlsec")
    tree = parse(signed())
    context = xmlsec.SignatureContext()
    for name in ("body", "timestamp"):
        context.register_id(parts(tree)[name], "Id", WSU)
    pem = certificate().public_bytes(serialization.Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    context.verify(parts(tree)["signature"])
    tree[1][0][0].text = "T2"
    context = xmlsec.SignatureContext()
    for name in ("body", "timestamp"):
        context.register_id(parts(tree)[name], "Id", WSU)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    with pytest.raises(xmlsec.Error):
        context.verify(parts(tree)["signature"])


def test_we_verify_what_xmlsec_signs():
    xmlsec = pytest.importorskip("xmlsec")
    tree = parse(forge())
    found = parts(tree)
    for value in tree.iterfind(".//ds:DigestValue", NS):
        value.text = ""
    found["signature"].find("ds:SignatureValue", NS).text = ""
    context = xmlsec.SignatureContext()
    for name in ("body", "timestamp"):
        context.register_id(found[name], "Id", WSU)
    pem = key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)
    context.sign(found["signature"])
    assert verify(parse(etree.tostring(tree)), now=NOW).certificate == certificate()


def test_we_verify_what_signxml_digests_and_signs():
    """signxml knows no WS-Security, so its detached signature is carried into a Security header of ours."""
    signxml = pytest.importorskip("signxml")
    tree = parse(forge())
    found = parts(tree)

    class TwoParts(signxml.XMLSigner):
        """A detached signature over two elements; signxml's own takes one."""

        def _unpack(self, data, references):
            signature_root, document, _, references = super()._unpack(data, references)
            return signature_root, document, [found["body"], found["timestamp"]], references

    exclusive = signxml.CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
    signer = TwoParts(method=signxml.methods.detached, c14n_algorithm=exclusive)
    signature = signer.sign(tree, key=key(), cert=[certificate()], reference_uri=["#body", "#ts"])
    info, value, _ = signature
    old = found["signature"]
    old.replace(old[0], info)
    old.replace(old[1], value)
    message = etree.tostring(tree)
    assert verify(parse(message), now=NOW).certificate == certificate()


def test_a_bare_certificate_in_key_info_is_never_used():
    text = base64.b64encode(certificate().public_bytes(serialization.Encoding.DER)).decode()
    data = f"<ds:X509Data><ds:X509Certificate>{text}</ds:X509Certificate></ds:X509Data>"
    with pytest.raises(BadToken):
        verify(parse(forge(key_info=data)), now=NOW)


def test_fifty_thousand_ids_are_verified_in_little_more_than_the_time_of_parsing_them():
    """Measured about 1.4; stock libraries take 4 to 11 times as long. The bound leaves room for a busy machine."""
    message = signed(count=50_000)
    tree = parse(message)

    def seconds(work):
        start = time.thread_time()
        work()
        return time.thread_time() - start

    rounds = [(seconds(lambda: parse(message)), seconds(lambda: verify(tree, now=NOW))) for _ in range(7)]
    assert min(verifying for _, verifying in rounds) < 3 * min(parsing for parsing, _ in rounds)


def test_every_failure_has_a_code_of_its_own_and_a_docstring():
    classes = SecurityFailure.__subclasses__()
    codes = [cls.code for cls in classes]
    assert len(set(codes)) == len(codes) >= 14
    assert all(cls.code.startswith("WSS_") and cls.__doc__ for cls in classes)
