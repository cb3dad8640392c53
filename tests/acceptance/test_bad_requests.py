"""Bad input, against the running hub: each wrong thing has its own code and a sentence that its sender can act on.

Requirements P1, R3 to R5; interfaces, section 1 ("Message security", "Fault detail"). Every fault here is read from an
answer whose signature was verified as the hub's, in SOAP 1.1 and 1.2.
"""

from __future__ import annotations

import ftplib
import re
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import zeep
from wire_client import BLUEBONNET, LANTERN, PECAN, Told, WireClient, cancel, envelope, get_status, header, usage

from adapters.soap.faults import SOAP11, SOAP12
from smt_ws.clock import real_now
from smt_ws.orders.errors import OrderUnknownError
from smt_ws.parties import companies, networks
from smt_ws.parties.certificates import fingerprint, read_certificates
from smt_ws.sandbox.certificates import open_authority

#: Nobody's, but of the right form.
NOBODY = "10443729999999999"
STRANGER = "stranger"
BY_OPERATOR = {"actor": "operator:tests"}


@pytest.fixture
def wire(hub: Any) -> WireClient:
    """A caller of the running hub, in SOAP 1.1."""
    return WireClient(hub.sandbox, hub.settings)


@pytest.fixture(params=[SOAP11, SOAP12], ids=["SOAP 1.1", "SOAP 1.2"])
def either(request: pytest.FixtureRequest, hub: Any) -> WireClient:
    """A caller of the running hub, in each version of SOAP."""
    return WireClient(hub.sandbox, hub.settings, request.param)


@pytest.fixture(scope="module")
def mine(hub: Any) -> str:
    """An ESI ID that the first REP serves on all days."""
    switched = hub.market.special.switched[0]
    rows = [line.split(",") for line in hub.market.rep_of_record.read_text().splitlines()]
    return next(row[0] for row in rows if row[1] == PECAN and row[0] != switched)


@pytest.fixture(scope="module")
def stranger(hub: Any) -> str:
    """A certificate of the sample authority, for TLS and signing, that no company has registered."""
    open_authority(hub.sandbox.certificates, now=real_now()).issue(STRANGER, "Stranger")
    return STRANGER


def register(sandbox: Any, stem: str, *, tls: bool, signing: bool, duns: str = PECAN) -> str:
    """Register a certificate of the sandbox's folder, as an operator would; return its fingerprint."""
    own = sandbox.hub()
    fingerprint = companies.register_certificate(
        own.store,
        duns=duns,
        content=(sandbox.certificates / f"{stem}.crt").read_bytes(),
        for_tls=tls,
        for_signing=signing,
        authorities=read_certificates((sandbox.certificates / "ca.crt").read_bytes()),
        environment="sandbox",
        clock=own.clock,
        **BY_OPERATOR,
    )
    own.store.close()
    return fingerprint


def orders_of(wire: WireClient, duns: str = PECAN) -> int:
    """How many orders the company has."""
    body = (
        f'<m:ListRequests xmlns:m="urn:smt-ws:ReportRequestStatus:1">{header(duns=duns)}'
        "<m:fromDate>01/01/2026</m:fromDate><m:toDate>12/31/2026</m:toDate><m:serviceType>ADHOC</m:serviceType></m:ListRequests>"
    )
    answer = wire.call(body, service="ReportRequestStatus", tls=wire.tls(duns), signer=wire.signing(duns))
    return len(answer.body.findall("{*}order"))


def assert_helpful(told: Told, code: str, *mentioned: str) -> None:
    """The fault has this code, a reference, and says in words what to do, with what was presented and expected."""
    assert told.code == code, told
    assert re.fullmatch("[0-9a-f]{16}", told.reference)
    assert len(told.message) > 40
    said = told.message + " ".join(str(one) for finding in told.findings for one in finding)
    for word in mentioned:
        assert word in said, f"{word!r} is not in {said!r}"


def assert_tells_nothing(told: Told, code: str) -> None:
    """The fault has code and reference alone (interfaces, "Fault detail")."""
    assert told.code == code, told
    assert re.fullmatch("[0-9a-f]{16}", told.reference)
    assert (told.trans_id, told.findings) == (None, ())
    assert re.fullmatch(r"Refused\. Quote the reference to support \([^)]+@[^)]+\)\.", told.message)


# -- what is asked for (R3, R4)

