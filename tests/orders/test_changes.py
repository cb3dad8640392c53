"""What is new, cut into files: whatever comes in whatever pieces, each day once, none above the bound (R7, R8, R13)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_market import REP, TDSP, Market
from test_posting import build_all, data_parts, opened, orders, post, subscribe

from smt_ws.orders.changes import cut_changes
from smt_ws.usage import changes
from smt_ws.usage.changes import ChangedDays

#: premise, day, channel
Key = tuple[int, int, int]


def piece(keys: Sequence[Key], tdsp: str) -> ChangedDays:
    columns = np.array(keys, np.int64).reshape(-1, 3).T
    return ChangedDays(REP, tdsp, *columns, [f"{tdsp}-{key}" for key, _, _ in keys])


@st.composite
def companies_news(draw: st.DrawFn) -> dict[str, list[list[Key]]]:
    """By TDSP, pieces in their order; a day may stand there twice."""
    news = {}
    for tdsp in draw(st.sampled_from([["1"], ["1", "2"]])):
        key = st.tuples(st.integers(1, 12), st.integers(0, 5), st.sampled_from([1, 4]))
        keys = sorted(draw(st.lists(key, min_size=1, max_size=60)))
        cuts = sorted(draw(st.sets(st.integers(1, 12), max_size=3)))
        pieces: list[list[Key]] = [[] for _ in range(len(cuts) + 1)]
        for one in keys:
            pieces[sum(one[0] > cut for cut in cuts)].append(one)
        news[tdsp] = [some for some in pieces if some]
    return news


@given(companies_news(), st.integers(2, 20), st.booleans())
def test_every_day_is_in_exactly_one_file_and_none_has_too_many_records(
    news: dict[str, list[list[Key]]], most: int, record_a_channel: bool
) -> None:
    pieces = [piece(keys, tdsp) for tdsp, of_one in news.items() for keys in of_one]
    parts = cut_changes(pieces, most=most, record_a_channel=record_a_channel)
    assert [part.tdsp_duns for part in parts] == sorted(part.tdsp_duns for part in parts)
    for tdsp, of_one in news.items():
        different = sorted({one for keys in of_one for one in keys})
        mine = [part for part in parts if part.tdsp_duns == tdsp]
        held = [
            (premise_id, day)
            for part in mine
            for _, premise_id, first, last in part.slices.rows.tolist()
            for day in range(first, last + 1)
        ]
        assert held == sorted({(premise_id, day) for premise_id, day, _ in different}), "once, and in order"
        for part in mine:
            days = {
                (premise_id, day)
                for _, premise_id, first, last in part.slices.rows.tolist()
                for day in range(first, last + 1)
            }
            records = sum((one[0], one[1]) in days for one in different) if record_a_channel else len(days)
            assert part.records == records <= most
            named = [part.slices.esiids[place] for place in part.slices.rows["esiid"].tolist()]
            assert named == [f"{tdsp}-{key}" for key in part.slices.rows["premise_id"].tolist()]


@pytest.mark.parametrize("at_once", [1, 3, 131_072])
def test_a_posting_is_the_same_however_many_premises_come_together(
    market: Market, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(changes, "_PREMISES_AT_ONCE", at_once)
    market.add_premises(range(40))
    for number, channel in ((1, 4), (2, 1)):
        market.load_days(range(40), date(2026, 11, 1), date(2026, 11, 2), number=number, channel=channel)
    subscribe(market, "CSV")
    done = post(market)
    assert (done.files, done.esiid_days) == (2, 80)
    build_all(market)
    (order,) = orders(market)
    parts = data_parts(market, order.number)
    assert [(part.tdsp_duns, part.days_delivered, part.esiids) for part in parts] == [(TDSP, 50, 25), (TDSP, 30, 15)]
    lines = [line for part in parts for line in opened(market, part)[1].decode().splitlines()[1:]]
    assert len(lines) == len(set(lines)) == 40 * 2 * (100 + 96)
