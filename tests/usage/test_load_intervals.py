"""Loading LSE files (U1–U5, U8): what is stored, replaced, rejected and flagged, on both stores."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from small_market import ONCOR, OTHER, add_premises, day_of, esiid, marked
from sqlalchemy import func, select

from smt_ws.clock import FixedClock
from smt_ws.store.engine import Store
from smt_ws.store.tables import audit_log
from smt_ws.usage.load import load_file
from smt_ws.usage.rules import Severity
from smt_ws.usage.tables import interval_day, interval_day_history, load

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]


def contents(store: Store) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    with store.read() as connection:
        return tuple(
            [
                tuple(row)
                for row in connection.execute(
                    select(*(column for column in table.columns if column.name != "flags")).order_by(
                        *table.primary_key.columns
                    )
                )
            ]
            for table in (interval_day, interval_day_history)
        )


def test_days_are_stored_as_watt_hours_with_statuses_only_where_not_all_are_actual(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    first, second = add_premises(store, 2)
    file = lse_file("a", day_of(1, DAY, wh=1234), day_of(2, DAY, wh=5, statuses=marked(DAY, b"E", 3)))
    activity = load_file(store, file, clock=clock)
    assert (activity.outcome, activity.tally.loaded, activity.records) == ("loaded", 2, 2)
    current, history = contents(store)
    assert current == [
        (first, 4, DAY, activity.load_number, (1234).to_bytes(4, "little") * 96, None),
        (second, 4, DAY, activity.load_number, (5).to_bytes(4, "little") * 96, marked(DAY, b"E", 3)),
    ]
    assert history == []


def test_the_same_file_again_changes_nothing_and_says_so(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 1)
    file = lse_file("a", day_of(1, DAY))
    first = load_file(store, file, clock=clock)
    before = contents(store)
    again = load_file(store, file, clock=clock)
    assert (again.outcome, again.load_number, again.records) == ("repeated", first.load_number, 0)
    assert contents(store) == before


def test_u3_a_different_day_replaces_and_the_earlier_version_is_kept(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 3)
    one = load_file(store, lse_file("a", *(day_of(n, DAY, wh=100) for n in (1, 2))), clock=clock)
    two = load_file(store, lse_file("b", day_of(1, DAY, wh=101), day_of(2, DAY, wh=100), day_of(3, DAY)), clock=clock)
    assert (two.tally.loaded, two.tally.replaced, two.tally.unchanged) == (1, 1, 1)
    current, history = contents(store)
    assert [row[3] for row in current] == [two.load_number, one.load_number, two.load_number]
    assert [(row[3], row[4], row[5][:4]) for row in history] == [
        (one.load_number, two.load_number, (100).to_bytes(4, "little"))
    ]


def test_a_change_of_status_alone_is_a_new_version(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 1)
    load_file(store, lse_file("a", day_of(1, DAY, statuses=marked(DAY, b"E", 0))), clock=clock)
    activity = load_file(store, lse_file("b", day_of(1, DAY)), clock=clock)
    assert activity.tally.replaced == 1
    assert contents(store)[0][0][5] is None


def test_u5_an_estimate_that_replaces_an_actual_is_flagged_and_loaded(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 2)
    load_file(store, lse_file("a", day_of(1, DAY), day_of(2, DAY, statuses=marked(DAY, b"E", 7))), clock=clock)
    later = lse_file(
        "b",
        day_of(1, DAY, wh=260, statuses=marked(DAY, b"E", 7, 8)),
        day_of(2, DAY, wh=260, statuses=marked(DAY, b"E", 7)),
    )
    activity = load_file(store, later, clock=clock)
    assert (activity.tally.replaced, activity.tally.flagged) == (2, 1)
    (finding,) = activity.findings
    assert (finding.rule, finding.esiid, finding.severity) == ("ESTIMATE_REPLACES_ACTUAL", esiid(1), Severity.FLAG)
    assert finding.reason.startswith("2 intervals")


def test_u4_one_bad_record_never_loses_a_good_one(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 4)
    add_premises(store, 1, first=50, tdsp=OTHER)
    add_premises(store, 1, first=51, installed=DAY - timedelta(days=5), provisioned=None)
    add_premises(store, 1, first=52, installed=DAY + timedelta(days=1), provisioned=DAY + timedelta(days=1))
    file = lse_file(
        "a",
        day_of(1, DAY),
        day_of(99, DAY),
        day_of(50, DAY),
        day_of(1, DAY, wh=9),
        day_of(2, date(2026, 11, 20)),
        day_of(51, DAY),
        day_of(52, DAY),
        day_of(3, DAY, statuses=marked(DAY, b"M", 1, 2)),
        day_of(4, DAY, wh=0),
    )
    text = file.read_text().replace(f"00000001,{esiid(2)},4", f"00000001,{esiid(2)},7", 1)
    file.write_text(text + f"00000001,{esiid(2)},4,20261110000000,20261110235900,Y,N\n")
    activity = load_file(store, file, clock=clock)
    found = [(f.esiid, f.rule, f.severity.value) for f in activity.findings]
    assert found == [
        (esiid(99), "ESIID_UNKNOWN", "reject"),
        (esiid(50), "WRONG_TDSP", "reject"),
        (esiid(1), "DUPLICATE_IN_FILE", "reject"),
        (esiid(2), "CHANNEL", "reject"),
        (esiid(51), "METER_NOT_PROVISIONED", "reject"),
        (esiid(52), "NO_METER", "reject"),
        (esiid(3), "MISSING_INTERVALS", "flag"),
        (esiid(4), "ZERO_DAY", "flag"),
        (esiid(2), "HEADER_ROW", "reject"),
    ]
    assert (activity.tally.loaded, activity.tally.rejected, activity.tally.flagged) == (3, 7, 2)
    assert [f.line for f in activity.findings] == sorted(f.line for f in activity.findings)
    assert contents(store)[0][0][4][:4] == (250).to_bytes(4, "little"), "the first of two in a file counts"


def test_a_day_that_is_not_over_is_rejected(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 1)
    days = (date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 21))
    activity = load_file(store, lse_file("a", *(day_of(1, day) for day in days)), clock=clock)
    assert activity.tally.loaded == 1
    assert [(f.day, f.rule) for f in activity.findings] == [(day, "DAY_NOT_OVER") for day in days[1:]]


def test_u8_data_before_provisioning_may_be_taken_by_setting(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 1, provisioned=None)
    file = lse_file("a", day_of(1, DAY))
    activity = load_file(store, file, clock=clock, adjusted={"METER_NOT_PROVISIONED": Severity.FLAG})
    assert (activity.tally.loaded, activity.tally.flagged) == (1, 1)


def test_r12_days_of_92_and_100_intervals_are_stored_whole(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 1)
    file = lse_file("a", day_of(1, date(2026, 3, 8)), day_of(1, date(2026, 11, 1)))
    assert load_file(store, file, clock=clock).tally.loaded == 2
    assert [len(row[4]) // 4 for row in contents(store)[0]] == [92, 100]


def test_u9_generation_is_kept_apart_from_consumption(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 1)
    file = lse_file("a", day_of(1, DAY, wh=10), day_of(1, DAY, channel=1, wh=0))
    activity = load_file(store, file, clock=clock)
    assert (activity.tally.loaded, activity.tally.flagged) == (2, 0), "no generation all day is no news"
    assert [(row[1], row[4][0]) for row in contents(store)[0]] == [(1, 0), (4, 10)]


def test_u2_a_zipped_file_is_the_same_data(store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path) -> None:
    add_premises(store, 1)
    plain = lse_file("a", day_of(1, DAY))
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, "1039940674000IntervalData20261111030000000.lse")
    activity = load_file(store, packed, clock=clock)
    assert (activity.outcome, activity.tally.loaded, activity.tdsp_duns) == ("loaded", 1, ONCOR)


def test_a_zip_cut_short_is_refused_and_nothing_is_stored(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path
) -> None:
    add_premises(store, 1)
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(lse_file("a", day_of(1, DAY)), "a.lse")
    packed.write_bytes(packed.read_bytes()[:-30])
    activity = load_file(store, packed, clock=clock)
    assert (activity.outcome, activity.code) == ("refused", "FILE_UNREADABLE")


def test_damage_found_at_the_end_of_a_zip_takes_everything_back(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path
) -> None:
    add_premises(store, 1)
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.write(lse_file("a", day_of(1, DAY)), "a.lse")
    packed.write_bytes(packed.read_bytes().replace(b"0.25,A", b"0.26,A", 1))
    activity = load_file(store, packed, clock=clock, tdsp_duns=ONCOR)
    assert (activity.outcome, activity.code) == ("refused", "FILE_UNREADABLE")
    assert contents(store) == ([], [])
    with store.read() as connection:
        assert connection.scalars(select(load.c.state)).all() == ["refused"]
        assert connection.scalars(select(audit_log.c.event)).all() == ["load:run:refused"]


def test_more_records_than_a_file_may_have_refuse_it(
    store: Store, clock: FixedClock, lse_file: LseFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.lse_read.MAX_RECORDS", 3)
    add_premises(store, 4)
    activity = load_file(store, lse_file("a", *(day_of(n, DAY) for n in range(1, 5))), clock=clock)
    assert (activity.outcome, activity.code) == ("refused", "TOO_MANY_RECORDS")
    assert contents(store) == ([], [])


def test_what_is_neither_lse_nor_a_known_csv_is_refused(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("hello\n")
    assert load_file(store, file, clock=clock).code == "FILE_KIND_UNKNOWN"
    assert load_file(store, tmp_path / "absent.lse", clock=clock).code == "FILE_UNREADABLE"


def test_a_file_that_names_no_sender_needs_one(store: Store, clock: FixedClock, lse_file: LseFile) -> None:
    add_premises(store, 1)
    file = lse_file("a", day_of(1, DAY))
    file.write_text(file.read_text().replace(f"MRE={ONCOR},Sender={ONCOR},", ""))
    assert load_file(store, file, clock=clock).code == "SENDER_UNKNOWN"
    assert load_file(store, file, clock=clock, tdsp_duns=ONCOR).tally.loaded == 1


def test_counts_and_days_are_on_the_load_and_in_the_audit_log(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 2)
    file = lse_file("a", day_of(1, DAY), day_of(2, DAY + timedelta(days=2)), day_of(9, DAY))
    activity = load_file(store, file, clock=clock, actor="operator:test")
    with store.read() as connection:
        row = connection.execute(select(load)).one()
        logged = connection.execute(select(audit_log)).one()
    assert (row.state, row.loaded, row.rejected, row.first_day, row.last_day) == (
        "loaded",
        2,
        1,
        DAY,
        DAY + timedelta(days=2),
    )
    assert (row.sha256, row.finished_at, row.tdsp_duns) == (activity.sha256, clock.now(), ONCOR)
    assert (logged.event, logged.actor, logged.object) == ("load:run:done", "operator:test", f"load:{row.number}")


def test_a_file_over_several_months_makes_the_partitions_it_needs(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    add_premises(store, 1)
    days = [date(2026, month, 5) for month in range(1, 12)]
    assert load_file(store, lse_file("a", *(day_of(1, day) for day in days)), clock=clock).tally.loaded == 11
    with store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(interval_day)) == 11