WRONG_REQUESTS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "end before start": ("END_BEFORE_START", {"start": "11/03/2026", "end": "11/01/2026"}, ("endDate", "11/03/2026")),
    "dates in the future": ("DATE_IN_FUTURE", {"end": "12/24/2026"}, ("endDate", "12/24/2026", "11/20/2026")),
    "beyond the 48 months of a REP": (
        "BEYOND_HISTORY",
        {"start": "11/19/2022"},
        ("startDate", "11/19/2022", "11/20/2022"),
    ),
    "a day that the calendar has not": ("DATE_MALFORMED", {"start": "02/30/2026"}, ("startDate", "02/30/2026")),
    "a date written otherwise": ("SCHEMA_VIOLATION", {"start": "2026-11-01"}, ("startDate", "2026-11-01")),
    "a format that the report does not have": (
        "FORMAT_NOT_AVAILABLE",
        {"report_format": "LSE", "operation": "RequestDailyReads"},
        ("LSE", "CSV or XML"),
    ),
    "all versions in a format for one": (
        "VERSION_NOT_IN_FORMAT",
        {"report_format": "XML", "options": "<m:version>A</m:version>"},
        ("version", "XML", "CSV"),
    ),
    "a format that does not exist": ("SCHEMA_VIOLATION", {"report_format": "PDF"}, ("reportFormat", "PDF", "CSV")),
    "more than an answer holds": (
        "TOO_LARGE_FOR_ANSWER",
        {"delivery_mode": "API", "start": "09/01/2026"},
        ("deliveryMode", "API", "FTP or EML", "40 days"),
    ),
    "a version that does not exist": ("SCHEMA_VIOLATION", {"options": "<m:version>Z</m:version>"}, ("version", "Z")),
    "no ESI ID": ("SCHEMA_VIOLATION", {"esiids": []}, ("esiid",)),
    "terms and conditions not accepted": ("SCHEMA_VIOLATION", {"terms": "N"}, ("SMTTermsandConditions", "N", "Y")),
    "another kind of company than it is": (
        "REQUESTER_TYPE_MISMATCH",
        {"requester_type": "TDSP"},
        ("requesterType", "TDSP", "REP"),
    ),
    "a DUNS number that nobody has": ("DUNS_UNKNOWN", {"duns": "999999999"}, ("999999999", PECAN)),
    "a DUNS number of another company": ("DUNS_NOT_YOURS", {"duns": BLUEBONNET}, (BLUEBONNET, PECAN)),
}


@pytest.mark.parametrize("case", WRONG_REQUESTS)
def test_a_wrong_request_is_refused_by_its_own_code(hub: Any, either: WireClient, mine: str, case: str) -> None:
    """P1, R3, R4."""
    code, wrong, mentioned = WRONG_REQUESTS[case]
    before = orders_of(either)
    answer = either.call(
        usage(wrong.get("esiids", [mine]), trans_id="bad-1", **{k: v for k, v in wrong.items() if k != "esiids"})
    )
    assert_helpful(answer.fault, code, *mentioned)
    assert answer.fault.trans_id == "bad-1"
    assert answer.status == (500 if either.soap == SOAP11 else 400)
    assert orders_of(either) == before


def test_a_third_party_has_13_months_of_history(wire: WireClient, mine: str) -> None:
    """R4."""
    body = usage([mine], duns=LANTERN, start="10/19/2025", end="10/25/2025")
    told = wire.call(body, tls=wire.tls(LANTERN), signer=wire.signing(LANTERN)).fault
    assert_helpful(told, "BEYOND_HISTORY", "10/19/2025", "10/20/2025")


def test_50001_esi_ids_are_refused_and_50000_are_not(wire: WireClient, mine: str) -> None:
    """R3: the limit is told, and nothing is ordered."""
    before = orders_of(wire)
    many = [mine, *(f"1044372{n:010}" for n in range(50_000))]
    assert_helpful(wire.call(usage(many)).fault, "TOO_MANY_ESIIDS", "50,001", "50,000")
    assert orders_of(wire) == before
    answer = wire.call(usage(many[:50_000], trans_id="many", start="11/01/2026", end="11/01/2026"))
    assert answer.text("esiidsAsked") == "50000"
    stopped = wire.call(cancel(answer.text("correlationId") or ""))
    assert stopped.body.tag.endswith("CancelRequestResponse") or stopped.fault.code == "ORDER_FINISHED"


