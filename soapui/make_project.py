#!/usr/bin/env python
"""Write the soapUI project from the WSDLs, the XSDs and the tables of `sample_requests` (K1).

    python soapui/make_project.py            write the project
    python soapui/make_project.py --check    end with 1 where the committed project is another

Every operation of every WSDL is called over both bindings: once as a request of its interface, to try things with, and
once in the test suite, where assertions judge the answer. Keystores, outgoing WS-Security and everything that changes
from one installation to the next are in the project: as properties, and on its WS-Security page.

soapUI itself was not at hand. The structure is that of soapUI 5.x projects that are published; a test of ours reads the
project as soapUI would, signs and sends every request to a running hub, and checks the assertions.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import xmlschema
from lxml import etree
from published import Binding, Operation, bindings
from sample_requests import KEYSTORE_PASSWORD, PROPERTIES, SIGNING_KEYSTORE, STEPS, TLS_KEYSTORE, VALUES, Step

HERE: Final = Path(__file__).resolve().parent
PROJECT_FILE: Final = HERE / "smart-meter-hub-soapui-project.xml"

CON: Final = "http://eviware.com/soapui/config"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
ENVELOPE: Final = {
    "1_1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1_2": "http://www.w3.org/2003/05/soap-envelope",
}
SPOKEN: Final = {"1_1": "SOAP 1.1", "1_2": "SOAP 1.2"}
WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
COMMON: Final = "urn:smt-ws:common:1"


def message(binding: Binding, operation: Operation, values: Mapping[str, Sequence[str]] = {}) -> str:
    """The request as soapUI shows it: the elements of the XSD in its order, with *values* before those of the table.

    Raises ValueError where the XSD demands an element that has no value here.
    """
    schema = xmlschema.XMLSchema(str(HERE.parent / "xsd" / f"{binding.service}.xsd"))
    type_ = schema.elements[operation.request].type
    assert isinstance(type_, xmlschema.validators.XsdComplexType)
    group = type_.content
    assert isinstance(group, xmlschema.validators.XsdGroup)
    lines = []
    for child in group.iter_elements():
        name = str(child.local_name)
        given = values.get(name) or VALUES.get(name)
        if not given:
            if child.min_occurs:
                raise ValueError(f"{operation.name}: no sample value for {name}; add one to VALUES")
            continue
        most = child.max_occurs or len(given)
        lines += [f"         <m:{name}>{value}</m:{name}>" for value in given[:most]]
    wrapper = f"m:{operation.request}"
    return "\n".join(
        [
            f'<soapenv:Envelope xmlns:soapenv="{ENVELOPE[binding.soap_version]}" xmlns:m="{binding.namespace}">',
            "   <soapenv:Header/>",
            "   <soapenv:Body>",
            f"      <{wrapper}>",
            *lines,
            f"      </{wrapper}>",
            "   </soapenv:Body>",
            "</soapenv:Envelope>",
        ]
    )


def project() -> bytes:
    """The project file."""
    found = bindings()
    root = etree.Element(
        _con("soapui-project"),
        {
            "id": _id("project"),
            "activeEnvironment": "Default",
            "name": "Smart meter hub",
            "resourceRoot": "${projectDir}",
            "soapui-version": "5.7.0",
            "abortOnError": "false",
            "runType": "SEQUENTIAL",
        },
        nsmap={"con": CON, "xsi": XSI},
    )
    _add(root, "description", "Made by soapui/make_project.py: change soapui/sample_requests.py, not this file.")
    _add(root, "settings")
    for binding in found:
        _interface(root, binding)
    for version in ENVELOPE:
        _suite(root, version, [binding for binding in found if binding.soap_version == version])
    properties = _add(root, "properties")
    for name, (value, description) in PROPERTIES.items():
        one = _add(properties, "property")
        _add(one, "name", name)
        _add(one, "value", value)
        _add(one, "description", description)
    _security(root)
    etree.indent(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def _interface(root: etree._Element, binding: Binding) -> None:
    interface = _add(
        root,
        "interface",
        {
            f"{{{XSI}}}type": "con:WsdlInterface",
            "id": _id(binding.name),
            "wsaVersion": "NONE",
            "name": binding.name,
            "type": "wsdl",
            "bindingName": f"{{{binding.namespace}}}{binding.name}",
            "soapVersion": binding.soap_version,
            "anonymous": "optional",
            "definition": f"../wsdl/{binding.service}.wsdl",
        },
    )
    _add(interface, "settings")
    _add(_add(interface, "endpoints"), "endpoint", binding.endpoint)
    for operation in binding.operations:
        entry = _add(
            interface,
            "operation",
            {
                "id": _id(binding.name, operation.name),
                "isOneWay": "false",
                "action": operation.action,
                "name": operation.name,
                "bindingOperationName": operation.name,
                "type": "Request-Response",
                "inputName": "",
                "receivesAttachments": "false",
                "sendsAttachments": "false",
            },
        )
        _add(entry, "settings")
        call = _add(
            entry,
            "call",
            {"id": _id(binding.name, operation.name, "call"), "name": "Sample", **_security_of(binding)},
        )
        _request(call, binding, message(binding, operation), [])


def _suite(root: etree._Element, version: str, found: Sequence[Binding]) -> None:
    spoken = SPOKEN[version]
    suite = _add(root, "testSuite", {"id": _id("suite", version), "name": f"Every operation, {spoken}"})
    _add(suite, "settings")
    _add(suite, "runType", "SEQUENTIAL")
    case = _add(
        suite,
        "testCase",
        {
            "id": _id("case", version),
            "failOnError": "false",
            "failTestCaseOnErrors": "true",
            "keepSession": "false",
            "maxResults": "0",
            "name": "From the first call to an order taken back",
            "searchProperties": "true",
        },
    )
    _add(case, "settings")
    for step in STEPS:
        binding, operation = next(
            (binding, operation)
            for binding in found
            for operation in binding.operations
            if operation.name == step.operation
        )
        entry = _add(case, "testStep", {"type": "request", "id": _id("step", version, step.name), "name": step.name})
        _add(entry, "settings")
        config = _add(entry, "config", {f"{{{XSI}}}type": "con:RequestStep"})
        _add(config, "interface", binding.name)
        _add(config, "operation", operation.name)
        request = _add(
            config, "request", {"id": _id("request", version, step.name), "name": step.name, **_security_of(binding)}
        )
        _request(request, binding, message(binding, operation, step.values), _assertions(binding, step, version))
        if step.keeps_order:
            _transfer(case, binding, step, version)
    _add(case, "properties")
    _add(suite, "properties")


def _security_of(binding: Binding) -> dict[str, str]:
    return {"outgoingWss": f"Sign {SPOKEN[binding.soap_version]}", "incomingWss": "", "sslKeystore": TLS_KEYSTORE}


def _request(parent: etree._Element, binding: Binding, text: str, assertions: Sequence[etree._Element]) -> None:
    _add(parent, "settings")
    _add(parent, "encoding", "UTF-8")
    _add(parent, "endpoint", binding.endpoint)
    # a type's text as CDATA: people read and change it in this file
    _add(parent, "request").text = etree.CDATA(text)
    parent.extend(assertions)
    _add(_add(parent, "credentials"), "authType", "No Authorization")
    _add(parent, "jmsConfig", {"JMSDeliveryMode": "PERSISTENT"})
    _add(parent, "jmsPropertyConfig")
    _add(parent, "wsaConfig", {"mustUnderstand": "NONE", "version": "200508"})
    _add(parent, "wsrmConfig", {"version": "1.2"})


def _assertions(binding: Binding, step: Step, version: str) -> list[etree._Element]:
    # soapUI's ids of the two fault assertions are the other way round than its labels
    kinds = [("SOAP Response", "SOAP Response"), ("Schema Compliance", "Schema Compliance")]
    if step.fault is False:
        kinds.append(("SOAP Fault Assertion", "Not SOAP Fault"))
    elif step.fault:
        kinds.append(("Not SOAP Fault Assertion", "SOAP Fault"))
    made = []
    for type_, name in kinds:
        one = _assertion(type_, name, version, step)
        configuration = _add(one, "configuration")
        if type_ == "Schema Compliance":
            etree.SubElement(configuration, "definition")
        made.append(one)
    for match in step.expects:
        one = _assertion("XPath Match", match.name, version, step)
        configuration = _add(one, "configuration")
        declared = f"declare namespace m='{binding.namespace}';\ndeclare namespace c='{COMMON}';\n"
        for name, text in (
            ("path", declared + match.path),
            ("content", match.content),
            ("allowWildcards", "false"),
            ("ignoreNamspaceDifferences", "false"),  # soapUI spells it so
            ("ignoreComments", "false"),
        ):
            etree.SubElement(configuration, name).text = text
        made.append(one)
    return made


def _assertion(type_: str, name: str, version: str, step: Step) -> etree._Element:
    return etree.Element(
        _con("assertion"), {"type": type_, "name": name, "id": _id("assertion", version, step.name, name)}
    )


def _transfer(case: etree._Element, binding: Binding, step: Step, version: str) -> None:
    name = "Remember the order's number"
    entry = _add(case, "testStep", {"type": "transfer", "id": _id("step", version, name), "name": name})
    _add(entry, "settings")
    config = _add(entry, "config", {f"{{{XSI}}}type": "con:PropertyTransfersStep"})
    transfer = _add(
        config,
        "transfers",
        {"setNullOnMissingSource": "true", "transferTextContent": "true", "failOnError": "true", "disabled": "false"},
    )
    for tag, text in (
        ("name", "correlationId"),
        ("sourceType", "Response"),
        ("sourceStep", step.name),
        ("sourcePath", f"declare namespace m='{binding.namespace}';\n//m:correlationId"),
        ("targetType", "correlationId"),
        ("targetStep", "#Project#"),
        ("targetPath", ""),
        ("upgraded", "true"),
    ):
        _add(transfer, tag, text)


def _security(root: etree._Element) -> None:
    container = _add(root, "wssContainer")
    for file in (TLS_KEYSTORE, SIGNING_KEYSTORE):
        crypto = _add(container, "crypto")
        for tag, text in (
            ("source", f"${{#Project#certificates}}/{file}"),
            ("password", KEYSTORE_PASSWORD),
            ("type", "KEYSTORE"),
        ):
            _add(crypto, tag, text)
    for version, spoken in SPOKEN.items():
        outgoing = _add(container, "outgoing", {"mustUnderstand": "true"})
        _add(outgoing, "name", f"Sign {spoken}")
        # the Timestamp stands first, or there would be none to sign
        timestamp = _add(_add(outgoing, "entry", {"type": "Timestamp"}), "configuration")
        for tag, text in (("timeToLive", "300"), ("strictTimestamp", "true")):
            etree.SubElement(timestamp, tag).text = text
        signature = _add(
            _add(
                outgoing,
                "entry",
                {
                    "type": "Signature",
                    "username": "${#Project#signing_alias}",
                    "password": "${#Project#keystore_password}",
                },
            ),
            "configuration",
        )
        for tag, text in (
            ("crypto", SIGNING_KEYSTORE),
            ("keyIdentifierType", "1"),  # Binary Security Token
            ("signatureAlgorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
            ("signatureCanonicalization", "http://www.w3.org/2001/10/xml-exc-c14n#"),
            ("useSingleCert", "true"),
            ("digestAlgorithm", "http://www.w3.org/2001/04/xmlenc#sha256"),
            ("signaturePart", _part("Body", ENVELOPE[version])),
            ("signaturePart", _part("Timestamp", WSU)),
        ):
            entry = etree.SubElement(signature, tag)
            entry.text = etree.CDATA(text) if tag == "signaturePart" else text


def _part(name: str, namespace: str) -> str:
    entries = {"id": "", "name": name, "enc": "Element", "namespace": namespace}
    return "\n".join(
        [
            f'<xml-fragment xmlns:con="{CON}">',
            *(f'  <con:entry key="{key}" value="{value}"/>' for key, value in entries.items()),
            "</xml-fragment>",
        ]
    )


def _con(name: str) -> str:
    return f"{{{CON}}}{name}"


def _add(parent: etree._Element, name: str, content: str | Mapping[str, str] | None = None) -> etree._Element:
    child = etree.SubElement(parent, _con(name), dict(content) if isinstance(content, Mapping) else {})
    if isinstance(content, str):
        child.text = content
    return child


def _id(*words: str) -> str:
    """An id that stays the same from one making to the next."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("urn:smt-ws:soapui", *words))))


if __name__ == "__main__":
    made = project()
    if "--check" in sys.argv[1:]:
        same = PROJECT_FILE.exists() and PROJECT_FILE.read_bytes() == made
        sys.exit(0 if same else f"{PROJECT_FILE.name} is not what make_project.py makes: run it")
    PROJECT_FILE.write_bytes(made)
