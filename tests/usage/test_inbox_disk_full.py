"""U2, reliability: on a disk that is really full the intake ends in a clear report and a consistent store."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from inbox_market import archived, drop, home, hub_key, hub_over, reports
from small_market import add_premises, day_of
from sqlalchemy import func, select

from smt_ws.clock import FixedClock
from smt_ws.hub import Hub
from smt_ws.store import migrate
from smt_ws.store.engine import Store
from smt_ws.usage.inbox import Inboxes
from smt_ws.usage.tables import interval_day, load

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):  # noqa: PT012
        while True:
            file.write(bytes(4096))
    return filler


def try_once(inboxes: Inboxes) -> int:
    inboxes._not_before.clear()
    return inboxes.take_in_once()


def outcomes(hub: Hub) -> dict[str, str]:
    """Outcome → what the report says about the file."""
    return {rows[0]["OUTCOME"]: rows[0]["RULE"] + ": " + rows[0]["REASON"] for rows in reports(hub).values()}


def days_in(store: Store) -> int:
    with store.read() as connection:
        return connection.scalar(select(func.count()).select_from(interval_day)) or 0


def sealed_and_compressed(file: Path, folder: Path) -> Path:
    """As gpg encrypts by default: compressed."""
    gpg = shutil.which("gpg")
    if gpg is None:
        pytest.skip("gpg is not installed; this test compresses with it")
    environment = {**os.environ, "GNUPGHOME": str(folder / "g")}
    (folder / "g").mkdir(mode=0o700)
    (folder / "public.asc").write_text(hub_key()[1])
    quiet = [gpg, "--batch", "--quiet", "--trust-model", "always"]
    subprocess.run([*quiet, "--import", folder / "public.asc"], env=environment, check=True)
    final = file.with_name(file.name + ".gpg")
    line = [*quiet, "--compress-algo", "zip", "-r", "files@hub.example", "-o", final, "-e", file]
    subprocess.run(line, env=environment, check=True)
    subprocess.run(["gpgconf", "--kill", "all"], env=environment)
    return final


def test_a_file_whose_content_does_not_fit_is_refused_and_the_next_one_is_loaded(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path, small_disk: Path
) -> None:
    add_premises(store, 6)
    hub = hub_over(store, tmp_path, clock, ftps=small_disk / "ftps", attempts=2)
    large = lse_file("large", day_of(1, DAY))
    large.write_bytes(large.read_bytes() + b"\n" * 4_000_000)
    compressed = sealed_and_compressed(large, tmp_path)
    assert compressed.stat().st_size < 1_000_000
    inboxes = Inboxes(hub)
    drop(hub, compressed)
    assert [try_once(inboxes) for _ in range(3)] == [0, 0, 1]
    drop(hub, lse_file("small", day_of(2, DAY)))
    assert try_once(inboxes) == 1
    assert days_in(store) == 1
    assert outcomes(hub)["REFUSED"].startswith("HUB_COULD_NOT_LOAD: ")
    assert "No space left on device. Send the file again" in outcomes(hub)["REFUSED"]
    assert outcomes(hub)["LOADED"].startswith(": small.lse")
    assert len(archived(hub, "refused")) == len(archived(hub, "loaded")) == 1


def test_when_nothing_can_be_written_a_file_waits_and_is_loaded_as_soon_as_there_is_room(
    store: Store, clock: FixedClock, lse_file: LseFile, tmp_path: Path, small_disk: Path
) -> None:
    add_premises(store, 1)
    hub = hub_over(store, tmp_path, clock, ftps=small_disk / "ftps", attempts=2)
    inboxes = Inboxes(hub)
    drop(hub, lse_file("a", day_of(1, DAY)))
    filler = fill(small_disk)
    assert [try_once(inboxes) for _ in range(5)] == [0] * 5
    assert days_in(store) == 0
    assert reports(hub) == {}
    filler.unlink()
    assert try_once(inboxes) == 1
    assert days_in(store) == 1
    assert list(outcomes(hub)) == ["LOADED"]


@pytest.mark.parametrize("room", [0, 120_000], ids=["no room at all", "room to say so"])
def test_a_full_database_keeps_nothing_of_a_file_and_it_waits_or_is_refused(
    clock: FixedClock, lse_file: LseFile, tmp_path: Path, small_disk: Path, room: int
) -> None:
    """SQLite; a PostgreSQL server's own disk is not ours to fill."""
    store = Store(f"sqlite:///{small_disk / 'hub.db'}")
    migrate.upgrade(store)
    add_premises(store, 6)
    hub = hub_over(store, tmp_path, clock, attempts=2)
    inboxes = Inboxes(hub)
    file = lse_file("a", *(day_of(n, date(2026, 11, day), wh=n * day) for n in range(1, 7) for day in range(1, 19)))
    drop(hub, file)
    filler = fill(small_disk)
    os.truncate(filler, filler.stat().st_size - room)
    tried = [try_once(inboxes) for _ in range(3)]
    if room:
        assert tried == [0, 0, 1]
        assert "SQLITE_FULL. Send the file again" in outcomes(hub)["REFUSED"]
        assert days_in(store) == 0
        assert len(archived(hub, "refused")) == 1
        drop(hub, file)
    else:
        assert tried == [0, 0, 0]
        assert reports(hub) == {}
    filler.unlink()
    assert try_once(inboxes) == 1
    assert days_in(store) == 108
    assert "LOADED" in outcomes(hub)
    assert list((home(hub) / "inbox").iterdir()) == []
    with store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(load).where(load.c.state == "loading")) == 0
    store.close()
