"""The generated market is plausible, repeatable, and holds every special case that a demonstration shows."""

from __future__ import annotations

import csv
import filecmp
import itertools
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.central_day import intervals_in
from adapters.lse import LseRecord
from adapters.lse_read import read
from smt_ws.sandbox.market import Market, build_market

TDSP = "1039940674000"
REPS = ("111111111", "222222222")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return build_market(tmp_path_factory.mktemp("market"), tdsp_duns=TDSP, rep_duns=REPS)


@pytest.fixture(scope="module")
def records(market: Market) -> dict[bool, dict[tuple[str, int, date], LseRecord]]:
    """What came first (False) and what came as a revision (True), read back from the files."""
    found: dict[bool, dict[tuple[str, int, date], LseRecord]] = {False: {}, True: {}}
    for file in market.lse_files:
        with file.path.open("rb") as stream:
            for record in read(stream):
                assert isinstance(record, LseRecord), record
                key = (record.esiid, record.channel, record.day)
                assert key not in found[file.revises]
                found[file.revises][key] = record
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def profile(records: dict[tuple[str, int, date], LseRecord], weekend: bool) -> np.ndarray:
    """Mean kW an hour of day over all ordinary days of 96 intervals."""
    chosen = [
        r.values
        for r in records.values()
        if r.channel == 4 and len(r.values) == 96 and (r.day.weekday() > 4) == weekend
    ]
    return np.mean(chosen, axis=0).reshape(24, 4).sum(axis=1) / 1000


def test_every_home_has_every_day_but_for_the_special_ones(market: Market, records: dict) -> None:
    first = records[False]
    assert len(market.esiids) == 200
    assert all(len(e) == 17 and e.startswith("1044372") for e in market.esiids)
    assert {day for _, _, day in first} == {market.first_day + timedelta(days=n) for n in range(60)}
    per_home = defaultdict(set)
    for esiid, channel, day in first:
        if channel == 4:
            per_home[esiid].add(day)
    short = {esiid: 60 - len(days) for esiid, days in per_home.items() if len(days) < 60}
    esiid, gap_from, gap_to = market.special.gap
    assert short == {
        esiid: (gap_to - gap_from).days + 1,
        market.special.new_home[0]: (market.special.new_home[2] - market.first_day).days,
    }
    assert {e for e, channel, _ in first if channel == 1} == {market.special.solar}
    assert market.records == len(first) + len(records[True])


def test_load_peaks_in_the_evening_and_on_workday_mornings(records: dict) -> None:
    workday, weekend = profile(records[False], False), profile(records[False], True)
    assert 17 <= int(workday.argmax()) <= 20
    assert workday[18:21].mean() > 1.8 * workday[1:4].mean()
    assert workday[7] > 1.15 * workday[4], "people get up"
    assert weekend[7] < workday[7]
    assert weekend[12:15].mean() > workday[12:15].mean()


def test_a_home_uses_10_to_60_kwh_a_day(records: dict) -> None:
    totals = defaultdict(list)
    for (esiid, channel, _), record in records[False].items():
        if channel == 4:
            totals[esiid].append(int(record.values.sum()) / 1000)
    means = [float(np.mean(days)) for days in totals.values()]
    assert min(means) > 8  # the solar home draws less
    assert max(means) < 60
    assert 20 < float(np.mean(means)) < 40


def test_warm_days_use_more_than_mild_ones(market: Market, records: dict) -> None:
    by_day = defaultdict(int)
    for (_, channel, day), record in records[False].items():
        if channel == 4:
            by_day[day] += int(record.values.sum())
    september = [total for day, total in by_day.items() if day < date(2026, 9, 30)]
    november = [total for day, total in by_day.items() if date(2026, 11, 2) <= day <= date(2026, 11, 12)]
    assert float(np.mean(september)) > 1.1 * float(np.mean(november))


def test_about_three_in_a_thousand_intervals_are_estimated(market: Market, records: dict) -> None:
    letters = [record.statuses for record in records[False].values()]
    estimated = sum(text.count(b"E") for text in letters if text is not None)
    total = sum(len(record.values) for record in records[False].values())
    assert market.estimated_share == pytest.approx(estimated / total)
    assert 0.002 < estimated / total < 0.004


