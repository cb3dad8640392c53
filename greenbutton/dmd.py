"""The data rules of the Download My Data test suite, as a checker for any Green Button document, ours or another's.

The XML schema of ESPI lets much pass that no reader can use: missing titles, dangling links, no time zone (facts 2.9).
The Green Button Alliance tests for that with rules that are known by ids (D000 to D146, in function blocks FB_01 to
FB_30). They are restated here, and every pass is linear: the published FB_04 compares each reading with all before it.

Where a published rule cannot fail or asks less than its title, the stricter sense is checked: D004 (ids unique; the
published test always holds), D044 to D046 (every reading of a block, not any one), and a value that is there but empty
counts as absent; but for titles, which the published samples leave empty. No certification follows from an empty list
of findings: see `docs/conformance.md`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lxml import etree

from greenbutton.errors import UnreadableDocumentError

if TYPE_CHECKING:
    from lxml.etree import _Element

_ATOM: Final = "{http://www.w3.org/2005/Atom}"
_ESPI: Final = "{http://naesb.org/espi}"
_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)
_INTERVAL_ENERGY: Final = {"accumulationBehaviour": "4", "commodity": "1", "kind": "12", "uom": "72"}


class Rule(NamedTuple):
    """A rule of a function block, in our words."""

    block: str
    says: str


class Finding(NamedTuple):
    """A rule that a document breaks, and where: the address of the entry (its id or number if it has none)."""

    rule: str
    where: str


# id, title, self, up, published, updated, self unique
_ENTRY_RULES: Final = {
    "LocalTimeParameters": ("FB_01", ("D138", "D137", "D139", "D140", "D141", "D142", "D143")),
    "UsagePoint": ("FB_01", ("D011", "D012", "D013", "D015", "D009", "D010", "D014")),
    "MeterReading": ("FB_04", ("D018", "D019", "D020", "D022", "D029", "D030", "D021")),
    "ReadingType": ("FB_04", ("D048", "D050", "D051", "D053", "D069", "D070", "D052")),
    "IntervalBlock": ("FB_04", ("D031", "D033", "D034", "D036", "D040", "D041", "D035")),
    "UsageSummary": ("FB_15", ("D082", "D084", "D085", "D087", "D101", "D102", "D086")),
}
_SAYS: Final = ("an id", "a title", "a self link", "an up link", "published", "updated", "a self link of its own")

_VALUE_RULES: Final = {
    "UsagePoint": ("FB_01", {"D008": "ServiceCategory/kind"}),
    "ReadingType": ("FB_04", {"D062": "intervalLength", "D063": "kind", "D065": "powerOfTenMultiplier", "D068": "uom"}),
    "IntervalBlock": ("FB_04", {"D038": "interval/duration", "D039": "interval/start"}),
    "IntervalReading": ("FB_04", {"D044": "timePeriod/duration", "D045": "timePeriod/start", "D046": "value"}),
    "UsageSummary": (
        "FB_15",
        {
            "D089": "billingPeriod/duration",
            "D090": "billingPeriod/start",
            "D081": "overallConsumptionLastPeriod",
            "D099": "qualityOfReading",
            "D100": "statusTimeStamp",
        },
    ),
    "currentBillingPeriodOverAllConsumption": (
        "FB_15",
        {"D095": "powerOfTenMultiplier", "D096": "timeStamp", "D097": "uom", "D098": "value"},
    ),
}

RULES: Final[dict[str, Rule]] = dict(
    sorted(
        {
            "D000": Rule("FB_01", "the root is an Atom feed"),
            "D001": Rule("FB_01", "the feed has an id"),
            "D002": Rule("FB_01", "the feed has a title"),
            "D003": Rule("FB_01", "the feed has updated"),
            "D004": Rule("FB_01", "each entry has an id of its own"),
            "D136": Rule("FB_01", "the feed has LocalTimeParameters"),
            "D006": Rule("FB_01", "the feed has a UsagePoint"),
            "D135": Rule("FB_01", "LocalTimeParameters are related to by a UsagePoint"),
            "D016": Rule("FB_01", "a UsagePoint has a related link"),
            "D007": Rule("FB_01", "a UsagePoint is related to exactly one LocalTimeParameters"),
            "FDFTP008": Rule("FB_02", "Atom dates are in UTC and end in Z"),
            "D027": Rule("FB_04", "the feed has a MeterReading"),
            "D032": Rule("FB_04", "the feed has an IntervalBlock"),
            "D049": Rule("FB_04", "the feed has a ReadingType"),
            "D028": Rule("FB_04", "a MeterReading stands in the entry's content"),
            "D023": Rule("FB_04", "a MeterReading's up link is a related link of exactly one UsagePoint"),
            "D024": Rule("FB_04", "a MeterReading's related links lead to exactly one ReadingType"),
            "D054": Rule("FB_04", "exactly one of a MeterReading's related links leads to a ReadingType"),
            "D025": Rule("FB_04", "a MeterReading has an IntervalBlock"),
            "D026": Rule("FB_04", "a MeterReading of interval energy (accumulation 4) has an IntervalBlock"),
            "D037": Rule("FB_04", "an IntervalBlock's up link is a related link of exactly one MeterReading"),
            "D042": Rule("FB_04", "an IntervalBlock starts with one of its readings"),
            "D145": Rule("FB_04", "no two readings of an IntervalBlock have the same start"),
            "D146": Rule("FB_04", "no two IntervalBlocks of a MeterReading have the same start"),
            "D064": Rule("FB_05", "a ReadingType of electricity (commodity 1) has phase"),
            "D078": Rule("FB_05", "an electricity UsagePoint has a MeterReading of delivered interval energy in Wh"),
            "D076": Rule("FB_08", "the feed has a ReadingType of received interval energy in Wh"),
            "D083": Rule("FB_15", "the feed has a UsageSummary"),
            "D088": Rule("FB_15", "a UsageSummary's up link is a related link of exactly one UsagePoint"),
        }.items()
        | {
            rule: Rule(block, f"{resource} has {what}")
            for resource, (block, rules) in _ENTRY_RULES.items()
            for rule, what in zip(rules, _SAYS, strict=True)
        }.items()
        | {
            rule: Rule(block, f"{resource} has {path}")
            for resource, (block, rules) in _VALUE_RULES.items()
            for rule, path in rules.items()
        }.items()
    )
)
"""Every rule that is checked, by its id."""

INTERVAL_BLOCKS: Final = frozenset({"FB_01", "FB_02", "FB_04", "FB_05"})
"""What an interval document of a home without generation claims; FB_08 comes with generation, FB_15 with summaries."""


def check(document: bytes, *, claimed: Collection[str] = INTERVAL_BLOCKS) -> list[Finding]:
    """Return every break of a rule of the function blocks claimed; the whole document is held in memory.

    Raises `UnreadableDocumentError` for what is not well-formed XML, has a DTD, or goes beyond the parser's limits.
    """
    root = _parse(document)
    if root.tag != f"{_ATOM}feed":
        return [Finding("D000", "the root")] if "FB_01" in claimed else []
    return [finding for finding in _findings(_Feed(root)) if RULES[finding.rule].block in claimed]


def _parse(document: bytes) -> _Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableDocumentError(f"not well-formed XML: {error.msg}") from None
    tree: Any = root.getroottree()  # its stubs do not know docinfo's fields
    if tree.docinfo.doctype:
        raise UnreadableDocumentError("has a document type declaration")
    return root


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry: what it holds (None: no ESPI resource), its place, and its links."""

    element: _Element
    resource: str
    content: _Element | None
    where: str
    selves: list[str]
    up: str
    related: list[str]

    @property
    def self_link(self) -> str:
        return self.selves[0] if self.selves else ""


