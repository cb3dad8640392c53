"""An order of which nothing may be seen is accepted, and its answer says so (R3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hub_in_process import REP, HubInProcess, hub_in_process

from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store

GOOD, UNKNOWN = "10443720030350293", "10443729999999999"


@pytest.fixture
def hub(store: Store, clock: FixedClock, tmp_path) -> Iterator[HubInProcess]:
    with hub_in_process(store, tmp_path, clock) as opened:
        yield opened


def reason(hub: HubInProcess, esiids: list[str], trans_id: str = "t") -> str:
    listed = "".join(f"<m:esiid>{one}</m:esiid>" for one in esiids)
    answer = hub.ask(
        "MeterUsage",
        f'<m:RequestIntervalData xmlns:m="urn:smt-ws:MeterUsage:1"><m:trans_id>{trans_id}</m:trans_id>'
        "<m:requestorID>t</m:requestorID><m:requesterType>REP</m:requesterType>"
        f"<m:requesterAuthenticationID>{REP}</m:requesterAuthenticationID>"
        "<m:SMTTermsandConditions>Y</m:SMTTermsandConditions><m:startDate>11/01/2026</m:startDate>"
        f"<m:endDate>11/03/2026</m:endDate><m:reportFormat>CSV</m:reportFormat>{listed}</m:RequestIntervalData>",
    )
    assert answer.findtext("{*}statusCode") == "0", answer
    return str(answer.findtext("{*}statusReason"))


def test_the_answer_says_that_no_esiid_is_one_and_says_it_again_to_a_repeat(hub):
    with hub.hub.store.write() as connection:
        connection.exec_driver_sql("UPDATE company SET openpgp_certificate = 'set'")
    assert "none of them is an ESI ID" in reason(hub, ["x", "12", "104437200303502931"])
    assert "none of them is an ESI ID" in reason(hub, ["x", "12", "104437200303502931"])
    assert "its exceptions say why" in reason(hub, ["x", UNKNOWN])
