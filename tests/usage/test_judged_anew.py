"""U5: flags follow what is known now, in whatever order files come, and an earlier snapshot keeps those it had."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_market import ONCOR, add_premises, day_of, esiid, marked
from sqlalchemy import select

from smt_ws.clock import FixedClock
from smt_ws.parties.access import SLICE
from smt_ws.settings import Validation
from smt_ws.store.engine import Store
from smt_ws.usage.load import load_file
from smt_ws.usage.provisioning import stretches_changed
from smt_ws.usage.read import read_days
from smt_ws.usage.remarks import CODES
from smt_ws.usage.rules import KnownPremise, MeterSpell, rules_in
from smt_ws.usage.tables import interval_day, interval_day_flags_history

DAY = date(2026, 11, 10)
FIGURES = Validation()
READS = "ESIID,READ_DATE,CHANNEL,START_READING,END_READING,USAGE_KWH,STATUS"
LseFile = Callable[..., Path]


@pytest.fixture
def reads_file(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes lines of register reads into a file of the given name."""

    def make(name: str, *lines: str) -> Path:
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join([READS, *lines, ""]))
        return path

    return make


def flags_now(store: Store) -> list[tuple[str, ...]]:
    with store.read() as connection:
        return [
            rules_in(bits)
            for bits in connection.scalars(select(interval_day.c.flags).order_by(interval_day.c.premise_id))
        ]


def flags_as_of(store: Store, keys: list[int], number: int, days: list[date]) -> dict[tuple[int, date], set[str]]:
    """What an order of that load's time is told of each home's days, by place and day."""
    rows = np.array([(n, key, days[0], days[-1]) for n, key in enumerate(keys)], SLICE)
    found: dict[tuple[int, date], set[str]] = {}
    with store.read() as connection:
        stored = read_days(connection, slices=rows, channels=(4,), as_of=number)
        for _ in stored:
            pass
        for esiid_place, first, last, _, code, *_ in stored.remarks().tolist():
            for day in days:
                if first <= (day - date(1970, 1, 1)).days <= last:
                    found.setdefault((esiid_place, day), set()).add(CODES[code])
    return found


def test_a_corrected_register_read_takes_the_flag_away_and_a_wrong_one_sets_it(
    store: Store, clock: FixedClock, lse_file: LseFile, reads_file: LseFile
) -> None:
    keys = add_premises(store, 3)
    load_file(store, lse_file("a", *(day_of(n, DAY) for n in (1, 2, 3))), clock=clock)
    wrong = load_file(store, reads_file("r", f"{esiid(1)},{DAY},4,0,99,,A", f"{esiid(2)},{DAY},4,0,24,,A"), clock=clock)
    assert flags_now(store) == [("SUM_CHECK",), (), ()]
    right = load_file(store, reads_file("s", f"{esiid(1)},{DAY},4,0,24,,A", f"{esiid(2)},{DAY},4,9,5,,A"), clock=clock)
    assert flags_now(store) == [(), ("REGISTER_READS",), ()]
    untold = load_file(store, reads_file("t", f"{esiid(2)},{DAY},4,9,,,A"), clock=clock)
    assert flags_now(store) == [(), (), ()]
    told = [flags_as_of(store, keys, n, [DAY]) for n in (1, *(one.load_number for one in (wrong, right, untold)))]
    assert told == [{}, {(0, DAY): {"SUM_CHECK"}}, {(1, DAY): {"REGISTER_READS"}}, {}]


def test_reads_that_come_again_with_the_same_intervals_are_judged_too(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 4)
    estimated = marked(DAY, b"E", 3)
    load_file(
        store,
        lse_file(
            "a",
            day_of(1, DAY, reads=("0", "24")),
            day_of(2, DAY, reads=("0", "99")),
            day_of(3, DAY, reads=("9", "5"), statuses=estimated),
            day_of(4, DAY, reads=("1", "9" * 30)),
        ),
        clock=clock,
    )
    assert flags_now(store) == [(), ("SUM_CHECK",), ("REGISTER_READS",), ("REGISTER_READS",)]
    again = load_file(
        store,
        lse_file(
            "b",
            day_of(1, DAY, reads=("0", "99")),
            day_of(2, DAY, reads=("0", "24")),
            day_of(3, DAY, reads=("0", "99"), statuses=estimated),
            day_of(4, DAY, reads=("1", "25")),
        ),
        clock=clock,
    )
    assert again.tally.unchanged == 4
    assert flags_now(store) == [("SUM_CHECK",), (), ("SUM_CHECK",), ()]