def test_about_two_in_a_hundred_days_are_revised_three_days_later(market: Market, records: dict) -> None:
    first, later = records
    assert 0.014 < len(records[later]) / len(records[first]) < 0.026
    for key, revision in records[True].items():
        original = records[False][key]
        assert original.statuses != revision.statuses or (original.values != revision.values).any()
    delivered = [file.delivered for file in market.lse_files]
    assert delivered == sorted(delivered)
    assert len(set(delivered)) == len(delivered)
    esiid, day = market.special.estimated_later
    assert records[False][esiid, 4, day].statuses is None
    assert b"E" in records[True][esiid, 4, day].statuses
    assert (market.special.revised[0], 4, market.special.revised[1]) in records[True]


def test_r12_the_autumn_day_has_100_intervals(market: Market, records: dict) -> None:
    assert market.special.daylight_saving == (date(2026, 11, 1),)
    assert all(len(r.values) == intervals_in(r.day) for r in records[False].values())
    assert len(records[False][market.esiids[0], 4, date(2026, 11, 1)].values) == 100


def test_the_solar_home_delivers_by_day_and_draws_by_night(market: Market, records: dict) -> None:
    days = [r for (_, channel, _), r in records[False].items() if channel == 1 and len(r.values) == 96]
    mean = np.mean([r.values for r in days], axis=0)
    assert mean[44:56].mean() > 300
    assert mean[:24].sum() == 0
    assert mean[84:].sum() == 0


def test_register_reads_agree_with_the_intervals_but_for_wrong_first_versions(market: Market, records: dict) -> None:
    final = records[False] | records[True]
    chains = defaultdict(list)
    for key, record in sorted(final.items()):
        assert int((record.stop_reading - record.start_reading) * 1000) == int(record.values.sum())
        chains[key[:2]].append(record)
    restarts = [
        (after.esiid, after.day)
        for chain in chains.values()
        for before, after in itertools.pairwise(chain)
        if after.day - before.day == timedelta(days=1) and after.start_reading != before.stop_reading
    ]
    assert restarts == [market.special.exchanged], "a new meter starts at zero"


def test_the_csv_files_tell_of_the_exchange_the_switch_and_the_new_home(market: Market) -> None:
    assert [row["ESIID"] for row in rows(market.premises)] == list(market.esiids)
    meters = defaultdict(list)
    for row in rows(market.meters):
        meters[row["ESIID"]].append(row)
    esiid, change = market.special.exchanged
    assert [m["REMOVED_ON"] for m in meters[esiid]] == [str(change - timedelta(days=1)), ""]
    assert meters[esiid][1]["INSTALLED_ON"] == str(change)
    assert sum(len(spells) for spells in meters.values()) == 201
    esiid, installed, provisioned = market.special.new_home
    assert (meters[esiid][0]["INSTALLED_ON"], meters[esiid][0]["PROVISIONED_ON"]) == (str(installed), str(provisioned))
    services = [row for row in rows(market.rep_of_record) if row["ESIID"] == market.special.switched[0]]
    day = market.special.switched[1]
    assert [(s["REP_DUNS"], s["FROM_DATE"] if n else s["TO_DATE"]) for n, s in enumerate(services)] == [
        (REPS[0], str(day - timedelta(days=1))),
        (REPS[1], str(day)),
    ]
    share = sum(row["REP_DUNS"] == REPS[0] for row in rows(market.rep_of_record)) / 201
    assert 0.5 < share < 0.7


def test_the_same_seed_gives_the_same_files_and_another_gives_others(tmp_path: Path) -> None:
    made = [
        build_market(tmp_path / name, tdsp_duns=TDSP, rep_duns=REPS, seed=seed, premises=10, days=20)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    same, different, lost = filecmp.cmpfiles(tmp_path / "a", tmp_path / "b", names, shallow=False)
    assert (same, different, lost) == (names, [], [])
    assert made[0].esiids != made[2].esiids


def test_too_small_a_market_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least"):
        build_market(tmp_path, tdsp_duns=TDSP, rep_duns=REPS, premises=9)
