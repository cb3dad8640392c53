"""A published contract (one WSDL, one XSD) and the judgement of a request by it.

The published XSD itself validates, never one generated from code. A list that may hold 50,000 entries is judged apart:
libxml2 builds a node path for every schema error, which makes many bad entries quadratic (50,000 take 6 to 13 s), so
the schema sees a *skeleton*, the request with one good entry in the list's place, and the entries are read in one walk.
An entry that breaks its pattern is not refused here: it becomes an exception of its order.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lxml import etree

from adapters.soap.faults import Fault, Finding, SchemaViolation, UnknownOperation

__all__ = ["BigList", "Contract", "Judged"]

_WSDL: Final = "{http://schemas.xmlsoap.org/wsdl/}"
_MOST_MEMBERS: Final = 64
_MOST_FINDINGS: Final = 20


@dataclass(frozen=True)
class BigList:
    """A repeated element of a request that may stand thousands of times.

    *element* is its local name, *limit* how many there may be, *refusal* the fault when there are more, *sample* a
    valid entry that stands for all when the schema judges the rest, *longest* the most characters an entry may have.
    """

    element: str
    limit: int
    refusal: type[Fault]
    sample: str
    longest: int = 64


@dataclass(frozen=True)
class Judged:
    """A request that fits its schema: *document* without the big list, and the list's entries as they were sent."""

    document: etree._Element
    entries: Mapping[str, list[str]] = field(default_factory=dict)


class Contract:
    """The contract of one service, read from its published files."""

    def __init__(self, wsdl: Path, xsd: Path, *, big_lists: Mapping[str, BigList] | None = None) -> None:
        """Read *wsdl* for the namespace, the service's name and its operations; *big_lists* go by operation."""
        self.wsdl = wsdl
        self.xsd = xsd
        self.big_lists = dict(big_lists or {})
        root = etree.parse(wsdl, etree.XMLParser(resolve_entities=False, no_network=True)).getroot()
        self.namespace = str(root.get("targetNamespace"))
        self.name = str(root.get("name"))
        self.operations = tuple(str(el.get("name")) for el in root.iterfind(f"{_WSDL}portType/{_WSDL}operation"))
        self._of_thread = threading.local()
        self._schema()  # a broken schema must stop the start, not the first request

    def _schema(self) -> etree.XMLSchema:
        """Return this thread's schema: lxml's error log belongs to the object and other threads would read it."""
        schema: etree.XMLSchema | None = getattr(self._of_thread, "schema", None)
        if schema is None:
            schema = etree.XMLSchema(etree.parse(self.xsd, etree.XMLParser(resolve_entities=False, no_network=True)))
            self._of_thread.schema = schema
        return schema

    def action(self, operation: str) -> str:
        """Return the soapAction of *operation*."""
        return f"{self.namespace}:{operation}"

    def operation(self, body: etree._Element) -> str:
        """Return the operation that *body*, the child of soap:Body, asks for. Raises UnknownOperation."""
        name = etree.QName(body)
        if name.namespace != self.namespace or name.localname not in self.operations:
            expected = f"one of {', '.join(self.operations)} in {self.namespace}"
            raise UnknownOperation(findings=[Finding("Body", str(body.tag)[:128], expected)])
        return str(name.localname)

    def judge(self, body: etree._Element, operation: str) -> Judged:
        """Hold *body* against the published schema; the tree is left as it is.

        Raises SchemaViolation with findings, or the refusal of a big list with too many entries (before any entry is
        looked at).
        """
        big = self.big_lists.get(operation)
        if big is None:
            self._validate(body)
            return Judged(body)
        tag = f"{{{self.namespace}}}{big.element}"
        count = sum(1 for _ in body.iterchildren(tag))
        if count > big.limit:
            raise big.refusal(
                f"{big.refusal.__doc__} This one names {count:,}; at most {big.limit:,} may be named.",
                findings=[Finding(big.element, f"{count}", f"1 to {big.limit}")],
            )
        skeleton, samples = self._skeleton(body, tag, big)
        self._validate(skeleton)
        entries = self._entries(body, tag, big)
        for sample in samples:
            skeleton.remove(sample)
        return Judged(skeleton, {big.element: entries})

    def _skeleton(self, body: etree._Element, tag: str, big: BigList) -> tuple[etree._Element, list[etree._Element]]:
        # of the namespaces, only those that an attribute's value may use; lxml's types know no default namespace
        nsmap = {prefix: uri for prefix, uri in body.nsmap.items() if prefix}
        skeleton = etree.Element(str(body.tag), {str(k): str(v) for k, v in body.attrib.items()}, nsmap=nsmap)
        skeleton.text = body.text
        samples: list[etree._Element] = []
        others, in_run = 0, False
        for child in body:
            if child.tag == tag:
                if not in_run:  # a second run of them is out of place, and the schema says so
                    samples.append(etree.SubElement(skeleton, tag))
                    samples[-1].text = big.sample
                in_run = True
                continue
            in_run = False
            others += 1
            if others > _MOST_MEMBERS or len(samples) > _MOST_MEMBERS:
                raise SchemaViolation(findings=[Finding(str(etree.QName(body).localname), "too many elements", None)])
            skeleton.append(deepcopy(child))
        return skeleton, samples

    @staticmethod
    def _entries(body: etree._Element, tag: str, big: BigList) -> list[str]:
        entries = []
        for index, child in enumerate(body.iterchildren(tag), 1):
            text = child.text or ""
            if len(child) or child.attrib or len(text) > big.longest:
                raise SchemaViolation(
                    findings=[
                        Finding(f"{big.element}[{index}]", text[:64], f"text of at most {big.longest} characters")
                    ]
                )
            if child.tail is not None and child.tail.strip():
                raise SchemaViolation(
                    findings=[Finding(f"{big.element}[{index}]", child.tail[:64], "no text after it")]
                )
            entries.append(text)
        return entries

    def _validate(self, document: etree._Element) -> None:
        schema = self._schema()
        if not schema.validate(document):
            raise SchemaViolation(findings=findings(schema.error_log))


