"""Honest calls against the running server, in both versions of SOAP."""

import datetime as dt
import hashlib

import pytest
from lxml import etree
from running_gate import ESIID, HUB_FAULT, ROOT, cancel, hub, ping, usage  # noqa: F401

from adapters.soap.faults import SOAP11, SOAP12

KINDS = {SOAP11: "text/xml; charset=utf-8", SOAP12: "application/soap+xml; charset=utf-8"}


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
def test_a_signed_request_is_answered_signed_in_its_own_version_of_soap(hub, soap):  # noqa: F811
    answer = hub.post(hub.sign(usage([ESIID, "bad"]), soap=soap), kind=KINDS[soap])
    assert answer.status == 200, answer.content
    assert answer.headers["content-type"] == KINDS[soap]
    assert answer.xml.tag == f"{{{soap}}}Envelope"
    body = hub.verified(answer)
    assert etree.QName(body).localname == "RequestIntervalDataResponse"
    assert (answer.text("trans_id"), answer.text("esiidsAsked"), answer.text("esiidsRefused")) == ("t-1", "2", "1")
    assert body.get("repeated") is None


def test_the_service_learns_caller_operation_digest_and_defaults(hub):  # noqa: F811
    body = usage([ESIID])
    answer = hub.post(hub.sign(body))
    caller, operation, trans_id, digest, version = answer.text("statusReason").split("|")
    expected = hashlib.sha256(etree.tostring(etree.fromstring(body), method="c14n", exclusive=True)).hexdigest()
    assert (caller, operation, trans_id, digest, version) == ("CN=rep", "RequestIntervalData", "t-1", expected, "L")


def test_a_repeated_answer_says_so_with_the_first_time(hub):  # noqa: F811
    body = hub.verified(hub.post(hub.sign(usage([ESIID], trans_id="again"))))
    assert body.get("repeated") == "true"
    assert dt.datetime.fromisoformat(body.get("firstAnsweredAt")) == dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def test_every_service_answers_as_its_xsd_says(hub):  # noqa: F811
    status = 'xmlns:m="urn:smt-ws:ReportRequestStatus:1"'
    header = cancel().split("<m:correlationId>")[0].partition(">")[2]
    dates = "<m:fromDate>01/01/2026</m:fromDate><m:toDate>01/02/2026</m:toDate>"
    bodies = {
        "MeterUsage": [usage([ESIID]), usage([ESIID], trans_id="again"), cancel()],
        "Connectivity": [ping()],
        "ReportRequestStatus": [
            f"<m:GetStatus {status}>{header}<m:correlationId>1</m:correlationId></m:GetStatus>",
            f"<m:ListRequests {status}>{header}{dates}</m:ListRequests>",
        ],
    }
    for service, messages in bodies.items():
        schema = etree.XMLSchema(etree.parse(ROOT / "xsd" / f"{service}.xsd"))
        for message in messages:
            answer = hub.post(hub.sign(message), service=service)
            assert answer.status == 200, answer.content
            schema.assertValid(hub.verified(answer))


def test_the_published_soapaction_is_taken_and_another_refused(hub):  # noqa: F811
    message = hub.sign(cancel())
    own, other = "urn:smt-ws:MeterUsage:1:CancelRequest", "urn:smt-ws:MeterUsage:1:RequestIntervalData"
    assert hub.post(message, SOAPAction=f'"{own}"').status == 200
    assert hub.post(message, SOAPAction='""').status == 200
    refused = hub.post(message, SOAPAction=f'"{other}"')
    assert (refused.status, refused.code) == (500, "SOAP_ACTION")
    twelve = hub.sign(cancel(), soap=SOAP12)
    assert hub.post(twelve, kind=f'application/soap+xml; charset=utf-8; action="{own}"').status == 200
    refused = hub.post(twelve, kind=f'application/soap+xml; action="{other}"')
    assert (refused.status, refused.code) == (400, "SOAP_ACTION")


