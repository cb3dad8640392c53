"""What `HOMES.md` of a sandbox points to is answered so, over the wire: bills, both changes of the clock."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from typing import Any

import pytest
from guided_hub import GuidedHub
from lxml import etree

from smt_ws.sandbox.build import COMPANIES, SHARING_TDSP
from smt_ws.sandbox.requester import Requester

REPS = [duns for _name, kind, duns in COMPANIES if kind == "REP"]


def billed_home(guided_hub: GuidedHub, tdsp: str) -> str:
    folder = guided_hub.sandbox.folder / "market" / ("spring" if tdsp == SHARING_TDSP else "")
    with (folder / "bills.csv").open(newline="") as stream:
        return next(csv.DictReader(stream))["ESIID"]


def answered(guided_hub: GuidedHub, operation: str, esiid: str, first: str, last: str, form: str = "CSV") -> str:
    """The content of an answer given at once to whichever REP serves the home."""
    contents = []
    for duns in REPS:
        requester = Requester(guided_hub.sandbox, guided_hub.sandbox.player(duns), guided_hub.settings)
        call = getattr(requester.client("MeterUsage").service, operation)
        answer: Any = call(
            **requester.header(f"{operation}-{esiid[-6:]}-{first}-{form}"),
            startDate=first, endDate=last, reportFormat=form, deliveryMode="API", esiid=[esiid],
        )  # fmt: skip
        contents.append(answer.report.content)
    return max(contents, key=lambda content: len(content or ""))


@pytest.mark.parametrize("tdsp", ["4444444440000", SHARING_TDSP])
def test_twelve_bills_are_delivered_whichever_way_the_tdsp_writes_their_end(guided_hub: GuidedHub, tdsp: str) -> None:
    told = (guided_hub.sandbox.folder / "HOMES.md").read_text()
    assert f"| {tdsp} | " in told
    esiid = billed_home(guided_hub, tdsp)
    first, last = ("11/01/2025", "11/18/2026") if tdsp != SHARING_TDSP else ("03/01/2025", "03/20/2026")
    rows = list(csv.DictReader(io.StringIO(answered(guided_hub, "RequestMonthlyBilling", esiid, first, last))))
    assert len(rows) == 12
    ends, starts = [row["END_DATE"] for row in rows], [row["START_DATE"] for row in rows]
    shared = [end == start for (end, _), (_, start) in pairwise(zip(ends, starts, strict=True))]
    assert shared == [tdsp == SHARING_TDSP] * 11


@pytest.mark.parametrize(
    ("tdsp", "day", "intervals"), [("4444444440000", "11/01/2026", 100), (SHARING_TDSP, "03/08/2026", 92)]
)
def test_the_days_on_which_the_clock_is_changed_have_their_true_length(
    guided_hub: GuidedHub, tdsp: str, day: str, intervals: int
) -> None:
    assert (
        f"| a day of {intervals} intervals | any home of {tdsp} | {day} |"
        in (guided_hub.sandbox.folder / "HOMES.md").read_text()
    )
    esiid = billed_home(guided_hub, tdsp)
    rows = list(csv.DictReader(io.StringIO(answered(guided_hub, "RequestIntervalData", esiid, day, day))))
    assert sum(row["CONSUMPTION_SURPLUSGENERATION"] == "Consumption" for row in rows) == intervals
    feed = etree.fromstring(answered(guided_hub, "RequestIntervalData", esiid, day, day, "XML").encode())
    blocks = feed.findall(".//{http://naesb.org/espi}IntervalBlock")
    assert {len(block.findall("{http://naesb.org/espi}IntervalReading")) for block in blocks} == {intervals}