_ELEMENT: Final = re.compile(r"Element '(?:\{[^}']*\})?([^']*)'(?:, attribute '(?:\{[^}']*\})?([^']*)')?")
_NAMESPACE: Final = re.compile(r"\{[^}]*\}")
_EXPECTED: Final = (
    (re.compile(r"Expected is (?:one of )?\( (.*) \)", re.DOTALL), "{}"),
    (re.compile(r"is not accepted by the pattern '(.*)'", re.DOTALL), "the pattern {}"),
    (re.compile(r"is not an element of the set \{(.*)\}", re.DOTALL), "one of {}"),
    (
        re.compile(r"not a valid value of the (?:local )?(?:atomic|union|list) type '(.*)'", re.DOTALL),
        "a value of type {}",
    ),
    (re.compile(r"allowed (?:minimum|maximum) length of '(.*)'", re.DOTALL), "a length of {}"),
    (re.compile(r"allowed '(.*)'", re.DOTALL), "{}"),
)
_PRESENTED: Final = re.compile(r"(?:The value|'[^']*': ) ?'(.*?)' (?:is not|has a length)", re.DOTALL)


def findings(log: Sequence[etree._LogEntry] | etree._ListErrorLog) -> list[Finding]:
    """Read libxml2's sentences and say in the hub's own terms where, what and what else: element names without
    namespaces, values cut to 64 characters, one finding an element.
    """
    found: dict[str, Finding] = {}
    for entry in log:
        text = entry.message
        where = _ELEMENT.match(text)
        name = (f"{where[1]}/@{where[2]}" if where[2] else where[1]) if where else "request"
        expected = presented = None
        if "This element is not expected" in text:
            presented = "an element that does not belong here"
        elif "Missing child" in text:
            presented = "an element that lacks something"
        elif "is not allowed" in text:
            presented, expected = "not allowed here", "nothing"
        elif "No matching global" in text:
            presented, expected = "not declared in the contract", None
        elif value := _PRESENTED.search(text):
            presented = value[1][:64]
        for pattern, form in _EXPECTED:
            if hit := pattern.search(text):
                expected = form.format(_NAMESPACE.sub("", hit[1])[:160])
                break
        # the facet comes first and says more than the type error that follows it
        found.setdefault(name, Finding(name, presented, expected))
        if len(found) >= _MOST_FINDINGS:
            break
    return list(found.values())
