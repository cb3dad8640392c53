"""Reading interval days as of a load number, what is missing and why (R5, R12, U3, U8, U9; interfaces section 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from small_market import add_premises, day_of, esiid
from sqlalchemy import insert

from adapters.interval_csv import IntervalDay, render
from smt_ws.clock import FixedClock
from smt_ws.parties.access import REFUSAL, SLICE
from smt_ws.parties.rules import REASON_CODES, Reason
from smt_ws.parties.tables import meter
from smt_ws.store.engine import Store
from smt_ws.usage import as_of as as_of_module
from smt_ws.usage.load import load_file
from smt_ws.usage.loads import snapshot
from smt_ws.usage.missing import explain_missing
from smt_ws.usage.read import StoredDays, read_days

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]


def slices(*rows: tuple[int, int, date, date]) -> np.ndarray:
    return np.array(list(rows), SLICE)


def read(
    store: Store, rows: np.ndarray, *, as_of: int, channels: Sequence[int] = (4,), version: str = "L"
) -> tuple[list[IntervalDay], StoredDays]:
    with store.read() as connection:
        days = read_days(connection, slices=rows, channels=channels, as_of=as_of, version=version)
        return list(days), days


def brief(days: list[IntervalDay]) -> list[tuple[str, int, date, int]]:
    return [(d.esiid, d.channel, d.day, int.from_bytes(d.values[:4], "little")) for d in days]


def test_days_come_in_the_order_of_the_slices_then_day_and_channel(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    one, two = add_premises(store, 2)
    after = DAY + timedelta(days=1)
    records = [day_of(n, d, channel=c, wh=n * 10 + c) for n in (1, 2) for c in (4, 1) for d in (after, DAY)]
    number = load_file(store, lse_file("a", *records), clock=clock).load_number
    rows = slices((0, two, DAY, after), (1, one, DAY, after))
    days, stored = read(store, rows, as_of=number, channels=(4, 1))
    assert brief(days) == [(esiid(n), c, d, n * 10 + c) for n in (2, 1) for d in (DAY, after) for c in (1, 4)]
    assert (stored.delivered, stored.records, len(stored.missing)) == (4, 8, 0)
    assert {d.revised for d in days} == {clock.now()}
    assert [c for _, c, _, _ in brief(read(store, rows, as_of=number)[0])] == [4] * 4


def test_r5_only_the_days_of_the_slice_are_read(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    (one,) = add_premises(store, 1)
    all_days = [DAY + timedelta(days=n) for n in range(-20, 9)]
    number = load_file(store, lse_file("a", *(day_of(1, d) for d in all_days)), clock=clock).load_number
    rows = slices((0, one, all_days[2], all_days[4]), (0, one, all_days[15], all_days[15]))
    assert [d.day for d in read(store, rows, as_of=number)[0]] == [*all_days[2:5], all_days[15]]


def test_u3_an_order_reads_as_of_its_load_and_version_a_gives_every_version(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    one, two = add_premises(store, 2)
    times = []
    for n, wh in enumerate((100, 101, 102)):
        load_file(store, lse_file(f"f{n}", day_of(1, DAY, wh=wh)), clock=clock)
        times.append(clock.now())
        clock.advance(timedelta(hours=5))
    load_file(store, lse_file("late", day_of(2, DAY)), clock=clock)
    rows = slices((0, one, DAY, DAY), (1, two, DAY, DAY))
    for as_of, expected in ((0, []), (1, [100]), (2, [101]), (3, [102])):
        days, stored = read(store, rows, as_of=as_of)
        assert [wh for *_, wh in brief(days)] == expected
        assert [d.revised for d in days] == times[as_of - 1 : as_of] if as_of else days == []
        assert stored.delivered == len(expected)
    days, stored = read(store, rows, as_of=2, version="A")
    assert [wh for *_, wh in brief(days)] == [100, 101]
    assert (stored.delivered, stored.records) == (1, 2), "an ESI-ID-day counts once whatever its versions"
    assert stored.missing["premise_id"].tolist() == [two]


@pytest.mark.parametrize("chunk", [1, 3, 8192])
def test_missing_days_are_runs_within_their_slices(
    store: Store, clock: FixedClock, lse_file: LseFile, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_of_module, "_CHUNK_DAYS", chunk)
    one, two = add_premises(store, 2)
    have = [DAY + timedelta(days=n) for n in (0, 3, 4)]
    number = load_file(store, lse_file("a", *(day_of(1, d) for d in have)), clock=clock).load_number
    last = DAY + timedelta(days=6)
    days, stored = read(store, slices((7, one, DAY, last), (9, two, DAY, DAY)), as_of=number)
    assert [d.day for d in days] == have
    expected = [
        (7, one, DAY + timedelta(days=1), DAY + timedelta(days=2)),
        (7, one, DAY + timedelta(days=5), last),
        (9, two, DAY, DAY),
    ]
    assert stored.missing.tolist() == expected
    assert stored.missing.dtype == SLICE


def test_what_is_missing_is_not_known_before_the_end(store: Store) -> None:
    with store.read() as connection:
        stored = read_days(connection, slices=slices(), channels=(4,), as_of=0)
        with pytest.raises(RuntimeError):
            _ = stored.missing
        assert list(stored) == []
        assert len(stored.missing) == 0


def test_every_missing_day_gets_a_reason(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    """Today is 20 November: due after 2 days, overdue after 10, a gap once a later day has come."""
    today = date(2026, 11, 20)
    (gappy, late, never) = add_premises(store, 3)
    (young,) = add_premises(store, 1, first=10, installed=date(2026, 11, 1), provisioned=date(2026, 11, 15))
    days = [date(2026, 11, d) for d in (1, 2, 4)]
    number = load_file(
        store, lse_file("a", *(day_of(1, d) for d in days), day_of(2, date(2026, 11, 12))), clock=clock
    ).load_number
    first = date(2026, 11, 1)
    rows = slices(*((n, key, first, today) for n, key in enumerate((gappy, late, never, young))))
    with store.read() as connection:
        stored = read_days(connection, slices=rows, channels=(4,), as_of=number)
        assert len(list(stored)) == 4
        why = explain_missing(
            connection, stored.missing, channels=(4,), as_of=number, today=today, due_days=2, late_days=10
        )
    assert why.dtype == REFUSAL
    found = [(n, a.day, b.day, REASON_CODES[code]) for n, a, b, code in why.tolist()]
    assert found == [
        (0, 3, 3, Reason.GAP),
        (0, 5, 9, Reason.NOT_DELIVERED),
        (0, 10, 18, Reason.LATE_AT_TDSP),
        (0, 19, 20, Reason.NOT_YET_DUE),
        (1, 1, 11, Reason.GAP),
        (1, 13, 18, Reason.LATE_AT_TDSP),
        (1, 19, 20, Reason.NOT_YET_DUE),
        (2, 1, 9, Reason.NOT_DELIVERED),
        (2, 10, 18, Reason.LATE_AT_TDSP),
        (2, 19, 20, Reason.NOT_YET_DUE),
        (3, 1, 14, Reason.NOT_PROVISIONED),
        (3, 15, 18, Reason.LATE_AT_TDSP),
        (3, 19, 20, Reason.NOT_YET_DUE),
    ]


def test_a_later_day_that_the_order_cannot_see_makes_no_gap(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    (one,) = add_premises(store, 1)
    early = load_file(store, lse_file("a", day_of(1, date(2026, 11, 14))), clock=clock).load_number
    load_file(store, lse_file("b", day_of(1, date(2026, 11, 16)), day_of(1, date(2026, 11, 14), wh=9)), clock=clock)
    with store.read() as connection:
        rows = slices((0, one, date(2026, 11, 15), date(2026, 11, 15)))
        for as_of, expected in ((early, Reason.LATE_AT_TDSP), (snapshot(connection), Reason.GAP)):
            why = explain_missing(
                connection, rows, channels=(4,), as_of=as_of, today=date(2026, 11, 20), due_days=2, late_days=10
            )
            assert [REASON_CODES[code] for code in why["code"]] == [expected]


def test_u9_days_without_generation_have_a_reason_of_their_own_and_those_within_its_spell_are_gaps(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    plain, solar = add_premises(store, 2)
    before, gap = DAY - timedelta(days=3), DAY - timedelta(days=1)
    solar_days = [day_of(2, day, channel=1) for day in (DAY - timedelta(days=2), DAY)]
    number = load_file(store, lse_file("a", day_of(1, DAY), day_of(2, DAY), *solar_days), clock=clock).load_number
    rows = slices((0, plain, DAY, DAY), (1, solar, before, DAY))
    with store.read() as connection:
        stored = read_days(connection, slices=rows, channels=(1,), as_of=number)
        assert [d.esiid for d in stored] == [esiid(2)] * 2
        why = explain_missing(
            connection, stored.missing, channels=(1,), as_of=number, today=date(2026, 11, 20), due_days=2, late_days=10
        )
    assert [(a, REASON_CODES[code]) for _, a, _, code in why.tolist()] == [
        (DAY, Reason.NO_GENERATION_CHANNEL),
        (before, Reason.NO_GENERATION_CHANNEL),
        (gap, Reason.GAP),
    ]


def test_u8_between_two_meters_the_reason_is_that_no_meter_was_there(store: Store) -> None:
    (one,) = add_premises(store, 1)
    with store.write() as connection:
        connection.execute(meter.update().values(removed_on=date(2026, 10, 1)))
        later = {"premise_id": one, "meter_number": "NEW", "load_number": 0}
        connection.execute(
            insert(meter).values(**later, installed_on=date(2026, 10, 4), provisioned_on=date(2026, 10, 6))
        )
        rows = slices((0, one, date(2026, 9, 30), date(2026, 10, 7)))
        why = explain_missing(
            connection, rows, channels=(4,), as_of=0, today=date(2026, 11, 20), due_days=2, late_days=10
        )
    assert [(a.day, b.day, REASON_CODES[code]) for _, a, b, code in why.tolist()] == [
        (30, 1, Reason.NOT_DELIVERED),
        (2, 5, Reason.NOT_PROVISIONED),
        (6, 7, Reason.NOT_DELIVERED),
    ]


def test_r12_the_days_read_are_what_the_renderer_takes(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    (one,) = add_premises(store, 1)
    spring, autumn = date(2026, 3, 8), date(2026, 11, 1)
    number = load_file(store, lse_file("a", day_of(1, spring), day_of(1, autumn)), clock=clock).load_number
    days, _ = read(store, slices((0, one, spring, spring), (0, one, autumn, autumn)), as_of=number)
    lines = b"".join(render(days, "standard")).splitlines()
    assert len(lines) == 92 + 100
    assert lines[0].startswith(f"{esiid(1)},03/08/2026,11/20/2026 09:00:00,00:00,00:15,0.250,A,".encode())
    assert len({line.rsplit(b",", 1)[1] for line in lines}) == 192, "no two intervals share an instant"