def test_a_malformed_esi_id_is_an_exception_row_not_a_lost_order(hub: Any, wire: WireClient, mine: str) -> None:
    """R5: alone, and one among good ones."""
    placed = {}
    for malformed in ("1044372-TYPO", "1044372000000000", "", "&#233;" * 17, "9" * 64, "1" * 1000):
        for esiids, refused in (([malformed], 1), ([mine, malformed, mine[:-1] + "x"], 2)):
            answer = wire.call(usage(esiids, trans_id="malformed"))
            assert (answer.text("esiidsAsked"), answer.text("esiidsRefused")) == (str(len(esiids)), str(refused))
            placed[answer.text("correlationId") or ""] = (len(esiids), refused)
    assert len(placed) == 12
    for number, (asked, refused) in placed.items():
        status = hub.requester().wait(number, lambda _status: None, timeout=180)
        assert status.order.status == "COMPLETE_WITH_EXCEPTIONS"
        assert {one.code: one.count for one in status.exception} == {"ESIID_MALFORMED": 3 * refused}
        assert status.order.esiidDaysDelivered == 3 * (asked - refused)


# -- whose orders (R6)


@pytest.mark.parametrize("number", ["1", "424242", "9223372036854775807", "9223372036854775808", "9" * 19, "0"])
@pytest.mark.parametrize("operation", ["GetStatus", "CancelRequest"])
def test_an_unknown_order_and_another_companys_look_the_same(
    wire: WireClient, mine: str, operation: str, number: str
) -> None:
    """R6: nobody learns which order numbers exist. Numbers past what a store can hold are unknown like any other."""
    ask, service = (get_status, "ReportRequestStatus") if operation == "GetStatus" else (cancel, "MeterUsage")
    if number == "1":
        number = wire.call(usage([mine], trans_id="of Pecan")).text("correlationId") or ""
    body = ask(number, duns=BLUEBONNET)
    told = wire.call(body, service=service, tls=wire.tls(BLUEBONNET), signer=wire.signing(BLUEBONNET)).fault
    assert_helpful(told, "ORDER_UNKNOWN", "correlationId")
    assert told.message.startswith(f"{OrderUnknownError.sentence()} correlationId: {number}. Questions: ")
    assert told.findings == (("correlationId", number, None),)


# -- who asks (P1, P10)


def test_a_certificate_that_nobody_registered_learns_a_code_and_a_reference(
    either: WireClient, stranger: str, mine: str
) -> None:
    """P1; interfaces, "Fault detail". For well-signed, badly signed and unsigned messages alike."""
    body = usage([mine])
    assert_tells_nothing(either.call(body, tls=stranger, signer=stranger).fault, "TLS_CERTIFICATE_UNKNOWN")
    assert_tells_nothing(either.call(body, tls=stranger).fault, "TLS_CERTIFICATE_UNKNOWN")
    assert_tells_nothing(either.post(envelope(body, either.soap), tls=stranger).fault, "WSS_UNSIGNED")
    wrong = usage([mine], start="no date", terms="N")
    assert_tells_nothing(either.call(wrong, tls=stranger, signer=stranger).fault, "TLS_CERTIFICATE_UNKNOWN")


def test_a_signature_by_a_certificate_that_nobody_registered(wire: WireClient, stranger: str, mine: str) -> None:
    """P1: the connection is the company's, the signature nobody's."""
    told = wire.call(usage([mine]), signer=stranger).fault
    assert_helpful(told, "SIGNING_CERTIFICATE_UNKNOWN", fingerprint(wire.certificate(stranger)), "register")


def test_a_signature_of_another_company(either: WireClient, mine: str) -> None:
    """P1: TLS of one company, signature of another."""
    told = either.call(usage([mine]), signer=either.signing(BLUEBONNET)).fault
    assert_helpful(told, "SIGNING_CERTIFICATE_OF_ANOTHER_COMPANY", "Pecan", "connect as the same company")


def test_a_tls_certificate_does_not_sign(wire: WireClient, mine: str) -> None:
    """Registered for one use only."""
    told = wire.call(usage([mine]), signer=wire.tls()).fault
    assert_helpful(told, "SIGNING_CERTIFICATE_UNKNOWN", "register")


def test_a_captured_message_over_another_companys_connection(either: WireClient, mine: str) -> None:
    """Idempotency and replay: the same bytes are a repeat for their owner and a fault for anybody else."""
    captured = either.sign(usage([mine], trans_id=f"captured {either.soap}"))
    first = either.post(captured)
    assert first.text("correlationId")
    before = orders_of(either, BLUEBONNET)
    told = either.post(captured, tls=either.tls(BLUEBONNET)).fault
    assert_helpful(told, "SIGNING_CERTIFICATE_OF_ANOTHER_COMPANY", "sign and connect as the same company")
    assert orders_of(either, BLUEBONNET) == before
    again = either.post(captured)
    assert again.text("correlationId") == first.text("correlationId")
    assert again.body.get("repeated") == "true"


