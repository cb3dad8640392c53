"""From a signed order to rows that equal what the TDSP sent: R3, R5, R6, R7, R10, R12, U3, U9, over a whole hub."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from market_facts import (
    CENTRAL,
    GENERATION,
    LOAD,
    Facts,
    Row,
    by_code,
    days_between,
    read_exceptions,
    read_rows,
    whole_days,
)
from wire_client import BLUEBONNET, LANTERN, PECAN, WireClient, cancel, usage

from smt_ws.parties import companies

UNKNOWN, MALFORMED = "10443729999999999", "1044372-TYPO"
CLOCK_CHANGE = date(2026, 11, 1)


@pytest.fixture(scope="session")
def facts(hub: Any) -> Facts:
    return Facts.of(hub.market)


@pytest.fixture
def wire(hub: Any) -> WireClient:
    return WireClient(hub.sandbox, hub.settings)


@dataclass(frozen=True)
class Delivered:
    """An order that is done, with its files as they were fetched, decrypted and unzipped."""

    status: Any
    files: dict[str, Path]

    def rows(self) -> list[Row]:
        return [row for name in sorted(self.names("IntervalMeterUsage")) for row in read_rows(self.files[name])]

    def names(self, report: str) -> list[str]:
        return [name for name in self.files if name.startswith(report)]

    def exceptions(self) -> dict[tuple[str, date], str]:
        (name,) = self.names("Exceptions")
        return read_exceptions(self.files[name])


def deliver(hub: Any, duns: str, into: Path, **asked: Any) -> Delivered:
    """Order, wait, fetch and open, as the company's own program."""
    requester = hub.requester(duns)
    values = {"startDate": "09/20/2026", "endDate": "11/20/2026", "reportFormat": "CSV"} | asked
    trans_id = f"{time.time_ns()}"
    answer = requester.client("MeterUsage").service.RequestIntervalData(**requester.header(trans_id), **values)
    status = requester.wait(answer.correlationId, lambda _status: None, timeout=180)
    fetched = requester.fetch([file.name for file in status.file], into)
    for file, path in zip(status.file, fetched, strict=True):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
        assert path.stat().st_size == file.size
    return Delivered(status, {path.name: requester.open(path, into) for path in fetched})


