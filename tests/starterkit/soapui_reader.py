"""A soapUI project read as soapUI reads it: properties, keystores, outgoing WS-Security, requests and assertions.

Only what our project uses is known here; anything else raises, so that nothing in the project goes unproved.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

CON = "http://eviware.com/soapui/config"
NS = {"con": CON}
ENVELOPE = {
    "1_1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1_2": "http://www.w3.org/2003/05/soap-envelope",
}
CODE = {"1_1": "text/xml;charset=UTF-8", "1_2": "application/soap+xml;charset=UTF-8"}


@dataclass(frozen=True)
class Keystore:
    """A PKCS#12 file and its password."""

    path: Path
    password: str


@dataclass(frozen=True)
class Outgoing:
    """What one outgoing WS-Security configuration says, in the order in which it says it."""

    entries: tuple[str, ...]
    seconds: int
    milliseconds: bool
    keystore: Keystore
    alias: str
    key_password: str
    key_identifier: int
    single_certificate: bool
    signature: str
    canonicalization: str
    digest: str
    parts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Request:
    """One request: where it stands in the project, and what is sent."""

    name: str
    operation: str
    binding: str
    action: str
    soap_version: str
    endpoint: str
    content: str
    tls: Keystore
    outgoing: Outgoing
    assertions: tuple[etree._Element, ...]

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that say which operation of which version of SOAP this is."""
        if self.soap_version == "1_1":
            return {"Content-Type": CODE["1_1"], "SOAPAction": f'"{self.action}"'}
        return {"Content-Type": f'{CODE["1_2"]};action="{self.action}"'}


class Project:
    """A project file."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.root = etree.parse(path).getroot()
        self.properties = {
            str(one.findtext("con:name", namespaces=NS)): one.findtext("con:value", "", NS)
            for one in self.root.iterfind("con:properties/con:property", NS)
        }
        self.interfaces = {str(one.get("name")): one for one in self.root.iterfind("con:interface", NS)}

    def expand(self, text: str) -> str:
        """Put the values of ``${…}`` in; only project properties and a fresh UUID are known."""

        def value(found: re.Match[str]) -> str:
            if found[1] == "=java.util.UUID.randomUUID()":
                return str(uuid.uuid4())
            scope, name = re.fullmatch(r"(#Project#)(\w+)", found[1]).groups()  # type: ignore[union-attr]
            assert scope == "#Project#"
            return self.properties[name]

        return re.sub(r"\$\{([^}]*)\}", value, text)

    def operations(self) -> set[tuple[str, str]]:
        """(binding, operation) of every request that is there to try."""
        return {
            (name, str(operation.get("name")))
            for name, interface in self.interfaces.items()
            for operation in interface.iterfind("con:operation", NS)
            if operation.find("con:call", NS) is not None
        }

    def calls(self) -> Iterator[Request]:
        """Every request that stands under an interface."""
        for name, interface in self.interfaces.items():
            for operation in interface.iterfind("con:operation", NS):
                for call in operation.iterfind("con:call", NS):
                    yield self._request(call, name, str(operation.get("name")))

    def run(self, suite: str, send: Callable[[Request], bytes]) -> Iterator[tuple[Request, bytes]]:
        """Run a test suite: each request with its answer, transfers in between."""
        (found,) = (one for one in self.root.iterfind("con:testSuite", NS) if one.get("name") == suite)
        for case in found.iterfind("con:testCase", NS):
            answers: dict[str, bytes] = {}
            for step in case.iterfind("con:testStep", NS):
                config = step.find("con:config", NS)
                assert config is not None
                if step.get("type") == "request":
                    request = self._request(
                        config.find("con:request", NS),
                        config.findtext("con:interface", "", NS),
                        config.findtext("con:operation", "", NS),
                    )
                    answers[str(step.get("name"))] = answer = send(request)
                    yield request, answer
                else:
                    assert step.get("type") == "transfer"
                    self._transfer(config, answers)

    def _transfer(self, config: etree._Element, answers: dict[str, bytes]) -> None:
        for transfer in config.iterfind("con:transfers", NS):
            said = {str(etree.QName(one).localname): one.text or "" for one in transfer}
            assert (said["sourceType"], said["targetStep"], said["targetPath"]) == ("Response", "#Project#", "")
            found = select(answers[said["sourceStep"]], said["sourcePath"])
            self.properties[said["targetType"]] = found[0].text

    def _request(self, request: etree._Element | None, binding: str, operation: str) -> Request:
        assert request is not None
        interface = self.interfaces[binding]
        (found,) = (one for one in interface.iterfind("con:operation", NS) if one.get("name") == operation)
        return Request(
            name=str(request.get("name")),
            operation=operation,
            binding=binding,
            action=str(found.get("action")),
            soap_version=str(interface.get("soapVersion")),
            endpoint=self.expand(request.findtext("con:endpoint", "", NS)),
            content=self.expand(request.findtext("con:request", "", NS)),
            tls=self._keystore(self.expand(str(request.get("sslKeystore")))),
            outgoing=self._outgoing(str(request.get("outgoingWss"))),
            assertions=tuple(request.iterfind("con:assertion", NS)),
        )

    def _keystore(self, label: str) -> Keystore:
        """The keystore known by its file name; a relative path counts from the project's folder."""
        assert self.root.get("resourceRoot") == "${projectDir}"
        for crypto in self.root.iterfind("con:wssContainer/con:crypto", NS):
            path = Path(self.expand(crypto.findtext("con:source", "", NS)))
            if path.name == label:
                assert crypto.findtext("con:type", "", NS) == "KEYSTORE"
                password = crypto.findtext("con:password", "", NS)
                assert "${" not in password, "soapUI does not expand it"
                return Keystore(self.folder / path, password)
        raise KeyError(label)

    def _outgoing(self, name: str) -> Outgoing:
        (outgoing,) = (
            one
            for one in self.root.iterfind("con:wssContainer/con:outgoing", NS)
            if one.findtext("con:name", "", NS) == name
        )
        entries = {str(entry.get("type")): entry for entry in outgoing.iterfind("con:entry", NS)}
        timestamp = entries["Timestamp"].find("con:configuration", NS)
        signature = entries["Signature"].find("con:configuration", NS)
        assert timestamp is not None
        assert signature is not None
        parts = []
        for part in signature.iterfind("signaturePart"):
            said = {
                str(entry.get("key")): str(entry.get("value"))
                for entry in etree.fromstring(part.text or "").iter(f"{{{CON}}}entry")
            }
            assert not said["id"]
            parts.append((said["name"], said["namespace"], said["enc"]))
        return Outgoing(
            entries=tuple(entries),
            seconds=int(timestamp.findtext("timeToLive", "")),
            milliseconds=timestamp.findtext("strictTimestamp") == "true",
            keystore=self._keystore(signature.findtext("crypto", "")),
            alias=self.expand(str(entries["Signature"].get("username"))),
            key_password=self.expand(str(entries["Signature"].get("password"))),
            key_identifier=int(signature.findtext("keyIdentifierType", "")),
            single_certificate=signature.findtext("useSingleCert") == "true",
            signature=signature.findtext("signatureAlgorithm", ""),
            canonicalization=signature.findtext("signatureCanonicalization", ""),
            digest=signature.findtext("digestAlgorithm", ""),
            parts=tuple(parts),
        )

    def broken(self, request: Request, answer: bytes, schema: etree.XMLSchema) -> list[str]:
        """The names of the request's assertions that *answer* does not fulfil."""
        return [
            str(one.get("name"))
            for one in request.assertions
            if not _holds(self, one, request.soap_version, etree.fromstring(answer), schema)
        ]


