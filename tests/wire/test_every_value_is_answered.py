"""Whatever the schema lets through is taken or refused by name; no value of a request makes the hub fail (R3, H4, H5).

Every operation is sent every simple type of its request in forms that XSD allows and programs seldom write, over both
stores: midnight as 24:00:00, years that no calendar of ours has, numbers of a thousand digits, blanks, signs, zeros.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
import xmlschema
from fresh_schema import emptied
from hub_in_process import (
    CONTRACTS,
    REP,
    TDSP,
    VALUES,
    HubInProcess,
    contract_of,
    fault_code,
    hub_in_process,
    operations,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store

MORE_VALUES = {
    "requestId": ["1"],
    "esiid": ["10443720030350293"],
    "statusCode": ["ADDED"],
    "oldMeterSerialNumber": ["1"],
    "newMeterSerialNumber": ["2"],
}
DATE_TIMES = [
    "2026-11-20T24:00:00Z", "2026-11-20T24:00:00", "2026-12-31T24:00:00.000-06:00", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z", "9999-12-31T24:00:00Z", "9999-12-31T23:59:59-14:00", "10000-01-01T00:00:00Z",
    "123456-01-01T00:00:00Z", "-0044-03-15T12:00:00Z", "-12345-03-15T12:00:00", "0000-01-01T00:00:00Z",
    "2999-12-31T23:59:59Z", "1000-01-01T00:00:00Z", " \n2026-11-20T15:00:00Z\t", "2026-11-20T15:00:00+00:00",
    "2026-11-20T15:00:00-00:00", "2026-11-20T15:00:00.1234567890123Z", "2026-11-20T15:00:00.99999999999999Z",
    "2026-11-20T23:59:59.9999999", "2024-02-29T00:00:00+13:59", "2026-11-20T15:00:00",
]  # fmt: skip
INTEGERS = [
    "0", "-0", "+0", "+5", "0005", " 7 ", "\n1\t", "0" * 5_000 + "1", "-" + "0" * 5_000 + "1", "2147483647",
    "-2147483648", "9223372036854775807", "-9223372036854775808", "255", "4294967295",
]  # fmt: skip
DECIMALS = [
    "0", "-0.0", "+.5", "5.", "1." + "0" * 5_000, "0" * 5_000 + "1.5", "9" * 24, "-" + "9" * 24, "9" * 5_000,
    "0." + "0" * 22 + "1", "0." + "0" * 4_000 + "1", "0." + "9" * 4_000, " 2.5 ", "1.23456789", "9" * 40 + ".5",
]  # fmt: skip
BOOLEANS = ["true", "false", "1", "0", " true ", "\n1", "\tfalse\n"]
FORMS = {
    "dateTime": DATE_TIMES,
    "decimal": DECIMALS,
    "boolean": BOOLEANS,
    "int": INTEGERS,
    "long": INTEGERS,
    "unsignedByte": INTEGERS,
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubInProcess]:
    folder = tmp_path_factory.mktemp("hub")
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), folder / "hub.db")
        url = f"sqlite:///{folder / 'hub.db'}"
    else:
        url = request.getfixturevalue("reused_postgresql")
        emptied(url)
    store = Store(url)
    with hub_in_process(store, folder, FixedClock(datetime(2026, 11, 20, 15, 0, tzinfo=UTC))) as opened:
        yield opened
    store.close()


@cache
def schema_of(service: str) -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(CONTRACTS / "xsd" / f"{service}.xsd"))


def leaves(service: str, operation: str) -> list[tuple[tuple[str, ...], xmlschema.XsdElement]]:
    """Every element of simple type in the request of *operation*, with its path."""

    def below(element: xmlschema.XsdElement, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        if element.type.is_simple():
            yield path, element
            return
        for child in element.type.content.iter_elements():
            yield from below(child, (*path, child.local_name))

    return list(below(schema_of(service).elements[operation], ()))


def request_with(service: str, operation: str, path: tuple[str, ...], text: str) -> bytes:
    """The smallest request of *operation* that holds the element at *path*, with *text* in it."""
    namespace = contract_of(service).namespace

    def build(element: xmlschema.XsdElement, here: tuple[str, ...]) -> etree._Element:
        node = etree.Element(f"{{{namespace}}}{element.local_name}", nsmap={"m": namespace})
        if element.type.is_simple():
            node.text = text if here == path else sample(element)
            return node
        for child in element.type.content.iter_elements():
            there = (*here, child.local_name)
            if child.min_occurs or path[: len(there)] == there:
                node.append(build(child, there))
        return node

    return etree.tostring(build(schema_of(service).elements[operation], ()))


def sample(element: xmlschema.XsdElement) -> str:
    kind = element.type.root_type.local_name
    given = MORE_VALUES.get(element.local_name) or VALUES.get(element.local_name)
    if given and element.type.is_valid(given[0]):
        return given[0]
    return {"dateTime": "2026-11-20T14:00:00Z", "boolean": "true", "string": "1"}.get(kind, "1")


def asked_by(service: str) -> dict[str, str]:
    """Who calls, and what the header says of it."""
    if service == "TDSPCallback":
        return {"duns": TDSP, "requesterType": "TDSP"}
    return {"duns": REP, "requesterType": "REP"}


def as_the_caller(request: bytes, service: str, but: tuple[str, ...] = ()) -> bytes:
    """The request in the name of who sends it; only the element at *but* stays as it is."""
    who = asked_by(service)
    root = etree.fromstring(request)
    for name, value in (("requesterType", who["requesterType"]), ("requesterAuthenticationID", who["duns"])):
        if but != (name,):
            next(root.iter(f"{{*}}{name}")).text = value
    return etree.tostring(root)


def answered(hub: HubInProcess, service: str, operation: str, path: tuple[str, ...], text: str) -> str | None:
    """Send it; return the code of the fault, or None where it was taken."""
    asked = as_the_caller(request_with(service, operation, path, text), service, path)
    code = fault_code(hub.ask(service, asked, duns=asked_by(service)["duns"]))
    assert code != "INTERNAL_ERROR", (operation, path, text[:80])
    return code


@pytest.mark.parametrize(("service", "operation"), operations())
def test_every_form_of_a_number_a_moment_or_a_choice_is_taken_or_refused_by_name(hub, service, operation):
    for path, element in leaves(service, operation):
        for text in FORMS.get(element.type.root_type.local_name, ()):
            answered(hub, service, operation, path, text)


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize(("service", "operation"), operations())
@given(data=st.data())
def test_any_text_that_the_schema_takes_is_taken_or_refused_by_name(hub, service, operation, data):
    texts = [(path, one) for path, one in leaves(service, operation) if one.type.root_type.local_name == "string"]
    path, element = data.draw(st.sampled_from(texts))
    text = data.draw(forms_of(element.type))
    if answered(hub, service, operation, path, text) == "SCHEMA_VIOLATION":
        assert (
            not contract_of(service)._schema().validate(etree.fromstring(request_with(service, operation, path, text)))
        )


def forms_of(type_: Any) -> st.SearchStrategy[str]:
    """Texts of a simple type of the contract, by its facets."""
    if type_.enumeration:
        return st.sampled_from([str(one) for one in type_.enumeration])
    if type_.patterns:
        return st.one_of(
            [
                st.from_regex(one, fullmatch=True, alphabet="0123456789ABCDEFYabcdefy/:_- ")
                for one in type_.patterns.regexps
            ]
        )
    characters = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
    return st.text(characters, min_size=type_.min_length or 0, max_size=min(type_.max_length or 300, 300))


def posts(*times: str) -> str:
    header = (
        "<m:trans_id>t</m:trans_id><m:requestorID>t</m:requestorID><m:requesterType>TDSP</m:requesterType>"
        f"<m:requesterAuthenticationID>{TDSP}</m:requesterAuthenticationID>"
        "<m:SMTTermsandConditions>Y</m:SMTTermsandConditions>"
    )
    each = "".join(
        "<m:post><m:requestId>1</m:requestId><m:esiid>1</m:esiid><m:statusCode>ADDED</m:statusCode>"
        f"<m:statusTimestamp>{time}</m:statusTimestamp></m:post>"
        for time in times
    )
    namespace = "urn:smt-ws:TDSPCallback:1"
    return f'<m:PostProvisioningStatus xmlns:m="{namespace}">{header}{each}</m:PostProvisioningStatus>'


def test_a_post_of_an_impossible_time_is_answered_for_itself_and_loses_no_other(hub):
    """H5, H7: a TDSP posts thousands at once."""
    answer = hub.ask(
        "TDSPCallback",
        posts("2026-11-20T24:00:00Z", "10000-01-01T00:00:00Z", "-0044-03-15T12:00:00Z", "2026-11-20T14:00:00Z"),
        duns=TDSP,
    )
    assert [one.text for one in answer.iterfind(".//{*}code")] == [
        "UNKNOWN_REQUEST",
        "TIME_UNREADABLE",
        "TIME_UNREADABLE",
        "UNKNOWN_REQUEST",
    ]
    only = hub.ask("TDSPCallback", posts("10000-01-01T00:00:00Z"), duns=TDSP)
    assert [one.text for one in only.iterfind(".//{*}code")] == ["TIME_UNREADABLE"]


def test_a_value_that_cannot_be_held_is_named_with_its_place(hub):
    bad = request_with("HANMessaging", "SendTextMessage", ("startTime",), "12026-11-20T15:00:00Z")
    answer = hub.ask("HANMessaging", as_the_caller(bad, "HANMessaging"))
    assert fault_code(answer) == "SCHEMA_VIOLATION"
    found = {etree.QName(one).localname: one.text for one in next(answer.iter("{*}finding"))}
    assert found["element"] == "startTime"
    assert found["presented"] == "12026-11-20T15:00:00Z"
    assert "1000 to 2999" in found["expected"]