class _Feed:
    """A feed with its entries by resource, and where their links lead."""

    def __init__(self, root: _Element) -> None:
        self.root = root
        self.entries = [_entry(element, number) for number, element in enumerate(root.iterfind(f"{_ATOM}entry"), 1)]
        self.by_resource: dict[str, list[_Entry]] = defaultdict(list)
        for entry in self.entries:
            self.by_resource[entry.resource].append(entry)
        self.selves = {
            resource: Counter(address for entry in found for address in entry.selves)
            for resource, found in self.by_resource.items()
        }
        # A parent counts once an address, even if it says it twice.
        self.parents = {
            resource: Counter(address for entry in found for address in set(entry.related))
            for resource, found in self.by_resource.items()
        }
        self.types: dict[str, list[_Entry]] = defaultdict(list)
        for kind in self.by_resource["ReadingType"]:
            self.types[kind.self_link].append(kind)
        self.blocks_under: dict[str, list[_Entry]] = defaultdict(list)
        for block in self.by_resource["IntervalBlock"]:
            self.blocks_under[block.up].append(block)

    def count_self(self, resource: str, addresses: Iterable[str]) -> int:
        found = self.selves.get(resource, Counter())
        return sum(found[address] for address in addresses)

    def count_parents(self, resource: str, address: str) -> int:
        return self.parents.get(resource, Counter())[address]


