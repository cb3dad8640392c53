"""A published contract (one WSDL, one XSD) and the judgement of a request by it.

The published XSD itself validates, never one generated from code. A list that may hold 50,000 entries is judged apart:
libxml2 builds a node path for every schema error, which makes many bad entries quadratic (50,000 take 6 to 13 s), so
the schema sees a *skeleton*, the request with one good entry in the list's place, and the entries are read in one walk.
An entry that breaks its pattern is not refused here: it becomes an exception of its order.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lxml import etree

from adapters.soap.expectations import Expectations
from adapters.soap.faults import Fault, Finding, SchemaViolation, UnknownOperation, shown
from adapters.soap.findings import findings

__all__ = ["BigList", "Contract", "Judged"]

_WSDL: Final = "{http://schemas.xmlsoap.org/wsdl/}"
_MOST_MEMBERS: Final = 64


@dataclass(frozen=True)
class BigList:
    """A repeated element of a request that may stand thousands of times.

    *element* is its local name, *limit* how many there may be, *refusal* the fault when there are more, *sample* a
    valid entry that stands for all when the schema judges the rest, *longest* the most characters a good entry has: a
    longer one is handed on cut to one more, so that it is told apart and bounded.
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

    def __init__(
        self, wsdl: Path, xsd: Path, *, big_lists: Mapping[str, BigList] | None = None, answers_each: bool = False
    ) -> None:
        """Read *wsdl* for the namespace, the service's name and its operations; *big_lists* go by operation.

        *answers_each*: the service answers each item of a request for itself, so a value that fits the schema and
        cannot be read reaches it as `adapters.soap.values.Unreadable` and refuses nothing else.
        """
        self.wsdl = wsdl
        self.xsd = xsd
        self.answers_each = answers_each
        self.big_lists = dict(big_lists or {})
        root = etree.parse(wsdl, etree.XMLParser(resolve_entities=False, no_network=True)).getroot()
        self.namespace = str(root.get("targetNamespace"))
        self.name = str(root.get("name"))
        self.operations = tuple(str(el.get("name")) for el in root.iterfind(f"{_WSDL}portType/{_WSDL}operation"))
        self._expectations = Expectations(xsd)
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
            raise UnknownOperation(findings=[Finding("Body", shown(str(body.tag)), expected)])
        return str(name.localname)

    def judge(self, body: etree._Element, operation: str, signed_body: bytes = b"") -> Judged:
        """Hold *body* against the published schema; the tree is left as it is.

        *signed_body*, the canonical form of the element around *body*, lets a big list be read from the bytes that were
        signed, several times as fast as from the tree.

        Raises SchemaViolation with findings, or the refusal of a big list with too many entries (before any entry is
        looked at).
        """
        big = self.big_lists.get(operation)
        if big is None:
            self._validate(body)
            return Judged(body)
        entries = self._reader(operation, big).read(body)
        skeleton, samples = entries.skeleton()
        self._validate(skeleton)
        texts = entries.texts(signed_body)
        for sample in samples:
            skeleton.remove(sample)
        return Judged(skeleton, {big.element: texts})

    def _reader(self, operation: str, big: BigList) -> _Reader:
        """Return this thread's reader of a big list: compiled XPath expressions lock while they run."""
        readers: dict[str, _Reader] = self._of_thread.__dict__.setdefault("readers", {})
        if operation not in readers:
            readers[operation] = _Reader(self.namespace, big)
        return readers[operation]

    def _validate(self, document: etree._Element) -> None:
        schema = self._schema()
        if not schema.validate(document):
            raise SchemaViolation(findings=findings(schema.error_log, document, self._expectations))


class _Reader:
    """Reads one kind of big list by XPath: 50,000 visits from Python would cost more than the parse."""

    def __init__(self, namespace: str, big: BigList) -> None:
        self.big = big
        self.tag = f"{{{namespace}}}{big.element}"

        def xpath(expression: str) -> Any:
            return etree.XPath(
                expression.replace("ENTRY", f"m:{big.element}"), namespaces={"m": namespace}, smart_strings=False
            )

        self.count = xpath("count(ENTRY)")
        # no preceding-sibling axis over all entries: libxml2 walks it to its end for each, 50,000 times 50,000
        self.others = xpath("*[not(self::ENTRY)]")
        self.loose_text = xpath("text()[normalize-space(.)][1]")
        # plain steps only: a predicate evaluated for each of 50,000 entries costs several times as much
        self.marked = xpath("boolean(ENTRY/@* | ENTRY/*)")
        self.texts = xpath("ENTRY/text()")
        self.split = xpath("boolean(ENTRY/text()/following-sibling::text())")
        self.first_marked = xpath("ENTRY[@* or *][1]")
        self.before = xpath("count(preceding-sibling::ENTRY)")

    def read(self, body: etree._Element) -> _Entries:
        """Count the entries of *body* and refuse too many before any is looked at."""
        count = int(self.count(body))
        if count > self.big.limit:
            raise self.big.refusal(
                f"{' '.join((self.big.refusal.__doc__ or '').split())} "
                f"This one names {count:,}; at most {self.big.limit:,} may be named.",
                findings=[Finding(self.big.element, f"{count:,}", f"at most {self.big.limit:,}", quoted=False)],
            )
        return _Entries(self, body, count)


