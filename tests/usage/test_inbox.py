"""U2, U4: what a TDSP leaves in its inbox is loaded once, answered with a report and archived (both stores)."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from inbox_market import (
    archived,
    days_in,
    drop,
    home,
    hub_key,
    hub_over,
    nothing_is_left,
    reports,
    sealed,
    take_all,
    zipped,
)
from openpgp_messages import MARKER, compressed, encrypted
from small_market import ONCOR, OTHER, add_premises, day_of
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from adapters import openpgp_bounded
from adapters.openpgp import make_key
from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.store.engine import Store
from smt_ws.store.tables import audit_log
from smt_ws.usage import inbox as inbox_module
from smt_ws.usage import sealed as sealed_module
from smt_ws.usage.inbox import Inboxes, run_intake
from smt_ws.usage.tables import interval_day, load
from smt_ws.usage.taken import alone

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]


@pytest.fixture
def hub(store: Store, clock: FixedClock, tmp_path: Path) -> Hub:
    add_premises(store, 6)
    return hub_over(store, tmp_path, clock)


def only_report(hub: Hub, duns: str = ONCOR) -> list[dict[str, str]]:
    (rows,) = reports(hub, duns).values()
    return rows


@pytest.mark.parametrize("form", ["plain", "zip", "zip in OpenPGP", "plain in OpenPGP", "OpenPGP without suffix"])
def test_a_file_in_every_form_is_loaded_reported_and_archived(hub: Hub, lse_file: LseFile, form: str) -> None:
    file = lse_file("day", *(day_of(n, DAY) for n in (1, 2, 3)), day_of(9, DAY))
    file = zipped(file) if "zip" in form else file
    file = sealed(file) if "OpenPGP" in form else file
    name = "day.lse.data" if "without" in form else None
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    drop(hub, file, name=name)
    take_all(hub)
    assert days_in(hub.store) == 3
    rows = only_report(hub)
    assert (rows[0]["OUTCOME"], sha256 in rows[0]["REASON"]) == ("LOADED", True)
    assert [row["RULE"] for row in rows if row["ROW"] == "RECORD"] == ["ESIID_UNKNOWN"]
    (kept,) = archived(hub, "loaded")
    assert kept.name == f"20261120T150000Z-{sha256}-{name or file.name}"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == sha256
    copy = kept.with_name(kept.name + ".activity.csv")
    (report,) = (home(hub) / "reports").iterdir()
    assert copy.read_bytes() == report.read_bytes()
    assert nothing_is_left(hub)


def test_the_same_file_twice_changes_nothing_and_is_answered_again(hub: Hub, lse_file: LseFile) -> None:
    file = lse_file("a", day_of(1, DAY))
    for _ in range(2):
        drop(hub, file)
        take_all(hub)
        hub.clock.advance(timedelta(hours=1))  # type: ignore[attr-defined]
    assert days_in(hub.store) == 1
    outcomes = {name: rows[0]["OUTCOME"] for name, rows in reports(hub).items()}
    assert sorted(outcomes.values()) == ["LOADED", "REPEATED"]
    assert len(archived(hub, "loaded")) == 2


def test_files_of_one_tdsp_are_taken_in_the_order_in_which_they_came(hub: Hub, lse_file: LseFile) -> None:
    second = drop(hub, lse_file("a-second", day_of(1, DAY, wh=2)))
    first = drop(hub, lse_file("b-first", day_of(1, DAY, wh=1)))
    now = time.time()
    os.utime(first, (now - 60, now - 60))
    os.utime(second, (now - 30, now - 30))
    take_all(hub)
    with hub.store.read() as connection:
        names = connection.scalars(select(load.c.file_name).order_by(load.c.number)).all()
        assert connection.scalar(select(interval_day.c.wh))[:4] == b"\x02\0\0\0"
    assert names == ["b-first.lse", "a-second.lse"]


def test_the_senders_premises_only_are_taken(hub: Hub, lse_file: LseFile) -> None:
    """The sending TDSP is the one whose folder it is, whatever the file says."""
    drop(hub, lse_file("a", day_of(1, DAY)), OTHER)
    take_all(hub)
    assert days_in(hub.store) == 0
    assert [row["RULE"] for row in only_report(hub, OTHER) if row["ROW"] == "RECORD"] == ["WRONG_TDSP"]


def truncated_zip(folder: Path, file: Path) -> Path:
    made = zipped(file)
    made.write_bytes(made.read_bytes()[:-30])
    return made


def damaged_zip(folder: Path, file: Path) -> Path:
    made = zipped(file)
    content = bytearray(made.read_bytes())
    content[len(content) // 2] ^= 0xFF
    made.write_bytes(content)
    return made


def wrong_key(folder: Path, file: Path) -> Path:
    return sealed(zipped(file), make_key("other <o@o.example>")[1])


def cut_message(folder: Path, file: Path) -> Path:
    made = sealed(file)
    made.write_bytes(made.read_bytes()[:-200])
    return made


def too_large(folder: Path, file: Path) -> Path:
    (folder / "large.lse").write_bytes(bytes(20_000_001))
    return sealed(folder / "large.lse")


def too_many(folder: Path, file: Path) -> Path:
    record = file.read_bytes()
    (folder / "many.lse").write_bytes(b"00000001,1\n" * 50_000 + record)
    return folder / "many.lse"


def unknown(folder: Path, file: Path) -> Path:
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 not usage data")
    return folder / "photo.jpg"


def empty(folder: Path, file: Path) -> Path:
    (folder / "empty.csv").write_bytes(b"")
    return folder / "empty.csv"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (truncated_zip, "FILE_UNREADABLE"),
        (damaged_zip, "FILE_UNREADABLE"),
        (wrong_key, "FILE_NOT_DECRYPTABLE"),
        (cut_message, "FILE_NOT_DECRYPTABLE"),
        (too_large, "FILE_TOO_LARGE"),
        (too_many, "TOO_MANY_RECORDS"),
        (unknown, "FILE_KIND_UNKNOWN"),
        (empty, "FILE_KIND_UNKNOWN"),
    ],
)
def test_a_bad_file_is_refused_with_a_report_and_holds_up_none_behind_it(
    hub: Hub, lse_file: LseFile, tmp_path: Path, make: Callable[[Path, Path], Path], code: str
) -> None:
    bad = drop(hub, make(tmp_path, lse_file("bad", *(day_of(n, DAY, wh=n) for n in (1, 2)))))
    os.utime(bad, (1, 1))
    sha256 = hashlib.sha256(bad.read_bytes()).hexdigest()
    drop(hub, lse_file("good", day_of(3, DAY)))
    take_all(hub)
    assert days_in(hub.store) == 1
    rows = {rows[0]["OUTCOME"]: rows[0] for rows in reports(hub).values()}
    assert rows["REFUSED"]["RULE"] == code
    assert sha256 in rows["REFUSED"]["REASON"]
    assert str(tmp_path) not in rows["REFUSED"]["REASON"]
    (kept,) = archived(hub, "refused")
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == sha256
    assert kept.with_name(kept.name + ".activity.csv").exists()
    assert len(archived(hub, "loaded")) == 1
    assert nothing_is_left(hub)
    with hub.store.read() as connection:
        lines = connection.execute(select(audit_log.c.event, audit_log.c.details)).all()
    assert any(line.event == "file:intake:refused" and line.details["code"] == code for line in lines)


def test_what_is_not_a_whole_file_is_left_alone(store: Store, clock: FixedClock, lse_file: LseFile, tmp_path) -> None:
    add_premises(store, 6)
    hub = hub_over(store, tmp_path, clock, settle_seconds=30)
    box = home(hub) / "inbox"
    file = lse_file("a", day_of(1, DAY))
    (box / ".a.lse.0123456789ab.part").write_bytes(file.read_bytes())
    (box / "folder").mkdir()
    (box / "link.lse").symlink_to(file)
    growing = drop(hub, file, name="growing.lse")
    take_all(hub)
    assert sorted(p.name for p in box.iterdir()) == [".a.lse.0123456789ab.part", "folder", "growing.lse", "link.lse"]
    os.utime(growing, (time.time() - 31, time.time() - 31))
    take_all(hub)
    assert sorted(p.name for p in box.iterdir()) == [".a.lse.0123456789ab.part", "folder", "link.lse"]
    assert days_in(store) == 1


def test_a_folder_of_no_tdsp_is_left_alone(hub: Hub, lse_file: LseFile) -> None:
    box = hub.settings.ftps.root / "123456789" / "inbox"
    box.mkdir(parents=True)
    (box / "a.lse").write_bytes(lse_file("a", day_of(1, DAY)).read_bytes())
    take_all(hub)
    assert (box / "a.lse").exists()
    assert [p.name for p in box.parent.iterdir()] == ["inbox"]


def test_a_name_as_long_as_can_be_or_not_utf_8_is_taken(hub: Hub, lse_file: LseFile) -> None:
    file = lse_file("a", day_of(1, DAY))
    drop(hub, file, name="ü" * 125 + ".lse")
    (home(hub) / "inbox" / os.fsdecode(b"b\xff.lse")).write_bytes(lse_file("b", day_of(2, DAY)).read_bytes())
    take_all(hub)
    assert days_in(hub.store) == 2
    assert sorted(rows[0]["OUTCOME"] for rows in reports(hub).values()) == ["LOADED", "LOADED"]
    assert nothing_is_left(hub)


def test_two_intake_processes_racing_for_the_same_inboxes_load_every_file_once(hub: Hub, lse_file: LseFile) -> None:
    for n in range(1, 7):
        drop(hub, lse_file(f"f{n}", day_of(n, DAY)))
    taken: list[int] = []
    racers = [threading.Thread(target=lambda: [taken.append(Inboxes(hub).take_in_once()) for _ in range(12)])]
    racers += [threading.Thread(target=lambda: [taken.append(Inboxes(hub).take_in_once()) for _ in range(12)])]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    take_all(hub)
    assert days_in(hub.store) == 6
    assert [rows[0]["OUTCOME"] for rows in reports(hub).values()] == ["LOADED"] * 6
    assert len(archived(hub, "loaded")) == 6


def test_while_another_process_is_at_work_on_a_tdsp_the_others_go_on(hub: Hub, lse_file: LseFile) -> None:
    add_premises(hub.store, 1, first=50, tdsp=OTHER)
    drop(hub, lse_file("a", day_of(1, DAY)))
    drop(hub, lse_file("b", day_of(50, DAY, sender=OTHER)), OTHER)
    with alone(home(hub)) as mine:
        assert mine
        assert Inboxes(hub).take_in_once() == 1
    assert (home(hub) / "inbox" / "a.lse").exists()
    assert not (home(hub, OTHER) / "inbox" / "b.lse").exists()


def test_a_full_disk_is_tried_again_and_then_said_in_a_report(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk under the prepared report is full: nothing is committed that could not be reported."""
    add_premises(store, 2)
    hub = hub_over(store, tmp_path, clock, attempts=3)
    inboxes = Inboxes(hub)
    drop(hub, lse_file("a", day_of(1, DAY)))

    def full(*_args: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr("smt_ws.usage.taken.write_rows", full)
        for _ in range(3):
            assert inboxes.take_in_once() == 0
            inboxes._not_before.clear()
        assert days_in(store) == 0
    drop(hub, lse_file("b", day_of(2, DAY)))
    take_all(hub)
    rows = {rows[0]["OUTCOME"]: rows[0] for rows in reports(hub).values()}
    assert rows["REFUSED"]["RULE"] == "HUB_COULD_NOT_LOAD"
    assert "No space left on device" in rows["REFUSED"]["REASON"]
    assert rows["LOADED"]["REASON"].startswith("b.lse")
    assert days_in(store) == 1
    assert len(archived(hub, "refused")) == 1
    # sent again, it is loaded
    drop(hub, lse_file("a", day_of(1, DAY)))
    take_all(hub)
    assert days_in(store) == 2


def test_after_a_failure_the_next_try_waits_longer_each_time(hub: Hub, lse_file: LseFile, monkeypatch) -> None:
    inboxes = Inboxes(hub)
    drop(hub, lse_file("a", day_of(1, DAY)))

    def broken(*_args: object, **_more: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(inbox_module, "load_file", broken)
    # Time stands still: on a busy machine the shortest pause would be over before it is looked at.
    monkeypatch.setattr(inbox_module.time, "monotonic", lambda: 1000.0)
    pauses = []
    for _ in range(3):
        inboxes.take_in_once()
        pauses.append(inboxes._not_before[ONCOR] - 1000.0)
        assert inboxes.take_in_once() == 0, "not before the pause is over"
        inboxes._not_before.clear()
    assert pauses == pytest.approx([0.01, 0.04, 0.16], abs=0.009)


def test_while_the_store_is_away_a_file_waits_and_no_try_is_counted(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_premises(store, 1)
    hub = hub_over(store, tmp_path, clock, attempts=1)
    inboxes = Inboxes(hub)
    drop(hub, lse_file("a", day_of(1, DAY)))

    def away(*_args: object, **_more: object) -> None:
        raise OperationalError("SELECT", {}, Exception("connection refused"))

    with monkeypatch.context() as patch:
        patch.setattr(inbox_module, "load_file", away)
        patch.setattr(inbox_module, "_answers", lambda _store: False)
        for _ in range(4):
            assert inboxes.take_in_once() == 0
            inboxes._not_before.clear()
    assert reports(hub) == {}
    take_all(hub)
    assert days_in(store) == 1


def test_the_intake_runs_until_it_is_told_to_stop(hub: Hub, lse_file: LseFile) -> None:
    stop = threading.Event()
    running = threading.Thread(target=run_intake, args=(hub,), kwargs={"stop": stop})
    running.start()
    try:
        drop(hub, lse_file("a", day_of(1, DAY)))
        until = time.monotonic() + 180
        while not reports(hub):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        stop.set()
        running.join(180)
    assert not running.is_alive()


def costly(file: Path) -> Path:
    """A small message that would be worked on for minutes: marker packets inside two compressions."""
    file.write_bytes(encrypted(compressed(compressed(MARKER * 20_000_000)), hub_key()[1]))
    return file


def test_a_tdsp_whose_file_takes_too_much_to_open_waits_and_the_others_do_not(
    hub: Hub, lse_file: LseFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openpgp_bounded, "_PROCESSOR", 1)
    add_premises(hub.store, 1, first=50, tdsp=OTHER)
    os.utime(drop(hub, costly(tmp_path / "bomb.pgp")), (1, 1))
    drop(hub, lse_file("a", day_of(1, DAY)))
    drop(hub, lse_file("b", day_of(50, DAY, sender=OTHER)), OTHER)
    take_all(hub)
    assert only_report(hub)[0]["RULE"] == "FILE_TOO_COSTLY"
    assert only_report(hub, OTHER)[0]["OUTCOME"] == "LOADED"
    assert (home(hub) / "inbox" / "a.lse").exists(), "it waits"
    paused = home(hub) / ".intake" / "paused"
    assert 590 < paused.stat().st_mtime - time.time() <= 600
    os.utime(paused, (time.time() - 1, time.time() - 1))
    take_all(hub)
    assert sorted(rows[0]["OUTCOME"] for rows in reports(hub).values()) == ["LOADED", "REFUSED"]
    assert nothing_is_left(hub)


def test_a_tdsps_file_that_takes_long_to_open_does_not_hold_up_another_tdsps(
    hub: Hub, lse_file: LseFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process: what is sealed is opened beside the rest; the file in hand is finished before the end."""
    add_premises(hub.store, 1, first=50, tdsp=OTHER)
    begun, goes_on, stop = threading.Event(), threading.Event(), threading.Event()
    decrypt = sealed_module.decrypt_bounded

    def slowly(*args: Any, **more: Any) -> None:
        begun.set()
        assert goes_on.wait(200)
        decrypt(*args, **more)

    monkeypatch.setattr(sealed_module, "decrypt_bounded", slowly)
    drop(hub, sealed(lse_file("a", day_of(1, DAY))))
    running = threading.Thread(target=run_intake, args=(hub,), kwargs={"stop": stop})
    running.start()
    try:
        assert begun.wait(200)
        drop(hub, lse_file("b", day_of(50, DAY, sender=OTHER)), OTHER)
        until = time.monotonic() + 200
        while not reports(hub, OTHER):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert reports(hub) == {}
    finally:
        stop.set()
        goes_on.set()
        running.join(200)
    assert not running.is_alive()
    assert only_report(hub)[0]["OUTCOME"] == "LOADED"


def test_an_archive_on_another_file_system_gets_the_whole_file(hub: Hub, lse_file: LseFile, monkeypatch) -> None:
    rename = Path.rename

    def across(self: Path, target: Path) -> Path:
        if "/archive/" in str(target):
            raise OSError(18, os.strerror(18))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
    file = lse_file("a", day_of(1, DAY))
    drop(hub, file)
    take_all(hub)
    (kept,) = archived(hub, "loaded")
    assert kept.read_bytes() == file.read_bytes()
    assert nothing_is_left(hub)