def _entry(element: _Element, number: int) -> _Entry:
    resource, content = "", None
    for child in element.iterfind("*/*"):
        name = etree.QName(child)
        if f"{{{name.namespace}}}" == _ESPI:
            resource = "UsageSummary" if name.localname == "ElectricPowerUsageSummary" else name.localname
            content = child
            break
    links: dict[str, list[str]] = defaultdict(list)
    for link in element.iterfind(f"{_ATOM}link"):
        if link.get("href"):
            links[link.get("rel", "")].append(link.get("href", ""))
    selves, up = links["self"], "".join(links["up"][:1])
    where = "".join(selves[:1]) or element.findtext(f"{_ATOM}id") or f"entry {number}"
    return _Entry(element, resource, content, where, selves, up, links["related"])


def _text(element: _Element, path: str) -> str:
    """Return the text at a path of ESPI names; empty if there is none. A value that has parts is its parts' text."""
    found = element.find("/".join(f"{_ESPI}{name}" for name in path.split("/")))
    return "" if found is None else "".join(str(part) for part in found.itertext()).strip()


def _has_part(element: _Element, part: str) -> bool:
    text = element.findtext(f"{_ATOM}{part}")
    return text is not None and (part == "title" or bool(text.strip()))


def _findings(feed: _Feed) -> Iterator[Finding]:
    for rule, part in (("D001", "id"), ("D002", "title"), ("D003", "updated")):
        if not _has_part(feed.root, part):
            yield Finding(rule, "the feed")
    needed = {
        "D136": "LocalTimeParameters",
        "D006": "UsagePoint",
        "D027": "MeterReading",
        "D032": "IntervalBlock",
        "D049": "ReadingType",
        "D083": "UsageSummary",
    }
    for rule, resource in needed.items():
        if not feed.by_resource[resource]:
            yield Finding(rule, "the feed")
    ids = Counter(entry.element.findtext(f"{_ATOM}id") for entry in feed.entries)
    for entry in feed.entries:
        own = entry.element.findtext(f"{_ATOM}id")
        if not own or ids[own] > 1:
            yield Finding("D004", entry.where)
    for entry in feed.entries:
        for rule in (*_entry_breaks(feed, entry), *_value_breaks(entry), *_link_breaks(feed, entry)):
            yield Finding(rule, entry.where)
    for date_of in feed.root.iter(f"{_ATOM}published", f"{_ATOM}updated"):
        if not _UTC.fullmatch(date_of.text or ""):
            yield Finding("FDFTP008", f"line {date_of.sourceline}")
    yield from _energy_breaks(feed)


def _entry_breaks(feed: _Feed, entry: _Entry) -> Iterator[str]:
    """Yield the rules on an entry's Atom side that it breaks."""
    if entry.resource not in _ENTRY_RULES:
        return
    has = [
        _has_part(entry.element, "id"),
        _has_part(entry.element, "title"),
        bool(entry.self_link),
        bool(entry.up),
        _has_part(entry.element, "published"),
        _has_part(entry.element, "updated"),
        bool(entry.self_link) and feed.count_self(entry.resource, [entry.self_link]) == 1,
    ]
    for rule, holds in zip(_ENTRY_RULES[entry.resource][1], has, strict=True):
        if not holds:
            yield rule