def test_an_expired_signing_certificate(hub: Any, wire: WireClient, mine: str) -> None:
    """P1: it was good when it was registered. One that is not valid yet has another code."""
    told = wire.call(usage([mine]), signer=expired(hub.sandbox, "expired-signing", tls=False)).fault
    assert_helpful(told, "SIGNING_CERTIFICATE_EXPIRED", "valid until", "Register its successor")


def test_a_signing_certificate_that_is_not_valid_yet(hub: Any, wire: WireClient, mine: str) -> None:
    """A successor registered ahead of its first day is refused until then by its own code."""
    stem = "next-year"
    authority = open_authority(hub.sandbox.certificates, now=real_now())
    authority.issue(stem, "Pecan Energy, signing, next year", starts=real_now() + timedelta(days=300))
    register(hub.sandbox, stem, tls=False, signing=True)
    told = wire.call(usage([mine]), signer=stem).fault
    assert_helpful(told, "SIGNING_CERTIFICATE_NOT_YET_VALID", "valid from")


def test_an_expired_tls_certificate_does_not_connect(hub: Any, wire: WireClient, mine: str) -> None:
    """TLS itself refuses it, and its own alert says why."""
    stem = expired(hub.sandbox, "expired-tls", tls=True)
    with pytest.raises(ssl.SSLError, match=r"(?i)expired"):
        wire.call(usage([mine]), tls=stem)


def test_a_withdrawn_certificate_is_refused_from_the_next_request_on(hub: Any, wire: WireClient, mine: str) -> None:
    """P1: and whoever still has it is told no more than a stranger."""
    stem = "withdrawn"
    open_authority(hub.sandbox.certificates, now=real_now()).issue(stem, "Pecan Energy, old")
    sha256 = register(hub.sandbox, stem, tls=True, signing=True)
    assert wire.call(usage([mine], trans_id=stem), tls=stem, signer=stem).text("correlationId")
    own = hub.sandbox.hub()
    companies.withdraw_certificate(own.store, duns=PECAN, sha256=sha256, clock=own.clock, **BY_OPERATOR)
    own.store.close()
    told = wire.call(usage([mine]), signer=stem).fault
    assert_helpful(told, "SIGNING_CERTIFICATE_WITHDRAWN", "Sign with another")
    assert_tells_nothing(wire.call(usage([mine]), tls=stem).fault, "TLS_CERTIFICATE_WITHDRAWN")


def test_a_suspended_company_is_told_so_until_it_is_resumed(hub: Any, wire: WireClient) -> None:
    """P10: for everything, asking who it is included."""
    own = hub.sandbox.hub()
    changed = {"duns": LANTERN, "clock": own.clock, **BY_OPERATOR}
    ping = f'<m:Ping xmlns:m="urn:smt-ws:Connectivity:1">{header(duns=LANTERN)}</m:Ping>'

    def asked() -> Any:
        return wire.call(ping, service="Connectivity", tls=wire.tls(LANTERN), signer=wire.signing(LANTERN))

    companies.suspend(own.store, **changed)
    try:
        assert_helpful(asked().fault, "COMPANY_SUSPENDED", "Lantern Analytics", "suspended")
    finally:
        companies.resume(own.store, **changed)
        own.store.close()
    assert asked().text("companyName") == "Lantern Analytics"


def test_a_call_from_an_address_that_the_company_has_not_named(hub: Any, wire: WireClient) -> None:
    """P3: over SOAP and FTPS, from the next request and login on."""
    own = hub.sandbox.hub()
    changed = {"duns": LANTERN, "clock": own.clock, **BY_OPERATOR}
    ping = f'<m:Ping xmlns:m="urn:smt-ws:Connectivity:1">{header(duns=LANTERN)}</m:Ping>'

    def asked() -> Any:
        return wire.call(ping, service="Connectivity", tls=wire.tls(LANTERN), signer=wire.signing(LANTERN))

    networks.allow_network(own.store, network="192.0.2.0/24", **changed)
    try:
        refusal = asked().fault
        assert refusal.code == "ADDRESS_NOT_ALLOWED"
        assert "192.0.2" not in str(refusal)
        with pytest.raises(ftplib.error_perm, match="530"):
            hub.requester(LANTERN).fetch([], hub.sandbox.folder)
        networks.allow_network(own.store, network="127.0.0.0/8", **changed)
        assert asked().text("companyName") == "Lantern Analytics"
        hub.requester(LANTERN).fetch([], hub.sandbox.folder)
    finally:
        for network in companies.find_company(own.store, LANTERN).allowed_networks:
            networks.disallow_network(own.store, network=network, **changed)
        own.store.close()