def select(answer: bytes | etree._Element, path: str) -> list[Any]:
    """What an XPath that begins with soapUI's namespace declarations selects; an XPath 1.0 here."""
    root = etree.fromstring(answer) if isinstance(answer, bytes) else answer
    declared = dict(re.findall(r"declare namespace (\w+)='([^']*)';", path))
    expression = re.sub(r"declare namespace [^;]*;\s*", "", path)
    found = root.xpath(expression, namespaces=declared)
    return found if isinstance(found, list) else [found]


def _holds(
    project: Project, assertion: etree._Element, version: str, root: etree._Element, schema: etree.XMLSchema
) -> bool:
    soap = ENVELOPE[version]
    body = root.find(f"{{{soap}}}Body")
    fault = root.find(f"{{{soap}}}Body/{{{soap}}}Fault")
    match assertion.get("type"):
        case "SOAP Response":
            return root.tag == f"{{{soap}}}Envelope" and body is not None and len(body) == 1
        case "Schema Compliance":
            assert body is not None
            # of a fault, the part that the WSDL declares is judged
            judged = body[0] if fault is None else next(fault.iter("{urn:smt-ws:common:1}HubFault"))
            return bool(schema.validate(etree.fromstring(etree.tostring(judged))))
        case "SOAP Fault Assertion":  # soapUI's id of what it calls "Not SOAP Fault"
            return fault is None
        case "Not SOAP Fault Assertion":  # and of "SOAP Fault"
            return fault is not None
        case "XPath Match":
            said = {str(one.tag): one.text or "" for one in assertion.find("con:configuration", NS)}  # type: ignore[union-attr]
            assert {said[name] for name in ("allowWildcards", "ignoreNamspaceDifferences", "ignoreComments")} == {
                "false"
            }
            found = select(root, project.expand(said["path"]))
            texts = [str(one).lower() if isinstance(one, bool) else one.text for one in found]
            return project.expand(said["content"]) in texts
        case other:
            raise NotImplementedError(other)
