"""What libxml2 says against a request, told in the hub's own terms: where, what was presented, what was expected."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from lxml import etree

from adapters.soap.expectations import Expectations, Member
from adapters.soap.faults import Finding

__all__ = ["NOT_SHOWN", "findings", "place_of"]

#: Elements whose value is in no fault and in no log.
NOT_SHOWN: Final = frozenset({"installCode"})
_MOST_FINDINGS: Final = 20
_STEP: Final = re.compile(r"(?:[^:/\[]+:)?([^:/\[]+)(?:\[([0-9]+)\])?")
_ATTRIBUTE: Final = re.compile(r"Element '[^']*', attribute '(?:\{[^}']*\})?([^']*)'")
_LENGTH: Final = re.compile(r"has a length of '([0-9]+)'")


def findings(
    log: Sequence[etree._LogEntry] | etree._ListErrorLog, document: etree._Element, expectations: Expectations
) -> list[Finding]:
    """One finding an element, in the order of the request; of a missing element, that it is missing."""
    operation = str(etree.QName(document).localname)
    found: dict[str, Finding] = {}
    for entry in log:
        element = _at(document, entry.path or "")
        if element is None:
            continue
        for finding in _of(entry.message, element, operation, expectations):
            # the facet comes first and says more than the type error that follows it
            found.setdefault(str(finding.element), finding)
        if len(found) >= _MOST_FINDINGS:
            break
    return list(found.values()) or [Finding(operation, None, "what the published XSD says of it")]


def place_of(element: etree._Element) -> str:
    """Where *element* stands below its request, as findings say it: ``post[17]/statusTimestamp``."""
    steps: list[str] = []
    for step in (element, *element.iterancestors()):
        parent = step.getparent()
        # of a skeleton the request is the root, else it stands in soap:Body
        if parent is None or etree.QName(step.getparent()).localname == "Body":
            break
        name = str(etree.QName(step).localname)
        before = sum(1 for _ in step.itersiblings(str(step.tag), preceding=True))
        alone = not before and next(step.itersiblings(str(step.tag)), None) is None
        steps.append(name if alone else f"{name}[{before + 1}]")
    return "/".join(reversed(steps)) or str(etree.QName(element).localname)


def _path_of(element: etree._Element) -> tuple[str, ...]:
    place = place_of(element)
    parent = element.getparent()
    if parent is None or etree.QName(parent).localname == "Body":
        return ()
    return tuple(re.sub(r"\[[0-9]+\]", "", place).split("/"))


def _at(document: etree._Element, path: str) -> etree._Element | None:
    """The element that a node path of libxml2's names; of an attribute, its element."""
    here: etree._Element | None = document
    for step in path.strip("/").split("/")[1:]:
        if step.startswith("@") or here is None:
            break
        named = _STEP.fullmatch(step)
        if named is None:
            return None
        children = list(here.iterchildren(tag=etree.Element))
        if named[1] != "*":
            children = [one for one in children if etree.QName(one).localname == named[1]]
        at = int(named[2] or 1) - 1
        here = children[at] if at < len(children) else None
    return here


def _of(message: str, element: etree._Element, operation: str, known: Expectations) -> Iterator[Finding]:
    path, place = _path_of(element), place_of(element)
    if (attribute := _ATTRIBUTE.match(message)) is not None:
        yield Finding(f"{place}/@{attribute[1]}", "an attribute", "no such attribute", quoted=False)
    elif "Missing child" in message:
        yield from _missing(element, path, operation, known)
    elif "This element is not expected" in message:
        yield from _out_of_place(element, path, operation, known)
    elif "No matching global" in message:
        yield Finding(place, "no request of this service", "an operation of the WSDL", quoted=False)
    elif known.words(operation, path) is None:
        # an element of elements: what was found there is text, an attribute or nil
        names = ", ".join(member.name for member in known.members(operation, path))
        yield Finding(place, "text between elements", f"elements only: {names[:120]}", quoted=False)
    else:
        yield _value(message, element, place, known.words(operation, path))


def _value(message: str, element: etree._Element, place: str, expected: str | None) -> Finding:
    text = element.text or ""
    if len(element):
        return Finding(place, "an element inside", f"text alone: {expected}", quoted=False)
    if not text.strip():
        return Finding(place, "empty" if not text else "blanks alone", expected, quoted=False)
    if (length := _LENGTH.search(message)) is not None:
        return Finding(place, f"{length[1]} characters", expected, quoted=False)
    if etree.QName(element).localname in NOT_SHOWN:
        return Finding(place, f"{len(text)} characters (not shown)", expected, quoted=False)
    return Finding(place, text[:64], expected)


def _missing(parent: etree._Element, path: tuple[str, ...], operation: str, known: Expectations) -> Iterator[Finding]:
    there = {str(etree.QName(child).localname) for child in parent.iterchildren(tag=etree.Element)}
    within = "".join(f"{step}/" for step in place_of(parent).split("/")) if path else ""
    for member in known.members(operation, path):
        if member.least and member.name not in there:
            yield _absent(member, path, within, operation, known)


def _absent(member: Member, path: tuple[str, ...], within: str, operation: str, known: Expectations) -> Finding:
    words = known.words(operation, (*path, member.name))
    if words is None:
        inner = known.members(operation, (*path, member.name))
        words = f"an element of {', '.join(one.name for one in inner if one.least)}"
    return Finding(f"{within}{member.name}", "missing", words, quoted=False)


def _out_of_place(
    element: etree._Element, path: tuple[str, ...], operation: str, known: Expectations
) -> Iterator[Finding]:
    parent = element.getparent()
    name, place = etree.QName(element), place_of(element)
    members = known.members(operation, path[:-1])
    order = [member.name for member in members]
    if parent is None or name.localname not in order:
        close = get_close_matches(str(name.localname), order, 1)
        expected = close[0] if close else f"one of {', '.join(order)}"[:160]
        yield Finding(place, "no element of this request", expected, quoted=False)
        return
    wanted = str(etree.QName(parent).namespace)
    if name.namespace != wanted:
        presented = f"the namespace {name.namespace or '(none)'}"
        yield Finding(place, presented, f"the namespace {wanted}", quoted=False)
        return
    here = order.index(str(name.localname))
    there = Counter(str(etree.QName(child).localname) for child in parent.iterchildren(tag=etree.Element))
    absent = [member for member in members[:here] if member.least and not there[member.name]]
    within = place.rpartition("/")[0]
    for member in absent:
        yield _absent(member, path[:-1], f"{within}/" if within else "", operation, known)
    if absent:
        return
    if there[str(name.localname)] > 1 and not members[here].many:
        yield Finding(place, f"{there[str(name.localname)]} of them", "one", quoted=False)
        return
    following = next((one for one in order[here + 1 :] if there[one]), None)
    preceding = next((one for one in reversed(order[:here]) if there[one]), None)
    where = f"behind {preceding}" if preceding else f"before {following}"
    yield Finding(place, "out of its order", f"it {where}", quoted=False)