def _value_breaks(entry: _Entry) -> Iterator[str]:
    """Yield the rules on the resource itself that it breaks, each once."""
    content = entry.content
    if content is None:
        return
    yield from _absent(entry.resource, [content])
    if entry.resource == "MeterReading":
        parent = content.getparent()
        if parent is None or parent.tag != f"{_ATOM}content":
            yield "D028"
    elif entry.resource == "ReadingType":
        if _text(content, "commodity") == "1" and not _text(content, "phase"):
            yield "D064"
    elif entry.resource == "UsageSummary":
        part = "currentBillingPeriodOverAllConsumption"
        yield from _absent(part, content.findall(f"{_ESPI}{part}"))
    elif entry.resource == "IntervalBlock":
        readings = content.findall(f"{_ESPI}IntervalReading")
        starts = [_text(reading, "timePeriod/start") for reading in readings]
        yield from _absent("IntervalReading", readings) if readings else ("D044", "D045", "D046")
        if _text(content, "interval/start") not in starts:
            yield "D042"
        if any(count > 1 for start, count in Counter(starts).items() if start):
            yield "D145"


def _absent(resource: str, elements: Collection[_Element]) -> Iterator[str]:
    _, rules = _VALUE_RULES.get(resource, ("", {}))
    for rule, path in rules.items():
        if not all(_text(element, path) for element in elements):
            yield rule


def _link_breaks(feed: _Feed, entry: _Entry) -> Iterator[str]:
    """Yield the rules on where an entry's links lead that it breaks."""
    if entry.resource == "LocalTimeParameters":
        if not feed.count_parents("UsagePoint", entry.self_link):
            yield "D135"
    elif entry.resource == "UsagePoint":
        if not entry.related:
            yield "D016"
        if feed.count_self("LocalTimeParameters", set(entry.related)) != 1:
            yield "D007"
    elif entry.resource == "MeterReading":
        yield from _meter_reading_breaks(feed, entry)
    elif entry.resource == "IntervalBlock":
        if feed.count_parents("MeterReading", entry.up) != 1:
            yield "D037"
    elif entry.resource == "UsageSummary" and feed.count_parents("UsagePoint", entry.up) != 1:
        yield "D088"


def _meter_reading_breaks(feed: _Feed, entry: _Entry) -> Iterator[str]:
    if feed.count_parents("UsagePoint", entry.up) != 1:
        yield "D023"
    if feed.count_self("ReadingType", set(entry.related)) != 1:
        yield "D024"
    if sum(feed.count_self("ReadingType", [address]) > 0 for address in entry.related) != 1:
        yield "D054"
    blocks = [block for address in set(entry.related) for block in feed.blocks_under.get(address, ())]
    if not blocks:
        yield "D025"
        if any(_has(reading_type, {"accumulationBehaviour": "4"}) for reading_type in _types_of(feed, entry)):
            yield "D026"
    starts = Counter(_text(block.content, "interval/start") for block in blocks if block.content is not None)
    if any(count > 1 for start, count in starts.items() if start):
        yield "D146"


def _energy_breaks(feed: _Feed) -> Iterator[Finding]:
    """Yield the rules on what energy a feed must hold, if it does not."""
    electric = {
        address
        for point in feed.by_resource["UsagePoint"]
        if point.content is not None and _text(point.content, "ServiceCategory/kind") == "0"
        for address in point.related
    }
    delivered = {**_INTERVAL_ENERGY, "flowDirection": "1"}
    if not any(
        reading.up in electric and any(_has(reading_type, delivered) for reading_type in _types_of(feed, reading))
        for reading in feed.by_resource["MeterReading"]
    ):
        yield Finding("D078", "the feed")
    received = {**_INTERVAL_ENERGY, "flowDirection": "19"}
    if not any(_has(reading_type, received) for reading_type in feed.by_resource["ReadingType"]):
        yield Finding("D076", "the feed")


def _types_of(feed: _Feed, reading: _Entry) -> list[_Entry]:
    return [kind for address in reading.related for kind in feed.types.get(address, ())]


def _has(entry: _Entry, values: dict[str, str]) -> bool:
    content: Any = entry.content
    return all(_text(content, name) == value for name, value in values.items())