@pytest.mark.parametrize("duns", [PECAN, BLUEBONNET], ids=["first REP", "second REP"])
def test_a_rep_gets_every_interval_of_what_it_served_and_a_reason_for_every_other_day(
    hub: Any, facts: Facts, tmp_path: Path, duns: str
) -> None:
    """R3, R5, R7, R12, U3, U9: all homes over all days, past the last one that was delivered."""
    market, special = hub.market, hub.market.special
    first, today = market.first_day, date(2026, 11, 20)
    got = deliver(hub, duns, tmp_path, esiid=[*market.esiids, UNKNOWN, MALFORMED])
    days = days_between(first, today)

    # What was delivered is what the TDSP's files say, interval by interval, in files of bounded size.
    expected = facts.latest(duns, market.esiids, days)
    rows = got.rows()
    assert whole_days(rows) == expected
    assert len(rows) == sum(map(len, expected.values()))
    assert len(got.names("IntervalMeterUsage")) > 1
    for name in got.names("IntervalMeterUsage"):
        assert len({(row.esiid, row.day) for row in read_rows(got.files[name])}) <= hub.settings.limits.days_per_part

    # The day of 100 intervals is there with all of them, the solar home with both channels.
    served_that_day = [esiid for esiid in market.esiids if facts.served(duns, esiid, CLOCK_CHANGE)]
    assert served_that_day
    assert all(len(expected[esiid, CLOCK_CHANGE, LOAD]) == 100 for esiid in served_that_day)
    channels = {row.channel for row in rows if row.esiid == special.solar}
    assert channels == ({LOAD, GENERATION} if duns == PECAN else set())

    # Labels: the UTC column counts on in quarters of an hour from local midnight, and local time is what it says.
    for (esiid, day, channel), of_day in _grouped(rows).items():
        starts = [datetime.strptime(row.utc, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for row in of_day]
        assert starts[0] == datetime(day.year, day.month, day.day, tzinfo=CENTRAL).astimezone(UTC), (esiid, channel)
        assert all(b - a == timedelta(minutes=15) for a, b in pairwise(starts))
        for row, start in zip(of_day, starts, strict=True):
            assert row.start == f"{start.astimezone(CENTRAL):%H:%M}"
            assert row.end == f"{(start + timedelta(minutes=15)).astimezone(CENTRAL):%H:%M}"

    # Every other day has its reason, and the sums are right.
    codes = got.exceptions()
    wanted = {
        (esiid, day): _reason(facts, market, duns, esiid, day)
        for esiid in (*market.esiids, UNKNOWN, MALFORMED)
        for day in days
        if (esiid, day, LOAD) not in expected
    }
    assert codes == wanted
    order = got.status.order
    assert order.status == "COMPLETE_WITH_EXCEPTIONS"
    assert order.esiidDaysAsked == 22 * len(days) == order.esiidDaysDelivered + order.esiidDaysExcepted
    assert order.esiidDaysDelivered == len({key[:2] for key in expected})
    assert {one.code: one.count for one in got.status.exception} == by_code(codes)
    assert {"AFTER_SERVICE" if duns == PECAN else "BEFORE_SERVICE", "NO_AGREEMENT", "NOT_YET_DUE"} < set(codes.values())

    _assert_manifest(got, len(rows))


def _grouped(rows: list[Row]) -> dict[tuple[str, date, int], list[Row]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row.esiid, row.day, row.channel].append(row)
    return grouped


def _reason(facts: Facts, market: Any, duns: str, esiid: str, day: date) -> str:
    """Why a day is not delivered, from what the market's files say."""
    special = market.special
    if esiid in {UNKNOWN, MALFORMED}:
        return "ESIID_UNKNOWN" if esiid == UNKNOWN else "ESIID_MALFORMED"
    if not facts.served(duns, esiid, day):
        spells = [(first, last) for rep, first, last in facts.services[esiid] if rep == duns]
        if not spells:
            return "NO_AGREEMENT"
        return "BEFORE_SERVICE" if day < spells[0][0] else "AFTER_SERVICE"
    if day > market.last_day:
        return "NOT_YET_DUE"
    if esiid == special.new_home[0] and day < special.new_home[2]:
        return "NOT_PROVISIONED"
    return "GAP"


def _assert_manifest(got: Delivered, rows: int) -> None:
    (name,) = got.names("Manifest")
    document = json.loads(got.files[name].read_text())
    order = got.status.order
    assert document["order"] == order.correlationId
    assert document["esiidDays"] == {
        "asked": order.esiidDaysAsked,
        "delivered": order.esiidDaysDelivered,
        "excepted": order.esiidDaysExcepted,
    }
    told = {file.name: file for file in got.status.file}
    assert {one["name"] for one in document["files"]} == set(told) - {name}
    for one in document["files"]:
        plain = got.files[one["name"]].read_bytes()
        assert (one["plainSize"], one["plainSha256"]) == (len(plain), hashlib.sha256(plain).hexdigest())
        assert (one["size"], one["sha256"]) == (told[one["name"]].size, told[one["name"]].sha256)
        assert one["member"] == got.files[one["name"]].name
        assert one["records"] == told[one["name"]].recordCount == plain.count(b"\n") - 1
    assert sum(one["records"] for one in document["files"] if one["kind"] == "data") == rows


def test_the_smt_profile_has_the_same_numbers_in_the_form_of_today(hub: Any, facts: Facts, tmp_path: Path) -> None:
    """Interfaces, section 2: apostrophe, space, eight columns, and the day of 100 rows with its odd label."""
    own = hub.sandbox.hub()
    change = {"duns": BLUEBONNET, "actor": "operator:tests", "clock": own.clock}
    companies.set_csv_profile(own.store, csv_profile="smt", **change)
    try:
        got = deliver(
            hub, BLUEBONNET, tmp_path, esiid=list(hub.market.esiids), startDate="10/31/2026", endDate="11/02/2026"
        )
    finally:
        companies.set_csv_profile(own.store, csv_profile="standard", **change)
        own.store.close()
    rows = got.rows()
    expected = facts.latest(BLUEBONNET, hub.market.esiids, days_between(date(2026, 10, 31), date(2026, 11, 2)))
    assert whole_days(rows) == expected
    assert all(row.esiid.startswith("'") and row.start.startswith(" ") and not row.utc for row in rows)
    of_change = next(rows for (_, day, _), rows in _grouped(rows).items() if day == CLOCK_CHANGE)
    assert [row.start for row in of_change[4:9]] == [" 01:00", " 01:15", " 01:30", " 01:45", " 02:00"]
    assert of_change[8].end == " 01:15"


def test_all_versions_or_the_latest(hub: Any, facts: Facts, tmp_path: Path) -> None:
    """U3: a day that was sent again is there once (L) or as often as it was sent, each with its own time (A)."""
    again = {key: found for key, found in facts.versions.items() if len(found) > 1}
    for esiid, day, _channel in again:
        duns = next(duns for duns in (PECAN, BLUEBONNET) if facts.served(duns, esiid, day))
        if duns == PECAN:
            break
    usa = f"{day:%m/%d/%Y}"
    asked = {"esiid": [esiid], "startDate": usa, "endDate": usa, "readingType": "C"}
    latest = deliver(hub, PECAN, tmp_path / "L", version="L", **asked)
    every = deliver(hub, PECAN, tmp_path / "A", version="A", **asked)
    versions = facts.versions[esiid, day, LOAD]
    assert list(whole_days(latest.rows()).values()) == [versions[-1]]
    by_revision: dict[str, list[Row]] = defaultdict(list)
    for row in every.rows():
        by_revision[row.revised].append(row)
    found = [whole_days(rows)[esiid, day, LOAD] for rows in by_revision.values()]
    assert sorted(found) == sorted(versions)
    assert len(by_revision) == len(versions) == 2
    # versions of one day are one ESI-ID-day
    assert every.status.order.esiidDaysDelivered == latest.status.order.esiidDaysDelivered == 1
    assert every.status.order.status == "COMPLETE"


@pytest.mark.parametrize(("reading", "channels"), [("C", {LOAD}), ("G", {GENERATION}), ("A", {LOAD, GENERATION})])
def test_consumption_and_surplus_generation_are_kept_apart(
    hub: Any, facts: Facts, tmp_path: Path, reading: str, channels: set[int]
) -> None:
    """U9: by reading type; a home without generation says so where only generation was asked for."""
    special = hub.market.special
    plain = next(
        e
        for e in hub.market.esiids
        if e != special.solar
        and facts.served(PECAN, e, CLOCK_CHANGE)
        and all((e, d, LOAD) in facts.versions for d in days_between(CLOCK_CHANGE, date(2026, 11, 3)))
    )
    got = deliver(
        hub,
        PECAN,
        tmp_path,
        esiid=[special.solar, plain],
        startDate="11/01/2026",
        endDate="11/03/2026",
        readingType=reading,
    )
    expected = facts.latest(PECAN, [special.solar, plain], days_between(CLOCK_CHANGE, date(2026, 11, 3)))
    assert whole_days(got.rows()) == {key: day for key, day in expected.items() if key[2] in channels}
    codes = {one.code: one.count for one in got.status.exception}
    assert codes == ({"NO_GENERATION_CHANNEL": 3} if reading == "G" else {})


def test_an_order_without_exceptions_is_complete_and_has_no_exceptions_file(
    hub: Any, facts: Facts, tmp_path: Path
) -> None:
    """R6."""
    esiid = hub.market.special.switched[0]
    got = deliver(hub, PECAN, tmp_path, esiid=[esiid], startDate="09/20/2026", endDate="09/24/2026")
    assert got.status.order.status == "COMPLETE"
    assert Counter(name.partition("2")[0] for name in got.files) == {"IntervalMeterUsage": 1, "Manifest": 1}


def test_a_third_party_without_agreements_gets_reasons_and_no_data(hub: Any, tmp_path: Path) -> None:
    """R5: deny unless allowed."""
    got = deliver(hub, LANTERN, tmp_path, esiid=list(hub.market.esiids), startDate="11/01/2026", endDate="11/02/2026")
    assert {one.code: one.count for one in got.status.exception} == {"NO_AGREEMENT": 40}
    assert got.names("IntervalMeterUsage") == []
    assert set(got.exceptions().values()) == {"NO_AGREEMENT"}


# -- repeats (interfaces, "Idempotency and replay")


def test_the_same_request_again_gets_the_first_answer(wire: WireClient, hub: Any) -> None:
    """The same bytes, the same content signed again, in the other version of SOAP: one order."""
    body = usage(hub.market.esiids[:2], trans_id=f"repeat {time.time_ns()}")
    message = wire.sign(body)
    first = wire.post(message)
    number = first.text("correlationId")
    assert number
    assert first.body.get("repeated") is None
    other_soap = WireClient(hub.sandbox, hub.settings, "http://www.w3.org/2003/05/soap-envelope")
    for again in (wire.post(message), wire.call(body), other_soap.call(body)):
        assert again.text("correlationId") == number
        assert again.body.get("repeated") == "true"
        assert datetime.fromisoformat(again.body.get("firstAnsweredAt", "")).date() == date(2026, 11, 20)
    # another trans_id, or other content under the same one (real clients reuse it), is another order
    assert wire.call(usage(hub.market.esiids[:2], trans_id="another")).text("correlationId") != number
    assert wire.call(body.replace("11/03/2026", "11/02/2026")).text("correlationId") != number


# -- lists, cancelling, Ping


def test_orders_are_listed_newest_first_by_day_and_status(hub: Any) -> None:
    """R6: in pages."""
    requester = hub.requester()
    numbers = [requester.order([UNKNOWN], "11/01/2026", "11/01/2026", f"{time.time_ns()}").correlationId for _ in "123"]
    for number in numbers:
        requester.wait(number, lambda _status: None, timeout=180)
    service = requester.client("ReportRequestStatus").service

    def listed(**asked: Any) -> Any:
        days = {"fromDate": "11/20/2026", "toDate": "11/20/2026"} | asked
        return service.ListRequests(**requester.header("list"), **days)

    everything = listed()
    assert [order.correlationId for order in everything.order][:3] == numbers[::-1]
    assert not everything.morePages
    excepted = listed(status="COMPLETE_WITH_EXCEPTIONS", serviceType="ADHOC")
    assert set(numbers) <= {order.correlationId for order in excepted.order}
    assert {order.status for order in excepted.order} == {"COMPLETE_WITH_EXCEPTIONS"}
    assert listed(page=2).order == []
    assert listed(fromDate="11/01/2026", toDate="11/19/2026").order == []
    assert listed(serviceType="SUBSCRIPTION").order == []
    others = hub.requester(BLUEBONNET)
    theirs = others.client("ReportRequestStatus").service.ListRequests(
        **others.header("list"), fromDate="11/20/2026", toDate="11/20/2026"
    )
    assert not set(numbers) & {order.correlationId for order in theirs.order}


def test_a_cancelled_order_ends_and_its_files_stay_away(wire: WireClient, hub: Any) -> None:
    """R6: at any moment before it is done; again, it is a repeat or finished."""
    requester = hub.requester()
    status_client = requester.client("ReportRequestStatus")
    placed = wire.call(usage(hub.market.esiids, start="09/20/2026", end="11/18/2026", trans_id=f"{time.time_ns()}"))
    number = placed.text("correlationId") or ""
    cancelled = wire.call(cancel(number, trans_id="cancel"))
    assert (cancelled.text("status"), cancelled.text("correlationId")) == ("CANCELLED", number)
    repeated = wire.call(cancel(number, trans_id="cancel"))
    assert repeated.body.get("repeated") == "true"
    assert wire.call(cancel(number, trans_id="other")).fault.code == "ORDER_FINISHED"
    time.sleep(2)
    status = status_client.service.GetStatus(**requester.header("2"), correlationId=number)
    assert status.order.status == "CANCELLED"
    states = Counter(file.state for file in status.file)
    assert states["CANCELLED"] >= 2
    assert set(states) <= {"CANCELLED", "PUBLISHED"}
    adhoc = hub.settings.ftps.root / PECAN / "adhoc"
    there = {file.name for file in status.file if (adhoc / file.name).exists()}
    assert there == {file.name for file in status.file if file.state == "PUBLISHED"}


def test_ping_says_who_the_hub_takes_the_caller_for(hub: Any, wire: WireClient) -> None:
    """K3: company, DUNS numbers, both certificates, clock skew."""
    requester = hub.requester(BLUEBONNET)
    ping = requester.client("Connectivity").service.Ping(**requester.header("ping-1"))
    assert (ping.trans_id, ping.statusCode, ping.companyName) == ("ping-1", "0", "Bluebonnet Power")
    assert list(ping.dunsNumber) == [BLUEBONNET]
    for told, stem in (
        (ping.tlsCertificate, wire.tls(BLUEBONNET)),
        (ping.signingCertificate, wire.signing(BLUEBONNET)),
    ):
        certificate = wire.certificate(stem)
        assert told.expiresAt == certificate.not_valid_after_utc
        assert told.subject == certificate.subject.rfc4514_string()
    assert abs(ping.clockSkewSeconds) < 5
    assert ping.environment == "sandbox"


# -- e-mail


def test_one_letter_says_that_a_report_is_ready(hub: Any) -> None:
    """R10: once, to the company's address, without ESI IDs."""
    requester = hub.requester()
    esiid = hub.market.special.switched[0]
    number = requester.order([esiid], "09/20/2026", "09/21/2026", f"{time.time_ns()}").correlationId
    requester.wait(number, lambda _status: None, timeout=180)
    deadline = time.monotonic() + 180
    while not (found := _letters(hub, number)) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1.5)
    (letter,) = _letters(hub, number) or found
    assert letter["To"] == "reports@pecan-energy.example"
    text = letter.get_body(("plain",)).get_content()
    assert number in text
    assert esiid not in text


def _letters(hub: Any, number: str) -> list[Any]:
    letters = (
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in hub.settings.mail.folder.glob("*.eml")
    )
    return [one for one in letters if f" {number} " in f"{one['Subject']} {one.get_body(('plain',)).get_content()} "]
