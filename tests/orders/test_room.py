"""Below the disk watermark nothing new is begun."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smt_ws.orders.errors import DiskLowError
from smt_ws.orders.room import require_room, volumes
from smt_ws.settings import Settings


def settings_of(folder: Path, watermark: int, **more: object) -> Settings:
    return Settings.model_validate(
        {
            "database": f"sqlite:///{folder}/hub.db",
            "work_folder": folder / "not" / "yet" / "there",
            "ftps": {"root": folder / "ftps"},
            "intake": {"archive": folder / "archive"},
            "health": {"disk_free_bytes": watermark},
            **more,
        }
    )


def test_folders_on_one_volume_are_one_whether_they_exist_or_not(tmp_path: Path) -> None:
    found = volumes(settings_of(tmp_path, 0))
    assert len(found) == 1
    disk = os.statvfs(tmp_path)
    assert found[0].free == pytest.approx(disk.f_bavail * disk.f_frsize, abs=2_000_000_000)


def test_orders_are_taken_above_the_watermark_and_refused_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 5_000_000

    class Disk:
        f_frsize = 4096

        @property
        def f_bavail(self) -> int:
            return free // 4096

    monkeypatch.setattr(os, "statvfs", lambda _path: Disk())
    settings = settings_of(tmp_path, 4_096_000)
    require_room(settings)
    free = 4_096_000
    require_room(settings)
    free -= 1
    with pytest.raises(DiskLowError) as told:
        require_room(settings)
    assert (told.value.code, told.value.callers_fault) == ("DISK_LOW", False)
    assert "later" in str(told.value)


def test_the_database_of_a_server_is_not_looked_for_here(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, 0, database="postgresql://db.example/hub")
    assert {one.folder for one in volumes(settings)} == {settings.work_folder}