def test_the_same_bytes_in_chunks_are_the_same_message(hub):  # noqa: F811
    message = hub.sign(usage([ESIID]))
    pieces = [message[at : at + 700] for at in range(0, len(message), 700)]
    answer = hub.call("POST", "/soap/MeterUsage", iter(pieces), {"Content-Type": "text/xml"})
    assert answer.status == 200, answer.content


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
def test_a_fault_is_signed_typed_and_names_the_element(hub, soap):  # noqa: F811
    answer = hub.post(hub.sign(usage([ESIID], start="2026-01-01"), soap=soap), kind=KINDS[soap])
    fault = hub.verified(answer)
    assert fault.tag == f"{{{soap}}}Fault"
    assert answer.status == (500 if soap == SOAP11 else 400)
    detail = fault.find("detail" if soap == SOAP11 else f"{{{soap}}}Detail")
    assert [child.tag for child in detail] == [HUB_FAULT]
    assert answer.code == "SCHEMA_VIOLATION"
    assert (answer.text("element"), answer.text("presented")) == ("startDate", "2026-01-01")
    assert answer.text("expected") == "a day as MM/DD/YYYY, for instance 03/09/2026"
    assert answer.text("trans_id") == "t-1"
    if soap == SOAP11:
        assert fault.findtext("faultcode") == "soap:Client"
    else:
        value = fault.find(f"{{{soap}}}Code/{{{soap}}}Subcode/{{{soap}}}Value")
        prefix, _, name = value.text.partition(":")
        assert (value.nsmap[prefix], name) == ("urn:smt-ws:common:1", "SCHEMA_VIOLATION")
        assert fault.findtext(f"{{{soap}}}Code/{{{soap}}}Value") == "soap:Sender"
    etree.XMLSchema(etree.parse(ROOT / "xsd" / "common.xsd")).assertValid(answer.detail)


def test_an_error_of_the_hub_tells_a_reference_and_nothing_else(hub):  # noqa: F811
    for trans_id in ("crash", "half"):
        answer = hub.post(hub.sign(usage([ESIID], trans_id=trans_id)))
        assert (answer.status, answer.code) == (500, "INTERNAL_ERROR"), answer.content
        assert hub.verified(answer).findtext("faultcode") == "soap:Server"
        assert b"secret" not in answer.content
        assert b"KeyError" not in answer.content
        assert answer.text("reference") in (hub.folder / "log").read_text()


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
def test_a_refusal_that_is_about_the_moment_says_when_to_come_back(hub, soap):  # noqa: F811
    answer = hub.post(hub.sign(usage([ESIID], trans_id="later"), soap=soap), kind=KINDS[soap])
    assert (answer.status, answer.headers["retry-after"], answer.code) == (503, "7", "HUB_BUSY")
    assert etree.QName(hub.verified(answer)).localname == "Fault"


def test_the_record_says_where_the_time_went(hub):  # noqa: F811
    answer = hub.post(hub.sign(usage([ESIID])))
    record = (hub.folder / "records").read_text().splitlines()[-1]
    stages = ["read", "parse", "verify", "authenticate", "validate", "run", "write", "sign"]
    told = eval(record.partition("stages=")[2].rstrip(")"))
    assert list(told) == stages
    assert all(seconds >= 0 for seconds in told.values())
    seconds = float(record.partition(" seconds=")[2].partition(",")[0])
    assert sum(told.values()) <= seconds * 1.05
    assert seconds <= answer.seconds


def test_an_unregistered_certificate_learns_code_and_reference_only(hub):  # noqa: F811
    answer = hub.post(hub.sign(usage([ESIID], start="2026"), who=hub.stranger), who=hub.stranger)
    assert answer.code == "SCHEMA_VIOLATION"
    assert answer.text("element") is None
    assert answer.text("trans_id") is None
    assert len(answer.text("reference")) == 16
    assert b"startDate" not in answer.content


def test_a_message_signed_by_another_than_the_tls_certificate_is_refused_before_validation(hub):  # noqa: F811
    answer = hub.post(hub.sign(usage([ESIID], start="2026"), who=hub.stranger))
    assert answer.code == "CERTIFICATE_MISMATCH"


def test_fifty_thousand_esiids_are_taken_in_well_under_a_second(hub):  # noqa: F811
    message = hub.sign(usage([f"1089{number:013}" for number in range(50_000)]))
    answer = hub.post(message)
    assert answer.status == 200, answer.content
    assert (answer.text("esiidsAsked"), answer.text("esiidsRefused")) == ("50000", "0")
    answer.assert_within(1.5)
