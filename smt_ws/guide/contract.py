"""Tables from the WSDLs and XSDs: operations, fields of their messages, and the fault."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import xmlschema
from lxml import etree
from xmlschema.validators import XsdComplexType, XsdElement, XsdGroup

from smt_ws.guide.markdown import one_line, table
from smt_ws.soap.app import CONTRACTS, SERVICES

__all__ = ["fault", "fields", "operations", "remembered"]

_WSDL: Final = "{http://schemas.xmlsoap.org/wsdl/}"
_SOAP: Final = "{http://schemas.xmlsoap.org/wsdl/soap/}"
#: These begin every request and every answer, and are described once.
_IN_ALL: Final = ("trans_id", "requestorID", "requesterType", "requesterAuthenticationID", "SMTTermsandConditions")
_IN_ALL_ANSWERS: Final = ("trans_id", "statusCode", "statusReason")
_LONGEST_LIST: Final = 8


def operations() -> str:
    """Every operation of every service: where it is called, and what it does."""
    return table(
        ["service", "operation", "what it does", "soapAction"],
        [
            (f"`/soap/{service}`", f"`{name}`", text, f"`{action}`")
            for service in SERVICES
            for name, text, action in _operations_of(service)
        ],
    )


def remembered() -> str:
    """Which operations change something, and so are remembered (interfaces: idempotency)."""
    rows = []
    for service in SERVICES:
        schema = _schema(service)
        for name, _text, _action in _operations_of(service):
            answer = schema.elements[f"{name}Response"].type
            kept = isinstance(answer, XsdComplexType) and "repeated" in answer.attributes
            rows.append((f"`{name}`", "yes: a repeat gets its first answer" if kept else "no: it only reads"))
    return table(["operation", "remembered"], rows)


def fields() -> str:
    """The fields of every request and answer."""
    first = next(iter(SERVICES))
    opening = next(_operations_of(first))[0]
    parts = [
        "**In every request**",
        _fields(_children(_schema(first).elements[opening]), only=_IN_ALL),
        "**In every answer**",
        _fields(_children(_schema(first).elements[f"{opening}Response"]), only=_IN_ALL_ANSWERS),
    ]
    for service in SERVICES:
        schema = _schema(service)
        for name, _text, _action in _operations_of(service):
            for element, without in ((name, _IN_ALL), (f"{name}Response", _IN_ALL_ANSWERS)):
                own = [one for one in _children(schema.elements[element]) if one[0] not in without]
                if own:
                    parts += [f"**`{element}`**", _fields(own)]
    return "\n\n".join(parts)


def fault() -> str:
    """The one entry in the detail of every fault."""
    schema = _schema(next(iter(SERVICES)))
    return _fields(_children(schema.maps.elements["{urn:smt-ws:common:1}HubFault"]))


@lru_cache
def _schema(service: str) -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(CONTRACTS / "xsd" / f"{service}.xsd"))


def _operations_of(service: str) -> Iterator[tuple[str, str, str]]:
    root = etree.parse(CONTRACTS / "wsdl" / f"{service}.wsdl").getroot()
    actions = {
        operation.get("name"): bound.get("soapAction")
        for operation in root.iterfind(f"{_WSDL}binding/{_WSDL}operation")
        if (bound := operation.find(f"{_SOAP}operation")) is not None
    }
    for operation in root.iterfind(f"{_WSDL}portType/{_WSDL}operation"):
        name = str(operation.get("name"))
        yield name, operation.findtext(f"{_WSDL}documentation", ""), str(actions[name])


def _children(element: XsdElement, path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(path, how many, what may stand there, meaning) of everything in *element*, nested elements after their own."""
    type_ = element.type
    assert isinstance(type_, XsdComplexType)
    for name, attribute in type_.attributes.items():
        yield f"{path}@{name}", "0..1", _allowed(attribute.type), _meaning(attribute.annotation)
    group = type_.content
    if not isinstance(group, XsdGroup):
        return
    for child in group.iter_elements():
        assert isinstance(child, XsdElement)
        name = f"{path}{child.local_name}"
        most = "n" if child.max_occurs is None else str(child.max_occurs)
        many = "1" if (child.min_occurs, most) == (1, "1") else f"{child.min_occurs}..{most}"
        nested = isinstance(child.type, XsdComplexType) and child.type.has_complex_content()
        meaning = _meaning(child.annotation) or _meaning(child.type.annotation)
        if child.default is not None:
            meaning = f"{meaning} Left out: `{child.default}`."
        yield name, many, "" if nested else _allowed(child.type), meaning
        if nested:
            yield from _children(child, f"{name}/")


def _fields(
    rows: Iterator[tuple[str, str, str, str]] | list[tuple[str, str, str, str]], only: tuple[str, ...] = ()
) -> str:
    return table(
        ["element", "how many", "may hold", "meaning"],
        [(f"`{name}`", many, allowed, text) for name, many, allowed, text in rows if not only or name in only],
    )


def _allowed(type_: object) -> str:
    """What a simple type lets stand: its list, its pattern or its length, else the name of its built-in type."""
    listed = getattr(type_, "enumeration", None)
    if listed and len(listed) <= _LONGEST_LIST:
        return ", ".join(f"`{value}`" for value in listed)
    patterns = getattr(type_, "patterns", None)
    if patterns is not None:
        return " or ".join(f"`{pattern}`" for pattern in patterns.regexps)
    shortest, longest = getattr(type_, "min_length", None), getattr(type_, "max_length", None)
    if longest is not None:
        return f"{shortest or 0} to {longest} characters"
    least, most = getattr(type_, "min_value", None), getattr(type_, "max_value", None)
    root = getattr(type_, "root_type", type_)
    name = str(getattr(type_, "local_name", None) or getattr(root, "local_name", ""))
    if getattr(type_, "prefixed_name", "").startswith("xs:"):
        return name
    return f"{least} to {most}" if least is not None else name


def _meaning(annotation: object) -> str:
    return one_line(str(annotation)) if annotation is not None else ""
