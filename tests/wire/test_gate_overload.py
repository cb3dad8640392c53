"""At three times its capacity a gate stays quick for those it serves, and tells the others to come back."""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass

import pytest
from lxml import etree
from running_gate import COMMON, ESIID, start_hub, stop_hub, usage
from waiting import PATIENCE

from adapters.soap.faults import SOAP11, SOAP12

#: The gate of this test: four threads, 0.2 s a request, so 20 requests a second.
QUEUE_SECONDS = 1.0
CALLERS = 24
SECONDS = 4.0
#: As many refusals there are at least, however long they take to come.
REFUSALS = 40


@dataclass
class Told:
    trans_id: str
    status: int
    headers: dict[str, str]
    content: bytes
    #: When it was sent and when it was answered, since the beginning.
    sent: float
    at: float


@pytest.fixture(scope="module")
def overloaded(tmp_path_factory):
    hub = start_hub(tmp_path_factory.mktemp("overloaded"), queue_seconds=QUEUE_SECONDS)
    yield hub, told_under_load(hub)
    stop_hub(hub)


def told_under_load(hub) -> list[Told]:
    """Every caller sends again as soon as it has an answer, or 0.3 s after a refusal: at least 60 requests a second."""
    answers: list[Told] = []
    messages = {n: hub.sign(usage([ESIID], trans_id=f"slow-{n}")) for n in range(CALLERS)}
    began = 0.0
    connected = threading.Barrier(CALLERS + 1)

    def calls(number: int) -> None:
        connection = hub.connect()
        connection.connect()  # the load is requests, not handshakes
        connected.wait(180)
        connected.wait(180)
        while (sent := time.monotonic()) < began + SECONDS or (
            sum(one.status == 503 for one in list(answers)) < REFUSALS and sent < began + PATIENCE
        ):
            connection.request("POST", "/soap/MeterUsage", messages[number], {"Content-Type": "text/xml"})
            response = connection.getresponse()
            content = response.read()
            now = time.monotonic()
            headers = {k.lower(): v for k, v in response.getheaders()}
            answers.append(Told(f"slow-{number}", response.status, headers, content, sent - began, now - began))
            if response.status == 503:
                time.sleep(0.3)  # a pause of the caller's, shorter than it was asked for
        connection.close()

    callers = [threading.Thread(target=calls, args=(n,)) for n in range(CALLERS)]
    for caller in callers:
        caller.start()
    connected.wait(180)
    began = time.monotonic()
    connected.wait(180)
    for caller in callers:
        caller.join()
    return answers


def test_what_is_taken_is_answered_in_good_time_and_the_rest_is_told_at_once(overloaded):
    """Time is counted in requests that the gate served meanwhile: how long one takes says how busy the machine is."""
    _hub, answers = overloaded
    assert {one.status for one in answers} == {200, 503}
    taken = [one for one in answers if one.status == 200]
    refused = [one for one in answers if one.status == 503]

    def served_meanwhile(one: Told) -> int:
        return sum(one.sent < other.at < one.at for other in taken)

    def in_hand(one: Told) -> int:
        return sum(other.sent < one.at < other.at for other in taken)

    # The load is real, and nobody is sent away while one of the four threads is free.
    assert statistics.median(in_hand(one) for one in refused) >= 4
    # Without the bound each would wait for the 23 others, for as long as it goes on.
    settled = [one for one in taken if one.at > QUEUE_SECONDS + 1.0]
    assert statistics.median(served_meanwhile(one) for one in settled) < 16
    assert max(served_meanwhile(one) for one in taken) < 2 * CALLERS
    assert statistics.median(served_meanwhile(one) for one in refused) <= 4


def test_every_request_that_was_taken_was_run_and_no_other(overloaded):
    hub, answers = overloaded
    assert sorted((hub.folder / "ran").read_text().split()) == sorted(
        one.trans_id for one in answers if one.status == 200
    )


def test_a_refusal_is_a_signed_fault_with_a_pause(overloaded):
    hub, answers = overloaded
    busy = next(one for one in answers if one.status == 503)
    assert busy.headers["content-type"] == "text/xml; charset=utf-8"
    assert 2 <= int(busy.headers["retry-after"]) <= 5
    body = hub.verified(busy)
    assert body.tag == f"{{{SOAP11}}}Fault"
    assert body.findtext("faultcode") == "soap:Server"
    assert body.findtext(f"detail/{COMMON}HubFault/{COMMON}code") == "HUB_BUSY"
    assert f"in {busy.headers['retry-after']} seconds" in (body.findtext("faultstring") or "")


def test_refusals_of_one_second_share_their_signature(overloaded):
    """A refusal must cost next to nothing: signing each would take the time that the others are short of."""
    _hub, answers = overloaded
    busy = [one for one in answers if one.status == 503]
    distinct = {etree.fromstring(one.content).findtext(f".//{COMMON}reference") for one in busy}
    assert len(distinct) <= max(one.at for one in busy) + 2
    assert len(distinct) < len(busy) / 2


def test_the_gate_is_at_once_as_it_was(overloaded):
    hub, _answers = overloaded
    for soap, kind in ((SOAP11, "text/xml"), (SOAP12, "application/soap+xml")):
        answer = hub.post(hub.sign(usage([ESIID]), soap=soap), kind=f"{kind}; charset=utf-8")
        assert answer.status == 200


def test_a_busy_gate_says_so_in_the_records(overloaded):
    hub, answers = overloaded
    records = (hub.folder / "records").read_text().splitlines()
    assert sum("HUB_BUSY" in line for line in records) == sum(one.status == 503 for one in answers)
