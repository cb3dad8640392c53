"""Every text of a fault is read aloud: what happened, what to do, and of what; none says itself twice (P11)."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

import smt_ws
from adapters.soap import faults, wss_failures
from adapters.soap.contract import BigList, Contract
from adapters.soap.faults import SOAP11, SOAP12, Fault, Finding, SchemaViolation, envelope, telling
from adapters.soap.parsing import parse
from adapters.soap.wss_failures import SecurityFailure
from smt_ws.errors import HubError

ROOT = Path(smt_ws.__file__).parent
#: Rooms whose errors the services tell.
TOLD = ("agreements", "han", "orders", "parties", "soap")
#: Of the portal and the command line alone, or of no one element of a request.
NO_ELEMENT = {
    "ClaimLostError", "DaysDoNotAddUpError", "PackedUnreadableError", "CompanyUnknownError", "InvitationNotOpenError",
    "InvalidEndpointError", "CertificateUnreadableError", "AcceptedHomesLimitError",
}  # fmt: skip


def below(base: type) -> Iterator[type]:
    for one in base.__subclasses__():
        yield one
        yield from below(one)


for module in pkgutil.walk_packages([str(ROOT)], "smt_ws."):
    if module.name.endswith("errors"):
        importlib.import_module(module.name)
CLASSES = [
    one
    for base in (Fault, SecurityFailure, HubError)
    for one in below(base)
    if isinstance(one.__dict__.get("code"), str) and one.__module__.startswith(("smt_ws", "adapters"))
]


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_a_sentence_says_what_happened_and_ends(one):
    sentence = " ".join((one.__doc__ or "").split())
    assert re.fullmatch(r"[A-Z0-9].*[.:]", sentence), sentence
    assert not re.search(r"\b(mend|whoever|thereof)\b|  ", sentence), sentence
    assert re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+)*", one.code)


def raises() -> Iterator[tuple[Path, int, str, set[str]]]:
    """Every place that makes an error with what was presented or expected."""
    for room in TOLD:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                given = {str(one.arg) for one in node.keywords}
                if name.endswith("Error") and given & {"presented", "expected"}:
                    yield path, node.lineno, name, given


def test_every_application_fault_that_tells_what_was_presented_names_its_element():
    known = {}
    for one in below(HubError):
        known.setdefault(one.__name__, []).append(one)
    found = list(raises())
    assert len(found) > 60
    silent = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path, line, name, given in found
        if "element" not in given
        and name not in NO_ELEMENT
        and not all(one.element for one in known.get(name, ()) if one.__module__.split(".")[1] == path.parts[-2])
    ]
    assert silent == []


def test_a_finding_of_an_application_fault_carries_element_presented_and_expected_into_the_fault_string():
    from smt_ws.han.errors import NotATdspError

    told = telling(NotATdspError(presented="REP", expected="TDSP"), reference="r", trans_id=None, registered=True)
    assert told.findings == (Finding("requesterType", "REP", "TDSP", quoted=False),)
    assert "requesterType: REP, expected TDSP." in told.message


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
@pytest.mark.parametrize("registered", [True, False])
def test_every_fault_names_the_support_contact_and_its_reference(soap, registered):
    """P11."""
    for one in CLASSES:
        if one.__init__ in (Fault.__init__, HubError.__init__):
            told = telling(one(), reference="4711", trans_id=None, registered=registered, support="help@hub.example")
            text = etree.tostring(envelope(told, soap=soap), encoding="unicode")
            sentence = re.search(rf"{one.code}: ([^<]*)", text)[1]
            assert "help@hub.example" in sentence
            assert ("4711" in sentence) == registered
            assert "<c:reference>4711</c:reference>" in text


def test_no_wss_text_holds_another():
    inner = wss_failures.BadShape("KeyInfo holds KeyName; expected SecurityTokenReference", rule="R5402")
    outer = wss_failures.BadToken(inner.found, rule=inner.rule)
    assert str(outer).count("Found:") == 1
    for path in (ROOT.parent / "adapters" / "soap").glob("wss*.py"):
        assert not re.search(r"raise \w+\(str\(error\)", path.read_text(encoding="utf-8")), path.name


def test_a_long_uri_is_cut_at_its_beginning():
    transform = "http://docs.oasis-open.org/wss/2004/01/" + "x" * 100 + "#STR-Transform"
    assert faults.shown(transform).endswith("#STR-Transform")
    assert len(faults.shown(transform)) == 120
    assert faults.shown("urn:short") == "urn:short"


USAGE = Contract(
    ROOT.parent / "wsdl" / "MeterUsage.wsdl",
    ROOT.parent / "xsd" / "MeterUsage.xsd",
    big_lists={"RequestIntervalData": BigList("esiid", 50_000, faults.TooManyEsiids, "0" * 17)},
)
POSTS = Contract(ROOT.parent / "wsdl" / "TDSPCallback.wsdl", ROOT.parent / "xsd" / "TDSPCallback.xsd")
DEVICES = Contract(ROOT.parent / "wsdl" / "HANProvisioning.wsdl", ROOT.parent / "xsd" / "HANProvisioning.xsd")
HEADER = (
    "<trans_id>t</trans_id><requestorID>t</requestorID><requesterType>REP</requesterType>"
    "<requesterAuthenticationID>103994067</requesterAuthenticationID><SMTTermsandConditions>Y</SMTTermsandConditions>"
)
ORDER = (
    f'<RequestIntervalData xmlns="urn:smt-ws:MeterUsage:1">{HEADER}<startDate>01/01/2026</startDate>'
    "<endDate>01/31/2026</endDate><reportFormat>CSV</reportFormat><esiid>10890000000000001</esiid>"
    "</RequestIntervalData>"
)
POST = (
    "<post><requestId>1</requestId><esiid>1</esiid><statusCode>ADDED</statusCode>"
    "<statusTimestamp>2026-01-01T00:00:00Z</statusTimestamp></post>"
)
DAY = "a day as MM/DD/YYYY, for instance 03/09/2026"
ESIID = "ESI ID of a premise: 17 or 22 digits"

#: What is changed in a good order, and the finding: never a pattern, never an optional element.
WRONG = {
    "a date of ISO's": (">01/01/2026<", ">2026-01-01<", ("startDate", "2026-01-01", DAY)),
    "an empty date": (">01/01/2026<", "><", ("startDate", "empty", DAY)),
    "blanks": (">01/01/2026<", "> <", ("startDate", "blanks alone", DAY)),
    "a missing date": ("<startDate>01/01/2026</startDate>", "", ("startDate", "missing", DAY)),
    "a missing list": ("<esiid>10890000000000001</esiid>", "", ("esiid", "missing", ESIID)),
    "a name misspelt": ("startDate>", "startdate>", ("startdate", "no element of this request", "startDate")),
    "a format that is none": (">CSV<", ">PDF<", ("reportFormat", "PDF", "one of CSV, XML, LSE")),
    "a format twice": (
        "<reportFormat>CSV</reportFormat>",
        "<reportFormat>CSV</reportFormat>" * 2,
        ("reportFormat[2]", "2 of them", "one"),
    ),
    "a foreign namespace": (
        "<reportFormat>",
        '<reportFormat xmlns="">',
        ("reportFormat", "the namespace (none)", "the namespace urn:smt-ws:MeterUsage:1"),
    ),
    "an attribute": ("<trans_id>", '<trans_id x="1">', ("trans_id/@x", "an attribute", "no such attribute")),
}


def found_in(contract: Contract, document: str) -> SchemaViolation:
    root = etree.fromstring(document)
    with pytest.raises(SchemaViolation) as refused:
        contract.judge(root, etree.QName(root).localname)
    return refused.value


@pytest.mark.parametrize("case", WRONG)
def test_a_schema_violation_says_in_words_what_was_presented_and_what_is_expected(case):
    old, new, expected = WRONG[case]
    assert old in ORDER
    violation = found_in(USAGE, ORDER.replace(old, new))
    first = violation.findings[0]
    assert (first.element, first.presented, first.expected) == expected
    message = telling(violation, reference="r", trans_id=None, registered=True).message
    for part in expected:
        assert part in message
    assert not re.search(r"\[0-9\]|readingType|\{", message), message


def test_of_many_posts_the_wrong_one_is_named_by_its_place():
    posts = POST + POST.replace("<requestId>1<", "<requestId>one<") + POST.replace("<esiid>1</esiid>", "")
    violation = found_in(POSTS, f'<p:PostProvisioningStatus xmlns:p="{POSTS.namespace}" xmlns="{POSTS.namespace}">'
                         f"{HEADER}{posts}</p:PostProvisioningStatus>")  # fmt: skip
    assert [one.element for one in violation.findings] == ["post[2]/requestId", "post[3]/esiid"]


def test_an_installation_code_is_in_no_finding():
    """It opens a home's network to whoever reads a fault."""
    device = (
        f'<ProvisionDevice xmlns="{DEVICES.namespace}">{HEADER}<esiid>10890000000000001</esiid>'
        "<meterSerialNumber>1</meterSerialNumber><deviceMACAddr>000D6F000ABCDEF0</deviceMACAddr>"
        "<installCode>%s</installCode><deviceType>IHD</deviceType></ProvisionDevice>"
    )
    for code in ("83FED3407A93972397FC" * 9, " " * 4 + "83FED3407A" * 9, "<x>83FED3407A93972397FC</x>"):
        said = str(found_in(DEVICES, device % code).findings)
        assert "installCode" in said
        assert "83FED3407A" not in said


REASONS = {
    b"<a><b></a>": "Opening and ending tag mismatch",
    b"": "Document is empty",
    b"<a b=1/>": "AttValue",
    b"<a/>x": "Extra content",
    b"<x:a/>": "Namespace prefix x",
}


@pytest.mark.parametrize("message", REASONS)
def test_malformed_xml_is_told_with_the_reason(message):
    with pytest.raises(faults.MalformedXml, match=REASONS[message]) as refused:
        parse(message, soap=SOAP11)
    assert str(refused.value).count("line 1, column") == 1