def test_intervals_are_held_against_the_read_that_stands_when_theirs_cannot_be_believed(
    store: Store, clock: FixedClock, lse_file: LseFile, reads_file: LseFile
) -> None:
    add_premises(store, 2)
    load_file(store, reads_file("r", f"{esiid(1)},{DAY},4,0,99,,A", f"{esiid(2)},{DAY},4,9,5,,A"), clock=clock)
    activity = load_file(store, lse_file("a", day_of(1, DAY, reads=("1", "9" * 30)), day_of(2, DAY)), clock=clock)
    assert flags_now(store) == [("REGISTER_READS", "SUM_CHECK"), ("REGISTER_READS",)]
    assert {finding.rule for finding in activity.findings} == {"REGISTER_READS", "SUM_CHECK"}


def test_usage_is_compared_again_when_a_day_before_is_corrected_or_comes_late(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    keys = add_premises(store, 2)
    late, week = DAY - timedelta(days=1), DAY - timedelta(days=7)
    first = load_file(store, lse_file("a", day_of(1, week, wh=5), day_of(1, DAY), day_of(2, DAY, wh=5)), clock=clock)
    assert flags_as_of(store, keys, 1, [week, DAY]) == {(0, DAY): {"HIGH_USAGE"}}, "of one file, whatever its order"
    second = load_file(store, lse_file("b", day_of(1, late), day_of(2, late)), clock=clock)
    assert first.load_number is not None
    assert second.load_number is not None
    now = flags_as_of(store, keys, second.load_number, [week, late, DAY])
    assert now == {(1, DAY): {"LOW_USAGE"}}
    third = load_file(store, lse_file("c", day_of(2, late, wh=6)), clock=clock)
    assert third.load_number is not None
    assert flags_as_of(store, keys, third.load_number, [DAY]) == {}
    assert flags_as_of(store, keys, second.load_number, [DAY]) == {(1, DAY): {"LOW_USAGE"}}
    assert flags_as_of(store, keys, first.load_number, [DAY]) == {(0, DAY): {"HIGH_USAGE"}}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_in_whatever_order_flags_are_those_of_what_is_stored(
    store: Store, clock: FixedClock, lse_file: LseFile, reads_file: LseFile, seed: int
) -> None:
    """Of the rules with two sides, after every load; and who reads as of an earlier load is told what it was then."""
    rng = random.Random(seed)
    homes, days = range(1, 9), [DAY + timedelta(days=n) for n in (0, 1, 7, 8)]
    keys = add_premises(store, len(homes))
    sums: dict[tuple[int, date], int] = {}
    intervals: dict[tuple[int, date], int | None] = {}
    read: dict[tuple[int, date], tuple[int | None, int | None, int | None]] = {}
    told: list[tuple[int, dict[tuple[int, date], set[str]]]] = []
    for turn in range(14):
        some = [(home, day) for home in homes for day in days if rng.random() < 0.6]
        if rng.random() < 0.5:
            records = []
            for home, day in some:
                wh, hole = rng.choice((250, 300, 5)), rng.random() < 0.2
                own = rng.choice((None, None, ("0", "24"), ("0", "28.8"), ("9", "5")))
                statuses = marked(day, b"M", 7) if hole else None
                values = [0 if hole and n == 7 else wh for n in range(96)]
                sums[home, day] = sum(values)
                records.append(day_of(home, day, wh=values, statuses=statuses, reads=own))
                intervals[home, day] = None if hole else wh * 96
                if own is not None:
                    start, stop = (int(float(text) * 1000) for text in own)
                    read[home, day] = (start, stop, stop - start if stop >= start else None)
            activity = load_file(store, lse_file(f"{turn}", *records), clock=clock)
        else:
            lines = []
            for home, day in some:
                said = rng.choice((",,24", "0,28.8,", "9,5,", "9,5,24", "9,,", "0,24,30"))
                start, stop, usage = (int(float(text) * 1000) if text else None for text in said.split(","))
                lines.append(f"{esiid(home)},{day},4,{said},A")
                if usage is None and start is not None and stop is not None and start <= stop:
                    usage = stop - start
                read[home, day] = (start, stop, usage)
            activity = load_file(store, reads_file(f"{turn}", *lines), clock=clock)
        assert activity.tally.rejected == 0
        expected: dict[tuple[int, date], set[str]] = {}
        for (home, day), total in intervals.items():
            start, stop, usage = read.get((home, day), (None, None, None))
            if start is not None and stop is not None and stop < start:
                expected.setdefault((home - 1, day), set()).add("REGISTER_READS")
            if total is not None and usage is not None and abs(total - usage) > FIGURES.sum_tolerance_wh:
                expected.setdefault((home - 1, day), set()).add("SUM_CHECK")
            before = [intervals.get((home, day - timedelta(days=back))) for back in FIGURES.usage_days]
            usual = [one for one in before if one is not None]
            if usual and sums[home, day] > max(FIGURES.usage_factor * max(usual), max(usual) + FIGURES.usage_floor_wh):
                expected.setdefault((home - 1, day), set()).add("HIGH_USAGE")
            if total is not None and usual and total * FIGURES.usage_factor < min(usual):
                expected.setdefault((home - 1, day), set()).add("LOW_USAGE")
        assert activity.load_number is not None
        told.append((activity.load_number, expected))
        assert two_sided(flags_as_of(store, keys, activity.load_number, days)) == expected, turn
    for number, expected in told:
        assert two_sided(flags_as_of(store, keys, number, days)) == expected
    with store.read() as connection:
        assert connection.execute(select(interval_day_flags_history)).all(), "nothing was judged anew"


def two_sided(flags: dict[tuple[int, date], set[str]]) -> dict[tuple[int, date], set[str]]:
    some = {day: codes & {"SUM_CHECK", "REGISTER_READS", "HIGH_USAGE", "LOW_USAGE"} for day, codes in flags.items()}
    return {day: codes for day, codes in some.items() if codes}


METERS = "ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON,REMOVED_ON"


def test_u8_a_day_is_flagged_as_its_meter_is_known_to_have_been_provisioned(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path
) -> None:
    keys = add_premises(store, 2, provisioned=None)
    days = [DAY + timedelta(days=n) for n in range(4)]
    taken = Validation(take_unprovisioned=(ONCOR,))

    def told(name: str, *lines: str) -> int:
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join([METERS, *lines, ""]))
        activity = load_file(store, path, clock=clock, tdsp_duns=ONCOR, validation=taken)
        assert activity.load_number is not None
        return activity.load_number

    def waiting(number: int) -> set[tuple[int, int]]:
        flags = flags_as_of(store, keys, number, days)
        return {(home, (day - DAY).days) for (home, day), codes in flags.items() if "METER_NOT_PROVISIONED" in codes}

    records = [day_of(home, day) for home in (1, 2) for day in days]
    load_file(store, lse_file("a", *records), clock=clock, validation=taken)
    everything = {(home, n) for home in (0, 1) for n in range(4)}
    first = told("m", f"{esiid(1)},M1,2026-01-01,{days[2]},")
    second = told("n", f"{esiid(1)},M1,2026-01-01,{days[1]},", f"{esiid(2)},M2,2026-01-01,2026-01-01,{days[2]}")
    third = told("o", f"{esiid(1)},M1,2026-01-01,{days[3]},", f"{esiid(2)},M9,{days[2]},,")
    expected = {
        1: everything,
        first: everything - {(0, 2), (0, 3)},
        second: {(0, 0)},
        third: {(0, 0), (0, 1), (0, 2), (1, 3)},
    }
    assert {number: waiting(number) for number in expected} == expected