# -- how it is signed


def test_an_unsigned_message(either: WireClient, mine: str) -> None:
    told = either.post(envelope(usage([mine]), either.soap)).fault
    assert_helpful(told, "WSS_UNSIGNED", "sign")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"11/03/2026", b"11/04/2026"),
        (b">CSV<", b"> CSV<"),
        (PECAN.encode(), BLUEBONNET.encode()),
        (b"</m:esiid>", b"</m:esiid><m:esiid>10443729999999999</m:esiid>"),
    ],
    ids=["a date", "white space", "the DUNS number", "one ESI ID more"],
)
def test_a_message_that_was_changed_after_signing(either: WireClient, mine: str, before: bytes, after: bytes) -> None:
    message = either.sign(usage([mine]))
    assert before in message
    told = either.post(message.replace(before, after, 1)).fault
    assert_helpful(told, "WSS_DIGEST_MISMATCH", "Body")


def test_a_signature_value_that_is_none(wire: WireClient, mine: str) -> None:
    message = wire.sign(usage([mine]))
    value = re.search(b"<ds:SignatureValue>([^<]{20})", message)
    assert value
    told = wire.post(message.replace(value[1], value[1][::-1], 1)).fault
    assert_helpful(told, "WSS_SIGNATURE_INVALID", "SignatureValue")


STAMPS = {
    "expired": ("WSS_EXPIRED", timedelta(minutes=-10), timedelta(minutes=5)),
    "from the future": ("WSS_NOT_YET_VALID", timedelta(minutes=10), timedelta(minutes=5)),
    "for an hour": ("WSS_LIFETIME", timedelta(0), timedelta(hours=1)),
}


@pytest.mark.parametrize("case", STAMPS)
def test_a_stamp_that_is_not_of_now(either: WireClient, mine: str, case: str) -> None:
    """At most 10 minutes of life, 60 seconds of skew."""
    code, shift, lifetime = STAMPS[case]
    message = either.sign(usage([mine]), now=datetime.now(UTC) + shift, lifetime=lifetime)
    assert_helpful(either.post(message).fault, code, "Timestamp")


# -- as a developer's own program meets it


def test_zeep_raises_the_fault_with_code_sentence_and_reference(hub: Any, mine: str) -> None:
    """What a REP's developer sees in a traceback, without knowing our types."""
    with pytest.raises(zeep.exceptions.Fault) as raised:
        hub.requester().order([mine], "11/03/2026", "11/01/2026", trans_id="zeep-1")
    assert raised.value.message.startswith("END_BEFORE_START: endDate: The end date is before the start date.")
    told = {one.tag.rpartition("}")[2]: one.text for one in raised.value.detail[0]}
    assert told["code"] == "END_BEFORE_START"
    assert told["trans_id"] == "zeep-1"
    assert told["reference"]


def test_every_refusal_can_be_found_in_the_log_by_its_reference_without_its_content(
    hub: Any, stranger: str, mine: str
) -> None:
    """What support finds when a caller quotes the reference."""
    wire = WireClient(hub.sandbox, hub.settings)
    told = wire.call(usage([mine], trans_id="secretly"), tls=stranger, signer=stranger).fault
    log = (hub.sandbox.folder / "hub.log").read_text()
    lines = [line for line in log.splitlines() if told.reference in line]
    assert any("TLS_CERTIFICATE_UNKNOWN" in line for line in lines)
    assert not any(mine in line or "secretly" in line for line in lines)


def expired(sandbox: Any, stem: str, *, tls: bool) -> str:
    """A certificate that was registered while it was valid, and no longer is."""
    now = real_now()
    authority = open_authority(sandbox.certificates, now=now)
    authority.issue(stem, stem, starts=now - timedelta(minutes=50), lasts=timedelta(minutes=40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(companies, "real_now", lambda: now - timedelta(minutes=30))  # in this process alone
        register(sandbox, stem, tls=tls, signing=not tls)
    return stem