@dataclass(frozen=True)
class _Entries:
    """The big list of one request."""

    reader: _Reader
    body: etree._Element
    count: int

    def skeleton(self) -> tuple[etree._Element, list[etree._Element]]:
        """Copy the request with one good entry for each run of them; return it and those entries."""
        others = self._others()
        name = str(etree.QName(self.body).localname)
        if len(others) > _MOST_MEMBERS:
            raise SchemaViolation(
                findings=[Finding(name, "too many elements", f"at most {_MOST_MEMBERS} beside the list", quoted=False)]
            )
        if loose := self.reader.loose_text(self.body):
            raise SchemaViolation(findings=[Finding(name, str(loose[0]).strip()[:64], "no text between elements")])
        # of the namespaces, only those that an attribute's value may use; lxml's types know no default namespace
        nsmap = {prefix: uri for prefix, uri in self.body.nsmap.items() if prefix}
        attributes = {str(key): str(value) for key, value in self.body.attrib.items()}
        skeleton = etree.Element(str(self.body.tag), attributes, nsmap=nsmap)
        samples: list[etree._Element] = []

        def sample_before(child: etree._Element | None) -> None:
            if child is not None and child.tag == self.reader.tag:  # a run begins; of a second the schema says so
                samples.append(etree.SubElement(skeleton, self.reader.tag))
                samples[-1].text = self.reader.big.sample

        sample_before(self.body[0] if len(self.body) else None)
        for child in others:
            skeleton.append(deepcopy(child))
            sample_before(child.getnext())
        return skeleton, samples

    def _others(self) -> list[etree._Element]:
        """Return the children that are no entries, walking past the one run of entries from both of its ends."""
        ends: list[list[etree._Element]] = []
        for walk in (self.body.iterchildren(), self.body.iterchildren(reversed=True)):
            ends.append([])
            for child in walk:
                if child.tag == self.reader.tag or len(ends[-1]) > _MOST_MEMBERS:
                    break
                ends[-1].append(child)
        front, back = ends
        if self.count and len(front) + self.count + len(back) == len(self.body):
            return front + back[::-1]
        others: list[etree._Element] = self.reader.others(self.body)
        return others

    def texts(self, signed_body: bytes = b"") -> list[str]:
        """Return the entries as they were sent. Raises SchemaViolation for one that is not plain text."""
        texts = self._from_bytes(signed_body)
        if texts is None:
            texts = self._from_tree()
        longest = self.reader.big.longest
        if max(map(len, texts), default=0) > longest:
            # One character more than any good entry has: cut short, it still is none.
            texts = [text[: longest + 1] for text in texts]
        return texts

    def _from_bytes(self, signed_body: bytes) -> list[str] | None:
        """The entries out of canonical XML, where they stand side by side and are plain text; else None."""
        name = re.search(rb"<((?:[^<> :/]+:)?%s)>" % self.reader.big.element.encode(), signed_body)
        if name is None:
            return None
        opening, closing = b"<%s>" % name[1], b"</%s>" % name[1]
        run = signed_body[name.end() : signed_body.rfind(closing)]
        if run.count(b"<") != 2 * (self.count - 1) or b"&" in run:
            return None
        texts = run.decode().split((closing + opening).decode())
        # As many as the tree has of that name and namespace: so each tag in the run is one of theirs.
        return texts if len(texts) == self.count else None

    def _from_tree(self) -> list[str]:
        reader, tag = self.reader, self.reader.tag
        if reader.marked(self.body):
            entry = reader.first_marked(self.body)[0]
            raise self._not_plain(int(reader.before(entry)) + 1, entry.text or "")
        texts: list[str] = reader.texts(self.body)
        if len(texts) != self.count or reader.split(self.body):  # some are empty: they must keep their places
            texts = [entry.text or "" for entry in self.body.iterchildren(tag)]
        return texts

    def _not_plain(self, index: int, text: str) -> SchemaViolation:
        big = self.reader.big
        expected = "text, without attributes or elements"
        return SchemaViolation(findings=[Finding(f"{big.element}[{index}]", text[:64], expected)])