def test_a_day_that_was_taken_is_not_flagged_where_the_rule_rejects(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path
) -> None:
    add_premises(store, 1)
    load_file(store, lse_file("a", day_of(1, DAY)), clock=clock)
    path = tmp_path / "m.csv"
    path.write_text(f"{METERS}\n{esiid(1)},M1,2026-01-01,2026-11-19,9999-12-31\n")
    assert load_file(store, path, clock=clock, tdsp_duns=ONCOR).tally.replaced == 1
    assert flags_now(store) == [()]


_STAYS = st.lists(
    st.tuples(*[st.integers(0, 9)] * 2, st.none() | st.integers(0, 9)).map(
        lambda n: MeterSpell(
            DAY + timedelta(days=n[0]),
            None if n[1] > 7 else DAY + timedelta(days=n[1]),
            None if n[2] is None else DAY + timedelta(days=n[0] + n[2]),
        )
    ),
    max_size=3,
)


@given(_STAYS, _STAYS)
def test_the_stretches_changed_are_the_days_judged_otherwise(before: list[MeterSpell], after: list[MeterSpell]) -> None:
    def waits(meters: list[MeterSpell], day: date) -> bool:
        home = KnownPremise(0, "", tuple(meters))
        return home.has_meter(day) and not home.is_provisioned(day)

    changed = stretches_changed(tuple(before), tuple(after))
    for n in range(-2, 40):
        day = DAY + timedelta(days=n)
        now = [one.waits for one in changed if one.first <= day <= one.last]
        assert now == ([waits(after, day)] if waits(before, day) != waits(after, day) else []), day
