"""What each element of a request may hold, in words, read from the published XSD."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lxml import etree

__all__ = ["Expectations", "Member"]

_XS: Final = "{http://www.w3.org/2001/XMLSchema}"
_BUILT_IN: Final = {
    "string": "text",
    "boolean": "true or false",
    "dateTime": "a date and time such as 2026-11-22T06:00:00Z",
    "decimal": "a number such as 1.25",
    "int": "a whole number",
    "long": "a whole number",
    "unsignedByte": "a whole number from 0 to 255",
}
_FIRST_SENTENCE: Final = re.compile(r"(.*?[^.])\.(?:\s|$)", re.DOTALL)
_OPENING: Final = re.compile(r"(A|An|The|Your|One|Whether|Serial|Whole|Calendar)\b")


@dataclass(frozen=True, slots=True)
class Member:
    """A child that an element may have: at least *least* of them, one or *many*."""

    name: str
    least: int
    many: bool


class Expectations:
    """Answers for paths of local names below a request, such as ``("post", "statusTimestamp")``."""

    def __init__(self, xsd: Path) -> None:
        """Read *xsd* and what it imports from beside it."""
        self._types: dict[str, etree._Element] = {}
        self._elements: dict[str, etree._Element] = {}
        self._read(xsd)

    def _read(self, xsd: Path) -> None:
        root = etree.parse(
            xsd, etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
        ).getroot()
        namespace = root.get("targetNamespace")
        for child in root:
            name = f"{{{namespace}}}{child.get('name')}"
            if child.tag == f"{_XS}import":
                self._read(xsd.parent / str(child.get("schemaLocation")))
            elif child.tag == f"{_XS}element":
                self._elements.setdefault(str(child.get("name")), child)
            elif child.tag in {f"{_XS}simpleType", f"{_XS}complexType"}:
                self._types[name] = child

    def members(self, operation: str, path: Sequence[str] = ()) -> list[Member]:
        """The children that the element at *path* of *operation*'s request may have, in their order."""
        found = self._element(operation, path)
        of = None if found is None else self._type_of(found)
        return [] if of is None else [_member(child) for child in self._children(of)]

    def words(self, operation: str, path: Sequence[str]) -> str | None:
        """What the element at *path* may hold; None where it holds elements, or is none."""
        found = self._element(operation, path)
        return None if found is None else self._words_of(found)

    def _element(self, operation: str, path: Sequence[str]) -> etree._Element | None:
        here = self._elements.get(operation)
        for name in path:
            of = None if here is None else self._type_of(here)
            if of is None:
                return None
            here = next((child for child in self._children(of) if child.get("name") == name), None)
        return here

    def _type_of(self, element: etree._Element) -> etree._Element | None:
        named = element.get("type")
        if named is None:
            return next((child for child in element if child.tag in {f"{_XS}simpleType", f"{_XS}complexType"}), None)
        return self._types.get(_resolved(element, named))

    def _children(self, type_: etree._Element) -> Iterator[etree._Element]:
        for extension in type_.iterfind(f"{_XS}complexContent/{_XS}extension"):
            base = self._types.get(_resolved(extension, str(extension.get("base"))))
            if base is not None:
                yield from self._children(base)
        for child in type_.iter(f"{_XS}element"):
            # an element of a type declared inside another element is that one's own
            if next(child.iterancestors(f"{_XS}element", f"{_XS}complexType"), None) in {type_, None}:
                yield child

    def _words_of(self, element: etree._Element) -> str | None:
        of = self._type_of(element)
        if of is None:
            return _BUILT_IN.get(str(element.get("type")).rpartition(":")[2])
        if of.tag != f"{_XS}simpleType":
            return None
        values = [str(one.get("value")) for one in of.iter(f"{_XS}enumeration")]
        if values:
            return f"one of {', '.join(values)}" if len(values) > 1 else values[0]
        low, high = (of.find(f".//{_XS}{facet}Inclusive") for facet in ("min", "max"))
        if low is not None:
            most = f" to {int(high.get('value', 0)):,}" if high is not None else " on"
            return f"a whole number from {int(low.get('value', 0)):,}{most}"
        told = _FIRST_SENTENCE.match(" ".join(of.findtext(f"{_XS}annotation/{_XS}documentation", "").split()))
        if told is None:
            base = of.find(f"{_XS}restriction")
            return _BUILT_IN.get("" if base is None else str(base.get("base")).rpartition(":")[2])
        return told[1][0].lower() + told[1][1:] if _OPENING.match(told[1]) else told[1]


def _member(element: etree._Element) -> Member:
    optional = next(element.iterancestors(f"{_XS}choice", f"{_XS}complexType"), element).tag == f"{_XS}choice"
    least = 0 if optional else int(element.get("minOccurs", "1"))
    return Member(str(element.get("name")), least, element.get("maxOccurs", "1") != "1")


def _resolved(element: etree._Element, name: str) -> str:
    prefix, _, local = name.rpartition(":")
    return f"{{{element.nsmap.get(prefix or None)}}}{local}"
